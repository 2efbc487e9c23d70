"""A sync's messages as lines of JSON.

The CDK's own way costs 12 microseconds a record and drops top-level nulls (its serialiser omits None), so records
are put together from bytes here: a head, the data, a tail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import orjson

from source_vitess.airbyte.lines import error_line, json_line, log_line, now_millis, trace_line
from source_vitess.airbyte.output import RECORD
from source_vitess.airbyte.state import state_message
from source_vitess.replication.messages import (
    Checkpoint,
    Completed,
    Estimate,
    Failed,
    Log,
    Message,
    Records,
    Started,
)

#: Columns that one line of the log names; an old schema may have hundreds with zero dates.
_LISTED = 30
_LARGE = (
    "Column {column!r} of stream {stream!r} holds values that a 64-bit integer with a sign cannot hold (as those above "
    "2^63-1). Records have them whole, but many destinations have no wider integer and refuse the record, or the "
    "whole load. If the column is BIGINT UNSIGNED, the field bigint_unsigned_as of the source can make it a number or "
    "a string; then refresh the source's schema and this stream."
)


class LineWriter:
    """Renders the messages of one sync.

    Args:
        keyspace: The streams' namespace.
    """

    def __init__(self, keyspace: str) -> None:
        self._keyspace = keyspace
        self._tail = b',"emitted_at":%d}}\n' % now_millis()
        self._heads: dict[str, bytes] = {}
        self._records = 0
        # Streams that have failed: their changes may go on to come, which is no reason to say that they run.
        self._failed: set[str] = set()
        # By stream, the columns with large integers that were told of.
        self._large: dict[str, frozenset[str]] = {}
        #: By what happened to values and why: by stream and field, how often.
        self._altered: dict[tuple[str, str], Counter[tuple[str, str]]] = {}

    def render(self, messages: Iterable[Message]) -> Iterator[bytes]:
        """Yields whole lines, one or many at a time, in the messages' order."""
        for message in messages:
            match message:
                case Records():
                    yield from self._render_records(message)
                case Checkpoint(shared, tables):
                    yield json_line(state_message(shared, tables, self._keyspace, self._records))
                    self._records = 0
                case Started(stream):
                    yield self._status(stream, "STARTED")
                case Completed(stream):
                    yield self._status(stream, "COMPLETE")
                case Failed(stream, error):
                    if error is not None:
                        yield error_line(error, stream=stream, keyspace=self._keyspace)
                    self._failed.add(stream)
                    yield self._status(stream, "INCOMPLETE")
                case Estimate(stream, rows, size):
                    estimate = {"name": stream, "namespace": self._keyspace, "type": "STREAM"}
                    yield trace_line(
                        "ESTIMATE", {"estimate": {**estimate, "row_estimate": rows, "byte_estimate": size}}
                    )
                case Log(text, warning):
                    yield log_line("WARN" if warning else "INFO", text)

    def render_summary(self) -> Iterator[bytes]:
        """Yields what is reported once, at the end of the sync, of values that were altered."""
        if not self._altered:
            return
        kinds = []
        for (change, reason), counts in self._altered.items():
            fields = [f"{field!r} of {stream!r} ({count:,})" for (stream, field), count in counts.most_common(_LISTED)]
            more = f" and {len(counts) - _LISTED} more columns" if len(counts) > _LISTED else ""
            kinds.append(f"{'set to null' if change == 'NULLED' else 'changed'}, {reason}: {', '.join(fields)}{more}")
        yield log_line(
            "WARN",
            "Values that cannot be emitted as they are (each such record lists them in meta.changes): "
            f"{'; '.join(kinds)}.",
        )

    def _render_records(self, records: Records) -> Iterator[bytes]:
        head = self._heads.get(records.stream)
        if head is None:
            head = self._heads[records.stream] = b'%b"record":{"namespace":%b,"stream":%b,"data":' % (
                RECORD,
                orjson.dumps(self._keyspace),
                orjson.dumps(records.stream),
            )
            if records.stream not in self._failed:
                yield self._status(records.stream, "RUNNING")
        if records.large_integers:
            yield from self._tell_of_large_integers(records)
        self._records += len(records.data)
        if records.altered:
            self._count(records)
            yield b"".join(
                head + data + (self._altered_tail(records, index) if index in records.altered else self._tail)
                for index, data in enumerate(records.data)
            )
        elif records.data:
            yield head + (self._tail + head).join(records.data) + self._tail

    def _altered_tail(self, records: Records, index: int) -> bytes:
        changes = [
            {"field": change.field, "change": change.change, "reason": "SOURCE_SERIALIZATION_ERROR"}
            for change in records.altered[index]
        ]
        return b',"meta":{"changes":%b}' % orjson.dumps(changes) + self._tail

    def _tell_of_large_integers(self, records: Records) -> Iterator[bytes]:
        """Yields a line for each column that holds its first one."""
        told = self._large.get(records.stream, frozenset())
        for column in records.large_integers:
            if column not in told:
                yield log_line("WARN", _LARGE.format(column=column, stream=records.stream))
        self._large[records.stream] = told.union(records.large_integers)

    def _count(self, records: Records) -> None:
        for changes in records.altered.values():
            for change in changes:
                counts = self._altered.setdefault((change.change, change.reason), Counter())
                counts[records.stream, change.field] += 1

    def _status(self, stream: str, status: str) -> bytes:
        descriptor = {"name": stream, "namespace": self._keyspace}
        return trace_line("STREAM_STATUS", {"stream_status": {"stream_descriptor": descriptor, "status": status}})
