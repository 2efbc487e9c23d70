"""What a row costs, in executed instructions of Python: the same on a busy machine as on an idle one.

The whole connector reads from a Vitess in memory, once few rows and once many; the difference is what rows cost. Only
what the connector's own frames do is counted. The numbers are those that were
measured; who makes a row cheaper lowers them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest

from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.rows import compiled
from unit_tests.syncing import Syncs

_COLUMNS = {
    "id": "bigint",
    "customer": "int",
    "name": "varchar(100)",
    "email": "varchar(100)",
    "price": "decimal(10,2)",
    "qty": "smallint",
    "ratio": "double",
    "status": "varchar(8)",
    "note": "varchar(200)",
    "created": "datetime",
    "updated": "timestamp(6)",
    "doc": "json",
}
_FEW, _MANY = 300, 900

#: The numbers are of Python 3.11; other versions compile the same source to more or fewer instructions.
_ROOM = 1.1 if sys.version_info[:2] == (3, 11) else 1.5


@dataclass
class _Counter:
    """Counts while it is active, in this thread only.

    Attributes:
        instructions: Of Python, executed.
        calls: Of functions, those written in C included.
    """

    instructions: int = 0
    calls: int = 0

    def __enter__(self) -> _Counter:
        self._before = sys.gettrace(), sys.getprofile()
        sys.setprofile(self._profile)
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        trace, profile = self._before
        sys.settrace(trace)
        sys.setprofile(profile)

    def _profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_call") and _is_ours(frame):
            self.calls += 1

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if not _is_ours(frame):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._count

    def _count(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "opcode":
            self.instructions += 1
        return self._count


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("source_vitess")


def _row(number: int) -> dict[str, Given]:
    return {
        "id": number,
        "customer": number * 7919 % 1_000_000,
        "name": "name " * (1 + number % 4) + str(number),
        "email": f"user{number}@example.com",
        "price": f"{number % 1000}.25",
        "qty": number % 100,
        "ratio": number / 8,
        "status": ("new", "paid", "sent", "done")[number % 4],
        "note": None if number % 3 == 0 else "some words " * (1 + number % 5),
        "created": "2024-05-06 07:08:09",
        "updated": f"2025-05-06 07:08:09.{number % 1_000_000:06d}",
        "doc": f'{{"a": {number % 1000}, "b": ["x", {number % 7}]}}',
    }


def _rows(first: int, count: int) -> list[dict[str, Given]]:
    return [_row(number) for number in range(first, first + count)]


def _count(syncs: Syncs, records: int) -> _Counter:
    with _Counter() as counter:
        lines = b"".join(syncs.lines())
    assert lines.count(b'{"type":"RECORD"') == records
    return counter


def _copy(count: int) -> _Counter:
    with Vitess(shards=["0"]) as vitess:
        vitess.create_table("t", _COLUMNS, key=["id"])
        vitess.insert("t", *_rows(10_000, count))
        return _count(Syncs(vitess), count)


def _changes(count: int, transaction: int) -> _Counter:
    with Vitess(shards=["0"]) as vitess:
        vitess.create_table("t", _COLUMNS, key=["id"])
        syncs = Syncs(vitess)
        assert syncs.run() is None
        for first in range(10_000, 10_000 + count, transaction):
            vitess.insert("t", *_rows(first, transaction))
        return _count(syncs, count)


def _many_shards(count: int, shards: int) -> _Counter:
    with Vitess(shards=[f"shard{number:03d}" for number in range(shards)]) as vitess:
        vitess.create_table("t", _COLUMNS, key=["id"])
        syncs = Syncs(vitess)
        assert syncs.run() is None
        for number in range(count):
            vitess.insert("t", *_rows(10_000 + number, 1), shard="shard000")
        return _count(syncs, count)


def _check(measure: Callable[[int], _Counter], *, instructions: float, calls: float) -> None:
    few, many = measure(_FEW), measure(_MANY)
    instructions_per_row = (many.instructions - few.instructions) / (_MANY - _FEW)
    calls_per_row = (many.calls - few.calls) / (_MANY - _FEW)
    assert instructions_per_row < instructions * _ROOM
    assert calls_per_row < calls * _ROOM


needs_compiled = pytest.mark.skipif(
    compiled.obstacle() is not None, reason=f"the compiled decoder {compiled.obstacle()}"
)


def test_a_copied_row_costs_no_more_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy's row costs no more than this, decoded in Python, of twelve columns and in VTGate's own packets."""
    monkeypatch.setenv(compiled.VARIABLE, "0")

    _check(_copy, instructions=1160, calls=79.9)


@needs_compiled
def test_a_copied_row_is_left_to_compiled_code() -> None:
    """What is left for Python of a copy's row if there is a compiled decoder: next to nothing, by the packet."""
    _check(_copy, instructions=5, calls=1)


_CHANGES = [
    pytest.param(1, 2344, 176, id="1"),
    pytest.param(10, 1203, 91.4, id="10"),
    pytest.param(100, 1091, 83, id="100"),
]


@pytest.mark.parametrize(("transaction", "instructions", "calls"), _CHANGES)
def test_a_changed_row_costs_no_more_instructions(
    monkeypatch: pytest.MonkeyPatch, transaction: int, instructions: int, calls: float
) -> None:
    """A change costs no more than this, decoded in Python, in transactions of so many rows."""
    monkeypatch.setenv(compiled.VARIABLE, "0")

    _check(lambda count: _changes(count, transaction), instructions=instructions, calls=calls)


_COMPILED_CHANGES = [
    pytest.param(1, 1106, 82, id="1"),
    pytest.param(10, 109, 8.1, id="10"),
    pytest.param(100, 10.8, 0.8, id="100"),
]


@needs_compiled
@pytest.mark.parametrize(("transaction", "instructions", "calls"), _COMPILED_CHANGES)
def test_a_changed_row_is_left_to_compiled_code(transaction: int, instructions: float, calls: float) -> None:
    """What is left for Python if there is a compiled decoder: mostly what each transaction costs."""
    _check(lambda count: _changes(count, transaction), instructions=instructions, calls=calls)


@needs_compiled
def test_other_shards_cost_no_instructions() -> None:
    """A transaction costs as much among thirty shards as alone, although VGTIDs name all of them."""
    few, many = 20, 60
    costs = [
        (_many_shards(many, shards).instructions - _many_shards(few, shards).instructions) / (many - few)
        for shards in (1, 30)
    ]

    assert costs[1] <= costs[0] * 1.1
