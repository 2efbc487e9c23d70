"""Certificates and keys, however a form has changed their line breaks."""

from __future__ import annotations

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from source_vitess.errors import ConfigError
from source_vitess.settings.pem import CERTIFICATE, PRIVATE_KEY, read_pem

CA = trustme.CA()
PEM = CA.cert_pem.bytes().decode()
KEY = CA.private_key_pem.bytes().decode()
TRADITIONAL = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"s3cret"),
    )
    .decode()
)


def message(text: str, kind: str = CERTIFICATE) -> str:
    """Returns the error message for a text that is wrong."""
    with pytest.raises(ConfigError) as caught:
        read_pem(text, "tls.ca_certificate", kind)
    return str(caught.value)


@pytest.mark.parametrize("kind", [CERTIFICATE, PRIVATE_KEY])
@pytest.mark.parametrize(
    "line_break", ["\n", "\r\n", " ", "  \n\n", "\\n", "\\r\\n", "\t", ""], ids=lambda text: repr(text)
)
def test_line_breaks_are_repaired(line_break: str, kind: str) -> None:
    """Spaces, escapes, or nothing in place of line breaks, and blanks around the text, change nothing."""
    text = PEM if kind == CERTIFICATE else KEY

    assert text == read_pem(f"  {text.strip().replace(chr(10), line_break)}\n ", "f", kind)


@pytest.mark.parametrize("line_break", ["\n", " ", "\\n"])
def test_headers_of_an_encrypted_key_survive(line_break: str) -> None:
    """A key that `openssl rsa -aes256` wrote is still one that its password opens."""
    repaired = read_pem(TRADITIONAL.replace("\n", line_break), "f", PRIVATE_KEY)

    serialization.load_pem_private_key(repaired.encode(), b"s3cret")


def test_only_the_blocks_count() -> None:
    """Text around certificates is left out, all certificates of a chain are kept, keys beside them are not."""
    both = f"Subject: x\n{PEM}junk {trustme.CA().cert_pem.bytes().decode()}{KEY}"

    assert read_pem(both, "f", CERTIFICATE).count("BEGIN CERTIFICATE") == 2
    assert "PRIVATE" not in read_pem(both, "f", CERTIFICATE)


def test_nothing_is_nothing() -> None:
    """An empty field is no certificate, and no error."""
    assert read_pem(" \n", "f", CERTIFICATE) == ""


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("/etc/ssl/ca.pem", CERTIFICATE, "not the name of a file"),
        (KEY, CERTIFICATE, "another kind (ec private key)" if "EC PRIVATE" in KEY else "another kind"),
        (PEM, PRIVATE_KEY, "another kind (certificate)"),
        (PEM.replace("MII", "?II", 1), CERTIFICATE, "is damaged"),
        (PEM[:-20], CERTIFICATE, "not the name of a file"),
        ("x" * 50_000, CERTIFICATE, "longer than"),
    ],
)
def test_mistakes_are_named(text: str, kind: str, words: str) -> None:
    """What is wrong is reported with the field's name, and nothing of the text."""
    assert words in message(text, kind)
    assert "tls.ca_certificate" in message(text, kind)
    assert text[30:60] not in message(text, kind) or len(text) < 60


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["-----BEGIN CERTIFICATE-----", "-----END X-----", "A" * 50, "\\n", " "]), max_size=900)
)
def test_hostile_text_ends_soon(pieces: list[str]) -> None:
    """A long text full of beginnings is answered; the pattern does not try again and again."""
    assert "tls.ca_certificate" in message("".join(["x", *pieces]))
