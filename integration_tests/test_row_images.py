"""Binary logs that do not hold whole rows: what a session of MySQL can leave out, on a real Vitess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from source_vitess.check import check
from source_vitess.errors import ConfigError
from source_vitess.settings.config import Config
from source_vitess.vitess_release import VitessRelease

_COLUMNS = "id bigint primary key, n int, needed int not null, body text, doc json, note text not null"
_DOCUMENT = '{"a": 1, "padding": "' + "x" * 200 + '"}'
_VALUES = f"2, 3, 'four', '{_DOCUMENT}', 'six')"
_INSERT = "insert into {t} (id, n, needed, body, doc, note) values (9, " + _VALUES

NOBLOB = {"binlog_row_image": "NOBLOB"}
MINIMAL = {"binlog_row_image": "MINIMAL"}
PARTIAL_JSON = {"binlog_row_value_options": "PARTIAL_JSON"}


@dataclass(frozen=True)
class Case:
    """A change of a table of its own, which holds one row with the id 1.

    Attributes:
        statement: With `{t}` for the table.
        variables: Of the session that writes.
        missing: What the error says; empty if the row is whole all the same.
    """

    statement: str
    variables: dict[str, str]
    missing: str = ""


CASES = {
    "noblob_update": Case("update {t} set n = 7", NOBLOB, "'body' is missing"),
    "noblob_blob": Case("update {t} set body = 'new'", NOBLOB, "'note' is missing"),
    "noblob_key": Case("update {t} set id = 8", NOBLOB, "'body' is missing"),
    "noblob_delete": Case("delete from {t}", NOBLOB, "'note' is missing from a row that is gone"),
    "noblob_all_blobs": Case("update {t} set n = 5, body = 'new', note = 'more'", NOBLOB),
    "noblob_insert": Case(_INSERT, NOBLOB),
    "minimal_update": Case("update {t} set n = 7", MINIMAL, "'id' is missing"),
    "minimal_all": Case("update {t} set n = 1, needed = 1, body = '', doc = '[]', note = ''", MINIMAL, "'id' is"),
    "minimal_delete": Case("delete from {t}", MINIMAL, "'needed' is missing from a row that is gone"),
    "minimal_short_insert": Case("insert into {t} (id, needed, note) values (5, 6, '')", MINIMAL, "'n' is missing"),
    "minimal_insert": Case(_INSERT, MINIMAL),
    "json_update": Case("update {t} set doc = json_set(doc, '$.a', 2)", PARTIAL_JSON, "as with PARTIAL_JSON"),
    "json_other_column": Case("update {t} set n = 7", PARTIAL_JSON, "as with PARTIAL_JSON"),
    "json_whole": Case("update {t} set doc = '[]'", PARTIAL_JSON),
    "json_delete": Case("delete from {t}", PARTIAL_JSON),
}


def write(cluster: Cluster, statements: Sequence[str], variables: dict[str, str]) -> None:
    """Runs statements on the shard's own MySQL, in a session with these variables: VTGate would refuse to set them."""
    with cluster.connect_tablet(cluster.primary("single", "0").alias) as connection, connection.cursor() as cursor:
        cursor.execute("use vt_single")
        for name, value in variables.items():
            cursor.execute(f"set session {name} = %s", (value,))
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


@contextmanager
def server_wide(cluster: Cluster, **variables: str) -> Iterator[None]:
    """Sets a global variable of the shard's MySQL, and sets it back."""
    [(name, value)] = variables.items()
    with cluster.connect_tablet(cluster.primary("single", "0").alias) as connection, connection.cursor() as cursor:
        cursor.execute(f"select @@global.{name}")
        [[before]] = cursor.fetchall()
        cursor.execute(f"set global {name} = %s", (value,))
        try:
            yield
        finally:
            cursor.execute(f"set global {name} = %s", (before,))


def release(cluster: Cluster) -> VitessRelease:
    """Returns the cluster's release of Vitess."""
    return VitessRelease(str(cluster.describe()["vitess_version"]))


def copied(cluster: Cluster, single: Connector, tables: Sequence[str]) -> Store:
    """Creates tables of one row, and returns a store with a copy of them."""
    for table in tables:
        cluster.sql("single:0@primary", f"create table {table} ({_COLUMNS})")
    cluster.reload_schema("single")
    write(cluster, [f"insert into {table} values (1, {_VALUES}" for table in tables], {})
    store = Store.of_catalog(single.discover())
    assert single.sync(store, single.configured()) is None
    return store


def test_a_partial_row_ends_its_stream_and_no_other(cluster: Cluster, single: Connector) -> None:
    """The error names the table, the column and the setting; no null comes out that is not in the table.

    What counts is the row, not the setting: a session that writes whole rows in spite of it can be read. Updates that
    a release loses without a word are none of these cases, those of whole documents among them: its warning says so.
    """
    cases = CASES
    if not release(cluster).knows_partial_updates:
        lost = {name for name, case in CASES.items() if case.variables == PARTIAL_JSON and "update" in case.statement}
        cases = {name: case for name, case in CASES.items() if name not in lost}
    store = copied(cluster, single, list(cases))
    before = dict(store.records)
    for table, case in cases.items():
        write(cluster, [case.statement.replace("{t}", table)], case.variables)

    error = single.sync(store, single.configured())

    assert isinstance(error, ConfigError)
    told = {
        failure["stream_descriptor"]["name"]: failure["message"]
        for failure in store.errors
        if "stream_descriptor" in failure
    }
    assert set(told) == {table for table, case in cases.items() if case.missing}
    for table, message in told.items():
        assert cases[table].missing in message
        assert f"table '{table}' in shard '0'" in message
        assert "Set binlog_row_image=FULL and binlog_row_value_options=''" in message
        assert store.statuses[table] == "INCOMPLETE"
        assert store.records[table] == before[table]
    single.expect_all_equal(store, *(table for table in cases if table not in told))


def test_partial_updates_for_all_sessions(cluster: Cluster, single: Connector) -> None:
    """A release that reads them as what they are is a warning; one that loses them is refused, by check and sync."""
    store = copied(cluster, single, ["t"])
    config = Config.from_json(single.config)
    with server_wide(cluster, **PARTIAL_JSON):
        if release(cluster).knows_partial_updates:
            assert any("binlog_row_value_options=PARTIAL_JSON" in line.text for line in check(config))
            return
        with pytest.raises(ConfigError, match="leaves the updates that are written so out of the stream"):
            check(config)
        write(cluster, ["update t set n = 7"], {})
        error = single.sync(store, single.configured())
    assert isinstance(error, ConfigError)
    assert "refresh all streams" in error.message


def test_a_null_that_the_server_s_setting_may_have_put_there(cluster: Cluster, single: Connector) -> None:
    """VTGate (v24) tells nothing of the images of deleted rows; the setting does, and the log of a sync warns of it."""
    cluster.sql("single:0@primary", "create table nullable (id bigint primary key, body text)")
    cluster.reload_schema("single")
    cluster.sql("single", "insert into nullable (id, body) values (1, 'body')")
    store = Store.of_catalog(single.discover())
    assert single.sync(store, single.configured()) is None
    with server_wide(cluster, binlog_row_image="NOBLOB"):
        write(cluster, ["delete from nullable"], NOBLOB)

        assert isinstance(single.sync(store, single.configured()), ConfigError)
    [told] = store.errors
    assert "'body' is missing from a row that is gone" in told["message"]
    assert not store.deletes
    assert any("shard 0 runs with binlog_row_image=NOBLOB" in line for line in store.logs)


def test_a_row_of_nulls_only(cluster: Cluster, single: Connector) -> None:
    """VTTablet copies it and sends no change of it, of which the log warns; other rows are not concerned."""
    cluster.sql("single:0@primary", "create table nulls (a int, b text)")
    cluster.reload_schema("single")
    cluster.sql("single", "insert into nulls (a, b) values (1, 'x'), (null, null)")
    store = Store.of_catalog(single.discover())
    assert single.sync(store, single.configured()) is None
    single.expect_all_equal(store)
    assert any("Table 'nulls' has neither a key nor a column that is NOT NULL" in line for line in store.logs)

    cluster.sql("single", "insert into nulls (a, b) values (2, null), (null, null)")
    assert single.sync(store, single.configured()) is None

    assert store.records["nulls"] == 3
