"""Saved positions against the servers: what is lost, what is only late, and what is said about it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from source_vitess.config import Config
from source_vitess.errors import PositionLostError, TransientError
from source_vitess.mysql.positions import Verdict, check_position, read_shard_settings, require_position
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import read_topology
from unit_tests.scripted_vtgate.vitess import Vitess

STRANGER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def session(vitess: Vitess) -> Iterator[VtgateSession]:
    """A session with a keyspace that has a table with a few transactions."""
    vitess.create_table("t", {"id": "bigint"}, key=("id",))
    for number in range(8):
        vitess.insert("t", {"id": number})
    with VtgateSession.connect(Config.from_json({"url": vitess.url})) as opened:
        yield opened


def executed(session: VtgateSession, shard: str) -> str:
    """Returns what a shard has executed, as the change stream writes it."""
    session.use(f"commerce:{shard}@primary")
    [(text,)] = session.query("select @@global.gtid_executed")
    session.use("commerce")
    return f"MySQL56/{text}"


def test_a_position_that_is_there(session: VtgateSession) -> None:
    """The servers' own position can be continued from, and so can nothing yet."""
    topology = read_topology(session, "commerce")
    positions = {shard: executed(session, shard) for shard in topology.shards}

    assert set(check_position(session, topology, positions, "PRIMARY").values()) == {Verdict.OK}
    require_position(session, "commerce", positions, "PRIMARY")


def test_a_position_that_was_purged(vitess: Vitess, session: VtgateSession) -> None:
    """Binary logs that are gone are told by shard, with how to keep them longer."""
    before = executed(session, "80-")
    for number in range(100, 120):
        vitess.insert("t", {"id": number})
    vitess.purge("80-")

    with pytest.raises(PositionLostError, match=r"Shard 80- .* has purged .*binlog_expire_logs_seconds"):
        require_position(session, "commerce", {"80-": before}, "PRIMARY")


def test_a_position_of_another_server(session: VtgateSession) -> None:
    """Transactions that no server has mean a restored or replaced keyspace."""
    with pytest.raises(PositionLostError, match=r"position of shard -80 holds transactions that keyspace commerce"):
        require_position(session, "commerce", {"-80": f"MySQL56/{STRANGER}:1-5"}, "REPLICA")


def test_a_replica_that_is_behind(vitess: Vitess, session: VtgateSession) -> None:
    """A replica that has not come as far is only late: nothing is lost."""
    vitess.set_replica_lag("-80", 3)
    position = executed(session, "-80")

    with pytest.raises(TransientError, match="REPLICA tablet of shard -80 has not replicated up to"):
        require_position(session, "commerce", {"-80": position}, "REPLICA")


def test_a_replica_without_a_primary(vitess: Vitess, session: VtgateSession) -> None:
    """While there is no primary to ask, a position that a replica lacks is not given up."""
    vitess.set_tablet_types("80-", "REPLICA")

    with pytest.raises(TransientError, match="there is no primary to ask"):
        require_position(session, "commerce", {"80-": f"MySQL56/{STRANGER}:1"}, "REPLICA")


def test_a_shard_that_is_gone(session: VtgateSession) -> None:
    """A position on a shard that was deleted after a reshard is lost, and the message says how to avoid that."""
    with pytest.raises(PositionLostError, match=r"on shard c0-, .*before the old shards are deleted"):
        require_position(session, "commerce", {"c0-": f"MySQL56/{STRANGER}:1"}, "PRIMARY")


def test_a_shard_that_was_resharded(vitess: Vitess, session: VtgateSession) -> None:
    """The old shards of a reshard are not asked: VTGate follows them to the new ones as long as they are there."""
    position = executed(session, "80-")
    vitess.reshard(["80-"], ["80-c0", "c0-"])

    topology = read_topology(session, "commerce")

    assert check_position(session, topology, {"80-": position}, "PRIMARY") == {"80-": Verdict.NOT_SERVING}
    require_position(session, "commerce", {"80-": position}, "PRIMARY")


def test_the_session_can_be_used_again(session: VtgateSession) -> None:
    """After a check, also one that failed, the session's target is the keyspace."""
    topology = read_topology(session, "commerce")

    with pytest.raises(TransientError):
        check_position(session, topology, {"80-": f"MySQL56/{STRANGER}:1"}, "RDONLY")

    assert read_topology(session, "commerce") == topology


def test_settings_are_those_of_each_shard(vitess: Vitess, session: VtgateSession) -> None:
    """What matters for a change stream is asked of the tablets that are streamed from."""
    vitess.sql.variables["binlog_row_image"] = "noblob"
    vitess.sql.variables["binlog_row_value_options"] = "PARTIAL_JSON"

    settings = read_shard_settings(session, "commerce", ["-80", "80-"], "REPLICA")

    assert list(settings) == ["-80", "80-"]
    assert (settings["80-"].binlog_row_image, settings["80-"].binlog_row_value_options) == ("NOBLOB", "PARTIAL_JSON")
    assert settings["80-"].wishes == (
        "binlog_row_image=NOBLOB: set it to FULL",
        "binlog_row_value_options=PARTIAL_JSON: set it to the empty value",
    )
    assert settings["80-"].mysql_version.startswith("8.4")
    assert not settings["80-"].has_tagged_gtids
    asked = [statement.target for statement in vitess.mysql.statements if "binlog_row_image" in statement.sql]
    assert asked == ["commerce:-80@replica", "commerce:80-@replica"]


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

        def query(self, sql: str) -> list[tuple[str, ...]]:
            """Answers the one question."""
            assert "gtid_executed" in sql
            return [("9.7.0", "ROW", "FULL", "", gtids)]

    settings = read_shard_settings(Answering(), "main", ["0"], "PRIMARY")  # type: ignore[arg-type]

    assert settings["0"].has_tagged_gtids is expected
