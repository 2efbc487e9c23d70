"""Syncs against the Vitess in memory, applied to the oracle's store and compared with the model's rows."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import grpc

from instruments.connector import Connector, Json
from instruments.oracle import Store, expect_equal
from instruments.scripted_vtgate.model.values import Given, Value
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConnectorError
from source_vitess.proto import binlogdata_pb2

#: Chooses events.
EventTest = Callable[[binlogdata_pb2.VEvent], bool]

#: Columns of most tables here.
COLUMNS = {"id": "bigint", "name": "varchar(20)"}


class Syncs:
    """A connector on a model, and what a destination holds after its syncs.

    Args:
        vitess: The model.
        config: Settings beside the URL.

    Attributes:
        store: What was emitted.
        catalog: The configured catalog; all tables incrementally unless replaced.
    """

    def __init__(self, vitess: Vitess, *tables: str, mode: str = "incremental", **config: Any) -> None:
        self.vitess = vitess
        self.connector = Connector({"url": vitess.url, **config}, vitess.keyspace, vitess.mysql.port)
        self.catalog = self.connector.configured(*tables, mode=mode)
        self.store = Store.of_catalog(self.connector.discover())

    def lines(self) -> Iterator[bytes]:
        """Yields the lines of a sync from the store's last state, without applying them."""
        self.store.new_sync()
        return self.connector.lines(self.catalog, self.store.last_state)

    def run(self, *, stop_after: int | None = None) -> ConnectorError | None:
        """Runs a sync; returns the error that it ended with."""
        try:
            return self.connector.sync(self.store, self.catalog, stop_after=stop_after)
        finally:
            self.vitess.vstream.wait_until_idle()

    def expect_equal(self, *tables: str) -> None:
        """Compares tables, all of the catalog unless named, with the model's rows."""
        for table in tables or [entry["stream"]["name"] for entry in self.catalog["streams"]]:
            expect_equal(self.store, table, map(as_json, self.vitess.rows(table)))

    def table_state(self, name: str) -> Json | None:
        """Returns a stream's state in the last state, None if it has none."""
        return table_state(self.store.states[-1], name)


def table_state(state: Mapping[str, Any], name: str) -> Json | None:
    """Returns a stream's state, None if it has none."""
    for entry in state["global"]["stream_states"]:
        if entry["stream_descriptor"]["name"] == name:
            return dict(entry["stream_state"])
    return None


def as_json(row: Mapping[str, Value]) -> Json:
    """Returns a row of the model as a record has it, for the types that these tests use."""
    return {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in row.items()
    }


def rows(count: int, start: int = 1, text: str = "n") -> list[dict[str, Given]]:
    """Returns rows for a table of `COLUMNS`."""
    return [{"id": number, "name": f"{text}{number}"} for number in range(start, start + count)]


def streamed(vitess: Vitess) -> list[tuple[str, ...]]:
    """Returns what VStreams were opened for, in order: tables, without the questions for the position of now."""
    return [
        tuple(rule.match for rule in request.filter.rules)
        for request in vitess.vstream.requests
        if any(entry.gtid != "current" for entry in request.vgtid.shard_gtids)
    ]


def is_row(event: binlogdata_pb2.VEvent) -> bool:
    """Tells an event of rows, for faults that happen after one."""
    return event.type == binlogdata_pb2.ROW


def is_commit(event: binlogdata_pb2.VEvent) -> bool:
    """Tells the end of a transaction, for faults that happen after one."""
    return event.type == binlogdata_pb2.COMMIT


def again_and_again(times: int, order: Callable[[EventTest], object], when: EventTest) -> None:
    """Orders a fault that many times, each after an event of its own: all faults that an event meets happen at once.

    Args:
        times: How often.
        order: Orders the fault once, such as `vitess.faults.restart_after`.
        when: Tells an event after which the fault happens; asked once per event.
    """
    asked: list[binlogdata_pb2.VEvent] = []

    def one(event: binlogdata_pb2.VEvent) -> bool:
        if asked and asked[-1] is event:
            return False
        asked[:] = [event]
        return when(event)

    for _ in range(times):
        order(one)


def cut_again_and_again(
    vitess: Vitess,
    times: int,
    when: EventTest,
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
    text: str = "Socket closed",
) -> None:
    """Ends that many streams, each after an event of its own."""
    again_and_again(times, lambda one: vitess.faults.cut_after(one, code, text), when)
