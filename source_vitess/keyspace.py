"""The keyspace as it is read from VTGate: what a sync needs, from VTGate's two ports."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError, ConnectorError, TransientError
from source_vitess.mysql.binlog_settings import ShardSettings, read_shard_settings
from source_vitess.mysql.lineage import read_lineage, read_shard_gtids, read_tablets
from source_vitess.mysql.replication_status import read_lags
from source_vitess.mysql.routing import Routed, read_routed
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import read_columns, read_primary_key, read_schema, use_shard
from source_vitess.mysql.starts import read_last_start
from source_vitess.mysql.topology import (
    Topology,
    cell_warnings,
    choose_tablet_type,
    list_tablets,
    read_topology,
    require_supported,
)
from source_vitess.naming import TabletType
from source_vitess.position.gtid import FLAVOR
from source_vitess.position.lag import Lag
from source_vitess.position.lineage import Finding, TabletGtids, Verdict, judge, judge_ended
from source_vitess.position.vgtid import Vgtid, gtid_set, intersection
from source_vitess.proto import query_pb2
from source_vitess.schema import Column, Schema, StreamedTable, Table
from source_vitess.settings.config import Config
from source_vitess.types.charset import NO_COLLATION
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.current_position import read_current_position
from source_vitess.vstream.events import Event, Journal
from source_vitess.vstream.journal import JOURNAL_TIMEOUT, read_journals
from source_vitess.vstream.reader import EventReader
from source_vitess.vstream.request import StreamRequest
from source_vitess.vstream.stream_position import ShardPlaces

if TYPE_CHECKING:
    from source_vitess.mysql.key_seeks import KeySeeks
    from source_vitess.row_filters.row_filter import ColumnDetails, RowFilters

#: Of a SET, in MySQL.
_MOST_MEMBERS = 64
#: Seconds for the primary of a shard that was resharded to tell its position, which may have been taken down; and to
#: come to a journal if there is one.
_ENDED_TIMEOUT = 10.0


class LiveVitess:
    """A keyspace behind a VTGate. `connect` makes one.

    Attributes:
        topology: The keyspace's shards and tablets when it was connected.
        tablet_type: The type of tablet that is streamed from.
        row_images: By shard, MySQL's `binlog_row_image`, once `inspect_binlogs` has asked for it.
        retention: By shard, for how long binary logs are kept; likewise, see `replication.interfaces.Vitess`.
    """

    def __init__(
        self, config: Config, clock: SystemClock, client: VStreamClient, topology: Topology, tablet_type: TabletType
    ) -> None:
        self._config = config
        self._clock = clock
        self._client = client
        self._options = TypeOptions(config.tinyint1_as_boolean, config.bigint_unsigned_as)
        self.topology = topology
        self.tablet_type: TabletType = tablet_type
        self.row_images: Mapping[str, str] = {}
        self.retention: Mapping[str, int] = {}

    @classmethod
    def connect(cls, config: Config, clock: SystemClock) -> LiveVitess:
        """Connects to VTGate's MySQL port, and to the gRPC port when it is first needed. To be closed, or entered.

        Args:
            config: Where VTGate is, and what to read.
            clock: Time.

        Raises:
            ConfigError: The server cannot be found, or refuses the user, the keyspace, a shard or the tablet type.
            TransientError: The server cannot be reached now, or a shard has no primary.
        """
        topology, tablet_type = _choose_tablets(config, clock)
        return cls(config, clock, VStreamClient(config), topology, tablet_type)

    @property
    def announces_collations(self) -> bool:
        """Whether changes come with their columns' character sets; see `replication.interfaces.Vitess`."""
        return self.topology.release.announces_collations

    @property
    def numbers_transactions(self) -> bool:
        """Whether transactions come with their numbers; see `replication.interfaces.Vitess`."""
        return self.topology.release.numbers_transactions

    def close(self) -> None:
        """Ends every connection and stream."""
        self._client.close()

    def __enter__(self) -> LiveVitess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def describe(self) -> Iterator[str]:
        """Yields lines for the log: what is read, and from which tablets."""
        shards = self.topology.select_shards(self._config.shards)
        how = "as configured" if self._config.tablet_type else "chosen, as every shard has one"
        if self._config.tablet_type is None and self.tablet_type == "PRIMARY":
            how = "chosen, as not every shard has a serving REPLICA"
        yield (
            f"Reading keyspace {self._config.keyspace!r} with {len(shards)} shards ({', '.join(shards)}) of Vitess "
            f"{self.topology.version} from {self.tablet_type} tablets ({how})."
        )

    def inspect_binlogs(self) -> Sequence[str]:
        """Reads how the shards' MySQL servers write binary logs, for the streams that follow.

        Returns:
            What should be set otherwise, and where not every tablet has answered.

        Raises:
            ConfigError: This release of Vitess would lose changes with them.
            TransientError: A shard has no tablet that answers now, or this release would lose changes with what those
                may have that do not.
        """
        settings = self._read_settings()
        for shard, setting in settings.items():
            setting.require_whole_updates(shard, self.topology.release)
        self.row_images = {shard: setting.binlog_row_image for shard, setting in settings.items()}
        self.retention = {shard: setting.retention for shard, setting in settings.items() if setting.retention}
        return [warning for shard, setting in settings.items() for warning in setting.warnings(shard)]

    def _read_settings(self) -> Mapping[str, ShardSettings]:
        with _connect(self._config, self._clock) as session:
            # Asked anew: a reshard may have switched the shards, and the old ones never answer again.
            topology = read_topology(session, self._config.keyspace)
            shards = topology.select_shards(self._config.shards)
            return read_shard_settings(session, topology, shards, self.tablet_type, self._config.cells)

    def warnings(self) -> tuple[str, ...]:
        """Returns what the user should know about Vitess and the settings, now that the tablets are known."""
        return (*self.topology.release.notes(), *cell_warnings(self.topology, self._config.cells))

    def value_warnings(self, table: Table, selected: Collection[str]) -> Iterator[str]:
        """Yields what the user should know of columns whose values this release of Vitess changes without a sign."""
        if self.topology.release.sends_all_of_64_members:
            return
        for column in table.columns:
            kind = parse_column_type(column.column_type)
            if column.name in selected and kind.name == "set" and len(kind.members) == _MOST_MEMBERS:
                yield (
                    f"Column {column.name!r} of table {table.name!r} is a SET of {_MOST_MEMBERS} members, and "
                    f"Vitess {self.topology.version} leaves the last one out of changes without a sign. Upgrade to "
                    "Vitess 23.0.6, 24.0.3 or later, then refresh the stream."
                )

    def schema(self) -> Schema:
        """Reads the keyspace's schema.

        Raises:
            ConfigError: The keyspace or a shard is gone.
            TransientError: The server cannot be reached now, or a reshard is switching the shards.
        """
        with _connect(self._config, self._clock) as session:
            return read_schema(session, self._config.keyspace, shards=self._config.shards)

    def filters(self) -> RowFilters | None:
        """Returns the configured conditions on rows, with what is needed to check them; None if there are none.

        Raises:
            ConfigError: A shard is gone.
            TransientError: The server cannot be reached now.
        """
        conditions = {one.table: one.condition for one in self._config.row_filters}
        if not conditions:
            return None
        # Few syncs have any, and each imported module is time at the start of all.
        from source_vitess.mysql.filtered_columns import read_column_details
        from source_vitess.row_filters.row_filter import RowFilters

        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            shards = topology.select_shards(self._config.shards)
            details = read_column_details(session, topology, shards, conditions)
        return RowFilters(conditions, details, self.topology.release)

    def column_details(self, table: str) -> Mapping[str, ColumnDetails]:
        """Returns of a table's columns what a condition depends on beside their types.

        Raises:
            ConfigError: A shard is gone.
            TransientError: The server cannot be reached now.
        """
        from source_vitess.mysql.filtered_columns import read_column_details

        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            shards = topology.select_shards(self._config.shards)
            return read_column_details(session, topology, shards, (table,)).get(table, {})

    @contextmanager
    def key_seeks(self, shard: str, table: Table, columns: Sequence[str], where: str) -> Iterator[KeySeeks]:
        """Yields what looks for keys of a table in a shard, on a tablet of the type that is streamed from.

        Args:
            shard: The shard.
            table: The table.
            columns: The first columns of its primary key.
            where: A condition on the rows that count; empty for all.

        Raises:
            TransientError: The server cannot be reached now, or the shard has no tablet that answers.
        """
        from source_vitess.mysql.key_seeks import KeySeeks, SoughtColumn

        sought = []
        for name in columns:
            kind = parse_column_type(table.columns_by_name[name].column_type)
            sought.append(SoughtColumn(name, kind.name in ("date", "datetime"), kind.name in ("char", "varchar")))
        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            use_shard(session, topology, shard, self.tablet_type)
            yield KeySeeks(session, table.name, sought, unique=tuple(columns) == table.key, where=where)

    def require_whole_rows(self, filtered: Sequence[str]) -> None:
        """Refuses to read filtered tables from servers whose binary logs do not have what their conditions need.

        Raises:
            ConfigError: VTTablet would take values that are left out for NULL, and leave the changes out.
        """
        if filtered and (shards := [shard for shard, image in self.row_images.items() if image == "MINIMAL"]):
            raise ConfigError(
                f"The MySQL of shard {', '.join(shards)} runs with binlog_row_image=MINIMAL, which leaves out values "
                f"that the conditions of row_filters need (tables {', '.join(map(repr, filtered[:20]))}). Set it to "
                "FULL, and refresh these streams."
            )

    def routed(self, tables: Sequence[str]) -> Mapping[str, Routed]:
        """Returns those of the tables whose queries VTGate sends to another keyspace.

        Raises:
            TransientError: The server cannot be reached now.
        """
        with _connect(self._config, self._clock) as session:
            return read_routed(session, self._config.keyspace, tables)

    @contextmanager
    def stream(self, request: StreamRequest, tables: Mapping[str, StreamedTable]) -> Iterator[Iterator[Event]]:
        """Opens a VStream; see `replication.interfaces.Vitess`."""
        reader = EventReader(
            tables,
            self._codec,
            self.row_images,
            ShardPlaces() if request.has_many_positions else None,
            tell_bounds=request.tell_bounds,
        )
        proto = request.to_proto(
            tablet_type=self.tablet_type, cells=",".join(self._config.cells), plain_names=self.topology.apart
        )
        with self._client.stream(proto) as call, self._clock.watch(call):
            yield reader.read(call)

    def shards(self) -> tuple[str, ...]:
        """Returns the selected shards that serve now; see `replication.interfaces.Vitess`."""
        with _connect(self._config, self._clock) as session:
            return read_topology(session, self._config.keyspace).select_shards(self._config.shards)

    def current(self) -> Vgtid:
        """Returns the position of the selected shards that serve now; see `replication.interfaces.Vitess`."""
        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
        shards = topology.select_shards(self._config.shards)
        positions = read_current_position(
            self._client,
            self._config.keyspace,
            shards,
            self.tablet_type,
            self._config.cells,
            watch=self._clock.watch,
        )
        with _connect(self._config, self._clock) as session:
            # Afterwards: see `mysql.lineage`.
            return Vgtid(
                self._config.keyspace,
                {
                    shard: intersection(positions[shard], f"{FLAVOR}/{read_lineage(session, topology, shard)}")
                    for shard in shards
                },
            )

    def lineage(self) -> Vgtid:
        """Returns what the primaries of the selected shards have executed; see `replication.interfaces.Vitess`."""
        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            shards = topology.select_shards(self._config.shards)
            return Vgtid(
                self._config.keyspace,
                {shard: f"{FLAVOR}/{read_lineage(session, topology, shard)}" for shard in shards},
            )

    def verify(self, positions: Mapping[str, str]) -> Mapping[str, Finding]:
        """Judges the positions of some shards; see `replication.interfaces.Vitess`."""
        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            selected = topology.select_shards(self._config.shards)
            findings = {
                shard: self._judge(session, topology, shard, gtid, selected) for shard, gtid in positions.items()
            }
            if not topology.release.names_tablets and self.tablet_type != "PRIMARY":
                self._expect_same_tablets(session, topology, findings)
            return findings

    def _expect_same_tablets(self, session: VtgateSession, topology: Topology, findings: Mapping[str, Finding]) -> None:
        """Expects that those have answered that were meant, where a position is taken for lost because of it."""
        lost = [shard for shard, found in findings.items() if found.verdict in (Verdict.FOREIGN, Verdict.PURGED)]
        if not lost:
            return
        session.use(topology.keyspace)
        now = replace(topology, tablets=list_tablets(session, topology.keyspace))
        for shard in lost:
            if now.serving(shard, self.tablet_type) != topology.serving(shard, self.tablet_type):
                raise TransientError(f"The {self.tablet_type} tablets of shard {shard} changed while they were asked.")

    def _judge(
        self, session: VtgateSession, topology: Topology, shard: str, gtid: str, selected: Sequence[str]
    ) -> Finding:
        if shard not in topology.shards:
            if all(tablet.shard != shard for tablet in topology.tablets):
                return Finding(Verdict.SHARD_GONE, gtid)
            if not topology.release.follows_reshards:
                return Finding(Verdict.OUT_OF_REACH, gtid)
            return self._judge_ended(session, topology, shard, gtid)
        if shard not in selected:
            return Finding(Verdict.NOT_SELECTED, gtid)
        return judge(gtid, read_shard_gtids(session, topology, shard, self.tablet_type, self._config.cells))

    def _judge_ended(self, session: VtgateSession, topology: Topology, shard: str, gtid: str) -> Finding:
        """Judges a position on a shard that was resharded: its primary answers no queries, but streams."""
        tablets: Sequence[TabletGtids] = ()
        all_asked = True
        if self.tablet_type != "PRIMARY":
            try:
                tablets, all_asked = read_tablets(session, topology, shard, self.tablet_type, self._config.cells)
            except TransientError:
                if not session.is_open:
                    raise
                return Finding(Verdict.NOT_SERVING, gtid)
        lineage = None
        with suppress(TransientError):
            # Afterwards: see `mysql.lineage`.
            ended = read_current_position(
                self._client, topology.keyspace, (shard,), "PRIMARY", timeout=_ENDED_TIMEOUT, watch=self._clock.watch
            )
            lineage = gtid_set(ended[shard])
        return judge_ended(gtid, lineage, tablets, all_asked=all_asked)

    def last_starts(self, shards: Collection[str], *, all_told: bool = True) -> Mapping[str, float]:
        """Returns when the last MySQL of some shards was started; see `replication.interfaces.Vitess`."""
        starts: dict[str, float] = {}
        with suppress(ConnectorError), _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            for shard in topology.shards:
                with suppress(TransientError):
                    started = read_last_start(session, topology, shard, all_told=all_told) if shard in shards else None
                    if started is not None:
                        starts[shard] = started
        return starts

    def begun_at(self, position: Vgtid, shard: str) -> Mapping[str, str]:
        """Returns the positions at which new shards begin; see `replication.interfaces.Vitess`."""
        with _connect(self._config, self._clock) as session:
            serving = read_topology(session, self._config.keyspace).shards
        ended = {name: gtid for name, gtid in position.shards.items() if name not in serving}
        begun = self._begun_at(ended, shard, JOURNAL_TIMEOUT) if ended else {}
        taken_back = {name: gtid for name, gtid in position.shards.items() if name in serving}
        if shard not in begun and taken_back:
            # Shards that serve may have ended before, by a reshard that was taken back. Most have not.
            with suppress(TransientError):
                begun |= self._begun_at(taken_back, shard, _ENDED_TIMEOUT)
        return begun

    def _begun_at(self, positions: Mapping[str, str], shard: str, timeout: float) -> dict[str, str]:
        journals = read_journals(
            self._client,
            Vgtid(self._config.keyspace, positions),
            self.tablet_type,
            ",".join(self._config.cells),
            wanted=shard,
            timeout=timeout,
            watch=self._clock.watch,
        )
        return {name: gtid for journal in journals for name, gtid in journal.begun.items()}

    def ends_with(self, shard: str, gtid: str) -> frozenset[str]:
        """Returns the shards that a shard ends together with after a position; see `replication.interfaces.Vitess`."""
        journals = self._journals(shard, gtid, _ENDED_TIMEOUT)
        return frozenset(name for journal in journals for name in journal.participants if name != shard)

    def next_journal(self, shard: str, gtid: str) -> Journal:
        """Returns the journal that comes next after a shard's position; see `shard_reading.interfaces.Keyspace`."""
        for journal in self._journals(shard, gtid, JOURNAL_TIMEOUT):
            return journal
        raise TransientError(f"VTGate ended the stream of shard {shard} before a journal came.")

    def _journals(self, shard: str, gtid: str, timeout: float) -> Sequence[Journal]:
        return read_journals(
            self._client,
            Vgtid(self._config.keyspace, {shard: gtid}),
            self.tablet_type,
            ",".join(self._config.cells),
            timeout=timeout,
            watch=self._clock.watch,
        )

    def lags(self) -> Sequence[Lag]:
        """Returns how far the tablets that are streamed from are behind; see `replication.interfaces.Vitess`."""
        if self.tablet_type == "PRIMARY":
            return ()  # without a connection for it
        with _connect(self._config, self._clock) as session:
            shards = read_topology(session, self._config.keyspace).select_shards(self._config.shards)
            return read_lags(session, self._config.keyspace, shards, self.tablet_type)

    def primary_keys(self, table: str, shards: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Returns a table's primary key in some shards; see `replication.interfaces.Vitess`."""
        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            return {shard: read_primary_key(session, topology, shard, table) for shard in shards}

    def columns(self, tables: Sequence[str], shard: str) -> Mapping[str, tuple[Column, ...]] | None:
        """Returns the columns of tables in a shard now; see `shard_reading.interfaces.Keyspace`."""
        with _connect(self._config, self._clock) as session:
            topology = read_topology(session, self._config.keyspace)
            return read_columns(session, topology, shard, tables) if shard in topology.shards else None

    def _codec(self, field: query_pb2.Field, labels: bool, charset: str | None) -> Codec:
        return codec_for(
            parse_column_type(field.column_type),
            collation_id=field.charset if self.announces_collations else NO_COLLATION,
            options=self._options,
            enum_set_as_text=labels,
            charset=charset,
            length_in_binary_json=self.topology.release.puts_length_in_binary_json,
        )


@contextmanager
def _connect(config: Config, clock: SystemClock) -> Iterator[VtgateSession]:
    with VtgateSession.connect(config) as session, clock.watch(session):
        yield session


def _choose_tablets(config: Config, clock: SystemClock) -> tuple[Topology, TabletType]:
    with _connect(config, clock) as session:
        topology = read_topology(session, config.keyspace)
    require_supported(topology, allowed=config.allow_unsupported_vitess)
    shards = topology.select_shards(config.shards)
    return topology, choose_tablet_type(topology, shards, config.tablet_type, config.cells)
