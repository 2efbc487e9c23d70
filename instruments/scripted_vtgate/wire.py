"""Rows and fields as Vitess writes them: values as text, lengths as packed zigzag varints, typed fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from source_vitess.proto import query_pb2

#: A value as it is on the wire; str and int stand for their text.
WireValue = bytes | str | int | None

#: MySQL's flag bits of a field.
NOT_NULL, PRI_KEY, BLOB, UNSIGNED, ZEROFILL, BINARY, ENUM, SET = 1, 2, 16, 32, 64, 128, 256, 2048
PART_KEY, NUM, NO_DEFAULT = 16384, 32768, 4096

_BINARY_COLLATION = 63
_DEFAULT_COLLATION = {
    "utf8mb4": "utf8mb4_0900_ai_ci",
    "latin1": "latin1_swedish_ci",
    "utf16": "utf16_general_ci",
}
_COLLATION_IDS = {
    "utf8mb4_0900_ai_ci": 255,
    "utf8mb4_0900_bin": 309,
    "utf8mb4_bin": 46,
    "utf8mb4_general_ci": 45,
    "latin1_swedish_ci": 8,
    "latin1_bin": 47,
    "utf16_general_ci": 54,
    "utf16_bin": 55,
}
#: Lengths are announced in the character set of vttablet's connection, utf8mb4, not in the column's.
_BYTES_PER_CHARACTER = 4

#: By MySQL's name: the type on the wire, the display length, the length of the unsigned type.
_NUMBERS = {
    "tinyint": (query_pb2.INT8, 4, 3),
    "smallint": (query_pb2.INT16, 6, 5),
    "mediumint": (query_pb2.INT24, 9, 8),
    "int": (query_pb2.INT32, 11, 10),
    "bigint": (query_pb2.INT64, 20, 20),
    "float": (query_pb2.FLOAT32, 12, 12),
    "double": (query_pb2.FLOAT64, 22, 22),
    "year": (query_pb2.YEAR, 4, 4),
}
_UNSIGNED = {
    query_pb2.INT8: query_pb2.UINT8,
    query_pb2.INT16: query_pb2.UINT16,
    query_pb2.INT24: query_pb2.UINT24,
    query_pb2.INT32: query_pb2.UINT32,
    query_pb2.INT64: query_pb2.UINT64,
}
_TEMPORALS = {
    "date": (query_pb2.DATE, 10),
    "time": (query_pb2.TIME, 10),
    "datetime": (query_pb2.DATETIME, 19),
    "timestamp": (query_pb2.TIMESTAMP, 19),
}
_TEXT_LENGTHS = {"tinytext": 255, "text": 65535, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
_BLOB_LENGTHS = {"tinyblob": 255, "blob": 65535, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1}

_DECLARATION = re.compile(
    r"""
    (?P<name>[a-z]+) \s* (?:\((?P<args>(?:[^()']|'(?:[^']|'')*')*)\))?
    (?P<unsigned>\s+unsigned)? (?P<zerofill>\s+zerofill)?
    (?:\s+character\s+set\s+(?P<charset>\w+))? (?:\s+collate\s+(?P<collation>\w+))?
    (?P<not_null>\s+not\s+null)? (?:\s+null)?
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class ColumnType:
    """A column's type, from a declaration such as `varchar(20) collate utf8mb4_bin not null`.

    Attributes:
        name: MySQL's name of the type, such as `decimal`.
        args: What is in the parentheses: numbers, or the members of an ENUM or SET.
        unsigned: Whether it is UNSIGNED.
        zerofill: Whether it is ZEROFILL.
        charset: The character set of text, else None.
        collation: The collation of text, else None.
        not_null: Whether it is NOT NULL.
    """

    name: str
    args: tuple[str, ...]
    unsigned: bool
    zerofill: bool
    charset: str | None
    collation: str | None
    not_null: bool

    @property
    def text(self) -> str:
        """The type as SHOW CREATE TABLE writes it, without collation and nullability."""
        args = (
            ["'" + arg.replace("'", "''") + "'" for arg in self.args]
            if self.name in ("enum", "set")
            else list(self.args)
        )
        text = self.name + (f"({','.join(args)})" if args else "")
        return text + (" unsigned" if self.unsigned else "") + (" zerofill" if self.zerofill else "")


def parse_column_type(declaration: str) -> ColumnType:
    """Reads a column's declaration.

    Raises:
        ValueError: It is not of the form `type[(args)] [unsigned] [character set x] [collate y] [not null]`.
    """
    match = _DECLARATION.fullmatch(declaration.strip())
    if match is None:
        raise ValueError(f"cannot read the column declaration {declaration!r}")
    name = {"integer": "int", "boolean": "tinyint"}.get(match["name"].lower(), match["name"].lower())
    args = _args(name, match["args"])
    if match["name"].lower() == "boolean":
        args = ("1",)
    charset = collation = None
    if name in ("char", "varchar", "enum", "set") or name in _TEXT_LENGTHS:
        collation = match["collation"]
        charset = match["charset"] or (collation.split("_")[0] if collation else "utf8mb4")
        collation = collation or _DEFAULT_COLLATION[charset]
    return ColumnType(
        name,
        args,
        unsigned=match["unsigned"] is not None or match["zerofill"] is not None,
        zerofill=match["zerofill"] is not None,
        charset=charset,
        collation=collation,
        not_null=match["not_null"] is not None,
    )


def _args(name: str, text: str | None) -> tuple[str, ...]:
    if text is None:
        return {"decimal": ("10", "0"), "char": ("1",), "binary": ("1",), "bit": ("1",)}.get(name, ())
    if name in ("enum", "set"):
        return tuple(member.replace("''", "'") for member in re.findall(r"'((?:[^']|'')*)'", text))
    args = tuple(arg.strip() for arg in text.split(","))
    return (*args, "0") if name == "decimal" and len(args) == 1 else args


def field_of(
    name: str,
    declaration: str | ColumnType,
    *,
    table: str = "",
    database: str = "",
    primary_key: bool = False,
) -> query_pb2.Field:
    """Returns the description of a column, as a FIELD event has it."""
    column = parse_column_type(declaration) if isinstance(declaration, str) else declaration
    not_null = column.not_null or primary_key
    wire_type, length, collation, decimals, flags = _traits(column)
    flags |= (NOT_NULL | NO_DEFAULT if not_null else 0) | (PRI_KEY | PART_KEY if primary_key else 0)
    return query_pb2.Field(
        name=name,
        type=wire_type,
        table=table,
        org_table=table,
        database=database,
        org_name=name,
        column_length=length,
        charset=collation,
        decimals=decimals,
        flags=flags,
        column_type=column.text,
    )


def _traits(column: ColumnType) -> tuple[query_pb2.Type, int, int, int, int]:
    """Returns the type on the wire, the length, the collation, the decimals and the flags."""
    name, args = column.name, column.args
    sign = UNSIGNED if column.unsigned else 0
    if name in _NUMBERS:
        wire_type, signed, unsigned = _NUMBERS[name]
        length = int(args[0]) if args else unsigned if column.unsigned else signed
        if column.unsigned and name not in ("float", "double"):
            wire_type = _UNSIGNED[wire_type]
        flags = NUM | sign | (ZEROFILL if column.zerofill else 0)
        if name == "year":
            flags |= UNSIGNED | ZEROFILL
        return wire_type, length, _BINARY_COLLATION, 31 if name in ("float", "double") else 0, flags
    if name == "decimal":
        precision, scale = (int(arg) for arg in args)
        length = precision + (scale > 0) + (not column.unsigned)
        return query_pb2.DECIMAL, length, _BINARY_COLLATION, scale, NUM | sign
    if name in _TEMPORALS:
        wire_type, length = _TEMPORALS[name]
        fraction = int(args[0]) if args else 0
        return wire_type, length + (fraction + 1 if fraction else 0), _BINARY_COLLATION, fraction, BINARY
    if column.charset is not None:
        return _text_traits(column)
    if name in ("binary", "varbinary"):
        wire_type = query_pb2.BINARY if name == "binary" else query_pb2.VARBINARY
        return wire_type, int(args[0]), _BINARY_COLLATION, 0, BINARY
    if name in _BLOB_LENGTHS:
        return query_pb2.BLOB, _BLOB_LENGTHS[name], _BINARY_COLLATION, 0, BLOB | BINARY
    if name == "json":
        return query_pb2.JSON, 2**32 - 1, _BINARY_COLLATION, 0, BLOB | BINARY
    if name == "bit":
        return query_pb2.BIT, int(args[0]), _BINARY_COLLATION, 0, UNSIGNED
    raise ValueError(f"no wire type known for {column.text!r}")


def _text_traits(column: ColumnType) -> tuple[query_pb2.Type, int, int, int, int]:
    assert column.charset is not None
    assert column.collation is not None
    name, width = column.name, _BYTES_PER_CHARACTER
    collation = _COLLATION_IDS[column.collation]
    # MySQL marks text with a binary collation as BINARY, and Vitess makes a binary type of it.
    binary = BINARY if column.collation.endswith("_bin") else 0
    if name in ("enum", "set"):
        joined = sum(map(len, column.args)) + len(column.args) - 1
        length = max(map(len, column.args)) if name == "enum" else joined
        wire_type = query_pb2.ENUM if name == "enum" else query_pb2.SET
        return (
            query_pb2.BINARY if binary else wire_type,
            length * width,
            collation,
            0,
            (ENUM if name == "enum" else SET) | binary,
        )
    if name in _TEXT_LENGTHS:
        length = min(_TEXT_LENGTHS[name] * width, 2**32 - 1)
        return query_pb2.BLOB if binary else query_pb2.TEXT, length, collation, 0, BLOB | binary
    text, padded = (query_pb2.CHAR, query_pb2.BINARY) if name == "char" else (query_pb2.VARCHAR, query_pb2.VARBINARY)
    return padded if binary else text, int(column.args[0]) * width, collation, 0, binary


def pack_lengths(lengths: Iterable[int]) -> bytes:
    """Packs the lengths of a row's values, -1 for NULL: zigzag varints, upstream's `repeated sint64`."""
    return b"".join(varint(length << 1 if length >= 0 else (-length << 1) - 1) for length in lengths)


def varint(number: int) -> bytes:
    """Returns protobuf's variable-length form of a number."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_varint(data: bytes) -> tuple[int, bytes]:
    """Returns the number that the bytes begin with, and what follows it."""
    number = shift = 0
    for index, byte in enumerate(data):
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, data[index + 1 :]
    raise ValueError("the bytes end within a number")


def values_of(row: query_pb2.Row) -> list[bytes | None]:
    """Takes a row apart."""
    taken: list[bytes | None] = []
    lengths, rest = row.lengths, row.values
    while lengths:
        zigzag, lengths = read_varint(lengths)
        size = zigzag >> 1
        taken.append(None if zigzag & 1 else rest[:size])
        rest = rest if zigzag & 1 else rest[size:]
    return taken


def row_of(values: Sequence[WireValue]) -> query_pb2.Row:
    """Returns a row of the given values."""
    encoded = [None if value is None else _encode(value) for value in values]
    return query_pb2.Row(
        lengths=pack_lengths(-1 if value is None else len(value) for value in encoded),
        values=b"".join(value for value in encoded if value is not None),
    )


def fields_of(
    table: str, columns: Mapping[str, str | ColumnType], *, database: str = "", key: Iterable[str] = ()
) -> list[query_pb2.Field]:
    """Returns the descriptions of a table's columns; `key` names those of the primary key."""
    keys = frozenset(key)
    return [
        field_of(name, declaration, table=table, database=database, primary_key=name in keys)
        for name, declaration in columns.items()
    ]


def _encode(value: bytes | str | int) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
