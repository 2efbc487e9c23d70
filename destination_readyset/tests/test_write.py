"""Records to rows: order, transactions, states, generations, changes of tables."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from source_vitess.errors import ConfigError, InternalError, TransientError

from destination_readyset import sender
from tests.served import DELETED, NAMESPACE, SCHEMA, Json, Served, catalog, record, state, status, stream
from tests.small_disk import small_disk


def test_last_change_of_a_key_wins(served: Served) -> None:
    """Upserts and deletes count in the order in which they came, within one batch and over several."""
    served.write(
        catalog(),
        [
            record({"id": 1, "name": "old"}),
            record({"id": 2, "name": "stays"}),
            record({"id": 3, "name": "goes"}),
            record({"id": 1, "name": "new", "_ab_cdc_deleted_at": None}),
            record({"id": 4, "name": "goes", **DELETED}),
            record({"id": 4, "name": "is back"}),
            state(1),
            record({"id": 3, "name": None, **DELETED}),
            record({"id": 2, "name": ""}),
            state(2),
        ],
    )

    assert served.rows() == [(1, "new"), (2, ""), (4, "is back")]


def test_state_is_echoed_once_its_rows_are_committed(served: Served) -> None:
    """When a state comes back, another connection sees all rows before it, and the state in the bookkeeping."""
    seen: list[tuple[int, int]] = []

    def look(message: Json) -> None:
        if message["type"] == "STATE":
            ((kept,),) = served.mysql.sql("SELECT state->'$.global.shared_state.n' FROM _airbyte_readyset.states")
            seen.append((len(served.rows()), int(kept)))

    served.write(catalog(), [record({"id": 1}), record({"id": 2}), state(7), record({"id": 3}), state(8)], look)

    assert seen == [(2, 7), (3, 8)]
    assert [message["destinationStats"] for message in served.states] == [{"recordCount": 2.0}, {"recordCount": 1.0}]
    assert [message["global"]["shared_state"] for message in served.states] == [{"n": 7}, {"n": 8}]


def test_binlog_holds_rows_and_one_transaction_for_each_state(served: Served) -> None:
    """What ReadySet reads: row events, and rows and state in one transaction."""
    served.write(catalog(), [record({"id": 1}), state(1)])
    served.new_binlog()

    served.write(catalog(), [record({"id": 2}), record({"id": 3, **DELETED}), record({"id": 1, "name": "x"}), state(2)])

    written = f"({NAMESPACE}.customers)"
    # One statement has the new row and the changed one; the delete touched no row.
    assert len([info for info in served.binlog("Table_map") if written in info]) == 1
    assert len(served.binlog("Write_rows")) + len(served.binlog("Update_rows")) >= 2
    assert len(served.binlog("Xid")) == 1


def test_a_stream_state_is_kept_by_stream(served: Served) -> None:
    """States of single streams are kept and counted on their own."""
    message = state(1)
    message["state"] = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "orders", "namespace": NAMESPACE}, "stream_state": {"n": 1}},
    }
    streams = catalog(stream(), stream("orders"))

    served.write(streams, [record({"id": 1}), record({"id": 1}, "orders"), record({"id": 2}, "orders"), message])

    assert served.states[0]["destinationStats"] == {"recordCount": 2.0}
    assert served.mysql.sql("SELECT namespace, stream FROM _airbyte_readyset.states") == [(NAMESPACE, "orders")]


@pytest.mark.parametrize("broken", [True, False])
def test_rows_after_the_last_state(served: Served, broken: bool) -> None:
    """They are committed if their stream completed, and not if it broke off."""
    end = status("INCOMPLETE" if broken else "COMPLETE")

    served.write(catalog(), [status("STARTED"), record({"id": 1}), state(1), record({"id": 2}), end])

    assert served.rows() == ([(1, None)] if broken else [(1, None), (2, None)])
    assert ("were not written" in served.logs) == broken


def _history(chooser: random.Random, syncs: int) -> list[Json]:
    messages = []
    for number in range(syncs):
        for _ in range(chooser.randrange(1, 60)):
            key = chooser.randrange(40)
            gone = DELETED if chooser.random() < 0.3 else {}
            messages.append(record({"id": key, "name": f"{number} it's \\ ☃ {chooser.random()}", **gone}))
        messages.append(state(number))
    return messages


def _model(messages: list[Json]) -> list[tuple[Any, ...]]:
    rows: dict[int, str] = {}
    for message in messages:
        if message["type"] == "RECORD":
            data = message["record"]["data"]
            rows.pop(data["id"], None)
            if "_ab_cdc_deleted_at" not in data:
                rows[data["id"]] = data["name"]
    return sorted(rows.items(), key=str)


def test_kill_at_any_point_converges(served: Served, tmp_path: Path) -> None:
    """Killed and run again from the last state that was echoed, it ends with the rows of an undisturbed run."""
    seed = int(os.environ.get("SOURCE_VITESS_SEED", random.randrange(10**6)))  # noqa: S311 - a test
    print(f"SOURCE_VITESS_SEED={seed}")  # noqa: T201 - to repeat it
    chooser = random.Random(seed)  # noqa: S311 - a test
    messages = _history(chooser, 12)
    states = [index for index, message in enumerate(messages) if message["type"] == "STATE"]
    done = 0
    for _ in range(3):
        # Between commit and echo, or in the middle of a transaction: wherever the signal finds it.
        await_states = chooser.randrange(0, 3)
        stop = chooser.randrange(done, len(messages))
        done = _run_and_kill(served, tmp_path, messages[done:stop], await_states, states, done)
    served.write(catalog(), messages[done:])

    assert served.rows() == _model(messages)


def _run_and_kill(
    served: Served, folder: Path, messages: list[Json], await_states: int, states: list[int], done: int
) -> int:
    """Feeds a process, kills it, and returns where the next one has to begin."""
    process = served.process(folder, catalog())
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    process.stdin.flush()
    echoed: list[Json] = []
    expected = sum(message["type"] == "STATE" for message in messages)
    while len(echoed) < min(await_states, expected):
        line = json.loads(process.stdout.readline())
        if line["type"] == "STATE":
            echoed.append(line)
    process.send_signal(signal.SIGKILL)
    rest = process.communicate()[0]
    echoed += [json.loads(line) for line in rest.splitlines() if b'"STATE"' in line]
    if not echoed:
        return done
    last: int = echoed[-1]["state"]["global"]["shared_state"]["n"]
    return states[last] + 1


def test_a_change_is_committed_while_the_input_stays_open(served: Served, tmp_path: Path) -> None:
    """In streaming mode nothing waits for more: the state of a single change comes back at once."""
    process = served.process(tmp_path, catalog())
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        for number in range(3):
            lines = [record({"id": number, "name": "x"}), state(number)]
            process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            process.stdin.flush()

            assert json.loads(process.stdout.readline())["state"]["global"]["shared_state"] == {"n": number}
            assert len(served.rows()) == number + 1
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_failure_ends_the_process_while_the_input_stays_open(served: Served, tmp_path: Path) -> None:
    """An error of MySQL is reported at once, not with the next line of input."""
    process = served.process(tmp_path, catalog())
    assert process.stdin is not None
    with process:
        lines = [record({"id": 2**70}), state(1)]
        process.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        process.stdin.flush()
        assert process.wait(60) == 1
        assert process.stdout is not None
        last = json.loads(process.stdout.read().splitlines()[-1])
    assert last["trace"]["error"]["failure_type"] == "config_error"


def test_overwrite_without_generations_replaces_the_rows(served: Served) -> None:
    """Old rows go in the transaction of the first new ones; until then they are served."""
    full = catalog(stream(mode="overwrite"))
    served.write(full, [record({"id": 1}), record({"id": 2}), state(1)])

    def failing() -> Iterator[Json]:
        yield record({"id": 5})
        raise TransientError("the source is gone")

    with pytest.raises(TransientError):
        served.write(full, failing())
    assert served.rows() == [(1, None), (2, None)]

    served.write(full, [record({"id": 3}), state(2)])
    assert served.rows() == [(3, None)]


def test_generations_decide_what_is_kept(served: Served) -> None:
    """Rows of generations below the minimum go once; a retry within the generation keeps what it wrote."""

    def sync(generation: int, minimum: int, key: int) -> list[int]:
        numbers: Json = {"generation_id": generation, "minimum_generation_id": minimum, "sync_id": 1}
        served.write(catalog(stream(**numbers)), [record({"id": key}), state(key)])
        return [row[0] for row in served.rows()]

    assert sync(1, 0, 1) == [1]
    assert sync(1, 0, 2) == [1, 2]
    assert sync(2, 2, 3) == [3]
    assert sync(2, 2, 4) == [3, 4]
    assert sync(3, 0, 5) == [3, 4, 5]


def test_new_columns_are_one_alter(served: Served) -> None:
    """Columns are added where the stream has them, in one statement; rows stay."""
    served.write(catalog(), [record({"id": 1, "name": "a"}), state(1)])
    schema = {
        "id": SCHEMA["id"],
        "age": {"type": "integer"},
        "name": SCHEMA["name"],
        "born": {"type": "string", "format": "date"},
    }
    served.new_binlog()

    served.write(
        catalog(stream(schema=schema)), [record({"id": 2, "age": 3, "name": "b", "born": "2026-01-02"}), state(2)]
    )

    assert [str(row) for row in served.rows()] == [
        "(1, None, 'a', None)",
        "(2, 3, 'b', datetime.date(2026, 1, 2))",
    ]
    assert len([info for info in served.binlog("Query") if "ALTER TABLE" in info]) == 1


def test_gone_columns_stay(served: Served) -> None:
    """A column that the stream does not have any more keeps its values, and the log explains how to be rid of it."""
    served.write(catalog(), [record({"id": 1, "name": "a"}), state(1)])

    served.write(catalog(stream(schema={"id": SCHEMA["id"]})), [record({"id": 2}), state(2)])

    assert served.rows() == [(1, "a"), (2, None)]
    assert "keeps the column 'name'" in served.logs


def test_key_change_needs_a_refresh(served: Served) -> None:
    """Another key is refused with the way out, and a refresh that removes the rows takes it."""
    served.write(catalog(stream(generation_id=1, minimum_generation_id=0)), [record({"id": 1, "name": "a"}), state(1)])
    other: Json = {"key": ("id", "name"), "generation_id": 1, "minimum_generation_id": 0}

    with pytest.raises(ConfigError, match="Refresh the stream and remove its records"):
        served.write(catalog(stream(**other)), [record({"id": 1, "name": "b"}), state(2)])
    assert served.rows() == [(1, "a")]

    other.update(generation_id=2, minimum_generation_id=2)
    served.write(catalog(stream(**other)), [record({"id": 1, "name": "b"}), record({"id": 1, "name": "c"}), state(2)])
    assert served.rows() == [(1, "b"), (1, "c")]


def test_streams_without_a_key(served: Served) -> None:
    """Full refreshes write each record as a row; a delete takes one equal row; changes are refused."""
    keyless = stream(key=(), mode="overwrite")
    rows = [record({"id": 1, "name": "a"})] * 3 + [record({"id": 1, "name": "a", **DELETED}), record({"id": None})]

    served.write(catalog(keyless), [*rows, state(1)])

    assert served.rows() == [(1, "a"), (1, "a"), (None, None)]
    with pytest.raises(ConfigError, match=r"Full refresh \| Overwrite"):
        served.write(catalog(stream(key=())), [])


def _expect_nothing_written(served: Served) -> None:
    """The rows and states of a first sync are all there is."""
    assert served.rows() == [(1, "first")]
    assert [message["global"]["shared_state"] for message in served.states] == [{"n": 1}]


@pytest.fixture
def filled(served: Served) -> Served:
    """One row, from one sync."""
    served.write(catalog(), [record({"id": 1, "name": "first"}), state(1)])
    return served


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (record({"id": 3}, "unknown"), ConfigError, "stream 'unknown'"),
        (record({"name": "canary"}), ConfigError, "key column 'id'"),
        (record({"id": "canary"}), ConfigError, "'id' that is not a whole number"),
        (record({"id": 2**63}), ConfigError, "does not fit column 'id'"),
        (record({"id": 3, "name": 5}), ConfigError, "'name' that is not text"),
        (record({"id": 3, "name": "canary \ud800"}), InternalError, "no Airbyte message"),
        ({"kind": "RECORD"}, InternalError, "no Airbyte message"),
    ],
    ids=["stream", "key", "text for a number", "range", "number for a text", "half a character", "no message"],
)
def test_bad_input(filled: Served, bad: Json, error: type[Exception], text: str) -> None:
    """A clear error without the value, no state, nothing half-applied."""
    with pytest.raises(error, match=text) as raised:
        filled.write(catalog(), [record({"id": 1, "name": "changed"}), record({"id": 2}), bad, state(2)])

    _expect_nothing_written(filled)
    assert "canary" not in str(raised.value)
    assert "canary" not in filled.logs


def test_lost_connection(filled: Served) -> None:
    """A connection that is lost in the middle of a transaction: a transient error, and nothing of it is there."""

    def messages() -> Iterator[Json]:
        for key in range(2, 9000):
            yield record({"id": key, "name": "x" * 300})
        for thread, user, *_ in filled.mysql.sql("SHOW PROCESSLIST"):
            if user == "local" and thread != filled.mysql.sql("SELECT CONNECTION_ID()")[0][0]:
                # Or it has ended by itself.
                with contextlib.suppress(pymysql.MySQLError):
                    filled.mysql.sql(f"KILL {thread}")
        yield record({"id": 1, "name": "changed"})
        yield state(2)

    with pytest.raises(TransientError, match="lost"):
        filled.write(catalog(), messages())

    _expect_nothing_written(filled)


def test_server_without_space(filled: Served) -> None:
    """A transaction for which there is no space: a transient error that names the cause."""
    filled.mysql.sql("SET GLOBAL max_binlog_cache_size = 4096")
    try:
        with pytest.raises(TransientError, match="is out of space"):
            filled.write(catalog(), [*(record({"id": key, "name": "x" * 300}) for key in range(2, 9000)), state(2)])
    finally:
        filled.mysql.sql("SET GLOBAL max_binlog_cache_size = DEFAULT")

    _expect_nothing_written(filled)


def test_full_disk(served: Served) -> None:
    """A disk that fills up within a transaction: a transient error; with more space, the same sync succeeds."""
    served.mysql.sql(f"CREATE DATABASE {NAMESPACE}")
    rows = [record({"id": key, "name": "x" * 300}) for key in range(2, 30_000)]
    with small_disk(served.mysql.data_dir / "data" / NAMESPACE, megabytes=4) as grow:
        served.write(catalog(), [record({"id": 1, "name": "first"}), state(1)])
        with pytest.raises(TransientError, match="is out of space"):
            served.write(catalog(), [*rows, state(2)])
        _expect_nothing_written(served)

        grow(64)
        served.write(catalog(), [*rows, state(2)])
        assert len(served.rows()) == len(rows) + 1
        # While it lies on that disk, MySQL cannot remove the folder.
        served.mysql.sql(f"DROP TABLE {NAMESPACE}.customers")


def test_a_statement_that_does_not_end(filled: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """While MySQL does not answer, as when the disk of its binlog is full, the log shows it, and no state comes."""
    monkeypatch.setattr(sender, "_LONG", 0.1)
    states_by_then: list[int] = []
    with filled.mysql.connect() as other, other.cursor() as cursor:

        def messages() -> Iterator[Json]:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            yield record({"id": 1, "name": "changed"})
            yield state(2)

        def watch(message: Json) -> None:
            if "has worked on" in message.get("log", {}).get("message", ""):
                states_by_then.append(len(filled.states))
                if len(states_by_then) == 1:
                    cursor.execute("UNLOCK TABLES")

        filled.write(catalog(), messages(), watch)

    assert "has worked on a statement for table 'customers'" in filled.logs
    assert states_by_then[0] == 1
    assert filled.rows() == [(1, "changed")]
    assert len(filled.states) == 2


def test_read_only_server(filled: Served) -> None:
    """A server that takes no writes, from the start or in the middle: a config error that names the settings."""

    def messages() -> Iterator[Json]:
        yield record({"id": 1, "name": "changed"})
        filled.mysql.sql("SET GLOBAL super_read_only = ON")
        yield state(2)

    try:
        for lines in (messages(), iter([record({"id": 2}), state(2)])):
            with pytest.raises(ConfigError, match="read-only"):
                filled.write(catalog(), lines)
    finally:
        filled.mysql.sql("SET GLOBAL super_read_only = OFF")
        filled.mysql.sql("SET GLOBAL read_only = OFF")

    _expect_nothing_written(filled)


def test_table_of_somebody_else(served: Served) -> None:
    """A table that this destination did not make is left alone."""
    served.mysql.sql("CREATE DATABASE shop")
    served.mysql.sql("CREATE TABLE shop.customers (id INT PRIMARY KEY)")

    with pytest.raises(ConfigError, match="did not make"):
        served.write(catalog(), [record({"id": 1}), state(1)])

    assert served.rows() == []


def test_table_that_was_dropped(filled: Served) -> None:
    """A table whose rows are gone is not made again in silence."""
    filled.mysql.sql("DROP TABLE shop.customers")

    with pytest.raises(ConfigError, match="is gone"):
        filled.write(catalog(), [record({"id": 2}), state(2)])


def test_one_writer_at_a_time(filled: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second sync into the same table waits, and then reports who is in the way."""
    monkeypatch.setattr("destination_readyset.prepare.LOCK_SECONDS", 1)
    other = Served(filled.mysql, filled.config)

    def messages() -> Iterator[Json]:
        with pytest.raises(TransientError, match="Another sync"):
            other.write(catalog(), [record({"id": 3}), state(3)])
        yield record({"id": 2})
        yield state(2)

    filled.write(catalog(), messages())

    assert [row[0] for row in filled.rows()] == [1, 2]


def test_databases_are_mapped(served: Served) -> None:
    """A namespace goes into the database that is configured, and two streams never into one table."""
    served.config["databases"] = ["shop=cache", "store=cache"]
    store = stream()
    store["stream"]["namespace"] = "store"

    served.write(catalog(), [record({"id": 1}), state(1)])

    assert served.mysql.sql("SELECT id FROM cache.customers") == [(1,)]
    with pytest.raises(ConfigError, match="Two streams"):
        served.write(catalog(stream(), store), [])


def test_fields_without_a_column(served: Served) -> None:
    """Airbyte's own are left out in silence, others with one warning."""
    data = {"name": "a", "_ab_cdc_cursor": 5, "_airbyte_x": 1, "extra": 1}

    served.write(catalog(), [record({"id": 1, **data}), record({"id": 2, **data}), state(1)])

    assert served.rows() == [(1, "a"), (2, "a")]
    assert [served.logs.count(word) for word in ("'extra'", "_ab_", "_airbyte_x")] == [1, 0, 0]
