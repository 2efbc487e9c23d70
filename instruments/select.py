"""What SELECT through VTGate returns, as the JSON values that docs/types.md promises.

Written from the promise, not from the encoders: it takes MySQL's text and the declared type, and uses other means
(struct, datetime, decimal) than the connector does.
"""

from __future__ import annotations

import base64
import datetime
import re
import struct
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pymysql
from pymysql.constants import ER

from instruments.oracle import Selected

#: Seconds in which VTGate's schema tracker hears of what was altered on the MySQL servers, past Vitess. It may never:
#: tablets of shards that a reshard has begun, and that do not serve yet, tell it of their columns as well.
_TRACKER_SECONDS = 30


def connect(port: int, target: str) -> pymysql.Connection[pymysql.cursors.Cursor]:
    """Connects to VTGate, values as MySQL's text and without a limit of rows."""
    connection = pymysql.connect(
        host="127.0.0.1",
        port=port,
        user="test",
        database=target,
        charset="utf8mb4",
        autocommit=True,
        # No decoders. Up to v19 VTGate greets without autocommit, and to set it takes an encoder.
        conv=dict(pymysql.converters.encoders.items()),
    )
    with connection.cursor() as cursor:
        cursor.execute("set workload = 'olap'")
        cursor.execute("set time_zone = '+00:00'")
    return connection


def select_rows(port: int, keyspace: str, table: str, *, exact_floats: bool = False, where: str = "") -> Selected:
    """Returns the table's rows over all shards.

    Args:
        port: VTGate's MySQL port.
        keyspace: The keyspace.
        table: The table.
        exact_floats: FLOAT with every digit, as in the change stream, instead of the six that MySQL shows.
        where: A condition on the rows; empty for all.
    """
    with connect(port, keyspace) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select column_name, column_type from information_schema.columns "
            "where table_schema = %s and table_name = %s order by ordinal_position",
            (keyspace, table),
        )
        columns = [(str(name), _text(column_type)) for name, column_type in cursor.fetchall()]
        names = ", ".join(_expression(name, column_type, exact_floats) for name, column_type in columns)
        condition = f" where {where}" if where else ""
        converters = [_converter(column_type) for _, column_type in columns]
        rows = [
            {
                name: None if value is None else convert(value)
                for (name, _), convert, value in zip(columns, converters, row, strict=True)
            }
            for row in _rows(cursor, keyspace, f"select {names} from `{table.replace('`', '``')}`{condition}")
        ]
    return Selected(rows, frozenset(name for name, column_type in columns if column_type == "json"))


def _rows(cursor: pymysql.cursors.Cursor, keyspace: str, statement: str) -> Iterator[tuple[Any, ...]]:
    """Yields a statement's rows, of one shard after the other if VTGate does not come to know a column.

    A statement to a shard goes past its planner.
    """
    deadline = time.monotonic() + _TRACKER_SECONDS
    while True:
        try:
            cursor.execute(statement)
            yield from cursor.fetchall()
            return
        except pymysql.MySQLError as error:
            if error.args[:1] != (ER.BAD_FIELD_ERROR,):
                raise
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    cursor.execute("show vitess_shards")
    for [name] in cursor.fetchall():
        owner, shard = str(name).split("/", 1)
        if owner == keyspace:
            cursor.execute(f"use `{keyspace}:{shard}@primary`")
            cursor.execute(statement)
            yield from cursor.fetchall()


def _expression(name: str, column_type: str, exact_floats: bool) -> str:
    quoted = "`" + name.replace("`", "``") + "`"
    if column_type.startswith(("bit", "vector")):
        return f"hex({quoted})"  # PyMySQL takes their bytes for text
    return f"{quoted} * 1e0" if exact_floats and column_type == "float" else quoted


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def _converter(column_type: str) -> Callable[[Any], Any]:
    kind = re.split(r"[ (]", column_type, maxsplit=1)[0]
    if column_type.startswith("bit(1)"):
        return lambda value: int(value, 16) == 1
    by_kind: dict[str, Callable[[Any], Any]] = {
        "bit": lambda value: int(value, 16),
        "year": lambda value: int(_text(value)),
        "decimal": lambda value: Decimal(_text(value)),
        "float": lambda value: Decimal(repr(_single(float(_text(value))))),
        "double": lambda value: Decimal(repr(float(_text(value)))),
        "date": lambda value: _date(_text(value)),
        "datetime": lambda value: _datetime(_text(value), ""),
        "timestamp": lambda value: _datetime(_text(value), "Z"),
        "time": _text,
        "json": _text,
        "vector": lambda value: [
            Decimal(repr(_single(number))) for number in struct.unpack(f"<{len(value) // 8}f", bytes.fromhex(value))
        ],
    }
    if kind in by_kind:
        return by_kind[kind]
    if kind.endswith(("binary", "blob")) or kind in _SPATIAL:
        return lambda value: base64.b64encode(_bytes(value)).decode()
    if kind.endswith("int"):
        return lambda value: int(_text(value))
    return _text


_SPATIAL = frozenset(
    [
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geomcollection",
        "geometrycollection",
    ]
)


def _single(number: float) -> float:
    """Returns the shortest number that is the same as a 32-bit float."""
    single = struct.unpack("<f", struct.pack("<f", number))[0]
    for digits in range(1, 10):
        short = float(f"{single:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", single):
            return short
    return float(single)


def _date(text: str) -> str | None:
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        return None


def _datetime(text: str, zone: str) -> str | None:
    date, _, time = text.partition(" ")
    return f"{date}T{time}{zone}" if _date(date) else None
