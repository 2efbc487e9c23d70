"""The compiled decoder against the one in Python: the same, or left to Python, whatever the bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from importlib import import_module

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instruments.scripted_vtgate.events import TIMESTAMP, VEvent, change, commit, field, row, vgtid
from source_vitess.errors import ConnectorError
from source_vitess.proto import raw_pb2
from source_vitess.rows import compiled
from source_vitess.rows.columns import DecodedColumn, Rows
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import Altered, Codec, Kind, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for
from source_vitess.vstream.events import Event, TableFailed
from source_vitess.vstream.reader import EventReader
from source_vitess.vstream.response import Response
from unit_tests.examples import at_least, reached
from unit_tests.types.encoding import UTF8, codec

pytestmark = pytest.mark.skipif(compiled.obstacle() is not None, reason=f"the compiled decoder {compiled.obstacle()}")

#: By column type, values that no encoder in Python should have to look at.
ORDINARY: dict[str, list[bytes]] = {
    "int": [b"0", b"7", b"-1", b"2147483647", b"-2147483648"],
    "bigint unsigned": [b"0", b"9223372036854775807"],
    "decimal(20,0)": [b"0", b"-9223372036854775807", b"9223372036854775807"],
    "year": [b"1901", b"2155"],
    "decimal(10,2)": [b"0.00", b"0.50", b"1.00", b"-1.25", b"99999999.99"],
    "decimal(65,30)": [b"1." + b"0" * 30],
    "decimal(10,0)": [b"0", b"5", b"-12"],
    "double": [b"1.5", b"0.25", b"3.1415927E+00", b"-1E+00", b"5E-01", b"1.234E+14", b"9.87654321E-04"],
    "varchar(20)": [b"", b"plain", b'quo"te', b"back\\slash", b"\x00\x01\x1f\x7f\b\t\n\f\r", "äß€𝄞".encode()],
    "longtext": [b"x" * 5000, ("ä" * 3000).encode(), b'"' * 3000],
    "json": [b'{"a": [1, -2.5, 1e10, true, false, null, "x\\n"], "b": {}}', b"[]", b"3", b' "s" '],
    "date": [b"2026-11-23", b"2024-02-29", b"0001-01-01", b"9999-12-31"],
    "datetime": [b"2026-11-23 00:00:00", b"2026-11-23 23:59:59"],
    "datetime(3)": [b"2026-11-23 01:02:03.456"],
    "timestamp": [b"1970-01-01 00:00:01"],
    "timestamp(6)": [b"2026-11-23 01:02:03.456789"],
    "time": [b"00:00:00", b"-838:59:59", b"838:59:59"],
    "time(2)": [b"01:02:03.45", b"01:02:03"],
    "binary(4)": [b"", b"\x01", b"\x00\xff\x7f\x80"],
    "varbinary(9)": [b"", b"a", b"ab", b"abc", b"abcd"],
    "longblob": [bytes(range(256))],
}
#: Values at the edge of the ordinary, and over it; each is tried with every type.
EDGES = [
    *(b"", b"-", b"-0", b"00", b"01", b"+1", b"--1", b"1-", b" 1", b"1 ", b"\xd9\xa1", b"9" * 40),
    *(
        b".",
        b".5",
        b"5.",
        b"-.50",
        b"-0.50",
        b"-0.00",
        b"00.50",
        b"01.50",
        b"1..50",
        b"1.2.3",
        b"1,50",
        b"0.5",
        b"1.500",
    ),
    *(b"123456789012345678.123456", b"1234567890.1234567890123", b"0.0", b"1.0", b"0", b"00.5"),
    *(
        b"E",
        b"1E+00",
        b"1.E+00",
        b".E+00",
        b"1.5E+0",
        b"1.5E+000",
        b"1.50E+00",
        b"10.5E+00",
        b"0E+00",
        b"-0E+00",
        b"1E 00",
    ),
    *(
        b"1E-04",
        b"1E-05",
        b"1E-06",
        b"1E+14",
        b"1E+15",
        b"1E+16",
        b"1E+17",
        b"1E+99",
        b"1.5e+00",
        b"1x5E+00",
        b"1.5E*00",
    ),
    *(b"1.23456789012345E+00", b"1.234567890123456E+00", b"1.2345678901234567E+00", b"9.00719925474099E+14"),
    *(b"1.7976931348623157E+308", b"5E-324", b"NaN", b"Infinity", b"0x1p3", b"1_0.5"),
    *(b"2026-02-28", b"2026-02-29", b"2024-02-29", b"2024-02-30", b"1900-02-29", b"2000-02-29", b"2100-02-29"),
    *(f"2026-{month:02}-{day}".encode() for month in range(14) for day in (28, 29, 30, 31, 32)),
    *(
        b"0000-00-00",
        b"0000-01-01",
        b"2026-00-10",
        b"2026-10-00",
        b"2026-1-1",
        b"2026/01/01",
        b"20260101",
        b"2026-01-01 ",
    ),
    *(b"2026-01-01 23:59:59", b"2026-01-01 24:00:00", b"2026-01-01 00:60:00", b"2026-01-01 00:00:60"),
    *(
        b"2026-01-01T00:00:00",
        b"2026-01-01 00:00",
        b"2026-01-01 00:00:00.",
        b"2026-01-01 00:00:00.1",
        b"2026-02-30 00:00:00",
    ),
    *(f"2026-01-01 01:02:03.{'123456789'[:digits]}".encode() for digits in range(1, 10)),
    *(b"2026-01-01 01:02:03.45x", b"2026-01-01 01:02:03,456", b"2026-01-01 01:02:03Z", b"2026-01-01 01-02-03"),
    *(
        b"1:02:03",
        b"1234:02:03",
        b"-01:02:03",
        b"+01:02:03",
        b"01:02",
        b"01:02:03.4",
        b"01:02:03.456",
        b"01:99:99",
        b"01.02.03",
    ),
    *(bytes([byte]) for byte in range(256)),
    *(b"x" * size + bytes([byte]) + b"y" * 9 for size in (0, 3, 7, 8, 31, 40) for byte in (0, 31, 34, 92, 127, 128)),
    *(
        b"\xc2\x80",
        b"\xc1\xbf",
        b"\xc0\x80",
        b"\xdf\xbf",
        b"\xe0\x9f\xbf",
        b"\xe0\xa0\x80",
        b"\xed\x9f\xbf",
        b"\xed\xa0\x80",
    ),
    *(
        b"\xee\x80\x80",
        b"\xef\xbf\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
    ),
    *(
        b"\xf5\x80\x80\x80",
        b"\xe2\x82",
        b"\xf0\x9d\x84",
        b"\xe2\x28\xa1",
        b"\xe2\x82\x28",
        b"\xf0\x9d\x84\x28",
        b"\x80",
        b"\xbf",
    ),
    *(
        b"{}",
        b"{ }",
        b"[]",
        b"[ ]",
        b'""',
        b'"a',
        b'{"a"}',
        b'{"a":}',
        b'{"a":1,}',
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"{1:2}",
        b"[1}",
    ),
    *(
        b"true",
        b"tru",
        b"truex",
        b"nul",
        b"01",
        b"-",
        b"1.",
        b"1.e5",
        b"1e",
        b"1e+",
        b"1e5",
        b"1E-5",
        b"1e999",
        b"-1e999",
        b"1e400",
    ),
    *(b"[" * depth + b"]" * depth for depth in (1, 99, 100, 101, 1023, 1024, 1025, 5000)),
    *(b"[" + b"9" * size + b"]" for size in (15, 40, 41, 400)),
    *(
        b'"\\u0041"',
        b'"\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"\\x41"',
        b'"\\"',
        b'"\\\\"',
        b'"\n"',
        b'"\x00"',
        b'"\\\x00"',
        b'"\xff"',
        b'"a"b',
    ),
    *(b' {"a" : [ 1 , 2 ] } ', b'{"a": .5}', b"[1]\x00", b"\xef\xbb\xbf{}", b"\x0b[]"),
]
#: Others, which have to come out the same all the more.
OTHERS = [
    "tinyint(1)",
    "bit(1)",
    "bit(12)",
    "bit(64)",
    "float",
    "float(7,3)",
    "double(10,3)",
    "enum('a','b')",
    "set('a','b')",
    "geometry",
    "vector(3)",
    "inet6",
]

#: And values of these that have an exact form.
EXACT: dict[str, list[bytes]] = {
    "tinyint(1)": [b"0", b"1", b"-128"],
    "bit(1)": [b"\0", b"\1"],
    "bit(12)": [b"\x0f\xff", b"\0\1"],
    "bit(64)": [b"\x0f" * 8, b"\xff" * 8],
    "float": [b"3.14159", b"3.1415927E+00"],
    "float(7,3)": [b"1.500", b"1.5E+00"],
    "double(10,3)": [b"1.500", b"1.5E+00"],
    "enum('a','b')": [b"a", b"b"],
    "set('a','b')": [b"a", b"", b"a,b"],
    "geometry": [bytes(4) + b"\1\1\0\0\0" + bytes(16)],
    "vector(3)": [bytes(12), b"\0\0\x80\x3f" * 3],
    "inet6": [b"::1", b"\xff"],
}
_TIMES = st.builds("{:02}:{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
_MOMENTS = st.builds("{} {}".format, st.dates(), _TIMES)


def _fraction(digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 10**digits - 1).map(f".{{:0{digits}}}".format)


#: What is generated of types that have more such values than a list can hold, by the beginning of their names.
GENERATED: dict[str, st.SearchStrategy[str]] = {
    "date": st.dates().map(str),
    "datetime": _MOMENTS,
    "datetime(3)": st.builds("{}{}".format, _MOMENTS, _fraction(3)),
    "timestamp": _MOMENTS,
    "timestamp(6)": st.builds("{}{}".format, _MOMENTS, _fraction(6)),
    "time": _TIMES,
    "time(2)": st.builds("{}{}".format, _TIMES, _fraction(2)),
    "int": st.integers(-(2**31), 2**31 - 1).map(str),
    "bigint unsigned": st.integers(0, 2**64 - 1).map(str),
    "tinyint(1)": st.integers(-128, 127).map(str),
    "year": st.integers(1901, 2155).map(str),
    "decimal(20,0)": st.integers(-(10**20), 10**20).map(str),
    "decimal(10,0)": st.integers(-(10**10), 10**10).map(str),
    "decimal(10,2)": st.builds("{}.{:02}".format, st.integers(-(10**8), 10**8), st.integers(0, 99)),
    "decimal(65,30)": st.builds("{}{}".format, st.integers(-(10**35), 10**35), _fraction(30)),
}


def _own_values(column_type: str) -> st.SearchStrategy[bytes]:
    known = st.sampled_from(ORDINARY.get(column_type) or EXACT[column_type])
    generated = GENERATED.get(column_type)
    return known if generated is None else known | generated.map(str.encode)


def _go(number: float) -> bytes:
    """Returns a number as Go's %E with the fewest digits writes it, and so the change stream."""
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).rstrip("0") or "0"
    power = len(digits) - 1 + exponent if number else 0
    return f"{'-' * sign}{text[0]}{'.' * (len(text) > 1)}{text[1:]}E{power:+03d}".encode()


def _documents() -> st.SearchStrategy[bytes]:
    numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    values = st.recursive(
        st.none() | st.booleans() | numbers | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    )
    forms: list[Callable[[object], str]] = [
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    ]
    return st.builds(lambda value, form: form(value).encode(errors="surrogatepass"), values, st.sampled_from(forms))


def _mutated(texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    def mutate(text: bytes, at: int, cut: int, put: bytes) -> bytes:
        at %= len(text) + 1
        return text[:at] + put + text[at + cut :]

    some = st.sampled_from(
        [b"", b"0", b"-", b".", b":", b" ", b"E", b'"', b"\\", b"\0", b"\xff", b"9" * 30, b"[", b"\xed\xa0\x80"]
    )
    return st.builds(mutate, texts, st.integers(0, 60), st.integers(0, 2), some | st.binary(max_size=2))


_MADE = st.one_of(
    st.from_regex(rb"-?[0-9]{0,22}(\.[0-9]{0,8})?([eE][-+]?[0-9]{0,3})?", fullmatch=True),
    st.from_regex(rb"[0-9]{4}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,6})?)?", fullmatch=True),
    st.from_regex(rb"-?[0-9]{1,4}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,6})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(_go),
    st.builds(lambda number, places: _go(number / 10**places), st.integers(-(10**15), 10**15), st.integers(0, 20)),
    st.text().map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from([value for values in ORDINARY.values() for value in values]),
    _documents(),
)
VALUES = st.one_of(st.binary(max_size=40), _MADE, _mutated(_MADE))


def _columns(*codecs: Codec | None, key: int = -1) -> list[DecodedColumn]:
    return [DecodedColumn(f"c{at}", codec, key=at == key) for at, codec in enumerate(codecs)]


def _decode(one: Codec, value: bytes, *, copied: bool = False) -> bytes | None:
    """Returns what the compiled decoder makes of a value, None if it leaves it to Python."""
    decoder = compiled.ordinary_decoder(_columns(one), copied=copied)
    members = _append(decoder, row("t", after=(value,), timestamp=0 if copied else TIMESTAMP))
    if members is None:
        return None
    assert members.startswith(b'"c0":')
    assert members.endswith(b",")
    return members[5:-1]


def _append(decoder: compiled.OrdinaryDecoder, event: VEvent) -> bytes | None:
    """Returns what the compiled decoder makes of the one row of an event, None if it leaves it to Python."""
    members: list[bytes] = []
    deleted: list[int] = []
    table = event.row_event.table_name.encode()
    taken = decoder.append([event.SerializeToString()], 0, table, b"-80", event.timestamp, members, deleted)
    assert deleted == []
    assert len(members) == taken
    return members[0] if taken else None


def _encode(one: Codec, value: bytes) -> bytes | None:
    try:
        return one.encode(value)
    except Altered:
        return None


@pytest.mark.parametrize("column_type", [*ORDINARY, *OTHERS])
@at_least(0.03)  # bit(1) has two values
@given(data=st.data())
def test_a_value_is_what_its_encoder_makes_of_it(column_type: str, data: st.DataObject) -> None:
    """For any bytes: the encoder's JSON, and nothing for a value that has no exact form."""
    one = codec(column_type)
    own = _own_values(column_type)
    value = data.draw(data.draw(st.sampled_from([VALUES, own, _mutated(own)])))

    got = _decode(one, value)

    if got is not None:
        reached()
    assert got == _encode(one, value)


@pytest.mark.parametrize("column_type", [*ORDINARY, *OTHERS])
def test_a_value_at_the_edge_is_what_its_encoder_makes_of_it(column_type: str) -> None:
    """The same for values that are almost of the type, or just so."""
    one = codec(column_type)

    assert {value: _decode(one, value) for value in EDGES} == {value: _encode(one, value) for value in EDGES}


@at_least(0.3)
@given(VALUES)
def test_a_copied_document_is_taken_as_it_is(value: bytes) -> None:
    """A JSON document in a copy is MySQL's own text, which nobody reads; it has to be UTF-8."""
    got = _decode(codec("json"), value, copied=True)

    if value and got is not None:
        reached()
        assert got == orjson.dumps(value.decode())
    else:
        assert got == _encode(codec("json"), value)


@pytest.mark.parametrize("collation", [8, 28, 54, 95], ids=["latin1", "gbk", "utf16", "cp932"])
@at_least(0.2)
@given(VALUES)
def test_text_of_other_character_sets_is_decoded_by_them(collation: int, value: bytes) -> None:
    """Text that is not in UTF-8 goes through its own character set."""
    one = codec("varchar(9)", collation)

    got = _decode(one, value)

    if got is not None:
        reached()
    assert got == _encode(one, value)


@pytest.mark.parametrize(
    ("column_type", "value"), [(name, value) for name, values in ORDINARY.items() for value in values]
)
def test_ordinary_values_need_no_python(column_type: str, value: bytes) -> None:
    """What tables are full of is decoded without a call of Python: else it would be slow, and nobody would notice."""

    def refuse(_value: bytes) -> bytes:
        raise Altered("Python was asked")

    assert _decode(replace(codec(column_type), encode=refuse), value) is not None


_LARGE = [b"%d" % (sign * number) for number in (2**63, 2**63 + 1, 2**64 - 1, 10**19 - 1, 10**19) for sign in (1, -1)]


@pytest.mark.parametrize("large", _LARGE)
@pytest.mark.parametrize("column_type", ["bigint unsigned", "decimal(20,0)"])
def test_the_first_large_integer_is_python_s(column_type: str, large: bytes) -> None:
    """Its encoder has to notice one; from then on a column of large integers is as fast as any."""
    one = codec(column_type)
    asked = []

    def encode(value: bytes) -> bytes:
        asked.append(value)
        return one.encode(value)

    decoder = compiled.ordinary_decoder(_columns(replace(one, encode=encode)), copied=False)

    for value in (b"5", b"9223372036854775807", b"00000000000000000005", large, large, b"7"):
        assert _append(decoder, row("t", after=(value,))) == b'"c0":%d,' % int(value)

    # Padding is a copy's, of a few columns; it says nothing of what the encoder knows.
    assert asked == [b"00000000000000000005", large]


@at_least(0.1)
@given(st.booleans().flatmap(lambda own: GENERATED["bigint unsigned"].map(str.encode) if own else VALUES))
def test_integers_as_text_are_what_their_encoder_makes_of_them(value: bytes) -> None:
    """BIGINT UNSIGNED as text, whatever the bytes: in quotes, and none of Python's where it is digits."""
    one = codec("bigint unsigned", bigint_unsigned_as="string")

    got = _decode(one, value)

    if got is not None:
        reached()
    assert got == _encode(one, value)
    if value.isdigit() and value[:1] != b"0":
        assert _decode(replace(one, encode=lambda _: b"asked"), value) == b'"%b"' % value


@pytest.mark.parametrize(
    "column_type", ["datetime(9)", "timestamp(14)", "time(255)", "decimal(300,299)", "binary(70000)"]
)
def test_a_type_that_mysql_does_not_have(column_type: str) -> None:
    """What a broken server may announce is left to Python."""
    one = codec(column_type)

    for value in (b"2026-11-23 01:02:03.456789012", b"01:02:03", b"1.5", b"x"):
        assert _decode(one, value) == _encode(one, value)


# --- rows and events ----------------------------------------------------------------------------------------------

COLUMNS = {"id": "bigint", "name": "varchar(9)", "born": "date", "odd": "blob", "left": "int not null"}
SELECTED = ("id", "name", "born", "odd")
FIELDS = field("t", COLUMNS, key=["id"])
ALL_FIELDS = [field(table, COLUMNS, key=["id"], shard=shard) for table in ("t", "u") for shard in ("-80", "80-")]


def _codec_of(told: object, labels: bool, charset: str | None) -> Codec:
    return codec_for(
        parse_column_type(told.column_type),  # type: ignore[attr-defined]
        collation_id=UTF8,
        options=TypeOptions(),
        enum_set_as_text=labels,
        charset=charset,
    )


def _read(responses: Sequence[Sequence[bytes]], key: tuple[str, ...] = ("id",)) -> list[Event | tuple[str, str]]:
    columns = tuple(Column(name, text, None, nullable=True) for name, text in COLUMNS.items())
    selected = {name: codec(COLUMNS[name]).json_schema for name in SELECTED}
    tables = {name: StreamedTable(Table(name, columns, key), selected) for name in ("t", "u")}
    reader = EventReader(tables, _codec_of, {"-80": "NOBLOB"})
    events = reader.read(Response(raw_pb2.VStreamResponse(events=events).SerializeToString()) for events in responses)
    read: list[Event | tuple[str, str]] = []
    # Errors are compared by what they say.
    try:
        for event in events:
            read.append((event.table, str(event.error)) if isinstance(event, TableFailed) else event)  # noqa: PERF401
    except ConnectorError as error:
        read.append(("", str(error)))
    return read


def _read_both(
    monkeypatch: pytest.MonkeyPatch, responses: Sequence[Sequence[bytes]], key: tuple[str, ...] = ("id",)
) -> list[Event | tuple[str, str]]:
    """Returns what is read, the same in Python and compiled, errors too."""
    read = {}
    for wanted in ("0", "1"):
        monkeypatch.setenv(compiled.VARIABLE, wanted)
        read[wanted] = _read(responses, key)
    expected, got = read["0"], read["1"]
    assert list(map(_comparable, got)) == list(map(_comparable, expected))
    return got


def _comparable(event: object) -> object:
    return event if isinstance(event, Rows) or _is_error(event) else type(event)


def _is_error(event: object) -> bool:
    """Tells what `_read` returns in an error's place from events, some of which are tuples, too."""
    return type(event) is tuple


CELLS = st.none() | st.sampled_from([b"1", b"-5", b"2024-02-29", b"2024-02-30", b"text", b"\xff", b"", b"z" * 200])
# Mostly whole: after a row that does not fit, a table's others are not read.
_WHOLE = st.tuples(CELLS, CELLS, CELLS, CELLS.map(lambda cell: cell or b"x"), st.just(b"0"))
_ODD: dict[int, st.SearchStrategy[tuple[bytes | None, ...]]] = {
    0: st.tuples(CELLS, CELLS),
    1: st.tuples(*[CELLS] * len(COLUMNS)),
    2: st.tuples(*[CELLS] * (len(COLUMNS) - 1), st.just(b"0")),
    3: st.tuples(*[CELLS] * (len(COLUMNS) + 1)),
}
IMAGES = st.integers(0, 60).flatmap(lambda number: _ODD.get(number, _WHOLE if number % 6 else st.none()))
BITS = st.integers(0, 60).flatmap(
    lambda number: st.none() if number else st.lists(st.booleans(), min_size=len(COLUMNS), max_size=len(COLUMNS))
)
CHANGES = st.builds(
    lambda before, after, given, partial: change(before, after, data_columns=given, json_partial_values=partial),
    IMAGES,
    IMAGES,
    BITS,
    BITS,
)
EVENTS = st.one_of(
    st.builds(
        lambda changes, table, shard, timestamp: row(table, *changes, shard=shard, timestamp=timestamp),
        st.lists(CHANGES, max_size=4),
        st.sampled_from(["t", "t", "t", "u", "v"]),
        st.sampled_from(["-80", "-80", "80-"]),
        st.sampled_from([TIMESTAMP, TIMESTAMP, TIMESTAMP, TIMESTAMP + 1, 0]),
    ),
    st.builds(lambda _: commit(), st.none()),
)


@pytest.mark.parametrize("key", [("id",), ("born", "id"), ()], ids=["key", "two keys", "no key"])
@at_least(0.05)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, max_size=10))
def test_events_are_read_as_in_python(
    monkeypatch: pytest.MonkeyPatch, key: tuple[str, ...], events: list[VEvent]
) -> None:
    """Inserts, updates, deletes, moved rows, partial images, rows that do not fit: events, batches and errors alike."""
    responses = [[event.SerializeToString() for event in (*ALL_FIELDS, vgtid({"-80": "MySQL56/x:1"}), *events)]]

    if any(isinstance(event, Rows) and event.members for event in _read_both(monkeypatch, responses, key)):
        reached()


@at_least(0.1)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    event=st.builds(lambda changes: row("t", *changes), st.lists(CHANGES, min_size=1, max_size=2)),
    at=st.integers(0, 400),
    cut=st.integers(0, 3),
    put=st.binary(max_size=3),
    as_long=st.booleans(),
)
def test_bytes_that_are_not_an_event(
    monkeypatch: pytest.MonkeyPatch, event: VEvent, at: int, cut: int, put: bytes, as_long: bool
) -> None:
    """Whatever bytes come where an event should be: the same as protobuf makes of them, and never another row."""
    good = row("t", after=(b"1", b"a", None, None, b"2")).SerializeToString()
    raw = event.SerializeToString()
    at %= len(raw) + 1
    # As many bytes as were cut leave the lengths around them true, so that protobuf takes most of these.
    broken = raw[:at] + put + raw[at + (len(put) if as_long else cut) :]

    read = _read_both(monkeypatch, [[FIELDS.SerializeToString(), good, broken, good]])

    if not any(_is_error(event) for event in read):
        reached()


NAMES = st.sampled_from([b"shop", b"", b"\xff", "ä".encode(), b"\xed\xa0\x80", b"a\0b"])
#: Members of a VEvent: of its messages and strings, and of what this program does not know.
MEMBERS = st.tuples(
    st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 99, 2**29 - 1]),
    st.binary(max_size=4) | NAMES,
)


def _member(number: int, content: bytes) -> bytes:
    tag, found = number << 3 | 2, bytearray()
    while tag > 0x7F:
        found.append(tag & 0x7F | 0x80)
        tag >>= 7
    return bytes([*found, tag, len(content)]) + content


@at_least(0.2)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(members=st.lists(MEMBERS, min_size=1, max_size=2), keyspace=NAMES, first=st.booleans(), inside=st.booleans())
def test_members_that_an_event_of_rows_seldom_has(
    monkeypatch: pytest.MonkeyPatch, members: list[tuple[int, bytes]], keyspace: bytes, first: bool, inside: bool
) -> None:
    """Strings that are not UTF-8, messages that are none, members of later versions: taken or refused alike."""
    plain = row("t", after=(b"1", b"a", None, None, b"2"))
    good = plain.SerializeToString()
    rows = _member(3, keyspace) + plain.row_event.SerializeToString() if inside else plain.row_event.SerializeToString()
    plain.ClearField("row_event")
    more = b"".join(_member(*member) for member in members)
    odd = (more if first else b"") + plain.SerializeToString() + _member(5, rows) + (b"" if first else more)

    read = _read_both(monkeypatch, [[FIELDS.SerializeToString(), good, odd, good]])

    if not any(_is_error(event) for event in read):
        reached()


def test_ordinary_events_need_no_python() -> None:
    """Inserts, updates, deletes and moved rows of a batch are all taken, up to the event of another."""
    decoder = compiled.ordinary_decoder(
        [DecodedColumn(name, codec(text), key=name == "id") for name, text in COLUMNS.items()], copied=False
    )
    first, second = (1, "n", "2024-02-29", b"x", 0), (2, None, None, b"", 0)
    changes = [change(None, first), change(first, first[:1] + second[1:]), change(first, second), change(second, None)]
    events = [row("t", *changes, change(None, first)), *(row("t", one) for one in changes), commit()]
    members: list[bytes] = []
    deleted: list[int] = []

    table, raw = events[0].row_event.table_name.encode(), [event.SerializeToString() for event in events]
    taken = decoder.append(raw, 0, table, b"-80", TIMESTAMP, members, deleted)

    ids = [json.loads(b"{" + one[:-1] + b"}")["id"] for one in members]
    assert (taken, ids, deleted) == (5, [1, 1, 1, 2, 2, 1, 1, 1, 1, 2, 2], [2, 4, 8, 10])


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ((1, b"a"), (1, b"b"), False),
        ((1, b"a"), (2, b"a"), True),
        ((1, b"a"), (None, b"a"), True),
        ((None, b"a"), (b"", b"a"), True),
        ((None, b"a"), (None, b"b"), False),
        ((12, b"a"), (1, b"2a"), True),
    ],
)
def test_a_row_has_moved_when_its_key_is_another(
    before: tuple[object, object], after: tuple[object, object], moved: bool
) -> None:
    """The image before comes as a deleted row if, and only if, a key column has another value; NULL is none of them."""
    columns = [DecodedColumn("id", codec("varchar(9)"), key=True), DecodedColumn("v", codec("varchar(9)"), key=False)]
    decoder = compiled.ordinary_decoder(columns, copied=False)
    event = row("t", change(before, after))  # type: ignore[arg-type]
    members: list[bytes] = []
    deleted: list[int] = []

    table = event.row_event.table_name.encode()

    assert decoder.append([event.SerializeToString()], 0, table, b"-80", TIMESTAMP, members, deleted) == 1
    assert (len(members), deleted) == ((2, [0]) if moved else (1, []))


_ROW = (1, "n", None, None, 0)


@pytest.mark.parametrize(
    "other",
    [
        row("u", after=_ROW),
        row("t", after=_ROW, shard="80-"),
        row("t", after=_ROW, timestamp=TIMESTAMP + 1),
        row("t", after=_ROW, timestamp=0),
        row("t", change(after=_ROW, data_columns=[True, False, True, True, True])),
        row("t", change(after=_ROW, json_partial_values=[True])),
        row("t", change(after=(*_ROW, 5))),
        row("t", change(after=_ROW[:4])),
        row("t", change(before=(1, None, None, None, None))),
        row("t", change(after=("x", *_ROW[1:]))),
        row("t", after=_ROW, internal=True),
        commit(),
    ],
    ids=[
        *("table", "shard", "time", "copy", "partial", "json", "longer", "shorter", "before", "odd", "internal"),
        "commit",
    ],
)
def test_an_event_that_is_not_ordinary_is_left(monkeypatch: pytest.MonkeyPatch, other: VEvent) -> None:
    """What belongs to another batch, is not whole or not of the form that was told is left to Python."""
    decoder = compiled.ordinary_decoder(
        [
            DecodedColumn(name, codec(text), key=name == "id", always_given=name == "left")
            for name, text in COLUMNS.items()
        ],
        copied=False,
    )
    plain = row("t", after=_ROW)
    raw = [event.SerializeToString() for event in (plain, plain, other, plain)]
    members: list[bytes] = []
    deleted: list[int] = []

    taken = decoder.append(raw, 0, plain.row_event.table_name.encode(), b"-80", TIMESTAMP, members, deleted)

    assert (taken, len(members), deleted) == (2, 2, [])
    _read_both(monkeypatch, [[*(event.SerializeToString() for event in ALL_FIELDS), *raw]])


@pytest.mark.parametrize(
    ("lengths", "values"),
    [
        (bytes([2]), b"1"),
        (bytes([2, 2, 2]), b"123"),
        (bytes([2, 4]), b"12"),
        (bytes([2, 2]), b"123"),
        (bytes([2, 0x80]), b"1"),
        (bytes([0x80] * 11 + [1, 2]), b"1"),
        (bytes([2, 5, 2]), b"1"),
        (bytes([2, 3]), b"1"),
        (bytes([0xFE, *[0xFF] * 8, 1, 2]), b"1"),
    ],
)
def test_a_row_that_does_not_add_up_is_left(lengths: bytes, values: bytes) -> None:
    """Lengths that do not fit the columns or the values never give a shifted row, nor bytes of elsewhere."""
    decoder = compiled.ordinary_decoder(_columns(codec("int"), codec("int")), copied=False)

    event = row("t", after=(b"1", b"2"))
    assert _append(decoder, event) is not None
    image = event.row_event.row_changes[0].after
    image.lengths, image.values = lengths, values

    assert _append(decoder, event) is None


def test_rows_before_an_odd_one_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event with an odd value among many is taken by Python as a whole, and no row comes twice or out of order."""
    plain = [change(after=(number, "n", "2024-02-29", None, 0)) for number in range(5)]
    odd = change(after=(9, "n", "2024-02-30", None, 0))
    events = [FIELDS, row("t", *plain), row("t", *plain, odd, *plain), row("t", *plain)]

    [_, rows] = _read_both(monkeypatch, [[event.SerializeToString() for event in events]])

    assert isinstance(rows, Rows)
    ids = [json.loads(b"{" + one[:-1] + b"}")["id"] for one in rows.members]
    assert ids == [0, 1, 2, 3, 4, *(0, 1, 2, 3, 4, 9, 0, 1, 2, 3, 4), 0, 1, 2, 3, 4]
    assert list(rows.altered) == [10]


def test_a_large_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of megabytes is decoded as any other, with every character escaped too."""
    values = ["x" * 3_000_000, '"' * 1_000_000, "€" * 1_000_000]
    events = [FIELDS, *(row("t", after=(number, value, None, value, 0)) for number, value in enumerate(values))]

    [_, rows] = _read_both(monkeypatch, [[event.SerializeToString() for event in events]])

    assert isinstance(rows, Rows)
    assert [json.loads(b"{" + one[:-1] + b"}")["name"] for one in rows.members] == values


def test_what_is_not_an_error_of_a_value_is_raised() -> None:
    """An interrupt while an encoder runs ends the reading."""

    def interrupt(_value: bytes) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _decode(Codec({}, interrupt), b"x")


def test_a_decoder_that_is_called_again_in_the_middle_of_a_row_raises() -> None:
    """An encoder cannot write into the row that it is part of: the call raises, and the row is as it was."""
    raised: list[str] = []

    def call_again(value: bytes) -> bytes:
        try:
            _append(decoder, event)
        except RuntimeError as error:
            raised.append(str(error))
        return value

    decoder = compiled.ordinary_decoder(_columns(codec("int"), Codec({}, call_again)), copied=False)
    event = row("t", after=(b"1", b"2"))

    for _ in range(2):
        assert _append(decoder, event) == b'"c0":1,"c1":2,'
    assert raised == ["the decoder is in the middle of a row"] * 2


@pytest.mark.parametrize(
    "column",
    [
        (b'"a":null,', 0, 0, None, False, False),
        (None, 0, 0, len, False, False),
        (b"null", 0, 0, len, False, False),
        ("a", 0, 0, len, False, False),
        (b'"a":null,', max(Kind) + 1, 0, len, False, False),
        (b'"a":null,', 0, -1, len, False, False),
        (b'"a":null,', 0, 65536, len, False, False),
        (b'"a":null,', 0, 0, len, False),
        "a",
    ],
)
def test_what_is_not_a_column_is_refused(column: object) -> None:
    """A decoder is made for columns that it can read, and no others."""
    module = import_module("source_vitess.rows._decoder")

    with pytest.raises((TypeError, ValueError)):
        module.Decoder((column,))
