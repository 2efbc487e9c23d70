"""What is compared: each scenario makes its tables, and lets the clients read them one after the other, run by run."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import count
from statistics import median
from typing import Any

from vitess_local.cluster import Cluster

from benchmarks import clients, decoding, served, spark, tables
from benchmarks import spread as spreads
from benchmarks.clients import Connector, Gate, Measurement
from benchmarks.tables import Form

OURS, THROWAWAY, DEBEZIUM = "source-vitess", "throw-away client", "Debezium"
BARE, BARE_AT_ONCE = "bare client, one table at a time", "bare client, four at a time"
SERVERS = "Vitess and MySQL, for {}"
COMPILED, IN_PYTHON = "compiled decoder", "decoder in Python"
DESTINATION, SERVED = "destination-readyset", "its MySQL"
BATCHES, IN_SPARK = "vitess-spark's tasks, to record batches", "Spark, source `vitess`"
BY_JDBC = "Spark, source `jdbc`, from VTGate's MySQL port"

#: Small tables of `many` that are read, and tables of the keyspace; the rows of each in each shard.
_TABLES, _TABLE_ROWS = ((500, 500), (50, 5_000)), 10
_AT_ONCE = 4

#: Changes whose lag is measured in each run.
_CHANGES = 10

Read = Callable[[], Measurement]


@dataclass(frozen=True)
class Settings:
    """How much is done.

    Attributes:
        rows: Of the largest tables; the others follow from it.
        runs: How often every client reads.
        seed: Of the data.
        debezium: Whether Debezium takes part.
        largest: Rows of the largest table of `growth`.
    """

    rows: int
    runs: int
    seed: int
    debezium: bool
    largest: int


@dataclass(frozen=True)
class Result:
    """What a scenario came to.

    Attributes:
        title: What was read.
        rows: How many rows.
        runs: By client, its measurements in the order of the runs.
    """

    title: str
    rows: int
    runs: Mapping[str, Sequence[Measurement]]

    def to_json(self) -> dict[str, Any]:
        """Returns it for a file."""
        return asdict(self)


@dataclass
class Lab:
    """A running Vitess with tables.

    Attributes:
        cluster: It.
        gates: By keyspace, how a client reaches it.
        settings: How much is done.
        report: Shows a person what happens.
    """

    cluster: Cluster
    gates: Mapping[str, Gate]
    settings: Settings
    report: Callable[[str], None]
    _made: set[str] = field(default_factory=set)

    def interleave(self, title: str, rows: int, reads: Mapping[str, Read]) -> Result:
        """Lets every client read once, then every client again."""
        runs: dict[str, list[Measurement]] = {name: [] for name in reads}
        for number in range(self.settings.runs):
            for name, read in reads.items():
                measured = read()
                runs[name].append(measured)
                self.report(
                    f"{title}, run {number + 1}, {name}: {measured.wall:.1f} s, {measured.reading:.2f} s from the "
                    f"first row to the last, {measured.cpu:.1f} CPU-s, {measured.peak:.0f} MB"
                )
        return Result(title, rows, runs)

    def create(self, keyspace: str, table: str, form: Form) -> None:
        """Makes an empty table."""
        tables.make(self.cluster, keyspace, table, form)

    def fill(self, keyspace: str, table: str, form: Form, rows: int, **options: Any) -> int:
        """Writes rows; returns how many shards have some."""
        self.report(f"writing {rows:,} rows to {keyspace}.{table}")
        return tables.fill(self.cluster, keyspace, table, form, rows, seed=self.settings.seed, **options)

    def server_seconds(self) -> float:
        """Returns the CPU time that all servers took so far."""
        return sum(clients.cpu_seconds(pid) for pid in self.cluster.describe()["pids"].values())

    def positions(self, keyspace: str) -> dict[str, str]:
        """Returns where the shards are now."""
        found = {}
        for shard in self.cluster.shards(keyspace):
            with self.cluster.connect_tablet(f"{keyspace}/{shard}") as connection, connection.cursor() as cursor:
                cursor.execute("select @@global.gtid_executed")
                [[executed]] = cursor.fetchall()
                found[shard] = "MySQL56/" + str(executed).replace("\n", "")
        return found


def _copy(lab: Lab, table: str, form: Form, rows: int, title: str, *, debezium: bool = False) -> Result:
    keyspace = "bench"
    gate = lab.gates[keyspace]
    lab.create(keyspace, table, form)
    ends = lab.fill(keyspace, table, form, rows)
    connector = Connector.of(gate, [table])
    nowhere = dict.fromkeys(lab.cluster.shards(keyspace), "")
    reads: dict[str, Read] = {
        THROWAWAY: lambda: clients.throwaway(gate, [table], nowhere, rows=rows, ends=ends),
        OURS: lambda: connector.read(rows=rows),
    }
    if debezium and lab.settings.debezium:
        reads[DEBEZIUM] = lambda: clients.run_debezium(gate, table, {}, rows=rows, copy=True)
    return lab.interleave(title, rows, reads)


def copy(lab: Lab) -> list[Result]:
    """A copy of twelve columns."""
    rows = lab.settings.rows
    return [_copy(lab, "twelve", tables.TWELVE, rows, f"copy, {rows:,} rows of 12 columns", debezium=True)]


def forms(lab: Lab) -> list[Result]:
    """Copies of tables of other forms."""
    few, many = max(lab.settings.rows // 20, 2), max(lab.settings.rows // 2, 2)
    return [
        _copy(lab, "wide", tables.WIDE, few, f"copy, {few:,} rows of 200 columns"),
        _copy(lab, "long_text", tables.LONG, few, f"copy, {few:,} rows with 10 kB of text"),
        _copy(lab, "sparse", tables.SPARSE, many, f"copy, {many:,} rows of 50 columns, 48 of them NULL"),
    ]


def changes(lab: Lab) -> list[Result]:
    """The same rows as inserts, in transactions of several sizes."""
    rows = lab.settings.rows
    few = max(rows // 10, 2)
    return [
        _changes(lab, few, 1, f"changes, {few:,} transactions of 1 row"),
        _changes(lab, few, 10, f"changes, {few // 10:,} transactions of 10 rows"),
        _changes(lab, rows, rows, f"changes, one transaction of {rows:,} rows"),
    ]


def _changes(lab: Lab, rows: int, transaction: int, title: str) -> Result:
    keyspace, table, form = "bench", f"changes_{transaction}", tables.TWELVE
    gate = lab.gates[keyspace]
    lab.create(keyspace, table, form)
    connector = Connector.of(gate, [table])
    _, state = connector.read_on()
    start = lab.positions(keyspace)
    # One transaction is in one shard.
    shards = lab.cluster.shards(keyspace)[: 1 if transaction == rows else None]
    ends = lab.fill(keyspace, table, form, rows, shards=shards, transaction=transaction)
    reads: dict[str, Read] = {
        THROWAWAY: lambda: clients.throwaway(gate, [table], start, rows=rows, ends=ends),
        OURS: lambda: connector.read(state, rows=rows),
    }
    if lab.settings.debezium:
        reads[DEBEZIUM] = lambda: clients.run_debezium(gate, table, start, rows=rows, copy=False)
    return lab.interleave(title, rows, reads)


def decode(lab: Lab) -> list[Result]:
    """Messages of copies and of changes, decoded without a server: by the compiled decoder and by the one in Python."""
    gate, rows = lab.gates["bench"], max(lab.settings.rows // 10, 2)
    nowhere = dict.fromkeys(lab.cluster.shards("bench"), "")
    results: list[Result] = []
    for name, form, share in (
        ("12 columns", tables.TWELVE, 1),
        ("200 columns", tables.WIDE, 20),
        ("10 kB of text", tables.LONG, 20),
        ("50 columns, 48 of them NULL", tables.SPARSE, 2),
    ):
        table, count = f"decoded_{len(results)}", max(rows // share, 2)
        lab.create("bench", table, form)
        ends = lab.fill("bench", table, form, count)
        results.append(_decode(lab, f"decoding alone, copied rows of {name}", gate, table, nowhere, ends))
    for transaction in (1, 10, rows):
        table = f"decoded_changes_{transaction}"
        lab.create("bench", table, tables.TWELVE)
        start = lab.positions("bench")
        shards = lab.cluster.shards("bench")[: 1 if transaction == rows else None]
        ends = lab.fill("bench", table, tables.TWELVE, rows, shards=shards, transaction=transaction)
        what = "all rows" if transaction == rows else f"{transaction} row{'s' * (transaction > 1)}"
        results.append(_decode(lab, f"decoding alone, transactions of {what}", gate, table, start, ends))
    return results


def _decode(lab: Lab, title: str, gate: Gate, table: str, start: Mapping[str, str], ends: int) -> Result:
    file = decoding.record(gate, table, start, ends=ends)
    runs: dict[str, list[Measurement]] = {}
    rows = 0
    for _ in range(lab.settings.runs):
        for in_c in (True, False):
            measured = decoding.measure(file, in_c=in_c)
            rows = measured["rows"]
            name = COMPILED if measured["compiled"] else IN_PYTHON
            each = median(measured["per_row"])
            runs.setdefault(name, []).append(Measurement(0, 0, 0, 0, rows, each))
            lab.report(f"{title}, {name}: {each:.2f} µs a row")
    return Result(title, rows, runs)


def growth(lab: Lab) -> list[Result]:
    """Copies of ever larger tables."""
    results = []
    rows = 10_000
    while rows <= lab.settings.largest:
        results.append(_copy_ours(lab, f"grown_{rows}", rows, f"copy, {rows:,} rows of 12 columns"))
        rows *= 10
    return results


def spread(lab: Lab) -> list[Result]:
    """The same changes over ever more streams, and over ever more shards."""
    cases = [(streams, 1) for streams in spreads.STREAMS] + [(1, shards) for shards in spreads.SHARDS[1:]]
    transactions = max(lab.settings.rows // 20, 1)
    rows = transactions * spreads.TRANSACTION
    with ExitStack() as servers:
        reads: dict[str, Read] = {}
        for streams, shards in cases:
            name = f"{streams:,} stream{'s'[: streams > 1]}, {shards} shard{'s'[: shards > 1]}"
            lab.report(f"making {transactions:,} transactions: {name}")
            folder = lab.gates["bench"].folder / f"spread-{streams}-{shards}"
            folder.mkdir()
            reads[name] = servers.enter_context(
                spreads.spread(folder, streams=streams, shards=shards, transactions=transactions)
            )
        return [lab.interleave(f"changes, {rows:,} rows, read by source-vitess (scripted VTGate)", rows, reads)]


def _copy_ours(lab: Lab, table: str, rows: int, title: str) -> Result:
    lab.create("bench", table, tables.TWELVE)
    lab.fill("bench", table, tables.TWELVE, rows)
    connector = Connector.of(lab.gates["bench"], [table])
    return lab.interleave(title, rows, {OURS: lambda: connector.read(rows=rows)})


def many(lab: Lab) -> list[Result]:
    """The first sync of many small tables, and of some out of more; and what of it is the servers' time."""
    keyspace, results, made = "bench", [], 0
    shards = lab.cluster.shards(keyspace)
    for read, tables_in_all in _TABLES:
        names = [f"small_{number:04d}" for number in range(tables_in_all)]
        lab.report(f"making {tables_in_all - made} tables in {keyspace}")
        _make_small(lab, keyspace, names[made:])
        made, names = tables_in_all, names[:read]
        connector = Connector.of(lab.gates[keyspace], names)
        title = f"first sync, {read} of {tables_in_all:,} tables, of {_TABLE_ROWS} rows in each of {len(shards)} shards"
        results.append(_first_syncs(lab, connector, names, title))
    return results


def _make_small(lab: Lab, keyspace: str, names: Sequence[str]) -> None:
    def fill(shard: str, first: int) -> None:
        rows = ", ".join(f"({number}, 'x')" for number in range(first, first + _TABLE_ROWS))
        with (
            lab.cluster.connect_tablet(f"{keyspace}/{shard}", database=f"vt_{keyspace}") as connection,
            connection.cursor() as cursor,
        ):
            # Else VTTablet would store the whole schema for each of these statements, and be at it while it is read.
            cursor.execute("set session sql_log_bin = 0")
            for name in names:
                cursor.execute(f"create table {name} (id int primary key, v varchar(20))")
                cursor.execute(f"insert into {name} (id, v) values {rows}")
            connection.commit()

    with ThreadPoolExecutor() as threads:
        list(threads.map(fill, lab.cluster.shards(keyspace), count(0, _TABLE_ROWS)))
    lab.cluster.reload_schema(keyspace)


def _first_syncs(lab: Lab, connector: Connector, names: Sequence[str], title: str) -> Result:
    gate, shards = connector.gate, lab.cluster.shards(connector.gate.keyspace)
    rows = len(names) * _TABLE_ROWS * len(shards)
    servers: dict[str, list[Measurement]] = {}

    def beside(client: str, read: Read) -> Measurement:
        """Reads, and notes the CPU time that the servers take meanwhile."""
        before = lab.server_seconds()
        measured = read()
        taken = Measurement(0, 0, lab.server_seconds() - before, 0, rows)
        servers.setdefault(SERVERS.format(client), []).append(taken)
        return measured

    def bare(at_once: int) -> Measurement:
        return clients.bare_copies(gate, names, shards, rows=rows, at_once=at_once)

    result = lab.interleave(
        title,
        rows,
        {
            BARE: lambda: beside(BARE, lambda: bare(1)),
            BARE_AT_ONCE: lambda: beside(BARE_AT_ONCE, lambda: bare(_AT_ONCE)),
            OURS: lambda: beside(OURS, lambda: connector.read(rows=rows)),
        },
    )
    return Result(title, rows, {**result.runs, **servers})


def idle(lab: Lab) -> list[Result]:
    """A sync that finds nothing to do."""
    gate = lab.gates["bench"]
    lab.create("bench", "quiet", tables.TWELVE)
    connector = Connector.of(gate, ["quiet"])
    _, state = connector.read_on()
    return [
        lab.interleave(
            "a sync with nothing to do",
            0,
            {"importing the CDK": lambda: clients.imports(gate), OURS: lambda: connector.read(state, rows=0)},
        )
    ]


def serve(lab: Lab) -> list[Result]:
    """A copy that is written for ReadySet, and single changes on their way there."""
    rows, gate, table = lab.settings.rows, lab.gates["small"], "followed"
    lines = served.write_copy(gate.folder, rows)
    copies: dict[str, list[Measurement]] = {DESTINATION: [], SERVED: []}
    for number in range(lab.settings.runs):
        for name, measured in zip(copies, served.copy(gate.folder, lines, rows), strict=True):
            copies[name].append(measured)
            lab.report(f"serving {rows:,} rows, run {number + 1}, {name}: {rows / measured.reading:,.0f} rows/s")
    lines.unlink()
    lab.create(gate.keyspace, table, tables.TWELVE)
    lab.fill(gate.keyspace, table, tables.TWELVE, 1)
    dice = random.Random(lab.settings.seed)  # noqa: S311 - no secret
    lags: list[float] = []
    for _ in range(lab.settings.runs):
        lags += served.lags(gate, lab.cluster, table, _CHANGES, dice)
        lab.report(f"lag of {_CHANGES} changes: at most {max(lags[-_CHANGES:]):.2f} s")
    return [
        Result(f"served, {rows:,} rows of 5 columns, from the first state to the last", rows, copies),
        Result(
            f"lag from COMMIT in Vitess to COMMIT in the served table, {len(lags)} changes one by one (as wall)",
            0,
            {f"{OURS}, {DESTINATION}": [Measurement(lag, 0, 0, 0, 0) for lag in lags]},
        ),
    ]


def read_by_spark(lab: Lab) -> list[Result]:
    """A copy for Spark: without it, in it, and by its JDBC source."""
    rows, keyspace, table = lab.settings.rows, "bench", "for_spark"
    gate = lab.gates[keyspace]
    lab.create(keyspace, table, tables.TWELVE)
    lab.fill(keyspace, table, tables.TWELVE, rows)
    connector, shards = Connector.of(gate, [table]), len(lab.cluster.shards(keyspace))
    jdbc = {
        # The scheme that Spark takes for MySQL's dialect; the driver is another one.
        "url": f"jdbc:mysql://{gate.host}:{lab.cluster.mysql_port}/{keyspace}?permitMysqlScheme",
        "driver": "org.mariadb.jdbc.Driver",
        "user": "root",
        "dbtable": table,
        # As many tasks as by VStream; streamed, or VTGate gives no more than 10,000 rows.
        "partitionColumn": "id",
        "lowerBound": "0",
        "upperBound": str(rows),
        "numPartitions": str(shards),
        "sessionInitStatement": "set workload = 'olap'",
        "fetchsize": "10000",
    }
    with spark.session(gate, jdbc, table) as session:
        # The first reads compile Spark's own code.
        for source in ("vitess", "jdbc"):
            lab.report(f"warming up Spark, source {source}: {session.read(source, rows=rows).wall:.1f} s")
        return [
            lab.interleave(
                f"a copy for Spark, {rows:,} rows of 12 columns, {shards} tasks",
                rows,
                {
                    BATCHES: lambda: spark.read_batches(gate, table, rows=rows),
                    OURS: lambda: connector.read(rows=rows),
                    IN_SPARK: lambda: session.read("vitess", rows=rows),
                    BY_JDBC: lambda: session.read("jdbc", rows=rows),
                },
            )
        ]


ALL: Mapping[str, Callable[[Lab], Sequence[Result]]] = {
    "copy": copy,
    "changes": changes,
    "forms": forms,
    "many": many,
    "idle": idle,
    "decoding": decode,
    "served": serve,
    "growth": growth,
    "spread": spread,
    "spark": read_by_spark,
}
