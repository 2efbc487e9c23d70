"""The programs a cluster is made of, and the environment they need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from vitess_local.install import flags
from vitess_local.install.releases import more_flags

# Told to every program so that its log is text; releases before v24 write nothing else.
_OPTIONAL_FLAGS = ("log-format",)


@dataclass(frozen=True)
class Toolchain:
    """Everything `install` provides.

    `vitess_root` is what Vitess calls VTROOT (`bin/`, `config/`), `mysql_root` what it
    calls VT_MYSQL_ROOT (`bin/mysqld`), `mysql_template` the data folder tablets copy.
    """

    vitess_root: Path
    mysql_root: Path
    mysqld: Path
    etcd: Path
    mysql_template: Path
    vitess_version: str
    mysql_version: str

    def vitess(self, program: str) -> Path:
        """Return the path of one of Vitess' programs."""
        return self.vitess_root / "bin" / program

    def vitess_argv(self, program: str, words: Iterable[str]) -> list[str | Path]:
        """Return the command of one of Vitess' programs, with its flags as this release spells them.

        `words` are written as Vitess 24 has them.
        """
        known = flags.load(self.vitess_root).get(program, ())
        wanted = [*more_flags(self.vitess_version, program), *words]
        return [self.vitess(program), *flags.spell(known, wanted, optional=_OPTIONAL_FLAGS)]

    def environment(self, data_dir: Path) -> dict[str, str]:
        """Return the whole environment of a server: nothing of the caller's leaks into it."""
        return {
            "PATH": f"{self.vitess_root / 'bin'}:{self.mysql_root / 'bin'}:/usr/sbin:/usr/bin:/bin",
            "HOME": str(data_dir),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "VTROOT": str(self.vitess_root),
            "VTDATAROOT": str(data_dir),
            "VT_MYSQL_ROOT": str(self.mysql_root),
        }

    def to_json(self) -> dict[str, str]:
        """Return a form for the cluster's file."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, str]) -> Toolchain:
        """Read what `to_json` wrote."""
        return cls(
            vitess_root=Path(data["vitess_root"]),
            mysql_root=Path(data["mysql_root"]),
            mysqld=Path(data["mysqld"]),
            etcd=Path(data["etcd"]),
            mysql_template=Path(data["mysql_template"]),
            vitess_version=data["vitess_version"],
            mysql_version=data["mysql_version"],
        )
