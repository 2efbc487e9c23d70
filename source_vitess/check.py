"""Whether a keyspace can be read with a configuration, and if not, what to do about it.

- Steps go from the outside in: the ports, the credentials, the keyspace, its tables, a real VStream. The first that
  fails is the one that is named.
- All steps share one deadline. They run in a thread of their own, because a name lookup cannot be interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from source_vitess.clock import Deadline
from source_vitess.errors import (
    ConfigError,
    ConnectorError,
    InternalError,
    PositionLostError,
    StreamError,
    TransientError,
)
from source_vitess.mysql.binlog_settings import ShardSettings, read_shard_settings
from source_vitess.mysql.lineage import read_lineage
from source_vitess.mysql.replication_status import read_lags
from source_vitess.mysql.routing import Routed, read_routed, routed_message
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import read_schema
from source_vitess.mysql.topology import (
    Topology,
    cell_warnings,
    choose_tablet_type,
    read_topology,
    require_supported,
    serving_types,
)
from source_vitess.naming import TabletType
from source_vitess.network import vtgate_ports
from source_vitess.network.port_probe import Listener, Speech
from source_vitess.network.tunnel import reachable
from source_vitess.position.lag import Lag, lag_warnings, stopped_message
from source_vitess.replication.messages import Log
from source_vitess.schema import Table, engine_warning
from source_vitess.settings.config import Config
from source_vitess.settings.table_patterns import choose_tables
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.integer import is_bigint_unsigned
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.current_position import read_current_position

#: Seconds for the whole check: people wait for it in front of a form.
CHECK_SECONDS = 15.0

#: Columns that one line of the log names.
_LISTED = 20
#: How often it is asked whether no replica of a shard replicates: any of them may answer for each.
_LAG_TRIES = 3
#: Connecting, logging in and reaching both ports.
_TUNNEL_SECONDS = 10.0


def check(config: Config, *, seconds: float = CHECK_SECONDS) -> tuple[Log, ...]:
    """Tries everything that a sync needs.

    Args:
        config: The configuration.
        seconds: After which the check ends in any case.

    Returns:
        Lines for the log: what was found, and warnings.

    Raises:
        ConnectorError: Something does not work; the message says what, and what to do.
    """
    deadline = Deadline(seconds)
    outcome: list[tuple[Log, ...] | BaseException] = []

    def run() -> None:
        try:
            outcome.append(_run(config, deadline))
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            outcome.append(error)

    thread = threading.Thread(target=run, name="check", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TransientError(
            f"The check did not end within {seconds:.0f} seconds, and gave up while {deadline.step}. Check the host "
            "and the ports in the field url, and that VTGate is healthy."
        )
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _run(config: Config, deadline: Deadline) -> tuple[Log, ...]:
    if config.tunnel_method is not None:
        deadline.begin(f"connecting to the SSH server {config.tunnel_method.host}:{config.tunnel_method.port}")
    with reachable(config, timeout=deadline.left(_TUNNEL_SECONDS)) as reached:
        return (*_warnings(config.warnings), *_try(reached, deadline))


def _try(config: Config, deadline: Deadline) -> tuple[Log, ...]:
    mysql, grpc = vtgate_ports.check_ports(config, deadline)
    with _log_in(config, deadline, mysql) as session:
        found = _read_keyspace(session, config, deadline, mysql)
    for shard, setting in found.settings.items():
        _check_settings(shard, setting)
        setting.require_whole_updates(shard, found.topology.release)
    deadline.begin("opening a VStream on the gRPC port")
    _check_grpc(config, deadline, grpc, found)
    engines = engine_warning({name: table.engine for name, table in found.tables.items()})
    return (
        *_summary(config, found),
        *_warnings(lag_warnings(found.lags)),
        *_warnings([engines] if engines else []),
        *_warnings(_unsigned_warnings(config, found.tables.values())),
        *_warnings(_routing_warnings(config.keyspace, found.routed)),
    )


@dataclass(frozen=True)
class _Keyspace:
    """What the MySQL port answers about the keyspace.

    Attributes:
        topology: Its shards and tablets.
        shards: The selected shards.
        tablet_type: The type of tablet that is read from.
        tables: Its tables.
        routed: Those whose queries are sent to another keyspace.
        settings: By shard, how its MySQL writes binary logs.
        lags: How far the tablets that are read from are behind.
    """

    topology: Topology
    shards: Sequence[str]
    tablet_type: TabletType
    tables: Mapping[str, Table]
    routed: Mapping[str, Routed]
    settings: Mapping[str, ShardSettings]
    lags: Sequence[Lag]


def _read_keyspace(session: VtgateSession, config: Config, deadline: Deadline, mysql: Listener) -> _Keyspace:
    deadline.begin("asking VTGate for its keyspaces and tablets")
    topology = _read_topology(session, config, mysql)
    require_supported(topology, allowed=config.allow_unsupported_vitess)
    shards = topology.select_shards(config.shards)
    tablet_type = choose_tablet_type(topology, shards, config.tablet_type, config.cells)
    deadline.begin("reading tables and columns")
    tables = read_schema(session, config.keyspace, shards=shards, topology=topology).tables
    if not tables:
        raise ConfigError(
            # As Airbyte's own database sources: nothing could be selected.
            f"The keyspace {config.keyspace} has no tables that can be read. Create some, give the user the right "
            "to read them, or correct the keyspace in the field url."
        )
    tables = {name: tables[name] for name in choose_tables(config.table_patterns, tables)}
    deadline.begin("asking VTGate for its routing rules")
    routed = read_routed(session, config.keyspace, [*tables])
    deadline.begin("asking tablets for the settings of their binary logs")
    settings = read_shard_settings(session, topology, shards, tablet_type, config.cells)
    deadline.begin("asking VTGate how far replicas are behind")
    lags = _read_lags(session, config.keyspace, shards, tablet_type)
    deadline.begin("asking the shards' primaries for their positions")
    for shard in shards:
        read_lineage(session, topology, shard)
    return _Keyspace(topology, shards, tablet_type, tables, routed, settings, lags)


def _check_grpc(config: Config, deadline: Deadline, grpc: Listener, found: _Keyspace) -> None:
    # A gRPC server that sends nothing by itself is possible, but one that is hung is likelier.
    is_quiet = grpc.speech is Speech.UNKNOWN
    seconds = deadline.left(vtgate_ports.PORT_SECONDS if is_quiet else CHECK_SECONDS)
    try:
        _check_stream(config, found.shards, found.tablet_type, seconds)
    except TransientError as error:
        if not is_quiet:
            raise
        raise vtgate_ports.not_a_grpc_server(config, grpc, detail=error.detail) from error


def _log_in(config: Config, deadline: Deadline, mysql: Listener) -> VtgateSession:
    deadline.begin("logging in to the MySQL port")
    try:
        return VtgateSession.connect(
            config,
            connect_timeout=deadline.left(vtgate_ports.PORT_SECONDS),
            statement_timeout=deadline.left(CHECK_SECONDS),
        )
    except ConfigError as error:
        if "vitess" in mysql.version.lower():
            raise
        raise ConfigError(
            f"{error.message} The server there calls itself {mysql.version!r}: make sure that it is a VTGate, and not "
            "one of the MySQL servers behind it.",
            detail=error.detail,
        ) from error


def _read_topology(session: VtgateSession, config: Config, mysql: Listener) -> Topology:
    try:
        return read_topology(session, config.keyspace)
    except InternalError as error:
        raise ConfigError(
            f"The server on port {config.url.mysql_port} is MySQL {mysql.version}, but not a VTGate. Set mysql_port in "
            "the field url to VTGate's MySQL port (vtgate --mysql-server-port).",
            detail=error.detail,
        ) from error


def _read_lags(session: VtgateSession, keyspace: str, shards: Sequence[str], tablet_type: TabletType) -> Sequence[Lag]:
    for left in reversed(range(_LAG_TRIES)):
        lags = read_lags(session, keyspace, shards, tablet_type)
        stopped = stopped_message(lags)
        if stopped is None:
            return lags
        if not left:
            raise TransientError(stopped)
    raise AssertionError("no try")


def _check_settings(shard: str, settings: ShardSettings) -> None:
    if settings.has_tagged_gtids:
        raise ConfigError(
            f"The MySQL of shard {shard} has tagged GTIDs (written with gtid_next = AUTOMATIC:tag), and Vitess cannot "
            "stream from a server that has any. They have to be removed from its gtid_executed."
        )
    if settings.binlog_format != "ROW":
        raise ConfigError(
            f"The MySQL of shard {shard} runs with binlog_format={settings.binlog_format}, which writes "
            "statements instead of rows to the binary log. Set it to ROW."
        )
    if settings.binlog_row_image == "MINIMAL":
        raise ConfigError(
            f"The MySQL of shard {shard} runs with binlog_row_image=MINIMAL, which leaves "
            "unchanged values out of the binary log. Set it to FULL."
        )


def _check_stream(config: Config, shards: Sequence[str], tablet_type: TabletType, seconds: float) -> None:
    with VStreamClient(config) as client:
        try:
            read_current_position(client, config.keyspace, shards, tablet_type, config.cells, timeout=seconds)
        except PositionLostError as error:
            # No position is asked for here: the two ports answer from different clusters.
            raise ConfigError(
                f"The gRPC port belongs to a VTGate that does not know shard {', '.join(shards)} of keyspace "
                f"{config.keyspace}, but the MySQL port's does. Check that both ports are of the same VTGate.",
                detail=error.detail,
            ) from error
        except ConnectorError as error:
            # No stream is asked for here, so an error that names a table is one of the whole.
            kind = ConfigError if isinstance(error, StreamError) else type(error)
            raise kind(f"The VStream does not work. {error.message}", detail=error.detail) from error


def _warnings(texts: Iterable[str]) -> Iterator[Log]:
    return (Log(text, warning=True) for text in texts)


def _unsigned_warnings(config: Config, tables: Iterable[Table]) -> Iterator[str]:
    """Yields a line if columns can hold integers that many destinations have no type for."""
    if config.bigint_unsigned_as != "integer":
        return
    named = [
        f"{column.name!r} of {table.name!r}"
        for table in tables
        for column in table.columns
        if is_bigint_unsigned(parse_column_type(column.column_type))
    ]
    if named:
        yield (
            f"BIGINT UNSIGNED columns are read as integers: {', '.join(named[:_LISTED])}"
            f"{f' and {len(named) - _LISTED} more' if len(named) > _LISTED else ''}. If one holds values above 2^63-1, "
            "many destinations refuse the record or the whole load: then set the field bigint_unsigned_as to number or "
            "string."
        )


def _routing_warnings(keyspace: str, routed: Mapping[str, Routed]) -> Iterator[str]:
    """Yields a line for each table whose queries go to another keyspace, of the first twenty."""
    for name in sorted(routed)[:20]:
        yield routed_message(name, keyspace, routed[name])
    if len(routed) > 20:
        yield f"The queries of {len(routed) - 20} more tables are sent to other keyspaces."


def _summary(config: Config, found: _Keyspace) -> Iterator[Log]:
    versions = sorted({setting.mysql_version for setting in found.settings.values()})
    types = serving_types(found.topology)
    version = found.topology.version or "of an unknown version"
    yield Log(f"VTGate {version} answers on both ports; MySQL {', '.join(versions)}.")
    yield Log(
        f"Keyspace {config.keyspace}: {len(found.tables)} tables; shards with the tablets that serve: "
        + "; ".join(f"{shard} ({', '.join(types[shard])})" for shard in found.shards)
        + "."
    )
    yield Log(
        f"Data is read from {found.tablet_type} tablets"
        + (", because the field tablet_type is empty." if config.tablet_type is None else ".")
    )
    yield from _warnings(warning for shard, setting in found.settings.items() for warning in setting.warnings(shard))
    yield from _warnings(found.topology.release.notes())
    yield from _warnings(cell_warnings(found.topology, config.cells))
