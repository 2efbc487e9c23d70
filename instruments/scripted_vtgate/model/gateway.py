"""What VTGate makes of the tablets' streams: one stream, VGTIDs of all shards, reshards (vstream_manager.go)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc

from instruments.scripted_vtgate.model.cluster import Cluster
from instruments.scripted_vtgate.model.faults import Action, Cut, Eof, Restart, Stall
from instruments.scripted_vtgate.model.shard import Shard, Tablet
from instruments.scripted_vtgate.model.storage import JournalWritten
from instruments.scripted_vtgate.model.tablet import (
    Group,
    LastPk,
    Message,
    Position,
    TabletRefusedError,
    TabletStream,
    no_tablet,
)
from instruments.scripted_vtgate.script import Gate
from instruments.scripted_vtgate.vstream_server import Call, StreamStatusError
from source_vitess.proto import binlogdata_pb2, topodata_pb2, vtgate_pb2


class _StreamEnd(Exception):  # noqa: N818 # not an error: a fault ends the stream
    """The stream ends with OK."""


class _GroupDropped(Exception):  # noqa: N818 # not an error: the rest of a group is not sent
    """A shard's stream was restarted in the middle of a group."""


@dataclass
class _ShardStream:
    """A shard in a call: its place in the VGTID, and its tablet's stream."""

    shard: str
    gtid: str
    lastpks: dict[str, bytes] = field(default_factory=dict)
    groups: Iterator[Group | None] | None = None
    tablet: Tablet | None = None
    restarts: int = 0
    refused_by: set[str] = field(default_factory=set)
    waits_for: int | None = None
    ended: bool = False


class Gateway:
    """Answers one VStream call out of the model."""

    def __init__(self, cluster: Cluster, call: Call) -> None:
        self._cluster = cluster
        self._call = call
        self._request = call.request
        self._flags = call.request.flags
        self._tablet_type = topodata_pb2.TabletType.Name(self._request.tablet_type or topodata_pb2.PRIMARY)
        self._shards = self._resolve()
        self._copied: set[str] = set()
        self._progress = False
        call.on_end(self._wake)

    def responses(self) -> Iterator[vtgate_pb2.VStreamResponse]:
        """Yields responses until the call ends.

        Raises:
            StreamStatusError: As VTGate ends a stream.
        """
        last_sent = time.monotonic()
        try:
            while not self._call.ended:
                with self._cluster.changed:
                    version = self._cluster.version
                self._progress = False
                for shard in list(self._shards):
                    for response in self._advance(shard):
                        self._cluster.world.moment(f"VTGate sends a message of {shard.shard}")
                        if self._cluster.faults.delay:
                            self._call.wait_end(self._cluster.faults.delay)
                        yield from self._cluster.rewrite(response) if self._cluster.rewrite else (response,)
                        last_sent = time.monotonic()
                if all(shard.ended for shard in self._shards):
                    return
                if not self._progress and not self._wait(version, last_sent):
                    last_sent = time.monotonic()
                    yield self._heartbeat()
        except _StreamEnd:
            return

    def _resolve(self) -> list[_ShardStream]:
        """Reads where to begin."""
        wanted = self._request.vgtid.shard_gtids
        if not wanted:
            raise StreamStatusError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "failed to resolve vstream parameters: vgtid must have at least one value with a starting position "
                "in ShardGtids",
            )
        shards = []
        for entry in wanted:
            if entry.shard == "" and entry.gtid not in ("current", ""):
                raise StreamStatusError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "failed to resolve vstream parameters: if shards are unspecified, the Gtid value must be "
                    f"'current' or empty; got: {entry}",
                )
            if entry.keyspace != self._cluster.keyspace:
                raise StreamStatusError(
                    grpc.StatusCode.UNKNOWN,
                    f"failed to determine if keyspace {entry.keyspace} has been resharded: FindAllShardsInKeyspace("
                    f"{entry.keyspace}): List: node doesn't exist: /vitess/global/keyspaces/{entry.keyspace}/shards",
                )
            names = [entry.shard] if entry.shard else [shard.name for shard in self._cluster.serving]
            lastpks = {table.table_name: table.lastpk for table in entry.table_p_ks}
            shards += [_ShardStream(name, entry.gtid, dict(lastpks)) for name in names]
        return shards

    def _advance(self, shard: _ShardStream) -> Iterator[vtgate_pb2.VStreamResponse]:
        """Sends the next group of a shard, if it has one."""
        if shard.ended or shard.waits_for is not None:
            return
        with self._cluster.changed:
            group = self._next_group(shard)
        if group is None:
            return
        if self._is_too_large(group):
            shard.groups = None
            if self._cluster.refuses_large_messages:
                raise StreamStatusError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"target: {self._cluster.keyspace}.{shard.shard}.{self._tablet_type.lower()}: vttablet: rpc error: "
                    "code = ResourceExhausted desc = trying to send message larger than max (18874586 vs. 16777216)",
                )
            return
        self._progress = True
        if group.journal is not None:
            if self._flags.stop_on_reshard or self._flags.include_reshard_journal_events:
                yield from self._send_group(shard, group.messages)
            self._join(shard, group.journal)
        else:
            yield from self._send_group(shard, group.messages)

    def _is_too_large(self, group: Group) -> bool:
        limit = self._cluster.max_message_bytes
        return limit is not None and any(
            sum(item.ByteSize() for item in message if isinstance(item, binlogdata_pb2.VEvent)) > limit
            for message in group.messages
        )

    def _next_group(self, shard: _ShardStream) -> Group | None:
        state = self._cluster.shards.get(shard.shard)
        if state is None:
            raise StreamStatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"failed to determine if keyspace {self._cluster.keyspace} has been resharded: shard provided in "
                f"VGTID, {shard.shard}, not found in the {self._cluster.keyspace} keyspace",
            )
        while True:
            self._choose_tablet(shard, state)
            assert shard.groups is not None
            assert shard.tablet is not None
            try:
                return next(shard.groups)
            except TabletRefusedError:
                # Not asked again as long as the call lasts (vstream_manager.go, ignoreTablets).
                shard.refused_by.add(shard.tablet.alias)
                shard.groups = None
            except StreamStatusError as error:
                where = f"error in vstream for {self._cluster.keyspace}/{shard.shard} on tablet {shard.tablet.alias}: "
                raise StreamStatusError(error.code, where + error.text) from error

    def _choose_tablet(self, shard: _ShardStream, state: Shard) -> None:
        """Opens a tablet's stream, unless one is open of a tablet that still has its role."""
        tablet = shard.tablet
        if (
            shard.groups is not None
            and tablet is not None
            and tablet.restarts == shard.restarts
            and tablet.tablet_type == self._tablet_type
            and tablet.running
        ):
            return
        self._cluster.world.moment(f"VTGate chooses a tablet of {shard.shard}")
        candidates = self._candidates(shard, state)
        if not candidates:
            self._cluster.world.moment(f"VTGate finds no tablet of {shard.shard}, and tries again")
            candidates = self._candidates(shard, state)
        if not candidates:
            raise no_tablet(state, self._tablet_type)
        tablet = self._cluster.world.pick(state, candidates)
        shard.tablet, shard.restarts = tablet, tablet.restarts
        shard.groups = TabletStream(
            self._cluster,
            state,
            tablet=tablet,
            gtid=shard.gtid,
            lastpks=shard.lastpks,
            rules=self._request.filter.rules,
            tables_to_copy=self._flags.tables_to_copy,
            batch_rows=self._cluster.batch_rows,
            rows_per_event=self._cluster.rows_per_event,
        ).groups()

    def _candidates(self, shard: _ShardStream, state: Shard) -> list[Tablet]:
        shards = self._cluster.shards
        resharded = not all(shards[one.shard].serving for one in self._shards if one.shard in shards)
        found = self._cluster.candidates(state, self._tablet_type, non_serving=resharded)
        return [tablet for tablet in found if tablet.alias not in shard.refused_by]

    def restart(self, shard: str) -> bool:
        """Has VTGate open a shard's stream again from the last position that it sent; returns False if it has none."""
        for one in self._shards:
            if one.shard == shard and one.groups is not None:
                one.groups = None
                return True
        return False

    @property
    def is_open(self) -> bool:
        """Whether the client is still there."""
        return not self._call.ended

    @property
    def shards(self) -> list[str]:
        """The shards that are streamed now."""
        return [one.shard for one in self._shards if not one.ended]

    def _send_group(self, shard: _ShardStream, messages: list[Message]) -> Iterator[vtgate_pb2.VStreamResponse]:
        size = self._cluster.events_per_response
        if size is not None:
            joined = [event for message in messages for event in message]
            messages = [joined[start : start + size] for start in range(0, len(joined), size)]
        try:
            for message in messages:
                yield from self._send(shard, message)
        except _GroupDropped:
            return

    def _send(self, shard: _ShardStream, message: Message) -> Iterator[vtgate_pb2.VStreamResponse]:
        """Sends a message as one response, or in pieces where a fault happens."""
        events: list[binlogdata_pb2.VEvent] = []
        for item in message:
            for event in self._events(shard, item):
                events.append(event)
                for action in self._cluster.faults.take(event):
                    if events:
                        yield vtgate_pb2.VStreamResponse(events=events)
                    events = []
                    self._act(action, shard)
        if events:
            yield vtgate_pb2.VStreamResponse(events=events)

    def _act(self, action: Action, shard: _ShardStream) -> None:
        if isinstance(action, Cut):
            raise StreamStatusError(action.code, action.text)
        if isinstance(action, Eof):
            raise _StreamEnd
        if isinstance(action, Stall):
            self._call.wait_end()
            raise _StreamEnd
        if isinstance(action, Gate):
            action.pass_through(self._call)
        elif isinstance(action, Restart):
            for one in self._shards:
                if one.shard == (action.shard or shard.shard):
                    one.groups = None
                    if one is shard:
                        raise _GroupDropped

    def _events(
        self, shard: _ShardStream, item: binlogdata_pb2.VEvent | Position | LastPk
    ) -> Iterator[binlogdata_pb2.VEvent]:
        """Yields what becomes of a tablet's event."""
        if isinstance(item, Position):
            if shard.gtid != "current":
                self._cluster.world.sent(shard.shard, item.gtid)
            shard.gtid = item.gtid
            yield self._vgtid(shard)
        elif isinstance(item, LastPk):
            if item.lastpk is None:
                shard.lastpks.pop(item.table, None)
            else:
                shard.lastpks[item.table] = item.lastpk
            yield self._vgtid(shard)
        elif item.type == binlogdata_pb2.COPY_COMPLETED:
            yield item
            self._copied.add(shard.shard)
            if all(one.shard in self._copied for one in self._shards):
                yield binlogdata_pb2.VEvent(type=binlogdata_pb2.COPY_COMPLETED)
        else:
            self._name_table(item)
            yield item

    def _name_table(self, event: binlogdata_pb2.VEvent) -> None:
        if self._flags.exclude_keyspace_from_table_name:
            return
        if event.type == binlogdata_pb2.FIELD:
            event.field_event.table_name = f"{event.keyspace}.{event.field_event.table_name}"
        elif event.type == binlogdata_pb2.ROW:
            event.row_event.table_name = f"{event.keyspace}.{event.row_event.table_name}"

    def _vgtid(self, shard: _ShardStream) -> binlogdata_pb2.VEvent:
        """Returns the position of all shards; the event has no time."""
        keyspace = self._cluster.keyspace
        return binlogdata_pb2.VEvent(
            type=binlogdata_pb2.VGTID,
            keyspace=keyspace,
            shard=shard.shard,
            vgtid=binlogdata_pb2.VGtid(
                shard_gtids=[
                    binlogdata_pb2.ShardGtid(
                        keyspace=keyspace,
                        shard=one.shard,
                        gtid=one.gtid,
                        table_p_ks=[
                            binlogdata_pb2.TableLastPK(table_name=table, lastpk=lastpk)
                            for table, lastpk in one.lastpks.items()
                        ],
                    )
                    for one in self._shards
                ]
            ),
        )

    def _join(self, shard: _ShardStream, journal: JournalWritten) -> None:
        """A shard has come to its journal: waits for the others, then the new shards take over."""
        there = {one.shard for one in self._shards}
        missing = [name for name in journal.old if name not in there]
        if missing:
            raise self._not_all_are_there(shard, journal)
        shard.waits_for = journal.journal_id
        old = [one for one in self._shards if one.shard in journal.old]
        if any(one.waits_for != journal.journal_id for one in old):
            return
        if self._flags.stop_on_reshard:
            for one in old:
                one.ended = True
            return
        kept = [one for one in self._shards if one.shard not in journal.old]
        self._shards = kept + [_ShardStream(name, gtids.position) for name, gtids in journal.new.items()]

    def _not_all_are_there(self, shard: _ShardStream, journal: JournalWritten) -> StreamStatusError:
        keyspace = self._cluster.keyspace
        there = sorted(one.shard for one in self._shards)
        text = f"not all journaling participants are in the stream: journal: {list(journal.old)}, stream: {there}"
        if not self._cluster.wraps_errors:
            target = f"{keyspace}.{shard.shard}.{self._tablet_type.lower()}"
            return StreamStatusError(grpc.StatusCode.UNKNOWN, f"target: {target}: {text}")
        assert shard.tablet is not None
        tablet = f"on tablet {shard.tablet.alias}"
        return StreamStatusError(
            grpc.StatusCode.INTERNAL,
            f"error in vstream for {keyspace}/{shard.shard} {tablet}: error getting journal event for "
            f'shard GTID keyspace:"{keyspace}" shard:"{shard.shard}" {tablet}: {text}',
        )

    def _heartbeat(self) -> vtgate_pb2.VStreamResponse:
        event = binlogdata_pb2.VEvent(
            type=binlogdata_pb2.HEARTBEAT, timestamp=self._cluster.clock, current_time=self._cluster.clock * 10**9
        )
        return vtgate_pb2.VStreamResponse(events=[event])

    def _wait(self, version: int, last_sent: float) -> bool:
        """Waits for something to send; returns False when a heartbeat is due instead."""
        interval = self._flags.heartbeat_interval * self._cluster.heartbeat_scale
        timeout = last_sent + interval - time.monotonic() if interval else None
        with self._cluster.changed:
            return self._cluster.world.wait(
                self._cluster.changed, lambda: self._cluster.version != version or self._call.ended, timeout
            )

    def _wake(self) -> None:
        with self._cluster.changed:
            self._cluster.changed.notify_all()
