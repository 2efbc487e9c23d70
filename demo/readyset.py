"""The story of `make demo-readyset`: a keyspace served beside Vitess, a moment after it changes.

A shop in a local Vitess, source-vitess in streaming mode, destination-readyset, a plain MySQL; and a ReadySet on top,
if there is one: on PATH, or named by READYSET. CLUSTER names another cluster than `demo`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import ER
from vitess_local.cluster import Cluster
from vitess_local.plain_mysql import PlainMysql
from vitess_local.progress import silent
from vitess_local.servers.ports import choose_ports

from demo import shop
from demo.connector import Connector, DemoError, configured_catalog, write_json
from demo.report import step, table, title
from demo.story import OUTPUT, run_story

Json = dict[str, Any]

#: Without a key; a destination that applies changes needs one.
KEYLESS = {"events"}
#: Flags for ReadySet besides the addresses; they differ between releases.
READYSET_FLAGS = (
    "--cache-mode deep-then-shallow --allow-unauthenticated-connections --disable-telemetry "
    "--require-gtid --max-gtid-rows-to-skip 1000000000"
)
CHANGES = 10
_SECONDS = 300.0


def main() -> int:
    """Runs the demo and returns the exit code."""
    return run_story(_story)


def _story() -> None:
    title("destination-readyset demo: a keyspace of a real Vitess, served from a MySQL that ReadySet replicates")
    name = os.environ.get("CLUSTER") or "demo"
    Cluster.up(name, keyspaces={shop.KEYSPACE: shop.SHARDS})
    cluster = Cluster.find(name, report=silent)
    with step("seed") as at:
        shop.reset(cluster, shop.Size())
        at.result = f"{sum(shop.count_rows(cluster).values()):,} rows in Vitess"
    with PlainMysql.start() as mysql:
        with step("check") as at:
            config = write_json(OUTPUT / "destination.json", _destination_config(cluster, mysql))
            at.result = _check(config)
        catalog = _catalog(cluster)
        with _pipeline(catalog, config):
            with step("copy") as at:
                _wait(lambda: _counts(mysql, cluster), "all rows to arrive")
                at.result = f"all rows of {len(catalog['streams'])} tables are served"
            title("Each change is made through VTGate, then looked for in the served table:")
            _follow(cluster, mysql)
            title("ReadySet:")
            _readyset(cluster, mysql)
        with step("compare") as at:
            _compare(cluster, mysql)
            at.result = "the served tables are what SELECT through VTGate returns"
    down = "make demo-down" if name == "demo" else f".venv/bin/vitess-local down --name {name}"
    print(f"\nVitess is still up; `{down}` stops it and deletes its data.\n")


def _destination_config(cluster: Cluster, mysql: PlainMysql) -> Json:
    return {
        "host": "127.0.0.1",
        "port": mysql.port,
        "username": "local",
        "replication_username": "local",
        "vitess": cluster.config(shop.KEYSPACE),
    }


def _check(config: Path) -> str:
    argv = [sys.executable, "-m", "destination_readyset", "check", "--config", str(config)]
    done = subprocess.run(argv, capture_output=True, check=False)
    status = json.loads(done.stdout.splitlines()[-1]).get("connectionStatus", {})
    if status.get("status") != "SUCCEEDED":
        raise DemoError(f"check reported {status}")
    return "SUCCEEDED: ROW binlog, rights, schema of the keyspace"


def _catalog(cluster: Cluster) -> Json:
    # A state at once after a change, and streaming until the demo ends.
    source = {**cluster.config(shop.KEYSPACE), "tablet_type": "PRIMARY", "keep_streaming_minutes": 60}
    connector = Connector.with_config(OUTPUT, source)
    found = connector.run("discover", "discover.jsonl", config=connector.config).only("CATALOG")
    found["streams"] = [stream for stream in found["streams"] if stream["name"] not in KEYLESS]
    catalog = configured_catalog(found)
    write_json(OUTPUT / "catalog.json", catalog)
    return catalog


@contextlib.contextmanager
def _pipeline(catalog: Json, config: Path) -> Iterator[None]:
    """Runs source | destination, their messages into files, and ends them politely."""
    files = ["--catalog", str(OUTPUT / "catalog.json")]
    with (OUTPUT / "states.jsonl").open("wb") as states, (OUTPUT / "errors.txt").open("wb") as errors:
        source = subprocess.Popen(
            [sys.executable, "-m", "source_vitess", "read", "--config", str(OUTPUT / "config.json"), *files],
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        destination = subprocess.Popen(
            [sys.executable, "-m", "destination_readyset", "write", "--config", str(config), *files],
            stdin=source.stdout,
            stdout=states,
            stderr=errors,
        )
        if source.stdout is not None:
            source.stdout.close()  # the destination has it
        try:
            yield
        finally:
            source.send_signal(signal.SIGTERM)
            codes = source.wait(60), destination.wait(60)
    if codes != (0, 0):
        raise DemoError(f"source and destination ended with {codes}; see {OUTPUT}/states.jsonl and errors.txt.")


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise DemoError(f"Waited {_SECONDS:.0f} s for {what}; see {OUTPUT}/states.jsonl and errors.txt.")
        time.sleep(0.01)


def _served(mysql: PlainMysql, sql: str) -> list[tuple[Any, ...]]:
    """Asks the served tables; nothing before they exist."""
    try:
        return mysql.sql(sql)
    except pymysql.err.ProgrammingError:
        return []
    except pymysql.err.OperationalError as error:
        if error.args[0] in (ER.BAD_DB_ERROR, ER.NO_SUCH_TABLE):
            return []
        raise


def _counts(mysql: PlainMysql, cluster: Cluster) -> bool:
    rows = shop.count_rows(cluster)
    return all(
        _served(mysql, f"SELECT COUNT(*) FROM {shop.KEYSPACE}.{name}") == [(count,)]
        for name, count in rows.items()
        if name not in KEYLESS
    )


def _follow(cluster: Cluster, mysql: PlainMysql) -> None:
    lags, rows = [], []
    with cluster.connect(shop.KEYSPACE) as vitess, vitess.cursor() as cursor:
        for number in range(CHANGES):
            stock = 100_000 + number
            cursor.execute(f"UPDATE products SET stock = {stock} WHERE product_id = 1")
            committed = time.monotonic()
            sql = f"SELECT 1 FROM {shop.KEYSPACE}.products WHERE product_id = 1 AND stock = {stock}"
            _wait(lambda sql=sql: bool(_served(mysql, sql)), "a change to arrive")  # type: ignore[misc]
            lags.append(time.monotonic() - committed)
            rows.append([f"stock of product 1 becomes {stock}", f"{lags[-1]:.3f} s"])
    print(table(["change in Vitess", "served after"], rows))
    print(f"  median {statistics.median(lags):.3f} s, at most {max(lags):.3f} s")


def _readyset(cluster: Cluster, mysql: PlainMysql) -> None:
    program = os.environ.get("READYSET") or shutil.which("readyset")
    if program is None:
        print("  There is no `readyset` on PATH, and READYSET names none. What it would read of the binlog:")
        _show_binlog(mysql)
        return
    port, metrics = choose_ports(2, {mysql.port}, candidates=range(27999, 26000, -1))
    argv = [
        program,
        *shlex.split(os.environ.get("READYSET_FLAGS", READYSET_FLAGS)),
        f"--upstream-db-url=mysql://local@127.0.0.1:{cluster.mysql_port}/{shop.KEYSPACE}",
        f"--cdc-db-url=mysql://local@127.0.0.1:{mysql.port}/{shop.KEYSPACE}",
        f"--address=127.0.0.1:{port}",
        f"--metrics-address=127.0.0.1:{metrics}",
        "--deployment=demo",
        f"--storage-dir={(OUTPUT / 'readyset').resolve()}",
    ]
    with (OUTPUT / "readyset.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _show_cache(cluster, port)
    finally:
        process.terminate()
        process.wait(60)


def _show_cache(cluster: Cluster, port: int) -> None:
    query = "SELECT stock FROM products WHERE product_id = 1"
    cached = "CREATE DEEP CACHE stock_of FROM SELECT stock FROM products WHERE product_id = ?"

    def ask(*statements: str) -> list[list[tuple[Any, ...]]]:
        """Returns the rows of each, over one connection; nothing while ReadySet does not answer."""
        try:
            with (
                pymysql.connect(
                    host="127.0.0.1", port=port, user="local", database=shop.KEYSPACE, autocommit=True
                ) as connection,
                connection.cursor() as cursor,
            ):
                answers = []
                for sql in statements:
                    cursor.execute(sql)
                    answers.append(list(cursor.fetchall()))
                return answers
        except pymysql.MySQLError:
            return []

    def from_deep_cache(stock: int) -> bool:
        # Rows alone prove nothing: what no deep cache answers, VTGate does.
        match ask(query, "EXPLAIN LAST STATEMENT"):
            case [[(found,)], [(destination, *_)]]:
                return bool(found == stock and str(destination).startswith("readyset("))
        return False

    _wait(lambda: bool(ask("SHOW READYSET STATUS")), "ReadySet")
    _wait(lambda: bool(ask(cached)), "the cache")
    for stock in (1, 2, 3):
        cluster.sql(shop.KEYSPACE, f"UPDATE products SET stock = {stock} WHERE product_id = 1")
        _wait(lambda stock=stock: from_deep_cache(stock), "the cached answer to change")  # type: ignore[misc]
        print(f"  {query}: {stock}, by ReadySet's deep cache, says EXPLAIN LAST STATEMENT")


def _show_binlog(mysql: PlainMysql) -> None:
    counted: dict[str, int] = {}
    for name, *_ in mysql.sql("SHOW BINARY LOGS"):
        for _, _, event, *_ in mysql.sql(f"SHOW BINLOG EVENTS IN '{name}'"):
            counted[event] = counted.get(event, 0) + 1
    shown = {name: counted.get(name, 0) for name in ("Table_map", "Write_rows", "Update_rows", "Delete_rows", "Xid")}
    print(table(["event", "how many"], [[name, f"{count:,}"] for name, count in shown.items()]))
    missing = [name for name in ("Table_map", "Write_rows", "Update_rows", "Xid") if not shown[name]]
    if missing:
        raise DemoError(f"The binlog of the served MySQL has no {', '.join(missing)}.")


def _compare(cluster: Cluster, mysql: PlainMysql) -> None:
    for name in ("customers", "products", "orders", "order_items"):
        with cluster.connect(shop.KEYSPACE) as vitess, vitess.cursor() as cursor:
            cursor.execute("SET workload = 'olap'")
            cursor.execute(f"SELECT * FROM {name}")
            expected = comparable(cursor.fetchall())
        if comparable(mysql.sql(f"SELECT * FROM {shop.KEYSPACE}.{name}")) != expected:
            raise DemoError(f"The served table {name} is not what VTGate returns.")


def comparable(rows: Iterable[Sequence[Any]]) -> list[str]:
    """Returns rows in an order, with JSON as documents: keys of a changed one are in another order than MySQL's."""
    return sorted(str([_document(cell) for cell in row]) for row in rows)


def _document(cell: Any) -> Any:
    return json.dumps(json.loads(cell), sort_keys=True) if isinstance(cell, str) and cell.startswith("{") else cell


if __name__ == "__main__":
    sys.exit(main())
