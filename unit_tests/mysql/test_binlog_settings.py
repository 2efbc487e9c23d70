"""How the shards' MySQL servers write their binary logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import TransientError
from source_vitess.mysql.binlog_settings import read_shard_settings
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Tablet, Topology, read_topology
from source_vitess.settings.config import Config
from source_vitess.vitess_release import VitessRelease

STRANGER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def session(vitess: Vitess) -> Iterator[VtgateSession]:
    """A session with a keyspace that has a table with a few transactions."""
    vitess.create_table("t", {"id": "bigint"}, key=("id",))
    for number in range(8):
        vitess.insert("t", {"id": number})
    with VtgateSession.connect(Config.from_json({"url": vitess.url})) as opened:
        yield opened


def test_settings_are_those_of_each_shard(vitess: Vitess, session: VtgateSession) -> None:
    """What matters for a change stream is asked of the tablets that are streamed from."""
    vitess.sql.variables["binlog_row_image"] = "noblob"
    vitess.sql.variables["binlog_row_value_options"] = "PARTIAL_JSON"

    settings = read_shard_settings(session, read_topology(session, "commerce"), ["-80", "80-"], "REPLICA")

    assert list(settings) == ["-80", "80-"]
    assert (settings["80-"].binlog_row_image, settings["80-"].binlog_row_value_options) == ("NOBLOB", "PARTIAL_JSON")
    assert settings["80-"].wishes == (
        "binlog_row_image=NOBLOB: set it to FULL",
        "binlog_row_value_options=PARTIAL_JSON: set it to the empty value",
    )
    assert settings["80-"].mysql_version.startswith("8.4")
    assert not settings["80-"].has_tagged_gtids
    asked = [statement.target for statement in vitess.mysql.statements if "binlog_row_image" in statement.sql]
    assert asked == ["commerce:-80@replica|zone1-0000000101", "commerce:80-@replica|zone1-0000000111"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("binlog_row_image", "NOBLOB", "binlog_row_image=NOBLOB: set it to FULL"),
        ("binlog_row_image", "MINIMAL", "binlog_row_image=MINIMAL: set it to FULL"),
        ("binlog_format", "STATEMENT", "binlog_format=STATEMENT: set it to ROW"),
        (
            "binlog_row_value_options",
            "PARTIAL_JSON",
            "binlog_row_value_options=PARTIAL_JSON: set it to the empty value",
        ),
    ],
)
@pytest.mark.parametrize("other", [1, 2])
def test_one_tablet_of_a_shard_is_set_otherwise(
    vitess: Vitess, session: VtgateSession, name: str, value: str, told: str, other: int
) -> None:
    """Every tablet that may be streamed from is asked: replicas write binary logs of their own."""
    vitess.make_uneven("PRIMARY", "REPLICA", "REPLICA")
    vitess.sql.variables_of[vitess.shards["80-"].tablets[other].alias] = {name: value}
    topology = read_topology(session, "commerce")

    settings = read_shard_settings(session, topology, topology.shards, "REPLICA")

    assert settings["80-"].wishes == (told,)
    assert settings["-80"].wishes == ()
    assert read_shard_settings(session, topology, topology.shards, "PRIMARY")["80-"].wishes == ()


def test_binary_logs_are_kept_as_long_as_where_they_are_kept_most_shortly(
    vitess: Vitess, session: VtgateSession
) -> None:
    """Any tablet may be streamed from. 0 is no limit, which is longer than any; where none is known the rest is."""
    vitess.make_uneven("PRIMARY", "REPLICA", "REPLICA")
    vitess.sql.variables["binlog_expire_logs_seconds"] = 0
    vitess.sql.variables_of[vitess.shards["80-"].tablets[2].alias] = {"binlog_expire_logs_seconds": 7200}
    topology = read_topology(session, "commerce")

    settings = read_shard_settings(session, topology, topology.shards, "REPLICA")

    assert {shard: setting.retention for shard, setting in settings.items()} == {"-80": 0, "80-": 7200}
    del vitess.sql.variables["binlog_expire_logs_seconds"]
    settings = read_shard_settings(session, topology, topology.shards, "PRIMARY")
    assert [setting.retention for setting in settings.values()] == [None, None]
    assert [setting.binlog_row_image for setting in settings.values()] == ["FULL", "FULL"]


def test_the_oldest_mysql_of_a_shard_counts(vitess: Vitess, session: VtgateSession) -> None:
    """By its numbers, not by how they are spelled: 9.7.4 is older than 10.0.1, and 9.7.12 newer than that."""
    vitess.make_uneven("PRIMARY", "REPLICA", "REPLICA")
    for shard, versions in {"-80": ("10.0.1", "9.7.4"), "80-": ("9.7.12", "9.7.4-debug")}.items():
        for tablet, version in zip(vitess.shards[shard].tablets[1:], versions, strict=True):
            vitess.sql.variables_of[tablet.alias] = {"version": version, "innodb_version": version}
    topology = read_topology(session, "commerce")

    settings = read_shard_settings(session, topology, topology.shards, "REPLICA")

    assert {shard: setting.mysql_version for shard, setting in settings.items()} == {
        "-80": "9.7.4",
        "80-": "9.7.4-debug",
    }
    assert settings["80-"].mysql_release == (9, 7, 4)


class Hanging:
    """A session of which one tablet does not answer."""

    is_open = True

    def use(self, target: str) -> None:
        """Accepts every target."""
        self.target = target

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Answers, but for one tablet."""
        if self.target.endswith("zone1-2"):
            raise TransientError("no answer")
        return [("11111111", "8.4.0", "ROW", "FULL", "", "", 3600)]


def test_a_tablet_that_does_not_answer() -> None:
    """What another one runs with is no answer about it; a release that would lose its changes is not read from."""
    tablets = tuple(Tablet("0", "REPLICA", "zone1", True, "host", alias) for alias in ("zone1-1", "zone1-2"))
    topology = Topology("main", ("0",), tablets, "24.0.0")

    setting = read_shard_settings(Hanging(), topology, ["0"], "REPLICA")["0"]  # type: ignore[arg-type]

    [warning] = setting.warnings("0")
    assert "Not every tablet of shard 0 that can be streamed from answers" in warning
    setting.require_whole_updates("0", VitessRelease("24.0.0"))
    with pytest.raises(TransientError, match="Not every tablet of shard 0"):
        setting.require_whole_updates("0", VitessRelease("21.0.0"))


@pytest.mark.parametrize(
    ("gtids", "expected"),
    [
        ("", False),
        (f"{STRANGER}:1-5:7", False),
        (f"{STRANGER}:1-5,\n{STRANGER}:7", False),
        (f"{STRANGER}:1-5:nightly:1-3", True),
        (f"{STRANGER}:_a1:1", True),
    ],
)
def test_tagged_gtids_are_seen(gtids: str, expected: bool) -> None:
    """A server that has any tagged GTID is recognised, in every way MySQL writes them."""

    class Answering:
        """A session that answers with these GTIDs."""

        def use(self, target: str) -> None:
            """Accepts every target."""

        def query(self, sql: str) -> list[tuple[object, ...]]:
            """Answers the one question."""
            assert "gtid_executed" in sql
            return [("11111111", "9.7.0", "ROW", "FULL", "", gtids, 3600)]

    topology = Topology("main", ("0",), (Tablet("0", "PRIMARY", "zone1", True, "host", "zone1-100"),), "24.0.0")
    settings = read_shard_settings(Answering(), topology, ["0"], "PRIMARY")  # type: ignore[arg-type]

    assert settings["0"].has_tagged_gtids is expected
