"""`check`: whether the served MySQL is one that ReadySet replicates, and this destination can write.

What ReadySet asks of MySQL is in `readyset/src/verify.rs` of its sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from source_vitess.errors import ConfigError, ConnectorError
from source_vitess.naming import quote_identifier

from destination_readyset.bookkeeping import Bookkeeping
from destination_readyset.config import Address, Config
from destination_readyset.keyspace import read_tables
from destination_readyset.policy import serve_columns
from destination_readyset.readyset import TableReport, await_tables, check_reachable
from destination_readyset.served import Connection, connect, create_database, query

#: The first with `INSERT … AS new ON DUPLICATE KEY UPDATE`.
OLDEST = (8, 0, 19)
_ONLINE_SECONDS = 30.0

_VARIABLES = (
    "version",
    "version_comment",
    "log_bin",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_value_options",
    "binlog_encryption",
    "gtid_mode",
    "log_bin_use_v1_row_events",
    "read_only",
    "super_read_only",
)
# Variable, the values that will do, what to do about another. A variable that the server does not have will do.
_RULES = (
    ("log_bin", {"ON"}, "Start it with --log-bin: ReadySet reads the binlog"),
    ("binlog_format", {"ROW"}, "Set binlog_format = ROW: ReadySet reads rows, not statements"),
    ("binlog_row_image", {"FULL", "MINIMAL"}, "Set binlog_row_image = FULL: ReadySet needs whole rows"),
    ("binlog_row_value_options", {""}, "Set binlog_row_value_options = '': ReadySet does not read parts of JSON"),
    ("binlog_encryption", {"OFF"}, "Set binlog_encryption = OFF: ReadySet does not decrypt"),
    ("log_bin_use_v1_row_events", {"OFF"}, "Set log_bin_use_v1_row_events = OFF: ReadySet reads version 2"),
    ("super_read_only", {"OFF"}, "Give the address of the primary: this server takes no writes"),
    ("read_only", {"OFF"}, "Give the address of the primary: this server takes no writes"),
)


def check(config: Config) -> Iterator[str]:
    """Yields what was found to be in order.

    Raises:
        ConfigError: Something has to be changed; the message names it.
        TransientError: A server cannot be reached now.
    """
    connection = connect(config.mysql)
    with connection:
        variables = read_variables(connection)
        problems = find_problems(variables)
        if problems:
            raise ConfigError("The served MySQL is not one that ReadySet replicates. " + " ".join(problems))
        yield f"The served MySQL {variables['version']} writes a binlog that ReadySet reads."
        if variables.get("gtid_mode") != "ON":
            yield (
                "Its gtid_mode is not ON: a ReadySet that is killed within a transaction may never get past it. Set "
                "gtid_mode and enforce_gtid_consistency to ON, and start ReadySet with --require-gtid."
            )
        bookkeeping = Bookkeeping(config.bookkeeping_database)
        bookkeeping.create(connection)
        known = [name for name, table in bookkeeping.known(connection).items() if table.created]
        _check_writing(connection, config, bookkeeping if known else None)
        yield f"The user may {'' if known else 'create databases and tables, and '}write."
    yield from _check_replication(config)
    yield from _check_keyspace(config)
    if config.readyset is not None:
        yield f"ReadySet {check_reachable(config.readyset)} answers."
        yield from _check_taken_in(config.readyset, known)


def _check_taken_in(readyset: Address, known: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Waits for ReadySet to take the tables in, and tells how far it is; what takes longer is no failure."""
    report = TableReport()
    for report in await_tables(readyset, known, seconds=_ONLINE_SECONDS):
        if report.under_way:
            count = f"{len(report.under_way)} of {len(known)} tables"
            yield f"ReadySet is still taking in {count}: {_some(report.under_way)}."
    if report.failed:
        raise ConfigError(
            f"{len(report.failed)} of {len(known)} tables are not online in ReadySet: {_some(report.failed)}. Check "
            "--cdc-db-url and --replication-tables there."
        )
    if not report.under_way:
        yield f"{len(known)} tables are online in ReadySet."


def _some(names: Sequence[str]) -> str:
    return "; ".join(names[:10]) + ("; …" if len(names) > 10 else "")


def read_variables(connection: Connection) -> dict[str, str]:
    """Returns the settings of the server that count."""
    names = ", ".join(f"'{name}'" for name in _VARIABLES)
    rows = query(connection, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    return {str(name).lower(): str(value) for name, value in rows}


def find_problems(variables: Mapping[str, str]) -> list[str]:
    """Returns what keeps ReadySet from replicating a server with these settings, a sentence each."""
    version = variables.get("version", "")
    if "mariadb" in version.lower() or "mariadb" in variables.get("version_comment", "").lower():
        return ["It is MariaDB, which writes row events that ReadySet cannot read (readyset #728). Use MySQL."]
    numbers = tuple(map(int, re.findall(r"\d+", version)[:3]))
    if numbers < OLDEST:
        return [f"It is version {version}; use {'.'.join(map(str, OLDEST))} or newer."]
    return [
        f"{name} is {variables[name] or 'empty'}. {advice}."
        for name, good, advice in _RULES
        if name in variables and variables[name].upper() not in good
    ]


def _check_writing(connection: Connection, config: Config, bookkeeping: Bookkeeping | None) -> None:
    """Makes a table, writes and drops it; only writes if tables are served already.

    ReadySet takes every statement about tables in the binlog for a change of the schema, whatever its database.
    """
    if bookkeeping is not None:
        query(connection, "START TRANSACTION")
        query(connection, bookkeeping.set_state("check", "", "{}", 0).decode())
        query(connection, "ROLLBACK")
        return
    table = f"{quote_identifier(config.bookkeeping_database)}.{quote_identifier('check')}"
    for sql in (
        f"CREATE TABLE IF NOT EXISTS {table} (id INT NOT NULL PRIMARY KEY)",
        f"INSERT INTO {table} VALUES (1) AS n ON DUPLICATE KEY UPDATE id = n.id",
        f"ALTER TABLE {table} ADD COLUMN more INT",
        f"DELETE FROM {table}",
        f"DROP TABLE {table}",
    ):
        query(connection, sql)
    databases = set(config.databases.values())
    if config.vitess is not None:
        databases.add(config.databases.get(config.vitess.keyspace, config.vitess.keyspace))
    for database in sorted(databases):
        create_database(connection, database)


def _check_replication(config: Config) -> Iterator[str]:
    if config.replication is None:
        yield (
            "The account that ReadySet reads the binlog with was not checked; give it in replication_username and "
            "replication_password."
        )
        return
    try:
        connection = connect(config.replication, session=False)
    except ConfigError as error:
        raise ConfigError(
            "The account of ReadySet (replication_username) cannot log in.", detail=error.detail
        ) from error
    with connection:
        missing = missing_rights([str(row[0]) for row in query(connection, "SHOW GRANTS")])
    if missing:
        user = config.replication.username
        raise ConfigError(f"The account {user!r} of ReadySet lacks rights: GRANT {', '.join(missing)} ON *.* TO it.")
    yield "The account of ReadySet may read the binlog."


def missing_rights(grants: list[str]) -> list[str]:
    """Returns the rights for reading the binlog that lines of SHOW GRANTS do not give."""
    given = " ".join(line.partition(" ON ")[0].upper() for line in grants if " ON *.* " in line)
    return [
        right
        for right in ("REPLICATION SLAVE", "REPLICATION CLIENT")
        if right not in given and "ALL PRIVILEGES" not in given
    ]


def _check_keyspace(config: Config) -> Iterator[str]:
    if config.vitess is None:
        yield "Tables are made from JSON schemas, because no address of the keyspace is given."
        return
    tables = read_tables(config.vitess)
    yield f"The keyspace {config.vitess.keyspace} has {len(tables)} tables."
    for name, table in tables.items():
        try:
            served = serve_columns(
                name, table.columns, table.key, exact=config.exact_types, json_as_text=config.json_as_text
            )
        except ConnectorError as error:
            yield error.message
            continue
        if notes := [f"{column.name} {column.definition} ({column.note})" for column in served if column.note]:
            yield f"Table {name!r} gets other types: {', '.join(notes)}."
        if not table.key:
            yield f"Table {name!r} has no key: it can be synced with Full refresh | Overwrite only."
