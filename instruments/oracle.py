"""The oracle: all records, applied in order to an empty store, give exactly what SELECT through VTGate gives.

It reads lines with a parser of its own and knows nothing of how they are made, so that it does not share a mistake.
While it applies them it checks what every consumer relies on: cursors grow strictly, across syncs and retries;
counts in states are true; states name what was emitted; a delete has both times.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal
from operator import itemgetter
from typing import Any, Protocol

META = ("_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_cursor")

#: DECIMAL has 65 digits; Python rounds to 28 unless configured otherwise.
_EXACT = Context(prec=400)

Row = dict[str, Any]


class OracleError(AssertionError):
    """The connector broke a promise."""


@dataclass
class Store:
    """What a destination would hold.

    Attributes:
        keys: By stream, the columns of its key; streams without a key are kept as a multiset.
        tables: By stream, the rows by key.
        bags: By stream without key, how often each row occurs.
        states: Every state message, in order.
        records: By stream, how many records came.
        deletes: By stream, how many of them were deletes.
        statuses: By stream, its last status.
        errors: Every ERROR trace.
        logs: Every log line.
        last_cursor: The highest cursor so far.
    """

    keys: Mapping[str, Sequence[str]]
    tables: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=dict)
    bags: dict[str, Counter[str]] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    records: Counter[str] = field(default_factory=Counter)
    deletes: Counter[str] = field(default_factory=Counter)
    statuses: dict[str, str] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    last_cursor: int = 0
    _since_state: int = 0

    @classmethod
    def of_catalog(cls, catalog: Mapping[str, Any]) -> Store:
        """Makes an empty store for the streams of a catalog (discover's message or its content)."""
        streams = catalog.get("catalog", catalog)["streams"]
        streams = [entry.get("stream", entry) for entry in streams]
        return cls(
            {stream["name"]: [path[0] for path in stream.get("source_defined_primary_key") or []] for stream in streams}
        )

    @property
    def last_state(self) -> list[dict[str, Any]]:
        """The state to pass to the next sync, as a platform would; empty before the first."""
        return self.states[-1:]

    def new_sync(self) -> None:
        """Tells that another process begins: it counts its records from zero."""
        self._since_state = 0

    def apply(self, lines: Iterable[bytes | str]) -> None:
        """Applies lines of output.

        Raises:
            OracleError: A line breaks a promise.
        """
        for line in lines:
            self.apply_message(json.loads(line, parse_float=Decimal))

    def apply_message(self, message: Mapping[str, Any]) -> None:
        """Applies one message.

        Raises:
            OracleError: It breaks a promise.
        """
        match message["type"]:
            case "RECORD":
                self._record(message["record"])
            case "STATE":
                self._state(message["state"])
            case "TRACE":
                self._trace(message["trace"])
            case "LOG":
                self.logs.append(message["log"]["message"])

    def _record(self, record: Mapping[str, Any]) -> None:
        stream, data = record["stream"], dict(record["data"])
        self.records[stream] += 1
        self._since_state += 1
        cursor, deleted = data.get("_ab_cdc_cursor"), data.get("_ab_cdc_deleted_at")
        if cursor is not None:
            if cursor <= self.last_cursor:
                raise OracleError(f"cursor {cursor} after {self.last_cursor} in {stream}")
            self.last_cursor = cursor
        if deleted is not None and data.get("_ab_cdc_updated_at") is None:
            raise OracleError(f"a delete of {stream} has no time")
        row = {name: value for name, value in data.items() if name not in META}
        if deleted is not None:
            self.deletes[stream] += 1
        key = self.keys[stream]
        if key:
            rows = self.tables.setdefault(stream, {})
            identity = tuple(row[name] for name in key)
            if deleted is not None:
                rows.pop(identity, None)
            else:
                rows[identity] = row
        else:
            bag = self.bags.setdefault(stream, Counter())
            bag[canonical(row)] += -1 if deleted is not None else 1

    def _state(self, state: Mapping[str, Any]) -> None:
        if state["type"] != "GLOBAL":
            raise OracleError(f"a state of type {state['type']}")
        if state["sourceStats"]["recordCount"] != self._since_state:
            raise OracleError(f"a state counts {state['sourceStats']['recordCount']} of {self._since_state} records")
        self._since_state = 0
        if state["global"]["shared_state"]["cursor"] < self.last_cursor:
            raise OracleError("a state's cursor is behind the records before it")
        self.states.append(json.loads(json.dumps(state, default=float)))

    def _trace(self, trace: Mapping[str, Any]) -> None:
        if trace["type"] == "STREAM_STATUS":
            status = trace["stream_status"]
            self.statuses[status["stream_descriptor"]["name"]] = status["status"]
        elif trace["type"] == "ERROR":
            self.errors.append(dict(trace["error"]))

    def rows(
        self,
        stream: str,
        documents: Collection[str] = (),
        part: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> list[str]:
        """Returns a stream's rows, or a part of each, in a form that can be compared, sorted.

        Without a key, a row is deleted that is equal in the part: its columns can be others than when it was inserted.

        Args:
            stream: The stream.
            documents: Columns that hold JSON, for `canonical`.
            part: Takes the part.
        """
        if self.keys[stream]:
            return sorted(canonical(part(row), documents) for row in self.tables.get(stream, {}).values())
        bag: Counter[str] = Counter()
        for text, count in self.bags.get(stream, {}).items():
            bag[canonical(part(json.loads(text)), documents)] += count
        wrong = {row: count for row, count in bag.items() if count < 0}
        if wrong:
            raise OracleError(f"{stream}: rows deleted more often than inserted: {list(wrong)[:3]}")
        return sorted(bag.elements())


def canonical(row: Mapping[str, Any], documents: Collection[str] = ()) -> str:
    """Writes a row so that equal values are equal texts: 1.50 and 1.5 are, 1 and true are not.

    Args:
        row: The row.
        documents: Columns that hold JSON. VTTablet writes them in changes in another spelling than MySQL, so that they
            are compared by what they say: members in any order, characters escaped or not. Numbers keep their spelling,
            by which MySQL tells its types of numbers apart.
    """
    plain = {name: (_document if name in documents else _plain)(value) for name, value in sorted(row.items())}
    return json.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"number {value.normalize(_EXACT):f}"
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    return f"number {value}"


class _Number(str):
    """A number of a document, as it is spelled there."""

    __slots__ = ()


def _document(value: Any) -> Any:
    if not isinstance(value, str):
        return _plain(value)
    try:
        # As pairs: of two members of one name, a reader of JSON sees the last one only.
        told = json.loads(
            value, parse_int=_Number, parse_float=_Number, parse_constant=_refuse, object_pairs_hook=tuple
        )
    except ValueError:
        return value
    return {"document": _told(told)}


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _told(value: Any) -> Any:
    match value:
        case tuple():
            return {"members": [[name, _told(member)] for name, member in sorted(value, key=itemgetter(0))]}
        case list():
            return [_told(item) for item in value]
        case _Number():
            return f"number {value}"
        case str():
            return f"text {value}"
        case _:
            return value


@dataclass(frozen=True)
class Selected:
    """The rows of a table that a database has.

    Attributes:
        rows: The rows, as JSON values.
        documents: The columns that hold JSON.
    """

    rows: Sequence[Row]
    documents: Collection[str]

    def __iter__(self) -> Iterator[Row]:
        """Yields the rows."""
        return iter(self.rows)


class HasRows(Protocol):
    """What holds a stream's rows."""

    def rows(self, stream: str, documents: Collection[str] = ()) -> list[str]:
        """Returns a stream's rows in a form that can be compared; some columns hold JSON."""
        ...


def expect_equal(store: HasRows, stream: str, expected: Iterable[Mapping[str, Any]]) -> None:
    """Compares a stream with the rows that the database has.

    Args:
        store: What was read.
        stream: The stream.
        expected: The database's rows as JSON values (see `select.py`), with the columns that hold JSON if any does.

    Raises:
        OracleError: They differ; the message shows a few rows of each side.
    """
    documents = expected.documents if isinstance(expected, Selected) else ()
    got = Counter(store.rows(stream, documents))
    want = Counter(canonical(row, documents) for row in expected)
    missing, ghosts = want - got, got - want
    if missing or ghosts:
        raise OracleError(
            f"{stream}: {sum(missing.values())} rows are missing or wrong, {sum(ghosts.values())} are too many.\n"
            f"in the database only: {list(missing.elements())[:3]}\nemitted only: {list(ghosts.elements())[:3]}"
        )
