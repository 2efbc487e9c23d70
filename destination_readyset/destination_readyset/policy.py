"""Which type a column of the keyspace gets in the served table, and how its values are written.

By default a type that ReadySet refuses, or chokes on, is replaced by one that holds the same values (docs/readyset.md
has the table and the reasons). With exact types, the type is the keyspace's own. Both are lossless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from source_vitess.errors import ConfigError
from source_vitess.types.column_type import ColumnType, parse_column_type
from source_vitess.types.geometry import FAMILY as GEOMETRY

from destination_readyset import values
from destination_readyset.tables import ServedColumn
from destination_readyset.values import Encoder, quote

#: Digits that ReadySet's DECIMAL holds in every release; a wider one stopped all of its replication until 2026-08.
READYSET_DIGITS = 28
#: Holds a document as it comes: ReadySet (stable-260528) makes 1 of true, and -1 of 18446744073709551615.
JSON_TEXT = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
#: Significant decimal digits that a float64 gives back as they were.
_FLOAT_DIGITS = 15
#: Bytes of a row without the contents of TEXT and BLOB (MySQL manual, "Limits on Table Column Count and Row Size").
_ROW_BYTES = 65535
_UTF8 = "utf8mb4"
_SAME_BYTES = {_UTF8, "utf8mb3", "utf8", "ascii"}

_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
# One size up: four bytes of UTF-8 may stand for one byte of the keyspace's character set.
_LARGER = {"tinytext": "text", "text": "mediumtext", "mediumtext": "longtext", "longtext": "longtext"}


@dataclass(frozen=True)
class KeyspaceColumn:
    """A column as the keyspace has it.

    Attributes:
        name: Its name.
        column_type: MySQL's text for the type.
        charset: MySQL's name of the character set; None for other than text.
        collation: Likewise.
    """

    name: str
    column_type: str
    charset: str | None = None
    collation: str | None = None


def serve_columns(
    table: str, columns: Sequence[KeyspaceColumn], key: Sequence[str], *, exact: bool, json_as_text: bool = True
) -> tuple[ServedColumn, ...]:
    """Returns the served table's columns.

    Args:
        table: Its name.
        columns: The keyspace's.
        key: The names of those that identify a row.
        exact: Give them the keyspace's own types.
        json_as_text: Hold JSON as text; never if `exact`.

    Raises:
        ConfigError: A type is unknown: ReadySet could choke on it.
    """
    served = [_serve(table, column, column.name in key, exact=exact, json_as_text=json_as_text) for column in columns]
    return tuple(served if exact else _fit_row(columns, served, key))


def _serve(table: str, column: KeyspaceColumn, in_key: bool, *, exact: bool, json_as_text: bool) -> ServedColumn:
    kind = parse_column_type(column.column_type)
    encode, compare = _encoders(table, column, kind)
    text = column.column_type
    if kind.name in ("enum", "set"):
        text = f"{kind.name}({','.join(map(quote, kind.members))})"
    note = ""
    # What information_schema writes for characters beyond U+FFFF; the change stream does too.
    if any("?" in label for label in kind.members):
        text, note = _as_text(kind), "MySQL does not show its labels with characters such as emoji"
        text += f" CHARACTER SET {_UTF8} COLLATE {_collation(column, in_key)}"
    elif exact:
        if column.charset is not None:
            text += f" CHARACTER SET {column.charset} COLLATE {column.collation}"
        elif kind.members:
            text += " CHARACTER SET binary"
        elif kind.name in ("float", "double"):
            # With digits declared, MySQL holds the rounded float and refuses it when it comes back.
            text = kind.name
    elif kind.name == "json" and json_as_text:
        text, note = JSON_TEXT, "ReadySet reads a scalar of JSON as another one"
    else:
        text, note = _readyset_type(column, kind, text, in_key)
    if kind.name == "decimal" and text.startswith("varchar"):
        encode = compare = values.number_text
    return ServedColumn(
        name=column.name,
        definition=text,
        encode=encode,
        compare=compare,
        comparable=kind.name not in ("json", "float", "double"),
        exact=kind.name == "decimal" and kind.argument(0, 10) > _FLOAT_DIGITS,
        labels=kind.members if text.startswith("enum") else None,
        note=note,
    )


def _encoders(table: str, column: KeyspaceColumn, kind: ColumnType) -> tuple[Encoder, Encoder]:
    name = kind.name
    if name in _INTEGERS or name in ("year", "bit"):
        return values.integer, values.integer
    if name == "decimal":
        return values.number, values.number
    if name == "float":
        return values.single, values.compared_single
    if name == "double":
        return values.floating, values.floating
    if name == "timestamp":
        return values.timestamp, values.timestamp
    if name == "vector":
        return values.vector, values.vector
    if name in GEOMETRY.names or name.endswith(("blob", "binary")):
        return values.base64_bytes, values.base64_bytes
    # An ENUM of the character set `binary` counts as one without.
    if column.charset is not None or name in ("enum", "set", "json", "date", "datetime", "time"):
        return values.text, values.text
    raise ConfigError(
        f"Column {column.name!r} of table {table!r} is of the type {name!r}, which this destination does not know. "
        "Deselect the column, or the stream."
    )


def _readyset_type(column: KeyspaceColumn, kind: ColumnType, text: str, in_key: bool) -> tuple[str, str]:
    """Returns the definition that ReadySet takes, and why if it is another one."""
    name = kind.name
    if name in _INTEGERS:
        return text.replace(" zerofill", ""), ""
    if name == "year":
        return "smallint", "ReadySet has no YEAR"
    if name == "time" and kind.argument(0, 0):
        return "varchar(18)", "ReadySet releases before 2026 have no TIME with fractions"
    if name == "decimal":
        precision, scale = kind.argument(0, 10), kind.argument(1, 0)
        if precision > READYSET_DIGITS:
            # A sign, a point and a zero before it.
            return f"varchar({precision + 3})", f"ReadySet's DECIMAL has {READYSET_DIGITS} digits"
        return f"decimal({precision},{scale})", ""
    if name in ("float", "double"):
        return name, ""
    if name in GEOMETRY.names:
        return "longblob", "ReadySet has no spatial types"
    if name == "vector":
        return "blob", "ReadySet has no VECTOR"
    if column.charset is None and not kind.members:
        return text, ""
    return _readyset_text(column, kind, text, in_key)


def _readyset_text(column: KeyspaceColumn, kind: ColumnType, text: str, in_key: bool) -> tuple[str, str]:
    note = ""
    if kind.name == "set":
        text, note = _as_text(kind), "ReadySet has no SET"
    elif column.charset not in _SAME_BYTES:
        text = _LARGER.get(text, text)
    if column.charset != _UTF8:
        note = note or "ReadySet reads utf8mb4"
    return f"{text} CHARACTER SET {_UTF8} COLLATE {_collation(column, in_key)}", note


def _as_text(kind: ColumnType) -> str:
    """Returns the VARCHAR that holds every value of an ENUM or SET."""
    lengths = [len(label) + 1 for label in kind.members]
    return f"varchar({sum(lengths) if kind.name == 'set' else max(lengths)})"


def _collation(column: KeyspaceColumn, in_key: bool) -> str:
    collation = column.collation or ""
    if column.charset == _UTF8 and collation:
        return collation
    # Keys that differ in the keyspace must differ here too, which is so byte by byte.
    if in_key or column.charset is None or collation.endswith("_bin"):
        return "utf8mb4_bin"
    if column.charset in ("utf8", "utf8mb3"):
        return "utf8mb4_" + collation.partition("_")[2]
    return "utf8mb4_general_ci"


def _fit_row(
    columns: Sequence[KeyspaceColumn], served: Sequence[ServedColumn], key: Sequence[str]
) -> list[ServedColumn]:
    """Makes the widest VARCHARs of a table TEXT until a row of it is not too long."""
    fitted = list(served)
    widths = {}
    for index, (column, target) in enumerate(zip(columns, served, strict=True)):
        kind = parse_column_type(target.definition.partition(" ")[0])
        if kind.name in ("char", "varchar", "binary", "varbinary"):
            widths[index] = kind.argument(0, 1) * (1 if column.charset is None else 4) + 2
    # Other types take at most 12 bytes, a bit for NULL included, or 30 for a DECIMAL.
    limit = _ROW_BYTES - 32 * len(served)
    while widths and sum(widths.values()) > limit:
        candidates = [index for index in widths if columns[index].charset and columns[index].name not in key]
        if not candidates:
            break
        widest = max(candidates, key=lambda index: widths[index])
        word = "text" if widths.pop(widest) <= _ROW_BYTES else "mediumtext"
        target = fitted[widest]
        _, space, rest = target.definition.partition(" ")
        fitted[widest] = replace(
            target,
            definition=word + space + rest,
            note=target.note or "a row with it would be too long",
        )
    return fitted
