"""Carries schema changes out: on the shards' MySQL servers in an odd form, through VTGate, or online."""

from __future__ import annotations

import random

from vitess_local.cluster import Cluster

from instruments.type_matrix import quote
from integration_tests.ddl_forms import MODES, DdlForms

#: Seconds for which an ALTER waits for others' transactions.
_LOCK_SECONDS = 20

#: No strict mode: values that do not fit are cut, as where people have always done without.
_MODES = [mode for mode in MODES if "STRICT" not in mode]

#: Clauses that change no stored value, for tables whose columns are not those of the grammar.
_SYMBOLS = {
    "keep": (
        *("COMMENT [=] <text>", "COMMENT <text>", "FORCE", "ALTER COLUMN {n} SET DEFAULT 5", "ALTER {n} DROP DEFAULT"),
        *(
            "ADD CHECK (n > -9)",
            "STATS_PERSISTENT = DEFAULT",
            "ALGORITHM = COPY",
            "LOCK = EXCLUSIVE",
            "ENABLE KEYS",
        ),
        *("ORDER BY n", "MAX_ROWS = 5"),
    ),
    "modifiers": ("", "", "ALGORITHM = DEFAULT ,", "LOCK DEFAULT ,"),
    "more": ("", "", ", <keep>"),
    "charset word": ("CHARACTER SET", "CHARSET"),
}


class Statements:
    """Has statements carried out in all serving shards.

    Args:
        cluster: The cluster.
        keyspace: The keyspace.
        seed: Of the statements' forms.
    """

    def __init__(self, cluster: Cluster, keyspace: str, seed: int) -> None:
        self._cluster = cluster
        self._keyspace = keyspace
        self._forms = DdlForms(seed, _SYMBOLS)

    def odd(self, rnd: random.Random, form: str, table: str, other: str = "") -> str:
        """Carries out a form of the grammar of `ddl_forms.py` on every shard's MySQL server; returns the statement."""
        mode = rnd.choice(_MODES)
        statement = self._forms.write(form, table, other, mode=mode)
        self.on_the_servers(statement, mode=mode)
        return f"{statement} ({mode})"

    def on_the_servers(self, *statements: str, mode: str = "") -> None:
        """Carries statements out on the primaries' MySQL servers, past Vitess, which has words of its own."""
        for shard in sorted(self._cluster.serving_shards(self._keyspace)):
            alias = self._cluster.primary(self._keyspace, shard).alias
            with self._cluster.connect_tablet(alias) as connection, connection.cursor() as cursor:
                cursor.execute(f"use vt_{self._keyspace}")
                cursor.execute(f"set sql_mode = '{mode}', lock_wait_timeout = {_LOCK_SECONDS}")
                for statement in statements:
                    cursor.execute(statement)
                connection.commit()

    def through_vtgate(self, statement: str) -> str:
        """Carries a statement out through VTGate."""
        self._cluster.sql(self._keyspace, statement)
        return f"{statement} (VTGate)"

    def online(self, statement: str) -> str:
        """Carries an ALTER TABLE out as Vitess' own online schema change."""
        self._cluster.ddl(self._keyspace, statement, strategy="vitess")
        return f"{statement} (online)"

    def exchange(self, table: str, old: str, new: str, columns: list[str], *, where: str = "true") -> None:
        """Puts a new table with rows of the first in its place, and drops the first."""
        listed = ", ".join(map(quote, columns))
        self.on_the_servers(
            f"drop table if exists {quote(new)}, {quote(old)}",
            f"create table {quote(new)} like {quote(table)}",
            f"insert into {quote(new)} ({listed}) select {listed} from {quote(table)} where {where}",
            f"rename table {quote(table)} to {quote(old)}, {quote(new)} to {quote(table)}",
            f"drop table {quote(old)}",
        )
