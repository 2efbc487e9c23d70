"""A keyspace's schema, read through VTGate.

- Base tables only: a view has no change stream, a sequence (comment `vitess_sequence`) is a counter of Vitess' own,
  and VStream leaves Vitess-internal tables out.
- `information_schema` of a keyspace is that of an arbitrary shard, so each shard is asked by name, where
  `database()` is the physical database. Columns and keys come from the first shard; a table that another shard does
  not have (in the middle of a CREATE or DROP) is left out; estimates are added up.
- Three statements for the first shard and one for each other one, whatever the number of tables.
- Generated and invisible columns are included: VStream has them too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from source_vitess.errors import TransientError
from source_vitess.mysql.session import Row, VtgateSession
from source_vitess.mysql.topology import Topology, read_topology
from source_vitess.naming import TABLET_TYPES, TabletType, can_be_streamed, is_internal_table
from source_vitess.schema import Column, Schema, Table, is_transactional

_TABLES = """
select table_name, table_rows, data_length, engine from information_schema.tables
where table_schema = database() and table_type = 'BASE TABLE' and table_comment <> 'vitess_sequence'"""

_COLUMNS = """
select table_name, ordinal_position, column_name, column_type, character_set_name, is_nullable
from information_schema.columns where table_schema = database()"""

# A part of a functional key has no column, a part over a prefix has a length, a descending part has D for a collation.
_KEYS = """
select table_name, index_name, seq_in_index, column_name, sub_part, nullable, collation
from information_schema.statistics where table_schema = database() and non_unique = 0"""

_PRIMARY = "PRIMARY"


@dataclass(frozen=True)
class FoundTable:
    """A table of one shard, or of several together.

    Attributes:
        rows: Estimated.
        size: Estimated, in bytes.
        engine: Its storage engine.
    """

    rows: int
    size: int
    engine: str | None

    def joined(self, other: FoundTable) -> FoundTable:
        """Returns the table with its part on another shard."""
        engine = self.engine if is_transactional(other.engine) else other.engine
        return FoundTable(self.rows + other.rows, self.size + other.size, engine)


def read_schema(
    session: VtgateSession, keyspace: str, *, shards: Sequence[str] = (), topology: Topology | None = None
) -> Schema:
    """Reads the tables of a keyspace, and leaves the session with the keyspace as its target.

    Args:
        session: A session whose target names no shard.
        keyspace: The keyspace.
        shards: The shards to look at; all if empty.
        topology: If it is known already; else it is asked for.

    Raises:
        ConfigError: There is no such keyspace or shard.
        TransientError: The connection was lost, or a shard has no tablet that answers.
    """
    topology = topology or read_topology(session, keyspace)
    first, *others = topology.select_shards(shards)
    use_shard(session, topology, first)
    found = read_tables(session)
    columns = _group_columns(session.query_large(_COLUMNS))
    keys = read_keys(session)
    for shard in others:
        use_shard(session, topology, shard)
        there = read_tables(session)
        found = {name: table.joined(there[name]) for name, table in found.items() if name in there}
    session.use(keyspace)
    return Schema(
        keyspace,
        {
            name: _table(name, columns[name], keys.get(name), table)
            for name, table in sorted(found.items())
            if name in columns
        },
        tuple(sorted(name for name in columns if not can_be_streamed(name))),
    )


def use_shard(session: VtgateSession, topology: Topology, shard: str, preferred: TabletType = TABLET_TYPES[0]) -> None:
    """Sends the statements that follow to a tablet of the shard: of the preferred type, if one serves, else of any.

    Args:
        session: The session.
        topology: The keyspace.
        shard: The shard.
        preferred: The preferred type of tablet; the primary unless given.

    Raises:
        TransientError: The connection was lost, or the shard has no tablet that answers.
    """
    for tablet_type in (preferred, *TABLET_TYPES):
        if topology.serves(shard, tablet_type):
            session.use(f"{topology.keyspace}:{shard}@{tablet_type.lower()}")
            return
    raise TransientError(f"The shard {shard} of keyspace {topology.keyspace} has no tablet that answers now.")


def read_tables(session: VtgateSession) -> Mapping[str, FoundTable]:
    """Returns the tables of the shard that is the session's target that can be read, by name.

    Raises:
        TransientError: The connection was lost.
    """
    return {
        name: FoundTable(int(rows or 0), int(size or 0), engine)
        for name, rows, size, engine in session.query_large(_TABLES)
        if can_be_streamed(name) and not is_internal_table(name)
    }


class Key(NamedTuple):
    """A table's key.

    Attributes:
        columns: In key order.
        presorted: As `Table.presorted`.
        primary: Whether it is the primary key.
    """

    columns: tuple[str, ...]
    presorted: bool
    primary: bool = False


def read_keys(session: VtgateSession) -> Mapping[str, Key]:
    """Returns by table the columns that identify a row in the shard that is the session's target; see `choose_keys`.

    Raises:
        TransientError: The connection was lost.
    """
    return choose_keys(session.query_large(_KEYS))


def read_primary_key(session: VtgateSession, topology: Topology, shard: str, table: str) -> tuple[str, ...]:
    """Returns the columns of a table's primary key in a shard, in key order, as the primary has it now.

    The session's target is the shard afterwards. Empty without a primary key, and without the table.

    Raises:
        TransientError: The connection was lost, or the shard has no tablet that answers.
    """
    use_shard(session, topology, shard)
    rows = session.query(_KEYS + " and table_name = %s and index_name = %s", (table, _PRIMARY))
    return tuple(str(row[3]) for row in sorted(rows, key=lambda row: int(row[2])))


def read_columns(
    session: VtgateSession, topology: Topology, shard: str, tables: Sequence[str]
) -> Mapping[str, tuple[Column, ...]]:
    """Returns by table its columns in a shard, as the primary has them now; tables that are not there are left out.

    The session's target is the shard afterwards.

    Raises:
        TransientError: The connection was lost, or the shard has no tablet that answers.
    """
    use_shard(session, topology, shard)
    return _group_columns(session.query(_COLUMNS + " and table_name in %s", (tuple(tables),)))


def choose_keys(rows: Iterable[Row]) -> Mapping[str, Key]:
    """Returns by table the columns that identify a row; tables without any are left out.

    The primary key, else of the unique keys that are made of whole columns that are all NOT NULL the one with the
    fewest columns, then the first by name.

    Args:
        rows: Of each part of a unique key: table, key, number of the part, column or None, length of the prefix or
            None, `YES` if the column can be NULL, `A` or `D` for ascending or descending.
    """
    parts: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    unfit: set[tuple[str, str]] = set()
    orders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for table, key, number, column, prefix, nullable, order in rows:
        # The prefix of a primary key is unique, and so the whole column is.
        if column is None or nullable == "YES" or (prefix is not None and key != _PRIMARY):
            unfit.add((table, key))
        else:
            parts[table][key].append((number, column))
            orders[table, key].add(order if prefix is None else "prefix")
    chosen: dict[str, Key] = {}
    for table, keys in parts.items():
        fit = [
            (key != _PRIMARY, len(columns), key, columns) for key, columns in keys.items() if (table, key) not in unfit
        ]
        if fit:
            _, _, key, columns = min(fit)
            presorted = len(orders[table, key] - {"prefix"}) == len(orders[table, key]) == 1
            chosen[table] = Key(tuple(column for _, column in sorted(columns)), presorted, key == _PRIMARY)
    return chosen


def _table(name: str, columns: tuple[Column, ...], key: Key | None, found: FoundTable) -> Table:
    return Table(
        name,
        columns,
        key.columns if key else (),
        estimated_rows=found.rows,
        estimated_bytes=found.size,
        engine=found.engine,
        has_primary_key=key is not None and key.primary,
        presorted=key is None or key.presorted,
    )


def _group_columns(rows: Iterable[Row]) -> Mapping[str, tuple[Column, ...]]:
    # The same few types and character sets occur again and again; one object each saves memory.
    known: dict[str, str] = {}
    tables: dict[str, list[tuple[int, Column]]] = defaultdict(list)
    for table, number, name, column_type, charset, nullable in rows:
        tables[table].append(
            (
                number,
                Column(
                    name=name,
                    column_type=known.setdefault(column_type, column_type),
                    charset=known.setdefault(charset, charset) if charset else None,
                    nullable=nullable == "YES",
                ),
            )
        )
    return {
        table: tuple(column for _, column in sorted(columns, key=lambda item: item[0]))
        for table, columns in tables.items()
    }
