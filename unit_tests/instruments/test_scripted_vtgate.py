"""The scripted VTGate does what the other tests rely on."""

from __future__ import annotations

import threading

import grpc
import pytest

from instruments.scripted_vtgate import events
from instruments.scripted_vtgate.client import kinds
from instruments.scripted_vtgate.script import Delay, Fail, Gate, Hang, Scripts, Step
from instruments.scripted_vtgate.vstream_server import VStreamServer
from instruments.scripted_vtgate.wire import field_of, pack_lengths, row_of, values_of
from source_vitess.proto import query_pb2, vtgate_pb2
from unit_tests.conftest import OpenStream


def test_a_script_is_played_event_by_event_and_ends_with_ok(open_stream: OpenStream) -> None:
    """Lists are one response, single events one each, in order; after the last step comes EOF."""
    script: list[Step] = [
        events.transaction({"-80": events.gtid(2)}),
        events.heartbeat(),
        *events.split([events.begin(), events.commit()]),
    ]
    with VStreamServer(Scripts(script)) as server:
        received = [kinds(response) for response in open_stream(server.port)]
    assert received == ["BEGIN VGTID COMMIT", "HEARTBEAT", "BEGIN", "COMMIT"]


def test_requests_and_metadata_are_kept(open_stream: OpenStream) -> None:
    """Every request is kept as it came."""
    request = vtgate_pb2.VStreamRequest(vgtid=events.position({"-80": "current"}))
    with VStreamServer(Scripts([events.heartbeat()])) as server:
        open_stream(server.port, request, metadata={"username": "u"}).next()
        assert server.requests == [request]
        assert server.calls[0].metadata["username"] == "u"


def test_a_gate_holds_the_stream_until_it_is_opened(open_stream: OpenStream) -> None:
    """Nothing after a gate is sent before the test opens it."""
    gate = Gate()
    with VStreamServer(Scripts([events.begin(), gate, events.commit()])) as server:
        stream = open_stream(server.port)
        assert kinds(stream.next()) == "BEGIN"
        gate.wait_reached()
        gate.open()
        assert kinds(stream.next()) == "COMMIT"


def test_a_script_fails_with_the_given_status(open_stream: OpenStream) -> None:
    """Code and text reach the client as they are."""
    with VStreamServer(Scripts([events.begin(), Fail(grpc.StatusCode.CANCELLED, "context has expired")])) as server:
        stream = open_stream(server.port)
        stream.next()
        with pytest.raises(grpc.RpcError) as raised:
            stream.next()
    assert raised.value.code() is grpc.StatusCode.CANCELLED
    assert raised.value.details() == "context has expired"


def test_a_call_without_a_script_is_refused(open_stream: OpenStream) -> None:
    """A call more than the test expects does not pass unseen."""
    with VStreamServer(Scripts()) as server, pytest.raises(grpc.RpcError, match="no script left"):
        open_stream(server.port).next()


def test_a_script_can_be_chosen_by_the_request(open_stream: OpenStream) -> None:
    """`choose` sees the request."""

    def choose(request: vtgate_pb2.VStreamRequest) -> list[Step]:
        return [events.ddl(request.vgtid.shard_gtids[0].gtid)]

    with VStreamServer(Scripts(choose=choose)) as server:
        request = vtgate_pb2.VStreamRequest(vgtid=events.position({"0": "current"}))
        assert open_stream(server.port, request).next().events[0].statement == "current"


@pytest.mark.parametrize("step", [Hang(), Delay(60), Gate()], ids=["hang", "delay", "gate"])
def test_a_cancelled_call_releases_its_thread(open_stream: OpenStream, step: Step) -> None:
    """A hanging stream ends when the client cancels: no thread outlives the server."""
    with VStreamServer(Scripts([events.begin(), step])) as server:
        stream = open_stream(server.port)
        stream.next()
        stream.close()
        assert server.calls[0].wait_end(10)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vstream")]


def test_a_stopped_server_comes_back_on_its_port(open_stream: OpenStream) -> None:
    """Streams end with UNAVAILABLE or CANCELLED when the server stops; later calls are served again."""
    with VStreamServer(Scripts([events.begin(), Hang()], [events.commit()])) as server:
        stream = open_stream(server.port)
        stream.next()
        server.stop()
        with pytest.raises(grpc.RpcError):
            stream.next()
        server.start()
        assert kinds(open_stream(server.port).next()) == "COMMIT"


def test_credentials_are_asked_for_as_by_vtgate(open_stream: OpenStream) -> None:
    """Missing and wrong credentials are told apart by their codes; right ones are let in."""
    with VStreamServer(Scripts([events.begin()]), credentials={"u": "p"}) as server:
        with pytest.raises(grpc.RpcError) as missing:
            open_stream(server.port).next()
        with pytest.raises(grpc.RpcError) as wrong:
            open_stream(server.port, metadata={"username": "u", "password": "x"}).next()
        assert kinds(open_stream(server.port, metadata={"username": "u", "password": "p"}).next()) == "BEGIN"
    assert missing.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert wrong.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_events_of_unknown_types_can_be_played(open_stream: OpenStream) -> None:
    """A type that the protocol does not know yet goes through."""
    with VStreamServer(Scripts([events.event(99)])) as server:
        assert open_stream(server.port).next().events[0].type == 99


def test_lengths_are_packed_zigzag_varints() -> None:
    """The bytes are those protobuf makes of `repeated sint64`."""
    assert pack_lengths([-1, 0, 1, 63, 64, 300]) == bytes([1, 0, 2, 126, 0x80, 1, 0xD8, 4])


def test_rows_can_be_taken_apart() -> None:
    """What was put into a row comes out: NULL and empty differ, long values have long lengths."""
    values = [None, b"", b"x" * 64, b"y" * 20_000]
    assert values_of(row_of(values)) == values


@pytest.mark.parametrize(
    ("declaration", "wire_type", "column_type"),
    [
        ("bigint unsigned not null", query_pb2.UINT64, "bigint unsigned"),
        ("decimal(5)", query_pb2.DECIMAL, "decimal(5,0)"),
        ("boolean", query_pb2.INT8, "tinyint(1)"),
        ("enum('a','it''s')", query_pb2.ENUM, "enum('a','it''s')"),
        ("char(3) collate utf8mb4_bin", query_pb2.BINARY, "char(3)"),
        ("text collate utf8mb4_bin", query_pb2.BLOB, "text"),
    ],
)
def test_fields_are_made_of_declarations(declaration: str, wire_type: query_pb2.Type, column_type: str) -> None:
    """A column's type on the wire and its text follow from how it is declared; `_bin` text is binary on the wire."""
    field = field_of("c", declaration)
    assert (field.type, field.column_type) == (wire_type, column_type)


def test_a_journal_names_old_and_new_shards() -> None:
    """A reshard's journal has who takes part, and where to go on."""
    made = events.journal(["80-"], {"80-c0": events.gtid(3), "c0-": events.gtid(4)}, shard="80-").journal
    assert [one.shard for one in made.participants] == ["80-"]
    assert {one.shard: one.gtid for one in made.shard_gtids} == {"80-c0": events.gtid(3), "c0-": events.gtid(4)}


def test_a_partial_image_says_which_columns_it_has() -> None:
    """The first column is the lowest bit."""
    made = events.change([1, "a"], [1, None], data_columns=[True, False])
    assert (made.data_columns.count, made.data_columns.cols) == (2, b"\x01")
