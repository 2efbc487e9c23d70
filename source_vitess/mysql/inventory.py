"""What a keyspace holds, for a person who sets up a connection: sizes, and tables that need a word.

- Each shard is asked for its tables, their keys and foreign keys, for as long as there is time: a keyspace may have a
  thousand shards. A schema change that has failed in some shards leaves others there.
- Estimates are added up. They are the storage engines' own statistics, which MySQL keeps for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import FoundTable, read_keys, read_tables, use_shard
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
        counted: How many shards were asked.
        unreadable: Names of the tables that Vitess cannot stream.
        cascading: Names of the tables whose rows a foreign key deletes or changes in any of these shards.
        other_keys: By table, those of these shards in which its key has other columns than in the first one, or where
            only one of the two has a key.
    """

    tables: Mapping[str, Table]
    counted: int
    unreadable: Sequence[str]
    cascading: Sequence[str]
    other_keys: Mapping[str, Sequence[str]]


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
    found = {
        name: FoundTable(table.estimated_rows, table.estimated_bytes, table.engine)
        for name, table in schema.tables.items()
    }
    cascading: set[str] = set()
    other_keys: dict[str, list[str]] = {}
    counted = 0
    for shard in shards:
        if counted and not is_time():
            break
        use_shard(session, topology, shard)
        cascading.update(str(name) for (name,) in session.query_large(_CASCADING))
        if counted:
            there, keys = read_tables(session), read_keys(session)
            for name in there.keys() & found.keys():
                found[name] = found[name].joined(there[name])
                if (keys[name].columns if name in keys else ()) != schema.tables[name].key:
                    other_keys.setdefault(name, []).append(shard)
        counted += 1
    session.use(topology.keyspace)
    tables = {
        name: replace(table, estimated_rows=one.rows, estimated_bytes=one.size, engine=one.engine)
        for (name, table), one in zip(schema.tables.items(), found.values(), strict=True)
    }
    return Inventory(tables, counted, schema.left_out, sorted(cascading & tables.keys()), other_keys)
