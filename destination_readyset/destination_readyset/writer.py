"""One sync: lines of Airbyte messages in, transactions out, states echoed once they are committed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from source_vitess.airbyte.lines import log_line
from source_vitess.errors import ConfigError, InternalError

from destination_readyset.batch import TableBatch
from destination_readyset.bookkeeping import Bookkeeping, states_scope
from destination_readyset.lag import UPDATED_AT, LagReport
from destination_readyset.plan import META_PREFIXES, StreamPlan
from destination_readyset.prepare import Prepared
from destination_readyset.sender import Sender

#: Bytes of statements of one table, and of all, that are collected before they are sent. Larger statements are no
#: faster, and the memory is several times these bytes.
_TABLE_BYTES = 512 * 1024
_ALL_BYTES = 4 * 1024 * 1024

_exact = json.JSONDecoder(parse_float=Decimal)

Name = tuple[str | None, str]


@dataclass
class _Stream:
    """A stream of this sync.

    Attributes:
        batch: Its changes that were not sent yet.
        fields: How many fields its last record had; -1 before the first.
        records: How many came since the last state.
    """

    batch: TableBatch
    fields: int = -1
    records: int = 0


class Writer:
    """Writes one sync.

    Args:
        plans: The streams.
        prepared: What was done to their tables.
        bookkeeping: Where states go.
        sender: The connection.
        emit: Takes lines for stdout, from any thread.
        pass_on: Whether what the source says besides records and states is written to stdout, too; and now and then,
            how old the changes are that were committed.
    """

    def __init__(
        self,
        plans: Sequence[StreamPlan],
        prepared: Prepared,
        bookkeeping: Bookkeeping,
        sender: Sender,
        emit: Callable[[bytes], None],
        *,
        pass_on: bool = False,
    ) -> None:
        self._pass_on = pass_on
        self._lag = LagReport() if pass_on else None
        self._streams: dict[Name, _Stream] = {
            (plan.namespace, plan.table.name): _Stream(TableBatch(plan.table)) for plan in plans
        }
        self._waiting: set[Name] = set()
        self._open: set[Name] = set()
        self._bookkeeping = bookkeeping
        self._sender = sender
        self._emit = emit
        self._size = 0
        self._newest: Mapping[str, Any] = {}
        self._warned: set[str] = set()
        for plan in prepared.erase:
            sender.execute(f"DELETE FROM {plan.table.sql_name}".encode(), plan.table.name)
            self._waiting.add((plan.namespace, plan.table.name))
        for plan in prepared.new_generation:
            sender.execute(bookkeeping.set_generation(plan.table, plan.generation))
            self._waiting.add((plan.namespace, plan.table.name))

    def run(self, lines: Iterable[bytes]) -> None:
        """Writes until the lines end.

        Raises:
            ConnectorError: Nothing after the last echoed state was written.
        """
        loads = orjson.loads
        for number, line in enumerate(lines, 1):
            try:
                message = loads(line)
                kind = message["type"]
            except (orjson.JSONDecodeError, TypeError, KeyError):
                if not line or line.isspace():
                    continue
                raise InternalError(f"Line {number} of the input is no Airbyte message.") from None
            if kind == "RECORD":
                self._take_record(message["record"], line)
            elif kind == "STATE":
                self._take_state(message)
            elif kind == "TRACE":
                self._take_trace(message["trace"])
            if self._pass_on and kind in ("LOG", "TRACE"):
                self._emit(b'{"from":"source",' + line.strip()[1:] + b"\n")
        self._end()

    def _take_record(self, record: Mapping[str, Any], line: bytes) -> None:
        name = (record.get("namespace") or None, record["stream"])
        stream = self._streams.get(name)
        if stream is None:
            raise ConfigError(
                f"A record of stream {name[1]!r}, namespace {name[0]!r}, came, which the configured catalog does not "
                "have. Refresh the source's schema."
            )
        batch = stream.batch
        if batch.exact:
            record = _exact.decode(line.decode())["record"]
        data = record["data"]
        self._newest = data
        if len(data) != stream.fields:
            self._look_at(name, stream, data)
        stream.records += 1
        self._size += batch.add(data)
        if batch.size >= _TABLE_BYTES:
            self._send(name, batch)
        elif self._size >= _ALL_BYTES:
            self._send_all()

    def _look_at(self, name: Name, stream: _Stream, data: Mapping[str, Any]) -> None:
        """Says once which fields of a stream's records have no column."""
        stream.fields = len(data)
        columns = {column.name for column in stream.batch.table.columns}
        for field in data:
            warning = f"Stream {name[1]!r} has a field {field!r} without a column, which is left out."
            if field not in columns and not field.startswith(META_PREFIXES) and warning not in self._warned:
                self._warned.add(warning)
                self._emit(log_line("WARN", warning))

    def _take_state(self, message: dict[str, Any]) -> None:
        self._send_all()
        state = message["state"]
        namespace, name, streams = self._scope(state)
        records = sum(stream.records for stream in streams)
        for stream in streams:
            stream.records = 0
        sql = self._bookkeeping.set_state(namespace, name, orjson.dumps(state).decode(), records)
        self._sender.execute(sql)
        state["destinationStats"] = {"recordCount": float(records)}
        line = orjson.dumps(message) + b"\n"
        changed_at = self._newest.get(UPDATED_AT) if records else None

        def committed() -> None:
            self._emit(line)
            if self._lag is not None and (report := self._lag.committed(records, changed_at)):
                self._emit(log_line("INFO", report))

        self._sender.commit(committed)
        self._waiting.clear()

    def _scope(self, state: Mapping[str, Any]) -> tuple[str, str, list[_Stream]]:
        """Returns the names that a state is kept under, and the streams whose records it covers."""
        if state.get("type") == "STREAM":
            descriptor = state["stream"]["stream_descriptor"]
            name = (descriptor.get("namespace") or None, descriptor["name"])
            return name[0] or "", name[1], [self._streams[name]] if name in self._streams else []
        return states_scope(namespace for namespace, _ in self._streams), "", list(self._streams.values())

    def _take_trace(self, trace: Mapping[str, Any]) -> None:
        if trace.get("type") != "STREAM_STATUS":
            return
        status = trace["stream_status"]
        descriptor = status["stream_descriptor"]
        name = (descriptor.get("namespace") or None, descriptor["name"])
        if status["status"] == "COMPLETE":
            self._open.discard(name)
        else:
            self._open.add(name)

    def _send(self, name: Name, batch: TableBatch) -> None:
        self._size -= batch.size
        self._waiting.add(name)
        for sql in batch.statements():
            self._sender.execute(sql, batch.table.name)

    def _send_all(self) -> None:
        for name, stream in self._streams.items():
            if stream.batch.size:
                self._send(name, stream.batch)
        self._sender.check()

    def _end(self) -> None:
        """Commits what came after the last state, unless a stream of it broke off."""
        self._send_all()
        broken = [name for name in self._waiting if name in self._open]
        if broken:
            self._emit(
                log_line(
                    "WARN",
                    f"Records after the last state were not written, because {len(broken)} of their streams did not "
                    "complete. They come again with the next sync.",
                )
            )
        elif self._waiting:
            self._sender.commit(lambda: None)
        self._sender.finish()
