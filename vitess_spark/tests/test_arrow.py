"""Values on their way from the connector's JSON to Arrow: extremes, and nulls, of every type."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-spark" / "bin" / "python"

#: Columns, and rows.
Table = tuple[Mapping[str, str], Sequence[str]]

NINES = "9" * 38

#: MySQL's type, the JSON of its value, and the value in Python's words.
VALUES = [
    ("tinyint", "-128", "-128"),
    ("tinyint unsigned", "255", "255"),
    ("smallint unsigned", "65535", "65535"),
    ("mediumint unsigned", "16777215", "16777215"),
    ("int unsigned", "4294967295", "4294967295"),
    ("bigint", "-9223372036854775808", "-9223372036854775808"),
    ("bigint unsigned", "18446744073709551615", "Decimal('18446744073709551615')"),
    ("bit(1)", "true", "True"),
    ("bit(63)", "9223372036854775807", "9223372036854775807"),
    ("bit(64)", "18446744073709551615", "Decimal('18446744073709551615')"),
    ("year", "2155", "2155"),
    ("decimal(38,0)", NINES, f"Decimal('{NINES}')"),
    ("decimal(38,38)", f"-0.{NINES}", f"Decimal('-0.{NINES}')"),
    ("decimal(10,2)", "0.10", "Decimal('0.10')"),
    ("decimal(65,2)", f"{'9' * 63}.99", f"'{'9' * 63}.99'"),
    ("decimal(65,0)", "9" * 65, f"'{'9' * 65}'"),
    ("float", "1.5", "1.5"),
    ("float", "3", "3.0"),
    ("double", "1.7976931348623157e308", "1.7976931348623157e+308"),
    ("double", "5e-324", "5e-324"),
    ("date", '"0001-01-01"', "datetime.date(1, 1, 1)"),
    ("date", '"9999-12-31"', "datetime.date(9999, 12, 31)"),
    ("datetime", '"1000-01-01T00:00:00"', "datetime.datetime(1000, 1, 1, 0, 0)"),
    ("datetime(1)", '"2026-01-02T03:04:05.6"', "datetime.datetime(2026, 1, 2, 3, 4, 5, 600000)"),
    ("datetime(5)", '"2026-01-02T03:04:05.00001"', "datetime.datetime(2026, 1, 2, 3, 4, 5, 10)"),
    ("datetime(6)", '"9999-12-31T23:59:59.999999"', "datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)"),
    ("timestamp(6)", '"2038-01-19T03:14:07.999999Z"', "datetime.datetime(2038, 1, 19, 3, 14, 7, 999999, tzinfo=<UTC>)"),
    ("time", '"-838:59:59"', "'-838:59:59'"),
    ("enum('a','b')", '"b"', "'b'"),
    ("varchar(9)", '"\\u0000😀 \\""', "'\\x00😀 \"'"),
    ("json", '"{\\"a\\": 1.50}"', "'{\"a\": 1.50}'"),
    ("varbinary(9)", '"AP8="', "b'\\x00\\xff'"),
    ("vector(2)", "[1,-2.5]", "[1.0, -2.5]"),
]


def converted(*tables: Table) -> list[dict[str, Any]]:
    """Returns what both ways make of tables, which has to be the same; see `arrow_program`."""
    if not PYTHON.exists():
        pytest.skip(".venv-spark is missing; see `make spark-venv`")
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("arrow_program.py")],
        input=json.dumps([{"columns": columns, "rows": rows} for columns, rows in tables]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_values_keep_what_they_are() -> None:
    """Every digit, and null is null; and Python is asked for none but vectors."""
    columns = {f"c{index}": kind for index, (kind, _, _) in enumerate(VALUES)}
    rows = [
        ",".join(f'"c{index}":{value}' for index, (_, value, _) in enumerate(VALUES)),
        ",".join(f'"c{index}":null' for index in range(len(VALUES))),
    ]

    [found] = converted((columns, rows))

    values, nulls = found["rows"]
    assert [values[f"c{index}"].replace("zoneinfo.ZoneInfo(key='UTC')", "<UTC>") for index in range(len(VALUES))] == [
        expected for _, _, expected in VALUES
    ]
    assert {nulls[f"c{index}"] for index in range(len(VALUES))} == {"None"}
    assert (values["_vt_op"], values["_vt_seq"], nulls["_vt_seq"]) == ("'upsert'", "7", "8")
    assert found["asked"] == ["array<float>"]


def test_columns_that_are_left_to_python_are_the_same(seed: int) -> None:
    """Rows of all types at random, of several batches, some with a value that is read by Python only."""
    dice = random.Random(seed)
    kinds = sorted({kind for kind, _, _ in VALUES})
    columns = {f"c{index}": kind for index, kind in enumerate(kinds)}
    own = {kind: [value for of, value, _ in VALUES if of == kind] + ["null"] for kind in kinds}
    rows = [
        ",".join(f'"c{index}":{any_value(dice, kind, own[kind])}' for index, kind in enumerate(kinds))
        for _ in range(20_000)
    ]
    #: An escape that no encoder writes, more digits than a double has, an exponent in a DECIMAL, white space.
    odd = {"json": '"\\u00e9"', "double": "0." + "1" * 60, "decimal(10,2)": "1e1"}
    for kind, value in odd.items():
        at, index = dice.randrange(len(rows)), kinds.index(kind)
        before, _, rest = rows[at].partition(f'"c{index}":')
        _, _, after = rest.partition(f',"c{index + 1}":')
        rows[at] = f'{before}"c{index}":{value},"c{index + 1}":{after}'

    [found] = converted((columns, rows))

    assert len(found["rows"]) == len(rows)
    assert set(found["asked"]) == {"array<float>", "string", "double", "decimal"}


def any_value(dice: random.Random, kind: str, own: Sequence[str]) -> str:
    """Returns the JSON of a value of a type."""
    if kind == "double" and dice.random() < 0.8:
        return repr(dice.choice([dice.uniform(-1e6, 1e6), dice.gauss(0, 1) * 10 ** dice.randint(-300, 300)]))
    if kind == "bigint":
        return str(dice.randrange(-(2**63), 2**63))
    if kind == "decimal(10,2)":
        return f"{dice.randrange(-(10**10) + 1, 10**10) / 100:.2f}"
    if kind.startswith("varchar") or kind == "json":
        return json.dumps("".join(dice.choices('ab"\\\n\0 äß€😀', k=dice.randrange(20))), ensure_ascii=False)
    return dice.choice(own)


#: What is no value of a type, and what is said of it.
REFUSED = [
    ("tinyint", "128", "Value 128 too large"),
    ("bigint", "9223372036854775808", "too large"),
    ("decimal(4,2)", "123.45", "recision"),
    ("decimal(4,2)", "1.234", "Rescaling"),
    ("date", '"2023-02-29"', "2023-02-29"),
    ("datetime", '"2024-01-01T24:00:00"', "2024-01-01T24:00:00"),
    ("double", '"x"', "could not convert"),
    ("int", "1}", "JSONDecodeError"),
]


def test_what_is_no_value_of_the_type_is_refused() -> None:
    """It becomes no other value and no null, and the error is the one of Python, either way."""
    tables: list[Table] = [
        ({"a": "int", "b": kind}, ['"a":1,"b":null', f'"a":1,"b":{value}']) for kind, value, _ in REFUSED
    ]

    found = converted(*tables)

    for (kind, value, error), one in zip(REFUSED, found, strict=True):
        assert error in one.get("refused", ""), (kind, value, one)
