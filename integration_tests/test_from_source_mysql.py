"""docs/from-source-mysql.md: its SQL, run in DuckDB on records that the connector wrote."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import duckdb
from vitess_local.cluster import Cluster

from instruments.connector import Connector

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "from-source-mysql.md"

#: What a destination makes of the JSON schema's types.
TYPES = {"integer": "bigint", "number": "double", "boolean": "boolean", "string": "varchar"}


def _column_type(schema: dict[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "timestamptz"
    return TYPES[next(kind for kind in schema["type"] if kind != "null")]


def _load(database: duckdb.DuckDBPyConnection, catalog: dict[str, Any], lines: list[bytes]) -> None:
    """Makes a table of a stream's records, as a destination that keeps the types would."""
    [entry] = catalog["streams"]
    name, columns = entry["stream"]["name"], entry["stream"]["json_schema"]["properties"]
    declared = ", ".join(f"{column} {_column_type(schema)}" for column, schema in columns.items())
    database.execute(f"create table {name} ({declared})")
    messages = (json.loads(line) for chunk in lines for line in chunk.splitlines())
    for message in messages:
        if message["type"] == "RECORD":
            data = message["record"]["data"]
            marks = ", ".join("?" * len(columns))
            database.execute(f"insert into {name} values ({marks})", [data[column] for column in columns])


def test_the_view_gives_the_old_columns(cluster: Cluster, single: Connector) -> None:
    """The view of the document has source-mysql's names and types, of copied rows and of changes."""
    table, view = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    cluster.sql("single", table)
    cluster.sql(
        "single",
        "insert into opening (id, is_public, weekdays, opens_at) values "
        "(1, 1, b'1000001', '09:30:00.250'), (2, 0, null, '-01:00:00'), (3, null, b'0000000', '100:00:00')",
    )
    catalog = single.configured("opening")
    lines = list(single.lines(catalog, []))

    with duckdb.connect() as database:
        _load(database, catalog, lines)
        database.execute(view)
        described = {name: kind for name, kind, *_ in database.sql("describe opening_as_before").fetchall()}
        rows = database.sql("select * from opening_as_before order by id").fetchall()

    assert described == {
        "id": "BIGINT",
        "is_public": "BOOLEAN",
        "weekdays": "VARCHAR",
        "opens_at": "TIME",
        "_ab_cdc_updated_at": "VARCHAR",
        "_ab_cdc_deleted_at": "VARCHAR",
        "_ab_cdc_cursor": "BIGINT",
        "_ab_cdc_log_file": "VARCHAR",
        "_ab_cdc_log_pos": "DOUBLE",
    }
    assert [row[:4] for row in rows] == [
        (1, True, "QQ==", datetime.time(9, 30, 0, 250000)),
        (2, False, None, None),
        (3, None, "AA==", None),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row[4]) and row[5] is None for row in rows)
    assert sorted(row[6] for row in rows) == [row[6] for row in rows]
    assert all(row[7:] == (None, None) for row in rows)
