"""What is done to a database to see what VTGate sends about it: once to a real Vitess, each time to the model.

`recorder` keeps what the real one sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from instruments.scripted_vtgate.client import Response, Stream
from instruments.scripted_vtgate.model.values import Document, Given
from source_vitess.proto import binlogdata_pb2

_ITEMS = {"id": "bigint", "name": "varchar(64)"}
_PAIRS = {"a": "int", "b": "varchar(10)", "v": "text"}
_TYPES = {
    "id": "bigint unsigned",
    "i8": "tinyint",
    "u8": "tinyint unsigned",
    "bool1": "tinyint(1)",
    "i16": "smallint",
    "i24": "mediumint",
    "u32": "int unsigned",
    "zero": "int(8) unsigned zerofill",
    "dec": "decimal(10,2)",
    "dec_unsigned": "decimal(12,3) unsigned",
    "dec9": "decimal(9,0)",
    "dec20": "decimal(20,0)",
    "f32": "float",
    "f64": "double",
    "bits": "bit(10)",
    "day": "date",
    "clock": "time(3)",
    "moment": "datetime(6)",
    "stamp": "timestamp",
    "year1": "year",
    "fixed": "char(5)",
    "text1": "varchar(20)",
    "exact": "varchar(10) collate utf8mb4_bin",
    "latin": "varchar(10) character set latin1",
    "long1": "text",
    "choice": "enum('a','b c')",
    "choices": "set('x','y','z')",
    "all_bits": "set(" + ",".join(f"'m{number}'" for number in range(1, 65)) + ")",
    "raw": "binary(4)",
    "raws": "varbinary(8)",
    "blob1": "blob",
    "doc": "json",
}
_DOCUMENTS = {"id": "int", "bits": "bit(3)", "raw": "blob", "doc": "json"}
#: Documents with values that MySQL's JSON has and JSON has not, alone and inside. `bits` is 5, `raw` two bytes.
_ALONE = "json_extract(json_array({}), '$[0]')"
DOCUMENTS: Mapping[str, Document] = {
    "a binary value": Document(_ALONE.format("x'00ff'"), '"base64:type15:AP8="', '"base64:type15:AP8="'),
    "two hundred bytes": Document(
        _ALONE.format("repeat(x'ff', 200)"),
        '"base64:type15:' + r"\n".join(["/" * 76] * 3 + ["/" * 38 + "8="]) + '"',
        '"base64:type15:' + "/" * 266 + '8="',
    ),
    "no byte": Document(_ALONE.format("x''"), '"base64:type15:"', '"base64:type15:"'),
    "bits": Document(_ALONE.format("bits"), '"base64:type16:BQ=="', '"base64:type15:BQ=="'),
    "a blob": Document(_ALONE.format("raw"), '"base64:type252:AP8="', '"base64:type15:AP8="'),
    "a binary value inside": Document(
        "json_object('a', 1, 'k', x'00ff', 'z', 2)",
        '{"a": 1, "k": "base64:type15:AP8=", "z": 2}',
        '{"a": 1, "k": "base64:type15:AP8=", "z": 2}',
    ),
    "a decimal": Document(_ALONE.format("0.50"), "0.50", "0.50"),
    "decimals inside": Document("json_array(0.5, -0.05, 1.10)", "[0.5, -0.05, 1.10]", "[0.5, -0.05, 1.10]"),
    "a date": Document(_ALONE.format("cast('2026-01-02' as date)"), '"2026-01-02"', '"2026-01-02"'),
    "moments inside": Document(
        "json_array(cast('2026-01-02 03:04:05.5' as datetime(1)), cast('01:02:03' as time))",
        '["2026-01-02 03:04:05.500000", "01:02:03.000000"]',
        '["2026-01-02 03:04:05.500000", "01:02:03.000000"]',
    ),
    "a negative time": Document("json_array(cast('-01:02:03' as time))", '["-01:02:03.000000"]', '[""]'),
}
#: The tables that the scenarios make: their columns, and their key in its order.
TABLES: Mapping[str, tuple[Mapping[str, str], Sequence[str]]] = {
    "sv_items": (_ITEMS, ["id"]),
    "sv_pairs": (_PAIRS, ["b", "a"]),
    "sv_types": (_TYPES, ["id"]),
    "sv_documents": (_DOCUMENTS, ["id"]),
}
_VALUES: tuple[Mapping[str, Given], ...] = (
    {"id": 1},
    {
        "id": 2**64 - 1,
        "i8": -128,
        "u8": 255,
        "bool1": 1,
        "i16": -32768,
        "i24": -8388608,
        "u32": 2**32 - 1,
        "zero": 42,
        "dec": "-0.50",
        "dec_unsigned": "1234567.891",
        "dec9": "5",
        "dec20": "-5",
        "f32": 3.14159274,
        "f64": 0.1,
        "bits": 513,
        "day": "2024-02-29",
        "clock": "-12:34:56.500",
        "moment": "2026-01-02 03:04:05.000006",
        "stamp": "2026-01-02 03:04:05",
        "year1": 2026,
        "fixed": "ab",
        "text1": "ü€😀",
        "exact": "Éx",
        "latin": "é",
        "long1": "line\nline",
        "choice": "b c",
        "choices": "x,z",
        "all_bits": "m1,m64",
        "raw": b"\x01\xff",
        "raws": b"\x00\x01",
        "blob1": b"\xff\xfe",
        "doc": '{"bb": 1, "a": [1.5, null, "ü"], "c": {"z": true}}',
    },
    {"id": 3, "dec": "12.30", "dec9": "0", "dec20": "12345678901234567890", "f32": 16777216, "f64": 1e16, "doc": "[]"},
    {"id": 4, "dec": "0", "dec_unsigned": "0.5", "f32": 0, "f64": -1.5e-7, "text1": "", "raws": b"", "year1": 0},
)


class Driver(Protocol):
    """A database that can be written to and streamed from."""

    keyspace: str
    shard: str

    def create_table(self, name: str, columns: Mapping[str, str], *, key: Sequence[str]) -> object:
        """Creates a table."""

    def insert(self, table: str, *rows: Mapping[str, Given]) -> None:
        """Inserts rows with one statement."""

    def update(self, table: str, where: Mapping[str, Given], values: Mapping[str, Given]) -> object:
        """Updates rows."""

    def delete(self, table: str, where: Mapping[str, Given]) -> object:
        """Deletes rows."""

    def add_column(self, table: str, name: str, declaration: str) -> None:
        """Adds a column as the last."""

    def truncate(self, table: str) -> None:
        """Empties a table."""

    def open(self, vgtid: binlogdata_pb2.VGtid, tables: Iterable[str], columns: Iterable[str] = ()) -> Stream:
        """Opens a stream."""

    def gtids(self) -> Mapping[str, str]:
        """Returns the shard's position."""


def copy_rows(driver: Driver) -> list[Response]:
    """Copies a table of a few rows."""
    _create(driver, "sv_items")
    driver.insert("sv_items", {"id": 1, "name": "n1"}, {"id": 2, "name": "n2"}, {"id": 3, "name": "n3"})
    return _copy(driver, _position(driver, ""), ["sv_items"])


def copy_empty(driver: Driver) -> list[Response]:
    """Copies an empty table."""
    _create(driver, "sv_items")
    return _copy(driver, _position(driver, ""), ["sv_items"])


def copy_two_tables(driver: Driver) -> list[Response]:
    """Copies two tables; the second has a composite key in another order than its columns."""
    _create(driver, "sv_items")
    _create(driver, "sv_pairs")
    driver.insert("sv_items", {"id": 1, "name": "x"})
    driver.insert("sv_pairs", {"a": 2, "b": "k", "v": None}, {"a": 1, "b": "l", "v": "t"})
    return _copy(driver, _position(driver, ""), ["sv_pairs", "sv_items"])


def resume_copy(driver: Driver) -> list[Response]:
    """Resumes a copy: changes since then come first, then the rows after the last key."""
    copied = copy_rows(driver)
    driver.insert("sv_items", {"id": 9, "name": "after"}, {"id": 0, "name": "before"})
    driver.update("sv_items", {"id": 2}, {"name": "changed"})
    driver.delete("sv_items", {"id": 3})
    return _copy(driver, _begun(copied), ["sv_items"])


def resume_copy_beside_another(driver: Driver) -> list[Response]:
    """Resumes a copy with a second table in the filter: its changes are left out until it is copied, from scratch."""
    copied = copy_rows(driver)
    _create(driver, "sv_pairs")
    driver.insert("sv_pairs", {"a": 2, "b": "k", "v": None})
    driver.insert("sv_items", {"id": 9, "name": "after"})
    return _copy(driver, _begun(copied), ["sv_items", "sv_pairs"])


def resume_copy_unchanged(driver: Driver) -> list[Response]:
    """Resumes a copy since which nothing has changed."""
    return _copy(driver, _begun(copy_rows(driver)), ["sv_items"])


def copy_some_columns(driver: Driver) -> list[Response]:
    """Copies and resumes with a list of columns, in another order and case than theirs and without a key's."""
    _create(driver, "sv_pairs")
    driver.insert("sv_pairs", {"a": 2, "b": "k", "v": None}, {"a": 1, "b": "l", "v": "t"})
    copied = _copy(driver, _position(driver, ""), ["sv_pairs"], ["V", "a"])
    driver.insert("sv_pairs", {"a": 9, "b": "z", "v": "after"})
    driver.update("sv_pairs", {"a": 1, "b": "l"}, {"b": "m"})
    driver.delete("sv_pairs", {"a": 2, "b": "k"})
    return [*copied, *_copy(driver, _begun(copied), ["sv_pairs"], ["V", "a"])]


def follow_current(driver: Driver) -> list[Response]:
    """Asks for the changes from now on: the position comes at once."""
    _create(driver, "sv_items")
    return _follow(driver, _position(driver, "current"), ["sv_items"])


def follow_changes(driver: Driver) -> list[Response]:
    """Follows inserts, updates, a change of the key, deletes, of one statement each."""
    _create(driver, "sv_items")
    start = _now(driver)
    driver.insert("sv_items", {"id": 1, "name": "a"}, {"id": 2, "name": "b"})
    driver.update("sv_items", {"id": 1}, {"name": "c"})
    driver.update("sv_items", {"id": 1}, {"id": 7})
    driver.delete("sv_items", {"id": 2})
    return _follow(driver, start, ["sv_items"])


def follow_ddl(driver: Driver) -> list[Response]:
    """Follows a column that is added, and a truncate."""
    _create(driver, "sv_items")
    start = _now(driver)
    driver.insert("sv_items", {"id": 1, "name": "a"})
    driver.add_column("sv_items", "extra", "int")
    driver.insert("sv_items", {"id": 2, "name": "b", "extra": 3})
    driver.truncate("sv_items")
    driver.insert("sv_items", {"id": 3, "name": "c", "extra": 4})
    return _follow(driver, start, ["sv_items"])


def copy_types(driver: Driver) -> list[Response]:
    """Copies values of many types."""
    _create(driver, "sv_types")
    for row in _VALUES:
        driver.insert("sv_types", row)
    return _copy(driver, _position(driver, ""), ["sv_types"])


def follow_types(driver: Driver) -> list[Response]:
    """Follows inserts, an update and a delete of values of many types."""
    _create(driver, "sv_types")
    start = _now(driver)
    for row in _VALUES:
        driver.insert("sv_types", row)
    driver.update("sv_types", {"id": 4}, {"latin": "ñ", "choice": "a", "choices": "y", "zero": 7})
    driver.delete("sv_types", {"id": 2**64 - 1})
    return _follow(driver, start, ["sv_types"])


def copy_documents(driver: Driver) -> list[Response]:
    """Copies JSON documents with values that JSON does not have."""
    _create(driver, "sv_documents")
    _insert_documents(driver)
    return _copy(driver, _position(driver, ""), ["sv_documents"])


def follow_documents(driver: Driver) -> list[Response]:
    """Follows an insert of JSON documents with values that JSON does not have."""
    _create(driver, "sv_documents")
    start = _now(driver)
    _insert_documents(driver)
    return _follow(driver, start, ["sv_documents"])


SCENARIOS: tuple[Callable[[Driver], list[Response]], ...] = (
    copy_rows,
    copy_empty,
    copy_two_tables,
    resume_copy,
    resume_copy_beside_another,
    resume_copy_unchanged,
    copy_some_columns,
    follow_current,
    follow_changes,
    follow_ddl,
    copy_types,
    follow_types,
    copy_documents,
    follow_documents,
)


def _create(driver: Driver, table: str) -> None:
    columns, key = TABLES[table]
    driver.create_table(table, columns, key=key)


def _insert_documents(driver: Driver) -> None:
    beside: Mapping[str, Given] = {"bits": 5, "raw": b"\x00\xff"}
    rows = [{"id": number, **beside, "doc": document} for number, document in enumerate(DOCUMENTS.values(), 1)]
    driver.insert("sv_documents", *rows)


def _position(driver: Driver, gtid: str) -> binlogdata_pb2.VGtid:
    entry = binlogdata_pb2.ShardGtid(keyspace=driver.keyspace, shard=driver.shard, gtid=gtid)
    return binlogdata_pb2.VGtid(shard_gtids=[entry])


def _now(driver: Driver) -> binlogdata_pb2.VGtid:
    return _position(driver, driver.gtids()[driver.shard])


def _begun(copied: Iterable[Response]) -> binlogdata_pb2.VGtid:
    """Returns the last position of a copy that was under way."""
    begun = [
        event.vgtid
        for response in copied
        for event in response.events
        if event.type == binlogdata_pb2.VGTID and event.vgtid.shard_gtids[0].table_p_ks
    ]
    return begun[-1]


def _copy(
    driver: Driver, vgtid: binlogdata_pb2.VGtid, tables: Sequence[str], columns: Sequence[str] = ()
) -> list[Response]:
    stream = driver.open(vgtid, tables, columns)
    try:
        return stream.until_copied()
    finally:
        stream.close()


def _follow(driver: Driver, vgtid: binlogdata_pb2.VGtid, tables: Sequence[str]) -> list[Response]:
    stream = driver.open(vgtid, tables)
    try:
        return stream.until_gtids(driver.gtids())
    finally:
        stream.close()
