"""Questions to a running ReadySet: whether it has taken its tables in, and which caches it has.

What it answers is in its sources, which name other columns from release to release: of `SHOW CACHES` in
readyset-adapter/src/backend.rs (`show_caches`), of tables in readyset-client/src/table.rs (`TableStatus`). Read at
stable-241212 to stable-260528.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pymysql
from source_vitess.errors import ConnectorError, TransientError

from destination_readyset.config import Address
from destination_readyset.served import Connection, connect, query

#: Of a table that has all its rows. An index is made beside that, for a new cache.
_TAKEN_IN = {"online", "snapshotted", "creating index"}
#: Of a table that ReadySet will not take in by itself.
_REFUSED = {"not replicated"}
_PAUSE = 1.0

_PART = re.compile(r"`((?:[^`]|``)*)`|([^`.]+)")


@dataclass(frozen=True)
class ListedCache:
    """A cache that ReadySet has.

    Attributes:
        query_id: What it numbers the query by.
        name: Its name.
        is_deep: Kept up to date by the binlog; a shallow one's answers are as old as its time to live.
    """

    query_id: str
    name: str
    is_deep: bool


@dataclass(frozen=True)
class Caches:
    """What `SHOW CACHES` answers.

    Attributes:
        listed: By name.
        typed: Whether this release knows deep and shallow caches; earlier ones have deep caches only.
    """

    listed: dict[str, ListedCache]
    typed: bool


@dataclass(frozen=True)
class Replication:
    """What `SHOW READYSET STATUS` says of the binlog, see `ReadySetControllerStatus` in readyset-client/src/status.rs.

    Attributes:
        place: How far tables are, from the last of them to the first: such as `binlog.000002:4684`, or GTID sets. ""
            where it does not say, as before the first snapshot, and while somebody has it stopped.
        error: What failed last; "" once it goes on (`ReplicationStarted` in readyset-server/src/controller/mod.rs).
    """

    place: str = ""
    error: str = ""


@dataclass(frozen=True)
class TableReport:
    """What ReadySet says of tables.

    Attributes:
        under_way: Of each that is not taken in yet, its name and status.
        failed: Of each that will not be, its name and the reason.
    """

    under_way: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def list_caches(connection: Connection) -> Caches:
    """Asks which caches there are.

    Raises:
        pymysql.MySQLError: ReadySet does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW CACHES")
        columns = [str(column[0]).lower() for column in cursor.description or ()]
        rows = cursor.fetchall()
    typed = "properties" in columns
    names = [index for index, column in enumerate(columns) if column in ("name", "cache name")]
    listed = {}
    for row in rows:
        name = str(row[names[0] if names else 1])
        # The kind comes first: "deep", "shallow, ttl 10000 ms".
        is_deep = not typed or str(row[columns.index("properties")]).split(",")[0].strip() == "deep"
        listed[name] = ListedCache(str(row[0]), name, is_deep)
    return Caches(listed, typed)


def reason_of(error: pymysql.MySQLError) -> str:
    """Returns what ReadySet says of why it failed, without the number."""
    return str(error.args[-1] if error.args else error)


def list_statuses(connection: Connection) -> dict[tuple[str, ...], str]:
    """Asks for the status of every table, such as `Snapshotting 9.05%`; by database and name.

    Raises:
        pymysql.MySQLError: ReadySet does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW READYSET ALL TABLES")
        rows = cursor.fetchall()
    return {parse_name(str(row[0])): " ".join(str(cell) for cell in row[1:] if cell) for row in rows}


def read_replication(connection: Connection) -> Replication:
    """Asks how far ReadySet has read the binlog.

    Raises:
        pymysql.MySQLError: ReadySet does not answer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SHOW READYSET STATUS")
        said = {str(row[0]): str(row[1]) for row in cursor.fetchall()}
    if said.get("Replication Status", "Running") != "Running":
        return Replication()
    offsets = [said.get(f"{which} Replication Offset", "") for which in ("Minimum", "Maximum")]
    return Replication(" to ".join(dict.fromkeys(filter(None, offsets))), said.get("Last replicator error", ""))


def query_id(connection: Connection, question: str) -> str:
    """Returns by what ReadySet numbers a query, "" if it does not say.

    Args:
        connection: To ReadySet.
        question: EXPLAIN CREATE CACHE.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone()
    except pymysql.MySQLError:
        return ""
    return str(row[0]) if row else ""


def await_tables(address: Address, tables: Sequence[tuple[str, str]], *, seconds: float) -> Iterator[TableReport]:
    """Waits until ReadySet has taken tables in, and yields what it says whenever that is something new.

    The last report is empty if it has. It ends at once when only tables are left that ReadySet refuses.

    Args:
        address: The ReadySet.
        tables: Databases and names.
        seconds: For how long.

    Raises:
        ConnectorError: ReadySet cannot be reached.
    """
    deadline = time.monotonic() + seconds
    last = None
    while True:
        report, missing = _look_at(address, tables)
        # A table that ReadySet does not list may be one that it has not heard of yet.
        is_over = time.monotonic() >= deadline
        if not is_over:
            missing = tuple(f"{name}: not known yet" for name in missing)
            report = TableReport((*report.under_way, *missing), report.failed)
        else:
            report = TableReport(report.under_way, (*report.failed, *(f"{name}: not replicated" for name in missing)))
        if report != last:
            yield report
        last = report
        if is_over or not report.under_way:
            return
        time.sleep(_PAUSE)


def _look_at(address: Address, tables: Sequence[tuple[str, str]]) -> tuple[TableReport, tuple[str, ...]]:
    """Returns what is said of tables, and the names of those of which nothing is."""
    connection = connect(address, session=False)
    with connection:
        # Without ALL, those are left out that are not replicated, and the reason with them.
        rows = query(connection, "SHOW READYSET ALL TABLES")
    said = {parse_name(str(row[0])): [str(cell) for cell in row[1:] if cell] for row in rows}
    under_way, failed, missing = [], [], []
    for database, name in tables:
        words = said.get((database, name))
        status = words[0].lower() if words else ""
        if words is None:
            missing.append(f"{database}.{name}")
        elif status in _REFUSED:
            failed.append(f"{database}.{name}: {' '.join(words)}")
        elif status not in _TAKEN_IN:
            under_way.append(f"{database}.{name}: {' '.join(words)}")
    return TableReport(tuple(under_way), tuple(failed)), tuple(missing)


def parse_name(text: str) -> tuple[str, ...]:
    """Returns the parts of a name as ReadySet writes it, such as `shop`.`orders`: in backticks, doubled within."""
    return tuple(
        match[2] if match[1] is None else match[1].replace("``", "`") for match in _PART.finditer(text) if match[0]
    )


def check_reachable(address: Address) -> str:
    """Returns ReadySet's version, or "" if it names none.

    Raises:
        TransientError: What answers there is no ReadySet.
        ConnectorError: Nothing answers.
    """
    connection = connect(address, session=False)
    with connection:
        try:
            query(connection, "SHOW READYSET STATUS")
            rows = query(connection, "SHOW READYSET VERSION")
        except ConnectorError as error:
            raise TransientError(
                "What listens at the address of ReadySet does not answer SHOW READYSET STATUS and VERSION. Check the "
                "field readyset.",
                detail=error.detail,
            ) from error
    return next((str(row[-1]) for row in rows if "version" in str(row[0]).lower()), "")
