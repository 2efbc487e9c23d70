"""The unprivileged account the servers run as.

mysqld and mysqlctl refuse to run as root, and nothing here needs root: started by
root, every server runs as a system user of its own; otherwise as the caller.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitess_local.errors import VitessLocalError
from vitess_local.locks import locked

SYSTEM_USER = "source-vitess"


@dataclass(frozen=True)
class Account:
    """User and group of the servers."""

    name: str
    uid: int
    gid: int

    @property
    def drops_privileges(self) -> bool:
        """Return whether servers must be started as somebody else than the caller."""
        return os.geteuid() == 0 and self.uid != 0

    @property
    def identity(self) -> dict[str, Any]:
        """Arguments for `subprocess` that make a program run as the account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drops_privileges else {}

    def own(self, path: Path) -> None:
        """Give one file or folder to the account."""
        if self.drops_privileges:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, folder: Path) -> None:
        """Give a folder and everything in it to the account."""
        if not self.drops_privileges:
            return
        self.own(folder)
        for parent, folders, files in os.walk(folder):
            for entry in (*folders, *files):
                self.own(Path(parent) / entry)


def server_account(locks: Path) -> Account:
    """Return the account for the servers; as root, create it if it is missing."""
    if os.geteuid() != 0:
        return _account(pwd.getpwuid(os.geteuid()))
    with locked(locks / "account.lock", timeout=30):
        try:
            return _account(pwd.getpwnam(SYSTEM_USER))
        except KeyError:
            _create(SYSTEM_USER)
        return _account(pwd.getpwnam(SYSTEM_USER))


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create(name: str) -> None:
    useradd = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if useradd is None:
        raise VitessLocalError(
            f"The servers cannot run as root, and there is no `useradd` to create the user {name}.",
            remedy="Create that system user, or run vitess-local as an ordinary user.",
        )
    words = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    done = subprocess.run([*words, "--shell", "/usr/sbin/nologin", name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VitessLocalError(f"Creating the user {name} failed: {done.stderr.strip()}")
