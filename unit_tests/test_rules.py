"""Rules: from a foreign error's text to one of ours."""

from __future__ import annotations

from source_vitess.errors import ConfigError, SchemaMismatchError, TransientError
from source_vitess.rules import Rule, build_error, first_match, redact

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
