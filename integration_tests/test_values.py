"""The type matrix on a real Vitess: every value, in the copy and in the change stream."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store, canonical
from instruments.type_matrix import TABLES, VECTORS, MatrixTable, quote

MATRIX = [
    *TABLES,
    pytest.param(VECTORS, marks=pytest.mark.needs_mysql("9", "MySQL has VECTOR since 9.0"), id=VECTORS.name),
]
META = {"_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_cursor"}


def vitess_version(cluster: Cluster) -> str:
    """Returns the version of the cluster's Vitess."""
    return str(cluster.describe()["vitess_version"])


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
    table = table.on(vitess_version(cluster))
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


def test_a_key_that_mysql_generated_and_names_that_differ_by_case(cluster: Cluster, single: Connector) -> None:
    """`my_row_id` is a key like any other, though no SELECT * shows it; tables `case` and `Case` are two tables."""
    with cluster.connect_tablet("single/0") as connection, connection.cursor() as cursor:
        cursor.execute("use vt_single")
        cursor.execute("set session sql_generate_invisible_primary_key = on")
        cursor.execute("create table `case` (name varchar(10))")
        cursor.execute("set session sql_generate_invisible_primary_key = off")
        cursor.execute("create table `Case` (`Select` int primary key, `group by` varchar(10))")
    cluster.reload_schema("single")
    cluster.sql("single", "insert into `case` (name) values ('a'), ('a'), ('b')")
    cluster.sql("single", "insert into `Case` values (1, 'x'), (2, null)")
    catalog = single.configured("case", "Case")
    assert [entry["stream"]["source_defined_primary_key"] for entry in catalog["streams"]] == [
        [["my_row_id"]],
        [["Select"]],
    ]
    store = Store.of_catalog(single.discover())
    assert single.sync(store, catalog) is None

    cluster.sql("single", "update `case` set name = 'c' where my_row_id = 2")
    cluster.sql("single", "delete from `case` where my_row_id = 1")
    cluster.sql("single", "update `Case` set `group by` = 'y' where `Select` = 2")
    cluster.sql("single", "delete from `Case` where `Select` = 1")
    assert single.sync(store, catalog) is None

    assert store.rows("case") == [
        canonical({"my_row_id": number, "name": name}) for number, name in ((2, "c"), (3, "b"))
    ]
    assert store.rows("Case") == [canonical({"Select": 2, "group by": "y"})]
