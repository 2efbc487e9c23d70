"""`lastpk`, how far a copy has come: a row of the key's columns, in the key's order, as VTTablet makes it.

VTTablet looks at the values alone, by their place, and puts them into its statement as their types say: numbers as they
are, anything else in quotes (go/vt/vttablet/tabletserver/vstreamer/{uvstreamer,rowstreamer}.go, sqltypes.EncodeSQL).
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError

from source_vitess.errors import MisfitError
from source_vitess.proto import query_pb2
from source_vitess.rows.decoder import unpack_lengths
from source_vitess.schema import Column, Table
from source_vitess.types import resume
from source_vitess.types.charset import charset_of
from source_vitess.types.column_type import parse_column_type

_BINARY = "binary"
#: Up to v19 VTTablet tells the collation of its own connection, MySQL 8's default, for each text; a column that has
#: another one now may be of any.
_CONNECTION = 255


def to_resume(lastpk: bytes, table: Table) -> bytes | None:
    """Returns what to send for a copy to go on behind a row.

    Args:
        lastpk: As VTGate sent it.
        table: As it is now.

    Returns:
        Other bytes where a value has to be sent in another form. None if rows might be left out: the copy has to
        start over.
    """
    result = query_pb2.QueryResult()
    try:
        result.ParseFromString(lastpk)
        values = _split(result.rows)
    except (DecodeError, MisfitError, ValueError):
        return None
    if tuple(field.name.lower() for field in result.fields) != tuple(name.lower() for name in table.key):
        return None  # of a key that the table had, or of one that VTTablet prefers
    if len(values) != len(table.key):
        return None
    changed = False
    for index, (field, name) in enumerate(zip(result.fields, table.key, strict=True)):
        value = _after(field, table.columns_by_name[name], values[index], presorted=table.presorted)
        if value is None:
            return None
        if isinstance(value, int):
            field.type = query_pb2.UINT64
            value = b"%d" % value
            changed = True
        values[index] = value
    if not changed:
        return lastpk
    result.rows[0].lengths = _pack_lengths(len(value) for value in values)
    result.rows[0].values = b"".join(values)
    return result.SerializeToString()


def _after(field: query_pb2.Field, column: Column, value: bytes, *, presorted: bool) -> bytes | int | None:
    announced = charset_of(field.charset) if field.charset != _CONNECTION else None
    # VTTablet does not know all collations; then the schema's counts.
    charset = announced if announced and announced != _BINARY else column.charset or _BINARY
    return resume.after(parse_column_type(column.column_type), charset, value, presorted=presorted)


def _split(rows: Iterable[query_pb2.Row]) -> list[bytes]:
    """Takes the only row apart.

    Raises:
        ValueError: There is another number of rows, or a NULL, which nothing is greater than.
    """
    (row,) = rows
    values = []
    start = 0
    for length in unpack_lengths(row.lengths):
        if length < 0:
            raise ValueError("a key without a value")
        values.append(row.values[start : start + length])
        start += length
    if start != len(row.values):
        raise ValueError("lengths that are not those of the values")
    return values


def _pack_lengths(lengths: Iterable[int]) -> bytes:
    packed = bytearray()
    for length in lengths:
        number = length << 1  # zigzag
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    return bytes(packed)
