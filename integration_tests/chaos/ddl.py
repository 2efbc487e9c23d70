"""Schema changes at random, and what each does to the streams that are read with an older catalog."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable

from integration_tests.chaos.faults import Place
from integration_tests.chaos.noted import NotedColumns
from integration_tests.chaos.tables import EXTRA_TYPES, TABLES, Schema

#: How many columns a table has at most beside its own.
_MOST_EXTRAS = 4


class SchemaChanges:
    """Alters tables.

    Args:
        place: The cluster.

    Attributes:
        schema: The tables' present columns.
        columns: By table, the columns that were touched since its catalog was discovered.
        allowed: By table, why its stream may ask for a refresh.
        misnoted: Tables of which tablets have noted wrong columns, until a sync has come past the changes concerned:
            their streams may ask for a refresh, and may hold values under wrong names.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.schema = Schema()
        self.columns: dict[str, set[str]] = defaultdict(set)
        self.allowed: dict[str, str] = {}
        self.misnoted: set[str] = set()
        self._noted = NotedColumns(place.cluster, place.keyspace)

    def discovered(self, *tables: str) -> None:
        """Notes that tables are read with a new catalog, and from a new copy."""
        for table in tables:
            self.columns.pop(table, None)
            self.allowed.pop(table, None)

    def change(self, rnd: random.Random) -> str:
        """Makes one change; returns what it was."""
        table = rnd.choice(list(TABLES))
        extras = self.schema.extras[table]
        kinds: dict[str, tuple[Callable[[random.Random, str], str], int]] = {"add": (self._add, 6)}
        if len(extras) >= _MOST_EXTRAS:
            del kinds["add"]
        if extras:
            kinds |= {"drop": (self._drop, 3), "modify": (self._modify, 3), "rename": (self._rename, 3)}
        kinds |= {
            "truncate": (self._truncate, 1),
            "recreate": (self._recreate, 1),
            "rename table": (self._rename_table, 1),
            "swap": (self._swap, 2),
        }
        kind = rnd.choices(list(kinds), [weight for _, weight in kinds.values()])[0]
        return f"{kind}: {kinds[kind][0](rnd, table)}{self._settle()}"

    def reconcile(self) -> list[str]:
        """Looks at what has become of a change that failed; returns the tables that it had to create again."""
        recreated = []
        keyspace, cluster = self._place.keyspace, self._place.cluster
        for table, extras in self.schema.extras.items():
            found = {
                tuple(
                    cluster.sql(
                        f"{keyspace}:{shard}@primary",
                        "select column_name, column_type from information_schema.columns "
                        f"where table_schema = database() and table_name = '{table}' order by ordinal_position",
                    )
                )
                for shard in sorted(cluster.serving_shards(keyspace))
            }
            names = {str(name): _text(declaration) for name, declaration in found.pop()}
            if found or not names:
                cluster.sql(keyspace, f"drop table if exists {table}")
                self._recreated(table)
                recreated.append(table)
            elif set(names) != {*TABLES[table].columns, *extras}:
                present = {name: extras.get(name, names[name]) for name in names if name not in TABLES[table].columns}
                self.columns[table] |= set(present) ^ set(extras)
                self.schema.extras[table] = present
        self._settle()
        return recreated

    def _settle(self) -> str:
        """Waits until the tablets have noted the columns; returns what they noted wrongly at first."""
        wrong = self._noted.settle()
        self.misnoted |= wrong
        return f"; tablets noted wrong columns of {', '.join(sorted(wrong))}" if wrong else ""

    def _recreated(self, table: str) -> None:
        self.allowed[table] = "it was dropped"
        self.columns[table] |= set(self.schema.extras[table])
        self.schema.extras[table] = {}
        self._place.cluster.sql(self._place.keyspace, TABLES[table].create)

    def _alter(self, rnd: random.Random, table: str, clause: str, *columns: str, why: str = "") -> str:
        """Alters a table, directly or as Vitess' own online change."""
        self.columns[table] |= set(columns)
        if why:
            self.allowed[table] = why
        strategy = rnd.choices(["direct", "vitess"], [5, 1])[0]
        statement = f"alter table {table} {clause}"
        if strategy == "direct":
            self._place.cluster.sql(self._place.keyspace, statement)
        else:
            self._place.cluster.ddl(self._place.keyspace, statement, strategy=strategy)
        return f"{statement} ({strategy})"

    def _add(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name, declaration = self.schema.new_name(), rnd.choice(list(EXTRA_TYPES))
        where = rnd.choice(["", "first", f"after {rnd.choice(self.schema.columns(table))}"])
        done = self._alter(rnd, table, f"add column {name} {declaration} {where}", name)
        extras[name] = declaration
        return done

    def _drop(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name = rnd.choice(list(extras))
        done = self._alter(rnd, table, f"drop column {name}", name)
        del extras[name]
        return done

    def _modify(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name = rnd.choice(list(extras))
        declaration = rnd.choice(EXTRA_TYPES.get(extras[name], (extras[name],)))
        done = self._alter(rnd, table, f"modify column {name} {declaration}", name, why="a column has another type")
        extras[name] = declaration
        return done

    def _rename(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name, new = rnd.choice(list(extras)), self.schema.new_name()
        done = self._alter(rnd, table, f"rename column {name} to {new}", name, new)
        extras[new] = extras.pop(name)
        return done

    def _truncate(self, _: random.Random, table: str) -> str:
        self.allowed[table] = "it was truncated"
        self._place.cluster.sql(self._place.keyspace, f"truncate table {table}")
        return table

    def _recreate(self, _: random.Random, table: str) -> str:
        self.allowed[table] = "it was dropped"
        self._place.cluster.sql(self._place.keyspace, f"drop table {table}")
        self._recreated(table)
        return table

    def _rename_table(self, _: random.Random, table: str) -> str:
        """Renames a table away and back; with every row it had."""
        self.allowed[table] = "it was renamed"
        for shard in sorted(self._place.cluster.serving_shards(self._place.keyspace)):
            for statement in (f"rename table {table} to {table}_away", f"rename table {table}_away to {table}"):
                self._place.cluster.sql(f"{self._place.keyspace}:{shard}@primary", statement)
        return table

    def _swap(self, _: random.Random, table: str) -> str:
        """Puts a shadow table with the same rows in the table's place, as gh-ost does at its cut-over."""
        with self._place.writer.paused():
            for shard in sorted(self._place.cluster.serving_shards(self._place.keyspace)):
                for statement in (
                    f"drop table if exists _{table}_gho, _{table}_del",
                    f"create table _{table}_gho like {table}",
                    f"insert into _{table}_gho select * from {table}",
                    f"rename table {table} to _{table}_del, _{table}_gho to {table}",
                    f"drop table _{table}_del",
                ):
                    self._place.cluster.sql(f"{self._place.keyspace}:{shard}@primary", statement)
        return table


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
