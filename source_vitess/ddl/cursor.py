"""A place in the tokens of a statement, and what a grammar takes from there."""

from __future__ import annotations

from collections.abc import Sequence

from source_vitess.ddl.statements import TableName
from source_vitess.ddl.tokens import Kind, Token


class NoGrammarError(ValueError):
    """The tokens are not what the grammar wants."""


class Cursor:
    """Goes over the tokens of one reading.

    What a method takes, it goes past.

    Args:
        tokens: All of the statement.
    """

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> Token | None:
        """Returns a token that comes, None past the end."""
        at = self.at + ahead
        return self.tokens[at] if 0 <= at < len(self.tokens) else None

    def word(self, ahead: int = 0) -> str:
        """Returns the keyword that comes, in upper case; empty if no bare word comes."""
        token = self.peek(ahead)
        return token.text.upper() if token is not None and token.kind is Kind.WORD else ""

    def sign(self, ahead: int = 0) -> str:
        """Returns the sign that comes; empty if none comes."""
        token = self.peek(ahead)
        return token.text if token is not None and token.kind is Kind.SIGN else ""

    def take(self, *words: str) -> bool:
        """Takes keywords if they all come."""
        if any(self.word(ahead) != word for ahead, word in enumerate(words)):
            return False
        self.at += len(words)
        return True

    def take_one(self, *words: str) -> str:
        """Takes one of some keywords and returns it; empty if none of them comes."""
        word = self.word()
        if word not in words:
            return ""
        self.at += 1
        return word

    def take_sign(self, sign: str) -> bool:
        """Takes a sign if it comes."""
        if self.sign() != sign:
            return False
        self.at += 1
        return True

    def expect(self, *words: str) -> None:
        """Takes keywords that must come."""
        if not self.take(*words):
            raise NoGrammarError

    def at_end(self) -> bool:
        """Tells whether the statement is over."""
        return self.peek() is None or self.sign() == ";"

    def string(self) -> str:
        """Takes a string; those that follow are part of it."""
        token = self.peek()
        if token is None or token.kind not in (Kind.STRING, Kind.DOUBLE):
            raise NoGrammarError
        self.at += 1
        text = token.text
        while (token := self.peek()) is not None and token.kind in (Kind.STRING, Kind.DOUBLE):
            self.at += 1
            text += token.text
        return text

    def is_string(self, ahead: int = 0) -> bool:
        """Tells whether a string comes, or what is one unless the mode was ANSI_QUOTES."""
        token = self.peek(ahead)
        return token is not None and token.kind in (Kind.STRING, Kind.DOUBLE)

    def name(self) -> str:
        """Takes a name. A string cannot stand there, so what is in double quotes was written under ANSI_QUOTES."""
        token = self.peek()
        if token is None or token.kind not in (Kind.WORD, Kind.NAME, Kind.DOUBLE) or not token.text:
            raise NoGrammarError
        self.at += 1
        return token.text

    def table(self) -> TableName:
        """Takes a table's name, with its database or without."""
        first = self.name()
        return TableName(self.name(), first) if self.take_sign(".") else TableName(first)

    def value(self) -> str:
        """Takes what follows an option: a word, a name, a string or a number."""
        if self.is_string():
            return self.string()
        value = self.name()
        while self.take_sign("."):
            value += "." + self.name()
        return value

    def brackets(self) -> None:
        """Takes a pair of brackets with all that is in it."""
        if not self.take_sign("("):
            raise NoGrammarError
        depth = 1
        while depth:
            if self.peek() is None:
                raise NoGrammarError
            depth += {"(": 1, ")": -1}.get(self.sign(), 0)
            self.at += 1

    def skip(self) -> None:
        """Goes to the next comma or closing bracket of this level, or to the end."""
        while not self.at_end() and self.sign() not in (",", ")"):
            if self.sign() == "(":
                self.brackets()
            else:
                self.at += 1

    def skip_all(self) -> None:
        """Goes to the end."""
        self.at = len(self.tokens)
