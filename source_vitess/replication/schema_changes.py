"""What follows from the statements of the change stream for the tables that are followed.

- A statement that removes rows without row events ends its stream, as does one that shows that rows were read under
  wrong names of columns.
- What goes for rows goes for statements: one that the copy position contains is no news.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial

from source_vitess.errors import SchemaMismatchError, StreamError
from source_vitess.position.gtid import GtidSet
from source_vitess.replication.context import SyncContext
from source_vitess.replication.ddl_effects import (
    ColumnChanges,
    charsets_named,
    column_changes,
    not_understood,
    rows_gone,
    shadows_swapped,
)
from source_vitess.replication.exclusions import Exclusions
from source_vitess.replication.filtered_rows import misfit, renamed, rewritten
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.new_columns import NewColumns
from source_vitess.replication.rewritten_values import RewrittenValues
from source_vitess.replication.settings import SelectedStream
from source_vitess.replication.stale_columns import AnnouncedColumns
from source_vitess.replication.table_state import FOLLOWED, Copying
from source_vitess.vstream.events import Ddl, Fields


class SchemaChanges:
    """Carries out the statements of a sync's changes. One for all of its streams.

    Args:
        context: The sync.
        streams: The streams that may take part, by table.
        exclusions: Which transactions are left out.
    """

    def __init__(self, context: SyncContext, streams: Mapping[str, SelectedStream], exclusions: Exclusions) -> None:
        self._context = context
        self._state = context.state
        self._streams = streams
        self._exclusions = exclusions
        tables = {name: stream.streamed for name, stream in streams.items()}
        self._announced = AnnouncedColumns(
            self._state.dropped_columns, {name: streamed.table.columns_by_name for name, streamed in tables.items()}
        )
        self._rewritten = RewrittenValues(tables, self._state.dropped_columns)
        self._new_columns = NewColumns(tables)
        # By shard and table: the columns announced since one was added, without those that were dropped since.
        self._columns: dict[tuple[str, str], tuple[str, ...]] = {}
        self._unclear: set[str] = set()

    def stream_ended(self) -> None:
        """Forgets which columns were announced: another stream announces them again."""
        self._columns.clear()

    def read_again(self, shard: str, position: str) -> None:
        """Forgets what statements did in a shard whose changes are read again, from a position before them."""
        self._announced.read_again(shard, position)

    def check_columns(self, fields: Fields) -> SchemaMismatchError | None:
        """Takes note of a table's columns, and returns what is wrong with them."""
        if self._announced.are_stale(fields):
            return _stale_columns(fields.shard, fields.table)
        if (stream := self._streams.get(fields.table)) is not None and (wrong := misfit(stream, fields)) is not None:
            return wrong
        self._columns[fields.shard, fields.table] = fields.columns
        return None

    def carry_out(self, event: Ddl, transaction: GtidSet | None) -> Iterator[Message]:
        """Carries out a statement, and yields what to report of it.

        Args:
            event: The statement.
            transaction: The transaction that it is of, as far as that is known.
        """
        shard, statement = event.shard, event.statement

        def is_news(table: str) -> bool:
            return self._is_news(table, shard, transaction)

        yield from self._rows_gone(event, transaction)
        yield from self._charset_changed(event, transaction)
        self._restart_copies(statement)
        self._announced.changed(shard, statement, str(transaction or ""))
        if (changes := column_changes(statement)) is not None:
            yield from self._condition_lost(changes.table, is_news, partial(renamed, shard, changes))
            yield from self._columns_added(shard, transaction, changes)
            if isinstance(self._state.tables.get(changes.table), FOLLOWED):
                for text in self._new_columns.added(shard, changes):
                    yield Log(text, warning=True)
        for change in self._rewritten.changed(shard, statement, is_news):
            lost = yield from self._condition_lost(change.table, is_news, partial(rewritten, shard, change))
            if not lost:
                yield Log(change.text, warning=True)
        yield from self._not_understood(event, transaction)

    def _is_news(self, table: str, shard: str, transaction: GtidSet | None) -> bool:
        is_followed = isinstance(self._state.tables.get(table), FOLLOWED)
        return is_followed and not self._exclusions.exclude(table, shard, transaction)

    def _rows_gone(self, event: Ddl, transaction: GtidSet | None) -> Iterator[Message]:
        """Ends the streams of which a statement removes rows."""
        for gone in rows_gone(event.statement):
            name = gone.table
            if not self._is_news(name, event.shard, transaction):
                continue
            what = f"Table {name!r} was {gone.how} in shard {event.shard!r}, which removes rows without row events."
            if self._context.settings.ignore_removed_rows and not gone.replaced:
                yield Log(f"{what} They stay in the destination, as configured.", warning=True)
            else:
                remedy = "Refresh this stream and choose to remove its old records."
                yield self._context.give_up(StreamError(name, f"{what} {remedy}"))

    def _condition_lost(
        self, table: str, is_news: Callable[[str], bool], judge: Callable[[SelectedStream], StreamError | None]
    ) -> Generator[Message, None, bool]:
        """Ends the stream whose condition may choose other rows since a statement. Returns whether that is so."""
        stream = self._streams.get(table)
        error = judge(stream) if stream is not None and is_news(table) else None
        if error is not None:
            yield self._context.give_up(error)
        return error is not None

    def _charset_changed(self, event: Ddl, transaction: GtidSet | None) -> Iterator[Message]:
        """Ends the stream whose text is in another character set from a statement on, if changes do not name it."""
        name = None if self._context.vitess.announces_collations else charsets_named(event.statement)
        if name is not None and self._is_news(name, event.shard, transaction):
            yield self._context.give_up(
                StreamError(
                    name,
                    f"The character set of table {name!r} was changed in shard {event.shard!r}. Vitess before v20 does "
                    "not announce in which one a change is written, so that text from before or after it is wrong. "
                    "Refresh this stream.",
                )
            )

    def _restart_copies(self, statement: str) -> None:
        """Has a copy that was interrupted start over if the table's columns were altered since.

        What it would go on after is of the key as it was: an ENUM whose labels have another order since is sorted
        otherwise, and nothing else about its key has changed. And the changes from before, which are read now, are
        emitted without what the statement gave to the rows that are copied already.
        """
        changes = column_changes(statement)
        altered = {*shadows_swapped(statement)}
        if changes is not None and (changes.added or changes.dropped or changes.mentioned):
            altered.add(changes.table)
        for name in altered:
            state = self._state.tables.get(name)
            if isinstance(state, Copying):
                self._state.set_copying(name, Copying(state.attempt))

    def _columns_added(self, shard: str, transaction: GtidSet | None, changes: ColumnChanges) -> Iterator[Message]:
        """Looks at the rows that came before a column was added: their columns must not have had its name already."""
        table, names = changes.table, changes.added
        columns = [name for name in self._columns.pop((shard, table), ()) if name.lower() not in changes.vacated]
        if not names:
            self._columns[shard, table] = tuple(columns)
        if not names.isdisjoint(columns) and self._is_news(table, shard, transaction):
            yield self._context.give_up(
                StreamError(
                    table,
                    f"Changes of table {table!r} in shard {shard!r} were read with columns that were added only later "
                    f"({', '.join(sorted(names & set(columns)))}), so values came under wrong names. Start the "
                    "vttablets with --track-schema-versions and refresh this stream.",
                )
            )

    def _not_understood(self, event: Ddl, transaction: GtidSet | None) -> Iterator[Message]:
        """Warns of a statement that names a table and may have done anything to it, once for each table."""
        names, beginning = not_understood(event.statement, self._streams)
        for name in names:
            if name not in self._unclear and self._is_news(name, event.shard, transaction):
                self._unclear.add(name)
                yield Log(
                    f"A statement in shard {event.shard!r} names table {name!r} and is not understood: {beginning} "
                    "If it removed rows or changed stored values, refresh this stream. Please report it.",
                    warning=True,
                )


def _stale_columns(shard: str, table: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        table,
        f"The tablet of shard {shard!r} names changes of table {table!r} by columns that were dropped before, so "
        "values would come under wrong names. It was started without --track-schema-versions, or has not noted the "
        "table's present columns: then alter any table of the keyspace, a comment will do. Refresh this stream.",
    )
