"""The type matrix on a real Vitess: every value, in the copy and in the change stream."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from vitess_local.cluster import Cluster

from integration_tests.connector import Connector
from integration_tests.type_matrix import TABLES, VECTORS, MatrixTable, quote

MATRIX = [*TABLES, VECTORS]
META = {"_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_cursor"}


def write(cluster: Cluster, target: str, table: MatrixTable, first_key: int) -> None:
    """Inserts a row for each value, with keys from `first_key` on."""
    with cluster.connect(target) as connection, connection.cursor() as cursor:
        cursor.execute(f"set sql_mode = '{table.sql_mode}'")
        for row in range(table.rows):
            cursor.execute(table.insert(row, first_key + row))


def exact(text: str | bytes) -> Any:
    """Parses JSON without losing a digit: numbers keep the form of their digits, but for a float's exponent."""
    return json.loads(text, parse_float=lambda number: ("number", Decimal(number).as_tuple()))


def check(table: MatrixTable, lines: list[bytes], first_key: int, *, changed: bool) -> None:
    """Compares the records of a table with the matrix."""
    records = {}
    for line in lines:
        message = exact(line)
        if message["type"] == "RECORD":
            records[message["record"]["data"]["id"]] = message["record"]
    assert set(records) == set(range(first_key, first_key + table.rows))
    for row in range(table.rows):
        record = records[first_key + row]
        expected = {name: exact(text) for name, text in table.expected(row, changed=changed).items()}
        data = {name: value for name, value in record["data"].items() if name not in META | {"id"}}
        altered = {change["field"] for change in record.get("meta", {}).get("changes", [])}

        assert expected == data, f"row {row}"
        assert table.altered(row, changed=changed) == altered, f"row {row}"


@pytest.mark.parametrize("table", MATRIX, ids=lambda table: table.name)
def test_every_value_in_both_phases(cluster: Cluster, single: Connector, table: MatrixTable) -> None:
    """A copy gives the value that docs/types.md promises, the change stream the same, and both fit the schema."""
    target = f"{single.keyspace}:0@primary"
    with cluster.connect(target) as connection, connection.cursor() as cursor:
        cursor.execute(f"set sql_mode = '{table.sql_mode}'")
        cursor.execute(table.create())
    cluster.reload_schema(single.keyspace)
    write(cluster, target, table, 1)
    catalog = single.configured()
    schema = catalog["streams"][0]["stream"]["json_schema"]
    for column in table.columns:
        assert column.schema == schema["properties"][column.name]

    copied = list(single.lines(catalog))
    check(table, copied, 1, changed=False)

    write(cluster, target, table, 1001)
    state = json.loads([line for line in copied if line.startswith(b'{"type":"STATE"')][-1])["state"]
    check(table, list(single.lines(catalog, [state])), 1001, changed=True)
    cluster.sql(target, f"drop table {quote(table.name)}")
