"""Which tables are offered as streams: patterns of names, as of SQL's LIKE.

`%` stands for any characters, `_` for one, and a backslash takes the meaning from the character behind it. Upper and
lower case differ, as in the names of tables themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from source_vitess.errors import ConfigError

#: What a pattern looks like: every backslash stands before a character, and it is no longer than an escaped name of 64
#: characters, twice.
FORM = re.compile(r"(?=.{1,256}\Z)(?:[^\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])+")

#: The same, for people.
EXPECTED = (
    'patterns of names such as "order%" (on one line, of at most 256 characters, each backslash before the character '
    "that it takes the meaning from)"
)

_ANY = "%"
_ONE = "_"


def choose_tables(patterns: Sequence[str], names: Iterable[str]) -> tuple[str, ...]:
    """Returns the names that match one of the patterns, in their order; all without a pattern.

    Args:
        patterns: As the field table_patterns has them.
        names: The tables that can be read.

    Raises:
        ConfigError: A pattern matches no table.
    """
    tables = tuple(names)
    if not patterns:
        return tables
    chosen: set[str] = set()
    for pattern in patterns:
        parts = _parse(pattern)
        texts = _texts(parts)
        # Few names have a pattern's texts in them, and only these are compared character by character.
        matching = {name for name in tables if all(text in name for text in texts) and _match(parts, name)}
        if not matching:
            raise ConfigError(
                f"The field table_patterns has the pattern {pattern!r}, which none of the {len(tables)} tables matches "
                "that can be read (upper and lower case differ; views and sequences are not streams). Correct it, or "
                "remove it."
            )
        chosen |= matching
    return tuple(name for name in tables if name in chosen)


def matches(pattern: str, name: str) -> bool:
    """Tells whether a name matches a pattern. Takes at most as many steps as both have characters, multiplied."""
    return _match(_parse(pattern), name)


def _match(parts: Sequence[tuple[str, bool]], name: str) -> bool:
    at = part = 0
    # Where the last % stands, and how much of the name it takes.
    last_any = taken = -1
    while at < len(name):
        if part < len(parts) and parts[part] == (_ANY, True):
            last_any, taken = part, at
            part += 1
        elif part < len(parts) and (parts[part] == (_ONE, True) or parts[part] == (name[at], False)):
            at, part = at + 1, part + 1
        elif last_any >= 0:
            taken += 1
            at, part = taken, last_any + 1
        else:
            return False
    return all(left == (_ANY, True) for left in parts[part:])


def _texts(parts: Sequence[tuple[str, bool]]) -> list[str]:
    """Returns the texts between wildcards, which a name that matches has, too; the longest first."""
    runs = ["".join(part for part, _ in run) for is_wild, run in groupby(parts, lambda part: part[1]) if not is_wild]
    return sorted(runs, key=len, reverse=True)


def _parse(pattern: str) -> list[tuple[str, bool]]:
    """Returns the characters of a pattern, each with whether it is a wildcard."""
    return [
        (found[1], False) if found[1] else (found[0], found[0] in (_ANY, _ONE))
        for found in re.finditer(r"\\(.)|.", pattern, re.DOTALL)
    ]
