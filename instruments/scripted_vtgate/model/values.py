"""Values: what a table holds, and the two forms in which VStream writes it, in a copy and in the change stream.

A table holds int, Decimal, float, str (also temporal types, as MySQL's text), bytes, and for JSON the parsed value, or
a `Document`.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Context, Decimal

from instruments.scripted_vtgate.wire import ColumnType


@dataclass(frozen=True)
class Document:
    """A JSON document with values that JSON does not have, such as binary ones, which only an expression makes.

    Attributes:
        expression: SQL that makes it.
        copied: MySQL's text of it.
        changed: VTTablet's, in the newest release.
    """

    expression: str
    copied: str
    changed: str


#: A value as tests give it and as the model holds it.
Value = int | float | str | bytes | Decimal | None | dict[str, object] | list[object] | Document
Given = Value | bool | date | time

_INTEGERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "year"))
#: MySQL's DECIMAL has up to 65 digits.
_DECIMAL = Context(prec=65)


def normalize(column: ColumnType, value: Given) -> Value:
    """Returns the value as the table holds it, rounded and padded as MySQL does."""
    if value is None or isinstance(value, Document):
        return value
    name = column.name
    if name == "json":
        # A bool, a number or a string is a JSON document of its own; text is taken as the document's text.
        return json.loads(value) if isinstance(value, str) else json.loads(json.dumps(value))  # type: ignore[no-any-return]
    if name in _INTEGERS or name == "bit":
        return int(value)  # type: ignore[arg-type]
    if name == "decimal":
        exact = Decimal(_text(value))
        return exact.quantize(Decimal(1).scaleb(-int(column.args[1])), context=_DECIMAL)
    if name == "double":
        return float(value)  # type: ignore[arg-type]
    if name == "float":
        return _float32(float(value))  # type: ignore[arg-type]
    if name in ("date", "time", "datetime", "timestamp"):
        return _temporal(column, value)
    if column.charset is not None:
        return _text(value)
    raw = value if isinstance(value, bytes) else _text(value).encode()
    return raw.ljust(int(column.args[0]), b"\0") if name == "binary" else raw


def copied(column: ColumnType, value: Value) -> bytes | None:
    """Returns the value as a copy writes it: MySQL's text protocol."""
    if isinstance(value, Document):
        return value.copied.encode()
    if isinstance(value, Decimal):
        return f"{value:f}".encode()
    if column.zerofill and value is not None:
        return str(value).zfill(int(column.args[0]) if column.args else 10).encode()
    if column.name == "float" and isinstance(value, float):
        return _plain(f"{value:.6g}").encode()
    if column.name == "double" and isinstance(value, float):
        return _plain(repr(value)).encode()
    if column.name == "json" and value is not None:
        return _json(value, by_length=True).encode()
    return _same_in_both(column, value)


def changed(column: ColumnType, value: Value) -> bytes | None:
    """Returns the value as the change stream writes it: Vitess' own reading of the binlog."""
    if isinstance(value, Document):
        return value.changed.encode()
    if column.name == "float" and isinstance(value, float):
        return _scientific(_shortest_float32(value)).encode()
    if column.name == "double" and isinstance(value, float):
        return _scientific(repr(value)).encode()
    if column.name == "json" and value is not None:
        return _json(value, by_length=False).encode()
    return _same_in_both(column, value)


def _same_in_both(column: ColumnType, value: Value) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}".encode()
    if column.name == "bit":
        assert isinstance(value, int)
        return value.to_bytes((int(column.args[0]) + 7) // 8, "big")
    if column.name == "year":
        return f"{value:04d}".encode()
    return str(value).encode(_PYTHON_CODECS[column.charset or "utf8mb4"])


_PYTHON_CODECS = {"utf8mb4": "utf-8", "latin1": "cp1252", "utf16": "utf-16-be"}


def _text(value: Given) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _temporal(column: ColumnType, value: Given) -> str:
    """Returns MySQL's text with the column's number of fraction digits, cut off."""
    text = value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else _text(value)
    if column.name == "date":
        return text[:10]
    whole, _, fraction = text.partition(".")
    digits = int(column.args[0]) if column.args else 0
    return f"{whole}.{fraction[:digits]:0<{digits}}" if digits else whole


def _float32(value: float) -> float:
    rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return rounded


def _shortest_float32(value: float) -> str:
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if _float32(float(text)) == value:
            return text
    return repr(value)


def _plain(text: str) -> str:
    """Returns a float's text as MySQL prints it: without an exponent for up to 15 digits on either side."""
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    assert isinstance(exponent, int)
    magnitude = len(digits) + exponent
    if -15 < magnitude <= 15:
        return f"{Decimal(text).normalize():f}"
    mantissa = "".join(map(str, digits))
    fraction = "." + mantissa[1:] if len(mantissa) > 1 else ""
    return f"{'-' * sign}{mantissa[0]}{fraction}e{magnitude - 1}"


def _scientific(text: str) -> str:
    """Returns a float's text as Go's strconv writes it with format E."""
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    assert isinstance(exponent, int)
    mantissa = "".join(map(str, digits))
    power = len(digits) + exponent - 1 if any(digits) else 0
    fraction = "." + mantissa[1:] if len(mantissa) > 1 else ""
    return f"{'-' * sign}{mantissa[0]}{fraction}E{'-' if power < 0 else '+'}{abs(power):02d}"


def _json(value: Value | object, *, by_length: bool) -> str:
    """MySQL's text has the keys as they are stored, by length first; Vitess' has them in alphabetical order."""
    return json.dumps(_sorted(value, by_length=by_length), ensure_ascii=False)


def _sorted(value: object, *, by_length: bool) -> object:
    if isinstance(value, dict):

        def order(key: str) -> tuple[int, bytes]:
            return (len(key.encode()) if by_length else 0), key.encode()

        return {key: _sorted(value[key], by_length=by_length) for key in sorted(value, key=order)}
    if isinstance(value, list):
        return [_sorted(item, by_length=by_length) for item in value]
    return value
