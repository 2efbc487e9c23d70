"""Which tables' queries VTGate sends to another keyspace: routing rules, as MoveTables makes them.

- A VStream reads the keyspace that it names, whatever the routing rules say (go/vt/vtgate/vstream_manager.go). After
  `MoveTables switchtraffic` that is the table as it was, kept up to date by the reverse workflow at best; after
  `complete --keep-data --keep-routing-rules` nothing writes to it any more.
- `VEXPLAIN PLAN` tells where a statement would go, without asking a tablet (go/vt/vtgate/planbuilder/vexplain.go). The
  plan of a UNION names the keyspaces of all its tables, so one statement does for many: 1 ms for 50 tables of an
  unsharded keyspace and 7 ms for those of a sharded one, where each alone takes 0.5 and 0.9 ms (v24.0.0).
- What counts is where the primary's queries go: rules for REPLICA and RDONLY (`t@replica`) move no writes.
- Vitess knows the statement since v16; an older VTGate says nothing of its rules here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from source_vitess.errors import ConfigError, InternalError
from source_vitess.mysql.session import VtgateSession
from source_vitess.naming import quote_identifier

#: Tables of one statement.
_AT_ONCE = 50


def read_routed(session: VtgateSession, keyspace: str, tables: Sequence[str]) -> Mapping[str, str]:
    """Returns the tables whose queries go to another keyspace, and to which one. Its target is the keyspace then.

    Args:
        session: A session.
        keyspace: The tables' keyspace.
        tables: Their names.

    Raises:
        TransientError: The connection was lost.
    """
    session.use(keyspace)
    if _read_keyspaces(session, ()) is None:
        return {}
    routed = {}
    for start in range(0, len(tables), _AT_ONCE):
        some = tables[start : start + _AT_ONCE]
        found = _read_keyspaces(session, some)
        if found is not None and found <= {keyspace}:
            continue
        for table in some:
            # Not known to VTGate, such as one that is not in the VSchema of a sharded keyspace: nothing is routed.
            others = (_read_keyspaces(session, (table,)) or set()) - {keyspace}
            if others:
                routed[table] = min(others)
    return routed


def routed_message(table: str, keyspace: str, other: str) -> str:
    """Returns what to tell of a table whose queries go to another keyspace."""
    return (
        f"VTGate sends the queries of table {table!r} to keyspace {other!r} (routing rules, as MoveTables makes them), "
        f"so the table in keyspace {keyspace!r} is not the one that is written to. Read it from keyspace {other!r}: a "
        "source with that keyspace in the field url. If the tables were moved back, refresh the stream."
    )


def _read_keyspaces(session: VtgateSession, tables: Sequence[str]) -> set[str] | None:
    """Returns the keyspaces that a query of some tables would go to, None if VTGate does not plan it."""
    parts = [f"select 1 from {quote_identifier(table)}" for table in tables]  # noqa: S608 - quoted
    union = " union all ".join(parts) or "select 1 from dual"
    try:
        rows = session.query(f"vexplain plan {union}")
    except (ConfigError, InternalError):
        return None
    try:
        return set(_keyspaces(json.loads(rows[0][0])))
    except (LookupError, TypeError, ValueError):
        return None


def _keyspaces(plan: Any) -> Iterator[str]:
    """Yields the names of keyspaces in a plan."""
    if isinstance(plan, list):
        for part in plan:
            yield from _keyspaces(part)
    elif isinstance(plan, dict):
        for name, part in plan.items():
            if name == "Keyspace" and isinstance(part, dict) and isinstance(part.get("Name"), str):
                yield part["Name"]
            else:
                yield from _keyspaces(part)
