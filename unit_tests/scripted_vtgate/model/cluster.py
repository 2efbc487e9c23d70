"""What an operator does to a keyspace: reparents, purges, reshards, tablets that come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from source_vitess.proto import vtgate_pb2
from unit_tests.scripted_vtgate.model.database import key_range
from unit_tests.scripted_vtgate.model.ddl import SchemaChanges
from unit_tests.scripted_vtgate.model.faults import Faults
from unit_tests.scripted_vtgate.model.gtids import Gtids
from unit_tests.scripted_vtgate.model.shard import JournalWritten, RowsWritten, Shard


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
        heartbeat_scale: Seconds of the model for a second of `heartbeat_interval`.
        rewrite: If set, what is sent instead of each response, as other versions of VTGate would.
        tablet_host: The host of the tablets; vtcombo's have none.
        faults: What goes wrong on streams.
    """

    def __init__(
        self,
        keyspace: str = "commerce",
        shards: Sequence[str] = ("-80", "80-"),
        *,
        track_schema_versions: bool = False,
    ) -> None:
        super().__init__(keyspace, shards, track_schema_versions=track_schema_versions)
        self.other_keyspaces: dict[str, tuple[str, ...]] = {"main": ("0",)}
        self.routed: dict[str, str] = {}
        self.workflows: dict[str, tuple[str, ...]] = {}
        self.batch_rows = 1000
        self.rows_per_event: int | None = None
        self.events_per_response: int | None = None
        self.max_message_bytes: int | None = None
        self.heartbeat_scale = 1.0
        self.rewrite: Callable[[vtgate_pb2.VStreamResponse], Iterable[vtgate_pb2.VStreamResponse]] | None = None
        self.tablet_host = "127.0.0.1"
        self.faults = Faults()
        self._journals = 0

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
            one.restarts += 1
            self.notify()

    def purge(self, shard: str | None = None) -> None:
        """Purges the binlogs of a shard or of all."""
        with self.changed:
            for one in self.serving:
                if shard in (None, one.name):
                    one.purge()
            self.notify()

    def set_replica_lag(self, shard: str, transactions: int) -> None:
        """Holds the last transactions back from a shard's replicas. Copies still read all rows."""
        with self.changed:
            self.shards[shard].lag = transactions
            self.notify()

    def set_tablet_types(self, shard: str, *tablet_types: str) -> None:
        """Says which types of tablets a shard has."""
        with self.changed:
            self.shards[shard].tablet_types = tablet_types
            self.notify()

    def reshard(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Moves the rows of some shards into new ones and switches traffic; the old ones stay until deleted.

        Raises:
            ValueError: The new shards do not cover the keys of the old ones.
        """
        with self.changed:
            if _covered(old) != _covered(new):
                raise ValueError(f"{new} do not cover the same keys as {old}")
            template = self.shards[old[0]]
            rows = {
                name: [row for one in old for row in self.shards[one].rows[name].values()] for name in template.tables
            }
            for name in new:
                self.shards[name] = Shard(self.keyspace, name, self.new_uuid(), tables=dict(template.tables))
                self.shards[name].rows = {table: {} for table in template.tables}
            for name in old:
                self.shards[name].serving = False
            for name, held in rows.items():
                table = template.tables[name]
                homes: dict[str, list[RowsWritten]] = {}
                for row in held:
                    # A row that was put on a shard of the test's choice is not where its key says.
                    home = self.shard_of(table, row)
                    home = home if home in new else new[0]
                    self.shards[home].insert(table, row)
                    homes.setdefault(home, []).append(RowsWritten(table, ((None, row),)))
                for home, written in homes.items():
                    # As vreplication copies them: before the position at which streams go over.
                    self.commit(self.shards[home], written)
            for name in new:
                self.commit(self.shards[name], ())
            self._journals += 1
            positions: dict[str, Gtids] = {name: self.shards[name].executed for name in new}
            for name in old:
                self.commit(self.shards[name], (JournalWritten(self._journals, tuple(old), positions),))

    def delete_shards(self, *names: str) -> None:
        """Deletes shards that do not serve any more, as `Reshard complete` does."""
        with self.changed:
            for name in names:
                if self.shards[name].serving:
                    raise ValueError(f"shard {name} serves")
                del self.shards[name]
            self.notify()


def _covered(shards: Sequence[str]) -> tuple[bytes, bytes]:
    """Returns the bounds of adjoining shards."""
    ranges = sorted(key_range(shard) for shard in shards)
    for (_, end), (begin, _) in pairwise(ranges):
        if end != begin:
            raise ValueError(f"the shards {list(shards)} do not adjoin")
    return ranges[0][0], ranges[-1][1]
