"""Schema changes at random, and what each does to the streams that are read with an older catalog."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable

from instruments.type_matrix import quote
from integration_tests.chaos.faults import Place, heal
from integration_tests.chaos.noted import NotedColumns
from integration_tests.chaos.schema import EXTRAS, Schema
from integration_tests.chaos.statements import Statements
from integration_tests.chaos.tables import PARTITIONED, PARTITIONS

#: How many columns a table has at most beside its own.
_MOST_EXTRAS = 4

#: How a table's own shadow is named at the end of an online schema change: the new one, and the one of before.
_SHADOWS = (("_{}_gho", "_{}_del"), ("_{}_new", "_{}_old"), ("_{}_gho", "_{}_20260102030405_del"))

_NOISE = (
    *("ALTER TABLE <table> <keep>", "ALTER TABLE <table> /*!50100 <keep> */ , COMMENT <text>"),
    *("ALTER TABLE <table> /*!99999 DROP COLUMN {n} , */ FORCE", "ALTER TABLE <table> <keep> , <keep>"),
    *("DROP TEMPORARY TABLE IF EXISTS <table>", "CREATE TABLE IF NOT EXISTS <table> (drop_me int)"),
)

_Kind = Callable[[random.Random, str], str]


class SchemaChanges:
    """Alters tables.

    Args:
        place: The cluster.
        schema: The tables' columns.
        seed: Of the statements' forms.

    Attributes:
        schema: The tables' present columns.
        columns: By table, the columns that were touched since it was discovered and read anew.
        gone: By table, those of them that were dropped or renamed. A copy needs all that are selected.
        allowed: By table, why its stream may ask for a refresh.
        ahead: By table, the same once it was refreshed: a sync may come to the statement only afterwards, as long as
            replicas lag.
        misnoted: Tables of which tablets have noted wrong columns, until a sync has come past the changes concerned:
            their streams may ask for a refresh, and may hold values under wrong names.
    """

    def __init__(self, place: Place, schema: Schema, seed: int) -> None:
        self._place = place
        self.schema = schema
        self.columns: dict[str, set[str]] = defaultdict(set)
        self.gone: dict[str, set[str]] = defaultdict(set)
        self.allowed: dict[str, str] = {}
        self.ahead: dict[str, str] = {}
        self.misnoted: set[str] = set()
        self._noted = NotedColumns(place.cluster, place.keyspace, frozenset(schema.tables))
        self._statements = Statements(place.cluster, place.keyspace, seed)

    def discovered(self, *tables: str) -> None:
        """Notes that tables are read with a new catalog, and from a new copy."""
        for table in tables:
            self.columns.pop(table, None)
            self.gone.pop(table, None)
            if reason := self.allowed.pop(table, None):
                self.ahead[table] = reason

    def declarations(self, table: str) -> dict[str, str]:
        """Returns a table's columns with their declarations."""
        return {**self.schema.tables[table].columns, **self.schema.extras[table]}

    def change(self, rnd: random.Random) -> str:
        """Makes one change; returns what it was."""
        # Columns that come and go are what most can be done to.
        altered = [name for name, extras in self.schema.extras.items() if extras]
        table = rnd.choice(altered if altered and rnd.random() < 0.6 else list(self.schema.tables))
        kinds = self._kinds(table)
        kind = rnd.choices(list(kinds), [weight for _, weight in kinds.values()])[0]
        return f"{kind}: {kinds[kind][0](rnd, table)}{self._settle()}"

    def _kinds(self, table: str) -> dict[str, tuple[_Kind, int]]:
        extras, made = self.schema.extras[table], self.schema.tables[table]
        kinds: dict[str, tuple[_Kind, int]] = {}
        if len(extras) < _MOST_EXTRAS:
            kinds["add"] = self._add, 7
        if extras:
            kinds |= {"drop": (self._drop, 3), "modify": (self._modify, 6), "rename": (self._rename, 3)}
        if made.is_transactional:
            # MySQL takes no CREATE TABLE … SELECT from a table without transactions, because of the GTIDs.
            kinds["create as select"] = self._create_as_select, 1
        if made.converts:
            kinds["convert"] = self._convert, 1
        if made.is_partitioned:
            kinds |= {"partition": (self._partition, 4), "repartition": (self._repartition, 1)}
        return kinds | {
            "noise": (self._noise, 3),
            "truncate": (self._truncate, 1),
            "recreate": (self._recreate, 1),
            "rename table": (self._rename_table, 1),
            "swap for a shadow": (self._swap, 2),
            "swap for another": (self._nightly, 1),
        }

    def reconcile(self) -> list[str]:
        """Looks at what has become of a change that failed; returns the tables that it had to create again."""
        recreated = []
        keyspace, cluster = self._place.keyspace, self._place.cluster
        for table, extras in self.schema.extras.items():
            own = self.schema.tables[table].columns
            found = {
                tuple(
                    cluster.sql(
                        f"{keyspace}:{shard}@primary",
                        "select column_name, column_type from information_schema.columns "
                        f"where table_schema = database() and table_name = {_quoted(table)} order by ordinal_position",
                    )
                )
                for shard in sorted(cluster.serving_shards(keyspace))
            }
            names = {str(name): _text(declaration) for name, declaration in found.pop()}
            if found or not names:
                cluster.sql(keyspace, f"drop table if exists {quote(table)}")
                self._recreated(table)
                recreated.append(table)
            elif set(names) != {*own, *extras}:
                present = {name: extras.get(name, names[name]) for name in names if name not in own}
                self.columns[table] |= set(present) ^ set(extras)
                self.gone[table] |= extras.keys() - present.keys()
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
        self._place.cluster.sql(self._place.keyspace, self.schema.tables[table].create)

    def _alter(self, rnd: random.Random, table: str, clause: str, *columns: str, why: str = "") -> str:
        """Alters a table, on the servers in an odd form, through VTGate, or as Vitess' own online change."""
        self.columns[table] |= set(columns)
        if why:
            self.allowed[table] = why
        most = 3 if self.schema.tables[table].can_be_replicated else 2
        match rnd.choices(range(most), [5, 1, 1][:most])[0]:
            case 0:
                return self._statements.odd(rnd, f"ALTER TABLE <table> <modifiers> {clause} <more>", table)
            case 1:
                return self._statements.through_vtgate(f"alter table {quote(table)} {_plain(clause)}")
            case _:
                # VReplication may read from any replica, and Vitess does not cut over while that lags: a run of six
                # minutes would spend five in waiting.
                heal(self._place)
                return self._statements.online(f"alter table {quote(table)} {_plain(clause)}")

    def _add(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name, declaration = self.schema.new_name(), rnd.choice(list(EXTRAS))
        where = rnd.choice(["", "FIRST", f"AFTER {{{rnd.choice(self.schema.columns(table))}}}"])
        done = self._alter(rnd, table, f"ADD [COLUMN] {{{name}}} {declaration} [COMMENT <text>] {where}", name)
        extras[name] = declaration
        return done

    def _goes(self, table: str, name: str) -> None:
        """Notes that a column is dropped or renamed. VTTablet cannot stream an ENUM or SET of before then."""
        self.gone[table].add(name)
        if self.schema.extras[table][name].startswith(("enum", "set")):
            self.allowed[table] = "an ENUM or SET column is gone"

    def _drop(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name = rnd.choice(list(extras))
        self._goes(table, name)
        done = self._alter(rnd, table, f"DROP [COLUMN] {{{name}}}", name)
        del extras[name]
        return done

    def _modify(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name = rnd.choice(list(extras))
        extra = EXTRAS.get(extras[name])
        declaration = rnd.choice([extras[name], *extra.changes] if extra else [extras[name]])
        verb = rnd.choice(["MODIFY [COLUMN]", f"CHANGE [COLUMN] {{{name}}}"])
        clause = f"{verb} {{{name}}} {declaration} [COMMENT <text>]"
        done = self._alter(rnd, table, clause, name, why="a column has another type")
        extras[name] = declaration
        return done

    def _rename(self, rnd: random.Random, table: str) -> str:
        extras = self.schema.extras[table]
        name, new = rnd.choice(list(extras)), self.schema.new_name()
        clause = rnd.choice([f"RENAME COLUMN {{{name}}} TO", f"CHANGE [COLUMN] {{{name}}}"]) + f" {{{new}}}"
        self._goes(table, name)
        done = self._alter(rnd, table, f"{clause} {extras[name] if 'CHANGE' in clause else ''}", name, new)
        extras[new] = extras.pop(name)
        return done

    def _convert(self, rnd: random.Random, table: str) -> str:
        """Replaces the characters that latin1 does not have, and goes back to a character set that has all."""
        self.columns[table] |= {
            name for name, how in self.declarations(table).items() if "char" in how or "text" in how
        }
        there = self._statements.odd(rnd, "ALTER TABLE <table> CONVERT TO <charset word> latin1 <more>", table)
        back = "ALTER TABLE <table> CONVERT TO <charset word> utf8mb4 COLLATE utf8mb4_0900_ai_ci"
        return f"{there}; {self._statements.odd(rnd, back, table)}"

    def _partition(self, rnd: random.Random, table: str) -> str:
        """Removes a partition with its rows, or the rows alone, and makes the partitions anew."""
        self.allowed[table] = "a partition was removed"
        name = rnd.choice(["p0", "drop", "p2"])
        form = rnd.choice(
            [
                *(f"DROP PARTITION {{{name}}}", f"TRUNCATE PARTITION {{{name}}}"),
                f"EXCHANGE PARTITION {{{name}}} WITH TABLE <other> [WITHOUT VALIDATION]",
            ]
        )
        other = "drop me"
        if "EXCHANGE" in form:
            # Columns that were added at once have marks that LIKE does not repeat, and the two have to be the same.
            self._statements.on_the_servers(
                f"alter table {quote(table)} engine=InnoDB",
                f"drop table if exists {quote(other)}",
                f"create table {quote(other)} like {quote(table)}",
                f"alter table {quote(other)} remove partitioning",
            )
        whole = rnd.choice(
            ["ALTER TABLE <table> {}", "ALTER TABLE <table> /*!50100 {} */", "ALTER TABLE <table> LOCK=DEFAULT, {}"]
        )
        if "EXCHANGE" in form or "TRUNCATE" in form:
            whole = rnd.choice(["ALTER TABLE <table> {}", "ALTER TABLE <table> /*!50100 {} */"])
        done = self._statements.odd(rnd, whole.format(form), table, other)
        self._statements.on_the_servers(f"drop table if exists {quote(other)}")
        return f"{done}; {self._repartition(rnd, table)}"

    def _repartition(self, rnd: random.Random, _: str) -> str:
        """Makes the partitions anew; with every row."""
        return self._statements.odd(rnd, f"ALTER TABLE <table> {PARTITIONS.replace('`drop`', '{drop}')}", PARTITIONED)

    def _noise(self, rnd: random.Random, table: str) -> str:
        """Does what looks like a change and is none to what is stored, or is one of another table."""
        if rnd.random() < 0.7 or not self.schema.tables[table].is_transactional:
            return self._statements.odd(rnd, rnd.choice(_NOISE), table)
        made = f"{table} drop"
        self._statements.on_the_servers(f"drop table if exists {quote(made)}", f"drop view if exists {quote(made)}")
        form = rnd.choice(
            ["CREATE TABLE <other> AS SELECT * FROM <table>", "CREATE VIEW <other> AS SELECT * FROM <table>"]
        )
        done = self._statements.odd(rnd, form, table, made)
        kind = "VIEW" if "VIEW" in form else "TABLE"
        return f"{done}; {self._statements.odd(rnd, f'DROP {kind} [IF EXISTS] <other>', table, made)}"

    def _truncate(self, rnd: random.Random, table: str) -> str:
        self.allowed[table] = "it was truncated"
        return self._statements.odd(rnd, "TRUNCATE [TABLE] <table>", table)

    def _recreate(self, rnd: random.Random, table: str) -> str:
        self.allowed[table] = "it was dropped"
        done = self._statements.odd(
            rnd, rnd.choice(["DROP TABLE [IF EXISTS] <table>", "DROP TABLES <table> CASCADE"]), table
        )
        self._recreated(table)
        return done

    def _create_as_select(self, _: random.Random, table: str) -> str:
        """Makes a table anew out of its own rows, in one statement that is one transaction with them."""
        self.allowed[table] = "it was dropped"
        made = self.schema.tables[table]
        aside = f"{table} aside"
        computed = [name for name, how in self.declarations(table).items() if "generated always" in how]
        extras = list(self.schema.extras[table])
        self.columns[table] |= set(extras)
        selected = ", ".join(quote(name) for name in made.columns if name not in computed)
        with self._place.writer.paused():
            self._statements.on_the_servers(
                f"drop table if exists {quote(aside)}",
                f"rename table {quote(table)} to {quote(aside)}",
                f"create table {quote(table)} {made.definition} as select {selected} from {quote(aside)}",
                f"drop table {quote(aside)}",
            )
        self.schema.extras[table] = {}
        return table

    def _rename_table(self, rnd: random.Random, table: str) -> str:
        """Renames a table away and back; with every row it had."""
        self.allowed[table] = "it was renamed"
        away = f"{table} away"
        form = rnd.choice(["RENAME TABLE <table> TO <other>", "ALTER TABLE <table> <keep> , RENAME <to> <other>"])
        self._statements.on_the_servers(f"drop table if exists {quote(away)}")
        done = self._statements.odd(rnd, form, table, away)
        return f"{done}; {self._statements.odd(rnd, 'RENAME TABLE <table> TO <other>', away, table)}"

    def _swap(self, rnd: random.Random, table: str) -> str:
        """Puts a shadow table with the same rows in the table's place, as gh-ost and others do at their cut-over."""
        new, old = (name.format(table) for name in rnd.choice(_SHADOWS))
        with self._place.writer.paused():
            self._statements.exchange(table, old, new, self.schema.written(table))
        return f"{table}: {new}"

    def _nightly(self, _: random.Random, table: str) -> str:
        """Puts a table with other rows in the table's place, whose name looks like a shadow's."""
        self.allowed[table] = "it was replaced"
        new, old = f"_{table}_import", f"{table}_old"
        with self._place.writer.paused():
            self._statements.exchange(table, old, new, self.schema.written(table), where="n % 3")
        return f"{table}: {new}"


def _plain(clause: str) -> str:
    """Writes a form as people do, for VTGate, which puts statements in its own words."""
    words = clause.replace("[COMMENT <text>]", "").replace("[COLUMN]", "column")
    return words.replace("{", "`").replace("}", "`")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
