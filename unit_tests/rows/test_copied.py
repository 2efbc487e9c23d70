"""Copied rows that are taken apart unparsed must be what protobuf makes of them, whatever is in them."""

from __future__ import annotations

from binascii import b2a_hex
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.scripted_vtgate.events import VEvent, commit, field, row, vgtid
from instruments.scripted_vtgate.wire import WireValue
from source_vitess.proto import raw_pb2
from source_vitess.rows import decoder as rows
from source_vitess.rows.batch import RowBatch
from source_vitess.rows.columns import DecodedColumn, Rows
from source_vitess.rows.copied import CopiedShapes
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import Codec
from source_vitess.vstream.events import Event, TableFailed
from source_vitess.vstream.reader import EventReader

COLUMNS = {"id": "bigint", "name": "varchar(9)", "note": "blob"}
CODEC = Codec({}, lambda value: b'"%b"' % b2a_hex(value))
TABLE = StreamedTable(
    Table("t", tuple(Column(name, text, None, nullable=True) for name, text in COLUMNS.items()), ("id",)),
    {name: {} for name in COLUMNS},
)


@pytest.fixture(params=[0, 10**6], ids=["forms", "no forms"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Has forms be made from the first row on, or never."""
    monkeypatch.setattr(rows, "_FEW", request.param)
    return int(request.param)


def copied(values: Sequence[WireValue], flags: int = 1) -> VEvent:
    """Returns the event of a copied row."""
    return row("t", after=values, timestamp=0, flags=flags)


def read(responses: Iterable[Sequence[VEvent]]) -> Iterator[Event]:
    """Returns what a reader makes of responses."""
    reader = EventReader({"t": TABLE}, lambda *_: CODEC)
    return reader.read(raw_pb2.VStreamResponse(events=[e.SerializeToString() for e in events]) for events in responses)


def members(events: Iterable[Event]) -> list[bytes]:
    """Returns the rows of events."""
    return [one for event in events if isinstance(event, Rows) for one in event.members]


FIELD = field("t", COLUMNS, key=["id"], timestamp=0)
#: A value that is an event, or ends like one.
INSIDE = copied((1, "a", "b")).SerializeToString()
TAIL = INSIDE[-20:]
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=5),
    st.integers(50, 300).map(lambda size: b"x" * size),
    st.sampled_from([INSIDE, TAIL, b"\n" + bytes([len(INSIDE)]) + INSIDE, b"y" * 20_000]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=12))
def test_together_is_as_one_by_one(few: int, given_rows: list[tuple[bytes | None, ...]]) -> None:
    """A response of many rows gives what a response for each of them gives, which protobuf parses."""
    events = [copied(values) for values in given_rows]

    together = members(read([[FIELD, *events]]))

    assert together == members(chain(read([[FIELD], *([one] for one in events)])))
    assert len(together) == len(given_rows)


@pytest.mark.parametrize("few", [0], indirect=True)
def test_most_rows_are_not_parsed(few: int) -> None:
    """Rows of all sizes are known by the first one, those with longer lengths too; another event is not."""
    sizes = [*range(1, 300), 20_000, 3_000_000]
    events = [copied((number, "n" * size, None)).SerializeToString() for number, size in enumerate(sizes)]
    shapes = CopiedShapes.learn(events[0], VEvent.FromString(events[0]))
    assert shapes is not None
    batch = RowBatch("-80", "t", 0, rows.RowDecoder([DecodedColumn(name, CODEC, key=False) for name in COLUMNS]), "t")

    assert batch.add_copied([*events, vgtid({"-80": "x"}).SerializeToString()], 1, shapes) == len(events)
    assert len(batch.to_rows().members) == len(events) - 1


@pytest.mark.parametrize(
    "other",
    [
        commit(),
        row("u", after=(1, "a", "b"), timestamp=0),
        row("t", after=(1, "a", "b")),
        copied((1, "a", "b"), flags=3),
    ],
    ids=["commit", "another table", "a change", "other flags"],
)
def test_other_events_end_the_batch(other: VEvent) -> None:
    """What is not a copied row of the same table is left to protobuf, and nothing after it is lost."""
    rows_before = [copied((number, "a", "b")) for number in range(3)]

    got = members(read([[FIELD, *rows_before, other, copied((9, "z", "z"))]]))

    assert len(got) == 4 + (other.type == row("t").type and other.row_event.table_name.endswith(".t"))


def test_a_row_that_does_not_fit(few: int) -> None:
    """A row of more columns than were told gives the table up, and not the rows before it."""
    good = [copied((number, "a", "b")) for number in range(3)]

    events = list(read([[FIELD, *good, copied((1, "a", "b", "c"))]]))

    assert isinstance(events[-1], TableFailed)
