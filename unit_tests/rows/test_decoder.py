"""The generated row decoder, against the plain one and against rows that do not add up."""

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


NUMBER = Codec({}, None)
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
def test_generated_and_plain_decoder_agree(row: list[tuple[Codec | None, bytes | None]]) -> None:
    """Whatever the lengths, the NULLs and the columns that are left out: both decoders give the same members."""
    decoder = RowDecoder([DecodedColumn(f"c{index} %s", codec, key=False) for index, (codec, _) in enumerate(row)])
    packed = pack([value for _, value in row])

    plain, changes = decoder.decode_altered(*packed)

    if changes:
        with pytest.raises(Altered):
            decoder.decode(*packed)
    else:
        assert decoder.decode(*packed) == plain
    expected = {
        f"c{index} %s": value.decode("latin-1") if value is not None and value != b"odd" else None
        for index, (codec, value) in enumerate(row)
        if codec
    }
    assert json.loads(b"{" + plain.rstrip(b",") + b"}") == expected


def test_altered_values_are_told_by_column() -> None:
    """A value without an exact form becomes null, the rest of the row stays, and the change is told."""
    decoder = RowDecoder([DecodedColumn("a", TEXT, key=False), DecodedColumn("b", NUMBER, key=False)])

    members, changes = decoder.decode_altered(*pack([b"odd", b"5"]))

    assert members == b'"a":null,"b":5,'
    assert changes == (FieldChange("a", "NULLED", "it is odd"),)


def test_the_key_is_the_raw_values() -> None:
    """Key columns give the key; without any, the whole row is."""
    row = pack([b"1", None, b"x"])

    assert RowDecoder(
        [DecodedColumn("a", None, key=True), DecodedColumn("b", None, key=False), DecodedColumn("c", None, key=True)]
    ).key(*row) == (b"1", b"x")
    assert RowDecoder([DecodedColumn(name, None, key=False) for name in "abc"]).key(*row) == (b"1", None, b"x")


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
        decoder.decode_altered(lengths, values)


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
