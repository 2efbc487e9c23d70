"""What each command does once its words are parsed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from vitess_local.cache import Cache
from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError
from vitess_local.install.pair import Pair
from vitess_local.install.steps import ensure_installed
from vitess_local.servers.keyspaces import KeyspaceSpec
from vitess_local.servers.mysql_client import MULTI_STATEMENTS, script_results


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def install(arguments: argparse.Namespace) -> None:
    """Install what is missing, and print where everything is."""
    pair = Pair.of(arguments.vitess_version, arguments.mysql_version)
    _print_json(ensure_installed(Cache.default(), pair).to_json())


def up(arguments: argparse.Namespace) -> None:
    """Start a cluster and print what a client needs to know about it."""
    keyspaces: list[KeyspaceSpec] = arguments.keyspace or [KeyspaceSpec.of("commerce", 2)]
    cluster = Cluster.up(
        arguments.name,
        keyspaces={keyspace.name: keyspace.shards for keyspace in keyspaces},
        replicas=arguments.replicas,
        rdonly=arguments.rdonly,
        schema_dir=arguments.schema_dir,
        data_dir=arguments.data_dir,
        track_schema_versions=arguments.track_schema_versions,
        durability_policy=arguments.durability_policy,
        vttablet_args=arguments.vttablet_arg,
        vtgate_args=arguments.vtgate_arg,
        mysql_settings=dict(arguments.mysql_setting),
        vitess_version=arguments.vitess_version,
        mysql_version=arguments.mysql_version,
        timeout=arguments.timeout,
    )
    _print_json(cluster.describe())


def down(arguments: argparse.Namespace) -> None:
    """End a cluster; one that does not exist is no failure."""
    if arguments.name not in Cluster.names():
        print(f"vitess-local: there is no cluster {arguments.name}", file=sys.stderr)
        return
    Cluster.find(arguments.name).down(keep_data=arguments.keep_data)


def status(arguments: argparse.Namespace) -> None:
    """Print a cluster's state, at once or as soon as it serves."""
    cluster = Cluster.find(arguments.name)
    if arguments.wait is not None:
        cluster.wait_ready(timeout=arguments.wait)
    _print_json(cluster.status())


def list_names(_: argparse.Namespace) -> None:
    """Print the names of all known clusters."""
    for name in Cluster.names():
        print(name)


def sql(arguments: argparse.Namespace) -> None:
    """Run statements through VTGate and print their rows, one JSON object a line."""
    if (arguments.text is None) == (arguments.file is None):
        raise VitessLocalError("Give either statements or --file.")
    script = arguments.text or arguments.file.read_text(encoding="utf-8")
    cluster = Cluster.find(arguments.name)
    with cluster.connect(arguments.target, client_flag=MULTI_STATEMENTS) as connection:
        for row in script_results(connection, script):
            print(json.dumps(row, default=json_value, ensure_ascii=False))


def json_value(value: object) -> str:
    """Write what JSON has no form for: bytes in hexadecimal, the others as MySQL does."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, timedelta):
        return _time_of(value)
    if isinstance(value, (date, datetime, Decimal)):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")


def _time_of(value: timedelta) -> str:
    """Write a TIME, which reaches from -838:59:59 to 838:59:59."""
    seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
    fraction = f".{micros:06d}" if micros else ""
    sign = "-" if value < timedelta() else ""
    return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{fraction}"


def vtctldclient(arguments: argparse.Namespace) -> None:
    """Become Vitess' own administrative command."""
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    argv = Cluster.find(arguments.name).vtctldclient_argv()
    os.execv(argv[0], [*argv, *words])


def load_schema(arguments: argparse.Namespace) -> None:
    """Apply VSchemas and SQL files."""
    Cluster.find(arguments.name).load_schema(arguments.schema_dir)


def ddl(arguments: argparse.Namespace) -> None:
    """Change a keyspace's schema and print the ids of online migrations."""
    cluster = Cluster.find(arguments.name)
    for migration in cluster.ddl(arguments.keyspace, arguments.text, strategy=arguments.strategy):
        print(migration)


def add_shard(arguments: argparse.Namespace) -> None:
    """Start tablets for more shards."""
    Cluster.find(arguments.name).add_shards(arguments.keyspace, arguments.shards)


def reshard(arguments: argparse.Namespace) -> None:
    """Split or merge shards, as far as is wanted."""
    cluster = Cluster.find(arguments.name)
    if arguments.vschema is not None:
        cluster.apply_vschema(arguments.keyspace, arguments.vschema)
    cluster.reshard(
        arguments.keyspace,
        arguments.sources,
        arguments.targets,
        stop_before=arguments.stop_before,
        keep_old_shards=arguments.keep_old_shards,
    )


def reparent(arguments: argparse.Namespace) -> None:
    """Promote another tablet and print its alias."""
    cluster = Cluster.find(arguments.name)
    new = cluster.reparent(arguments.shard, emergency=arguments.emergency, to=arguments.to)
    print(new.alias)


def kill_tablet(arguments: argparse.Namespace) -> None:
    """Send a signal to a tablet and print its alias."""
    cluster = Cluster.find(arguments.name)
    killed = cluster.kill_tablet(arguments.tablet, number=arguments.signal, mysqld=arguments.mysqld)
    print(killed.alias)


def start_tablet(arguments: argparse.Namespace) -> None:
    """Start a tablet again and print its alias."""
    cluster = Cluster.find(arguments.name)
    print(cluster.start_tablet(arguments.tablet, wait=not arguments.no_wait).alias)


def restart_vtgate(arguments: argparse.Namespace) -> None:
    """End VTGate and start it again."""
    Cluster.find(arguments.name).restart_vtgate(number=arguments.signal)


def change_vitess(arguments: argparse.Namespace) -> None:
    """Restart servers with another release, one after the other."""
    cluster = Cluster.find(arguments.name)
    for server in arguments.servers:
        cluster.change_vitess(server, arguments.version)


def change_mysql(arguments: argparse.Namespace) -> None:
    """Give replicas new MySQL servers of another version, one after the other."""
    cluster = Cluster.find(arguments.name)
    for tablet in arguments.tablets:
        cluster.change_mysql(tablet, arguments.version)


def purge_binlogs(arguments: argparse.Namespace) -> None:
    """Purge binary logs and print each tablet's `gtid_purged`."""
    cluster = Cluster.find(arguments.name)
    _print_json(cluster.purge_binlogs(arguments.shard or arguments.tablet))
