"""The transactions of one shard between two positions: these, each once and whole, or an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from instruments.scripted_vtgate.model.storage import RowsWritten
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import PositionLostError, SchemaMismatchError, StallError, StreamError, TransientError
from source_vitess.position.vgtid import gtid_set
from source_vitess.proto.binlogdata_pb2 import JOURNAL, VGTID, VEvent
from unit_tests.shard_reading.conftest import Chosen, Reading, nth, streamed_table
from unit_tests.syncing import is_commit, is_row, rows

REPLICAS = pytest.mark.parametrize("reading", ["REPLICA"], indirect=True)


@pytest.fixture
def span(vitess: Vitess, reading: Reading) -> tuple[str, str]:
    """A span of six transactions of `-80`, with rows 4 to 9; rows 1 to 3 come before it, and 10 to 12 after it."""
    vitess.insert("a", *rows(3), shard="-80")
    start = reading.position()
    for row in rows(6, start=4):
        vitess.insert("a", row, shard="-80")
    end = reading.position()
    vitess.insert("a", *rows(3, start=10), shard="-80")
    return start, end


def test_neither_less_nor_more(reading: Reading, span: tuple[str, str]) -> None:
    """The transactions of the end that are not in the start, in their order, with their own GTIDs."""
    start, end = span

    transactions = reading.changes(start, end)

    assert reading.given_ids == [4, 5, 6, 7, 8, 9]
    assert len(transactions) == 6
    assert set(transactions) == {
        f"{uuid}:{number}"
        for uuid, intervals in (gtid_set(end) - gtid_set(start)).intervals.items()
        for first, last in intervals
        for number in range(first, last)
    }


def test_a_span_with_nothing_in_it_opens_no_stream(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """It would wait for ever for an idle shard."""
    before = len(vitess.vstream.requests)

    assert reading.changes(span[1], span[0]) == []

    assert len(vitess.vstream.requests) == before


def test_updates_and_deletes(vitess: Vitess, reading: Reading) -> None:
    """In the form that a sync has them: what is gone is the row of before."""
    vitess.insert("a", *rows(3), shard="-80")
    start = reading.position()
    vitess.update("a", {"id": 1}, {"name": "later"})
    vitess.delete("a", {"id": 2})

    reading.changes(start, reading.position())

    assert reading.given == [("row", {"id": 1, "name": "later"}), ("delete", {"id": 2, "name": "n2"})]


@pytest.fixture
def other(vitess: Vitess, reading: Reading) -> str:
    """Another table, `b`, whose changes are read with those of `a`."""
    vitess.create_table("b", {"id": "bigint", "name": "varchar(20)"}, key=["id"])
    reading.others = (streamed_table(reading.live, "b"),)
    return "b"


def test_several_tables_come_from_one_stream(vitess: Vitess, reading: Reading, other: str) -> None:
    """In the order in which they were changed; a table that is not read is none of it."""
    vitess.create_table("c", {"id": "bigint", "name": "varchar(20)"}, key=["id"])
    start = reading.position()
    for number, table in enumerate(("a", other, "c", other, "a"), 1):
        vitess.insert(table, {"id": number, "name": table}, shard="-80")
    before = len(vitess.vstream.requests)

    transactions = reading.changes(start, reading.position())

    assert [(row["id"], row["name"]) for _, row in reading.given] == [(1, "a"), (2, "b"), (4, "b"), (5, "a")]
    assert len(transactions) == 4
    [request] = vitess.vstream.requests[before:]
    assert [rule.match for rule in request.filter.rules] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda vitess: vitess.truncate("b"), "Table 'b' was truncated in shard '-80'"),
        (lambda vitess: vitess.drop_column("b", "name"), r"Columns of table 'b' \(name\) were altered"),
    ],
)
def test_a_statement_on_any_of_several_tables(
    vitess: Vitess, reading: Reading, other: str, change: Callable[[Vitess], None], expected: str
) -> None:
    """It names the table."""
    vitess.track_schema_versions = True
    start = reading.position()
    vitess.insert(other, {"id": 1, "name": "n"}, shard="-80")
    change(vitess)

    with pytest.raises(StreamError, match=expected):
        reading.changes(start, reading.position())


def test_any_of_several_tables_that_was_altered_later(vitess: Vitess, reading: Reading) -> None:
    """Nothing in the span shows it."""
    vitess.create_table("b", {"id": "bigint", "name": "varchar(20)", "last": "varchar(20)"}, key=["id"])
    reading.others = (streamed_table(reading.live, "b", "id", "name"),)
    start = reading.position()
    vitess.insert("b", {"id": 1, "name": "n", "last": "l"}, shard="-80")
    end = reading.position()
    vitess.add_column("b", "more", "varchar(20)", after="id")

    with pytest.raises(SchemaMismatchError, match="Table 'b' was altered in shard '-80' since the query began"):
        reading.changes(start, end)


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("order", ["cut_after", "restart_after", "eof_after"])
def test_a_broken_stream_gives_nothing_twice(
    vitess: Vitess, reading: Reading, span: tuple[str, str], order: str, number: int
) -> None:
    """Wherever it breaks off, within a transaction or between two."""
    for event in (is_row, is_commit):
        getattr(vitess.faults, order)(nth(number, event))

    reading.changes(*span)

    assert reading.given_ids == [4, 5, 6, 7, 8, 9]


def test_a_transaction_whose_position_came_without_its_end(
    vitess: Vitess, reading: Reading, span: tuple[str, str]
) -> None:
    """VTGate goes on behind it, on another tablet: it is complete, and does not come again."""
    vitess.faults.restart_after(nth(3, lambda event: event.type == VGTID))

    reading.changes(*span)

    assert reading.given_ids == [4, 5, 6, 7, 8, 9]


@REPLICAS
def test_errant_transactions_are_none_of_it(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """Whichever tablet answers."""
    shard = vitess.shards["-80"]
    world = vitess.world = Chosen()
    start = reading.position()
    written = RowsWritten(shard.tables["a"], ((None, shard.tables["a"].row({"id": 99, "name": "errant"})),))
    shard.commit_errant(shard.tablets[1], vitess.clock, [written])
    vitess.insert("a", *rows(2, start=20), shard="-80")
    end = reading.position()

    for world.index in (0, 1):
        reading.changes(start, end)
        assert reading.given_ids == [20, 21]


def test_several_servers(vitess: Vitess, reading: Reading) -> None:
    """A failover in the middle of a span."""
    vitess.insert("a", *rows(3), shard="-80")
    start = reading.position()
    vitess.insert("a", *rows(2, start=4), shard="-80")
    vitess.reparent("-80")
    vitess.insert("a", *rows(2, start=6), shard="-80")
    end = reading.position()
    vitess.insert("a", *rows(2, start=8), shard="-80")

    transactions = reading.changes(start, end)

    assert reading.given_ids == [4, 5, 6, 7]
    assert len({transaction.partition(":")[0] for transaction in transactions}) == 2


def test_a_start_of_mysql_in_a_span(vitess: Vitess, reading: Reading) -> None:
    """Another stream goes on behind it, and gives the rest."""
    start = reading.position()
    for number in range(4):
        vitess.insert("a", *rows(2, start=10 * number), shard="-80")
        vitess.shards["-80"].data.start_again(vitess.clock)

    reading.changes(start, reading.position())

    assert reading.given_ids == [0, 1, 10, 11, 20, 21, 30, 31]


def test_a_span_that_ends_without_a_position(vitess: Vitess, reading: Reading) -> None:
    """As where a MyISAM table that is not read was changed last: it is complete, though no position comes any more."""
    vitess.create_table("old", {"id": "bigint"}, key=["id"], engine="MyISAM")
    start = reading.position()
    vitess.insert("a", *rows(2), shard="-80")
    vitess.insert("old", {"id": 1}, shard="-80")

    reading.changes(start, reading.position(), seconds=5)

    assert reading.given_ids == [1, 2]


def test_a_start_of_mysql_behind_changes_without_a_position(vitess: Vitess, reading: Reading) -> None:
    """They are passed by, so that another stream gets on."""
    vitess.create_table("old", {"id": "bigint"}, key=["id"], engine="MyISAM")
    start = reading.position()
    vitess.insert("old", {"id": 1}, shard="-80")
    vitess.shards["-80"].data.start_again(vitess.clock)
    vitess.insert("a", *rows(2), shard="-80")

    reading.changes(start, reading.position())

    assert reading.given_ids == [1, 2]


def test_a_journal_behind_a_start_of_mysql(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """The row that holds it is one of a table like any other, and would be left out."""
    vitess.shards["-80"].data.start_again(vitess.clock)
    vitess.reshard(["-80"], ["-40", "40-80"])

    assert reading.live.next_journal("-80", span[0]).begun.keys() == {"-40", "40-80"}


def test_a_resharded_shard_is_read_up_to_its_journal(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """What reverse replication writes to it afterwards is the new shards' to tell."""
    begun = reading.live.lineage().shards
    vitess.begin_reshard(["-80"], ["-40", "40-80"])
    vitess.write_journals(["-40", "40-80"])
    vitess.switch_routing(["-40", "40-80"], reverse=True)
    vitess.insert("a", *rows(4, start=20), shard="-40")
    assert begun["-80"]

    reading.changes(span[0], None)

    assert reading.given_ids == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    journal = reading.live.next_journal("-80", span[1])
    assert journal.participants == {"-80"}
    reading.changes(journal.begun["-40"], reading.position("-40"), "-40")
    assert reading.given_ids == [20, 21, 22, 23]


@pytest.mark.parametrize("kind", [JOURNAL, VGTID])
def test_a_tablet_that_fails_at_the_journal(vitess: Vitess, reading: Reading, span: tuple[str, str], kind: int) -> None:
    """It comes again, or has come: the shard ends there in any case."""
    vitess.reshard(["-80"], ["-40", "40-80"], reverse=True)
    vitess.insert("a", *rows(4, start=20), shard="-40")
    seen: list[bool] = []

    def at_the_journal(event: VEvent) -> bool:
        seen.append(event.type == JOURNAL)
        return any(seen) and event.type == kind

    vitess.faults.restart_after(at_the_journal)

    reading.changes(span[0], None)

    assert reading.given_ids == [4, 5, 6, 7, 8, 9, 10, 11, 12]


def test_a_reshard_that_was_taken_back_is_read_over(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """What was written to the other shards meanwhile is in the shard's own binary log behind the journal."""
    vitess.reshard(["-80"], ["-40", "40-80"], reverse=True)
    vitess.insert("a", *rows(2, start=20), shard="-40")
    vitess.reshard(["-40", "40-80"], ["-80"])
    vitess.insert("a", *rows(2, start=30), shard="-80")

    reading.changes(span[0], reading.position())

    assert sorted(reading.given_ids) == [4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 21, 30, 31]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda vitess: vitess.truncate("a"), "Table 'a' was truncated in shard '-80'"),
        (lambda vitess: vitess.drop_table("a"), "Table 'a' was dropped in shard '-80'"),
        (lambda vitess: vitess.rename_table("a", "b"), "Table 'a' was renamed in shard '-80'"),
        (lambda vitess: vitess.drop_column("a", "name"), r"Columns of table 'a' \(name\) were altered"),
        (lambda vitess: vitess.modify_column("a", "name", "varchar(30)"), "Columns of table 'a'"),
        (lambda vitess: vitess.ddl("alter table a convert to character set latin1", "a"), "Columns of table 'a' were"),
        (lambda vitess: vitess.ddl("alter table a frobnicate", "a"), "names table 'a' and is not understood"),
    ],
)
def test_a_statement_that_no_row_shows(
    vitess: Vitess, reading: Reading, change: Callable[[Vitess], None], expected: str
) -> None:
    """It ends the read, with the statement's own transaction."""
    vitess.track_schema_versions = True
    vitess.insert("a", *rows(3), shard="-80")
    start = reading.position()
    vitess.insert("a", *rows(3, start=4), shard="-80")
    change(vitess)

    with pytest.raises(StreamError, match=expected):
        reading.changes(start, reading.position())


def test_a_column_that_is_known_and_was_added_only_on_the_way(vitess: Vitess, reading: Reading) -> None:
    """The rows before it were named by columns that the table had not yet."""
    start = reading.position()
    vitess.insert("a", *rows(3), shard="-80")
    vitess.add_column("a", "more", "varchar(20)", after="id")
    reading.streamed = streamed_table(reading.live, "a", "id", "more")

    with pytest.raises(StreamError, match=r"Columns of table 'a' \(more\) were altered"):
        reading.changes(start, reading.position())


def test_a_statement_after_the_span_is_none_of_it(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """The next one has it."""
    vitess.truncate("a")

    reading.changes(*span)

    assert reading.given_ids == [4, 5, 6, 7, 8, 9]


def test_a_column_that_is_added_behind_the_others_is_no_matter(
    vitess: Vitess, reading: Reading, span: tuple[str, str]
) -> None:
    """The columns before it keep their names."""
    vitess.add_column("a", "more", "int")
    vitess.insert("a", {"id": 20, "name": "n", "more": 1}, shard="-80")

    reading.changes(span[0], reading.position())

    assert reading.given_ids == [4, 5, 6, 7, 8, 9, 10, 11, 12, 20]
    assert reading.given[-1][1] == {"id": 20, "name": "n"}


def test_a_column_that_was_put_before_others_later(vitess: Vitess, reading: Reading) -> None:
    """The rows of the span are named by the table's new columns, which nothing in the span shows."""
    vitess.create_table("w", {"id": "bigint", "name": "varchar(20)", "last": "varchar(20)"}, key=["id"])
    reading.streamed = streamed_table(reading.live, "w", "id", "name")
    start = reading.position()
    vitess.insert("w", {"id": 1, "name": "name", "last": "last"}, shard="-80")
    end = reading.position()
    vitess.add_column("w", "more", "varchar(20)", after="id")

    with pytest.raises(SchemaMismatchError, match="was altered in shard '-80' since the query began"):
        reading.changes(start, end)

    assert reading.given == [("row", {"id": 1, "name": "last"})]


def test_binary_logs_that_are_purged(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """The position is lost: before a row is given."""
    vitess.purge()

    with pytest.raises(PositionLostError, match="has purged the binary logs"):
        reading.changes(*span)

    assert not reading.given


def test_a_position_of_another_cluster(reading: Reading, span: tuple[str, str]) -> None:
    """Likewise."""
    with pytest.raises(PositionLostError, match="holds transactions that keyspace commerce does not have"):
        reading.changes(span[0] + ",00000000-0000-0000-0000-000000000009:1", span[1])


def test_a_shard_that_is_gone(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """Likewise."""
    vitess.reshard(["-80"], ["-40", "40-80"])
    vitess.delete_shards("-80")

    with pytest.raises(PositionLostError, match="which keyspace commerce does not have any more"):
        reading.changes(span[0], None)


def test_an_end_that_a_failover_has_lost(
    vitess: Vitess, reading: Reading, span: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for as long as it could come, and no longer."""
    monkeypatch.setattr("source_vitess.shard_reading.changes._DOUBT_SECONDS", 0.05)
    end = reading.position()
    vitess.reparent("-80", lost=1)

    with pytest.raises(PositionLostError, match="a failover without semi-synchronous replication has lost them"):
        reading.changes(span[1], end)


def test_nothing_comes_although_it_should(
    vitess: Vitess, reading: Reading, span: tuple[str, str], waits: list[float]
) -> None:
    """Heartbeats prove nothing; after some tries it is an error."""
    vitess.rewrite = lambda response: () if any(map(is_commit, response.events)) else (response,)

    with pytest.raises(StallError, match="VTGate sent nothing of shard '-80'"):
        reading.changes(*span, seconds=0.05)

    assert len(waits) == 8


def test_a_shard_that_does_not_answer(vitess: Vitess, reading: Reading, span: tuple[str, str]) -> None:
    """It is asked again for a while."""
    for tablet in vitess.shards["-80"].tablets:
        tablet.running = False

    with pytest.raises(TransientError):
        reading.changes(*span)
