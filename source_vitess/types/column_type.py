"""MySQL's text for a column's type, parsed: `decimal(10,2) unsigned`, `enum('a','it''s')`, `vector(3)`.

- The text is `COLUMN_TYPE` of information_schema, which VStream's FIELD events repeat word for word.
- Parsing never fails. A text of an unknown form keeps its first word as the name, and the registry decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_FORM = re.compile(r"\s*(?P<name>[^\s(]*)\s*(?:\((?P<arguments>.*)\))?(?P<attributes>[^()]*)", re.DOTALL)
# No type has a larger argument than VARCHAR(65535); what is longer is not taken for one.
_NUMBER = re.compile(r"\s*([0-9]{1,5})\s*")
_MEMBER = re.compile(r"\s*'((?:[^'\\]|''|\\.)*)'\s*(?:,|\Z)", re.DOTALL)

# MySQL writes labels through append_unescaped() (sql/sql_show.cc), in every SQL mode: a quote is doubled, and these
# stand behind a backslash. Any other character is itself.
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_UNESCAPED = {"n": "\n", "r": "\r", "0": "\0"}


@dataclass(frozen=True)
class ColumnType:
    """A column's type.

    Attributes:
        name: MySQL's word for it in lower case, such as `decimal`, `enum` or `geomcollection`.
        arguments: The numbers in brackets: length, precision and scale, fraction digits, dimensions.
        members: The labels of ENUM and SET, unquoted, in order.
        unsigned: UNSIGNED is part of the type.
        zerofill: ZEROFILL is part of the type.
    """

    name: str
    arguments: tuple[int, ...] = ()
    members: tuple[str, ...] = ()
    unsigned: bool = False
    zerofill: bool = False

    def argument(self, index: int, default: int) -> int:
        """Returns one of the numbers in brackets, or what MySQL takes when it is left out."""
        return self.arguments[index] if index < len(self.arguments) else default


# Tables by the thousand have the same few types; a text of many labels is the largest, at some 100 KB.
@lru_cache(maxsize=256)
def parse_column_type(text: str) -> ColumnType:
    """Parses MySQL's text for a type. Never fails."""
    form = _FORM.fullmatch(text)
    if form is None:
        return ColumnType(name=text.partition("(")[0].strip().lower())
    name = form["name"].lower()
    arguments = form["arguments"] or ""
    attributes = form["attributes"].lower().split()
    has_members = name in ("enum", "set")
    return ColumnType(
        name=name,
        arguments=() if has_members else _parse_numbers(arguments),
        members=_parse_members(arguments) if has_members else (),
        unsigned="unsigned" in attributes,
        zerofill="zerofill" in attributes,
    )


def _parse_numbers(text: str) -> tuple[int, ...]:
    numbers = [_NUMBER.fullmatch(part) for part in text.split(",")]
    return tuple(int(number[1]) for number in numbers if number)


def _parse_members(text: str) -> tuple[str, ...]:
    members: list[str] = []
    at = 0
    while member := _MEMBER.match(text, at):
        members.append(_ESCAPED.sub(_unescape, member[1]))
        at = member.end()
    return tuple(members) if at == len(text) else ()


def _unescape(escaped: re.Match[str]) -> str:
    character: str | None = escaped[1]
    return "'" if character is None else _UNESCAPED.get(character, character)
