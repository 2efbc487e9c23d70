"""Statements that the server prepares: PyMySQL has none, and most applications' drivers do nothing else.

Over one of PyMySQL's connections: COM_STMT_PREPARE and COM_STMT_EXECUTE, and rows of the binary protocol, which come
back as MySQL's text protocol writes them, so that the two can be compared.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from pymysql.constants import COMMAND, FIELD_TYPE, FLAG
from pymysql.protocol import FieldDescriptorPacket
from vitess_local.servers.mysql_client import Connection

Value = str | bytes | float | None

_BINARY = 63  # the collation of bytes
_INTEGERS = {
    FIELD_TYPE.TINY: "bB",
    FIELD_TYPE.SHORT: "hH",
    FIELD_TYPE.YEAR: "HH",
    FIELD_TYPE.INT24: "iI",
    FIELD_TYPE.LONG: "iI",
    FIELD_TYPE.LONGLONG: "qQ",
}
_FLOATS = {FIELD_TYPE.FLOAT: "f", FIELD_TYPE.DOUBLE: "d"}
_DATES = {FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP}
#: Digits, in no collation but that of bytes.
_DECIMALS = {FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL}
#: Of a parameter: a 64-bit integer, a text.
_LONGLONG, _VAR_STRING = FIELD_TYPE.LONGLONG, FIELD_TYPE.VAR_STRING


def execute_prepared(connection: Connection, sql: str, *parameters: int | str) -> list[tuple[Value, ...]]:
    """Prepares a statement, executes it and returns its rows."""
    # PyMySQL does not say that these exist; they have been there since its first release.
    link: Any = connection
    send: Callable[[int, str | bytes], None] = link._execute_command  # noqa: SLF001
    receive: Callable[..., Any] = link._read_packet  # noqa: SLF001
    send(COMMAND.COM_STMT_PREPARE, sql)
    statement, columns, wanted = struct.unpack_from("<IHH", receive().get_all_data(), 1)
    assert wanted == len(parameters)
    for count in (wanted, columns):
        # Descriptions of the parameters and the columns, each list with its end.
        for _ in range(count + 1 if count else 0):
            receive()
    send(COMMAND.COM_STMT_EXECUTE, struct.pack("<IBI", statement, 0, 1) + _written(parameters))
    first = receive()
    if first.is_ok_packet():
        return []
    fields = [receive(FieldDescriptorPacket) for _ in range(first.read_length_encoded_integer())]
    receive()
    rows = []
    while not (packet := receive()).is_eof_packet():
        rows.append(_row(packet, fields))
    return rows


def as_float(number: float) -> float:
    """Returns the FLOAT next to a number."""
    try:
        (single,) = struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return number
    return float(single)


def _written(parameters: tuple[int | str, ...]) -> bytes:
    if not parameters:
        return b""
    types = b"".join(bytes([_LONGLONG if isinstance(each, int) else _VAR_STRING, 0]) for each in parameters)
    values = b""
    for each in parameters:
        if isinstance(each, int):
            values += struct.pack("<q", each)
        else:
            text = each.encode()
            assert len(text) < 251
            values += bytes([len(text)]) + text
    return bytes((len(parameters) + 7) // 8) + b"\x01" + types + values


def _row(packet: Any, fields: list[Any]) -> tuple[Value, ...]:
    packet.advance(1)
    nulls = int.from_bytes(packet.read((len(fields) + 9) // 8), "little")
    return tuple(None if nulls >> (index + 2) & 1 else _value(packet, field) for index, field in enumerate(fields))


def _value(packet: Any, field: Any) -> Value:
    kind = field.type_code
    if kind in _INTEGERS:
        code = _INTEGERS[kind][bool(field.flags & FLAG.UNSIGNED)]
        (number,) = struct.unpack("<" + code, packet.read(struct.calcsize("<" + code)))
        return str(number)
    if kind in _FLOATS:
        (number,) = struct.unpack("<" + _FLOATS[kind], packet.read(struct.calcsize("<" + _FLOATS[kind])))
        return float(number)
    if kind in _DATES:
        return _date(packet.read(packet.read_uint8()), field.scale, with_time=kind != FIELD_TYPE.DATE)
    if kind == FIELD_TYPE.TIME:
        return _time(packet.read(packet.read_uint8()), field.scale)
    data: bytes = packet.read_length_coded_string() or b""
    return data if field.charsetnr == _BINARY and kind not in _DECIMALS else data.decode()


def _date(data: bytes, digits: int, *, with_time: bool) -> str:
    year, month, day, hours, minutes, seconds, micros = struct.unpack("<HBBBBBI", data.ljust(11, b"\x00"))
    date = f"{year:04}-{month:02}-{day:02}"
    return f"{date} {hours:02}:{minutes:02}:{seconds:02}{_fraction(micros, digits)}" if with_time else date


def _time(data: bytes, digits: int) -> str:
    negative, days, hours, minutes, seconds, micros = struct.unpack("<BIBBBI", data.ljust(12, b"\x00"))
    return f"{'-' * negative}{days * 24 + hours:02}:{minutes:02}:{seconds:02}{_fraction(micros, digits)}"


def _fraction(micros: int, digits: int) -> str:
    # Whoever says that there are no digits, and sends some, has them.
    return f".{micros:06}"[: digits + 1 if 0 < digits <= 6 else None] if micros or 0 < digits <= 6 else ""
