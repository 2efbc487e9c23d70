"""The status of a VStream call: every code has a verdict, and each example meets its own rule."""

from __future__ import annotations

import grpc
import pytest

from source_vitess.error_rules import Rule, first_match
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
from source_vitess.vstream.failures import RULES, VERDICTS, describe

_TABLET = (
    'error starting stream from shard GTID keyspace:"main" shard:"0": persistent error in vstream for main/0 on tablet '
    "zone1-0000000105; giving up: target: main.0.replica: vttablet: rpc error: code = Unknown desc = "
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_an_example_meets_its_own_rule_first(rule: Rule) -> None:
    """No rule hides another one."""
    found = first_match(RULES, rule.example)

    assert found is not None
    assert found[0] is rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_a_message_is_complete(rule: Rule) -> None:
    """Every example is a status that exists, and gives a message without a gap."""
    code, details = rule.example.split(": ", 1)

    error = describe(grpc.StatusCode[code], details)

    assert type(error) is rule.error
    assert error.message.endswith(".")
    assert "{" not in error.message
    assert "  " not in error.message


_SINCE_23 = " (including the GTID we failed to process)"


@pytest.mark.parametrize("rule", [rule for rule in RULES if _SINCE_23 in rule.example], ids=lambda rule: rule.example)
def test_a_tablet_before_v23_says_where_with_fewer_words(rule: Rule) -> None:
    """The position is in the message all the same (vstreamer.go, wrapError)."""
    code, details = rule.example.split(": ", 1)

    old, new = (describe(grpc.StatusCode[code], text) for text in (details.replace(_SINCE_23, ""), details))

    assert type(old) is type(new)
    assert old.message == new.message


@pytest.mark.parametrize("code", grpc.StatusCode, ids=lambda code: code.name)
def test_every_status_has_a_verdict(code: grpc.StatusCode) -> None:
    """A text that nobody has seen yet is still judged, with or without details."""
    for details in ("something new", "", None):
        error = describe(code, details)

        assert isinstance(error, VERDICTS[code][0])
        assert error.message.endswith(".")
        assert error.detail.startswith(code.name)


@pytest.mark.parametrize(
    ("code", "details", "expected", "part"),
    [
        (
            "UNKNOWN",
            _TABLET + "table orders is not present in the database",
            TableNotFoundError,
            "does not know the table orders.",
        ),
        ("UNKNOWN", _TABLET + "unknown table orders in schema", SchemaMismatchError, "of the table orders were"),
        (
            "UNKNOWN",
            _TABLET + 'cannot determine table columns for orders: event has [8 3 15], schema has [name:"id"]',
            SchemaMismatchError,
            "of the table orders were",
        ),
        (
            "UNKNOWN",
            _TABLET + "something (errno 2013) (sqlstate HY000)",
            TransientError,
            "lost the connection to its MySQL",
        ),
        (
            "FAILED_PRECONDITION",
            "shard provided in VGTID, 80-, not found in the main keyspace",
            PositionLostError,
            "80-",
        ),
        ("UNKNOWN", "FindAllShardsInKeyspace(nope): List: node doesn't exist", ConfigError, "no keyspace nope."),
        ("INVALID_ARGUMENT", "vgtid must have at least one value", InternalError, "does not accept"),
        ("CANCELLED", "context canceled", TransientError, "cancelled"),
        ("UNAVAILABLE", "Socket closed (GOAWAY: graceful_stop)", TransientError, "was lost"),
    ],
)
def test_verdicts(code: str, details: str, expected: type[Exception], part: str) -> None:
    """What the sync has to tell apart comes as classes of their own, and names are in the message."""
    error = describe(grpc.StatusCode[code], details)

    assert type(error) is expected
    assert part in error.message


_AT = (
    "stream (at source tablet) error @ (including the GTID we failed to process) 64ee4e46-e6c5-11f1-8c82-02fc0001:1-3: "
)
_SHARD = 'error starting stream from shard GTID keyspace:"main" shard:"0" gtid:"MySQL56/64ee4e46:1-3": '

#: Every text that a VStream of v24.0.0 can end with, under the file that writes it (below go/vt/; of those below
#: vttablet/tabletserver/ the rest), with our class and some words of the message. VTGate's and VTTablet's wrapping
#: texts alone (`error in vstream for`, `persistent error in`, `error starting stream from`) mean nothing.
_ENDINGS: dict[str, list[tuple[str, str, type[Exception], str]]] = {
    "vtgate/vstream_manager.go": [
        ("INVALID_ARGUMENT", "failed to resolve vstream parameters: vgtid must have at least", InternalError, "accept"),
        ("INVALID_ARGUMENT", "for an empty keyspace, the Gtid value must be 'current': x", InternalError, "accept"),
        ("INVALID_ARGUMENT", "if shards are unspecified, the Gtid value must be", InternalError, "not accept"),
        ("UNKNOWN", "failed to get shards in keyspace main: node", TransientError, "topology server"),
        ("UNKNOWN", "failed to get keyspace names in cell zone1: x", TransientError, "topology server"),
        ("UNKNOWN", "failed to get topology server: x", TransientError, "topology server"),
        ("INTERNAL", "unable to get topoology server", TransientError, "topology server"),
        ("UNKNOWN", "error sending events: EOF", TransientError, "cancelled"),
        (
            "UNAVAILABLE",
            (
                "vstream is fully throttled or otherwise hung: vstream failed liveness checks as there was no "
                "activity, including heartbeats, within the last 10m0s"
            ),
            TransientError,
            "for 10 minutes",
        ),
        ("CANCELLED", "context ended while waiting for skew to reduce for stream x", TransientError, "cancelled"),
        ("CANCELLED", "timed out while waiting for skew to reduce for stream x", TransientError, "10 minutes"),
        ("CANCELLED", _SHARD + "context ended while streaming from main/0: context canceled", TransientError, "cancel"),
        (
            "UNKNOWN",
            _SHARD + "failed to determine if keyspace main has been resharded: interrupted: /x",
            TransientError,
            "topology server",
        ),
        (
            "UNKNOWN",
            (
                "failed to determine if keyspace nope has been resharded: FindAllShardsInKeyspace(nope): List: node "
                "doesn't exist: /vitess/global/keyspaces/nope/shards"
            ),
            ConfigError,
            "no keyspace nope.",
        ),
        (
            "FAILED_PRECONDITION",
            (
                "failed to determine if keyspace main has been resharded: shard provided in VGTID, 80-, "
                "not found in the main keyspace"
            ),
            PositionLostError,
            "no shard 80-",
        ),
        (
            "CANCELLED",
            ("failed to find a REPLICA tablet for VStream in main/0 within the zone1 cell(s): context has expired"),
            NoTabletError,
            "no REPLICA tablet of main/0",
        ),
        (
            "NOT_FOUND",
            (
                'failed to get tablet connection to zone1-0000000105: tablet: cell:"zone1" uid:105 is either '
                "down or nonexistent"
            ),
            TransientError,
            "tablet that was read stopped",
        ),
        ("CANCELLED", "context ended while streaming tablet health from zone1-0000000105", TransientError, "cancelled"),
        ("UNAVAILABLE", "health check failed on zone1-0000000105", TransientError, "stopped"),
        (
            "UNAVAILABLE",
            "tablet zone1-0000000105 type has changed from REPLICA to PRIMARY, restarting vstream",
            TransientError,
            "changed its type",
        ),
        (
            "UNAVAILABLE",
            "tablet zone1-0000000105 is no longer healthy: x, restarting vstream",
            TransientError,
            "stopped",
        ),
        (
            "UNAVAILABLE",
            "tablet zone1-0000000105 has a replication lag of 31 seconds which is beyond the value provided",
            TransientError,
            "lags by 31 seconds",
        ),
        ("CANCELLED", "context ended while streaming from tablet x in main/0", TransientError, "cancelled"),
        (
            "UNAVAILABLE",
            "error streaming from tablet x in main/0: error streaming tablet health from x",
            TransientError,
            "stopped",
        ),
        ("UNKNOWN", "error aligning streams across main/0: x", TransientError, "cancelled"),
        ("UNKNOWN", "error sending event batch from tablet x: EOF", TransientError, "cancelled"),
        (
            "INTERNAL",
            (
                'error getting journal event for shard GTID keyspace:"main" shard:"-40" on tablet x: not all '
                "journaling participants are in the stream: journal: id:1, stream: x"
            ),
            MergedShardError,
            "field shards",
        ),
        (
            "UNKNOWN",
            'not all journaling participants are in the stream: journal: [keyspace:"main"  shard:"-40"], stream: []',
            MergedShardError,
            "field shards",
        ),
        ("CANCELLED", "context ended while waiting for journal event for shard GTID x", TransientError, "cancelled"),
        ("UNKNOWN", "vstream ended unexpectedly on tablet x in main/0", TransientError, "stopped"),
    ],
    "discovery/tablet_picker.go": [
        ("INVALID_ARGUMENT", "invalid cell preference: x", InternalError, "not accept"),
        ("INVALID_ARGUMENT", "invalid tablet order type: x", InternalError, "not accept"),
        (
            "FAILED_PRECONDITION",
            (
                "failed to find a X tablet for VStream in main/0 within the zone1 cell(s): failed to "
                "parse list of tablet types: X"
            ),
            NoTabletError,
            "no X tablet",
        ),
        (
            "FAILED_PRECONDITION",
            (
                "failed to find a REPLICA tablet for VStream in main/0 within the zone1 cell(s): cannot "
                "have local cell preference without local cell"
            ),
            NoTabletError,
            "no REPLICA tablet",
        ),
        ("UNKNOWN", "error fetching local cell alias: x", TransientError, "topology server"),
        ("CANCELLED", "context has expired", TransientError, "cancelled"),
        ("INTERNAL", "tablet is not healthy and serving", TransientError, "stopped"),
    ],
    "state_manager.go": [
        ("INVALID_ARGUMENT", "No target", InternalError, "not accept"),
        ("UNKNOWN", _TABLET + "operation not allowed in state NOT_SERVING", TransientError, "stopped"),
        ("UNKNOWN", _TABLET + "operation not allowed in state SHUTTING_DOWN", TransientError, "stopped"),
        ("INVALID_ARGUMENT", _TABLET + "invalid keyspace a does not match expected b", TransientError, "stopped"),
        ("INVALID_ARGUMENT", _TABLET + "invalid shard a does not match expected b", TransientError, "stopped"),
        (
            "FAILED_PRECONDITION",
            _TABLET + "wrong tablet type: REPLICA, want: PRIMARY or []",
            TransientError,
            "its type",
        ),
    ],
    "grpctabletconn/conn.go": [
        (
            "UNAVAILABLE",
            (
                "giving up: target: main.0.replica: vttablet: rpc error: code = Unavailable desc = error reading "
                "from server: EOF"
            ),
            TransientError,
            "stopped",
        ),
        (
            "UNAVAILABLE",
            (
                "giving up: target: main.0.replica: vttablet: rpc error: code = Unavailable desc = connection "
                'error: desc = "transport: Error while dialing: dial tcp 10.0.0.1:1: connect: connection refused"'
            ),
            TransientError,
            "The tablet that was read stopped",
        ),
        (
            "CANCELLED",
            "vttablet: rpc error: code = Canceled desc = grpc: the client connection is closing",
            TransientError,
            "stopped",
        ),
        (
            "RESOURCE_EXHAUSTED",
            (
                "vttablet: rpc error: code = ResourceExhausted desc = grpc: received message larger than "
                "max (17000000 vs. 16777216)"
            ),
            MessageTooLargeError,
            "--grpc-max-message-size",
        ),
        (
            "RESOURCE_EXHAUSTED",
            "grpc: trying to send message larger than max (17000000 vs. 16777216)",
            MessageTooLargeError,
            "--grpc-max-message-size",
        ),
    ],
    "vstreamer/engine.go": [
        ("INTERNAL", "'select @@binlog_row_image' returns an invalid result: []", TransientError, "own words: 'select"),
        ("INTERNAL", "minimal binlog_row_image is not supported by Vitess VReplication", ConfigError, "to FULL"),
        ("UNKNOWN", _TABLET + "VStreamer is not open", TransientError, "stopped"),
        (
            "UNKNOWN",
            _TABLET + "could not get vstreamer MySQL endpoint: x",
            TransientError,
            "lost the connection to its MySQL",
        ),
        ("CANCELLED", _TABLET + "context has expired", TransientError, "cancelled"),
    ],
    "vstreamer/uvstreamer.go": [
        ("UNKNOWN", _TABLET + "lastpk for table orders has no fields defined", PositionLostError, "table orders"),
        ("UNKNOWN", _TABLET + "table orders is not present in the database", TableNotFoundError, "the table orders"),
        (
            "UNKNOWN",
            _TABLET + 'could not obtain current position: invalid MySQL 5.6 GTID set ("x:foo:1")',
            ConfigError,
            "tagged GTIDs",
        ),
        (
            "INTERNAL",
            _TABLET + 'could not decode position: invalid MySQL 5.6 GTID set ("zz"): expected uuid:interval',
            PositionLostError,
            "cannot read the saved position",
        ),
        (
            "INVALID_ARGUMENT",
            _TABLET + "GTIDSet Mismatch: requested source position:x, current target vrep position: y",
            TransientError,
            "replication lags",
        ),
        ("UNKNOWN", _TABLET + "stream needs a position or a table to copy", InternalError, "not accept"),
        (
            "UNKNOWN",
            _TABLET + "empty gtid passed to setPosition",
            TransientError,
            "own words: empty gtid passed to setPosition",
        ),
    ],
    "vstreamer/copy.go": [
        ("UNKNOWN", _TABLET + "expecting field event first, got: x", TransientError, "missed the position"),
        ("UNKNOWN", _TABLET + "position after fastforward was 6:1-9 but stopPos was 6:1-8", TransientError, "missed"),
    ],
    "vstreamer/planbuilder.go": [
        ("UNKNOWN", _TABLET + "comparison operator <=> not supported", InternalError, "not accept"),
        ("UNKNOWN", _TABLET + "unsupported: select 1", InternalError, "not accept"),
        (
            "UNKNOWN",
            _TABLET + "unsupported: select expression table a does not match the table entry name b",
            InternalError,
            "not accept",
        ),
        ("UNKNOWN", _TABLET + "unsupported qualifier for column: a.b", InternalError, "not accept"),
        ("UNKNOWN", _TABLET + "unsupported constraint: a or b", InternalError, "not accept"),
        ("UNKNOWN", _TABLET + "unsupported function: now()", InternalError, "not accept"),
        ("UNKNOWN", _TABLET + "unexpected: a", InternalError, "not accept"),
        ("UNKNOWN", _TABLET + "Query was empty", InternalError, "not accept"),
        ("FAILED_PRECONDITION", _TABLET + "column c not found in table orders", SchemaMismatchError, "table orders"),
        (
            "FAILED_PRECONDITION",
            _TABLET + "cannot use column names in vstream filter as the current table schema for "
            "table orders is not compatible with x",
            SchemaMismatchError,
            "of the table",
        ),
    ],
    "vstreamer/rowstreamer.go": [
        (
            "INTERNAL",
            _TABLET + "column c is listed as unique key, but not present in table orders",
            SchemaMismatchError,
            "the key of the table orders",
        ),
        ("UNKNOWN", _TABLET + "primary key 3 refers to non-existent column", TransientError, "the key of a table"),
        (
            "UNKNOWN",
            _TABLET + "cannot build a row streamer plan for the orders table as a lastpk value was provided and "
            "the number of primary key values within it ([INT64(5)]) does not match",
            SchemaMismatchError,
            "key of the table",
        ),
        ("UNKNOWN", _TABLET + "row stream send error: EOF", TransientError, "cancelled"),
        ("UNKNOWN", _TABLET + "row stream ended: context canceled", TransientError, "cancelled"),
    ],
    "vstreamer/snapshot_conn.go": [
        (
            "UNKNOWN",
            _TABLET + "startSnapshot: failed to set session lock_wait_timeout = 30 for table t: x",
            TransientError,
            "could not lock",
        ),
        (
            "DEADLINE_EXCEEDED",
            _TABLET + "Lock wait timeout exceeded (errno 1205) (sqlstate HY000)",
            TransientError,
            "could not lock",
        ),
        ("UNKNOWN", _TABLET + "SHOW BINARY LOGS returned no rows", ConfigError, "no binary log"),
        (
            "UNKNOWN",
            _TABLET + "Query execution was interrupted, maximum statement execution time exceeded (errno 3024)",
            TransientError,
            "limits it to an hour",
        ),
    ],
    "vstreamer/vstreamer.go": [
        (
            "INTERNAL",
            _TABLET + "failed to determine starting position: x",
            TransientError,
            "failed to determine starting",
        ),
        (
            "INVALID_ARGUMENT",
            _TABLET + "usupported event type x found for event: type:ROW",
            InternalError,
            "not accept",
        ),
        ("INTERNAL", _TABLET + "vstreamer has been fully throttled for more than 10m0s", TransientError, "throttler"),
        (
            "ABORTED",
            _TABLET + _AT + "unexpected server EOF while parsing events",
            TransientError,
            "lost the connection to its MySQL",
        ),
        ("UNKNOWN", _TABLET + _AT + "error sending event: type:ROW: EOF", TransientError, "cancelled"),
        ("UNKNOWN", _TABLET + _AT + "failed to send heartbeat event: EOF", TransientError, "cancelled"),
        (
            "UNKNOWN",
            _TABLET + _AT + "failed to rebuild replication plans after vschema change notification: x",
            TransientError,
            "its schema again",
        ),
        ("UNKNOWN", _TABLET + _AT + "can't parse binlog event: invalid data: x", TransientError, "binary log"),
        ("UNKNOWN", _TABLET + _AT + "can't parse FORMAT_DESCRIPTION_EVENT: x", TransientError, "binary log"),
        (
            "UNKNOWN",
            _TABLET + _AT + "got a real event before FORMAT_DESCRIPTION_EVENT: x",
            TransientError,
            "binary log",
        ),
        ("UNKNOWN", _TABLET + _AT + "can't strip checksum from binlog event: x", TransientError, "binary log"),
        ("UNKNOWN", _TABLET + _AT + "failed to get GTID from binlog event: x", TransientError, "binary log"),
        ("UNKNOWN", _TABLET + _AT + "failed to get query from binlog event: x", TransientError, "binary log"),
        (
            "UNKNOWN",
            _TABLET + _AT + "failed to reload schema after DDL encountered in stream: x",
            TransientError,
            "again",
        ),
        (
            "UNKNOWN",
            _TABLET + _AT + "unexpected statement type UNKNOWN in row-based replication: \"XA START X'61',X'',1\"",
            PositionLostError,
            "position MySQL56/64ee4e46-e6c5-11f1-8c82-02fc0001:1-3.",
        ),
        (
            "UNKNOWN",
            _TABLET + _AT + 'unexpected statement type SELECT in row-based replication: "select 1"',
            PositionLostError,
            "a statement (SELECT)",
        ),
        ("UNKNOWN", _TABLET + _AT + "failed to parse ROWS_QUERY_LOG_EVENT: x", TransientError, "binary log"),
        ("UNKNOWN", _TABLET + _AT + "failed to parse table map from binlog event: x", TransientError, "binary log"),
        (
            "UNKNOWN",
            _TABLET + _AT + "failed to build table replication plan for table orders: unsupported type: 250, "
            "position: 3",
            SchemaMismatchError,
            "the table orders",
        ),
        (
            "UNKNOWN",
            _TABLET + _AT + "compressed transaction payload events are not supported with database flavor x",
            ConfigError,
            "binlog_transaction_compression=OFF",
        ),
        ("UNKNOWN", _TABLET + _AT + "failed to parse transaction payload's internal event: x", TransientError, "log"),
        (
            "INTERNAL",
            _TABLET + _AT + "error sending compressed transaction payload's internal event: x",
            TransientError,
            "cancelled",
        ),
        (
            "UNKNOWN",
            _TABLET + "cannot determine table columns for orders: event has [8], schema has []",
            SchemaMismatchError,
            "the table orders",
        ),
        (
            "UNKNOWN",
            _TABLET + "failed to build ENUM and SET column integer to string mappings: x",
            TransientError,
            "log",
        ),
        ("UNKNOWN", _TABLET + "unknown table orders in schema", SchemaMismatchError, "the table orders"),
        (
            "UNKNOWN",
            _TABLET + "failed to connect to database vt_main: x",
            TransientError,
            "lost the connection to its MySQL",
        ),
        (
            "UNKNOWN",
            _TABLET + "failed to extract journal from binlog event and apply filters: x",
            TransientError,
            "log",
        ),
        ("UNKNOWN", _TABLET + "failed to unmarshal journal event: x", TransientError, "binary log"),
        (
            "UNKNOWN",
            _TABLET + "partial row image encountered: ensure binlog_row_image is set to 'full'",
            ConfigError,
            "to FULL",
        ),
        (
            "UNKNOWN",
            _TABLET + _AT + "failed to extract row's value for column doc from binlog event: x",
            ConfigError,
            "column named doc",
        ),
        (
            "UNKNOWN",
            _TABLET + "failed to perform ENUM column integer to string value mapping: no string value found for "
            "ENUM column c in table orders -- with available values being: map[] -- using the found integer value: 7",
            SchemaMismatchError,
            "the table orders",
        ),
        (
            "UNKNOWN",
            _TABLET + "failed to perform SET column integer to string value mapping: no valid integer value found "
            "for SET column c in table orders, bytes: 101",
            SchemaMismatchError,
            "the table orders",
        ),
    ],
    "schema/engine.go": [
        ("INTERNAL", _TABLET + "in Engine.reload(), reading tables: x", TransientError, "its schema again"),
        ("UNKNOWN", _TABLET + "could not get MySQL time: x", TransientError, "its schema again"),
        (
            "INTERNAL",
            _TABLET + "column c is listed as primary key, but not present in table t",
            TransientError,
            "again",
        ),
        ("NOT_FOUND", _TABLET + "table t not found in schema", TransientError, "its schema again"),
    ],
    "go/mysql/replication.go": [
        (
            "FAILED_PRECONDITION",
            _TABLET + "semi sync indicator expected, but not found",
            TransientError,
            "connection to its MySQL",
        ),
        ("INTERNAL", _TABLET + "Write(header) short write: 3 < 4", TransientError, "lost the connection to its MySQL"),
        (
            "INVALID_ARGUMENT",
            _TABLET + "binlog position 9 is too large, it must fit into 32 bits",
            TransientError,
            "log",
        ),
    ],
    "go/mysql/binlog_event_common.go": [
        ("INTERNAL", _TABLET + "SQL query position overflows buffer (9 > 8)", TransientError, "binary log"),
        ("INVALID_ARGUMENT", _TABLET + "format version = 3, we only support version 4", TransientError, "binary log"),
        ("INVALID_ARGUMENT", _TABLET + "header length = 18, should be >= 19", TransientError, "binary log"),
        ("INVALID_ARGUMENT", _TABLET + "ROWS_QUERY event payload must be at least 2 bytes", TransientError, "log"),
    ],
    "go/mysql/binlog_event_rbr.go, binlog/rbr.go": [
        ("INTERNAL", _TABLET + "expected column count at position 4 (data=[1 2])", TransientError, "binary log"),
        ("INTERNAL", _TABLET + "metadataRead: unhandled data type: 250", TransientError, "binary log"),
        ("INTERNAL", _TABLET + "unsupported type 250 (data: [1] pos: 3)", TransientError, "binary log"),
        ("INTERNAL", _TABLET + "unexpected enum size: 3", TransientError, "binary log"),
    ],
    "go/mysql/binlog/binlog_json.go": [
        ("INVALID_ARGUMENT", _TABLET + "invalid json type: 16", TransientError, "binary log"),
        ("INVALID_ARGUMENT", _TABLET + "opaque date length 3 is too short", TransientError, "binary log"),
        ("UNKNOWN", _TABLET + "unable to decode element: [1 2]", TransientError, "binary log"),
    ],
    "go/mysql/binlog_event_compression.go": [
        (
            "INTERNAL",
            _TABLET + "error decoding transaction payload event: error reading field type",
            TransientError,
            "log",
        ),
        ("INTERNAL", _TABLET + "error decompressing transaction payload", TransientError, "binary log"),
        (
            "INTERNAL",
            _TABLET + "[BUG] expected header length of 19 but only read 3 bytes",
            TransientError,
            "binary log",
        ),
        ("INVALID_ARGUMENT", _TABLET + "TransactionPayload has been closed", TransientError, "binary log"),
    ],
    "binlog/binlog_connection.go": [
        (
            "UNKNOWN",
            _TABLET + "failed to SHOW BINARY LOGS: You are not using binary logging (errno 1381)",
            ConfigError,
            "no binary log",
        ),
        (
            "UNKNOWN",
            _TABLET + "failed to send the ComBinlogDump command: EOF (errno 2006)",
            TransientError,
            "connection to its MySQL",
        ),
        ("UNKNOWN", _TABLET + "first event from binlog bin.1 is not valid", TransientError, "binary log"),
    ],
    "MySQL, sql/rpl_binlog_sender.cc": [
        (
            "UNKNOWN",
            _TABLET + _AT + "Cannot replicate because the source purged required binary logs. (errno 1236)",
            PositionLostError,
            "has purged",
        ),
        (
            "UNKNOWN",
            _TABLET + _AT + "Could not find first log file name in binary log index file (errno 1236)",
            PositionLostError,
            "has purged",
        ),
        (
            "UNKNOWN",
            _TABLET + _AT + "Replica has more GTIDs than the source has, using x (errno 1236)",
            PositionLostError,
            "does not have",
        ),
        (
            "UNKNOWN",
            _TABLET + _AT + "log event entry exceeded max_allowed_packet; x (errno 1236)",
            ConfigError,
            "max_allowed_packet",
        ),
        ("UNKNOWN", _TABLET + _AT + "bogus data in log event; x (errno 1236)", PositionLostError, "damaged"),
        (
            "UNKNOWN",
            _TABLET + _AT + "A replica with the same server_uuid/server_id as this replica has connected to the "
            "source; x (errno 1236)",
            TransientError,
            "same server_id",
        ),
        (
            "PERMISSION_DENIED",
            _TABLET + "Access denied; you need (at least one of) the REPLICATION SLAVE privilege(s) "
            "for this operation (errno 1227)",
            ConfigError,
            "vt_filtered",
        ),
        ("RESOURCE_EXHAUSTED", _TABLET + "Too many connections (errno 1040)", TransientError, "too many connections"),
    ],
}


@pytest.mark.parametrize(
    ("file", "code", "text", "expected", "part"),
    [(file, *ending) for file, endings in _ENDINGS.items() for ending in endings],
)
def test_every_ending(file: str, code: str, text: str, expected: type[Exception], part: str) -> None:
    """Every text that Vitess' sources end a VStream with is of a class, and its message names the cause."""
    error = describe(grpc.StatusCode[code], text)

    assert type(error) is expected, file
    assert part in error.message


def test_an_unknown_error_is_shown() -> None:
    """The server's own words are what is left to the user: without VTGate's wrapping, without values, not too long."""
    text = (
        'error starting stream from shard GTID keyspace:"main" shard:"0" gtid:"MySQL56/64ee4e46:1" table_p_ks:'
        '{table_name:"t" lastpk:{fields:{name:"id"} rows:{lengths:6 values:"CANARY \\" CANARY"}}}: '
        "error in vstream for main/0 on tablet zone1-0000000105: target: main.0.replica: vttablet: rpc error: "
        "code = Unknown desc = the moon is full for 'orders' (INT64(4711), VARCHAR(\"CANARY\"))"
    )

    error = describe(grpc.StatusCode.UNKNOWN, text)

    assert error.message == (
        "VTGate ended the stream with an error. In its own words: the moon is full for 'orders' (INT64(…), VARCHAR(…))."
    )
    assert "CANARY" not in error.detail
    assert "4711" not in error.detail
    assert len(describe(grpc.StatusCode.INTERNAL, "x" * 10_000).message) < 600


#: What VTTablet says of a table, whose name it never quotes.
_OF_A_TABLE = (
    "unknown table {} in schema",
    "table {} is not present in the database",
    (
        "cannot build a row streamer plan for the {} table as a lastpk value was provided and the number of primary "
        "key values within it ([INT64(5)]) does not match the number of primary key columns in the table ([0 1])"
    ),
    'cannot determine table columns for {}: event has [8 3 15], schema has [name:"id" type:INT64]',
    (
        "no string value found for ENUM column a size in table {} -- with available values being: map[1:s] -- using "
        "the found integer value: 3"
    ),
    "no valid integer value found for SET column a size in table {}, bytes: [1]",
    "column a size not found in table {}",
    (
        "cannot use column names in vstream filter as the current table schema for table {} is not compatible with the "
        "current event for this table in the stream"
    ),
    "column a size is listed as unique key, but not present in table {}",
    "failed to build table replication plan for table {}: unsupported type: 250, position: 3",
    (
        "enum or set column @2 does not have valid string values: \nfailed to build ENUM and SET column integer to "
        "string mappings\nfailed to build table replication plan for table {}"
    ),
)


@pytest.mark.parametrize("name", ["orders", "drop table", "it's", "a, b", "table", "é x"])
@pytest.mark.parametrize("text", _OF_A_TABLE)
def test_an_error_of_a_table_names_the_stream(text: str, name: str) -> None:
    """The table is what the other streams can go on without, whatever its name is."""
    error = describe(grpc.StatusCode.UNKNOWN, _TABLET + text.format(name))

    assert isinstance(error, StreamError)
    assert error.stream == name


def test_values_stay_out() -> None:
    """A statement that a tablet quotes may hold key values, and is not passed on."""
    text = _TABLET + "interrupted (errno 3024) during query: select id from t where (id > 'CANARY') order by id"

    error = describe(grpc.StatusCode.UNKNOWN, text)

    assert "CANARY" not in error.message + error.detail
    assert "errno 3024" in error.detail


_NOT_ALL = 'not all journaling participants are in the stream: journal: [keyspace:"main" shard:"-80"], stream: []'


@pytest.mark.parametrize(
    "where",
    [
        "target: main.-80.primary: ",
        "target: a.b.-80.replica: ",
        "error in vstream for main/-80 on tablet x: error getting journal event for shard GTID x on tablet x: ",
    ],
)
def test_the_shard_that_has_come_to_a_journal(where: str) -> None:
    """VTGate names it, before v22 in other words than since."""
    error = describe(grpc.StatusCode.UNKNOWN, where + _NOT_ALL)

    assert isinstance(error, MergedShardError)
    assert error.shard.rpartition("/")[2] == "-80"
