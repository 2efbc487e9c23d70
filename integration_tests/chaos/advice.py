"""What the log of syncs advises, read as a user reads it.

A statement that changes stored values writes no rows, so a destination keeps old ones: that is no difference if, and
only if, the log has named table and column, and the user has not followed its advice yet. It is taken by its words: a
sentence that changes is to be changed here, too.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

_NAME = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_ALTERED = re.compile(
    rf"Table {_NAME} was altered in shard {_NAME} with [A-Z ]+, which may have changed values of "
    rf"(?:(its text columns)|column {_NAME})( and of columns that are computed from it)?"
)
_ONLINE = re.compile(rf"An online schema change of table {_NAME} ended in shard")
_UNCLEAR = re.compile(rf"A statement in shard {_NAME} names table {_NAME} and is not understood")
_ADDED = re.compile(rf"Column {_NAME} was added to table {_NAME} in shard {_NAME} after this sync began")
_UNREAD = "Columns that are not read, because the configured catalog does not have them: "
_TABLE = re.compile(rf"{_NAME} \(({_NAME}(?:, {_NAME})*)\)")


class Advice:
    """What was said of each stream since it was copied last.

    Attributes:
        columns: By table, columns of which values of before may be in the destination.
        texts: Tables of which the same goes for every text column.
        computed: Tables of which the same goes for columns that are computed.
        online: Tables of which the same goes for whatever an online schema change did.
        unread: By table, columns that the catalog did not have.
        unclear: Tables that were named by a statement that was not understood.
        told: How often what was said, in all.
    """

    def __init__(self) -> None:
        self.columns: defaultdict[str, set[str]] = defaultdict(set)
        self.texts: set[str] = set()
        self.computed: set[str] = set()
        self.online: set[str] = set()
        self.unread: defaultdict[str, set[str]] = defaultdict(set)
        self.unclear: set[str] = set()
        self.told: Counter[str] = Counter()

    def read(self, lines: Iterable[str]) -> None:
        """Reads lines of a log."""
        for line in lines:
            if match := _ALTERED.search(line):
                self.told["values that an ALTER may have changed"] += 1
                table = _name(match[1])
                if match[3]:
                    self.texts.add(table)
                else:
                    self.columns[table].add(_name(match[4]))
                if match[5]:
                    self.computed.add(table)
            elif match := _ONLINE.search(line):
                self.told["the end of an online schema change"] += 1
                self.online.add(_name(match[1]))
            elif match := _UNCLEAR.search(line):
                self.told["statements that were not understood"] += 1
                self.unclear.add(_name(match[2]))
            elif match := _ADDED.search(line):
                self.told["columns that were added during a sync"] += 1
                self.unread[_name(match[2])].add(_name(match[1]))
            elif _UNREAD in line:
                self.told["columns that are not read"] += 1
                for match in _TABLE.finditer(line.partition(_UNREAD)[2]):
                    self.unread[_name(match[1])] |= {_name(name) for name in re.findall(_NAME, match[2])}

    def tables(self) -> set[str]:
        """Returns the tables whose streams are to be refreshed."""
        return {*self.columns, *self.texts, *self.computed, *self.online, *self.unread, *self.unclear}

    def followed(self, table: str) -> None:
        """Notes that a stream was refreshed."""
        for by_table in (self.columns, self.unread):
            by_table.pop(table, None)
        for tables in (self.texts, self.computed, self.online, self.unclear):
            tables.discard(table)


def _name(written: str) -> str:
    return str(ast.literal_eval(written))
