"""Whether a keyspace can be read with a configuration, and if not, what to do about it.

- Steps go from the outside in: the ports, the credentials, the keyspace, its tables, a real VStream. The first that
  fails is the one that is named.
- All steps share one deadline. They run in a thread of their own, because a name lookup cannot be interrupted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from source_vitess.check_report import FoundKeyspace, report
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
from source_vitess.mysql.filtered_columns import read_column_details
from source_vitess.mysql.inventory import read_inventory
from source_vitess.mysql.lineage import read_lineage
from source_vitess.mysql.replication_status import read_lags
from source_vitess.mysql.routing import read_routed
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import read_schema
from source_vitess.mysql.topology import Topology, choose_tablet_type, read_topology, require_supported
from source_vitess.naming import TabletType
from source_vitess.network import vtgate_ports
from source_vitess.network.port_probe import Listener, Speech
from source_vitess.network.tunnel import reachable
from source_vitess.position.lag import Lag, stopped_message
from source_vitess.replication.messages import Log
from source_vitess.row_filters.row_filter import RowFilter, RowFilters
from source_vitess.schema import Schema
from source_vitess.settings.config import Config
from source_vitess.settings.table_patterns import choose_tables
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.current_position import read_current_position

#: Seconds for the whole check: people wait for it in front of a form.
CHECK_SECONDS = 15.0

#: How often it is asked whether no replica of a shard replicates: any of them may answer for each.
_LAG_TRIES = 3
#: After which no further shard is asked how large its tables are.
_INVENTORY_SECONDS = 3.0
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
        return (*(Log(text, warning=True) for text in config.warnings), *_try(reached, deadline))


def _try(config: Config, deadline: Deadline) -> tuple[Log, ...]:
    mysql, grpc = vtgate_ports.check_ports(config, deadline)
    with _log_in(config, deadline, mysql) as session:
        found = _read_keyspace(session, config, deadline, mysql)
    for shard, setting in found.settings.items():
        _check_settings(shard, setting)
        setting.require_whole_updates(shard, found.topology.release)
    deadline.begin("opening a VStream on the gRPC port")
    _check_grpc(config, deadline, grpc, found)
    return tuple(report(config, found))


def _read_keyspace(session: VtgateSession, config: Config, deadline: Deadline, mysql: Listener) -> FoundKeyspace:
    deadline.begin("asking VTGate for its keyspaces and tablets")
    topology = _read_topology(session, config, mysql)
    require_supported(topology, allowed=config.allow_unsupported_vitess)
    shards = topology.select_shards(config.shards)
    tablet_type = choose_tablet_type(topology, shards, config.tablet_type, config.cells)
    deadline.begin("reading tables and columns")
    schema = read_schema(session, config.keyspace, shards=shards[:1], topology=topology)
    if not schema.tables:
        raise ConfigError(
            # As Airbyte's own database sources: nothing could be selected.
            f"The keyspace {config.keyspace} has no tables that can be read. Create some, give the user the right "
            "to read them, or correct the keyspace in the field url."
        )
    chosen = choose_tables(config.table_patterns, schema.tables)
    schema = replace(schema, tables={name: schema.tables[name] for name in chosen})
    row_filters = _check_filters(session, config, topology, shards, schema)
    deadline.begin("asking the shards for the sizes of the tables")
    last = time.monotonic() + _INVENTORY_SECONDS
    inventory = read_inventory(session, topology, shards, schema, lambda: time.monotonic() < last)
    deadline.begin("asking VTGate for its routing rules")
    routed = read_routed(session, config.keyspace, [*schema.tables])
    deadline.begin("asking tablets for the settings of their binary logs")
    settings = read_shard_settings(session, topology, shards, tablet_type, config.cells)
    # What a foreign key does is in a replica's binary log if the primary has written it.
    ask_primaries = inventory.cascading and tablet_type != "PRIMARY"
    primaries = read_shard_settings(session, topology, shards, "PRIMARY") if ask_primaries else settings
    deadline.begin("asking VTGate how far replicas are behind")
    lags = _read_lags(session, config.keyspace, shards, tablet_type)
    deadline.begin("asking the shards' primaries for their positions")
    for shard in shards:
        read_lineage(session, topology, shard)
    return FoundKeyspace(topology, shards, tablet_type, inventory, routed, settings, primaries, lags, row_filters)


def _check_filters(
    session: VtgateSession, config: Config, topology: Topology, shards: Sequence[str], schema: Schema
) -> Mapping[str, RowFilter]:
    """Returns the conditions on rows by table, if there is such a table, and it has such columns."""
    conditions = {one.table: one.condition for one in config.row_filters}
    for name in conditions:
        if name not in schema.tables:
            raise ConfigError(
                f"The field row_filters has a condition for the table {name!r}, which is none of the "
                f"{len(schema.tables)} tables that can be read (upper and lower case differ"
                f"{'; table_patterns chooses them' if config.table_patterns else ''}). Correct the name, or remove it."
            )
    details = read_column_details(session, topology, shards, conditions)
    filters = RowFilters(conditions, details, topology.release)
    found = {name: filters.of(schema.tables[name]) for name in conditions}
    return {name: row_filter for name, row_filter in found.items() if row_filter is not None}


def _check_grpc(config: Config, deadline: Deadline, grpc: Listener, found: FoundKeyspace) -> None:
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
