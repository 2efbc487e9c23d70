"""JSON documents, and what Vitess makes of them in the change stream."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.types.codec import Kind, Ordinary
from unit_tests.examples import at_least, reached
from unit_tests.types.encoding import BINARY, Outcome, codec, encoder, outcome, parse

_DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


def _text(wire: bytes) -> str:
    """Returns the text that a record holds."""
    text = parse(encoder("json", BINARY)(wire))
    assert isinstance(text, str)
    return text


@given(_DOCUMENTS)
def test_a_document_is_a_string_of_its_text(document: object) -> None:
    """The text is the server's, byte for byte."""
    wire = json.dumps(document, ensure_ascii=False)
    assert _text(wire.encode()) == wire


@pytest.mark.parametrize(
    "wire",
    [
        "18446744073709551615",
        "[1.10, 0.100000000000000000000000000000, 12345678901234567890.1234500000, 1e100]",
        "[" * 100 + "1" + "]" * 100,
        '"base64:type15:/wA="',
        '{"": {"": ""}}',
    ],
)
def test_nothing_is_rounded_or_reordered(wire: str) -> None:
    """Big integers, long decimals, deep nesting and binary values stay as they are."""
    assert _text(wire.encode()) == wire


def test_an_empty_document_is_null() -> None:
    """MySQL reads a document of no bytes as a JSON null; it is not an SQL NULL."""
    assert encoder("json", BINARY)(b"") == b'"null"'


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        # vitessio/vitess#20227; the first was seen on v24.
        (b'{"k": .10, "z": -0.0000001}', '{"k": 0.10, "z": -0.0000001}'),
        (b"[-.05, .5, 1.5, -1.5e-7]", "[-0.05, 0.5, 1.5, -1.5e-7]"),
        (b".5", "0.5"),
        (b'{"a.5": ".5", "b": .5}', '{"a.5": ".5", "b": 0.5}'),
        (b'["\\" .5", .5]', '["\\" .5", 0.5]'),
        # vitessio/vitess#19271: strings quoted by Go's rules.
        (rb'"\x01\x7f\a\v"', r'"\u0001\u007f\u0007\u000b"'),
        (rb'"\\x01 \x01"', r'"\\x01 \u0001"'),
        (rb'{"\x1a": "\U000e0001\u200b\n"}', '{"\\u001a": "\U000e0001\\u200b\\n"}'),
    ],
)
def test_what_vitess_breaks_without_loss_is_repaired(wire: bytes, text: str) -> None:
    """Leading zeros come back, strings are quoted by JSON's rules, and strings that only look so are left alone."""
    assert _text(wire) == text
    json.loads(text)


@pytest.mark.parametrize(
    "wire",
    [
        b'"base64:type15:/w=="]',
        b'"base64:type15:AQ==", 2]}',
        b'"base64:type16:AAU=", "z": 1}',
        b"[1, 2",
        b"NaN",
        b"[1] [2]",
        b'"\xff"',
        b'"\\ud800"',
        rb'"\Uffffffff"',
        b"[" * 5000,
        b'"' * 3,
    ],
)
def test_what_is_lost_is_null_and_told(wire: bytes) -> None:
    """A binary value in a document takes the text before it away; what is left is not passed off as the document."""
    result = outcome(encoder("json", BINARY), wire)
    assert result == Outcome(b"null", result.reason)
    assert result.reason


_TEXTS = st.recursive(
    st.sampled_from(["0", "-1.5", '"a"', "x", "null"]),
    lambda inner: st.lists(inner).map(lambda parts: f"[{', '.join(parts)}]"),
).map(str.encode)


@at_least(0.05)
@given(st.binary() | st.text(alphabet='"\\.x0-1,[]{}: aU').map(str.encode) | _TEXTS)
def test_any_bytes_are_a_document_or_told(wire: bytes) -> None:
    """Whatever comes, a record holds valid JSON text or null."""
    result = outcome(encoder("json", BINARY), wire)
    text = parse(result.json)
    if result.reason is None:
        reached()
        json.loads(text)
    else:
        assert text is None


@pytest.mark.timeout(20)
def test_hostile_documents_take_time_in_proportion() -> None:
    """A megabyte of open quotes and backslashes is refused at once."""
    for wire in (b'"\\' * 500_000, b'"' * 999_999, b"." * 1_000_000, b"-." * 500_000, b'[".' * 300_000):
        assert outcome(encoder("json", BINARY), wire).json == b"null"


def _with_length(value: bytes) -> bytes:
    """Writes a binary value as an old VTTablet does: MySQL's length of it, seven bits a byte, and its bytes."""
    length, prefix = len(value), b""
    while length >= 0x80:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    return b64encode(prefix + bytes([length]) + value)


@given(st.binary(max_size=300) | st.integers(0, 70_000).map(bytes))
def test_the_length_that_old_servers_send_is_taken_away(value: bytes) -> None:
    """What remains is what a new one sends."""
    encode = encoder("json", BINARY, length_in_binary_json=True)
    wire = b'"base64:type15:%b"' % _with_length(value)

    assert parse(encode(wire)) == f'"base64:type15:{b64encode(value).decode()}"'


@pytest.mark.parametrize(
    "wire",
    [
        '"base64:type15:AP8="',
        '"base64:type15:gICAgICAgICA"',
        '"base64:type15:gIA="',
        '"base64:type15:A"',
        '"base64:type15:"',
        '{"a": "base64:type15:AgD/"}',
        '"text"',
        "[1, 2]",
    ],
)
def test_what_is_not_its_length_stays(wire: str) -> None:
    """A tablet may be newer than its VTGate; and within a document an old server sends no such value."""
    assert parse(encoder("json", BINARY, length_in_binary_json=True)(wire.encode())) == wire


def test_a_new_server_sends_the_bytes_alone() -> None:
    """Bytes that begin with their number are kept."""
    assert _text(b'"base64:type15:AgD/"') == '"base64:type15:AgD/"'


def test_a_copy_has_no_length() -> None:
    """It is MySQL's own text, also of an old server."""
    copied = codec("json", BINARY, length_in_binary_json=True).encode_copied

    assert copied is not None
    assert parse(copied(b'"base64:type15:AgD/"')) == '"base64:type15:AgD/"'


def test_the_compiled_decoder_leaves_such_values_to_python() -> None:
    """It writes documents as they are."""
    assert codec("json", BINARY, length_in_binary_json=True).ordinary == Ordinary()
    assert codec("json", BINARY).ordinary == Ordinary(Kind.JSON)
