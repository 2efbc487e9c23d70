"""What a keyspace holds, for a person who sets up a connection: sizes, and tables that need a word.

- Estimates are added up over the shards, one statement each, for as long as there is time: a keyspace may have a
  thousand shards. They are the storage engines' own statistics, which MySQL keeps for a day.
- So are the answers of how long binary logs are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from source_vitess.errors import InternalError
from source_vitess.mysql.every_tablet import ask_every_tablet
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import FoundTable, read_tables, use_shard
from source_vitess.mysql.topology import Topology
from source_vitess.naming import TabletType
from source_vitess.schema import Schema, Table

_CASCADING = """
select distinct table_name from information_schema.referential_constraints where constraint_schema = database()
and (delete_rule in ('CASCADE', 'SET NULL') or update_rule in ('CASCADE', 'SET NULL'))"""

#: Since MySQL 8.0. 0 for "until somebody purges them".
_RETENTION = "@@global.binlog_expire_logs_seconds"


@dataclass(frozen=True)
class Inventory:
    """What a keyspace holds.

    Attributes:
        tables: Those that can be read, by name, with the estimates of the shards that were counted.
        counted: Of how many shards the estimates are.
        unreadable: Names of the tables that Vitess cannot stream.
        cascading: Names of the tables whose rows a foreign key deletes or changes.
        retention: By shard, as far as there was time to ask, for how many seconds its tablets keep binary logs at
            least; 0 for no limit.
    """

    tables: Mapping[str, Table]
    counted: int
    unreadable: Sequence[str]
    cascading: Sequence[str]
    retention: Mapping[str, int]


def read_inventory(
    session: VtgateSession,
    topology: Topology,
    shards: Sequence[str],
    tablet_type: TabletType,
    cells: Sequence[str],
    schema: Schema,
    is_time: Callable[[], bool],
) -> Inventory:
    """Asks for what a keyspace holds. The session's target is the keyspace afterwards.

    Args:
        session: An open session.
        topology: The keyspace.
        shards: The shards that are read.
        tablet_type: The type of tablet that is streamed from.
        cells: The cells that are streamed from.
        schema: The keyspace's schema, with the estimates of the first of the shards.
        is_time: Whether there is time to ask one shard more.

    Raises:
        TransientError: The connection was lost, or a shard has no tablet that answers.
    """
    use_shard(session, topology, shards[0])
    cascading = [str(name) for (name,) in session.query_large(_CASCADING)]
    tables = dict(schema.tables)
    retention: dict[str, int] = {}
    counted = 1
    for number, shard in enumerate(shards):
        if number and not is_time():
            break
        if number:
            use_shard(session, topology, shard)
            there = read_tables(session)
            tables = {name: _joined(table, there[name]) if name in there else table for name, table in tables.items()}
            counted += 1
        kept = _read_retention(session, topology, shard, tablet_type, cells)
        if kept is not None:
            retention[shard] = kept
    session.use(topology.keyspace)
    return Inventory(tables, counted, schema.left_out, sorted(name for name in cascading if name in tables), retention)


def _joined(table: Table, there: FoundTable) -> Table:
    """Returns a table with its part on another shard."""
    here = FoundTable(table.estimated_rows, table.estimated_bytes, table.engine).joined(there)
    return replace(table, estimated_rows=here.rows, estimated_bytes=here.size, engine=here.engine)


def _read_retention(
    session: VtgateSession, topology: Topology, shard: str, tablet_type: TabletType, cells: Sequence[str]
) -> int | None:
    """Returns for how long the tablets of a shard keep binary logs: the shortest time; None if they do not tell."""
    try:
        rows = ask_every_tablet(session, topology, shard, tablet_type, cells, _RETENTION).rows
    except InternalError:
        return None  # a server that has no such variable
    return min((int(seconds) for (seconds,) in rows), key=lambda seconds: seconds or float("inf"))
