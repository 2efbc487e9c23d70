"""What a condition on rows depends on beside a column's type: its collation, and whether it is computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import use_shard
from source_vitess.mysql.topology import Topology
from source_vitess.row_filters.row_filter import ColumnDetails

_DETAILS = """
select table_name, column_name, collation_name, generation_expression
from information_schema.columns where table_schema = database() and table_name in ({})"""


def read_column_details(
    session: VtgateSession, topology: Topology, shards: Sequence[str], tables: Collection[str]
) -> Mapping[str, Mapping[str, ColumnDetails]]:
    """Returns the details of some tables' columns, as the first shard has them. The target is the keyspace afterwards.

    Args:
        session: A session.
        topology: The keyspace's shards.
        shards: Those that are read.
        tables: The tables; without any, nothing is asked.

    Raises:
        TransientError: The connection was lost, or the shard has no tablet that answers.
    """
    found: dict[str, dict[str, ColumnDetails]] = defaultdict(dict)
    if tables:
        use_shard(session, topology, shards[0])
        names = tuple(tables)
        for table, column, collation, expression in session.query_large(
            _DETAILS.format(", ".join(["%s"] * len(names))), names
        ):
            found[table][column] = ColumnDetails(collation or None, is_computed=bool(expression))
        session.use(topology.keyspace)
    return found
