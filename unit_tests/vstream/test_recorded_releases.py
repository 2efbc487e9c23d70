"""What each release of Vitess was recorded to send comes to the rows and positions that the newest one's comes to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, cast

import pytest

from instruments.scripted_vtgate.client import Response
from instruments.scripted_vtgate.comparable import comparable
from instruments.scripted_vtgate.recordings import RELEASES, inherited, load, stored
from instruments.scripted_vtgate.scenarios import DOCUMENTS, SCENARIOS, TABLES
from instruments.scripted_vtgate.wire import parse_column_type as declared
from source_vitess.clock import SystemClock
from source_vitess.keyspace import LiveVitess
from source_vitess.mysql.topology import Topology
from source_vitess.rows.columns import FieldChange, Rows
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.settings.config import Config
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.events import Committed, CopyCompleted, Ddl, Event, Snapshot, TableFailed
from source_vitess.vstream.request import StreamRequest
from source_vitess.vstream.response import Response as Received
from source_vitess.vstream.stream_position import StreamPosition

#: By release, the scenarios in which it sends something else than the next newer one: docs/versions.md says what, and
#: where in Vitess.
DIFFERING: Mapping[str, set[str]] = {
    "23.0.3": {"follow_types", "follow_documents"},
    "22.0.4": set(),
    "21.0.6": {"follow_documents"},
    "20.0.8": set(),
    "19.0.9": {"copy_types", "follow_types"},
}
#: Releases that leave the last of 64 members of a SET out of changes.
WITHOUT_LAST_MEMBER = {"23.0.3", "22.0.4", "21.0.6", "20.0.8"}
#: What becomes of a document that they send without what stands before a binary value in it: all but the newest one.
BROKEN = FieldChange(
    "doc", "NULLED", "not valid JSON as Vitess sent it; a binary value inside the document, most likely"
)


def discovered(name: str) -> StreamedTable:
    """Returns a table of the scenarios as a sync finds it in the schema, all columns selected."""
    columns, key = TABLES[name]
    types = {column: declared(text) for column, text in columns.items()}
    found = [Column(column, kind.text, kind.charset, nullable=column not in key) for column, kind in types.items()]
    schemas = {
        column.name: json_schema_for(parse_column_type(column.column_type), column.charset, TypeOptions())
        for column in found
    }
    return StreamedTable(Table(name, tuple(found), tuple(key)), schemas)


class Client:
    """A client whose streams bring what was recorded."""

    def __init__(self, responses: Iterable[Response]) -> None:
        self._responses = responses

    def stream(self, _: object) -> nullcontext[list[Received]]:
        """Opens a stream."""
        return nullcontext([Received(response.SerializeToString()) for response in self._responses])


def read(release: str, responses: Iterable[Response]) -> list[Event]:
    """Returns the events of a stream from a keyspace of a release."""
    keyspace = LiveVitess(
        Config.from_json({"url": "vitess://127.0.0.1/main"}),
        SystemClock(),
        cast("VStreamClient", Client(responses)),
        Topology("main", ("0",), (), release),
        "PRIMARY",
    )
    request = StreamRequest("main", {"0": "current"}, tuple(TABLES))
    with keyspace.stream(request, {name: discovered(name) for name in TABLES}) as events:
        return list(events)


def told(events: Iterable[Event]) -> list[Any]:
    """Returns what events say of rows and positions, without what differs from run to run.

    Left out: transactions without rows, which are Vitess' own. Positions are numbered in the order in which they are
    seen, those of Vitess' own as the one before.
    """
    numbers: dict[str, int] = {}
    said: list[Any] = []
    has_rows = False

    def place(position: StreamPosition) -> Sequence[Any]:
        number = numbers.setdefault(position.gtid("0") or "", max(numbers.values(), default=-1) + 1)
        return number, [position.lastpk("0", name) for name in TABLES]

    for event in events:
        match event:
            case Rows(table=table, timestamp=timestamp):
                has_rows = True
                for index, members in enumerate(event.members):
                    row = json.loads(b"{" + members[:-1] + b"}", parse_float=str)
                    said.append((table, timestamp > 0, row, index in event.deleted, event.altered.get(index)))
            case Ddl(statement=statement):
                has_rows = True
                said.append(" ".join(statement.replace("`", "").lower().split()))
            case Committed(position=position, timestamp=timestamp) if timestamp and not has_rows:
                numbers.setdefault(position.gtid("0") or "", max(numbers.values(), default=0))
            case Committed(position=position, timestamp=timestamp):
                has_rows = False
                said.append(("committed", timestamp > 0, place(position)))
            case Snapshot(position=position):
                said.append(("snapshot", place(position)))
            case CopyCompleted(shard=shard):
                said.append(("copied", shard))
            case TableFailed():
                said.append(event)
    return said


@pytest.mark.parametrize("release", RELEASES[1:])
def test_only_what_differs_is_kept(release: str) -> None:
    """Which releases send what the next newer one does, and that the others' files have nothing besides."""
    newer, kept = inherited(release), stored(release)

    assert set(kept) == DIFFERING[release]
    assert not [name for name, responses in kept.items() if comparable(responses) == comparable(newer[name])]


def with_loss(release: str, said: Iterable[Any]) -> Iterator[Any]:
    """Yields what was told of the newest release without what changes of another one lack, by docs/versions.md."""
    inside = DOCUMENTS["a binary value inside"].changed
    for one in said:
        match one:
            case ("sv_types", True, {"all_bits": "m1,m64"} as row, gone, altered) if release in WITHOUT_LAST_MEMBER:
                yield ("sv_types", True, {**row, "all_bits": "m1"}, gone, altered)
            case ("sv_documents", True, {"doc": doc} as row, gone, None) if doc == inside:
                yield ("sv_documents", True, {**row, "doc": None}, gone, (BROKEN,))
            case _:
                yield one


@pytest.mark.parametrize("scenario", [scenario.__name__ for scenario in SCENARIOS])
@pytest.mark.parametrize("release", RELEASES[1:])
def test_a_release_is_read_as_the_newest_one(release: str, scenario: str) -> None:
    """Rows, the ends of rows, and the positions that they come with are the same, but for what a release leaves out."""
    expected = [*with_loss(release, told(read(RELEASES[0], load(RELEASES[0])[scenario])))]

    assert expected
    assert told(read(release, load(release)[scenario])) == expected
