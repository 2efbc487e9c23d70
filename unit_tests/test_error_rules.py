"""Rules: from a foreign error's text to one of ours."""

from __future__ import annotations

import pytest

from source_vitess.error_rules import Rule, build_error, first_match, redact, with_words
from source_vitess.errors import ConfigError, SchemaMismatchError, TransientError

REFUSED = Rule(r"^1: refused", "1: refused", ConfigError, "It was refused.")
TABLE = Rule(r"table (?P<table>\w+) (?P<what>gone)?", "table t gone", SchemaMismatchError, "{table} is {what}.")
ANY = Rule(r"", "anything", TransientError, "Something happened.")


def test_the_first_rule_that_matches_counts() -> None:
    """Order is meaning: a general rule may follow a special one."""
    found = first_match((REFUSED, ANY), "1: REFUSED, sorry")

    assert found is not None
    assert found[0] is REFUSED


def test_no_rule_is_an_answer() -> None:
    """A text that meets no rule is for the caller to judge."""
    assert first_match((REFUSED, TABLE), "something else") is None


def test_groups_fill_the_message() -> None:
    """Names in the text end up in the message; a group that took no part is empty."""
    match = TABLE.match("table orders gone")
    other = TABLE.match("table orders is there")

    assert match is not None
    assert other is not None
    assert build_error(TABLE, match, "").message == "orders is gone."
    assert build_error(TABLE, other, "").message == "orders is ."


def test_an_error_of_a_table_names_it() -> None:
    """A StreamError carries its stream, so that the others go on."""
    match = TABLE.match("table orders gone")
    assert match is not None

    error = build_error(TABLE, match, "table orders gone")

    assert isinstance(error, SchemaMismatchError)
    assert (error.stream, error.detail) == ("orders", "table orders gone")


def test_statements_are_cut_out() -> None:
    """Servers quote the statement that failed, and it may hold values of rows."""
    texts = (
        "Query execution was interrupted (errno 3024) during query: select id from t where id > CANARY",
        'no (CallerID: x): Sql: "select CANARY", BindVars: {v1: "CANARY"}',
        "failed: BindVars: {v1: CANARY\nCANARY}",
    )

    assert not [text for text in texts if "CANARY" in redact(text)]
    assert redact(texts[0]).startswith("Query execution was interrupted (errno 3024)")


def test_a_long_text_is_shortened() -> None:
    """An error that quotes a GTID set of megabytes does not fill the log."""
    assert len(redact("x" * 100_000)) == 2001
    assert redact("x" * 2000) == "x" * 2000


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('lastpk:{rows:{lengths:6 values:"CANARY\\"CANARY"}}}', 'lastpk:{rows:{lengths:6 values:"…"}}}'),
        ('within it ([INT64(4711) VARCHAR("CANARY")]) do', "within it ([INT64(…) VARCHAR(…)]) do"),
        (
            "from binlog event: mysql.mysql56BinlogEvent{binlogEvent:mysql.binlogEvent{0x4711}}: EOF",
            "from binlog event: mysql.mysql56BinlogEvent{…}: EOF",
        ),
        ('error sending event: type:ROW row_event:{x:"CANARY"}', "error sending event: …"),
        ("in row-based replication: \"XA START X'4711'\"", 'in row-based replication: "XA START…'),
        ('in row-based replication: "select 4711"', 'in row-based replication: "…'),
        ("expected column count at position 4 (data=[4711 1 2])", "expected column count at position 4 (data=[…])"),
        ("unable to decode element: [4711 1]", "unable to decode element: […]"),
        ('strconv.ParseInt: parsing "CANARY": invalid', 'strconv.ParseInt: parsing "…": invalid'),
        ("using the found integer value: 4711", "using the found integer value: …"),
        ("bytes: 10111", "bytes: […]"),
        ("Duplicate entry 'CANARY' for key 'k'", "Duplicate entry '…'"),
        ("Incorrect datetime value: 'CANARY'", "Incorrect datetime value: '…'"),
        ('schema has [name:"id" type:INT64], event has [8]', 'schema has [name:"id" type:INT64], event has [8]'),
    ],
)
def test_values_are_cut_out(text: str, left: str) -> None:
    """Whatever form Vitess and MySQL give a value: only that goes, and names and types stay."""
    assert redact(text) == left


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", ["shard GTID ", 'gtid:"', "mysql.x{", 'values:"', "VARCHAR(", "data: [", "value: '", "on tablet x"]
)
def test_a_hostile_text_takes_no_time(piece: str) -> None:
    """A server may send two megabytes, of whatever begins what is looked for."""
    text = piece * (2_000_000 // len(piece))

    assert len(redact(text)) <= 2001
    assert len(with_words("It broke.", text)) < 500


def test_a_value_that_is_cut_off_is_cut_out() -> None:
    """Where a text is too long to be read to the end, its last value may have no end."""
    for piece in ('values:"', "INT64(", 'VARCHAR("', 'parsing "', "data: [", "Duplicate entry '", "mysql.Event{"):
        assert "CANARY" not in redact("x " + piece + "CANARY" * 10_000)
