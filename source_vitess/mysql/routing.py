"""Which tables' queries VTGate sends to another keyspace: routing rules, as MoveTables makes them.

- A VStream reads the keyspace that it names, whatever the routing rules are (go/vt/vtgate/vstream_manager.go). After
  `MoveTables switchtraffic` the table there is kept up to date by the reverse workflow, unless that was switched off;
  after `complete --keep-data --keep-routing-rules` nothing writes to it any more.
- Whether a workflow writes to it stands in `_vt.vreplication` of its shards: a stream that runs, from the other
  keyspace and for this table (go/vt/sidecardb/schema/vreplication/vreplication.sql). Asked only if something is routed.
- `VEXPLAIN PLAN` shows where a statement would go, without asking a tablet (go/vt/vtgate/planbuilder/vexplain.go). The
  plan of a UNION names the keyspaces of all its tables, so one statement does for many: 1 ms for 50 tables of an
  unsharded keyspace and 7 ms for those of a sharded one, where each alone takes 0.5 and 0.9 ms (v24.0.0).
- What counts is where the primary's queries go: rules for REPLICA and RDONLY (`t@replica`) move no writes.
- Vitess knows the statement since v16; an older VTGate does not show its rules here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from source_vitess.errors import ConfigError, InternalError
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import use_shard
from source_vitess.mysql.topology import read_topology
from source_vitess.naming import quote_identifier

#: Tables of one statement.
_AT_ONCE = 50

_WORKFLOWS = "select source from _vt.vreplication where state in ('Running', 'Copying') and db_name = database()"
# A stream's source is a BinlogSource in protobuf's text form (proto/binlogdata.proto).
_SOURCE_KEYSPACE = re.compile(r'keyspace:"((?:[^"\\]|\\.)*)"')
_SOURCE_TABLE = re.compile(r'match:"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Routed:
    """Where a table's queries go.

    Attributes:
        keyspace: The other keyspace.
        is_followed: Whether a workflow writes to the table what is written there, on every shard.
    """

    keyspace: str
    is_followed: bool


def read_routed(session: VtgateSession, keyspace: str, tables: Sequence[str]) -> Mapping[str, Routed]:
    """Returns the tables whose queries go to another keyspace. The session's target is the keyspace then.

    Args:
        session: A session.
        keyspace: The tables' keyspace.
        tables: Their names.

    Raises:
        TransientError: The connection was lost, or a shard has no tablet that answers.
    """
    session.use(keyspace)
    routed = _read_rules(session, keyspace, tables)
    if not routed:
        return {}
    topology = read_topology(session, keyspace)
    followed = None
    for shard in topology.shards:
        use_shard(session, topology, shard)
        on_shard = _read_workflows(session)
        followed = on_shard if followed is None else followed & on_shard
    session.use(keyspace)
    return {table: Routed(other, (other, table) in (followed or ())) for table, other in routed.items()}


def _read_workflows(session: VtgateSession) -> frozenset[tuple[str, str]]:
    """Returns from which keyspaces workflows write to which tables of the shard that is the session's target."""
    try:
        rows = session.query(_WORKFLOWS)
    except (ConfigError, InternalError):
        return frozenset()  # not for this user to read: nothing is known of the tables
    found: set[tuple[str, str]] = set()
    for (source,) in rows:
        text = source.decode(errors="replace") if isinstance(source, bytes) else str(source)
        if keyspace := _SOURCE_KEYSPACE.search(text):
            found.update((keyspace[1], table) for table in _SOURCE_TABLE.findall(text))
    return frozenset(found)


def _read_rules(session: VtgateSession, keyspace: str, tables: Sequence[str]) -> Mapping[str, str]:
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


def routed_message(table: str, keyspace: str, routed: Routed) -> str:
    """Returns the warning for a table whose queries go to another keyspace."""
    other = routed.keyspace
    what = (
        f"VTGate sends the queries of table {table!r} to keyspace {other!r} (routing rules, as MoveTables makes them)"
    )
    if routed.is_followed:
        return (
            f"{what}. A workflow still writes what happens there to the table in keyspace {keyspace!r}, which is read "
            f"on as long as it does. Read it from keyspace {other!r} before the move is completed."
        )
    return (
        f"{what}, and nothing writes to the table in keyspace {keyspace!r} any more. Read it from keyspace {other!r}: "
        "a source with that keyspace in the field url. If the table was moved back, refresh the stream."
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
