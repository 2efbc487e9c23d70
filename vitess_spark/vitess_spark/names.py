"""Names of tables and columns in options, in backticks where they hold what would mean something else, as in SQL."""

from __future__ import annotations

import re

_QUOTED = r"`(?P<quoted>(?:[^`]|``)+)`"
_ONE = re.compile(rf"\s*(?:{_QUOTED}|(?P<plain>[^`\s](?:.*\S)?))\s*", re.DOTALL)
_FIRST = re.compile(rf"\s*(?:{_QUOTED}|(?P<plain>[^`,\s](?:[^,]*[^,\s])?))\s*(?P<end>,|\Z)")


def read_name(text: str) -> str:
    """Returns the name that a text is; a comma is a part of it.

    Raises:
        ValueError: It is none, or what begins with a backtick does not end with one.
    """
    found = _ONE.fullmatch(text)
    if found is None:
        raise ValueError(f"not a name: {text!r}")
    return _name(found)


def read_names(text: str) -> tuple[str, ...]:
    """Returns the names that a text has, with commas between them.

    Raises:
        ValueError: One is none, or what begins with a backtick does not end with one.
    """
    names: list[str] = []
    at = 0
    while found := _FIRST.match(text, at):
        names.append(_name(found))
        if not found["end"]:
            return tuple(names)
        at = found.end()
    raise ValueError(f"not names: {text!r}")


def written(name: str) -> str:
    """Returns a name as `read_names` reads it: in backticks if it needs them."""
    try:
        plain = read_names(name) == (name,)
    except ValueError:
        plain = False
    return name if plain else "`" + name.replace("`", "``") + "`"


def _name(found: re.Match[str]) -> str:
    return found["plain"] or found["quoted"].replace("``", "`")
