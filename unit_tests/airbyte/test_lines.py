"""Lines of JSON: what they promise, and that the CDK's messages of the same sync are equal."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.test.entrypoint_wrapper import read as read_through_the_cdk

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.airbyte.lines import error_line, log_line
from source_vitess.airbyte.masking import set_secrets
from source_vitess.airbyte.sync_lines import LineWriter
from source_vitess.errors import ConfigError, PositionLostError, StreamError, TransientError
from source_vitess.replication.messages import (
    Checkpoint,
    Completed,
    Estimate,
    Failed,
    Log,
    Message,
    Records,
    Started,
)
from source_vitess.rows.columns import FieldChange
from source_vitess.source import SourceVitess
from unit_tests.syncing import Syncs

_TIMES = re.compile(rb'"emitted_at":[0-9.]+|"_ab_cdc_\w+":("[^"]*"|[0-9]+)|[0-9.]+ s \([0-9,]+ rows')


def render(*messages: Message) -> list[dict[str, Any]]:
    """Returns the lines of a sync as JSON."""
    return [json.loads(line) for chunk in LineWriter("shop").render(messages) for line in chunk.splitlines()]


def test_records_are_whole_lines() -> None:
    """Each record is a line, with its stream and namespace; the first one of a stream follows its status RUNNING."""
    running, *lines = render(Records("t", [b'{"id":1}', b'{"id":2}']), Records("t", [b'{"id":3}']))

    assert running["trace"]["stream_status"]["status"] == "RUNNING"
    assert [line["record"]["data"] for line in lines] == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert {(line["record"]["stream"], line["record"]["namespace"]) for line in lines} == {("t", "shop")}
    assert isinstance(lines[0]["record"]["emitted_at"], int)


def test_a_stream_that_failed_does_not_run_again() -> None:
    """Its copy failed before a row came, and its changes come all the same: INCOMPLETE stays its last status."""
    lines = render(Started("t"), Failed("t", None), Records("t", [b'{"id":1}']))

    statuses = [line["trace"]["stream_status"]["status"] for line in lines if line["type"] == "TRACE"]
    assert statuses == ["STARTED", "INCOMPLETE"]
    assert lines[-1]["type"] == "RECORD"


def test_names_are_quoted() -> None:
    """Names may hold whatever JSON has to escape, and percent signs."""
    _, record = render(Records('we"ird\\%s\n', [b"{}"]))

    assert record["record"]["stream"] == 'we"ird\\%s\n'


def test_no_records_are_no_line() -> None:
    """An empty batch writes nothing that could be taken for a record."""
    assert [line["type"] for line in render(Records("t", []))] == ["TRACE"]


def test_altered_values_are_told_with_their_record() -> None:
    """`meta.changes` for each record that has some; nothing in the log yet."""
    change = (FieldChange("d", "NULLED", "not a date"),)
    lines = render(Records("t", [b'{"d":null}', b'{"d":"x"}', b'{"d":null}'], {0: change, 2: change}))
    records = [line["record"] for line in lines if line["type"] == "RECORD"]

    assert [record.get("meta") for record in records] == [
        {"changes": [{"field": "d", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}]},
        None,
        {"changes": [{"field": "d", "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}]},
    ]
    assert [line for line in lines if line["type"] == "LOG"] == []


def test_altered_values_are_one_warning_at_the_end() -> None:
    """One line a sync, however many columns have zero dates: each with its number, the most frequent first."""
    writer = LineWriter("shop")
    zero, text = FieldChange("d", "NULLED", "a zero date"), FieldChange("x", "TRUNCATED", "odd bytes")
    list(
        writer.render(
            [Records("t", [b"{}"] * 2, {1: (zero,)}), Records("u", [b"{}"] * 2, {0: (zero,), 1: (zero, text)})]
        )
    )
    list(writer.render([Records(f"t{number}", [b"{}"], {0: (zero,)}) for number in range(100)]))

    [line] = [json.loads(line)["log"] for line in writer.render_summary()]

    assert line["level"] == "WARN"
    assert "set to null, a zero date: 'd' of 'u' (2), 'd' of 't' (1)," in line["message"]
    assert line["message"].endswith("and 72 more columns; changed, odd bytes: 'x' of 'u' (1).")
    assert list(LineWriter("shop").render_summary()) == []


def test_the_first_large_integer_is_a_warning() -> None:
    """Before the records that it comes with, once for each stream and column: its load may fail."""
    lines = render(
        Records("t", [b"{}"]),
        Records("t", [b"{}"], large_integers=("id",)),
        Records("t", [b"{}"], large_integers=("id", "hash{}")),
        Records("u", [b"{}"], large_integers=("id",)),
    )

    shown = [line["log"]["message"].partition(" holds")[0] if line["type"] == "LOG" else line["type"] for line in lines]
    assert shown == [
        *("TRACE", "RECORD"),
        *("Column 'id' of stream 't'", "RECORD"),
        *("Column 'hash{}' of stream 't'", "RECORD"),
        *("TRACE", "Column 'id' of stream 'u'", "RECORD"),
    ]
    assert {line["log"]["level"] for line in lines if line["type"] == "LOG"} == {"WARN"}


def test_states_count_the_records_before_them() -> None:
    """Each state has the number of records since the one before, of all streams."""
    lines = render(
        Records("t", [b"{}", b"{}"]),
        Checkpoint({"version": 1}, {}),
        Records("u", [b"{}"]),
        Checkpoint({"version": 1}, {"t": {}}),
        Checkpoint({"version": 1}, {}),
    )

    states = [line["state"] for line in lines if line["type"] == "STATE"]
    assert [state["sourceStats"]["recordCount"] for state in states] == [2.0, 1.0, 0.0]
    assert states[1]["global"]["stream_states"] == [
        {"stream_descriptor": {"name": "t", "namespace": "shop"}, "stream_state": {}}
    ]


def test_statuses_and_errors() -> None:
    """A stream's error comes before its status INCOMPLETE; the sync's own error is reported elsewhere, once."""
    lines = render(
        Started("t"),
        Estimate("t", 5, 100),
        Log("hello"),
        Failed("t", StreamError("t", "gone", detail="why")),
        Failed("u", None),
        Failed("v", TransientError("later")),
        Completed("w"),
    )

    statuses = [
        line["trace"].get("stream_status", {}).get("status")
        or line["trace"].get("error", {}).get("failure_type")
        or line["trace"].get("estimate", {}).get("type")
        for line in lines
        if line["type"] == "TRACE"
    ]
    assert statuses == [
        "STARTED",
        "STREAM",
        "config_error",
        "INCOMPLETE",
        "INCOMPLETE",
        "transient_error",
        "INCOMPLETE",
        "COMPLETE",
    ]
    for line in lines:
        AirbyteMessageSerializer.load(line)


def test_every_line_is_one_line() -> None:
    """A message of several lines stays one line of output."""
    assert log_line("INFO", "one\ntwo\u2028three").count(b"\n") == 1


def test_half_a_surrogate_pair_is_escaped() -> None:
    """A configuration may hold one, and a message quote it: it is no UTF-8, and a line all the same."""
    assert json.loads(log_line("INFO", "found \ud800"))["log"]["message"] == "found \ud800"


def test_secrets_are_masked_in_log_lines_and_errors() -> None:
    """Whatever a server repeats of what it was sent."""
    set_secrets(["s3cret-word"])
    try:
        lines = [
            log_line("WARN", "it sent s3cret-word"),
            error_line(StreamError("t", "it sent s3cret-word", detail="s3cret-word!"), stream="t", keyspace="shop"),
        ]
    finally:
        set_secrets([])

    assert [line for line in lines if b"s3cret-word" in line] == []
    assert all(b"****" in line for line in lines)


@pytest.fixture
def syncs(vitess: Vitess) -> Syncs:
    """A table of values that a float or a serialiser without nulls would change."""
    vitess.create_table(
        "t",
        {
            "id": "bigint unsigned",
            "exact": "decimal(38,10)",
            "whole": "decimal(30,0)",
            "price": "decimal(10,2)",
            "ratio": "double",
            "nothing": "varchar(10)",
            "doc": "json",
        },
        key=["id"],
    )
    vitess.insert(
        "t",
        {"id": 2**64 - 1, "exact": "1234567890123456789012345678.0123456789", "whole": "-" + "9" * 30, "price": "1.50"},
        {"id": 1, "ratio": 0.1, "doc": '{"a": null}', "price": "100.00"},
        {"id": 2, "ratio": 1e300, "nothing": "", "price": "-0.05"},
    )
    return Syncs(vitess)


def _lines(syncs: Syncs) -> Iterator[bytes]:
    return syncs.connector.lines(syncs.catalog)


def test_nulls_and_digits_are_kept(syncs: Syncs) -> None:
    """Explicit nulls, 2^64 - 1, 38 digits: as they are in the database."""
    records = {
        line["record"]["data"]["id"]: line["record"]["data"]
        for line in (json.loads(line, parse_float=Decimal) for line in _lines(syncs))
        if line["type"] == "RECORD"
    }

    large = records[2**64 - 1]
    assert large["exact"] == Decimal("1234567890123456789012345678.0123456789")
    assert large["whole"] == -(10**30 - 1)
    assert large["nothing"] is None
    assert "nothing" in large
    assert (records[2]["nothing"], records[2]["exact"]) == ("", None)


def test_messages_say_the_same_as_lines(syncs: Syncs) -> None:
    """`read` gives the CDK's messages: written out by the CDK's serialiser they are the lines, byte for byte but times.

    Only top-level nulls are missing, which that serialiser leaves out.
    """
    catalog = ConfiguredAirbyteCatalogSerializer.load(syncs.catalog)
    messages = SourceVitess().read(logging.getLogger("airbyte"), syncs.connector.config, catalog, [])
    from orjson import dumps

    written = [dumps(AirbyteMessageSerializer.dump(message)) for message in messages]

    assert len(written) == len(list(_lines(syncs)))
    assert [_plain(line) for line in written] == [_plain(line) for line in _lines(syncs)]


def _plain(line: bytes) -> Any:
    def text(number: str) -> str:
        return f"number {number}"

    message = json.loads(
        _TIMES.sub(b'"":0', line) if b'"LOG"' not in line else b'"log"', parse_float=text, parse_int=text
    )
    if isinstance(message, dict) and message["type"] == "STATE":
        return "state"
    if isinstance(message, dict) and message["type"] == "RECORD":
        data = message["record"]["data"]
        message["record"]["data"] = {name: value for name, value in data.items() if value is not None}
    return message


def test_a_global_state_passes_the_cdk(syncs: Syncs) -> None:
    """The CDK's own entrypoint takes the GLOBAL states, and counts their records."""
    output = read_through_the_cdk(
        SourceVitess(), syncs.connector.config, ConfiguredAirbyteCatalogSerializer.load(syncs.catalog)
    )

    assert output.errors == []
    assert len(output.records) == 3
    states = [message.state for message in output.state_messages]
    assert sum(state.sourceStats.recordCount for state in states if state and state.sourceStats) == 3
    last = AirbyteMessageSerializer.dump(output.state_messages[-1])["state"]
    again = read_through_the_cdk(
        SourceVitess(),
        syncs.connector.config,
        ConfiguredAirbyteCatalogSerializer.load(syncs.catalog),
        [output.state_messages[-1].state],  # type: ignore[list-item] # a state message has one
    )
    assert again.records == []
    assert last["type"] == "GLOBAL"


def test_a_lost_position_is_marked() -> None:
    """A program that runs the connector can tell it from other things that only the user can mend."""
    lost, other = (
        json.loads(error_line(error))["trace"]["error"] for error in (PositionLostError("gone"), ConfigError("wrong"))
    )

    assert lost == {"message": "gone", "failure_type": "config_error", "position_lost": True}
    assert other == {"message": "wrong", "failure_type": "config_error"}
