"""Columns by which a tablet still names a change's values although an earlier ALTER has removed them.

With --track-schema-versions a tablet notes new columns a moment after the statement, and several statements in quick
succession as one (go/vt/vttablet/tabletserver/schema/{tracker,historian}.go). Rows that come in between are read with
the columns of before: after a DROP their values come under the names of their neighbours, and VTGate reports nothing.
Sometimes that stays so until the next statement (docs/vstream-observations.md), so what was dropped is remembered from
one sync to the next, until the tablet has named other columns once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from source_vitess.replication.ddl_effects import column_changes, tables_replaced
from source_vitess.replication.state import dropped_by
from source_vitess.vstream.events import Fields

_Key = tuple[str, str]


class AnnouncedColumns:
    """Remembers what statements did to the columns of each shard's tables. One for all streams of a sync's changes.

    Args:
        unconfirmed: By shard and table, columns that earlier syncs saw dropped and have not seen gone, each with the
            statement's GTID, empty if it is not known. Kept up to date.
        present: By table that is read, the columns that it has now.
    """

    def __init__(self, unconfirmed: dict[_Key, Mapping[str, str]], present: Mapping[str, Iterable[str]]) -> None:
        self._unconfirmed = unconfirmed
        self._tables = frozenset(present)
        for shard, table in list(unconfirmed):
            # A column may have come again while the table was not followed.
            again = {name.lower() for name in present.get(table, ())}
            self._note((shard, table), _without(unconfirmed[shard, table], again))
        self._dropped: dict[_Key, Mapping[str, str]] = dict(unconfirmed)
        self._announced: dict[_Key, tuple[str, ...]] = {}
        self._replaced: set[_Key] = set()

    def changed(self, shard: str, statement: str, gtid: str) -> None:
        """Notes a statement that was carried out, and by which transaction."""
        if (changes := column_changes(statement)) is not None and changes.table in self._tables:
            table = changes.table
            # A name that is in a later statement may be that of another column by now.
            before = self._dropped.get((shard, table), {})
            now = {**before, **dict.fromkeys(changes.dropped, gtid)}
            self._dropped[shard, table] = _without(now, changes.mentioned)
            self._note((shard, table), self._dropped[shard, table])
            self._announced.pop((shard, table), None)
        for table in tables_replaced(statement):
            self._dropped.pop((shard, table), None)
            self._unconfirmed.pop((shard, table), None)
            self._replaced.add((shard, table))

    def read_again(self, shard: str, position: str) -> None:
        """Forgets what statements did in a shard whose changes are read again, from a position before them."""
        self._dropped = {
            key: dropped_by(names, position) if key[0] == shard else names for key, names in self._dropped.items()
        }
        self._announced = {key: names for key, names in self._announced.items() if key[0] != shard}
        self._replaced = {key for key in self._replaced if key[0] != shard}

    def _note(self, key: _Key, dropped: Mapping[str, str]) -> None:
        """Puts into the state what was dropped."""
        if dropped:
            self._unconfirmed[key] = dropped
        else:
            self._unconfirmed.pop(key, None)

    def are_stale(self, fields: Fields) -> bool:
        """Returns whether the columns are those of before a statement that this stream has come past."""
        key = fields.shard, fields.table
        names = fields.columns
        if not self._dropped.get(key, {}).keys().isdisjoint(map(str.lower, names)):
            return True
        before = self._announced.get(key, ())
        if key in self._replaced and not fields.exist and len(names) < len(before) and before[: len(names)] == names:
            # Fewer values than before, under the first names of before, and not all of these columns are there now.
            return True
        self._announced[key] = names
        self._unconfirmed.pop(key, None)
        self._replaced.discard(key)
        return False


def _without(dropped: Mapping[str, str], names: Iterable[str]) -> Mapping[str, str]:
    gone = frozenset(names)
    return {name: gtid for name, gtid in dropped.items() if name not in gone}
