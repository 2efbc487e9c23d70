"""The keyspace's own tables, read through the MySQL port of VTGate.

`information_schema` is what SHOW CREATE TABLE is made from, without a text to parse: the columns with their types,
character sets and collations, and the key by which source-vitess knows rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import read_schema, use_shard
from source_vitess.mysql.topology import read_topology
from source_vitess.network.tunnel import reachable
from source_vitess.settings.config import Config

from destination_readyset.policy import KeyspaceColumn

_COLLATIONS = """
select table_name, column_name, collation_name
from information_schema.columns where table_schema = database() and collation_name is not null"""


@dataclass(frozen=True)
class KeyspaceTable:
    """A table of the keyspace.

    Attributes:
        columns: In table order.
        key: The columns that identify a row; empty without.
    """

    columns: tuple[KeyspaceColumn, ...]
    key: tuple[str, ...]


def read_tables(vitess: Config) -> Mapping[str, KeyspaceTable]:
    """Returns the keyspace's base tables by name.

    Raises:
        ConfigError: The address or the credentials are wrong.
        TransientError: VTGate, or a shard, does not answer now.
    """
    with reachable(vitess) as address, VtgateSession.connect(address, vitess.keyspace) as session:
        topology = read_topology(session, vitess.keyspace)
        schema = read_schema(session, vitess.keyspace, topology=topology)
        use_shard(session, topology, topology.select_shards(())[0])
        collations: dict[str, dict[str, str]] = defaultdict(dict)
        for table, column, collation in session.query_large(_COLLATIONS):
            collations[table][column] = collation
    return {
        name: KeyspaceTable(
            tuple(
                KeyspaceColumn(column.name, column.column_type, column.charset, collations[name].get(column.name))
                for column in table.columns
            ),
            table.key,
        )
        for name, table in schema.tables.items()
    }
