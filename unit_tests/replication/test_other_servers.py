"""Whole syncs with what other versions of VTGate send, and with every error that VTGate is known to end a stream by."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import grpc
import pytest

from instruments.oracle import Store
from instruments.scripted_vtgate import events
from instruments.scripted_vtgate.vitess import Vitess
from instruments.scripted_vtgate.wire import row_of, values_of
from source_vitess.error_rules import Rule
from source_vitess.errors import ConfigError, InternalError, PositionLostError, StreamError, TransientError
from source_vitess.proto import binlogdata_pb2, query_pb2, vtgate_pb2
from source_vitess.replication import oversized_rows
from source_vitess.replication.change_stream import PASSING
from source_vitess.vstream.failures import RULES, VERDICTS
from unit_tests.replication.conftest import AfterFirstCurrent, Settings
from unit_tests.syncing import Syncs, is_commit, rows

Response = vtgate_pb2.VStreamResponse

#: Types that the protocol has and that never come, and one that it does not have.
STRANGE = (binlogdata_pb2.SAVEPOINT, binlogdata_pb2.GTID, binlogdata_pb2.LASTPK, binlogdata_pb2.SET, 99)

SEED = random.randrange(1, 10**6)  # noqa: S311 - test data


def change(vitess: Vitess) -> None:
    """Changes of every kind on both shards."""
    vitess.insert("a", *rows(8, 100))
    vitess.update("a", {"id": 2}, {"name": "changed"})
    vitess.update("a", {"id": 3}, {"id": 33})
    vitess.delete("a", {"id": 1})
    vitess.insert("b", *rows(3, 100))
    vitess.touch(count=2)


def syncs_through(vitess: Vitess, after_first_current: AfterFirstCurrent) -> Syncs:
    """Copies, catches up and follows; compares after each."""
    vitess.insert("a", *rows(9))
    vitess.insert("b", *rows(4))
    syncs = Syncs(vitess)
    after_first_current(lambda: vitess.update("a", {"id": 5}, {"name": "before its copy"}))
    assert syncs.run() is None
    syncs.expect_equal()
    change(vitess)
    assert syncs.run() is None
    syncs.expect_equal()
    assert set(syncs.store.statuses.values()) == {"COMPLETE"}
    return syncs


def ordinals(response: Response) -> Iterator[Response]:
    """Sends ENUM and SET of changes as numbers (Vitess ≤ v19); a copy has labels in every version."""

    def numbered(row: query_pb2.Row) -> query_pb2.Row:
        number, kind, tags = values_of(row)
        if kind is not None:
            kind = b"%d" % (["", "small", "large"].index(kind.decode()))
        if tags is not None:
            tags = b"%d" % sum(1 << "xyz".index(tag) for tag in tags.decode().split(",") if tag)
        values: list[bytes | None] = [number, kind, tags]
        return row_of(values)

    for event in response.events:
        if event.timestamp and event.type == binlogdata_pb2.FIELD:
            event.field_event.enum_set_string_values = False
        elif event.timestamp and event.type == binlogdata_pb2.ROW:
            for row_change in event.row_event.row_changes:
                for image in ("before", "after"):
                    if row_change.HasField(image):
                        getattr(row_change, image).CopyFrom(numbered(getattr(row_change, image)))
    yield response


def test_enums_as_numbers(vitess: Vitess, settings: Settings) -> None:
    """Up to v19 the change stream has ordinals and bit maps: the records are the same as the copy's."""
    settings(checkpoint_records=1)
    columns = {"id": "bigint", "kind": "enum('small','large')", "tags": "set('x','y','z')"}
    vitess.create_table("e", columns, key=["id"])
    for number in range(8):
        vitess.insert("e", {"id": number, "kind": "large", "tags": "x,z"})
    vitess.insert("e", {"id": 8})
    vitess.rewrite = ordinals
    syncs = Syncs(vitess, "e")
    lines = list(syncs.lines())
    half = max(i for i, line in enumerate(lines) if line.startswith(b'{"type":"STATE"') and b'"lastpk"' in line)
    syncs.store = Store.of_catalog(syncs.catalog)
    syncs.store.apply(lines[: half + 1])
    vitess.update("e", {"id": 2}, {"kind": "small", "tags": "y"})
    vitess.update("e", {"id": 3}, {"kind": None, "tags": ""})
    vitess.insert("e", {"id": 20, "kind": "small", "tags": "x,y,z"})

    assert syncs.run() is None
    syncs.expect_equal()
    vitess.update("e", {"id": 8}, {"kind": "large", "tags": "z"})
    vitess.delete("e", {"id": 20})
    assert syncs.run() is None
    syncs.expect_equal()


def strange(response: Response) -> Iterator[Response]:
    """Puts events that this connector has no use for between all others."""
    out = []
    for event in response.events:
        out += [events.event(kind, shard=event.shard, keyspace=event.keyspace) for kind in STRANGE]
        out += [events.rows_query("insert …", shard=event.shard), events.version(shard=event.shard)]
        out += [events.journal(["-80"], {"x": events.gtid(3)}, shard=event.shard, tables=["a"]), event]
    yield Response(events=out)


def one_by_one(response: Response) -> Iterator[Response]:
    """A response is no transaction."""
    for event in response.events:
        yield Response(events=[event])


def twice(response: Response) -> Iterator[Response]:
    """Every transaction of the changes comes again right after itself."""
    yield response
    if response.events[0].timestamp and response.events[0].type == binlogdata_pb2.BEGIN:
        yield response


def without_ends_of_copies(response: Response) -> Iterator[Response]:
    """A restart within VTGate right at a copy's end loses COPY_COMPLETED."""
    kept = [event for event in response.events if event.type != binlogdata_pb2.COPY_COMPLETED]
    if kept:
        yield Response(events=kept)


def with_ends_of_copies(response: Response) -> Iterator[Response]:
    """The end of a copy comes where nothing is copied."""
    yield response
    if response.events[0].timestamp:
        yield Response(events=[events.copy_completed(response.events[0].shard), events.copy_completed()])


def rolled_back(response: Response) -> Iterator[Response]:
    """A transaction that ends in ROLLBACK comes before each."""
    if response.events[0].timestamp and response.events[0].type == binlogdata_pb2.BEGIN:
        shard = response.events[0].shard
        yield Response(events=[events.begin(shard=shard), events.rollback(shard=shard)])
    yield response


def without_times(response: Response) -> Iterator[Response]:
    """VGTIDs with times and other events without `current_time`, as different versions have it."""
    for event in response.events:
        event.current_time = 0 if event.current_time else 5
    yield response


@pytest.mark.parametrize(
    "rewrite",
    [strange, one_by_one, twice, without_ends_of_copies, with_ends_of_copies, rolled_back, without_times],
    ids=lambda f: f.__name__,
)
def test_other_forms_of_the_stream(vitess: Vitess, after_first_current: AfterFirstCurrent, rewrite: object) -> None:
    """Copy, catch-up and changes give the database, whatever else comes between and however it is cut."""
    vitess.rewrite = rewrite  # type: ignore[assignment] # one of the functions above

    syncs_through(vitess, after_first_current)


def test_responses_that_are_cut_and_joined_at_random(vitess: Vitess, after_first_current: AfterFirstCurrent) -> None:
    """Several forms at once, at random."""
    print(f"seed: {SEED}")  # noqa: T201 - shown when the test fails
    rnd = random.Random(SEED)  # noqa: S311 - test data
    forms = [strange, one_by_one, twice, rolled_back, without_times]

    def mixed(response: Response) -> Iterable[Response]:
        responses = [response]
        for form in rnd.sample(forms, 2):
            responses = [made for one in responses for made in form(one)]
        return responses

    vitess.rewrite = mixed

    syncs_through(vitess, after_first_current)


def _ended_by(vitess: Vitess, code: grpc.StatusCode, text: str) -> tuple[Syncs, object]:
    """Runs a sync of changes whose stream ends with a status once, after its first transaction."""
    vitess.insert("a", *rows(9))
    vitess.insert("b", *rows(4))
    syncs = Syncs(vitess)
    assert syncs.run() is None
    change(vitess)
    vitess.faults.cut_after(is_commit, code, text)
    return syncs, syncs.run()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern)
def test_every_known_error_in_the_changes(
    vitess: Vitess, waits: list[float], rule: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What passes is ridden out; what the user has to mend ends the sync or the stream; a re-run is the database."""
    # Every look for a row that is too large finds that the stream gets on, if it may take its time.
    monkeypatch.setattr(oversized_rows, "PROBE_SECONDS", 60.0)
    code, _, text = rule.example.partition(": ")
    text = text.replace(" t ", " a ").replace("for t:", "for a:").replace("table t", "table a")

    syncs, error = _ended_by(vitess, grpc.StatusCode[code], text)

    if issubclass(rule.error, (TransientError, *PASSING)):
        # A table that a tablet does not know may be known the next moment.
        assert error is None
        assert waits == [0.5]
    elif issubclass(rule.error, StreamError):
        assert isinstance(error, ConfigError)
        assert syncs.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
        syncs.expect_equal("b")
        return
    else:
        assert type(error) is rule.error
        assert issubclass(rule.error, ConfigError | InternalError | PositionLostError)
        assert set(syncs.store.statuses.values()) == {"INCOMPLETE"}
        assert syncs.run() is None
    syncs.expect_equal()


# An end without an error has tests of its own.
@pytest.mark.parametrize(
    "code", [code for code in VERDICTS if code is not grpc.StatusCode.OK], ids=lambda code: code.name
)
def test_every_code_with_an_unknown_text(vitess: Vitess, waits: list[float], code: grpc.StatusCode) -> None:
    """The same for codes whose text says nothing."""
    kind, _ = VERDICTS[code]

    syncs, error = _ended_by(vitess, code, "who knows")

    if issubclass(kind, TransientError):
        assert error is None
        assert waits == [0.5]
    else:
        assert type(error) is kind
        assert syncs.run() is None
    syncs.expect_equal()
