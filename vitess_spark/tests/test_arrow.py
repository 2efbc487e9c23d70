"""Values on their way from the connector's JSON to Arrow: extremes, and nulls, of every type."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-spark" / "bin" / "python"

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
    ("varchar(9)", '"\\u0000\\ud83d\\ude00 \\""', "'\\x00😀 \"'"),
    ("json", '"{\\"a\\": 1.50}"', "'{\"a\": 1.50}'"),
    ("varbinary(9)", '"AP8="', "b'\\x00\\xff'"),
    ("vector(2)", "[1,-2.5]", "[1.0, -2.5]"),
]


def test_values_keep_what_they_are() -> None:
    """Every digit, and null is null."""
    if not PYTHON.exists():
        pytest.skip(".venv-spark is missing; see `make spark-venv`")
    columns = {f"c{index}": kind for index, (kind, _, _) in enumerate(VALUES)}
    rows = [
        ",".join(f'"c{index}":{value}' for index, (_, value, _) in enumerate(VALUES)),
        ",".join(f'"c{index}":null' for index in range(len(VALUES))),
    ]

    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("arrow_program.py")],
        input=json.dumps({"columns": columns, "rows": rows}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert not done.returncode, done.stderr
    values, nulls = json.loads(done.stdout)
    assert [values[f"c{index}"].replace("zoneinfo.ZoneInfo(key='UTC')", "<UTC>") for index in range(len(VALUES))] == [
        expected for _, _, expected in VALUES
    ]
    assert {nulls[f"c{index}"] for index in range(len(VALUES))} == {"None"}
    assert (values["_vt_op"], values["_vt_seq"], nulls["_vt_seq"]) == ("'upsert'", "7", "8")
