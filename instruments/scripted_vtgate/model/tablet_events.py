"""The events of a shard as its tablets make them: table names are unqualified still."""

from __future__ import annotations

from instruments.scripted_vtgate.model.shard import Shard
from instruments.scripted_vtgate.model.storage import JournalWritten
from instruments.scripted_vtgate.model.tables import Table
from source_vitess.proto import binlogdata_pb2, query_pb2


class TabletEvents:
    """Makes events of one shard."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def plain(self, kind: binlogdata_pb2.VEventType, timestamp: int) -> binlogdata_pb2.VEvent:
        """Returns an event of this shard; those of a copy have neither time."""
        return binlogdata_pb2.VEvent(
            type=kind,
            timestamp=timestamp,
            current_time=timestamp * 10**9,
            keyspace=self._shard.keyspace,
            shard=self._shard.name,
        )

    def field(
        self, table: Table, timestamp: int, fields: list[query_pb2.Field], *, strings: bool
    ) -> binlogdata_pb2.VEvent:
        """Returns the columns of a table; `strings`: ENUM and SET come as text."""
        event = self.plain(binlogdata_pb2.FIELD, timestamp)
        event.field_event.CopyFrom(
            binlogdata_pb2.FieldEvent(
                table_name=table.name,
                fields=fields,
                keyspace=self._shard.keyspace,
                shard=self._shard.name,
                enum_set_string_values=strings,
            )
        )
        return event

    def rows(
        self, table: str, changes: list[binlogdata_pb2.RowChange], *, timestamp: int, flags: int
    ) -> binlogdata_pb2.VEvent:
        """Returns changes of rows."""
        event = self.plain(binlogdata_pb2.ROW, timestamp)
        event.row_event.CopyFrom(
            binlogdata_pb2.RowEvent(
                table_name=table,
                row_changes=changes,
                keyspace=self._shard.keyspace,
                shard=self._shard.name,
                flags=flags,
            )
        )
        return event

    def journal(self, written: JournalWritten, timestamp: int) -> binlogdata_pb2.VEvent:
        """Returns the end of this shard by a reshard."""
        event = self.plain(binlogdata_pb2.JOURNAL, timestamp)
        keyspace = self._shard.keyspace
        event.journal.CopyFrom(
            binlogdata_pb2.Journal(
                id=written.journal_id,
                migration_type=binlogdata_pb2.SHARDS,
                shard_gtids=[
                    binlogdata_pb2.ShardGtid(keyspace=keyspace, shard=shard, gtid=gtids.position)
                    for shard, gtids in written.new.items()
                ],
                participants=[binlogdata_pb2.KeyspaceShard(keyspace=keyspace, shard=name) for name in written.old],
            )
        )
        return event
