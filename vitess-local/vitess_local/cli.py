"""The `vitess-local` command.

Results go to standard output, as JSON where there is more than a word to say; what is
going on goes to standard error. Exit status: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pymysql

from vitess_local import commands
from vitess_local.argument_types import join_shards, keyspace_shard, parse_setting, parse_signal, with_reason
from vitess_local.cache import CACHE_VARIABLE
from vitess_local.cluster import DEFAULT_NAME
from vitess_local.errors import VitessLocalError
from vitess_local.install.pair import MYSQL_VARIABLE, VITESS_VARIABLE
from vitess_local.install.releases import DEFAULT, RELEASES
from vitess_local.operations.resharding import ReshardStep
from vitess_local.servers.keyspaces import KeyspaceSpec, parse_shards

NAME_VARIABLE = "VITESS_LOCAL_NAME"

_Action = Callable[[argparse.Namespace], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    signal.signal(signal.SIGTERM, _end)
    arguments = parser().parse_args(join_shards(sys.argv[1:] if argv is None else argv))
    action: _Action = arguments.action
    try:
        action(arguments)
    except VitessLocalError as error:
        print(f"vitess-local: error: {error}", file=sys.stderr)
        return 1
    except pymysql.MySQLError as error:
        print(f"vitess-local: MySQL error: {' '.join(map(str, error.args))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("vitess-local: interrupted", file=sys.stderr)
        return 130
    return 0


def _end(number: int, _: FrameType | None) -> NoReturn:
    """Leave through the `finally` blocks, so that a half-started cluster is ended."""
    sys.exit(128 + number)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="vitess-local",
        description="Runs a real Vitess cluster on this machine, for development and testing.",
        epilog=f"Downloads and binaries are kept in the folder that {CACHE_VARIABLE} names.",
    )
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_lifecycle(subparsers)
    _add_access(subparsers)
    _add_shards_and_primaries(subparsers)
    _add_faults(subparsers)
    return top


def _command(subparsers: Any, name: str, action: _Action, text: str) -> argparse.ArgumentParser:
    """Add a command that works on a cluster."""
    command: argparse.ArgumentParser = subparsers.add_parser(name, help=text, description=text)
    command.set_defaults(action=action)
    command.add_argument(
        "--name",
        default=os.environ.get(NAME_VARIABLE, DEFAULT_NAME),
        help=f"the cluster's name (default: {NAME_VARIABLE} or {DEFAULT_NAME!r})",
    )
    return command


def _add_lifecycle(subparsers: Any) -> None:
    text = "provide Vitess, MySQL and etcd (minutes the first time)"
    install = subparsers.add_parser("install", help=text, description=text)
    install.set_defaults(action=commands.install)
    _add_versions(install)

    up = _command(subparsers, "up", commands.up, "start a cluster and print its ports as JSON")
    up.add_argument(
        "--keyspace",
        action="append",
        type=with_reason(KeyspaceSpec.parse),
        metavar="NAME[:SHARDS]",
        help="a keyspace with a number of shards or a list of them; repeatable (default: commerce:2)",
    )
    up.add_argument("--replicas", type=int, default=0, metavar="N", help="replicas per shard")
    up.add_argument("--rdonly", type=int, default=0, metavar="N", help="rdonly tablets per shard")
    up.add_argument(
        "--schema-dir",
        type=Path,
        metavar="DIR",
        help="apply DIR/<keyspace>/vschema.json and DIR/<keyspace>/*.sql to a new cluster",
    )
    up.add_argument("--data-dir", type=Path, metavar="DIR", help="default: /tmp/vtl-<name>")
    up.add_argument(
        "--track-schema-versions",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let tablets remember old schemas, so that old changes are read correctly",
    )
    up.add_argument("--durability-policy", choices=("none", "semi_sync"), default="none", help="default: none")
    for program in ("vttablet", "vtgate"):
        up.add_argument(
            f"--{program}-arg",
            action="append",
            default=[],
            metavar="FLAG",
            help=f"a flag for {program}, as in --{program}-arg=--flag=value; repeatable",
        )
    up.add_argument(
        "--mysql-setting",
        action="append",
        default=[],
        type=with_reason(parse_setting),
        metavar="NAME=VALUE",
        help="a line for the tablets' my.cnf; repeatable",
    )
    _add_versions(up)
    up.add_argument("--timeout", type=float, default=180.0, metavar="SECONDS")

    down = _command(subparsers, "down", commands.down, "end a cluster and delete its data")
    down.add_argument("--keep-data", action="store_true", help="keep the data for another `up`")

    status = _command(subparsers, "status", commands.status, "print a cluster's state as JSON")
    status.add_argument("--wait", type=float, metavar="SECONDS", help="first wait until everything serves")

    text = "print the names of the known clusters"
    known = subparsers.add_parser("list", help=text, description=text)
    known.set_defaults(action=commands.list_names)


def _add_versions(command: argparse.ArgumentParser) -> None:
    """Let a command be told which Vitess and which MySQL are wanted."""
    names = ", ".join(release.name for release in RELEASES)
    command.add_argument(
        "--vitess-version",
        metavar="VERSION",
        help=f"one of {names}, or 22.4 for 22.0.4 (default: {VITESS_VARIABLE} or {DEFAULT})",
    )
    command.add_argument(
        "--mysql-version",
        metavar="VERSION",
        help=f"such as 8.0, or newest (default: {MYSQL_VARIABLE}, or what the Vitess release is tried with)",
    )


def _add_access(subparsers: Any) -> None:
    sql = _command(subparsers, "sql", commands.sql, "run SQL through VTGate; rows are printed as JSON lines")
    sql.add_argument(
        "--target",
        default="",
        metavar="TARGET",
        help="such as commerce, commerce:-80 or commerce:-80@replica",
    )
    sql.add_argument("--file", type=Path, metavar="FILE", help="read the statements from a file")
    sql.add_argument("text", nargs="?", help="one or more statements, separated by semicolons")

    client = _command(
        subparsers, "vtctldclient", commands.vtctldclient, "run vtctldclient against the cluster's vtctld"
    )
    client.add_argument("words", nargs=argparse.REMAINDER, metavar="...")

    load = _command(subparsers, "load-schema", commands.load_schema, "apply VSchemas and SQL files")
    load.add_argument("schema_dir", type=Path, metavar="DIR")

    ddl = _command(subparsers, "ddl", commands.ddl, "change a keyspace's schema and wait for the end")
    ddl.add_argument("--keyspace", required=True)
    ddl.add_argument("--strategy", default="direct", help="direct (default), or an online one such as vitess")
    ddl.add_argument("text", metavar="SQL")


def _add_shards_and_primaries(subparsers: Any) -> None:
    add = _command(subparsers, "add-shard", commands.add_shard, "start tablets for more shards")
    add.add_argument("--keyspace", required=True)
    add.add_argument("--shards", required=True, type=with_reason(parse_shards), metavar="SHARDS")

    reshard = _command(
        subparsers,
        "reshard",
        commands.reshard,
        "split or merge shards; the same command again goes on where it stopped",
    )
    reshard.add_argument("--keyspace", required=True)
    reshard.add_argument("--from", dest="sources", required=True, type=with_reason(parse_shards), metavar="SHARDS")
    reshard.add_argument("--to", dest="targets", required=True, type=with_reason(parse_shards), metavar="SHARDS")
    reshard.add_argument("--vschema", type=Path, metavar="FILE", help="first replace the keyspace's VSchema")
    until = reshard.add_mutually_exclusive_group()
    until.add_argument(
        "--stop-before",
        choices=[step.value for step in ReshardStep],
        help="create: only start the tablets; switch: data copied; complete: traffic switched",
    )
    until.add_argument(
        "--no-complete",
        dest="stop_before",
        action="store_const",
        const=ReshardStep.COMPLETE.value,
        help="the same as --stop-before complete",
    )
    reshard.add_argument("--keep-old-shards", action="store_true", help="leave the old tablets' processes running")

    reparent = _command(subparsers, "reparent", commands.reparent, "promote another tablet of a shard")
    reparent.add_argument("--shard", required=True, type=keyspace_shard, metavar="KEYSPACE/SHARD")
    reparent.add_argument("--emergency", action="store_true", help="works without the old primary")
    reparent.add_argument("--to", metavar="TABLET", help="default: any running replica")


def _add_faults(subparsers: Any) -> None:
    kill = _command(subparsers, "kill-tablet", commands.kill_tablet, "send a signal to a tablet")
    kill.add_argument("tablet", help="zone1-0000000100, 100, ks/-80 or ks/-80@replica")
    kill.add_argument("--signal", type=with_reason(parse_signal), default=signal.SIGKILL)
    kill.add_argument("--mysqld", action="store_true", help="send it to its mysqld as well")

    start = _command(subparsers, "start-tablet", commands.start_tablet, "start a killed tablet again")
    start.add_argument("tablet", help="zone1-0000000100, 100 or ks/-80")
    start.add_argument("--no-wait", action="store_true", help="do not wait until it serves")

    restart = _command(subparsers, "restart-vtgate", commands.restart_vtgate, "end VTGate and start it again")
    restart.add_argument("--signal", type=with_reason(parse_signal), default=signal.SIGTERM)

    change = _command(
        subparsers, "change-vitess", commands.change_vitess, "restart servers with another release, and keep their data"
    )
    change.add_argument("version", help="the release, such as 24.4")
    change.add_argument("servers", nargs="+", metavar="SERVER", help="vtctld, vtgate, zone1-0000000100, 100, ks/-80 …")

    change = _command(
        subparsers, "change-mysql", commands.change_mysql, "replace replicas' MySQL by another version, with data anew"
    )
    change.add_argument("version", help="MySQL's, such as 8.0, or newest")
    change.add_argument("tablets", nargs="+", metavar="TABLET", help="zone1-0000000100, 100, ks/-80@replica …")

    purge = _command(subparsers, "purge-binlogs", commands.purge_binlogs, "make MySQL servers forget old positions")
    only = purge.add_mutually_exclusive_group(required=True)
    only.add_argument("--shard", type=keyspace_shard, metavar="KEYSPACE/SHARD")
    only.add_argument("--tablet", help="only this one")
