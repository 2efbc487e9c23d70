"""`run` on a real Vitess that has forgotten the saved position. `test_kills.py` has what it survives otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from vitess_local.cluster import Cluster

from tests.readyset_server import SECONDS, until
from tests.served import Served
from tests.supervisor import Supervisor, command_line

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3 * SECONDS)]


def test_a_purged_position_is_refreshed(keyspaces: Cluster, served: Served, tmp_path: Path) -> None:
    """The binary logs are purged while it is away: rows that went meanwhile are deleted, and no table is made anew."""
    primary = "single:0@primary"
    keyspaces.sql(primary, "create table customers (id bigint not null primary key, name varchar(60))")
    keyspaces.reload_schema("single")
    keyspaces.sql(primary, "insert into customers values (1, 'a'), (2, 'b')")
    supervisor = Supervisor(command_line(keyspaces, "single", ["customers"], served.mysql, None, tmp_path), tmp_path)
    try:
        until(lambda: _rows(served) == [(1, "a"), (2, "b")])
        assert supervisor.stop() == 0
        served.new_binlog()
        keyspaces.sql(primary, "delete from customers where id = 1")
        keyspaces.sql(primary, "insert into customers values (3, 'c')")
        keyspaces.purge_binlogs("single/0")

        supervisor.start()
        until(lambda: _rows(served) == [(2, "b"), (3, "c")])
        keyspaces.sql(primary, "update customers set name = 'later' where id = 2")
        until(lambda: _rows(served) == [(2, "later"), (3, "c")])
        assert supervisor.stop() == 0
    finally:
        supervisor.process.kill()
        supervisor.process.wait()

    text = supervisor.log.read_text()
    assert "WARN  run: All streams are copied anew, and rows that are gone are deleted" in text
    assert "has purged the binary logs since the saved position" in text
    assert "ERROR" not in text
    assert [info for info in served.binlog("Query") if not info.startswith("BEGIN")] == []


def _rows(served: Served) -> list[tuple[object, ...]]:
    made = served.mysql.sql("SELECT 1 FROM information_schema.tables WHERE table_name = 'customers'")
    return sorted(served.mysql.sql("SELECT * FROM single.customers")) if made else []
