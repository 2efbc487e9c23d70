"""What a cluster knows of the programs it runs."""

from pathlib import Path

from vitess_local.install.toolchain import Toolchain

TOOLCHAIN = Toolchain(
    vitess_root=Path("/vt"),
    mysql_root=Path("/mysql"),
    mysqld=Path("/mysql/bin/mysqld"),
    etcd=Path("/etcd"),
    mysql_template=Path("/template"),
    vitess_version="24.0.0",
    mysql_version="9.7.4",
)


def test_the_environment_of_servers_holds_nothing_of_the_callers() -> None:
    """A server must not behave differently in another shell."""
    environment = TOOLCHAIN.environment(Path("/data"))

    assert environment["VTDATAROOT"] == "/data"
    assert environment["VT_MYSQL_ROOT"] == "/mysql"
    assert environment["TZ"] == "UTC"
    assert set(environment) == {"PATH", "HOME", "LANG", "TZ", "VTROOT", "VTDATAROOT", "VT_MYSQL_ROOT"}


def test_a_toolchain_survives_its_file() -> None:
    """A cluster keeps the programs it was started with."""
    assert Toolchain.from_json(TOOLCHAIN.to_json()) == TOOLCHAIN
