"""Whole syncs with servers up to v19, which send labels of ENUM and SET in a copy and numbers in the change stream.

The Vitess in memory is a v24; what it sends is rewritten here. Ordinals and bitmaps as go/mysql/binlog/rbr.go of v19
writes them, and FIELD events never say `enum_set_string_values`, which is of v20.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from instruments.scripted_vtgate.model.gateway import Gateway
from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.vitess import Vitess
from instruments.scripted_vtgate.vstream_server import Call
from instruments.scripted_vtgate.wire import row_of
from source_vitess.proto import binlogdata_pb2, query_pb2, vtgate_pb2
from source_vitess.rows.decoder import unpack_lengths
from source_vitess.types.column_type import parse_column_type
from unit_tests.syncing import Syncs, is_row

#: Labels that look like other labels' ordinals, and that a careless reader splits or strips.
SIZES = ("2", "1", "0", "it's", "a,b", " ", "é")
TAGS = tuple(f"t{number}" for number in range(1, 65))


def declared(kind: str, labels: tuple[str, ...]) -> str:
    """Writes a column's type."""
    quoted = ", ".join("'" + label.replace("'", "''") + "'" for label in labels)
    return f"{kind}({quoted})"


class OldServer:
    """Rewrites what a v24 sends.

    Attributes:
        numbers: How many values of ENUM and SET were sent as numbers.
        labels: Likewise as labels.
    """

    def __init__(self, vitess: Vitess) -> None:
        self._vitess = vitess
        self._fields: dict[tuple[str, str], list[query_pb2.Field]] = {}
        self.numbers = 0
        self.labels = 0

    def answer(self, call: Call) -> Iterator[vtgate_pb2.VStreamResponse]:
        """Answers a call."""
        for response in Gateway(self._vitess, call).responses():
            for event in response.events:
                if event.type == binlogdata_pb2.FIELD:
                    event.field_event.enum_set_string_values = False
                    self._fields[event.shard, event.field_event.table_name] = list(event.field_event.fields)
                elif event.type == binlogdata_pb2.ROW:
                    fields = self._fields[event.shard, event.row_event.table_name]
                    for change in event.row_event.row_changes:
                        for image in (change.before, change.after):
                            if image.lengths:
                                image.CopyFrom(self._row(image, fields, changed=event.timestamp != 0))
            yield response

    def _row(self, row: query_pb2.Row, fields: list[query_pb2.Field], *, changed: bool) -> query_pb2.Row:
        values: list[bytes | None] = []
        at = 0
        for field, length in zip(fields, unpack_lengths(row.lengths), strict=True):
            value = None if length < 0 else row.values[at : at + length]
            at += max(length, 0)
            column = parse_column_type(field.column_type)
            if value is not None and column.members:
                self.numbers, self.labels = self.numbers + changed, self.labels + (not changed)
                if changed:
                    value = _number(column.name, column.members, value.decode())
            values.append(value)
        return row_of(values)


def _number(kind: str, members: tuple[str, ...], text: str) -> bytes:
    if kind == "enum":
        return b"%d" % (members.index(text) + 1 if text else 0)
    return b"%d" % sum(1 << members.index(label) for label in text.split(",") if label)


def some_rows(rnd: random.Random, first: int, count: int) -> list[dict[str, Given]]:
    """Makes rows; the invalid label '' and the 64th tag are among them."""
    return [
        {
            "id": number,
            "size": rnd.choice([*SIZES, "", None]),
            "tags": ",".join(tag for tag in TAGS if rnd.random() < 0.3) if number % 3 else TAGS[-1],
        }
        for number in range(first, first + count)
    ]


@pytest.fixture
def old(vitess: Vitess) -> OldServer:
    """A server of v19 with a table of labels."""
    columns = {"id": "bigint", "size": declared("enum", SIZES), "tags": declared("set", TAGS)}
    vitess.create_table("labels", columns, key=["id"])
    server = OldServer(vitess)
    vitess.vstream.answer = server.answer
    return server


def test_labels_in_a_copy_and_numbers_in_changes(vitess: Vitess, old: OldServer) -> None:
    """Each is read as what it is, also a label `2` that is the first, and the 64th member of a SET."""
    rnd = random.Random(5)  # noqa: S311 - test data
    vitess.insert("labels", *some_rows(rnd, 1, 30))
    syncs = Syncs(vitess, "labels")
    assert syncs.run() is None
    syncs.expect_equal()
    assert old.labels
    assert not old.numbers

    vitess.insert("labels", *some_rows(rnd, 101, 30))
    vitess.update("labels", lambda row: row["id"] in (1, 2, 103), {"size": "1", "tags": "t1,t64"})
    vitess.update("labels", lambda row: row["id"] == 3, {"id": 200})
    vitess.delete("labels", lambda row: row["id"] in (4, 104))
    labels = old.labels
    assert syncs.run() is None

    syncs.expect_equal()
    assert old.numbers
    assert old.labels == labels


def test_a_copy_that_is_resumed_has_both(vitess: Vitess, old: OldServer) -> None:
    """The changes before it goes on are numbers, its rows are labels again, each after a FIELD event of its own."""
    rnd = random.Random(6)  # noqa: S311 - test data
    vitess.insert("labels", *some_rows(rnd, 1, 40))
    syncs = Syncs(vitess, "labels", checkpoint_interval_seconds=1)
    for _ in range(3):
        vitess.faults.cut_after(is_row)
        vitess.update("labels", lambda row: row["id"] in (1, 2, 39), {"size": rnd.choice(SIZES), "tags": "t64"})
        syncs.run(stop_after=12)

    assert syncs.run() is None

    syncs.expect_equal()
    assert old.numbers
    assert old.labels
