"""What a VTGate may send of a copy that is not what the copy went by so far: it is noticed, and no row is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from instruments.oracle import Store
from instruments.scripted_vtgate import events
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError
from source_vitess.proto import binlogdata_pb2, query_pb2, vtgate_pb2
from unit_tests.replication.conftest import Settings
from unit_tests.syncing import Syncs, is_row, rows, streamed, table_state

Response = vtgate_pb2.VStreamResponse

#: A table whose key is sorted by number and compared by label: a copy goes on behind numbers instead of labels.
SIZES = {"size": "enum('small','medium','large')", "id": "bigint", "name": "varchar(20)"}


def sized(vitess: Vitess) -> str:
    """Makes and fills a table of `SIZES` in `-80`."""
    vitess.create_table("t", SIZES, key=["size", "id"])
    for size in ("small", "medium", "large"):
        vitess.insert("t", *({"size": size, "id": number, "name": size} for number in range(4)), shard="-80")
    return "t"


def parts_of(line: bytes, table: str) -> list[dict[str, Any]]:
    """Returns how far the shards of a table's copy are by a line, none if it is no state of one under way."""
    if not line.startswith(b'{"type":"STATE"'):
        return []
    state = table_state(orjson.loads(line)["state"], table) or {}
    return list(state.get("copying", {}).get("shards", []))


def stop_half_way(syncs: Syncs, table: str) -> None:
    """Runs a sync, and forgets what came after a state in the middle of a table's copy."""
    lines = list(syncs.lines())
    states = [index for index, line in enumerate(lines) if any("lastpk" in part for part in parts_of(line, table))]
    syncs.store = Store.of_catalog(syncs.catalog)
    syncs.store.apply(lines[: states[len(states) // 2] + 1])


def apply_each(syncs: Syncs, react: Callable[[bytes], None]) -> None:
    """Runs a sync, letting a test act on each line."""
    for line in syncs.lines():
        syncs.store.apply([line])
        react(line)


def rewrite_copies(vitess: Vitess, change: Callable[[binlogdata_pb2.VEvent], object]) -> None:
    """Has a test change the events of copies."""

    def changed(response: Response) -> Iterator[Response]:
        for event in response.events:
            if not event.timestamp:
                change(event)
        yield response

    vitess.rewrite = changed


def says(syncs: Syncs, text: str) -> int:
    """Returns how many lines of the log say something."""
    return sum(text in line for line in syncs.store.logs)


@pytest.fixture
def often(settings: Settings) -> None:
    """A state wherever a transaction ends, be it without a record."""
    settings(checkpoint_seconds=0.0)


def test_columns_of_a_shard_that_is_complete(vitess: Vitess, waits: list[float]) -> None:
    """They are announced once more when all its rows are there: that is no other attempt, whatever they are."""
    vitess.insert("a", *rows(10), shard="80-")

    def announced_again(response: Response) -> Iterator[Response]:
        yield response
        for event in response.events:
            if event.type == binlogdata_pb2.COPY_COMPLETED and event.shard == "-80":
                yield Response(events=[events.field("a", {"other": "int"}, shard="-80", timestamp=0)])

    vitess.rewrite = announced_again
    syncs = Syncs(vitess, "a")

    assert syncs.run() is None

    syncs.expect_equal()
    assert not waits
    assert len(streamed(vitess)) == 1


def test_changes_of_a_shard_that_is_complete(vitess: Vitess) -> None:
    """They come with the copy of the other one, which leaves them out: the change stream has to bring them."""
    vitess.insert("a", *rows(10), shard="80-")

    def written_to(response: Response) -> Iterator[Response]:
        yield response
        for event in response.events:
            if event.type == binlogdata_pb2.COPY_COMPLETED and event.shard == "-80":
                vitess.insert("a", {"id": 50, "name": "behind the copy"}, shard="-80")

    vitess.rewrite = written_to
    syncs = Syncs(vitess, "a")

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.store.records["a"] == 11


def test_an_end_ahead_of_the_last_row(vitess: Vitess, waits: list[float]) -> None:
    """COPY_COMPLETED after the first batch, once: the rest is asked for again, and nothing is taken for complete."""
    vitess.insert("a", *rows(10), shard="-80")
    ended: list[int] = []

    def ended_early(response: Response) -> Iterator[Response]:
        yield response
        if not ended and any(is_row(event) for event in response.events):
            ended.append(1)
            yield Response(events=[events.copy_completed("-80")])

    vitess.rewrite = ended_early
    syncs = Syncs(vitess, "a")

    assert syncs.run() is None

    syncs.expect_equal()
    assert ended
    assert says(syncs, "ended the copy of shard '-80' before its last row") == 1
    assert waits == [0.5]


def test_a_column_that_gets_another_type_as_the_copy_begins(vitess: Vitess) -> None:
    """Its values are not those of the catalog: that stream fails with the column's name, the other one is copied."""
    vitess.insert("a", {"id": 1, "name": "12"}, {"id": 2, "name": "13"})
    vitess.insert("b", *rows(3))
    syncs = Syncs(vitess)

    def alter(line: bytes) -> None:
        if b"Copying table 'a'" in line:
            vitess.modify_column("a", "name", "int")

    with pytest.raises(ConfigError):
        apply_each(syncs, alter)

    assert syncs.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
    assert syncs.store.records["a"] == 0
    told = [error["message"] for error in syncs.store.errors if "stream_descriptor" in error]
    assert any("Column 'name' of table 'a' is 'int' in shard" in text for text in told)
    syncs.expect_equal("b")


@pytest.mark.usefixtures("often")
class TestAnotherKey:
    """A key that is not compared any more as it was when the copy was interrupted: it starts over."""

    def test_its_collation(self, vitess: Vitess) -> None:
        """The tablet that goes on announces another collation than the lastpk has."""
        vitess.insert("a", *rows(10), shard="-80")
        syncs = Syncs(vitess, "a")
        stop_half_way(syncs, "a")
        copied = syncs.store.records["a"]

        def collated(event: binlogdata_pb2.VEvent) -> None:
            for field in event.field_event.fields:
                if field.name == "id":
                    field.charset = 45

        rewrite_copies(vitess, collated)

        assert syncs.run() is None

        syncs.expect_equal()
        assert says(syncs, "starts from the beginning: its primary key in shard '-80' is another one") == 1
        assert syncs.store.records["a"] == copied + 10

    def test_its_labels(self, vitess: Vitess) -> None:
        """The numbers that go for labels are by the schema that was read; the tablet has other labels meanwhile."""
        syncs = Syncs(vitess, sized(vitess))
        stop_half_way(syncs, "t")
        copied = syncs.store.records["t"]

        def labelled(event: binlogdata_pb2.VEvent) -> None:
            for field in event.field_event.fields:
                if field.name == "size":
                    field.column_type = "enum('tiny','small','medium','large')"

        rewrite_copies(vitess, labelled)

        assert syncs.run() is None

        syncs.expect_equal()
        assert says(syncs, "starts from the beginning: its primary key in shard '-80' is another one") == 1
        assert syncs.store.records["t"] == copied + 12

    def test_in_the_middle(self, vitess: Vitess) -> None:
        """A lastpk of another key than the one before, without new columns in between."""
        vitess.insert("a", *rows(10), shard="-80")
        syncs = Syncs(vitess, "a")
        seen: list[bytes] = []

        def collated(event: binlogdata_pb2.VEvent) -> None:
            for entry in event.vgtid.shard_gtids if event.shard == "-80" else ():
                for copy in entry.table_p_ks:
                    seen.append(copy.lastpk)
                    if len(seen) == 2:
                        lastpk = query_pb2.QueryResult.FromString(copy.lastpk)
                        lastpk.fields[0].charset = 45
                        copy.lastpk = lastpk.SerializeToString()

        rewrite_copies(vitess, collated)

        assert syncs.run() is None

        syncs.expect_equal()
        assert says(syncs, "starts from the beginning: its primary key in shard '-80' is another one") == 1
        assert syncs.store.records["a"] == 6 + 10


@pytest.mark.usefixtures("often")
def test_changes_before_the_rest_of_a_key_by_number(vitess: Vitess) -> None:
    """The position goes on with them, behind the label of before, and a sync that is killed there loses nothing."""
    syncs = Syncs(vitess, sized(vitess))
    stop_half_way(syncs, "t")
    (before,) = (syncs.table_state("t") or {})["copying"]["shards"]
    vitess.insert("t", {"size": "small", "id": 50, "name": "meanwhile"}, shard="-80")
    vitess.delete("t", {"size": "small", "id": 1})
    lines = []
    for line in syncs.lines():
        lines.append(line)
        if any(part["gtid"] != before["gtid"] for part in parts_of(line, "t")):
            break
    syncs.store.apply(lines)

    (moved,) = (syncs.table_state("t") or {})["copying"]["shards"]
    assert moved["gtid"] != before["gtid"]
    assert moved["lastpk"] == before["lastpk"]
    assert syncs.run() is None
    syncs.expect_equal()
    assert not says(syncs, "starts from the beginning")


@pytest.mark.usefixtures("often")
def test_all_rows_were_there_when_it_was_killed(vitess: Vitess) -> None:
    """Nothing is asked for again: the next sync takes the table for copied, and reads its changes."""
    vitess.insert("a", *rows(10))
    syncs = Syncs(vitess, "a")
    lines = list(syncs.lines())
    last = max(index for index, line in enumerate(lines) if parts_of(line, "a"))
    assert [part for part in parts_of(lines[last], "a") if "lastpk" not in part] == parts_of(lines[last], "a")
    syncs.store.apply(lines[: last + 1])
    vitess.delete("a", {"id": 2})
    begun = len(streamed(vitess))

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.table_state("a") == {"copied": True}
    assert len(streamed(vitess)) == begun + 1  # of the changes
