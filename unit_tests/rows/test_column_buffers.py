"""Rows laid out as columns by compiled code: what Python makes of the same JSON, or left to it, whatever the bytes."""

from __future__ import annotations

import base64
import datetime
import json
import struct
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.rows import compiled
from source_vitess.rows.column_buffers import Buffers, ColumnLayout, Layout, column_buffers
from unit_tests.examples import at_least, reached

pytestmark = pytest.mark.skipif(compiled.obstacle() is not None, reason=f"the compiled decoder {compiled.obstacle()}")

NINES = b"9" * 38
EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - MySQL's have no zone either
SIZES = {Layout.INT8: "b", Layout.INT16: "h", Layout.INT32: "i", Layout.INT64: "q"}
FORMATS = {**SIZES, Layout.FLOAT32: "f", Layout.FLOAT64: "d", Layout.DATE32: "i"}
FORMATS |= {Layout.LOCAL_MICROSECONDS: "q", Layout.UTC_MICROSECONDS: "q"}


def column(layout: Layout, precision: int = 0, scale: int = 0, name: str = "c") -> ColumnLayout:
    """Returns a column."""
    return ColumnLayout(name, layout, precision, scale)


SMALL, WIDE = column(Layout.DECIMAL128, 10, 2), column(Layout.DECIMAL128, 38, 0)
FRACTION = column(Layout.DECIMAL128, 38, 38)

#: Values that Python should not have to look at.
ORDINARY: dict[ColumnLayout, list[bytes]] = {
    column(Layout.BOOLEAN): b"true false".split(),
    column(Layout.INT8): b"0 -128 127 -1".split(),
    column(Layout.INT16): b"-32768 32767".split(),
    column(Layout.INT32): b"-2147483648 2147483647".split(),
    column(Layout.INT64): b"-9223372036854775808 9223372036854775807 1000000000000000000".split(),
    SMALL: b"0.00 -0.50 99999999.99 -99999999.99 7 1.5 -0.00 -0".split(),
    WIDE: [NINES, b"-" + NINES, b"18446744073709551615", b"18446744073709551616", b"0"],
    FRACTION: [b"0." + NINES, b"-0." + NINES, b"0." + b"0" * 37 + b"1"],
    column(Layout.FLOAT32): b"1.5 3 -0.0 3.1415927 1e-45 1.17549435e-38".split(),
    column(Layout.FLOAT64): b"0.1 -2.5 1.7976931348623157e308 5e-324 1e22 1e23 123456789012345678".split(),
    column(Layout.TEXT): [
        *(b'""', b'"plain"', '"äß€𝄞 and more than eight"'.encode()),
        rb'"\"\\\/\b\f\n\r\t\u0000\u001f\u007F"',
    ],
    column(Layout.BINARY): [b'""', b'"AA=="', b'"AAE="', b'"AAEC"', b'"' + base64.b64encode(bytes(range(256))) + b'"'],
    column(Layout.DATE32): b'"0001-01-01" "1969-12-31" "1970-01-01" "2000-02-29" "9999-12-31"'.split(),
    column(Layout.LOCAL_MICROSECONDS): (
        b'"0001-01-01T00:00:00" "9999-12-31T23:59:59.999999" "1969-12-31T23:59:59.5" "2024-02-29T01:02:03.00001"'
    ).split(),
    column(Layout.UTC_MICROSECONDS): b'"1970-01-01T00:00:00Z" "2038-01-19T03:14:07.999999Z"'.split(),
}
#: Digits of numbers that are text.
DIGITS = [b"9" * 65, b"-" + b"9" * 63 + b".99", b"0", b"-0.0", b"0.10"]
#: At the edge of what is read, and over it; each is tried with every layout.
EDGES = [
    *b"null nul nulls true tru truer false fals True NaN Infinity -Infinity [] {} [ ] [} {}} ".split(),
    *b"- +1 01 -01 -0 00 1_0 0x1 128 -129 32768 -32769 2147483648 -2147483649 .5 5. 1. -.5 1.500 100000000.00".split(),
    *b"9223372036854775808 -9223372036854775809 9999999999999999999 99999999999999999999 0.1 0.2 0.3".split(),
    *b"1e2 1E+2 1e 1e+ 1e- 1.5e3 1e0005 1e99999 -1e99999 1e308 1e309 3.5e38 3.4028235e38 3.4028236e38".split(),
    *b"1e-400 0e0 -0e0 -0.0 4503599627370497.5 9007199254740993 123456789012345e22 123456789012345e23".split(),
    *b"1e-22 1e-23 1:2 9248169793479059e-22 9899764219560387e3 31727581978499099e-22 16368457758170123e3".split(),
    *(b"0." + b"9" * size for size in (14, 15, 37, 38, 39, 40, 41, 100)),
    *(b"1" + b"0" * size for size in (19, 38, 39, 40, 41, 100)),
    *rb'"" " "a "a"b "\" "\x" "\u00" "\u0041" "\u0080" "\u00e9" "\ud83d\ude00" "\ud800" "\ "\u'.split(),
    *(
        rb'"a\u004"',
        rb'"\u00g0"',
        b'"\x00"',
        b'"\x1f"',
        b'"\x7f"',
        b'"\xff"',
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b"",
        b"1 ",
        b" 1",
        b'"a" ',
        b'["a',
    ),
    *b'"A" "AA" "AAA" "A===" "AA=A" "AA==AA==" "AAE=AAE=" "-_AA" "AB==" "AAF=" "===="'.split(),
    *(b'"A A="', b'"AAE= "', b'"2024-01-01 "', b'"2024-01-01 00:00:00"', b'{"a":["]"]}', b'"a":1'),
    *b'"2023-02-29" "2024-02-30" "0000-00-00" "0000-01-01" "2024-13-01" "2024-1-1" "20240101"'.split(),
    *b'"2024-01-01T24:00:00" "2024-01-01T23:60:00" "2024-01-01T23:00:60" "2024-01-01T00:00:00."'.split(),
    *b'"2024-01-01T00:00:00.1234567" "2024-01-01T00:00:00.1Z" "2024-01-01T00:00:00+00:00"'.split(),
    *b'"2024-01-01T00:00" "2024-01-01T00-00-00" "2024-01-01T00:00:00ZZ"'.split(),
]


def reference(one: ColumnLayout, text: bytes) -> Any:
    """Returns what Python makes of a value's JSON, as `decoded` shows it; raises if it refuses it."""
    value = json.loads(text.decode(), parse_float=str, parse_constant=_refuse)
    if value is None:
        return None
    if one.layout is Layout.BOOLEAN:
        assert isinstance(value, bool)
        return value
    if one.layout in SIZES:
        assert type(value) is int
        return struct.unpack(SIZES[one.layout], struct.pack(SIZES[one.layout], value))[0]
    if one.layout is Layout.DECIMAL128:
        assert type(value) in (int, str)
        return _unscaled(Decimal(value), one)
    if one.layout in (Layout.FLOAT32, Layout.FLOAT64):
        assert type(value) in (int, str)
        return struct.pack(FORMATS[one.layout], float(value))
    if one.layout is Layout.TEXT:
        assert type(value) in (int, str)
        return str(value).encode()
    assert isinstance(value, str)
    if one.layout is Layout.BINARY:
        return base64.b64decode(value)
    if one.layout is Layout.DATE32:
        return (datetime.date.fromisoformat(value) - EPOCH.date()).days
    return _microseconds(value, utc=one.layout is Layout.UTC_MICROSECONDS)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _unscaled(value: Decimal, one: ColumnLayout) -> int:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    assert -exponent <= one.scale
    number: int = int("".join(map(str, digits))) * 10 ** (one.scale + exponent)
    assert number < 10**one.precision
    return -number if sign else number


def _microseconds(value: str, *, utc: bool) -> int:
    assert value.endswith("Z") == utc
    whole, _, fraction = value.removesuffix("Z").partition(".")
    assert "." not in value or 1 <= len(fraction) <= 6
    moment = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007
    return (moment - EPOCH) // datetime.timedelta(microseconds=1) + int(fraction.ljust(6, "0"))


def decoded(one: ColumnLayout, found: Buffers, rows: int) -> list[Any]:
    """Returns the values of buffers: numbers, bytes, of a FLOAT its bytes; None for a null."""
    there = [bool(found.validity[row >> 3] >> (row & 7) & 1) for row in range(rows)]
    assert there.count(False) == found.nulls
    assert not any(byte for byte in found.validity[(rows + 7) // 8 :])
    read = _raw(one, found, rows)
    return [read(row) if there[row] else None for row in range(rows)]


def _raw(one: ColumnLayout, found: Buffers, rows: int) -> Callable[[int], Any]:
    values = found.values
    if one.layout in (Layout.TEXT, Layout.BINARY):
        assert found.ends is not None
        ends = struct.unpack(f"={rows + 1}i", found.ends)
        assert ends[0] == 0
        assert ends[-1] == len(values)
        return lambda row: values[ends[row] : ends[row + 1]]
    assert found.ends is None
    if one.layout is Layout.BOOLEAN:
        assert len(values) >= rows / 8
        return lambda row: bool(values[row >> 3] >> (row & 7) & 1)
    if one.layout is Layout.DECIMAL128:
        assert len(values) == 16 * rows
        return lambda row: int.from_bytes(values[16 * row : 16 * row + 16], "little", signed=True)
    form = FORMATS[one.layout]
    size = struct.calcsize(form)
    assert len(values) == size * rows
    if form in "fd":
        return lambda row: values[size * row : size * row + size]
    return lambda row: struct.unpack(form, values[size * row : size * row + size])[0]


def lay_out(one: ColumnLayout, *values: bytes) -> list[Any] | bytes | None:
    """Returns the values of a column; its JSON if it is left, None if the rows are."""
    found = column_buffers([one], [orjson.dumps(one.name) + b":" + value + b"," for value in values])
    if found is None:
        return None
    [only] = found
    return only if isinstance(only, bytes) else decoded(one, only, len(values))


def check(one: ColumnLayout, value: bytes) -> bool:
    """Tells whether a value was read; then it has to be what Python makes of it, and else its JSON."""
    found = lay_out(one, value)
    if found is None:
        assert not _is_one_value(value)
        return False
    if isinstance(found, bytes):
        assert found == b"[" + value + b"]"
        return False
    assert found == [reference(one, value)]
    return True


def _is_one_value(text: bytes) -> bool:
    try:
        return len(json.loads(f"[{text.decode()}]")) == 1
    except ValueError:
        return False


_TEXTS = st.text(max_size=30).map(lambda text: json.dumps(text, ensure_ascii=False).encode(errors="replace"))
_NUMBERS = st.from_regex(rb"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
_INTEGERS = st.integers(-(2**65), 2**65).map(lambda number: b"%d" % number) | st.integers(-300, 300).map(
    lambda n: b"%d" % n
)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda number: json.dumps(number).encode())
_SINGLES = st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda number: json.dumps(number).encode())
_MOMENTS = st.builds(
    '"{:%Y-%m-%dT%H:%M:%S}{}{}"'.format,
    st.datetimes(min_value=datetime.datetime(1000, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["", ".1", ".000001", ".999999", ".120"]),
    st.sampled_from(["", "Z"]),
).map(str.encode)
_DATES = st.dates().map(lambda date: f'"{date}"'.encode())
_BYTES = st.binary(max_size=40).map(lambda value: b'"' + base64.b64encode(value) + b'"')
_ESCAPED = st.text(max_size=20).map(lambda text: json.dumps(text).encode())


def _mutated(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    def mutate(text: bytes, at: int, cut: int, put: bytes) -> bytes:
        at %= len(text) + 1
        return text[:at] + put + text[at + cut :]

    some = st.sampled_from([*rb'0 - . : e " \ \u [ ] = , 99999999999999999999'.split(), b"", b" ", b"\0", b"\xff"])
    return st.builds(mutate, texts, st.integers(0, 60), st.integers(0, 2), some | st.binary(max_size=2))


_MADE = st.one_of(_TEXTS, _ESCAPED, _NUMBERS, _INTEGERS, _FLOATS, _SINGLES, _MOMENTS, _DATES, _BYTES)
_EITHER = _MADE | st.sampled_from(EDGES)
VALUES = st.one_of(_EITHER, _mutated(_EITHER), st.binary(max_size=40))
COLUMNS = list(ORDINARY)
_BY_LAYOUT: dict[Layout, st.SearchStrategy[bytes]] = {
    **dict.fromkeys(SIZES, _INTEGERS),
    Layout.DECIMAL128: _NUMBERS | _INTEGERS | st.decimals(-(10**7), 10**7, places=2).map("{:f}".format).map(str.encode),
    Layout.FLOAT32: _SINGLES | _NUMBERS,
    Layout.FLOAT64: _FLOATS | _NUMBERS,
    Layout.TEXT: _TEXTS | _ESCAPED | _NUMBERS,
    Layout.BINARY: _BYTES,
    Layout.DATE32: _DATES,
    Layout.LOCAL_MICROSECONDS: _MOMENTS,
    Layout.UTC_MICROSECONDS: _MOMENTS,
}


def _ids(one: ColumnLayout) -> str:
    return f"{one.layout.name}({one.precision},{one.scale})"


@pytest.mark.parametrize("one", COLUMNS, ids=_ids)
def test_ordinary_values_need_no_python(one: ColumnLayout) -> None:
    """What tables are full of is laid out in C, exactly: else it would be slow, and nobody would notice."""
    values = [*ORDINARY[one], *(DIGITS if one.layout is Layout.TEXT else ())]

    assert lay_out(one, *values, b"null") == [*(reference(one, value) for value in values), None]


@pytest.mark.parametrize("one", [*COLUMNS, column(Layout.OTHER)], ids=_ids)
def test_a_value_at_the_edge_is_what_python_makes_of_it(one: ColumnLayout) -> None:
    """The same, or left, for values that are almost of the type, or just so."""
    read = [check(one, value) for value in EDGES]

    assert False in read
    assert (True in read) == (one.layout is not Layout.OTHER)


@pytest.mark.parametrize("one", COLUMNS, ids=_ids)
@at_least(0.03)  # a BOOLEAN has two values
@given(data=st.data())
def test_a_value_is_what_python_makes_of_it(one: ColumnLayout, data: st.DataObject) -> None:
    """For any bytes: what Python makes of them, or their JSON."""
    own = st.sampled_from(ORDINARY[one])
    own |= _BY_LAYOUT.get(one.layout, own)
    value = data.draw(data.draw(st.sampled_from([own, own, _mutated(own), VALUES])))
    if b"," in value and not value.startswith(b'"'):
        return  # another member, or an array: of rows below

    if check(one, value):
        reached()


@at_least(0.3)
@given(st.data())
def test_rows_are_what_python_makes_of_them(data: st.DataObject) -> None:
    """Rows of many columns, changed anywhere: what is laid out is what JSON has, and nothing is out of place."""
    chosen = data.draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5))
    columns = [column(one.layout, one.precision, one.scale, f'c"{at}é') for at, one in enumerate(chosen)]
    count = data.draw(st.integers(1, 20))
    texts = [[data.draw(st.sampled_from([*ORDINARY[one], b"null"])) for one in chosen] for _ in range(count)]
    odd = data.draw(st.sampled_from(["none", "value", "row"]))
    where = data.draw(st.integers(0, count - 1))
    if odd == "value":
        texts[where][data.draw(st.integers(0, len(chosen) - 1))] = data.draw(st.sampled_from(EDGES))
    members = [
        b"".join(orjson.dumps(one.name) + b":" + value + b"," for one, value in zip(columns, row, strict=True))
        for row in texts
    ]
    if odd == "row":
        members[where] = data.draw(_mutated(st.just(members[where])))

    found = column_buffers(columns, members)

    laid_out = 0
    for one, of_column in zip(columns, found or (), strict=found is not None):
        values = [_value_of(one, columns, member) for member in members]
        if isinstance(of_column, bytes):
            assert of_column == b"[" + b",".join(values) + b"]"
        else:
            assert decoded(one, of_column, count) == [reference(one, value) for value in values]
            laid_out += 1
    if laid_out:
        reached()


def _value_of(one: ColumnLayout, columns: list[ColumnLayout], member: bytes) -> bytes:
    """Returns the text of a value in a row, whose names stand in no value."""
    name = orjson.dumps(one.name) + b":"
    start = member.index(name) + len(name)
    at = columns.index(one) + 1
    following = b"," + orjson.dumps(columns[at].name) + b":" if at < len(columns) else b""
    return member[start : member.index(following, start) if following else len(member) - 1]


def test_a_column_with_one_odd_value_is_left_whole_and_alone() -> None:
    """The caller gets all values of that column as JSON, from the first row on, and the others laid out."""
    columns = [column(Layout.INT8, name="a"), column(Layout.TEXT, name="b"), column(Layout.OTHER, name="c")]
    members = [b'"a":1,"b":"x","c":[1,"]"],', b'"a":300,"b":null,"c":null,', b'"a":null,"b":"\\u0000","c":[],']

    found = column_buffers(columns, members)

    assert found is not None
    numbers, texts, others = found
    assert (numbers, others) == (b"[1,300,null]", b'[[1,"]"],null,[]]')
    assert isinstance(texts, Buffers)
    assert decoded(columns[1], texts, 3) == [b"x", None, b"\0"]


@pytest.mark.parametrize(
    "member",
    b""" "a":1, "a":1,"b":2 "b":2,"a":1, "a":1,"b":2,"c":3, "a":1,"x":2, "a":1,"b":, "a":1,:"b":2, """.split(),
)
def test_rows_of_other_columns_are_left(member: bytes) -> None:
    """Columns that are missing, too many or in another order are never taken for those that are meant."""
    columns = [column(Layout.INT8, name="a"), column(Layout.INT8, name="b")]

    assert column_buffers(columns, [b'"a":1,"b":2,', member]) is None


def test_no_rows() -> None:
    """Nothing is laid out as nothing, and what is left is an empty array."""
    found = column_buffers([column(Layout.TEXT), column(Layout.OTHER), column(Layout.INT64)], [])

    assert found == [Buffers(0, b"\0", bytes(4), b""), b"[]", Buffers(0, b"\0", None, b"")]


def test_long_values() -> None:
    """A value of megabytes is laid out as any other, with every character escaped too."""
    values = [b'"' + each * 1_000_000 + b'"' for each in (b"xxx", b'\\"', "€".encode())]

    assert lay_out(column(Layout.TEXT), *values) == [json.loads(value).encode() for value in values]


def test_without_the_compiled_code_all_columns_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What turns the decoder off, turns this off."""
    monkeypatch.setenv(compiled.VARIABLE, "0")

    assert column_buffers([column(Layout.INT8)], [b'"c":1,']) is None


@pytest.mark.parametrize(
    "described",
    [
        "a",
        (b"c", 1),
        ("c", 1, 0, 0),
        (b"c", len(Layout), 0, 0),
        *((b"c", int(Layout.DECIMAL128), *digits) for digits in [(0, 0), (39, 0), (5, 6), (5, -1), (-1, -1)]),
    ],
)
def test_what_is_not_a_column_is_refused(described: object) -> None:
    """Columns are taken that can be laid out, and no others."""
    module = import_module("source_vitess.rows._decoder")

    with pytest.raises((TypeError, ValueError)):
        module.lay_out((described,), [b"c1,"])


@pytest.mark.parametrize("members", [("c",), [1], [b'"c":1,', "x"], [bytearray(b'"c":1,')]])
def test_what_is_not_a_row_is_refused(members: object) -> None:
    """Rows are bytes, in a list."""
    module = import_module("source_vitess.rows._decoder")

    with pytest.raises(TypeError):
        module.lay_out(((b'"c":', 2, 0, 0),), members)
