"""The texts of a row and of its key: what they hold is exactly what the row has."""

from __future__ import annotations

import json
import random

import pytest

from vitess_spark.row_text import RowText, key_text


@pytest.mark.parametrize(
    ("members", "key", "text"),
    [
        ('"id":1,"name":"x",', ("id",), '{"id":1}'),
        ('"name":"x, \\"id\\":2","id":1,', ("id",), '{"id":1}'),
        ('"a":-0.50,"b":[1,{"c":2}],"c":true,', ("c", "a"), '{"c":true,"a":-0.50}'),
        ('"big":18446744073709551615,"d":1.0,', ("big", "d"), '{"big":18446744073709551615,"d":1.0}'),
        ('"a\\"b":"é\\n😀",', ('a"b',), '{"a\\"b":"é\\n😀"}'),
        ('"id":1,this is not looked at', ("id",), '{"id":1}'),
    ],
)
def test_values_keep_their_text(members: str, key: tuple[str, ...], text: str) -> None:
    """In the order of the key; every digit and every escape is kept."""
    assert key_text(members, key) == text
    assert RowText(key).of_row(members.encode())[0] == text


def test_any_row(seed: int) -> None:
    """At random: what is cut out is what the row has under these names."""
    chance = random.Random(seed)
    values = [
        "",
        'a,"b":{',
        'x",y',
        "\\",
        "\0",
        "é😀",
        0,
        -5,
        2**64,
        1.5,
        1e300,
        True,
        None,
        [1.0, -2.5],
        ["x", [None]],
    ]
    names = ["id", "na:me", "a,b", '"', "\\", "ключ", "id2", "{}"]
    for _ in range(2000):
        row = {name: chance.choice(values) for name in chance.sample(names, chance.randint(1, len(names)))}
        count = chance.randint(1, len(row))
        key = list(row)[:count] if chance.random() < 0.5 else chance.sample(sorted(row), count)
        members = "".join(
            f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'), ensure_ascii=chance.random() < 0.5)},"
            for name, value in row.items()
        )

        text = key_text(members, key)

        assert RowText(tuple(key)).of_row(members.encode()) == (text, f"{{{members[:-1]}}}")
        found = json.loads(text)
        assert list(found) == key
        assert found == {name: row[name] for name in key}


def test_numbers_that_spark_would_round_are_strings() -> None:
    """Every other value keeps its text, and null is null; in the key likewise."""
    form = RowText(("b", "d"), frozenset({"b", "c"}))

    assert form.of_row(b'"a":1.50,"b":-0.10,"c":null,"d":"x,\\"b\\":1",') == (
        '{"b":"-0.10","d":"x,\\"b\\":1"}',
        '{"a":1.50,"b":"-0.10","c":null,"d":"x,\\"b\\":1"}',
    )


def test_a_table_without_a_key() -> None:
    """It has no text of one."""
    assert RowText(()).of_row(b'"a":1,') == (None, '{"a":1}')
