"""What a foreign error means: ordered rules from its text to one of ours. The tables of rules are at the edges."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from source_vitess.errors import ConnectorError, ShardError, StreamError

#: Where a server's text quotes what may hold values of rows, and what is put in its place. Group 1 is kept.
_VALUES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kept)
    for pattern, kept in (
        # VTGate and MySQL append the statement that failed; one that resumes a copy holds key values of rows
        # (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go).
        (r"(during query: |Sql: \"|BindVars: ).*", r"\1…"),
        # Events, whole (vstreamer.go: `%+v` of a VEvent, `%q` of a statement).
        (r"(error sending event: |found for event: |in row-based replication: \"(?:XA \w+)?).*", r"\1…"),
        # Go's own form of a structure (vstreamer.go: `%#v` of a binlog event).
        (r"(&?\bmysql\.\w+\{)(?:.*\}|.*)", r"\1…}"),
        # Rows in a lastpk, which VTGate repeats with the position (vstream_manager.go).
        (r"\b(values:)\"(?:\\.|[^\"\\])*\"?", r'\1"…"'),
        # Go's form of a value (go/sqltypes/value.go), of a number that is none (strconv), of bytes (rbr.go).
        (r"\b([A-Z]+[0-9]*\()(?:\"(?:\\.|[^\"\\])*\"?|[^)\" ]*)(?:\)|$)", r"\1…)"),
        (r"\b(parsing )\"(?:\\.|[^\"\\])*\"?", r'\1"…"'),
        (r"\b((?:data|elements?|bytes)\b[^\w\[]{1,2})(?:\[[^\]]*\]?|[01]+\b)", r"\1[…]"),
        (r"(integer value: )\d+", r"\1…"),
        # MySQL's errors 1062, 1292, 1366, 1690 and their like.
        (r"((?:Duplicate entry|\bvalue:|out of range in) )'(?:.*'|.*)", r"\1'…'"),
    )
)
#: Characters of a server's text that are looked at. What is cut off in the middle of a value is taken for all of it.
_READ_LENGTH = 20_000
#: Characters of a server's text that go into a log line.
_DETAIL_LENGTH = 2000
#: And into the message that the user reads.
_SHOWN_LENGTH = 400
# What VTGate puts before the words of a tablet, and gRPC before those of a server: the target, the shard, the position.
_WRAPPING = re.compile(
    r"; giving up: |\bon tablet [\w-]+: |: vttablet: |"
    r"\bshard GTID [^:]*:\"[^\"]*\"(?: \w+:\"[^\"]*\")*(?: table_p_ks:\S*)*: "
)
_CODE = re.compile(r"(?:rpc error: )?code = [\w()]+ desc = ")


@dataclass(frozen=True)
class Rule:
    """One kind of error.

    Attributes:
        pattern: A regular expression, searched in the error's text (`<code>: <message>`).
        example: Such a text as it was seen. The tests check that it meets this rule before any other.
        error: Our class. For a StreamError the pattern has a group `table`, for a ShardError a group `shard`.
        message: What happened and what to do; `{name}` stands for the pattern's group of that name.
    """

    pattern: str
    example: str
    error: type[ConnectorError]
    message: str

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE | re.DOTALL)

    def match(self, text: str) -> re.Match[str] | None:
        """Returns where the text is such an error, None if it is another."""
        return self._expression.search(text)


def first_match(rules: Iterable[Rule], text: str) -> tuple[Rule, re.Match[str]] | None:
    """Returns the first rule that the text meets, None if it meets none."""
    for rule in rules:
        if match := rule.match(text):
            return rule, match
    return None


def build_error(rule: Rule, match: re.Match[str], text: str) -> ConnectorError:
    """Returns our error for a text that meets the rule."""
    groups = {name: value or "" for name, value in match.groupdict().items()}
    message = rule.message.format_map({name: _shorten(value, _SHOWN_LENGTH) for name, value in groups.items()})
    if issubclass(rule.error, StreamError):
        return rule.error(groups["table"], message, detail=redact(text))
    if issubclass(rule.error, ShardError):
        return rule.error(groups["shard"], message, detail=redact(text))
    return rule.error(message, detail=redact(text))


def redact(text: str) -> str:
    """Returns a server's text without statements and all else that can hold values of rows, not too long for a log."""
    return _shorten(_mask(text), _DETAIL_LENGTH)


def with_words(message: str, text: str) -> str:
    """Returns a message with a server's own words at its end, masked as `redact` does, if it has any.

    Args:
        message: What is known: a sentence.
        text: The server's text, without its code.
    """
    own = _WRAPPING.split(_mask(text))[-1]
    words = " ".join(_CODE.sub("", own).split()).rstrip(".")
    return f"{message} In its own words: {_shorten(words, _SHOWN_LENGTH)}." if words else message


def _mask(text: str) -> str:
    text = _shorten(text, _READ_LENGTH)
    for pattern, kept in _VALUES:
        text = pattern.sub(kept, text)
    return text


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"
