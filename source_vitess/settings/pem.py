r"""Certificates and keys as people paste them into a form.

Forms and environment variables change line breaks: to spaces, to the two characters `\n`, to nothing. What stands
between the BEGIN and END lines is base64, so the lines can be put together again. Text around the blocks, as
`openssl x509 -text` writes it, is left out.
"""

from __future__ import annotations

import base64
import binascii
import re
import textwrap

from source_vitess.errors import ConfigError

#: Far more than any chain of certificates, and less than what fits into a pipe.
_LONGEST = 48_000

_BLOCK = re.compile(r"-----BEGIN\s+(?P<label>[A-Z0-9 ]+?)\s*-----(?P<body>.*?)-----END\s+(?P=label)\s*-----", re.DOTALL)
# RFC 1421 headers of a traditional key that has a password, such as `openssl rsa -aes128` writes.
_HEADERS = re.compile(r"\s*Proc-Type:\s*(?P<kind>4,\s*ENCRYPTED)\s+DEK-Info:\s*(?P<cipher>[A-Za-z0-9-]+,[0-9A-Fa-f]+)")
_ESCAPED_BREAK = re.compile(r"\\r\\n|\\n|\\r")

CERTIFICATE = "CERTIFICATE"
PRIVATE_KEY = "PRIVATE KEY"


def read_pem(text: str, field: str, kind: str) -> str:
    """Returns the PEM blocks of a text in their proper form, empty for an empty text.

    Args:
        text: What was pasted.
        field: Its field, for messages.
        kind: CERTIFICATE or PRIVATE_KEY, which stands for all kinds of private keys.

    Raises:
        ConfigError: There is no such block in it. The message shows nothing of the text.
    """
    if not text.strip():
        return ""
    if len(text) > _LONGEST:
        raise ConfigError(f"The field {field} is longer than {_LONGEST} characters.")
    blocks = [
        (" ".join(match["label"].split()), match["body"]) for match in _BLOCK.finditer(_ESCAPED_BREAK.sub("\n", text))
    ]
    wanted = [_block(label, body, field) for label, body in blocks if label.endswith(kind)]
    if wanted:
        return "".join(wanted)
    article = "a certificate" if kind == CERTIFICATE else "a private key"
    if blocks:
        found = " and ".join(sorted({label.lower() for label, _ in blocks}))
        raise ConfigError(f"The field {field} must hold {article}; it holds a PEM block of another kind ({found}).")
    raise ConfigError(
        f"The field {field} does not hold {article} in PEM form. Paste the whole text, from -----BEGIN to the end of "
        "the -----END line, and not the name of a file."
    )


def _block(label: str, body: str, field: str) -> str:
    headers = ""
    if match := _HEADERS.match(body):
        headers = f"Proc-Type: 4,ENCRYPTED\nDEK-Info: {match['cipher']}\n\n"
        body = body[match.end() :]
    packed = "".join(body.split())
    try:
        base64.b64decode(packed, validate=True)
    except binascii.Error:
        raise ConfigError(
            f"The field {field} is damaged: between -----BEGIN and -----END stands something else than base64."
        ) from None
    lines = "\n".join(textwrap.wrap(packed, 64))
    return f"-----BEGIN {label}-----\n{headers}{lines}\n-----END {label}-----\n"
