"""Streams of which only some rows are read: what the destination holds has to be what the condition chooses.

VTTablet sends a row that leaves the condition as a delete, and one that enters it as an insert. What no event shows
asks for a refresh:

- Another condition than the one that the stream was copied with, or one whose columns are of another kind since: rows
  fit now that were never read. The state remembers both.
- A statement that changes values of a column of the condition, or its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from source_vitess.errors import SchemaMismatchError, StreamError
from source_vitess.replication.context import SyncContext
from source_vitess.replication.ddl_effects import ColumnChanges
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.rewritten_values import TEXTS, Rewritten
from source_vitess.replication.settings import SelectedStream
from source_vitess.replication.state import FilterState
from source_vitess.replication.table_state import FOLLOWED, Refreshed, Refreshing, RefreshNeeded
from source_vitess.vstream.events import Fields

_REFRESH = "Refresh this stream and choose to remove its old records."


def conditions(streams: Mapping[str, SelectedStream], tables: Iterable[str]) -> Mapping[str, str]:
    """Returns by table the condition on its rows, as a request has it."""
    return {name: where for table in tables for name, where in streams[table].where.items()}


def compare_filters(context: SyncContext, streams: Sequence[SelectedStream]) -> Iterator[Message]:
    """Finds the streams that were copied with another condition; what a state says is of the conditions of now then."""
    state = context.state
    for stream in streams:
        name, before = stream.name, state.filters.get(stream.name)
        if before == (now := _to_state(stream)):
            continue
        table = state.tables.get(name)
        if isinstance(table, FOLLOWED):
            state.tables[name] = RefreshNeeded(f"{_difference(name, before, now)} {_REFRESH}")
            context.checkpointer.has_news()
        elif isinstance(table, Refreshing | Refreshed):
            del state.tables[name]
            yield Log(f"{_difference(name, before, now)} Its full refresh starts over.", warning=True)
    state.filters = {stream.name: made for stream in streams if (made := _to_state(stream)) is not None}


def misfit(stream: SelectedStream, fields: Fields) -> SchemaMismatchError | None:
    """Returns what is wrong with announced columns: the condition is not exact with them."""
    if stream.row_filter is None:
        return None
    if (name := stream.row_filter.misfit(fields.definitions)) is None:
        return None
    return SchemaMismatchError(
        stream.name,
        f"The tablet of shard {fields.shard!r} has the column {name!r} of table {stream.name!r} with another type or "
        "collation than the condition of row_filters was made for, or does not have it. Refresh the source's schema, "
        "then this stream.",
    )


def renamed(shard: str, changes: ColumnChanges, stream: SelectedStream) -> StreamError | None:
    """Returns the error for a stream whose condition names a column that was dropped or renamed."""
    kinds = stream.row_filter.kinds if stream.row_filter is not None else ()
    names = [name for name, _ in kinds if name.lower() in changes.vacated]
    if not names:
        return None
    return StreamError(
        stream.name,
        f"The column {', '.join(map(repr, names))} of table {stream.name!r} was dropped or renamed in shard {shard!r}, "
        f"and the condition of row_filters names it. Correct the condition. {_REFRESH}",
    )


def rewritten(shard: str, change: Rewritten, stream: SelectedStream) -> StreamError | None:
    """Returns the error for a stream whose condition may choose other rows since a statement, without row events."""
    kinds = dict(stream.row_filter.kinds) if stream.row_filter is not None else {}
    texts = [name for name, kind in kinds.items() if kind == "enum" or kind.startswith("text")]
    names = texts if change.column == TEXTS else [name for name in kinds if name.lower() == change.column.lower()]
    if not names:
        return None
    return StreamError(
        stream.name,
        f"Values of the column {', '.join(map(repr, names))} of table {stream.name!r} may have been changed by a "
        f"statement in shard {shard!r}, without row events, and the condition of row_filters depends on it. {_REFRESH}",
    )


def _to_state(stream: SelectedStream) -> FilterState | None:
    return FilterState(stream.row_filter.condition, dict(stream.row_filter.kinds)) if stream.row_filter else None


def _difference(name: str, before: FilterState | None, now: FilterState | None) -> str:
    if before is not None and now is not None and before.condition == now.condition:
        columns = [column for column, kind in now.columns.items() if before.columns.get(column) != kind]
        return (
            f"The column {', '.join(map(repr, columns))} of table {name!r} has another type or collation than when the "
            f"stream was copied, so that the condition of row_filters, {now.condition}, may choose other rows."
        )
    return (
        f"The condition of row_filters for table {name!r} is another one than when the stream was copied: "
        f"{now.condition if now else 'none'} instead of {before.condition if before else 'none'}. Rows that were not "
        "read then may fit now."
    )
