"""The decoder in Python: rows of any form, odd values, and rows that do not add up."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.errors import MisfitError
from source_vitess.rows.columns import DecodedColumn, FieldChange
from source_vitess.rows.decoder import RowDecoder, unpack_lengths
from source_vitess.types.codec import Altered, Codec


def _text(value: bytes) -> bytes:
    if value == b"odd":
        raise Altered("it is odd")
    return json.dumps(value.decode("latin-1")).encode()


NUMBER = Codec({}, lambda value: value)
TEXT = Codec({}, _text)


def pack(values: list[bytes | None]) -> tuple[bytes, bytes]:
    """Writes a row as VTGate does: zigzag varints and the values end to end."""
    lengths = bytearray()
    for value in values:
        number = 1 if value is None else len(value) << 1
        while number > 0x7F:
            lengths.append(number & 0x7F | 0x80)
            number >>= 7
        lengths.append(number)
    return bytes(lengths), b"".join(value or b"" for value in values)


rows = st.lists(
    st.tuples(st.sampled_from([TEXT, None]), st.one_of(st.none(), st.binary(max_size=200))), min_size=1, max_size=12
)


@given(rows)
def test_a_row_is_decoded_column_by_column(row: list[tuple[Codec | None, bytes | None]]) -> None:
    """Whatever the lengths, the NULLs, the odd values and the columns that are left out."""
    decoder = RowDecoder([DecodedColumn(f"c{index} %s", codec, key=False) for index, (codec, _) in enumerate(row)])

    members, changes = decoder.decode(*pack([value for _, value in row]))

    emitted = {f"c{index} %s": value for index, (codec, value) in enumerate(row) if codec}
    assert json.loads(b"{" + members.rstrip(b",") + b"}") == {
        name: value.decode("latin-1") if value is not None and value != b"odd" else None
        for name, value in emitted.items()
    }
    assert [change.field for change in changes] == [name for name, value in emitted.items() if value == b"odd"]


def test_altered_values_are_reported_by_column() -> None:
    """A value without an exact form becomes null, the rest of the row stays, and the change is reported."""
    decoder = RowDecoder([DecodedColumn("a", TEXT, key=False), DecodedColumn("b", NUMBER, key=False)])

    members, changes = decoder.decode(*pack([b"odd", b"5"]))

    assert members == b'"a":null,"b":5,'
    assert changes == (FieldChange("a", "NULLED", "it is odd"),)


def test_the_rows_of_a_copy_have_an_encoder_of_their_own() -> None:
    """Where a type says so; the other types are encoded as in the change stream."""
    codecs = [Codec({}, lambda value: value, encode_copied=lambda _: b"0"), NUMBER]
    decoder = RowDecoder([DecodedColumn(f"c{index}", codec, key=False) for index, codec in enumerate(codecs)])
    row = pack([b"1", b"2"])

    assert decoder.decode(*row) == (b'"c0":1,"c1":2,', ())
    assert decoder.for_copy.decode(*row) == (b'"c0":0,"c1":2,', ())


def test_the_key_is_the_raw_values() -> None:
    """The values of key columns give the key, in their order, NULL among them."""
    row = pack([b"1", None, b"x", None])
    keys = [True, False, True, True]

    decoder = RowDecoder([DecodedColumn(name, None, key=key) for name, key in zip("abcd", keys, strict=True)])

    assert decoder.key(*row) == [b"1", b"x", None]


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
    ],
)
def test_a_row_that_does_not_add_up_is_refused(lengths: bytes, values: bytes) -> None:
    """Lengths that do not fit the columns or the values are an error, never a shifted row."""
    decoder = RowDecoder([DecodedColumn("a", NUMBER, key=False), DecodedColumn("b", NUMBER, key=False)])

    with pytest.raises(MisfitError):
        decoder.decode(lengths, values)
    with pytest.raises(MisfitError):
        decoder.key(lengths, values)


@given(st.lists(st.integers(-1, 2**40)))
def test_lengths_round_trip(lengths: list[int]) -> None:
    """Lengths of any size are read back."""
    packed = bytearray()
    for length in lengths:
        number = (length << 1) ^ (length >> 63)
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)

    assert unpack_lengths(bytes(packed)) == lengths
