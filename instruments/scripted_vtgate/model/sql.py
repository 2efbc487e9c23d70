"""What VTGate answers on its MySQL port, out of the model.

SELECTs are run by SQLite over tables that are filled like `information_schema`: MySQL's functions that are asked for
are defined there, and system variables are put in as literals. So any sensible way to ask is answered. One tablet of
the target answers a statement, whichever the world picks.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable

from pymysql.constants import ER

from instruments.scripted_vtgate.model.cluster import Cluster
from instruments.scripted_vtgate.model.gtids import Gtids
from instruments.scripted_vtgate.model.information_schema import INFORMATION_SCHEMA, fill
from instruments.scripted_vtgate.model.shard import Shard, Tablet
from instruments.scripted_vtgate.model.storage import JournalWritten, Storage
from instruments.scripted_vtgate.mysql_server import SERVER_VERSION, Answering, MysqlStatusError, Result, Statement

_TARGET = re.compile(r"(?P<keyspace>[^:/@]+)(?:[:/](?P<shard>[^@]+))?(?:@(?P<type>\w+)(?:\|(?P<alias>.*))?)?")
_VARIABLE = re.compile(r"@@(?:(?P<scope>global|session)\.)?(?P<name>\w+)", re.IGNORECASE)
_SCHEMA_PREDICATE = re.compile(r"(table_schema\s*=\s*)'(\w+)'", re.IGNORECASE)
_VERSION_COMMENT = "Version: 24.0.4 (Git revision  branch '') built on  by @ using go1.26.8 linux/amd64"
_MYSQL_VERSION = "8.4.6"
_SIDECAR = "_vt"
_STATUS = "performance_schema"


class VtgateSql(Answering):
    """Answers statements as VTGate does.

    Attributes:
        variables: Values of system variables that tests may change, by name, in lower case.
        variables_of: By alias, those of one tablet that are others than that.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.variables: dict[str, str | int] = {
            "version_comment": _VERSION_COMMENT,
            "binlog_row_image": "FULL",
            "binlog_row_value_options": "",
            "binlog_expire_logs_seconds": 2592000,
            "binlog_format": "ROW",
            "gtid_mode": "ON",
            "log_bin": 1,
            "workload": "OLTP",
            "time_zone": "SYSTEM",
            "autocommit": 1,
        }
        self.variables_of: dict[str, dict[str, str | int]] = {}
        self._connection: sqlite3.Connection | None = None
        self._database: str | None = None

    def check_target(self, target: str) -> None:
        """Refuses a keyspace that does not exist; a shard is looked for only when it is asked something."""
        match = _TARGET.fullmatch(target)
        keyspace = match["keyspace"] if match else target
        known = (self._cluster.keyspace, *self._cluster.other_keyspaces, "information_schema", "mysql")
        if keyspace.removeprefix("vt_") not in known:
            raise MysqlStatusError(ER.BAD_DB_ERROR, f"VT05003: unknown database '{keyspace}' in vschema")

    def query(self, statement: Statement) -> Result:
        """Answers a statement."""
        words = statement.sql.lower().split()
        self._cluster.world.moment("VTGate is asked: " + statement.sql)
        with self._cluster.changed:
            if words[0] == "select":
                return self._select(statement)
            if words[0] in ("set", "begin", "start", "commit", "rollback"):
                return [], []
            if words[:2] == ["vexplain", "plan"]:
                return self._vexplain(statement)
            if words[0] == "show":
                answer = self._shows().get(" ".join(words[1:3])) or self._shows().get(words[1])
                if answer is not None:
                    return answer()
        raise MysqlStatusError(ER.PARSE_ERROR, f"the scripted VTGate has no answer to: {statement.sql}")

    def _shows(self) -> dict[str, Callable[[], Result]]:
        return {
            "keyspaces": self._show_keyspaces,
            "databases": self._show_keyspaces,
            "vitess_shards": self._show_shards,
            "vitess_tablets": self._show_tablets,
            "vitess_replication_status": self._show_replication_status,
            "vschema keyspaces": self._show_vschema_keyspaces,
            "warnings": lambda: ([], ["Level", "Code", "Message"]),
        }

    def _vexplain(self, statement: Statement) -> Result:
        """Tells the keyspaces that a union of tables is sent to; a plan of one keyspace is one route."""
        names = [name.replace("``", "`") for name in re.findall(r"from `((?:[^`]|``)*)`", statement.sql)]
        known = self._cluster.serving[0].tables
        for name in names:
            if name not in known:
                raise MysqlStatusError(ER.UNKNOWN_ERROR, f"table {name} not found")
        routed = {name: self._cluster.routed.get(name, self._cluster.keyspace) for name in names}
        routes = [{"OperatorType": "Route", "Keyspace": {"Name": name}} for name in sorted({*routed.values()})]
        plan = routes[0] if len(routes) == 1 else {"OperatorType": "Concatenate", "Inputs": routes}
        return [(json.dumps(plan),)], ["JSON"]

    def _source(self, table: str) -> bytes:
        other = self._cluster.routed[table]
        return f'keyspace:"{other}" shard:"0" filter:{{rules:{{match:"{table}" filter:"x"}}}}'.encode()

    def _show_keyspaces(self) -> Result:
        names = sorted([self._cluster.keyspace, *self._cluster.other_keyspaces])
        return [(name,) for name in names], ["Database"]

    def _show_shards(self) -> Result:
        shards = [f"{self._cluster.keyspace}/{shard.name}" for shard in self._cluster.serving]
        for keyspace, names in self._cluster.other_keyspaces.items():
            shards += [f"{keyspace}/{name}" for name in names]
        return [(shard,) for shard in sorted(shards)], ["Shards"]

    def _show_tablets(self) -> Result:
        rows = []
        for shard in self._cluster.shards.values():
            for tablet in shard.tablets:
                serves = tablet in self._cluster.candidates(shard, tablet.tablet_type)
                state = "SERVING" if serves else "NOT_SERVING"
                started = "2026-01-01T00:00:00Z" if tablet.tablet_type == "PRIMARY" else ""
                host = self._cluster.tablet_host
                rows.append(
                    ("zone1", shard.keyspace, shard.name, tablet.tablet_type, state, tablet.alias, host, started)
                )
        names = ["Cell", "Keyspace", "Shard", "TabletType", "State", "Alias", "Hostname", "PrimaryTermStartTime"]
        return rows, names

    def _show_replication_status(self) -> Result:
        """Replicas and what they report of their replication (go/vt/vtgate/executor.go, ShowVitessReplicationStatus).

        MySQL's own words are asked of the target, so any tablet of the shard and type may answer for another one; the
        seconds are the tablet's own unless they are 0.
        """
        rows = []
        for shard in self._cluster.shards.values():
            for tablet in shard.tablets:
                there = self._cluster.candidates(shard, tablet.tablet_type)
                if tablet.tablet_type == "PRIMARY" or tablet not in there:
                    continue
                asked = self._cluster.world.pick(shard, there)
                runs = "Yes" if self._cluster.replicates and not asked.stopped else "No"
                health = f'{{"EventStreamRunning":"{runs}","EventApplierRunning":"{runs}","LastError":""}}'
                lag = self._seconds_behind(shard, tablet) or self._cluster.lag_seconds
                shown = "NULL" if asked.stopped and not lag else str(lag)
                host, source = self._cluster.tablet_host, f"{self._cluster.tablet_host}:3306"
                throttler = '{"state":"","load":0.00,"message":""}'
                rows.append(
                    (
                        *(shard.keyspace, shard.name, tablet.tablet_type, tablet.alias, host, source),
                        *(health, shown, throttler),
                    )
                )
        names = ["Keyspace", "Shard", "TabletType", "Alias", "Hostname", "ReplicationSource"]
        return rows, [*names, "ReplicationHealth", "ReplicationLag", "ThrottlerStatus"]

    def _seconds_behind(self, shard: Shard, tablet: Tablet) -> int:
        missing = shard.missing(tablet)
        return self._cluster.clock - missing[0].timestamp + 1 if missing else 0

    def _show_vschema_keyspaces(self) -> Result:
        sharded = "true" if len(self._cluster.serving) > 1 else "false"
        return [(self._cluster.keyspace, sharded, "unmanaged", "")], ["Keyspace", "Sharded", "Foreign Key", "Comment"]

    def _select(self, statement: Statement) -> Result:
        shard, tablet, of_shard = self._answering(statement.target)
        if "_vt.vreplication" in statement.sql:
            return [(self._source(name),) for name in self._cluster.workflows.get(shard.name, ())], ["source"]
        sql = _VARIABLE.sub(lambda match: self._variable(match, tablet, of_shard=of_shard), statement.sql)
        sql = _SCHEMA_PREDICATE.sub(lambda match: f"{match[1]}'{self._physical(match[2])}'", sql)
        # A literal of MySQL may hold escapes, SQLite's may not; only line ends occur, in GTID sets.
        sql = sql.replace("\\n", "\n")
        self._database = self._cluster.database_name if statement.target else None
        connection = self._sqlite()
        attached = [name for name in (INFORMATION_SCHEMA, _SIDECAR, _STATUS) if name + "." in sql.lower()]
        try:
            for name in attached:
                connection.execute(f"attach ':memory:' as {name}")
            if INFORMATION_SCHEMA in attached:
                fill(connection, tablet.data, self._cluster.database_name)
            if _STATUS in attached:
                connection.execute(f"create table {_STATUS}.global_status (variable_name, variable_value)")
                uptime = str(self._cluster.clock - tablet.data.started_at)
                connection.execute(f"insert into {_STATUS}.global_status values ('Uptime', ?)", (uptime,))
            if _SIDECAR in attached:
                if not of_shard:
                    raise MysqlStatusError(ER.BAD_DB_ERROR, f"VT05003: unknown database '{_SIDECAR}' in vschema")
                self._fill_sidecar(connection, shard, tablet.data)
            cursor = connection.execute(sql)
            # Literals in the place of variables can make two columns' names equal, which mysql-mimic cannot take.
            return cursor.fetchall(), [f"{column[0]} #{number}" for number, column in enumerate(cursor.description)]
        except sqlite3.Error as error:
            raise MysqlStatusError(ER.PARSE_ERROR, f"the scripted VTGate cannot run this ({error}): {sql}") from error
        finally:
            for name in attached:
                connection.execute(f"detach {name}")

    def _sqlite(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
            connection.create_function("database", 0, lambda: self._database)
            connection.create_function("schema", 0, lambda: self._database)
            connection.create_function("unix_timestamp", 0, lambda: self._cluster.clock)
            connection.create_function("version", 0, lambda: SERVER_VERSION)
            connection.create_function("gtid_subset", 2, lambda a, b: int(Gtids.parse(a) <= Gtids.parse(b)))
            connection.create_function("gtid_subtract", 2, lambda a, b: str(Gtids.parse(a).minus(Gtids.parse(b))))
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Frees what SQLite holds."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fill_sidecar(self, connection: sqlite3.Connection, shard: Shard, data: Storage) -> None:
        """Makes `_vt.resharding_journal`, whose rows are never deleted."""
        connection.execute(f"create table {_SIDECAR}.resharding_journal (id, db_name, val)")
        connection.executemany(
            f"insert into {_SIDECAR}.resharding_journal values (?, ?, ?)",
            [(one.journal_id, self._cluster.database_name, _journal(shard.keyspace, one)) for one in data.journals],
        )

    def _answering(self, target: str) -> tuple[Shard, Tablet, bool]:
        """Returns the shard and the tablet that answer, and whether the target names the shard."""
        match = _TARGET.fullmatch(target)
        tablet_type = ((match["type"] if match else None) or "primary").upper()
        name = match["shard"] if match else None
        if match and match["keyspace"] in self._cluster.other_keyspaces:
            keyspace = match["keyspace"]
            empty = Shard(keyspace, name or self._cluster.other_keyspaces[keyspace][0], "")
            return empty, empty.tablets[0], True
        shard = self._cluster.serving[0] if name is None else self._cluster.shards.get(name)
        found = self._cluster.candidates(shard, tablet_type) if shard is not None else []
        if match and match["alias"]:
            found = [tablet for tablet in found if tablet.alias.replace("-0000000", "-") == match["alias"]] or [
                tablet for tablet in found if tablet.alias == match["alias"]
            ]
        if shard is None or not found:
            # The primary of a shard that was resharded still exists, and is reported as not serving.
            keyspace, name = self._cluster.keyspace, shard.name if shard is not None else name
            raise MysqlStatusError(
                ER.UNKNOWN_ERROR,
                f"target: {keyspace}.{name}.{tablet_type.lower()}: no healthy tablet available for "
                f'\'keyspace:"{keyspace}" shard:"{name}" tablet_type:{tablet_type}\'',
            )
        return shard, self._cluster.world.pick(shard, found), name is not None

    def _variable(self, match: re.Match[str], tablet: Tablet, *, of_shard: bool) -> str:
        name = match["name"].lower()
        # MySQL breaks the lines of GTID sets.
        of_server: dict[str, str | int] = {
            "gtid_executed": str(tablet.data.executed).replace(",", ",\n"),
            "gtid_purged": str(tablet.data.purged).replace(",", ",\n"),
            "server_uuid": tablet.uuid,
            "version": _MYSQL_VERSION if of_shard and match["scope"] else SERVER_VERSION,
            "innodb_version": _MYSQL_VERSION,
        }
        value = {**of_server, **self.variables, **self.variables_of.get(tablet.alias, {})}.get(name)
        if value is None:
            raise MysqlStatusError(ER.UNKNOWN_SYSTEM_VARIABLE, f"Unknown system variable '{name}'")
        return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"

    def _physical(self, database: str) -> str:
        return self._cluster.database_name if database == self._cluster.keyspace else database


def _journal(keyspace: str, journal: JournalWritten) -> bytes:
    """Returns a journal as Go's prototext writes it (go/vt/vtctl/workflow/traffic_switcher.go, createJournals)."""
    parts = [
        f"id:{journal.journal_id}",
        "migration_type:SHARDS",
        'tables:"/.*"',
        f'local_position:"{journal.local.position}"',
    ]
    parts += [
        f'shard_gtids:{{keyspace:"{keyspace}" shard:"{shard}" gtid:"{gtids.position}"}}'
        for shard, gtids in journal.new.items()
    ]
    parts += [f'participants:{{keyspace:"{keyspace}" shard:"{shard}"}}' for shard in journal.old]
    return " ".join(parts).encode()
