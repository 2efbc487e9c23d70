"""The type matrix on a real Vitess: every value of MySQL's, as Spark gets it from a copy and from changes."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from instruments.type_matrix import TABLES, VECTORS, MatrixTable, quote
from source_vitess.clock import SystemClock
from vitess_local.cluster import Cluster

from vitess_spark.connection import connected
from vitess_spark.options import ReadOptions

pytestmark = [pytest.mark.cluster, pytest.mark.spark]

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-spark" / "bin" / "python"
KEYSPACE = "single"
TARGET = f"{KEYSPACE}:0@primary"

#: What docs/spark.md promises: MySQL's type, and Arrow's of the Spark type. The first that matches counts.
TYPES = (
    (r"tinyint.* unsigned.*", "int16"),
    (r"tinyint.*", "int8"),
    (r"smallint.* unsigned.*", "int32"),
    (r"smallint.*", "int16"),
    (r"mediumint.*", "int32"),
    (r"bigint.* unsigned.*", "decimal128(20, 0)"),
    (r"int.* unsigned.*|bigint.*", "int64"),
    (r"int.*", "int32"),
    (r"year.*", "int16"),
    (r"bit\(1\)", "bool"),
    (r"bit\(64\)", "decimal128(20, 0)"),
    (r"bit.*", "int64"),
    (r"decimal\((\d|[12]\d|3[0-8]),(\d+)\).*", r"decimal128(\1, \2)"),
    (r"decimal.*", "string"),
    (r"float.*", "float"),
    (r"double.*", "double"),
    (r"date", "date32[day]"),
    (r"datetime.*", "timestamp[us]"),
    (r"timestamp.*", "timestamp[us, tz=UTC]"),
    (r"(var)?binary.*|\w*blob|point|\w*polygon|\w*linestring|multipoint|geom\w+", "binary"),
    (r"vector.*", "list<element: float>"),
    (r"enum.*|set.*|(var)?char.*|\w*text|json|time.*", "string"),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The cluster that the environment names, or one of its own."""
    if not PYTHON.exists():
        pytest.skip(".venv-spark is missing; see `make spark-venv`")
    if running := os.environ.get("SOURCE_VITESS_TEST_CLUSTER"):
        yield Cluster.find(running)
        return
    with Cluster.up("spark-matrix", keyspaces={KEYSPACE: 1}) as started:
        yield started


@pytest.fixture
def tables(cluster: Cluster) -> Iterator[Sequence[MatrixTable]]:
    """The matrix's tables, made."""
    described = cluster.describe()
    wanted = [*TABLES, *([VECTORS] if int(str(described["mysql_version"]).split(".")[0]) >= 9 else [])]
    made = [table.on(str(described["vitess_version"])) for table in wanted]
    with cluster.connect(TARGET) as connection, connection.cursor() as cursor:
        for table in made:
            cursor.execute(f"set sql_mode = '{table.sql_mode}'")
            cursor.execute(table.create())
    cluster.reload_schema(KEYSPACE)
    yield made
    for table in made:
        cluster.sql(TARGET, f"drop table {quote(table.name)}")


def write(cluster: Cluster, table: MatrixTable, first_key: int) -> None:
    """Inserts a row for each value, with keys from `first_key` on."""
    with cluster.connect(TARGET) as connection, connection.cursor() as cursor:
        cursor.execute(f"set sql_mode = '{table.sql_mode}'")
        for row in range(table.rows):
            cursor.execute(table.insert(row, first_key + row))


def read(cluster: Cluster, tables: Sequence[MatrixTable], start: Any) -> dict[str, Any]:
    """Returns what the tasks of tables give: of a copy, or of changes from a position on."""
    options = {**cluster.config(KEYSPACE), "tablet_type": "PRIMARY"}
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("matrix_program.py")],
        input=json.dumps({"options": options, "tables": {table.name: start for table in tables}}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr[-6000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_value_of_a_copy_and_of_changes(cluster: Cluster, tables: Sequence[MatrixTable]) -> None:
    """Spark's types are those of docs/spark.md, every digit and every byte is there, and no date is a null.

    Compiled code and Python make the same columns of them, and it leaves to Python only vectors, and a FLOAT near the
    largest.
    """
    for table in tables:
        write(cluster, table, 1)
    copied = read(cluster, tables, None)
    options = ReadOptions.parse({**cluster.config(KEYSPACE), "table": "integers", "tablet_type": "PRIMARY"})
    with connected(options.config, SystemClock()) as vitess:
        start = vitess.lineage().to_json()
    for table in tables:
        write(cluster, table, 1001)
    changed = read(cluster, tables, start)

    values = 0
    for table in tables:
        for found, first_key in ((copied[table.name], 1), (changed[table.name], 1001)):
            assert found["arrow"] == {
                "id": "int64",
                **{c.name: arrow_type(found["mysql"][c.name]) for c in table.columns},
            }
            assert set(found["left"]) <= {"single", "vector_", "widest"}
            assert {int(key) for key in found["rows"]} == set(range(first_key, first_key + table.rows))
            for row in range(table.rows):
                texts = table.expected(row, changed=first_key > 1)
                expected = {name: spark_text(found["arrow"][name], text) for name, text in texts.items()}
                got = dict(found["rows"][str(first_key + row)])
                assert got.pop("id") == str(first_key + row)
                assert got == expected, (table.name, row)
                values += sum(text != "null" for text in texts.values())
    assert values > 700


def arrow_type(mysql: str) -> str:
    """Returns the type that is promised for a type of MySQL's."""
    for pattern, arrow in TYPES:
        if found := re.fullmatch(pattern, mysql, re.DOTALL):
            return found.expand(arrow)
    raise AssertionError(f"nothing is promised for {mysql}")


def spark_text(arrow: str, text: str) -> str:
    """Returns what is to be shown for the JSON of a value."""
    if text == "null":
        return "None"
    value: Any = json.loads(text, parse_float=str)
    if arrow.startswith("timestamp"):
        day, _, time = value.removesuffix("Z").partition("T")
        whole, _, fraction = time.partition(".")
        moment = datetime.datetime.fromisoformat(f"{day} {whole}.{fraction.ljust(6, '0')}")
        return moment.isoformat() + ("+00:00" if "UTC" in arrow else "")
    convert: Mapping[str, Any] = {
        "bool": bool,
        "float": lambda number: single(number),
        "double": float,
        "date32[day]": datetime.date.fromisoformat,
        "binary": base64.b64decode,
        "list<element: float>": lambda numbers: [single(number) for number in numbers],
        "string": str,
    }
    if arrow.startswith("decimal"):
        return repr(Decimal(value))
    return repr(convert.get(arrow, int)(value))


def single(number: str | int) -> float:
    """Returns a number as a 32-bit float holds it."""
    rounded: float = struct.unpack("<f", struct.pack("<f", float(number)))[0]
    return rounded
