"""What an operator does to a keyspace: reparents, purges, reshards, tablets that come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from instruments.scripted_vtgate.model.database import key_range
from instruments.scripted_vtgate.model.ddl import SchemaChanges
from instruments.scripted_vtgate.model.faults import Faults
from instruments.scripted_vtgate.model.shard import Shard, Tablet
from instruments.scripted_vtgate.model.storage import JournalWritten, RowsWritten, Written
from instruments.scripted_vtgate.model.tables import Row
from instruments.scripted_vtgate.model.world import World
from source_vitess.proto import vtgate_pb2


class Cluster(SchemaChanges):
    """A keyspace with its servers, and how its streams behave.

    Attributes:
        other_keyspaces: Names and shards of keyspaces that exist and hold nothing.
        routed: Tables whose queries go to another keyspace by routing rules, and to which one.
        workflows: By shard, the tables that a workflow writes to, from the keyspace to which they are routed.
        batch_rows: Rows in one batch of a copy.
        rows_per_event: If set, a statement's changes come in ROW events of this many; MySQL makes them of about 8 KB.
        events_per_response: If set, the events of a transaction come in responses of this many, whatever they are.
        max_message_bytes: If set, a larger message is never sent: its shard's stream is opened again in silence, for
            ever (--grpc-max-message-size).
        refuses_large_messages: It ends the stream with an error instead, as VTGate up to v21 does.
        wraps_errors: An error at the journal of a reshard says where it was in more words, as VTGate from v22 on does.
        heartbeat_scale: Seconds of the model for a second of `heartbeat_interval`.
        rewrite: If set, what is sent instead of each response, as other versions of VTGate would.
        replicates: Whether the replicas' replication runs, as VTGate reports it.
        lag_seconds: How far the replicas are behind, as VTGate reports it.
        tablet_host: The host of the tablets; vtcombo's have none.
        faults: What goes wrong on streams.
        world: Chooses where Vitess has a choice.
        reshards: Those under way, by their new shards' names.
    """

    def __init__(
        self,
        keyspace: str = "commerce",
        shards: Sequence[str] = ("-80", "80-"),
        *,
        track_schema_versions: bool = False,
    ) -> None:
        #: By shard, the shards that reverse replication writes its transactions to.
        self._reverse: dict[str, tuple[str, ...]] = {}
        super().__init__(keyspace, shards, track_schema_versions=track_schema_versions)
        self.other_keyspaces: dict[str, tuple[str, ...]] = {"main": ("0",)}
        self.routed: dict[str, str] = {}
        self.workflows: dict[str, tuple[str, ...]] = {}
        self.batch_rows = 1000
        self.rows_per_event: int | None = None
        self.events_per_response: int | None = None
        self.max_message_bytes: int | None = None
        self.refuses_large_messages = False
        self.wraps_errors = True
        self.heartbeat_scale = 1.0
        self.rewrite: Callable[[vtgate_pb2.VStreamResponse], Iterable[vtgate_pb2.VStreamResponse]] | None = None
        self.replicates = True
        self.lag_seconds = 0
        self.tablet_host = "127.0.0.1"
        self.faults = Faults()
        self.world = World()
        self.reshards: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._uneven: tuple[str, ...] = ()
        self._journals = 0

    def make_uneven(self, *tablet_types: str) -> None:
        """Gives every tablet a server of its own, and every shard tablets of these types, one of them PRIMARY."""
        with self.changed:
            for shard in self.shards.values():
                shard.make_uneven([self.new_uuid() for _ in tablet_types], tablet_types)
            self._uneven = tablet_types

    def candidates(self, shard: Shard, tablet_type: str, *, non_serving: bool = False) -> list[Tablet]:
        """Returns the tablets of a type that answer, by alias.

        The primary of a shard that has ended refuses queries, and streams unless they are of a keyspace that was
        resharded (`non_serving`, go/vt/vtgate/vstream_manager.go, keyspaceHasBeenResharded); its replicas go on to
        serve, and those of a shard that is still to come serve already (seen with v24.0.0).
        """
        return [
            tablet
            for tablet in sorted(shard.tablets, key=lambda one: one.alias)
            if tablet.tablet_type == tablet_type
            and tablet.running
            and (non_serving or tablet_type != "PRIMARY" or shard.writable)
        ]

    def reparent(self, shard: str, *, lost: int = 0) -> None:
        """Makes another server primary: later transactions have its UUID, and streams start again inside VTGate.

        Args:
            shard: The shard.
            lost: How many of the last transactions the new primary never got (an emergency reparent).
        """
        with self.changed:
            one = self.shards[shard]
            one.forget_last(lost)
            one.uuid = self.new_uuid()
            for tablet in one.tablets:
                if tablet.data is one.data:
                    tablet.uuid = one.uuid
            one.restart_streams()
            self.notify()

    def promote(self, shard: str, tablet: Tablet, *, dead: bool) -> int:
        """Makes a tablet of an uneven shard primary; see `Shard.promote`. Returns how many transactions are lost."""
        with self.changed:
            lost = self.shards[shard].promote(tablet, dead=dead)
            self.notify()
            return lost

    def purge(self, shard: str | None = None) -> None:
        """Purges the binlogs of a shard or of all."""
        with self.changed:
            for one in self.serving:
                if shard in (None, one.name):
                    one.purge()
            self.notify()

    def set_replica_lag(self, shard: str, transactions: int) -> None:
        """Holds the last transactions back from a shard's replicas, which copy the rows that they have."""
        with self.changed:
            self.shards[shard].set_lag(transactions)
            self.notify()

    def set_tablet_types(self, shard: str, *tablet_types: str) -> None:
        """Says which types of tablets a shard has."""
        with self.changed:
            self.shards[shard].set_types(tablet_types)
            self.notify()

    def reshard(self, old: Sequence[str], new: Sequence[str], *, reverse: bool = False) -> None:
        """Moves the rows of some shards into new ones and switches traffic; the old ones stay until deleted.

        Raises:
            ValueError: The new shards do not cover the keys of the old ones.
        """
        with self.changed:
            self.begin_reshard(old, new)
            self.write_journals(new, sidecar_writes=0)
            self.switch_routing(new, reverse=reverse, sidecar_writes=0)

    def begin_reshard(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Makes the new shards and copies the rows (`Reshard create`); nobody notices.

        New shards that are there have served before: traffic goes back to them, and reverse replication has kept them
        up to date (`Reshard ReverseTraffic`, which writes a journal of its own on the shards that end; no journal is
        ever deleted: go/vt/vtctl/workflow/server.go).

        Raises:
            ValueError: The new shards do not cover the keys of the old ones.
        """
        with self.changed:
            if _covered(old) != _covered(new):
                raise ValueError(f"{new} do not cover the same keys as {old}")
            template = self.shards[old[0]]
            for name in new:
                if name in self.shards:
                    self._reverse = {by: to for by, to in self._reverse.items() if name not in to}
                    continue
                shard = self.add_shard(name, template.tables.values(), serving=False)
                if self._uneven:
                    shard.make_uneven([self.new_uuid() for _ in self._uneven], self._uneven)
            self.reshards[tuple(new)] = tuple(old)
            self._copy_over(old, new)
            self.notify()

    def follow_in_reverse(self, new: Sequence[str]) -> tuple[str, ...]:
        """Returns the old shards that get what is written to some shards; none if there are none any more."""
        return self._reverse.get(new[0], ())

    def write_journals(self, new: Sequence[str], *, sidecar_writes: int = 1) -> None:
        """Stops writes, waits until the new shards have all, and writes the journals.

        The first half of SwitchTraffic (go/vt/vtctl/workflow/server.go, switchWrites): from here on the old shards
        have ended, while queries are routed to them still.

        Args:
            new: The new shards.
            sidecar_writes: How many transactions of Vitess' own come between the local position that the journal names
                and the journal: the streams of the way back are made there.
        """
        with self.changed:
            old = self.reshards[tuple(new)]
            for name in old:
                self.shards[name].writable = False
            self._copy_over(old, new)
            self._journals += 1
            positions = {name: self.shards[name].executed for name in new}
            for name in old:
                local = self.shards[name].executed
                for _ in range(sidecar_writes):
                    self.commit(self.shards[name], ())
                self.commit(self.shards[name], (JournalWritten(self._journals, tuple(old), positions, local),))

    def switch_routing(self, new: Sequence[str], *, reverse: bool = False, sidecar_writes: int = 1) -> None:
        """Routes queries to the new shards: the second half of SwitchTraffic (changeRouting).

        Args:
            new: The new shards.
            reverse: Whether the old shards go on to get what is written to the new ones, as their own transactions.
            sidecar_writes: How many transactions of Vitess' own come on the new shards: it notes there that the
                workflow is frozen, so that a stream that has gone over hears of them
                (go/vt/vtctl/workflow/traffic_switcher.go, freezeTargetVReplication).
        """
        with self.changed:
            old = self.reshards.pop(tuple(new))
            for name in old:
                self.shards[name].serving = False
            for name in new:
                self.shards[name].serving = self.shards[name].writable = True
            if reverse:
                self._reverse.update(dict.fromkeys(new, tuple(old)))
            for name in new:
                for _ in range(sidecar_writes):
                    self.commit(self.shards[name], ())
            self.notify()

    def stop_reverse_replication(self) -> None:
        """Lets the old shards of all reshards be, as a DDL does that they do not get."""
        self._reverse.clear()

    def commit(self, shard: Shard, written: Sequence[Written], *, shared_clock: bool = False) -> None:
        """Ends a transaction on a shard. For the model's own use; the lock is held."""
        super().commit(shard, written, shared_clock=shared_clock)
        for name, parts in self._homes(shard, written).items():
            old = self.shards[name]
            for part in parts:
                for before, after in part.changes:
                    old.data.change(part.table, before, after)
            super().commit(old, parts)

    def _homes(self, shard: Shard, written: Sequence[Written]) -> dict[str, list[RowsWritten]]:
        """Returns what reverse replication writes to which old shards."""
        homes: dict[str, list[RowsWritten]] = {}
        old = [name for name in self._reverse.get(shard.name, ()) if name in self.shards]
        for part in written if old else ():
            if isinstance(part, RowsWritten):
                by_home: dict[str, list[tuple[Row | None, Row | None]]] = {}
                for before, after in part.changes:
                    for home, change in self._split(part, before, after, old):
                        by_home.setdefault(home, []).append(change)
                for home, changes in by_home.items():
                    homes.setdefault(home, []).append(RowsWritten(part.table, tuple(changes)))
        return homes

    def _split(
        self, part: RowsWritten, before: Row | None, after: Row | None, names: Sequence[str]
    ) -> list[tuple[str, tuple[Row | None, Row | None]]]:
        was, is_now = (None if row is None else self.home_of(part.table, row, names) for row in (before, after))
        if was is None or is_now is None or was == is_now:
            home = was or is_now
            assert home is not None
            return [(home, (before, after))]
        return [(was, (before, None)), (is_now, (None, after))]

    def _copy_over(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Brings the new shards up to date, as vreplication does: by transactions of their own."""
        for table in self.shards[old[0]].tables.values():
            wanted: dict[str, list[Row]] = {name: [] for name in new}
            for name in old:
                for row in self.shards[name].rows[table.name].values():
                    wanted[self.home_of(table, row, new)].append(row)
            for name, rows in wanted.items():
                shard = self.shards[name]
                if table.name not in shard.tables:
                    shard.tables[table.name], shard.rows[table.name] = table, {}
                left = list(rows)
                changes: list[tuple[Row | None, Row | None]] = []
                for row in list(shard.rows[table.name].values()):
                    if row in left:
                        left.remove(row)
                    else:
                        shard.remove(table, row)
                        changes.append((row, None))
                for row in left:
                    shard.insert(table, row)
                    changes.append((None, row))
                if changes:
                    self.commit(shard, (RowsWritten(table, tuple(changes)),))
        for name in new:
            self.commit(self.shards[name], ())

    def delete_shards(self, *names: str) -> None:
        """Deletes shards that do not serve any more, as `Reshard complete` does."""
        with self.changed:
            for name in names:
                if self.shards[name].serving:
                    raise ValueError(f"shard {name} serves")
                del self.shards[name]
                self._reverse = {new: old for new, old in self._reverse.items() if name not in old}
            self.notify()


def _covered(shards: Sequence[str]) -> tuple[bytes, bytes]:
    """Returns the bounds of adjoining shards."""
    ranges = sorted(key_range(shard) for shard in shards)
    for (_, end), (begin, _) in pairwise(ranges):
        if end != begin:
            raise ValueError(f"the shards {list(shards)} do not adjoin")
    return ranges[0][0], ranges[-1][1]
