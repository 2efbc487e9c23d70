"""Which MySQL servers Vitess can use."""

import pytest

from vitess_local.install.mysql_and_etcd import parse_mysql_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("/x/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", (9, 7, 4)),
        ("mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", (8, 0, 36)),
        ("mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64", None),
        ("", None),
    ],
)
def test_mysql_versions(text: str, version: tuple[int, ...] | None) -> None:
    """MariaDB is no MySQL, whatever its version."""
    assert version == parse_mysql_version(text)
