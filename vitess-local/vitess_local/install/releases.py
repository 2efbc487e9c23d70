"""The releases of Vitess that can be built and run, and what each of them needs: the one place that knows.

A release is pinned by the hash of its Go module, which holds Vitess' own `go.mod` and `go.sum`, and so pins everything
that it is built from, as Vitess' maintainers built it.

Which MySQL a release works with (docs/versions.md of source-vitess has what was tried):

- Up to v20 with MySQL 8.0 only: statements such as `SHOW MASTER STATUS` are gone from 8.4.
- v21 and v22 with 8.0, and with 9.x as long as no shard has replicas.
- From v23 on with both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vitess_local.errors import VitessLocalError
from vitess_local.install.go_module import GoVersion

#: Up to v21 VTGate has to be told of views, or panics at them where VTTablet knows them.
_VIEWS: Mapping[str, tuple[str, ...]] = {"vtgate": ("--enable-views",)}


@dataclass(frozen=True)
class Release:
    """A release of Vitess.

    Attributes:
        major: The first number of its version.
        patch: The last one; the one between them is always 0.
        checksum: Of its Go module, as a `go.sum` writes it.
        go: The oldest Go that builds it.
        same_go: Whether only that minor release of Go does: a newer one lays out maps in another way, which Vitess
            looks into (go/hack/runtime.go).
        lower_go_line: Whether its `go.mod` asks for a newer patch of Go than can be had, and does not need it.
        build_tags: For `go install`.
        more_flags: By program, flags that newer releases do not need.
        mysql: The MySQL it runs on unless told otherwise; None for the newest that is found.
    """

    major: int
    patch: int
    checksum: str
    go: GoVersion = (1, 26, 2)
    same_go: bool = False
    lower_go_line: bool = False
    build_tags: tuple[str, ...] = ()
    more_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mysql: str | None = None

    @property
    def name(self) -> str:
        """Vitess' own version, such as `22.0.4`."""
        return f"{self.major}.0.{self.patch}"

    @property
    def module_version(self) -> str:
        """The version of its Go module: Vitess 22.0.4 is v0.22.4."""
        return f"v0.{self.major}.{self.patch}"


#: In the order of their age.
RELEASES = (
    Release(
        19,
        9,
        "h1:g3kJ52eO2NIOvM4SLfxvdjf6qlm1cdBOcWbDtUdO5qo=",
        go=(1, 22, 10),
        same_go=True,
        lower_go_line=True,
        more_flags=_VIEWS,
        mysql="8.0",
    ),
    Release(
        20,
        8,
        "h1:3r/+sWI05FP1K+e7sox1WLPHU0J2WSUVRGJsUretvSs=",
        go=(1, 22, 10),
        same_go=True,
        lower_go_line=True,
        more_flags=_VIEWS,
        mysql="8.0",
    ),
    Release(21, 6, "h1:YBbppWTSePJWxEAmdqEFxr0Y0TbNqy9KunliOl7mpbE=", more_flags=_VIEWS, mysql="8.0"),
    Release(
        22,
        4,
        "h1:XMTCKsHbSB8P31ldR4tL2cZl5FPLt36o1xN8xId/SMI=",
        # It wants to be told that Go has the layout of maps that Go 1.26 always has (go/hack/ensure_swiss_map.go).
        build_tags=("goexperiment.swissmap",),
        mysql="8.0",
    ),
    Release(23, 3, "h1:zvZFEG6/3IvmDmXlFlqs7353tNYDTjhlriMMSHGz1vs="),
    Release(24, 0, "h1:1beFkQ3hbozQv0pmuicu1LL22szH7yVwZR/fofGiXxk="),
    Release(24, 4, "h1:fjIFc28fGYF6Bxu4heHsKvx+huPbA4NmIeLJL4clbc8="),
)

#: What `up` and `install` take unless told otherwise.
DEFAULT = "24.4"

_VERSION = re.compile(r"v?(?P<major>\d+)(?:\.0)??(?:\.(?P<patch>\d+))?")


def find_release(version: str) -> Release:
    """Return a release by its version: `22.0.4`, `22.4` for short, or `22` for the newest known one of v22."""
    match = _VERSION.fullmatch(version)
    known = [
        release
        for release in RELEASES
        if match
        and release.major == int(match["major"])
        and (match["patch"] is None or release.patch == int(match["patch"]))
    ]
    if not known:
        names = ", ".join(release.name for release in RELEASES)
        raise VitessLocalError(f"Vitess {version} is not among the releases that can be built: {names}.")
    return known[-1]


def more_flags(version: str, program: str) -> tuple[str, ...]:
    """Return the flags that a program needs in a release, and in newer ones does not; none if it is not known."""
    for release in RELEASES:
        if release.name == version:
            return release.more_flags.get(program, ())
    return ()
