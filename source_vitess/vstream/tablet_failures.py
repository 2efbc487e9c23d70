"""What ends a tablet's part of a VStream, and what the user can do: rules for the texts that VTTablet and VTGate write.

VTGate gives the stream of a shard up after three failures in a row, and passes the last error on
(go/vt/discovery/tablet_error_action.go of v24 says which it tries again; shouldRetry in vstream_manager.go before).
`unit_tests/vstream/test_failures.py` lists the texts with the files they come from.
"""

from __future__ import annotations

from source_vitess.error_rules import Rule
from source_vitess.errors import (
    ConfigError,
    InternalError,
    MergedShardError,
    MessageTooLargeError,
    NoTabletError,
    PositionLostError,
    SchemaMismatchError,
    StreamError,
    TableNotFoundError,
    TransientError,
)

#: What VTGate puts before a tablet's own words.
GIVING_UP = (
    "persistent error in vstream for main/0 on tablet zone1-0000000105; giving up: target: main.0.replica: vttablet: "
)

_UNKNOWN = f"UNKNOWN: {GIVING_UP}rpc error: code = Unknown desc = "
# What VTTablet puts before an error that comes while it reads the binary log (vstreamer.go, wrapError).
_AT = (
    "stream (at source tablet) error @ (including the GTID we failed to process) "
    "64ee4e46-e6c5-11f1-8c82-02fc00000001:1-30: "
)

# The position there; releases before v23 have fewer words before it.
_AT_POSITION = r"error @ (?:\(including [\w ]+\) )?(?P<position>[0-9a-f]\S*): "

# A table's or a column's name may hold any character, and stands between no quotes: it ends where the text goes on.
_TABLE = r"(?P<table>[^\n]+?)"
_COLUMN = r"[^\n]+?"

#: Of a tablet's MySQL: its connection, its binary log, its rights.
MYSQL_RULES: tuple[Rule, ...] = (
    Rule(
        pattern=r"max_allowed_packet",
        example=_UNKNOWN + _AT + "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source; "
        "the first event '' at 4, the last event read from './bin.000003' at 1234 (errno 1236) (sqlstate HY000)",
        error=ConfigError,
        message="A change in a shard's binary log is larger than its MySQL may send. Raise max_allowed_packet on the "
        "shard's MySQL servers; nothing is lost.",
    ),
    Rule(
        pattern=r"has more GTIDs than the source has",
        example=_UNKNOWN + _AT + "Replica has more GTIDs than the source has, using the source's SERVER_UUID. This may "
        "indicate that the end of the binary log was truncated (errno 1236) (sqlstate HY000)",
        error=PositionLostError,
        message="The saved position holds transactions that the server does not have, as when it was restored or lost "
        "the end of its binary log. Re-sync the data.",
    ),
    Rule(
        pattern=r"with the same server_(uuid|id)",
        example=_UNKNOWN + _AT + "A replica with the same server_uuid/server_id as this replica has connected to the "
        "source (errno 1236) (sqlstate HY000)",
        error=TransientError,
        message="MySQL gave the connection that reads a shard's binary log to another reader with the same server_id.",
    ),
    Rule(
        pattern=r"bogus data in log event|binlog truncated in the middle|crc check|failed on checksum|"
        r"corrupted (binary )?log|could not open log file",
        example=_UNKNOWN + _AT + "bogus data in log event; the first event '' at 4, the last event read from "
        "'./bin.000003' at 1234 (errno 1236) (sqlstate HY000)",
        error=PositionLostError,
        message="MySQL cannot read a shard's binary log behind the saved position: the log is damaged. Read from "
        "tablets of another type (the field tablet_type), or re-sync the data.",
    ),
    Rule(
        pattern=r"errno (1236|1789)|purged (required )?binary logs",
        example=_UNKNOWN + "Cannot replicate because the source purged required binary logs. (errno 1236) "
        "(sqlstate HY000)",
        error=PositionLostError,
        message="The server has purged the binary logs since the saved position. Re-sync the data, and keep binary "
        "logs longer (MySQL's binlog_expire_logs_seconds) or sync more often.",
    ),
    Rule(
        pattern=r"errno 1381\b|not using binary logging|SHOW BINARY LOGS returned no rows",
        example=_UNKNOWN + "You are not using binary logging (errno 1381) (sqlstate HY000)",
        error=ConfigError,
        message="A shard's MySQL writes no binary log, without which Vitess cannot stream. Start it with log_bin.",
    ),
    Rule(
        pattern=r"errno (1044|1045|1142|1143|1227|1370)\b",
        example="PERMISSION_DENIED: " + GIVING_UP + "rpc error: code = PermissionDenied desc = Access denied; you need "
        "(at least one of) the REPLICATION SLAVE privilege(s) for this operation (errno 1227) (sqlstate 42000)",
        error=ConfigError,
        message="A tablet's own MySQL user (vt_filtered unless configured otherwise) may not read what a VStream "
        "needs. Give it the rights that Vitess' init_db.sql gives it.",
    ),
    Rule(
        pattern=r"errno 1205\b|lock_wait_timeout",
        example=_UNKNOWN + "Lock wait timeout exceeded; try restarting transaction (errno 1205) (sqlstate HY000)",
        error=TransientError,
        message="A tablet could not lock a table for the moment at which its copy begins: a long transaction, or a "
        "change of its schema, holds it.",
    ),
    Rule(
        pattern=r"errno (3024|1317)\b|maximum statement execution time exceeded",
        example=_UNKNOWN + "Query execution was interrupted, maximum statement execution time exceeded (errno 3024) "
        "(sqlstate HY000)",
        error=TransientError,
        message="A tablet's MySQL ended the reading of a table; Vitess limits it to an hour by default "
        "(vttablet --vreplication-copy-phase-duration).",
    ),
    Rule(
        pattern=r"errno (1040|1203|1226)\b",
        example="RESOURCE_EXHAUSTED: " + GIVING_UP + "rpc error: code = ResourceExhausted desc = Too many connections "
        "(errno 1040) (sqlstate 08004)",
        error=TransientError,
        message="A tablet's MySQL has too many connections.",
    ),
    Rule(
        pattern=r"errno (2002|2003|2006|2012|2013|1053|1927|4031)\b|unexpected server EOF while parsing events|"
        r"could not get vstreamer MySQL endpoint|failed to connect to database |ComBinlogDump|SHOW BINARY LOGS|"
        r"binlog_checksum|failed to get primary position|cannot find relevant binlogs|unable to read global variables|"
        # go/mysql/replication.go
        r"semi sync indicator|Write\((header|payload)\)|WritePacketDirect",
        example="ABORTED: " + GIVING_UP + "rpc error: code = Aborted desc = " + _AT + "unexpected server EOF while "
        "parsing events",
        error=TransientError,
        message="A tablet lost the connection to its MySQL, as when that restarts or fails over.",
    ),
)

#: Of what a tablet finds in the binary log, and in the tables.
EVENT_RULES: tuple[Rule, ...] = (
    Rule(
        pattern=_AT_POSITION + r"unexpected statement type \S+ in row-based replication: \\?\"XA ",
        example=_UNKNOWN + _AT + "unexpected statement type UNKNOWN in row-based replication: \"XA START X'61',X'',1\"",
        error=PositionLostError,
        message="A shard's binary log holds an XA transaction, which Vitess cannot stream: no stream gets past it. It "
        "is the last transaction of the position MySQL56/{position}. Re-sync the data: copies begin behind it. (If it "
        "changed no table that is read, the shard's gtid in the saved state can be set to that position instead.) And "
        "let nothing write with XA START to the shards' MySQL servers.",
    ),
    Rule(
        pattern=_AT_POSITION + r"unexpected statement type (?P<type>\S+) in row-based replication",
        example=_UNKNOWN + _AT + 'unexpected statement type SELECT in row-based replication: "select 1"',
        error=PositionLostError,
        message="A shard's binary log holds a statement ({type}) that Vitess cannot stream: no stream gets past it. "
        "It is the last transaction of the position MySQL56/{position}. Re-sync the data: copies begin behind it.",
    ),
    Rule(
        pattern=r"unexpected statement type (?P<type>\S+) in row-based replication",
        example=_UNKNOWN + 'unexpected statement type SELECT in row-based replication: "select 1"',
        error=PositionLostError,
        message="A shard's binary log holds a statement ({type}) that Vitess cannot stream: no stream gets past it. "
        "Re-sync the data: copies begin behind it.",
    ),
    Rule(
        # go/mysql/query.go; vstreamer.go, refreshHistorianForStartup.
        pattern=r"Row count exceeded \d+",
        example=_UNKNOWN + _AT + "Code: ABORTED\nRow count exceeded 10000\n",
        error=ConfigError,
        message="A tablet has more versions of its schema to read than the 10,000 that it can. With "
        "--track-schema-versions, each statement that changes a table adds one. Delete old ones on the shard's "
        "primary (DELETE FROM _vt.schema_version ORDER BY id LIMIT 9000; those from before the oldest binary log are "
        "of no use), or start the vttablets with --schema-version-max-age-seconds. Nothing is lost.",
    ),
    Rule(
        pattern=r"compressed transaction payload events are not supported",
        example=_UNKNOWN + _AT + "compressed transaction payload events are not supported with database flavor FilePos",
        error=ConfigError,
        message="A shard's MySQL compresses transactions in its binary log, which this tablet cannot read. Set "
        "binlog_transaction_compression=OFF, and re-sync the data.",
    ),
    Rule(
        pattern=r"binlog_row_image is not supported|partial row image encountered",
        example='INTERNAL: error starting stream from shard GTID keyspace:"two" shard:"-80" gtid:"current": error in '
        "vstream for two/-80 on tablet zone1-0000000101: target: two.-80.primary: vttablet: rpc error: code = Internal "
        "desc = minimal binlog_row_image is not supported by Vitess VReplication",
        error=ConfigError,
        message="A shard's MySQL writes only parts of rows to its binary log (binlog_row_image=MINIMAL). Set "
        "binlog_row_image to FULL.",
    ),
    Rule(
        pattern=rf"lastpk for table {_TABLE} has no fields defined",
        example=_UNKNOWN + "lastpk for table t has no fields defined",
        # The copy starts over; nothing else has a lastpk.
        error=PositionLostError,
        message="A tablet cannot read how far the copy of the table {table} is: the saved state was changed outside of "
        "this connector. Refresh the stream.",
    ),
    Rule(
        pattern=rf"cannot build a row streamer plan for the {_TABLE} table as a lastpk value was provided",
        example=_UNKNOWN + "cannot build a row streamer plan for the t table as a lastpk value was provided and the "
        "number of primary key values within it ([INT64(5)]) does not match the number of primary key columns in the "
        "table ([0 1])",
        error=SchemaMismatchError,
        message="The key of the table {table} was changed while its copy was interrupted. Refresh the source's schema, "
        "then the stream.",
    ),
    Rule(
        pattern=rf"table {_TABLE} is not present in the database",
        example='UNKNOWN: error starting stream from shard GTID keyspace:"main" shard:"0": '
        + GIVING_UP
        + "rpc error: code = Unknown desc = table t is not present in the database",
        error=TableNotFoundError,
        message="A tablet does not know the table {table}. If it is new, tablets learn of it within half an hour "
        "(vttablet --queryserver-config-schema-reload-time); if it was dropped or moved to another keyspace, remove "
        "the stream.",
    ),
    Rule(
        pattern=r"(unknown table (?=[^\n]+ in schema)|cannot determine table columns for |no string value found for "
        rf"ENUM column {_COLUMN} in table |no valid integer value found for (SET )?column {_COLUMN} in table ){_TABLE}"
        r"( in schema|: event has|, bytes:| -- with available|\n|$)",
        example=_UNKNOWN + "unknown table t in schema",
        error=SchemaMismatchError,
        message="Changes of the table {table} were written with other columns than the tablet remembers. Run vttablet "
        "with --track-schema-versions, and refresh the stream. If it runs so already, it has noted an ALTER wrongly: "
        "alter any table of the keyspace, a comment will do, before you refresh the stream. If that does not help, it "
        "notes none any more: restart the vttablet of each shard's primary first.",
    ),
    Rule(
        pattern=rf"(column {_COLUMN} not found in|cannot use column names in vstream filter as the current table "
        rf"schema for) table {_TABLE}( is not compatible|\n|$)",
        example="FAILED_PRECONDITION: " + GIVING_UP + "rpc error: code = FailedPrecondition desc = column c not found "
        "in table t",
        error=SchemaMismatchError,
        message="A tablet does not know all columns of the table {table} that were asked for. Refresh the source's "
        "schema.",
    ),
    Rule(
        pattern=rf"column {_COLUMN} is listed as unique key, but not present in table {_TABLE}(\n|$)",
        example="INTERNAL: "
        + GIVING_UP
        + "rpc error: code = Internal desc = column c is listed as unique key, but not "
        "present in table t",
        error=SchemaMismatchError,
        message="A tablet does not know the key of the table {table} as it is now. It reads its schema again within "
        "half an hour (vttablet --queryserver-config-schema-reload-time).",
    ),
    Rule(
        pattern=r"primary key \d+ refers to non-existent column",
        example=_UNKNOWN + "primary key 3 refers to non-existent column",
        error=TransientError,
        message="A tablet does not know the key of a table as it is now. It reads its schema again within half an hour "
        "(vttablet --queryserver-config-schema-reload-time).",
    ),
    Rule(
        # go/mysql/datetime/timeparts.go, toDateTime, knows no other date without a day than 0000-00-00.
        pattern=r"Incorrect (?P<type>DATE|DATETIME|TIMESTAMP) value",
        example="INVALID_ARGUMENT: " + GIVING_UP + "rpc error: code = InvalidArgument desc = Incorrect DATE value: "
        "'2026-00-00'",
        error=ConfigError,
        message="A row of a table with a condition on a {type} column (the field row_filters) holds a date whose "
        "day is zero, while the month or the time is not. A tablet cannot compare it, and ends the stream. Remove that "
        "condition, and refresh its stream.",
    ),
    Rule(
        # The labels are looked for by the column's name among the columns of now (vstreamer.go, getExtColInfos).
        pattern=r"^(?=[^\0]*enum or set column )[^\0]*"
        rf"failed to build table replication plan for table {_TABLE}(: |\n|$)",
        example=_UNKNOWN
        + _AT
        + "enum or set column kind does not have valid string values: \nfailed to build ENUM and SET column integer to "
        "string mappings\nfailed to build table replication plan for table t",
        error=StreamError,
        message="A tablet cannot stream changes of the table {table} from before an ENUM or SET column of it was "
        "dropped or renamed. Refresh this stream and choose to remove its old records.",
    ),
    Rule(
        # Before v22 the table is not named (vstreamer.go, buildTablePlan).
        pattern=rf"enum or set column (?P<column>{_COLUMN}) does not have valid string values",
        example=_UNKNOWN
        + "stream (at source tablet) error @ 64ee4e46-e6c5-11f1-8c82-02fc00000001:1-30: failed to build ENUM and SET "
        "column integer to string mappings: enum or set column kind does not have valid string values: ",
        error=PositionLostError,
        message="A tablet cannot stream changes from before the ENUM or SET column {column} of a table was dropped or "
        "renamed, and does not say of which table, so that no stream gets past them. Re-sync the data: copies begin "
        "behind them.",
    ),
    Rule(
        # The cause stands before it, in a line of its own, or behind it (go/vt/vterrors/vterrors.go, Format and Error).
        pattern=rf"failed to build table replication plan for table {_TABLE}(: |\n|$)",
        example=_UNKNOWN
        + _AT
        + "failed to build table replication plan for table t: unsupported type: 250, position: 3",
        error=SchemaMismatchError,
        message="A tablet cannot stream changes of the table {table} with the columns that it has.",
    ),
    Rule(
        pattern=r"failed to extract row's value for column (?P<column>[^\n]+?) from binlog event",
        example=_UNKNOWN
        + _AT
        + "failed to extract row's value for column doc from binlog event: invalid json type: 16",
        error=ConfigError,
        message="A tablet cannot decode a changed value of a column named {column}. Remove the stream whose table has "
        "that column, or re-sync the data, which begins behind the change.",
    ),
    Rule(
        pattern=r"can't parse binlog event|can't parse FORMAT_DESCRIPTION_EVENT|got a real event before FORMAT_DESCR|"
        r"can't strip checksum|failed to (get (GTID|query)|parse table map) from binlog event|"
        r"failed to parse (ROWS_QUERY_LOG_EVENT|transaction payload)|transaction payload( event|$)|TransactionPayload|"
        r"failed to (extract|unmarshal) journal|first event from binlog|must fit into 32 bits|"
        r"failed to build (ENUM|SET|ENUM and SET) column|does not have valid string values|"
        # go/mysql/binlog_event_common.go, binlog_event_rbr.go, binlog/rbr.go, binlog/binlog_json.go
        r"overflows buffer|invalid IntVar|event payload must be|format version = |header length (= |of )|"
        r"expected (column count|metadata length) at|unexpected (metadata end|enum size)|unhandled data type|"
        r"unsupported (type|blob|geometry|checksum)|invalid (json|int) type|unknown literal value|"
        r"opaque (JSON|date|time|decimal)|unable to decode (element|object)|"
        # go/mysql/binlog_event_compression.go
        r"error reading (optional metadata|field (type|length)|payload size|compression type|uncompressed payload|"
        r"event header|binlog event)|binlog event length of|stateful stream decoder|stateless decoder|zstd\.Decoder",
        example=_UNKNOWN + _AT + "can't parse binlog event: invalid data: mysql.mysql56BinlogEvent{binlogEvent:…}",
        # Once it may be an event that was being written when mysqld died.
        error=TransientError,
        message="A tablet cannot read an event of its MySQL's binary log. If that persists, re-sync the data: copies "
        "begin behind it.",
    ),
    Rule(
        pattern=r"expecting field event first|position after fastforward was \S+ but stopPos was",
        example=_UNKNOWN + "position after fastforward was 64ee4e46-e6c5-11f1-8c82-02fc0001:1-9 but stopPos was "
        "64ee4e46-e6c5-11f1-8c82-02fc0001:1-8",
        error=TransientError,
        message="A tablet missed the position at which the copy of a table was to go on.",
    ),
    Rule(
        pattern=r"failed to reload schema after DDL|failed to rebuild replication plans|in Engine\.reload|"
        r"getting changed UDFs|MySQL time|could not parse time|table primary key info|listed as primary key, but not|"
        r"not found in (vttablet )?schema",
        example=_UNKNOWN + _AT + "failed to reload schema after DDL encountered in stream: table t not found",
        error=TransientError,
        message="A tablet could not read its schema again after it had changed.",
    ),
    Rule(
        pattern=r"unsupported(:| (qualifier|constraint|function))|stream needs a position or a table|"
        r"comparison operator .+ not supported|select expression table|Query was empty|unexpected: ",
        example=_UNKNOWN + "unsupported: where id + 1 > 2",
        error=InternalError,
        message="A tablet does not accept what this connector asked for.",
    ),
)

#: Of tablets that change their state, and of VTGate between them.
STATE_RULES: tuple[Rule, ...] = (
    Rule(
        # `target: main.-40.primary: not all…` before v22, which says nothing else of where it was.
        pattern=r"((\bvstream for |\btarget: )\S+?[/.](?P<shard>[^/. ]+)( on tablet |\.\w+: ).*)?"
        r"not all journaling participants are in the stream",
        example="INTERNAL: error in vstream for main/-40 on tablet zone1-0000000105: error getting journal event for "
        'shard GTID keyspace:"main" shard:"-40" on tablet zone1-0000000105: not all journaling participants are in the '
        "stream: journal: id:1, stream: shard_gtids:{}",
        # Where shards are resharded again before the others of the stream have gone over.
        error=MergedShardError,
        message="The keyspace was resharded, and some of the shards that became new ones together are not in the "
        "stream. If the field shards leaves some out, empty it or name the new shards, and clear the connection's data "
        "to copy everything again.",
    ),
    Rule(
        pattern=r"GTIDSet Mismatch",
        example="INVALID_ARGUMENT: "
        + GIVING_UP
        + "rpc error: code = InvalidArgument desc = GTIDSet Mismatch: requested "
        "source position:MySQL56/64ee4e46-e6c5-11f1-8c82-02fc0001:1-9, current target vrep position: "
        "MySQL56/64ee4e46-e6c5-11f1-8c82-02fc0001:1-8",
        error=TransientError,
        message="The tablets of a shard do not have the saved position: their replication lags or has stopped.",
    ),
    Rule(
        pattern=r"replication lag of (?P<seconds>\d+) seconds which is beyond",
        example="UNAVAILABLE: persistent error in vstream for main/0 on tablet zone1-0000000105; giving up: error "
        "streaming from tablet zone1-0000000105 in main/0: error streaming tablet health from zone1-0000000105: tablet "
        "zone1-0000000105 has a replication lag of 31 seconds which is beyond the value provided in "
        "--discovery_low_replication_lag of 30s so the tablet is no longer considered healthy, restarting vstream",
        error=TransientError,
        message="The replication of the tablet that was read lags by {seconds} seconds, which is more than VTGate "
        "takes (vtgate --discovery-low-replication-lag).",
    ),
    Rule(
        pattern=r"error streaming tablet health|health check failed on|type has changed from|is no longer healthy|"
        r"VStreamer is not open|operation not allowed in state|(wrong|invalid) tablet type|"
        r"vstream ended unexpectedly|failed to get tablet connection|either down or nonexistent|"
        r"code = (Unavailable|Canceled|Code\(17\))|error reading from server|tablet is not healthy and serving|"
        r"invalid (keyspace|shard) \S+ does not match expected",
        example="UNAVAILABLE: persistent error in vstream for main/0 on tablet zone1-0000000105; giving up: error "
        "streaming from tablet zone1-0000000105 in main/0: error streaming tablet health from zone1-0000000105: tablet "
        "zone1-0000000105 type has changed from REPLICA to PRIMARY, restarting vstream",
        error=TransientError,
        message="The tablet that was read stopped, or changed its type, as in a restart or a failover.",
    ),
    Rule(
        pattern=r"failed to find a (?P<type>\S+) tablet for VStream in (?P<shard>\S+)",
        example='CANCELLED: error starting stream from shard GTID keyspace:"main" shard:"0" '
        'gtid:"MySQL56/15d3f5b0-4b39-11ee-9d3c-0242ac120002:1": failed to find a REPLICA tablet for VStream in main/0 '
        "within the zone1 cell(s): context has expired",
        error=NoTabletError,
        message="VTGate found no {type} tablet of {shard} that could stream from the position, for 90 seconds. It may "
        "be down, lag behind by more than 30 seconds, or be in another cell.",
    ),
    Rule(
        pattern=r"larger than max|trying to send message",
        # Up to v21. Newer VTGates try again for ever (source_vitess/replication/oversized_rows.py).
        example="RESOURCE_EXHAUSTED: target: single.0.primary: vttablet: rpc error: code = ResourceExhausted desc = "
        "trying to send message larger than max (18874586 vs. 16777216)",
        error=MessageTooLargeError,
        message="A row is larger than what Vitess' servers may send each other. Raise --grpc-max-message-size of "
        "vtgate and vttablet.",
    ),
    Rule(
        pattern=r"fully throttled for more than",
        example="INTERNAL: vstreamer has been fully throttled for more than 10m0s, giving up so that we can retry",
        error=TransientError,
        message="A tablet held the stream back for 10 minutes, because its throttler sees too much load or lag.",
    ),
    Rule(
        pattern=r"vstream failed liveness checks|timed out while waiting for skew",
        example="UNAVAILABLE: vstream failed liveness checks as there was no activity, including heartbeats, within "
        "the last 10m0s",
        error=TransientError,
        message="No tablet of the keyspace sent anything for 10 minutes.",
    ),
    Rule(
        pattern=r"get topo+logy server|has been resharded: |failed to get (keyspace names|shards) in|"
        r"error fetching local cell alias|No partition found for tabletType",
        example='UNKNOWN: error starting stream from shard GTID keyspace:"main" shard:"0": failed to determine if '
        "keyspace main has been resharded: FindAllShardsInKeyspace(main): List: deadline exceeded: "
        "keyspaces/main/shards",
        error=TransientError,
        message="VTGate could not ask its topology server (etcd, ZooKeeper or Consul) for the keyspace's shards.",
    ),
    Rule(
        pattern=r"context (ended while|has expired|canceled|deadline exceeded)|(row )?stream (send error|ended): |"
        r"error sending event(s|:| batch)|failed to send heartbeat event|error aligning streams|"
        r"error sending compressed transaction",
        example="CANCELLED: context ended while streaming from main/0: context canceled",
        error=TransientError,
        message="VTGate or a tablet cancelled the stream, as when one of them ends.",
    ),
)
