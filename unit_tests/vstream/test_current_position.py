"""The position of a keyspace now."""

from __future__ import annotations

import pytest

from instruments.scripted_vtgate.script import Hang, Scripts, Step
from instruments.scripted_vtgate.vitess import Vitess
from instruments.scripted_vtgate.vstream_server import VStreamServer
from source_vitess.errors import ConfigError, PositionLostError, TransientError
from source_vitess.proto.binlogdata_pb2 import ShardGtid, VEvent, VEventType, VGtid
from source_vitess.proto.topodata_pb2 import TabletType
from source_vitess.settings.config import Config
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.current_position import read_current_position

SHARDS = ("-80", "80-")
LEFT, RIGHT = "MySQL56/11111111-2222-3333-4444-555555555555:1-5", "MySQL56/21111111-2222-3333-4444-555555555555:1-7"
BEAT = VEvent(type=VEventType.HEARTBEAT)


def answer(left: str, right: str) -> list[VEvent]:
    """Returns how VTGate sends a position."""
    gtids = zip(SHARDS, (left, right), strict=True)
    entries = [ShardGtid(keyspace="commerce", shard=shard, gtid=gtid) for shard, gtid in gtids]
    return [VEvent(type=VEventType.VGTID, vgtid=VGtid(shard_gtids=entries)), VEvent(type=VEventType.OTHER)]


def client_of(port: int) -> VStreamClient:
    """Returns a client for a gRPC port on loopback."""
    return VStreamClient(Config.from_json({"url": f"vitess://127.0.0.1:{port}/commerce"}))


def test_every_shard_has_to_answer() -> None:
    """A shard that has not spoken yet shows as `current`; the answer is complete when none does."""
    script: list[Step] = [BEAT, answer("current", RIGHT), BEAT, answer(LEFT, RIGHT), Hang()]

    with VStreamServer(Scripts(script)) as server, client_of(server.port) as client:
        found = read_current_position(client, "commerce", SHARDS, "REPLICA", ("zone1", "zone2"))
        [call] = server.calls
        assert call.wait_end(10)

    assert found == {"-80": LEFT, "80-": RIGHT}
    assert call.request.tablet_type == TabletType.REPLICA
    assert call.request.flags.cells == "zone1,zone2"
    assert [entry.gtid for entry in call.request.vgtid.shard_gtids] == ["current", "current"]


def test_a_shard_that_does_not_answer_is_named() -> None:
    """Waiting ends, and the message names the shard, the tablets, and what to look for."""
    script: list[Step] = [answer("current", RIGHT), Hang()]

    with (
        VStreamServer(Scripts(script)) as server,
        client_of(server.port) as client,
        pytest.raises(TransientError, match=r"REPLICA tablets of shard -80 of keyspace commerce.*metadata lock"),
    ):
        read_current_position(client, "commerce", SHARDS, "REPLICA", timeout=0.3)


def test_a_lost_connection_is_no_lock() -> None:
    """The advice is about a tablet that is silent, and not about a server that is not there."""
    with VStreamServer(Scripts([Hang()])) as server:
        port = server.port
    with client_of(port) as client, pytest.raises(TransientError) as lost:
        read_current_position(client, "commerce", SHARDS, "REPLICA", timeout=10)

    assert "did not report their position" in lost.value.message
    assert "metadata lock" not in lost.value.message


def test_an_end_before_the_answer() -> None:
    """A stream that VTGate ends early is no answer."""
    with (
        VStreamServer(Scripts([answer("current", "current")])) as server,
        client_of(server.port) as client,
        pytest.raises(TransientError, match="before every shard"),
    ):
        read_current_position(client, "commerce", SHARDS, "PRIMARY")


def test_a_keyspace_has_a_position(vitess: Vitess) -> None:
    """An empty keyspace has a position as well, and a transaction moves it."""
    with client_of(vitess.vstream.port) as client:
        before = read_current_position(client, "commerce", SHARDS, "PRIMARY")
        vitess.create_table("t", {"id": "bigint"}, key=("id",))
        after = read_current_position(client, "commerce", SHARDS, "PRIMARY")

    assert set(before) == set(SHARDS)
    assert before != after


@pytest.mark.parametrize(
    ("keyspace", "shards", "expected"), [("nope", SHARDS, ConfigError), ("commerce", ("c0-",), PositionLostError)]
)
def test_what_is_not_there(vitess: Vitess, keyspace: str, shards: tuple[str, ...], expected: type[Exception]) -> None:
    """A keyspace or shard that does not exist is reported at once."""
    with client_of(vitess.vstream.port) as client, pytest.raises(expected):
        read_current_position(client, keyspace, shards, "PRIMARY")
