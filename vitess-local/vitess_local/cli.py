"""The `vitess-local` command.

Results go to standard output, as JSON where there is more than a word to say; what is
going on goes to standard error. Exit status: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pymysql

from vitess_local.cache import CACHE_VARIABLE, Cache
from vitess_local.cluster import DEFAULT_NAME, Cluster
from vitess_local.errors import VitessLocalError
from vitess_local.install.steps import ensure_installed
from vitess_local.operations.resharding import ReshardStep
from vitess_local.servers.keyspaces import KeyspaceSpec, parse_keyspace_shard, parse_shards
from vitess_local.servers.mysql_client import MULTI_STATEMENTS, script_results

NAME_VARIABLE = "VITESS_LOCAL_NAME"

_SHARD_OPTIONS = ("--from", "--to", "--shards")

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


def join_shards(words: Sequence[str]) -> list[str]:
    """Turn `--from -80,80-` into `--from=-80,80-`: argparse takes `-80` for an option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _SHARD_OPTIONS:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="vitess-local",
        description="Runs a real Vitess cluster on this machine, for development and testing.",
        epilog=f"Downloads and binaries are kept in the folder that {CACHE_VARIABLE} names.",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_lifecycle(commands)
    _add_access(commands)
    _add_shards_and_primaries(commands)
    _add_faults(commands)
    return top


def _command(commands: Any, name: str, action: _Action, text: str) -> argparse.ArgumentParser:
    """Add a command that works on a cluster."""
    added: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    added.set_defaults(action=action)
    added.add_argument(
        "--name",
        default=os.environ.get(NAME_VARIABLE, DEFAULT_NAME),
        help=f"the cluster's name (default: {NAME_VARIABLE} or {DEFAULT_NAME!r})",
    )
    return added


def _add_lifecycle(commands: Any) -> None:
    text = "provide Vitess, MySQL and etcd (minutes the first time)"
    install = commands.add_parser("install", help=text, description=text)
    install.set_defaults(action=_install)

    up = _command(commands, "up", _up, "start a cluster and print its ports as JSON")
    up.add_argument(
        "--keyspace",
        action="append",
        type=_argument(KeyspaceSpec.parse),
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
        type=_argument(_parse_setting),
        metavar="NAME=VALUE",
        help="a line for the tablets' my.cnf; repeatable",
    )
    up.add_argument("--timeout", type=float, default=180.0, metavar="SECONDS")

    down = _command(commands, "down", _down, "end a cluster and delete its data")
    down.add_argument("--keep-data", action="store_true", help="keep the data for another `up`")

    status = _command(commands, "status", _status, "print a cluster's state as JSON")
    status.add_argument("--wait", type=float, metavar="SECONDS", help="first wait until everything serves")

    text = "print the names of the known clusters"
    known = commands.add_parser("list", help=text, description=text)
    known.set_defaults(action=_list)


def _add_access(commands: Any) -> None:
    sql = _command(commands, "sql", _sql, "run SQL through VTGate; rows are printed as JSON lines")
    sql.add_argument(
        "--target",
        default="",
        metavar="TARGET",
        help="such as commerce, commerce:-80 or commerce:-80@replica",
    )
    sql.add_argument("--file", type=Path, metavar="FILE", help="read the statements from a file")
    sql.add_argument("text", nargs="?", help="one or more statements, separated by semicolons")

    client = _command(commands, "vtctldclient", _vtctldclient, "run vtctldclient against the cluster's vtctld")
    client.add_argument("words", nargs=argparse.REMAINDER, metavar="...")

    load = _command(commands, "load-schema", _load_schema, "apply VSchemas and SQL files")
    load.add_argument("schema_dir", type=Path, metavar="DIR")

    ddl = _command(commands, "ddl", _ddl, "change a keyspace's schema and wait for the end")
    ddl.add_argument("--keyspace", required=True)
    ddl.add_argument("--strategy", default="direct", help="direct (default), or an online one such as vitess")
    ddl.add_argument("text", metavar="SQL")


def _add_shards_and_primaries(commands: Any) -> None:
    add = _command(commands, "add-shard", _add_shard, "start tablets for more shards")
    add.add_argument("--keyspace", required=True)
    add.add_argument("--shards", required=True, type=_argument(parse_shards), metavar="SHARDS")

    reshard = _command(
        commands,
        "reshard",
        _reshard,
        "split or merge shards; the same command again goes on where it stopped",
    )
    reshard.add_argument("--keyspace", required=True)
    reshard.add_argument("--from", dest="sources", required=True, type=_argument(parse_shards), metavar="SHARDS")
    reshard.add_argument("--to", dest="targets", required=True, type=_argument(parse_shards), metavar="SHARDS")
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

    reparent = _command(commands, "reparent", _reparent, "promote another tablet of a shard")
    reparent.add_argument("--shard", required=True, type=_keyspace_shard, metavar="KEYSPACE/SHARD")
    reparent.add_argument("--emergency", action="store_true", help="works without the old primary")
    reparent.add_argument("--to", metavar="TABLET", help="default: any running replica")


def _add_faults(commands: Any) -> None:
    kill = _command(commands, "kill-tablet", _kill_tablet, "send a signal to a tablet")
    kill.add_argument("tablet", help="zone1-0000000100, 100, ks/-80 or ks/-80@replica")
    kill.add_argument("--signal", type=_argument(_parse_signal), default=signal.SIGKILL)
    kill.add_argument("--mysqld", action="store_true", help="send it to its mysqld as well")

    start = _command(commands, "start-tablet", _start_tablet, "start a killed tablet again")
    start.add_argument("tablet", help="zone1-0000000100, 100 or ks/-80")
    start.add_argument("--no-wait", action="store_true", help="do not wait until it serves")

    restart = _command(commands, "restart-vtgate", _restart_vtgate, "end VTGate and start it again")
    restart.add_argument("--signal", type=_argument(_parse_signal), default=signal.SIGTERM)

    purge = _command(commands, "purge-binlogs", _purge_binlogs, "make MySQL servers forget old positions")
    only = purge.add_mutually_exclusive_group(required=True)
    only.add_argument("--shard", type=_keyspace_shard, metavar="KEYSPACE/SHARD")
    only.add_argument("--tablet", help="only this one")


def _argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse show the reason a value is refused, not only that it is."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except (ValueError, KeyError, VitessLocalError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


@_argument
def _keyspace_shard(text: str) -> str:
    return "/".join(parse_keyspace_shard(text))


def _parse_setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ValueError(f"{text!r} is not of the form NAME=VALUE")
    return name.strip(), value.strip()


def _parse_signal(text: str) -> signal.Signals:
    try:
        return signal.Signals["SIG" + text.upper().removeprefix("SIG")]
    except KeyError:
        raise ValueError(f"there is no signal {text}") from None


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _install(_: argparse.Namespace) -> None:
    _print_json(ensure_installed(Cache.default()).to_json())


def _up(arguments: argparse.Namespace) -> None:
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
        timeout=arguments.timeout,
    )
    _print_json(cluster.describe())


def _down(arguments: argparse.Namespace) -> None:
    if arguments.name not in Cluster.names():
        print(f"vitess-local: there is no cluster {arguments.name}", file=sys.stderr)
        return
    Cluster.find(arguments.name).down(keep_data=arguments.keep_data)


def _status(arguments: argparse.Namespace) -> None:
    cluster = Cluster.find(arguments.name)
    if arguments.wait is not None:
        cluster.wait_ready(timeout=arguments.wait)
    _print_json(cluster.status())


def _list(_: argparse.Namespace) -> None:
    for name in Cluster.names():
        print(name)


def _sql(arguments: argparse.Namespace) -> None:
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


def _vtctldclient(arguments: argparse.Namespace) -> None:
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    argv = Cluster.find(arguments.name).vtctldclient_argv()
    os.execv(argv[0], [*argv, *words])


def _load_schema(arguments: argparse.Namespace) -> None:
    Cluster.find(arguments.name).load_schema(arguments.schema_dir)


def _ddl(arguments: argparse.Namespace) -> None:
    cluster = Cluster.find(arguments.name)
    for migration in cluster.ddl(arguments.keyspace, arguments.text, strategy=arguments.strategy):
        print(migration)


def _add_shard(arguments: argparse.Namespace) -> None:
    Cluster.find(arguments.name).add_shards(arguments.keyspace, arguments.shards)


def _reshard(arguments: argparse.Namespace) -> None:
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


def _reparent(arguments: argparse.Namespace) -> None:
    cluster = Cluster.find(arguments.name)
    new = cluster.reparent(arguments.shard, emergency=arguments.emergency, to=arguments.to)
    print(new.alias)


def _kill_tablet(arguments: argparse.Namespace) -> None:
    cluster = Cluster.find(arguments.name)
    killed = cluster.kill_tablet(arguments.tablet, number=arguments.signal, mysqld=arguments.mysqld)
    print(killed.alias)


def _start_tablet(arguments: argparse.Namespace) -> None:
    cluster = Cluster.find(arguments.name)
    print(cluster.start_tablet(arguments.tablet, wait=not arguments.no_wait).alias)


def _restart_vtgate(arguments: argparse.Namespace) -> None:
    Cluster.find(arguments.name).restart_vtgate(number=arguments.signal)


def _purge_binlogs(arguments: argparse.Namespace) -> None:
    cluster = Cluster.find(arguments.name)
    _print_json(cluster.purge_binlogs(arguments.shard or arguments.tablet))
