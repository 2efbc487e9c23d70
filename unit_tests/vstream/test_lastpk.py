"""`lastpk`: what to send for a copy to go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.scripted_vtgate.wire import pack_lengths, values_of
from source_vitess.proto import query_pb2
from source_vitess.schema import Column, Table
from source_vitess.vstream.lastpk import to_resume

LATIN1, BIG5_UNKNOWN_TO_VITESS, BINARY = 8, 0, 63


def table(*columns: Column, key: tuple[str, ...] = (), presorted: bool = True) -> Table:
    """Returns a table whose key is all of its columns unless it is given."""
    return Table("t", columns, key or tuple(column.name for column in columns), presorted=presorted)


def column(name: str, column_type: str, charset: str | None = None) -> Column:
    """Returns a column."""
    return Column(name, column_type, charset, nullable=False)


def lastpk(*values: tuple[str, query_pb2.Type, bytes | None], charset: int = BINARY) -> bytes:
    """Returns VTTablet's bytes for a row: names, types and values."""
    return query_pb2.QueryResult(
        fields=[query_pb2.Field(name=name, type=kind, charset=charset, flags=1) for name, kind, _ in values],
        rows=[
            query_pb2.Row(
                lengths=pack_lengths([-1 if value is None else len(value) for _, _, value in values]),
                values=b"".join(value or b"" for _, _, value in values),
            )
        ],
    ).SerializeToString()


ID = ("id", query_pb2.INT64, b"42")
SIZE = ("k", query_pb2.ENUM, b"large")
SIZES = column("k", "enum('small','medium','large')", "utf8mb4")


def test_most_keys_go_back_byte_by_byte() -> None:
    """What VTTablet compares as it sorts is not touched."""
    stored = lastpk(ID, ("name", query_pb2.VARCHAR, b"a" * 300))
    assert to_resume(stored, table(column("id", "bigint"), column("name", "varchar(400)", "utf8mb4"))) == stored


@pytest.mark.parametrize("order", [(ID, SIZE), (SIZE, ID)], ids=["last", "first"])
def test_labels_are_sent_as_numbers(order: tuple[tuple[str, query_pb2.Type, bytes], ...]) -> None:
    """An ENUM's place gets a number and the type of one; nothing else changes."""
    columns = {"id": column("id", "bigint"), "k": SIZES}
    sent = to_resume(lastpk(*order), table(*(columns[name] for name, _, _ in order)))
    assert sent is not None
    result = query_pb2.QueryResult.FromString(sent)
    assert {field.name: field.type for field in result.fields} == {"id": query_pb2.INT64, "k": query_pb2.UINT64}
    assert values_of(result.rows[0]) == [b"3" if name == "k" else b"42" for name, _, _ in order]
    assert [field.flags for field in result.fields] == [1, 1]


def test_what_is_unknown_stays() -> None:
    """Fields that newer servers may add go back, too."""
    sent = to_resume(lastpk(SIZE) + b"\x78\x01", table(SIZES))
    assert sent is not None
    assert sent.endswith(b"\x78\x01")


def test_the_character_set_of_labels() -> None:
    """The one that VTTablet announces, else the schema's: it knows nothing of some."""
    assert to_resume(
        lastpk(("k", query_pb2.ENUM, b"\xe9"), charset=LATIN1), table(column("k", "enum('ß','é')", "latin1"))
    )
    assert to_resume(
        lastpk(("k", query_pb2.ENUM, "中".encode("big5")), charset=BIG5_UNKNOWN_TO_VITESS),
        table(column("k", "enum('國','中')", "big5")),
    )


def test_long_values_beside_a_label() -> None:
    """Lengths above 127 take two bytes."""
    name = ("name", query_pb2.VARCHAR, b"n" * 1000)
    sent = to_resume(lastpk(SIZE, name), table(SIZES, column("name", "varchar(1000)", "latin1")))
    assert sent is not None
    assert values_of(query_pb2.QueryResult.FromString(sent).rows[0]) == [b"3", b"n" * 1000]


@pytest.mark.parametrize(
    ("stored", "now"),
    [
        (lastpk(ID), table(column("id", "bigint"), column("b", "int"))),
        (lastpk(ID, ("b", query_pb2.INT64, b"1")), table(column("b", "int"), column("id", "bigint"))),
        (lastpk(ID), table(column("other", "bigint"))),
        (lastpk(("id", query_pb2.INT64, None)), table(column("id", "bigint"))),
        (lastpk(("k", query_pb2.FLOAT32, b"0.5")), table(column("k", "float"))),
        (lastpk(("k", query_pb2.VARCHAR, b"a")), table(column("k", "varchar(9)", "utf8mb4"), presorted=False)),
        (b"", table(column("id", "bigint"))),
        (b"\xff", table(column("id", "bigint"))),
    ],
    ids=[
        "a longer key",
        "another order",
        "another column",
        "a NULL",
        "a type that is none to go on after",
        "a string that MySQL has to sort",
        "nothing",
        "no message",
    ],
)
def test_a_copy_starts_over(stored: bytes, now: Table) -> None:
    """Where rows might be left out there is nothing to send."""
    assert to_resume(stored, now) is None


def test_names_in_another_case() -> None:
    """A column keeps its name when only the case is changed."""
    assert to_resume(lastpk(ID), table(column("Id", "bigint"))) == lastpk(ID)


@given(st.binary(max_size=60), st.data())
def test_altered_bytes(more: bytes, data: st.DataObject) -> None:
    """A state that was altered raises nothing, and what is sent has as many values as the key."""
    stored = lastpk(SIZE, ID)
    at = data.draw(st.integers(0, len(stored)))

    sent = to_resume(stored[:at] + more + stored[at + len(more) :], table(SIZES, column("id", "bigint")))

    if sent is not None:
        result = query_pb2.QueryResult.FromString(sent)
        assert [field.name for field in result.fields] == ["k", "id"]
        assert len(values_of(result.rows[0])) == 2
