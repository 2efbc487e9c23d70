"""What a foreign error means: ordered rules from its text to one of ours. The tables of rules are at the edges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from source_vitess.errors import StreamError, VitessSourceError

# VTGate and MySQL append the statement that failed; one that resumes a copy holds key values of rows
# (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go).
_STATEMENT = re.compile(r"(during query: |Sql: \"|BindVars: ).*", re.DOTALL)
#: Characters of a server's text that go into a log line.
_DETAIL_LENGTH = 2000


@dataclass(frozen=True)
class Rule:
    """One kind of error.

    Attributes:
        pattern: A regular expression, searched in the error's text (`<code>: <message>`).
        example: Such a text as it was seen. The tests check that it meets this rule before any other.
        error: Our class. For a StreamError the pattern has a group `table`.
        message: What happened and what to do; `{name}` stands for the pattern's group of that name.
    """

    pattern: str
    example: str
    error: type[VitessSourceError]
    message: str

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE | re.DOTALL)

    def match(self, text: str) -> re.Match[str] | None:
        """Returns where the text is such an error, None if it is another."""
        return self._compiled.search(text)


def first_match(rules: Iterable[Rule], text: str) -> tuple[Rule, re.Match[str]] | None:
    """Returns the first rule that the text meets, None if it meets none."""
    for rule in rules:
        if match := rule.match(text):
            return rule, match
    return None


def build_error(rule: Rule, match: re.Match[str], text: str) -> VitessSourceError:
    """Returns our error for a text that meets the rule."""
    groups = {name: value or "" for name, value in match.groupdict().items()}
    message = rule.message.format_map(groups)
    if issubclass(rule.error, StreamError):
        return rule.error(groups["table"], message, detail=redact(text))
    return rule.error(message, detail=redact(text))


def redact(text: str) -> str:
    """Returns a server's text without statements, which can hold values of rows, and not too long for a log."""
    text = _STATEMENT.sub(r"\1…", text)
    return text if len(text) <= _DETAIL_LENGTH else text[:_DETAIL_LENGTH] + "…"
