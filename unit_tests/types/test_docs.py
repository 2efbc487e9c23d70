"""docs/types.md describes what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from source_vitess.types.registry import FAMILIES
from tools.crosscheck import DEFECTS, STOPS
from unit_tests.types.encoding import BINARY, UTF8, Outcome, codec, encoder, outcome

_DOCS = (Path(__file__).parents[2] / "docs" / "types.md").read_text(encoding="utf-8")
_OPTION = "`tinyint1_as_boolean`|`bigint_unsigned_as: (?P<form>number|string)`"
_NOTE = " and a note"
_TYPE = r"`[^`]+`"
_LINE = re.compile(
    rf"\| (?P<types>{_TYPE}(?:, {_TYPE})*)(?P<option> with (?:{_OPTION}))? \| (?P<schema>[^`|]+) \| "
    rf"`(?P<value>[^`]*)` \| `(?P<json>[^`]*)`(?P<note>{_NOTE})? \|"
)


def _examples() -> list[Any]:
    """Reads the table: a test for each type of each line."""
    head = "| MySQL type | JSON schema | Value in MySQL | In the record |"
    lines = _DOCS[_DOCS.index(head) :].split("\n\n")[0].splitlines()[2:]
    matches = [_LINE.fullmatch(line) for line in lines]
    assert None not in matches, "a line of the table has another form"
    return [
        pytest.param(name.strip("`"), line, id=f"{name.strip('`')} {line['value'][:20]}")
        for line in matches
        if line
        for name in re.findall(_TYPE, line["types"])
    ]


def _schema(words: str) -> dict[str, Any]:
    if words == "array of number":
        return {"type": ["null", "array"], "items": {"type": "number"}}
    json_type, *rest = words.split(", ")
    schema: dict[str, Any] = {"type": ["null", json_type]}
    for word in rest:
        keyword = {"base64": "contentEncoding", "date": "format", "date-time": "format"}.get(word, "airbyte_type")
        schema[keyword] = word
    return schema


@pytest.mark.parametrize(("column_type", "line"), _examples())
def test_the_table_s_examples_are_what_the_code_gives(column_type: str, line: re.Match[str]) -> None:
    """Schema and value of every line come out as documented."""
    collation_id = UTF8 if re.match("char|varchar|.*text|enum|set", column_type) else BINARY
    options: dict[str, Any] = {
        "tinyint1_as_boolean": "tinyint1_as_boolean" in (line["option"] or ""),
        "bigint_unsigned_as": line["form"] or "integer",
    }
    value = line["value"]
    wire = bytes.fromhex(value[2:-1]) if value.startswith("x'") else value.encode()
    assert codec(column_type, collation_id, **options).json_schema == _schema(line["schema"])
    result = outcome(encoder(column_type, collation_id, **options), wire)
    assert result == Outcome(line["json"].encode(), result.reason)
    assert bool(result.reason) == bool(line["note"])
    json.loads(result.json)


def test_defects_of_debezium_s_are_listed() -> None:
    """What `make crosscheck` lets pass is what the page lists."""
    assert [what for what in (*(defect.what for defect in DEFECTS), STOPS) if f"\n- {what} (" not in _DOCS] == []


def test_the_table_has_every_type() -> None:
    """No type that the code knows is missing from the documentation."""
    documented = {re.sub(r"[ (].*", "", parameters.values[0]) for parameters in _examples()}
    # MySQL's old word for geomcollection.
    assert documented == {name for family in FAMILIES for name in family.names} - {"geometrycollection"}
