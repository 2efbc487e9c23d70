"""A plain MySQL server beside a cluster: to be fed from Vitess, and to have its binlog read.

It runs until the process that started it ends it: `with PlainMysql.start() as server:`. It listens on the loopback
interface only, and accepts everybody as `local`, without a password and with every privilege.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pymysql

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install.account import Account, server_account
from vitess_local.install.mysql_settings import render_settings, small_server_settings
from vitess_local.install.steps import ensure_installed
from vitess_local.install.toolchain import Toolchain
from vitess_local.progress import report_to_stderr
from vitess_local.servers.mysql_client import Connection, Rows, connect, query
from vitess_local.servers.ports import LOOPBACK, ReservedPort, accepts_connections, reserve_port
from vitess_local.servers.server import Server
from vitess_local.servers.waiting import wait_until

USER = "local"

_START_SECONDS = 60.0
_INIT = f"""\
CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' WITH GRANT OPTION;
"""


class PlainMysql:
    """A running server. `stop` must be called, or the end of the `with` block reached.

    Attributes:
        port: Its port on the loopback interface.
        data_dir: Its folder.
    """

    def __init__(
        self, toolchain: Toolchain, account: Account, data_dir: Path, port: int, reserved: ReservedPort | None = None
    ) -> None:
        self.port = port
        self._reserved = reserved
        self.data_dir = data_dir
        self._toolchain = toolchain
        self._account = account
        self._server = Server("mysqld", data_dir / "run", data_dir)

    @classmethod
    def start(cls, *, settings: Mapping[str, str] | None = None, port: int | None = None) -> PlainMysql:
        """Initialise a server with an empty data folder and start it.

        Args:
            settings: Lines of `my.cnf` that win over the defaults: a small server with a ROW binlog and GTIDs.
            port: Its port; a free one if None.
        """
        cache = Cache.default()
        toolchain = ensure_installed(cache)
        account = server_account(cache.locks)
        folder = Path(tempfile.mkdtemp(prefix="vtl-mysql-", dir="/tmp"))
        # From the top of the range: clusters choose from the bottom, and do not know of this port.
        reserved = None if port else reserve_port(cache.locks, range(31999, 28000, -1))
        server = cls(toolchain, account, folder, reserved.number if reserved else port or 0, reserved)
        try:
            server._initialise(settings or {})
            server.run()
        except BaseException:
            server.stop()
            raise
        return server

    def connect(self, **options: Any) -> Connection:
        """Return a PyMySQL connection as the administrator; each statement commits by itself."""
        return connect(**{"host": LOOPBACK, "port": self.port, "user": USER, **options})

    def sql(self, text: str) -> Rows:
        """Run one statement and return its rows."""
        with self.connect() as connection:
            return query(connection, text)

    def run(self) -> None:
        """Start the server again after `kill`, and wait until it answers."""
        argv = [str(self._toolchain.mysqld), f"--defaults-file={self.data_dir / 'my.cnf'}"]
        self._server.start(argv, account=self._account, cwd=self.data_dir, env=self._environment())
        wait_until(
            self._missing,
            what="the MySQL server",
            timeout=_START_SECONDS,
            report=report_to_stderr,
            servers=[self._server],
            poll=0.05,
        )

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the server with a signal; its data stays."""
        self._server.signal(number)
        if not self._server.wait_ended(60):
            raise VitessLocalError("The MySQL server does not end.", log=self._server.log)
        # It holds the server's process id, which stays in use until somebody has waited for the process.
        (self.data_dir / "mysql.sock.lock").unlink(missing_ok=True)

    def stop(self) -> None:
        """End the server and delete its data."""
        if self._server.pid() is not None:
            self._server.stop(60)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        if self._reserved is not None:
            self._reserved.release()
            self._reserved = None

    def __enter__(self) -> PlainMysql:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        return self._toolchain.environment(self.data_dir)

    def _initialise(self, settings: Mapping[str, str]) -> None:
        version = tuple(map(int, self._toolchain.mysql_version.split(".")))
        small = small_server_settings(version)
        (self.data_dir / "run").mkdir()
        (self.data_dir / "init.sql").write_text(_INIT, encoding="utf-8")
        own = {
            "basedir": str(self._toolchain.mysql_root),
            "datadir": str(self.data_dir / "data"),
            "tmpdir": str(self.data_dir),
            "socket": str(self.data_dir / "mysql.sock"),
            "port": str(self.port),
            "mysqlx": "OFF",
            "pid-file": str(self.data_dir / "mysqld.pid"),
            "secure-file-priv": "NULL",
            "init-file": str(self.data_dir / "init.sql"),
            "log-bin": "binlog",
            "server-id": "1",
            "binlog-format": "ROW",
            "gtid-mode": "ON",
            "enforce-gtid-consistency": "ON",
        }
        text = "[mysqld]\n" + render_settings({**small, **own, **settings})
        (self.data_dir / "my.cnf").write_text(text, encoding="utf-8")
        self._account.own_tree(self.data_dir)
        argv = [str(self._toolchain.mysqld), f"--defaults-file={self.data_dir / 'my.cnf'}", "--initialize-insecure"]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.data_dir,
            env=self._environment(),
            check=False,
            **self._account.identity,
        )
        if done.returncode != 0:
            raise VitessLocalError(f"MySQL cannot be initialised: {done.stderr.decode(errors='replace')[-2000:]}")

    def _missing(self) -> str | None:
        if not accepts_connections(self.port):
            return "nobody listens"
        try:
            self.connect().close()
        except (pymysql.MySQLError, OSError) as error:
            return str(error)
        return None
