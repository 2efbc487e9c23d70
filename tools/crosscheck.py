"""Reads the type matrix with Debezium's Vitess connector too, and compares the values: `make crosscheck`.

- Every table of `instruments/type_matrix.py` is read by both connectors, in the copy and in the change stream.
- Where they differ, MySQL's own value decides who is right: the matrix holds it. A difference that is a defect of
  Debezium's which is known is counted and listed; any other makes the run fail.
- Then the connector goes on from an offset that Debezium has stored (`tools/handover.py`).
- Opt-in, because it needs Java, Maven and some minutes. `SOURCE_VITESS_TEST_CLUSTER=<name>` uses a cluster that is up.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.type_matrix import BYTES, TABLES, TIMES, VECTOR, VECTORS, MatrixColumn, MatrixTable, quote
from tools import debezium
from tools.handover import hand_over

KEYSPACE = "single"
SECONDS = 120
_FIRST_CHANGE = 1001
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - MySQL's DATETIME has no zone either

Row = Mapping[str, Any]
#: By table and key, the row as a connector gave it.
Rows = dict[tuple[str, int], Row]


@dataclass(frozen=True)
class Defect:
    """Something that Debezium does not get right.

    Attributes:
        what: In one line.
        concerns: Tells it by the column, the value that is right, and Debezium's.
        ends: It comes from a defect of Vitess' that newer releases do not have.
    """

    what: str
    concerns: Callable[[MatrixColumn, Any, Any], bool]
    ends: bool = False


class _Missing:
    """Stands for a column that Debezium's record does not have."""

    def __repr__(self) -> str:
        return "(no such column)"


MISSING = _Missing()


def kind(column: MatrixColumn) -> str:
    """Returns MySQL's word for the column's type, in lower case."""
    return column.definition.split("(")[0].split()[0].lower()


def _is_in_other_charset(column: MatrixColumn, right: Any, _got: Any) -> bool:
    charset = column.definition.partition("CHARACTER SET ")[2].split(" ")[0]
    return charset not in ("", "utf8mb4", "utf8mb3", "ascii", "binary") and right != ""


def _is_left_out(column: MatrixColumn, _right: Any, got: Any) -> bool:
    return got is MISSING and (column.schema in (BYTES, VECTOR) or kind(column) == "bit")


def _is_invalid_json(column: MatrixColumn, _right: Any, got: Any) -> bool:
    if kind(column) != "json" or not isinstance(got, str):
        return False
    try:
        json.loads(got)
    except ValueError:
        return True
    return False


def _has_declared_digits(column: MatrixColumn, _right: Any, _got: Any) -> bool:
    return kind(column) == "double" and "(" in column.definition


DEFECTS = (
    Defect("BIT, GEOMETRY and VECTOR columns are left out", _is_left_out),
    Defect("text that is not UTF-8 is decoded as if it were", _is_in_other_charset),
    Defect("JSON that VTTablet made invalid is passed on as it is", _is_invalid_json, ends=True),
    Defect("DOUBLE with declared digits has others than MySQL shows", _has_declared_digits),
)

#: What would stop Debezium altogether; such values are not written.
STOPS = "a date with a zero part, or that no calendar has, is read again and again, and nothing after it"


def main() -> int:
    """Runs it; returns the exit code."""
    try:
        debezium.build()
        with _cluster() as cluster, tempfile.TemporaryDirectory(prefix="crosscheck") as folder:
            explained = _report(*_compare(cluster, Path(folder)))
            hand_over(cluster, Path(folder), KEYSPACE)
            return 0 if explained else 1
    except debezium.DebeziumError as error:
        print(f"crosscheck: {error}", file=sys.stderr)
        return 1


@contextmanager
def _cluster() -> Iterator[Cluster]:
    running = os.environ.get("SOURCE_VITESS_TEST_CLUSTER")
    if running:
        yield Cluster.find(running)
        return
    with Cluster.up("crosscheck", keyspaces={KEYSPACE: 1}) as cluster:
        yield cluster


def _readable(table: MatrixTable) -> MatrixTable:
    """Returns the table without values that would stop Debezium."""
    if table is not TIMES:
        return table
    columns = [
        replace(column, values=[value for value in column.values if not value.copied_altered])
        for column in table.columns
    ]
    return replace(table, columns=columns)


def _compare(cluster: Cluster, folder: Path) -> tuple[int, Counter[str], list[str]]:
    """Returns how many values are equal, how often each known defect was seen, and what else differs."""
    version = str(cluster.describe()["vitess_version"])
    tables = [_readable(table).on(version) for table in (*TABLES, VECTORS)]
    target = f"{KEYSPACE}:0@primary"
    for [name] in cluster.sql(target, "show tables"):
        cluster.sql(target, f"drop table {quote(str(name))}")
    for table in tables:
        _run(cluster, target, table, [table.create()])
    cluster.reload_schema(KEYSPACE)
    _write(cluster, target, tables, 1)
    config = {**cluster.config(KEYSPACE), "tablet_type": "PRIMARY"}
    connector = Connector(config, KEYSPACE, cluster.mysql_port)
    catalog = connector.configured()
    lines = list(connector.lines(catalog))
    rows = sum(table.rows for table in tables)
    theirs = _debezium(cluster, folder, rows, lambda: _write(cluster, target, tables, _FIRST_CHANGE))
    state = json.loads([line for line in lines if line.startswith(b'{"type":"STATE"')][-1])["state"]
    ours = _ours(lines + list(connector.lines(catalog, [state])))
    return _differences(tables, ours, theirs)


def _run(cluster: Cluster, target: str, table: MatrixTable, statements: Sequence[str]) -> None:
    with cluster.connect(target) as connection, connection.cursor() as cursor:
        cursor.execute(f"set sql_mode = '{table.sql_mode}'")
        for statement in statements:
            cursor.execute(statement)


def _write(cluster: Cluster, target: str, tables: Sequence[MatrixTable], first: int) -> None:
    for table in tables:
        _run(cluster, target, table, [table.insert(row, first + row) for row in range(table.rows)])


def _debezium(cluster: Cluster, folder: Path, rows: int, change: Callable[[], None]) -> Rows:
    """Lets Debezium copy, changes the tables when it has, and returns what it read."""
    output = folder / "records"
    output.touch()
    readings: list[debezium.Reading] = []

    def read() -> None:
        options = {"host": "127.0.0.1", "grpc_port": cluster.grpc_port, "keyspace": KEYSPACE, "heap": "512m"}
        readings.append(debezium.run(folder, records=2 * rows, seconds=SECONDS, output=output, **options))  # type: ignore[arg-type]

    thread = threading.Thread(target=read)
    thread.start()
    while thread.is_alive() and output.read_bytes().count(b"\n") < rows:
        time.sleep(0.2)
    change()
    thread.join()
    if not readings or not readings[0].complete:
        log = (folder / "debezium.log").read_text(errors="replace")
        raise debezium.DebeziumError(f"Debezium read {readings} and not {2 * rows} records:\n{log[-2000:]}")
    read_rows: Rows = {}
    for line in output.read_bytes().splitlines():
        record = json.loads(line.partition(b"\t")[2], parse_float=Decimal)
        read_rows[record["source"]["table"], record["after"]["id"]] = record["after"]
    return read_rows


def _ours(lines: Sequence[bytes]) -> Rows:
    rows: Rows = {}
    for line in lines:
        message = json.loads(line, parse_float=Decimal)
        if message["type"] == "RECORD":
            data = message["record"]["data"]
            rows[message["record"]["stream"], data["id"]] = data
    return rows


def _differences(tables: Sequence[MatrixTable], ours: Rows, theirs: Rows) -> tuple[int, Counter[str], list[str]]:
    equal = 0
    known: Counter[str] = Counter()
    unknown: list[str] = []
    for table in tables:
        for first in (1, _FIRST_CHANGE):
            for row in range(table.rows):
                key = (table.name, first + row)
                for column in table.columns:
                    our = ours[key][column.name]
                    their = _as_ours(column, theirs[key].get(column.name, MISSING))
                    if _canonical(column, our) == _canonical(column, their):
                        equal += 1
                        continue
                    found = next((defect for defect in DEFECTS if defect.concerns(column, our, their)), None)
                    if found:
                        known[found.what] += 1
                    else:
                        phase = "copy" if first == 1 else "changes"
                        unknown.append(f"{table.name}.{column.name} row {row} ({phase}): {our!r}, Debezium {their!r}")
    return equal, known, unknown


def _as_ours(column: MatrixColumn, value: Any) -> Any:
    """Returns Debezium's value in the form that docs/types.md promises."""
    if value is None or value is MISSING:
        return value
    digits = _digits(column)
    match kind(column):
        case "bigint" if "UNSIGNED" in column.definition:
            return int(value)
        case "decimal" | "double" | "float":
            return Decimal(value)
        case "date":
            return (_EPOCH + timedelta(days=value)).date().isoformat()
        case "datetime":
            moment = _EPOCH + timedelta(microseconds=value if digits > 3 else value * 1000)
            return moment.strftime("%Y").zfill(4) + moment.strftime("-%m-%dT%H:%M:%S") + _fraction(moment, digits)
        case "timestamp":
            return str(value).replace(" ", "T") + "Z"
        case "time":
            sign, rest = ("-", -value) if value < 0 else ("", value)
            seconds, micros = divmod(rest, 1_000_000)
            text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
            return text + (f".{micros:06d}"[: digits + 1] if digits else "")
        case _:
            return value


def _digits(column: MatrixColumn) -> int:
    return int(column.definition.partition("(")[2].partition(")")[0] or 0) if "TIME" in column.definition else 0


def _fraction(moment: datetime, digits: int) -> str:
    return f".{moment.microsecond:06d}"[: digits + 1] if digits else ""


def _canonical(column: MatrixColumn, value: Any) -> Any:
    """Returns a value so that equal ones are equal: a FLOAT by its bytes, a document whatever its keys' order."""
    if value is None or value is MISSING:
        return value
    if kind(column) in ("float", "double"):
        return struct.pack("<f" if kind(column) == "float" else "<d", float(value))
    if kind(column) == "json":
        try:
            return json.dumps(json.loads(value, parse_float=_number), sort_keys=True)
        except ValueError:
            return value
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    return value


def _number(text: str) -> str:
    return str(Decimal(text).normalize(Context(prec=100)))


def _report(equal: int, known: Counter[str], unknown: Sequence[str]) -> bool:
    """Prints what came out; returns whether all differences are explained."""
    print(f"\n{equal} values are the same in Debezium.")
    print("\nKnown defects of Debezium's, with the number of values:")
    for defect in DEFECTS:
        print(f"  {known[defect.what]:>5}  {defect.what}")
    print(f"  (not written)  {STOPS}")
    if unknown:
        print(f"\n{len(unknown)} other differences:", *unknown, sep="\n  ")
    unseen = [defect.what for defect in DEFECTS if not known[defect.what] and not defect.ends]
    if unseen:
        print("\nNot seen any more, so to be taken out of the list:", *unseen, sep="\n  ")
    return not unknown and not unseen


if __name__ == "__main__":
    sys.exit(main())
