"""Which Vitess is run on which MySQL."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from vitess_local.errors import VitessLocalError
from vitess_local.install.releases import DEFAULT, Release, find_release

VITESS_VARIABLE = "VITESS_LOCAL_VITESS_VERSION"
MYSQL_VARIABLE = "VITESS_LOCAL_MYSQL_VERSION"

_MYSQL = re.compile(r"\d+\.\d+(\.\d+)?")


@dataclass(frozen=True)
class Pair:
    """A release of Vitess, and the MySQL that it runs on.

    Attributes:
        vitess: The release.
        mysql: MySQL's version, such as `8.0`; None for the one on PATH, or else the newest that Debian has.
    """

    vitess: Release
    mysql: str | None

    @classmethod
    def of(cls, vitess: str | None = None, mysql: str | None = None) -> Pair:
        """Return the pair that somebody asks for.

        Args:
            vitess: Its version, such as `22.4`; None for the environment's choice, or the default.
            mysql: MySQL's version, such as `8.0`, or `newest`; None for the environment's choice, or the release's own.
        """
        release = find_release(vitess or os.environ.get(VITESS_VARIABLE) or DEFAULT)
        version = mysql or os.environ.get(MYSQL_VARIABLE) or release.mysql
        if version in (None, "newest"):
            return cls(release, None)
        if not _MYSQL.fullmatch(version):
            raise VitessLocalError(f"{version} is no version of MySQL; write it as in `8.0`, or `newest`.")
        return cls(release, version)
