"""Values of records as SQL literals, exact or refused.

- A session that runs these has NO_BACKSLASH_ESCAPES: a quote is doubled, and every other character is itself.
- An encoder takes a parsed JSON value and returns SQL text, `NULL` for null.
- Numbers are checked to be numbers, because they stand in the SQL without quotes.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Encoder = Callable[[Any], str]

NULL = "NULL"


class UnfitValueError(Exception):
    """A value is not what its column holds. The text names what was expected, never the value."""


def quote(text: str) -> str:
    """Returns a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def integer(value: Any) -> str:
    """A whole number, of any length; booleans are 0 and 1."""
    if type(value) is int:
        return str(value)
    if value is None:
        return NULL
    if isinstance(value, bool):
        return "1" if value else "0"
    # A float holds whole numbers exactly up to 2^53; beyond, the digits are lost already.
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return str(int(value))
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return format(value, "f")
    raise UnfitValueError("a whole number")


def number(value: Any) -> str:
    """A number, exact if it was parsed so."""
    if value is None:
        return NULL
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, int):
        return integer(value)
    raise UnfitValueError("a number")


def floating(value: Any) -> str:
    """A float, always with an exponent, so that -0 and large values are no integer literals."""
    if value is None:
        return NULL
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnfitValueError("a number")
    text = number(value)
    return text if "e" in text else text + "e0"


def single(value: Any) -> str:
    """A float32, as the float64 that is equal to it: MySQL refuses the shortest text of the largest one."""
    text = floating(value)
    if text == NULL:
        return NULL
    try:
        return floating(struct.unpack("<f", struct.pack("<f", float(text)))[0])
    except OverflowError:
        raise UnfitValueError("a float of 32 bits") from None


def compared_single(value: Any) -> str:
    """A float32 to compare a column with; compared as a double it would equal nothing."""
    return f"CAST({single(value)} AS FLOAT)"


def number_text(value: Any) -> str:
    """A number in a text column, digit by digit."""
    return NULL if value is None else "'" + number(value) + "'"


def text(value: Any) -> str:
    """A text."""
    if type(value) is str:
        return "'" + value.replace("'", "''") + "'"
    if value is None:
        return NULL
    raise UnfitValueError("text")


def timestamp(value: Any) -> str:
    """A time in UTC: what ends in Z, which MySQL does not know."""
    if type(value) is str:
        return quote(value[:-1] + "+00:00" if value.endswith("Z") else value)
    return text(value)


def base64_bytes(value: Any) -> str:
    """Bytes, written in base64."""
    if value is None:
        return NULL
    try:
        return "x'" + base64.b64decode(value, validate=True).hex() + "'"
    except (TypeError, ValueError, binascii.Error):
        raise UnfitValueError("base64") from None


def vector(value: Any) -> str:
    """A list of float32."""
    if value is None:
        return NULL
    try:
        return "x'" + struct.pack(f"<{len(value)}f", *value).hex() + "'"
    except (TypeError, struct.error, OverflowError):
        raise UnfitValueError("a list of numbers") from None


def any_json(value: Any) -> str:
    """Any JSON value, in a column of the type JSON."""
    return NULL if value is None else quote(json.dumps(value, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise UnfitValueError("JSON")


#: Of encoders, what they return for a usual value `v`, and when it is one: an expression of Python without its `else`.
INLINE: Mapping[Encoder, str] = {
    integer: "v if type(v) is int",
    number: "repr(v) if type(v) is float and abs(v) < 1e300",
    # Between these, repr writes no exponent.
    floating: "f'{v!r}e0' if type(v) is float and 1e-3 < abs(v) < 1e15",
    text: """f"'{v}'" if type(v) is str and "'" not in v""",
    timestamp: """f"'{v[:-1]}+00:00'" if type(v) is str and v[-1:] == 'Z' and "'" not in v""",
}
