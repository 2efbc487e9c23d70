"""Compares what a destination holds of a table with SELECT through VTGate."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vitess_local.cluster import Cluster

from instruments.oracle import Selected, Store, expect_equal
from instruments.select import select_rows

_FRACTION = re.compile(r"(\d\d:\d\d:\d\d)(?:\.0+|(\.\d*?[1-9])0+)(Z?)$")


def compare(
    cluster: Cluster, keyspace: str, store: Store, table: str, columns: Collection[str], where: str = ""
) -> int:
    """Compares columns of a table; returns how many rows it has.

    Args:
        cluster: The cluster.
        keyspace: The keyspace.
        store: What was read.
        table: The table.
        columns: Those that are compared.
        where: The condition on the rows that are read; empty for all.

    Raises:
        OracleError: They differ.
    """
    selected = select_rows(cluster.mysql_port, keyspace, table, where=where)
    rows = [_part(row, columns) for row in selected]
    expect_equal(_Part(store, columns), table, Selected(rows, selected.documents))
    return len(rows)


@dataclass(frozen=True)
class _Part:
    """Some columns of what was read."""

    store: Store
    columns: Collection[str]

    def rows(self, stream: str, documents: Collection[str] = ()) -> list[str]:
        """Returns a stream's rows in a form that can be compared; some columns hold JSON."""
        return self.store.rows(stream, documents, lambda row: _part(row, self.columns))


def _part(row: Mapping[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """Returns some columns of a row; what a record did not have, a destination has as NULL."""
    return {name: _moment(row.get(name)) for name in columns}


def _moment(value: Any) -> Any:
    """Leaves the zeros behind a fraction of a second out: a column may have got more digits since."""
    return _FRACTION.sub(r"\1\2\3", value) if isinstance(value, str) else value
