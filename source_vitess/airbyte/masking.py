"""Secrets in what is written: `****` instead.

The CDK replaces a secret wherever its letters stand, so that a password `app` makes `****lied` of `applied`. A secret
of fewer than eight characters is masked where it stands alone only, by this package; longer ones everywhere, by the
CDK, whose own log lines then have them masked too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets

#: Characters from which on a secret is no part of a word by chance.
LONG_SECRET = 8
_MASK = "****"

_short: re.Pattern[str] | None = None


def set_secrets(secrets: Iterable[str]) -> None:
    """Says what must not be written from now on, instead of what was said before."""
    global _short
    found = [secret for secret in secrets if secret]
    short = sorted((secret for secret in found if len(secret) < LONG_SECRET), key=len, reverse=True)
    update_secrets([secret for secret in found if len(secret) >= LONG_SECRET])
    _short = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, short))})(?!\w)") if short else None


def masked(text: str) -> str:
    """Returns a text without secrets."""
    text = str(filter_secrets(text))
    return _short.sub(_MASK, text) if _short is not None else text
