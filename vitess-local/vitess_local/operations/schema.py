"""Applies VSchemas, SQL files and schema changes."""

from __future__ import annotations

import json
from pathlib import Path

from vitess_local.errors import VitessLocalError
from vitess_local.operations.replication import wait_replicated
from vitess_local.progress import Report
from vitess_local.servers.connections import connect_vtgate
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.mysql_client import MULTI_STATEMENTS, query_dicts, script_results
from vitess_local.servers.vtctl import vtctl
from vitess_local.servers.waiting import wait_until

VSCHEMA_FILE = "vschema.json"
_LOAD_SECONDS = 300
_MIGRATION_SECONDS = 300.0
_FAILED = ("failed", "cancelled")


def keyspace_folders(schema_dir: Path, keyspaces: tuple[str, ...]) -> dict[str, Path]:
    """Return the folder of each keyspace in DIR; a folder of an unknown name is an error."""
    if not schema_dir.is_dir():
        raise VitessLocalError(f"There is no folder {schema_dir}.")
    found = {entry.name: entry for entry in sorted(schema_dir.iterdir()) if entry.is_dir()}
    unknown = sorted(set(found) - set(keyspaces))
    if unknown:
        raise VitessLocalError(f"{schema_dir} has folders for keyspaces this cluster lacks: {', '.join(unknown)}.")
    return found


def load_schema_dir(deployment: Deployment, schema_dir: Path, report: Report) -> None:
    """Apply DIR/<keyspace>/vschema.json and DIR/<keyspace>/*.sql.

    All VSchemas first: a table of one keyspace may take its ids from a sequence in another.
    """
    names = tuple(keyspace.name for keyspace in deployment.layout.spec.keyspaces)
    folders = keyspace_folders(schema_dir, names)
    for keyspace, folder in folders.items():
        if (folder / VSCHEMA_FILE).is_file():
            apply_vschema(deployment, keyspace, folder / VSCHEMA_FILE)
    for keyspace, folder in folders.items():
        for file in sorted(folder.glob("*.sql")):
            report(f"loading {keyspace}/{file.name}")
            load_sql(deployment, keyspace, file.read_text(encoding="utf-8"))
    for keyspace in folders:
        reload_schema(deployment, keyspace)


def apply_vschema(deployment: Deployment, keyspace: str, file: Path) -> None:
    """Replace the VSchema of a keyspace."""
    vtctl(deployment, "ApplyVSchema", f"--vschema-file={file}", keyspace)


def apply_sharded_vschema(deployment: Deployment, keyspace: str) -> None:
    """Mark a keyspace as sharded; tables can be added with `ALTER VSCHEMA`."""
    vtctl(deployment, "ApplyVSchema", "--vschema=" + json.dumps({"sharded": True}), keyspace)


def load_sql(deployment: Deployment, target: str, script: str) -> None:
    """Run the statements of a script through VTGate, which carries DDL to every shard."""
    with connect_vtgate(deployment, target, client_flag=MULTI_STATEMENTS, read_timeout=_LOAD_SECONDS) as connection:
        for _ in script_results(connection, script):
            pass


def reload_schema(deployment: Deployment, keyspace: str) -> None:
    """Make every tablet of a keyspace know its tables now, not at its next look."""
    vtctl(deployment, "ReloadSchemaKeyspace", "--include-primary", keyspace)


def run_ddl(deployment: Deployment, keyspace: str, sql: str, strategy: str, report: Report) -> list[str]:
    """Change the schema of a keyspace on all shards and wait until that is done.

    `strategy` is `direct`, or one of Vitess' online strategies, such as `vitess`;
    returns the identifiers of the online migrations.
    """
    if strategy == "direct":
        vtctl(deployment, "ApplySchema", f"--sql={sql}", keyspace)
        # A replica that is behind would load the schema of before; an online change may copy from it next.
        for place in deployment.layout.shards(keyspace):
            wait_replicated(deployment, *place, report=report)
        reload_schema(deployment, keyspace)
        return []
    printed = vtctl(deployment, "ApplySchema", f"--ddl-strategy={strategy}", f"--sql={sql}", keyspace)
    migrations = printed.split()
    for migration in migrations:
        _wait_for_migration(deployment, keyspace, migration, report)
    reload_schema(deployment, keyspace)
    return migrations


def _wait_for_migration(deployment: Deployment, keyspace: str, migration: str, report: Report) -> None:
    shards = len(deployment.layout.shards(keyspace))

    def check() -> str | None:
        with connect_vtgate(deployment, keyspace) as connection:
            rows = query_dicts(connection, f"SHOW VITESS_MIGRATIONS LIKE '{migration}'")
            failed = [row for row in rows if row["migration_status"] in _FAILED]
            pending = [row for row in rows if row["migration_status"] not in (*_FAILED, "complete")]
            if failed and pending:
                # Each shard has a migration of its own: another one would still change the schema behind the error.
                with connection.cursor() as cursor:
                    cursor.execute(f"ALTER VITESS_MIGRATION '{migration}' CANCEL")
        if failed and not pending:
            # A cancelled shard only followed the failed one, whose message has the reason.
            row = min(failed, key=lambda row: _FAILED.index(str(row["migration_status"])))
            raise VitessLocalError(
                f"Migration {migration} {row['migration_status']} on {keyspace}/{row['shard']}: {row['message']}"
            )
        states = sorted({str(row["migration_status"]) for row in rows})
        done = states == ["complete"]
        return None if done else f"{len(rows)} of {shards} shards, {', '.join(states) or 'none'}"

    wait_until(
        check,
        what=f"migration {migration}",
        timeout=_MIGRATION_SECONDS,
        report=report,
        servers=[deployment.vtgate],
        poll=0.3,
    )
