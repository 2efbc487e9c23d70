"""What to ask of VTGate: one VStream call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from source_vitess.naming import quote_identifier
from source_vitess.proto import binlogdata_pb2, vtgate_pb2

#: Seconds of silence after which VTGate sends a heartbeat: how late a signal or a due checkpoint is noticed.
HEARTBEAT_SECONDS = 5

#: A transaction larger than this many bytes is sent in pieces by VTGate ≥ v24 instead of being held in its memory.
TRANSACTION_CHUNK_BYTES = 4 * 1024 * 1024

_QUERY = "select {} from {}{}"

#: A name that no table has. A stream of changes may name it: it has none.
NO_TABLE = "source_vitess_no_such_table"


#: Up to so many, a VGTID is parsed as fast as a place in it is looked at.
_FEW_SHARDS = 8


@dataclass(frozen=True)
class StreamRequest:
    """One VStream call.

    Attributes:
        keyspace: The keyspace.
        positions: By shard: a position, `current`, or empty for a copy from the start.
        tables: The tables to stream, by exact name.
        lastpks: By shard, how far a copy of `tables[0]` has come: VTGate's own bytes.
        heartbeat_seconds: Seconds of silence after which VTGate sends a heartbeat.
        columns: The columns to send, the key's among them; empty for all.
        where: By table, the condition on the rows to send, as VTTablet takes it (`row_filters`); none for all rows.
        stop_on_reshard: The journal of a reshard is sent, and ends the stream of its shard. Else VTGate goes on with
            the new shards.
        tell_bounds: The events `Begun` and `ShardEnded` are told. Nothing that VTGate is asked for.
    """

    keyspace: str
    positions: Mapping[str, str]
    tables: tuple[str, ...]
    lastpks: Mapping[str, bytes] = field(default_factory=dict)
    heartbeat_seconds: int = HEARTBEAT_SECONDS
    columns: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    stop_on_reshard: bool = False
    tell_bounds: bool = False

    @property
    def has_many_positions(self) -> bool:
        """Whether it is of changes alone, with so many shards that all positions take longer to parse than one to find.

        Positions of a copy have values of rows beside them.
        """
        return len(self.positions) > _FEW_SHARDS and not self.lastpks and all(self.positions.values())

    def to_proto(self, *, tablet_type: str, cells: str = "", plain_names: bool = False) -> vtgate_pb2.VStreamRequest:
        """Returns the request as VTGate takes it.

        Args:
            tablet_type: PRIMARY, REPLICA or RDONLY.
            cells: Where the tablets are, with commas; empty for VTGate's own cell.
            plain_names: Tables are to be named without their keyspace, which spares VTGate >= 23 a copy of every row
                (go/vt/vtgate/vstream_manager.go, maybeUpdateTableName); older ones do not know it. A VTGate that has
                its tablets in its own process must not be asked: the rows are in memory that those use again, and it
                crashes. Left out where a table's name could be taken for one with its keyspace.

        Rules are exact names with a query: a regular expression skips tables that a tablet does not know yet
        without a word, and an exact name with an empty filter fails once the copy is over
        (go/vt/vttablet/tabletserver/vstreamer/{uvstreamer,planbuilder}.go).
        """
        columns = ", ".join(map(quote_identifier, self.columns)) or "*"
        return vtgate_pb2.VStreamRequest(
            tablet_type=tablet_type,
            vgtid=binlogdata_pb2.VGtid(
                shard_gtids=[
                    binlogdata_pb2.ShardGtid(
                        keyspace=self.keyspace,
                        shard=shard,
                        gtid=gtid,
                        table_p_ks=[binlogdata_pb2.TableLastPK(table_name=self.tables[0], lastpk=self.lastpks[shard])]
                        if shard in self.lastpks
                        else [],
                    )
                    for shard, gtid in self.positions.items()
                ]
            ),
            filter=binlogdata_pb2.Filter(
                rules=[binlogdata_pb2.Rule(match=table, filter=self._query(table, columns)) for table in self.tables]
            ),
            flags=vtgate_pb2.VStreamFlags(
                heartbeat_interval=self.heartbeat_seconds,
                stop_on_reshard=self.stop_on_reshard,
                cells=cells,
                transaction_chunk_size=TRANSACTION_CHUNK_BYTES,
                exclude_keyspace_from_table_name=plain_names
                and not any(table.startswith(self.keyspace + ".") for table in self.tables),
            ),
        )

    def _query(self, table: str, columns: str) -> str:
        where = self.where.get(table)
        return _QUERY.format(columns, quote_identifier(table), f" where {where}" if where else "")
