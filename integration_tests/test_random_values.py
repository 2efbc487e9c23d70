"""Random tables with random values on a real Vitess, in both phases, compared with SELECT.

`SOURCE_VITESS_SEED` repeats a run; `SOURCE_VITESS_TABLES` makes it longer.
"""

from __future__ import annotations

import os
import random

from pymysql.cursors import Cursor
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store, expect_equal
from instruments.select import select_rows
from integration_tests.random_tables import SQL_MODE, Generator, RandomTable

_ROWS = 25


def fill(cursor: Cursor, table: RandomTable) -> None:
    """Inserts rows; a second one under the same key is left out."""
    for _ in range(_ROWS):
        cursor.execute(table.insert())


def test_random_values_of_random_types(cluster: Cluster, single: Connector) -> None:
    """Whatever MySQL has made of a value is what comes out: copied, then written again and read as changes."""
    seed = int(os.environ.get("SOURCE_VITESS_SEED", random.randrange(10**6)))  # noqa: S311 - test data
    print(f"seed: SOURCE_VITESS_SEED={seed}")  # noqa: T201
    generator = Generator(seed, has_vectors=int(str(cluster.describe()["mysql_version"]).partition(".")[0]) >= 9)
    tables = [generator.table(f"t{number}") for number in range(int(os.environ.get("SOURCE_VITESS_TABLES", "12")))]
    with cluster.connect_tablet(cluster.primary("single", "0").alias) as connection, connection.cursor() as cursor:
        cursor.execute("use vt_single")
        cursor.execute("set time_zone = '+00:00', group_concat_max_len = 1000000")
        cursor.execute(f"set sql_mode = '{SQL_MODE}'")
        for table in tables:
            cursor.execute(table.create())
            fill(cursor, table)
        connection.commit()
        cluster.reload_schema("single")
        store = Store.of_catalog(single.discover())

        assert single.sync(store, single.configured()) is None
        single.expect_all_equal(store)

        for table in tables:
            # A FLOAT that was copied keeps MySQL's six digits until its row changes, so all rows are new.
            cursor.execute(f"delete from `{table.name}`")
            fill(cursor, table)
            for _ in range(4):
                cursor.execute(table.rewrite())
        connection.commit()
    assert single.sync(store, single.configured()) is None
    for table in tables:
        rows = select_rows(single.mysql_port, single.keyspace, table.name, exact_floats=True)
        expect_equal(store, table.name, rows)
