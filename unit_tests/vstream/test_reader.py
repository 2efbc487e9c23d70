"""From VTGate's events to ours, by exact scripts: order, positions, columns, what is ignored and what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.scripted_vtgate.events import (
    VEvent,
    begin,
    change,
    commit,
    copy_completed,
    ddl,
    event,
    field,
    gtid,
    heartbeat,
    journal,
    other,
    rollback,
    row,
    rows_query,
    split,
    transaction,
    version,
    vgtid,
)
from instruments.scripted_vtgate.wire import WireValue
from source_vitess.errors import ConfigError, InternalError, TransientError
from source_vitess.proto import binlogdata_pb2, query_pb2, raw_pb2
from source_vitess.rows.columns import Rows
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for, json_schema_for
from source_vitess.vstream.events import (
    Committed,
    CopyCompleted,
    Ddl,
    Event,
    Fields,
    Heartbeat,
    TableFailed,
    Unpositioned,
)
from source_vitess.vstream.reader import EventReader
from source_vitess.vstream.response import Response

COLUMNS = {"id": "bigint", "name": "varchar(20)", "doc": "json"}
KEY = ("id",)


def table(name: str = "t", key: Sequence[str] = KEY, selected: Iterable[str] = COLUMNS) -> StreamedTable:
    """Returns a table of `COLUMNS`."""
    columns = [
        Column(column, text, "utf8mb4" if "char" in text else None, nullable=True) for column, text in COLUMNS.items()
    ]
    schemas = {
        column.name: json_schema_for(parse_column_type(column.column_type), column.charset, TypeOptions())
        for column in columns
    }
    return StreamedTable(Table(name, tuple(columns), tuple(key)), {name: schemas[name] for name in selected})


def codec(told: query_pb2.Field, labels: bool, charset: str | None) -> Codec:
    """Returns a column's codec as the real keyspace does."""
    return codec_for(
        parse_column_type(told.column_type),
        collation_id=told.charset,
        options=TypeOptions(),
        enum_set_as_text=labels,
        charset=charset,
    )


def response(events: Sequence[VEvent]) -> Response:
    """Returns a response as the client yields it."""
    return Response(raw_pb2.VStreamResponse(events=[event.SerializeToString() for event in events]).SerializeToString())


def read(responses: Iterable[Sequence[VEvent]], *tables: StreamedTable) -> list[Event]:
    """Returns the events of some responses."""
    reader = EventReader({one.table.name: one for one in tables or (table(),)}, codec)
    return list(reader.read(response(events) for events in responses))


def told(shard: str = "-80", **more: Any) -> VEvent:
    """FIELD of `t`."""
    return field("t", COLUMNS, key=KEY, shard=shard, **more)


def values(events: Iterable[Event]) -> list[tuple[str, dict[str, Any], bool]]:
    """Returns the rows: shard, data, whether it is gone."""
    return [
        (rows.shard, json.loads(b"{" + members[:-1] + b"}"), index in rows.deleted)
        for rows in events
        if isinstance(rows, Rows)
        for index, members in enumerate(rows.members)
    ]


def summary(events: Iterable[Event]) -> list[Any]:
    """Returns what events say, however rows are grouped."""
    said: list[Any] = []
    for one in events:
        match one:
            case Rows(shard, name, timestamp):
                said += [
                    ("row", shard, name, timestamp, members, index in one.deleted)
                    for index, members in enumerate(one.members)
                ]
            case Committed(shard, position, timestamp):
                said.append(("committed", shard, position.gtid("-80"), position.gtid("80-"), timestamp))
            case _:
                said.append(one)
    return said


def some_transactions(rnd: random.Random) -> list[VEvent]:
    """Returns some transactions on two shards, of all kinds and sizes."""
    made: list[VEvent] = [told("-80"), told("80-")]
    at = {"-80": 1, "80-": 1}
    for _ in range(rnd.randrange(1, 8)):
        shard = rnd.choice(["-80", "80-"])
        at[shard] += 1
        inside: list[VEvent] = []
        for _ in range(rnd.randrange(4)):
            number = rnd.randrange(100)
            match rnd.randrange(6):
                case 0:
                    inside.append(told(shard))
                case 1:
                    inside.append(row("t", before=(number, "x", None), shard=shard))
                case 2:
                    inside.append(row("t", before=(number, "x", None), after=(number + 1, "y", None), shard=shard))
                case 3:
                    inside.append(rnd.choice([heartbeat(), version(shard=shard), rows_query("insert", shard=shard)]))
                case 4:
                    inside.append(row("elsewhere", after=(1,), shard=shard))
                case _:
                    inside.append(
                        row("t", change(after=(number, "é", "[1]")), change(after=(number, None, None)), shard=shard)
                    )
        gtids = {"-80": gtid(at["-80"]), "80-": gtid(at["80-"])}
        if not inside and rnd.random() < 0.5:
            made += [vgtid(gtids, shard=shard), rnd.choice([ddl("truncate t", shard=shard), other(shard=shard)])]
        else:
            made += transaction(gtids, *inside, shard=shard)
        if rnd.random() < 0.3:
            made.append(heartbeat())
    return made


@given(st.integers(0, 2**32), st.integers(1, 9))
def test_a_response_is_not_a_transaction(seed: int, size: int) -> None:
    """The same events in one response, or cut at any places: the same rows, positions and columns in the same order."""
    rnd = random.Random(seed)  # noqa: S311 - test data
    made = some_transactions(rnd)
    cuts = sorted(rnd.sample(range(len(made) + 1), min(size, len(made))))
    pieces = [made[start:end] for start, end in zip([0, *cuts], [*cuts, len(made)], strict=True)]

    whole = summary(read([made]))

    assert summary(read(pieces)) == whole
    assert summary(read(split(made))) == whole


def test_a_position_comes_with_the_end_of_its_transaction() -> None:
    """Not where VTGate sends it, before COMMIT, DDL or OTHER; that a COMMIT has none is told."""
    at = {"-80": gtid(5)}

    assert read([[begin(), vgtid(at)]]) == []
    for end in (commit(), other()):
        [committed] = read([[begin(), vgtid(at)], [end]])
        assert isinstance(committed, Committed)
        assert committed.position.gtid("-80") == gtid(5)
    assert read([[begin(), commit()], [begin(), rollback()]]) == [Unpositioned("-80")]
    statement, committed = read([[vgtid(at), ddl("drop table t")]])
    assert statement == Ddl("-80", "drop table t")
    assert isinstance(committed, Committed)


def test_images() -> None:
    """Insert, delete, update, a changed key as the old row's end and the new row, several changes in one event."""
    events = [
        told(),
        row("t", after=(1, "a", "{}")),
        row("t", before=(2, "b", None)),
        row("t", before=(3, "c", None), after=(3, "d", None)),
        row("t", change((4, "e", None), (5, "e", None)), change(after=(6, None, None))),
    ]

    assert [(data["id"], data["name"], gone) for _, data, gone in values(read([events]))] == [
        (1, "a", False),
        (2, "b", True),
        (3, "d", False),
        (4, "e", True),
        (5, "e", False),
        (6, None, False),
    ]


def test_without_a_key_an_update_is_a_delete_and_an_insert() -> None:
    """Nothing else could tell that the old row is gone."""
    keyless = table(key=())

    got = values(read([[field("t", COLUMNS), row("t", before=(3, "c", None), after=(3, "d", None))]], keyless))

    assert [(data["name"], gone) for _, data, gone in got] == [("c", True), ("d", False)]


def test_columns_are_kept_per_shard_and_replaced() -> None:
    """Shards can differ during a DDL: each has its own columns, and a repeated FIELD counts at once."""
    turned = {"name": "varchar(20)", "id": "bigint", "doc": "json"}
    events = [
        told("-80"),
        field("t", turned, key=KEY, shard="80-"),
        row("t", after=(1, "a", None), shard="-80"),
        row("t", after=("b", 2, None), shard="80-"),
        field("t", turned, key=KEY, shard="-80"),
        row("t", after=("c", 3, None), shard="-80"),
    ]

    got = values(read([events]))

    assert [(shard, data["id"], data["name"]) for shard, data, _ in got] == [
        ("-80", 1, "a"),
        ("80-", 2, "b"),
        ("-80", 3, "c"),
    ]


def test_columns_that_are_not_selected_are_left_out() -> None:
    """Also the ones that were added since: nothing of them is emitted."""
    wide = {**COLUMNS, "new": "int"}

    [(_, data, _)] = values(
        read([[field("t", wide, key=KEY), row("t", after=(1, "a", None, 9))]], table(selected=["id", "name"]))
    )

    assert data == {"id": 1, "name": "a"}


def test_what_is_ignored() -> None:
    """Types that are not known, tables that are not asked for, Vitess' own tables, journals, savepoints."""
    events = [
        event(99),
        event(binlogdata_pb2.SAVEPOINT),
        event(binlogdata_pb2.PREVIOUS_GTIDS),
        version(),
        rows_query("insert into t values (1)"),
        journal(["-80"], {"-40": gtid(1), "40-80": gtid(1)}),
        field("elsewhere", {"x": "int"}),
        row("elsewhere", after=(1,)),
        field("t", COLUMNS, internal=True),
        row("t", after=(1, "a", None), internal=True),
    ]

    assert read([events]) == []


def test_heartbeats() -> None:
    """VTGate had nothing to send."""
    assert read([[heartbeat()]]) == [Heartbeat()]


def test_the_end_of_a_copy() -> None:
    """COPY_COMPLETED of a shard and of all; a position that waits for its end comes first."""
    at = {"-80": gtid(5)}

    committed, of_shard, of_all = read([[vgtid(at), copy_completed("-80"), copy_completed()]])

    assert isinstance(committed, Committed)
    assert (of_shard, of_all) == (CopyCompleted("-80"), CopyCompleted(""))


@pytest.mark.parametrize(
    "kind", [binlogdata_pb2.INSERT, binlogdata_pb2.UPDATE, binlogdata_pb2.DELETE, binlogdata_pb2.REPLACE]
)
def test_a_statement_based_binlog_is_refused(kind: int) -> None:
    """Rows would be lost without a word."""
    with pytest.raises(ConfigError, match="binlog_format=ROW"):
        read([[event(kind, dml="insert into t values (1)")]])


def test_rows_without_columns_break_the_protocol() -> None:
    """Nobody can read them; columns of another shard do not count."""
    with pytest.raises(InternalError, match="without its columns"):
        read([[told("80-"), row("t", after=(1, "a", None), shard="-80")]])


OK = row("t", after=(1, "a", "{}"))


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([field("t", {"@1": "bigint", "@2": "varchar(20)"})], "--track-schema-versions"),
        ([field("t", {**COLUMNS, "name": "binary(20)"}, key=KEY)], "another type than the one discovered"),
        ([told(), row("t", after=(1, "a"))], "does not fit the table's columns"),
        ([told(), row("t", after=(1, "a", None, 4))], "does not fit the table's columns"),
        (
            [told(), row("t", change((1, "a", "{}"), (1, None, "{}"), data_columns=[True, False, True]))],
            "'name' is missing",
        ),
        (
            [told(), row("t", change((1, "a", "{}"), (1, "a", "x"), json_partial_values=[True]))],
            "partial update",
        ),
    ],
    ids=["@1", "type", "too few values", "too many values", "NOBLOB", "PARTIAL_JSON"],
)
def test_a_table_fails_on_its_own(events: list[VEvent], found: str) -> None:
    """What cannot be read is never emitted under a wrong name or as a null: that table is given up, others go on."""
    u = table("u")
    more = [OK, field("u", COLUMNS, key=KEY), row("u", after=(7, "u", None)), told(), OK]

    got = read([[*events, *more]], table(), u)

    [failed] = [one for one in got if isinstance(one, TableFailed)]
    assert found in failed.error.message
    assert failed.table == failed.error.stream == "t"
    after = got[got.index(failed) + 1 :]
    assert [data["id"] for _, data, _ in values(after)] == [7]
    assert not any(isinstance(event, Fields) and event.table == "t" for event in after)


def test_a_column_that_is_gone_since_the_sync_began() -> None:
    """No tablet says its type any more. That asks for no refresh: the next sync does not read it."""
    columns = field("t", COLUMNS, key=KEY)
    columns.field_event.fields[0].ClearField("column_type")

    with pytest.raises(TransientError, match=r"Column 'id' of table 't' was dropped or renamed in shard .* since"):
        read([[columns, OK]])


def test_a_partial_image_of_what_is_not_selected() -> None:
    """A column that nobody wants may be missing."""
    partial = row("t", change((1, "a", "{}"), (1, "b", None), data_columns=[True, True, False]))

    [(_, data, _)] = values(read([[told(), partial]], table(selected=["id", "name"])))

    assert data == {"id": 1, "name": "b"}


@pytest.mark.parametrize("name", ["@x", "@", "@1", "@2"])
def test_a_column_whose_name_begins_with_an_at_sign(name: str) -> None:
    """It is the table's own, not VTTablet's number for a column whose name it does not know."""
    columns = (Column("id", "bigint", None, nullable=False), Column(name, "bigint", None, nullable=True))
    schema = json_schema_for(parse_column_type("bigint"), None, TypeOptions())
    named = StreamedTable(Table("t", columns, KEY), {column.name: schema for column in columns})
    announced = field("t", {"id": "bigint", name: "bigint"}, key=KEY)

    assert values(read([[announced, row("t", after=(1, 5))]], named)) == [("-80", {"id": 1, name: 5}, False)]


@pytest.mark.parametrize(
    "bad", [field("t", {"@1": "bigint"}), row("t", after=(1, "a"))], ids=["columns without names", "misfit"]
)
def test_an_error_of_a_change_says_where_it_is(bad: VEvent) -> None:
    """The shard and the position before it, cut short where it is very long."""
    for gtid_set, shown in (("MySQL56/u:1-7", "after position MySQL56/u:1-7)"), ("MySQL56/" + "9" * 999, "9…)")):
        events = [told(), *transaction({"-80": gtid_set}, row("t", after=(1, "a", None))), bad]

        [failed] = [one for one in read([events]) if isinstance(one, TableFailed)]

        assert f"{shown}" in failed.error.message
        assert "in shard '-80'" in failed.error.message
        assert len(failed.error.message) < 500


def before_images(row_image: str, image: Sequence[WireValue], **declared: str) -> list[Event]:
    """Returns what becomes of a row that is gone, on a shard with that `binlog_row_image`."""
    reader = EventReader({"t": table(selected=["id", "name"])}, codec, {"-80": row_image})
    events = [field("t", {**COLUMNS, **declared}, key=KEY), row("t", before=image)]
    return list(reader.read([response(events)]))


@pytest.mark.parametrize(
    ("row_image", "declared", "image"),
    [
        ("FULL", {"name": "varchar(20) not null"}, (1, None, "{}")),
        ("MINIMAL", {}, (1, None, None)),
        ("MINIMAL", {}, (1, None, "{}")),
        ("FULL", {"id": "bigint not null"}, (None, "a", "{}")),
        ("NOBLOB", {"name": "text"}, (1, None, "{}")),
        ("FULL", {"name": "text not null"}, (1, None, "{}")),
    ],
)
def test_the_image_of_a_row_that_is_gone_is_partial(
    row_image: str, declared: dict[str, str], image: Sequence[WireValue]
) -> None:
    """VTGate has no bitmap for it, so that a NULL where none can be, or where the setting puts one, gives it away."""
    [_, failed] = before_images(row_image, image, **declared)

    assert isinstance(failed, TableFailed)
    assert "Set binlog_row_image=FULL" in failed.error.message


@pytest.mark.parametrize(
    ("row_image", "declared", "image"),
    [
        ("FULL", {}, (1, None, None)),
        ("FULL", {"doc": "text not null"}, (1, "a", None)),  # not selected
        ("NOBLOB", {}, (1, None, None)),
        ("NOBLOB", {}, (1, "a" * 64, "{}")),  # a length of two bytes, one of which looks like that of a NULL
        ("MINIMAL", {}, (1, "a", "{}")),
    ],
)
def test_the_image_of_a_row_that_is_gone_is_whole(
    row_image: str, declared: dict[str, str], image: Sequence[WireValue]
) -> None:
    """A NULL where one can be is one."""
    [_, rows] = before_images(row_image, image, **declared)

    assert values([rows]) == [("-80", {"id": 1, "name": image[1]}, True)]


def test_a_key_that_is_not_selected_may_not_be_missing() -> None:
    """Without it nobody can tell an update from a move."""
    partial = row("t", change((1, "a", None), (None, "b", None), data_columns=[False, True, False]))

    [*_, failed] = read([[told(), partial]], table(selected=["name"]))

    assert isinstance(failed, TableFailed)


def test_names_with_the_keyspace_before_them() -> None:
    """VTGate puts the keyspace before a table's name unless asked not to; a table may have a dot in its own."""
    dotted = table("commerce.t")
    events = [field("commerce.t", COLUMNS, key=KEY), row("commerce.t", after=(1, "a", None))]

    assert len(values(read([events], dotted))) == 1
    assert values(read([events], table("t"))) == []
