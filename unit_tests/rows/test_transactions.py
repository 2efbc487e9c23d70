"""A response that is one transaction is read at once if there is a compiled decoder, and comes to the same events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.scripted_vtgate.events import TIMESTAMP, VEvent, begin, change, commit, field, row, vgtid
from source_vitess.errors import ConnectorError
from source_vitess.proto import binlogdata_pb2, raw_pb2
from source_vitess.rows import compiled
from source_vitess.rows.columns import Rows
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for
from source_vitess.vstream.events import BinlogLeft, Committed, Snapshot, TableFailed
from source_vitess.vstream.reader import EventReader
from source_vitess.vstream.response import Response
from source_vitess.vstream.stream_position import ShardPlaces
from unit_tests.examples import at_least, reached
from unit_tests.types.encoding import UTF8, codec

pytestmark = pytest.mark.skipif(compiled.obstacle() is not None, reason=f"the compiled decoder {compiled.obstacle()}")

COLUMNS = {"id": "bigint", "name": "varchar(9)", "born": "date"}
SHARDS = ("-80", "80-")
#: Of two tables that are read; another one is not.
FIELDS = [field(table, COLUMNS, key=["id"], shard=shard) for table in ("t", "u") for shard in SHARDS]


def _codec_of(told: Any, labels: bool, charset: str | None) -> Codec:
    column_type = parse_column_type(told.column_type)
    return codec_for(column_type, collation_id=UTF8, options=TypeOptions(), enum_set_as_text=labels, charset=charset)


def _read(responses: Sequence[Sequence[bytes]], *, places: bool, bounds: bool) -> list[object]:
    """Returns what the responses come to, in a form that can be compared; an error as what it says."""
    columns = tuple(Column(name, text, None, nullable=True) for name, text in COLUMNS.items())
    selected = {name: codec(text).json_schema for name, text in COLUMNS.items()}
    tables = {name: StreamedTable(Table(name, columns, ("id",)), selected) for name in ("t", "u")}
    reader = EventReader(tables, _codec_of, {}, ShardPlaces() if places else None, tell_bounds=bounds)
    read: list[object] = []
    try:
        for event in reader.read(Response(received(events)) for events in responses):
            match event:
                case Committed(shard, position, timestamp):
                    read.append(("committed", shard, timestamp, [position.gtid(name) for name in (*SHARDS, shard)]))
                case TableFailed(table, error):
                    read.append(("failed", table, str(error)))
                case Rows() | BinlogLeft():
                    read.append(event)
                case _:
                    read.append(type(event))
    except ConnectorError as error:
        read.append(("error", str(error)))
    return read


def _read_both(
    monkeypatch: pytest.MonkeyPatch, responses: Sequence[Sequence[bytes]], *, places: bool = False, bounds: bool = False
) -> list[object]:
    """Returns what is read, the same in Python and compiled."""
    read = {}
    for wanted in ("0", "1"):
        monkeypatch.setenv(compiled.VARIABLE, wanted)
        read[wanted] = _read(responses, places=places, bounds=bounds)
    assert read["1"] == read["0"]
    return read["1"]


def transaction(
    number: int,
    *,
    table: str = "t",
    shard: str = "-80",
    timestamp: int = TIMESTAMP,
    sequence: int | None = None,
    rows: int = 1,
) -> list[VEvent]:
    """Returns a transaction as VTGate sends it."""
    first = begin(shard=shard, timestamp=timestamp)
    first.sequence_number = number if sequence is None else sequence
    first.event_gtid = f"11111111-2222-3333-4444-555555555555:{number}"
    first.current_time = timestamp * 10**9
    position = vgtid(dict.fromkeys(SHARDS, f"MySQL56/11111111-2222-3333-4444-555555555555:1-{number}"), shard=shard)
    position.timestamp = timestamp
    images = [(b"%d" % (number * 10 + index), b"name", b"2024-02-29") for index in range(rows)]
    changed = [row(table, after=image, shard=shard, timestamp=timestamp) for image in images]
    return [first, *changed, position, commit(shard=shard, timestamp=timestamp)]


def raw(events: Sequence[VEvent]) -> list[bytes]:
    """Returns events as a response has them."""
    return [event.SerializeToString() for event in events]


def received(events: Sequence[bytes]) -> bytes:
    """Returns a response."""
    return raw_pb2.VStreamResponse(events=events).SerializeToString()


def test_an_ordinary_transaction_is_recognised() -> None:
    """By what begins and ends it; the columns come with the first one, which is for Python."""
    outline = compiled.outliner()
    gtid = "11111111-2222-3333-4444-555555555555:7"
    events = raw(transaction(7, rows=3))
    response = received(events)

    found = outline(response)

    assert found is not None
    assert found[:6] == ("-80", 7, gtid, TIMESTAMP, TIMESTAMP * 10**9, "commerce.t")
    assert response[found[6] : found[7]] == received(events[1:4])
    assert response[found[8] : found[9]] == events[4]
    assert outline(received(raw([*FIELDS, *transaction(7)]))) is None


def _without(index: int) -> list[VEvent]:
    events = transaction(7, rows=2)
    del events[index]
    return events


def _with(index: int, event: VEvent) -> list[VEvent]:
    events = transaction(7, rows=2)
    events.insert(index, event)
    return events


@pytest.mark.parametrize(
    "events",
    [
        [],
        _without(0),
        _without(3),
        _without(4),
        transaction(7, rows=0),
        transaction(7) + transaction(8),
        _with(1, FIELDS[0]),
        _with(2, FIELDS[0]),
        _with(4, vgtid({"-80": "MySQL56/x:1"})),
        [*transaction(7)[:-1], commit(shard="80-")],
        [*transaction(7)[:-1], commit(timestamp=TIMESTAMP + 1)],
    ],
)
def test_other_responses_are_none(events: Sequence[VEvent]) -> None:
    """More events, or fewer, or an end of another transaction."""
    assert compiled.outliner()(received(raw(events))) is None


def test_what_is_no_response() -> None:
    """Bytes that are none are no transaction, and anything else is an error of the program."""
    outline: Any = compiled.outliner()
    good = received(raw(transaction(7)))

    assert [outline(good[:size]) for size in range(len(good))] == [None] * len(good)
    assert outline(good + b"\x10\1") is None
    with pytest.raises(TypeError):
        outline([good])


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 1), (0, 100), (2**62, 2**62 + 1)])
def test_a_part_that_is_not_there(start: int, end: int) -> None:
    """The decoder touches no byte beside the response."""
    decoder = compiled.ordinary_decoder([], copied=False)

    with pytest.raises(ValueError, match="no part"):
        decoder.append_within(b"x" * 99, start, end, b"t", b"", 0, [], [])


def _is_whole(responses: Sequence[Sequence[bytes]]) -> bool:
    outline = compiled.outliner()
    return any(outline(received(events)) is not None for events in responses)


#: What is odd of a response, if anything is.
ODDITIES = st.just("") | st.sampled_from(
    [
        "fields",
        "swap",
        "drop",
        "misfit",
        "partial",
        "moved",
        "delete",
        "time",
        "internal",
        "other",
        "two tables",
        "two",
        "raw",
        "blank",
        "shard",
    ]
)


@st.composite
def responses(draw: st.DrawFn) -> list[list[bytes]]:
    """Draws the responses of a stream, most of which are a transaction."""
    made = [raw(FIELDS)]
    for number in range(1, draw(st.integers(2, 7))):
        events = transaction(
            number,
            table=draw(st.sampled_from(["t", "t", "u"])),
            shard=draw(st.sampled_from(["-80", "-80", "80-"])),
            timestamp=TIMESTAMP + draw(st.integers(0, 1)),
            sequence=draw(st.sampled_from([number, number, number, number, 0, 1])),
            rows=draw(st.integers(1, 3)),
        )
        made.append(_odd(draw, draw(ODDITIES), events))
    return made


def _odd(draw: st.DrawFn, oddity: str, events: list[VEvent]) -> list[bytes]:
    shard = events[0].shard
    index = draw(st.integers(0, len(events) - 1))
    changed = events[1].row_event
    if oddity == "fields":
        events.insert(draw(st.integers(0, 1)), draw(st.sampled_from(FIELDS)))
    elif oddity == "swap":
        events[index], events[index - 1] = events[index - 1], events[index]
    elif oddity == "drop":
        del events[index]
    elif oddity == "misfit":
        changed.row_changes[0].after.lengths = b"\x02"
    elif oddity == "partial":
        changed.row_changes[0].data_columns.count = 3
        changed.row_changes[0].data_columns.cols = b"\x05"
    elif oddity in ("moved", "delete"):
        before = change((b"99", b"name", None), None).before
        changed.row_changes[0].before.CopyFrom(before)
        if oddity == "delete":
            changed.row_changes[0].ClearField("after")
    elif oddity == "time":
        events[index].timestamp = draw(st.sampled_from([0, 1, -1, TIMESTAMP + 9, 2**63 - 1]))
    elif oddity == "internal":
        changed.is_internal_table = True
    elif oddity == "other":
        for event in events[1:-2]:
            event.row_event.table_name = "v"
    elif oddity == "two tables":
        events.insert(2, row("u", after=(b"5", b"x", None), shard=shard))
    elif oddity == "two":
        events += transaction(9, shard=shard)
    elif oddity == "blank":
        events[index].shard = ""
    elif oddity == "shard":
        events[index].shard = "c0-"
    found = raw(events)
    if oddity == "raw":
        at = draw(st.integers(0, len(found[index])))
        found[index] = found[index][:at] + draw(st.binary(max_size=3)) + found[index][at + draw(st.integers(0, 2)) :]
    return found


@pytest.mark.parametrize(("places", "bounds"), [(False, False), (True, False), (False, True)])
@at_least(0.5)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=responses())
def test_transactions_are_read_as_in_python(
    monkeypatch: pytest.MonkeyPatch, places: bool, bounds: bool, made: list[list[bytes]]
) -> None:
    """Rows, ends, files of the binary log, tables that fail, and errors: alike, in whatever order responses come."""
    read = _read_both(monkeypatch, made, places=places, bounds=bounds)

    if _is_whole(made[1:]) and any(isinstance(event, Rows) for event in read):
        reached()


_NAMES = st.sampled_from([b"-80", b"", b"\xff", "ä".encode(), b"\xed\xa0\x80", b"a\0b"])
_NUMBERS = st.sampled_from([b"\0", b"\1", b"\x7f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", b"\x80" * 10])


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7) if number > 0x7F else bytes([number])


@st.composite
def members(draw: st.DrawFn) -> bytes:
    """Draws a member of a VEvent, of either kind, also of those that this program does not know."""
    number = draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 99]))
    if draw(st.booleans()):
        content = draw(_NAMES)
        return _varint(number << 3 | 2) + _varint(len(content)) + content
    return _varint(number << 3) + draw(_NUMBERS)


@at_least(0.3)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(more=members(), index=st.sampled_from([0, 1, 2, 3, 3]), first=st.booleans())
def test_members_that_an_event_seldom_has(
    monkeypatch: pytest.MonkeyPatch, more: bytes, index: int, first: bool
) -> None:
    """Numbers beyond their kind, strings that are not UTF-8, members of later versions: taken or refused alike."""
    odd = raw(transaction(2))
    odd[index] = more + odd[index] if first else odd[index] + more

    read = _read_both(monkeypatch, [raw(FIELDS), raw(transaction(1)), odd, raw(transaction(3))])

    if not any(type(event) is tuple and event[0] == "error" for event in read):
        reached()


def test_columns_that_are_announced_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are read by the columns that came last, also where a transaction of ordinary rows comes before and after."""
    renamed = field("t", {"id": "bigint", "name": "varchar(9)", "day": "date"}, key=["id"], shard="-80")

    read = _read_both(
        monkeypatch,
        [raw(FIELDS), *(raw(transaction(number)) for number in (1, 2)), raw([renamed]), raw(transaction(3))],
    )

    members = [event.members for event in read if isinstance(event, Rows)]
    assert members == [
        [b'"id":10,"name":"name","born":"2024-02-29",'],
        [b'"id":20,"name":"name","born":"2024-02-29",'],
        [b'"id":30,"name":"name",'],
    ]


def test_the_next_file_of_the_binary_log_is_told_before_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where the events are looked at one by one."""
    read = _read_both(
        monkeypatch, [raw(FIELDS), *(raw(transaction(number, sequence=number % 3)) for number in (1, 2, 4))]
    )

    kinds = [type(event) for event in read if isinstance(event, Rows | BinlogLeft)]
    assert kinds == [Rows, Rows, BinlogLeft, Rows]


def test_begin_is_of_the_type_that_vitess_gives_it() -> None:
    """The numbers of the types stand in C, too."""
    numbers = [binlogdata_pb2.BEGIN, binlogdata_pb2.COMMIT, binlogdata_pb2.ROW, binlogdata_pb2.VGTID]

    assert numbers == [2, 3, 12, 15]


def test_rows_of_a_copy_are_no_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no time, and are of the position that came before them."""
    first = transaction(1)

    read = _read_both(monkeypatch, [raw(FIELDS), raw(first), raw(first[-2:-1]), raw(transaction(2, timestamp=0))])

    assert read[-3:-1] == [Snapshot, read[-2]]
    assert isinstance(read[-2], Rows)
