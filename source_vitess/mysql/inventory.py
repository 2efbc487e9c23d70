"""What a keyspace holds, for a person who sets up a connection: sizes, and tables that need a word.

- Estimates are added up over the shards, one statement each, for as long as there is time: a keyspace may have a
  thousand shards. They are the storage engines' own statistics, which MySQL keeps for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import FoundTable, read_tables, use_shard
from source_vitess.mysql.topology import Topology
from source_vitess.schema import Schema, Table

_CASCADING = """
select distinct table_name from information_schema.referential_constraints where constraint_schema = database()
and (delete_rule in ('CASCADE', 'SET NULL') or update_rule in ('CASCADE', 'SET NULL'))"""


@dataclass(frozen=True)
class Inventory:
    """What a keyspace holds.

    Attributes:
        tables: Those that can be read, by name, with the estimates of the shards that were counted.
        counted: Of how many shards the estimates are.
        unreadable: Names of the tables that Vitess cannot stream.
        cascading: Names of the tables whose rows a foreign key deletes or changes.
    """

    tables: Mapping[str, Table]
    counted: int
    unreadable: Sequence[str]
    cascading: Sequence[str]


def read_inventory(
    session: VtgateSession,
    topology: Topology,
    shards: Sequence[str],
    schema: Schema,
    is_time: Callable[[], bool],
) -> Inventory:
    """Asks for what a keyspace holds. The session's target is the keyspace afterwards.

    Args:
        session: An open session.
        topology: The keyspace.
        shards: The shards that are read.
        schema: The keyspace's schema, with the estimates of the first of the shards.
        is_time: Whether there is time to ask one shard more.

    Raises:
        TransientError: The connection was lost, or a shard has no tablet that answers.
    """
    use_shard(session, topology, shards[0])
    cascading = [str(name) for (name,) in session.query_large(_CASCADING)]
    tables = dict(schema.tables)
    counted = 1
    for number, shard in enumerate(shards):
        if number and not is_time():
            break
        if number:
            use_shard(session, topology, shard)
            there = read_tables(session)
            tables = {name: _joined(table, there[name]) if name in there else table for name, table in tables.items()}
            counted += 1
    session.use(topology.keyspace)
    return Inventory(tables, counted, schema.left_out, sorted(name for name in cascading if name in tables))


def _joined(table: Table, there: FoundTable) -> Table:
    """Returns a table with its part on another shard."""
    here = FoundTable(table.estimated_rows, table.estimated_bytes, table.engine).joined(there)
    return replace(table, estimated_rows=here.rows, estimated_bytes=here.size, engine=here.engine)
