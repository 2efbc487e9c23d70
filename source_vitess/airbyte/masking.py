"""Secrets in what is written: `****` instead.

A secret of fewer than eight characters is masked where it stands alone only, or a password `app` would make `****lied`
of `applied`. Longer ones are masked wherever their letters stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: Characters from which on a secret is no part of a word by chance.
LONG_SECRET = 8
_MASK = "****"

_long: tuple[str, ...] = ()
_short: re.Pattern[str] | None = None


def set_secrets(secrets: Iterable[str]) -> None:
    """Says what must not be written from now on, instead of what was said before."""
    global _long, _short
    # What contains another one goes first, or the rest of it would stay.
    found = sorted(filter(None, secrets), key=lambda secret: (-len(secret), secret))
    _long = tuple(secret for secret in found if len(secret) >= LONG_SECRET)
    short = [re.escape(secret) for secret in found if len(secret) < LONG_SECRET]
    _short = re.compile(rf"(?<!\w)(?:{'|'.join(short)})(?!\w)") if short else None


def long_secrets() -> list[str]:
    """Returns those that are masked wherever they stand, for the CDK, which knows no other way."""
    return [*_long]


def masked(text: str) -> str:
    """Returns a text without secrets."""
    for secret in _long:
        text = text.replace(secret, _MASK)
    return _short.sub(_MASK, text) if _short is not None else text


def flagged_secrets(schema: Any, value: Any) -> Iterator[str]:
    """Yields the texts of a configuration that its JSON schema flags as secret, of whatever form it is.

    Args:
        schema: The schema of the value, with Airbyte's `airbyte_secret`.
        value: The configuration or a part of it, not checked yet.
    """
    if not isinstance(schema, Mapping):
        return
    if schema.get("airbyte_secret") is True and value is not None:
        yield value if isinstance(value, str) else str(value)
    for option in schema.get("oneOf") or ():
        yield from flagged_secrets(option, value)
    if isinstance(value, Mapping):
        for name, part in (schema.get("properties") or {}).items():
            if name in value:
                yield from flagged_secrets(part, value[name])
