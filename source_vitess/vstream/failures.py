"""What the status of a VStream call means, and what the user can do.

VTGate passes most errors of tablets on as UNKNOWN with a text, so the text decides before the code does. Texts are
those of v24.0.0 unless a rule says otherwise; `unit_tests/vstream/test_failures.py` names the files they come from.
A text that no rule knows is shown to the user as the server wrote it, but for what may be values of rows.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from source_vitess.error_rules import Rule, build_error, first_match, redact, with_words
from source_vitess.errors import (
    ConfigError,
    ConnectorError,
    InternalError,
    PositionLostError,
    TransientError,
)
from source_vitess.network.tls import tls_rules
from source_vitess.vstream.tablet_failures import EVENT_RULES, GIVING_UP, MYSQL_RULES, STATE_RULES

#: In order: the first rule that matches counts. Texts are `<STATUS CODE>: <details>`.
RULES: tuple[Rule, ...] = (
    *tls_rules("gRPC port", "UNAVAILABLE"),
    Rule(
        pattern=r"CLIENT: Received message larger than max",
        example="RESOURCE_EXHAUSTED: CLIENT: Received message larger than max (2000000000 vs. 536870912)",
        error=InternalError,
        message="The server on the gRPC port sent a message of more than 512 MiB, which is more than this connector "
        "takes.",
    ),
    Rule(
        pattern=r"FindAllShardsInKeyspace\((?P<name>[^)]+)\): List: node doesn't exist|"
        r"node doesn't exist: \S*keyspaces/(?P<keyspace>[^/\s]+)/",
        example='UNKNOWN: error starting stream from shard GTID keyspace:"nope" shard:"0" gtid:"current": failed to '
        "determine if keyspace nope has been resharded: FindAllShardsInKeyspace(nope): List: node doesn't exist: "
        "/vitess/global/keyspaces/nope/shards",
        error=ConfigError,
        message="VTGate knows no keyspace {keyspace}{name}. Check the name after the slash in the field url.",
    ),
    Rule(
        pattern=r"shard provided in VGTID, (?P<shard>[^,]+), not found",
        example='FAILED_PRECONDITION: error starting stream from shard GTID keyspace:"main" shard:"-80" '
        'gtid:"current": failed to determine if keyspace main has been resharded: shard provided in VGTID, -80, not '
        "found in the main keyspace",
        error=PositionLostError,
        message="The keyspace has no shard {shard} any more, and with it the changes since the saved position are "
        "gone. Re-sync the data; and after a reshard let a sync run before the old shards are deleted.",
    ),
    Rule(
        pattern=r"could not decode position|unknown GTIDSet flavor",
        example='INTERNAL: error starting stream from shard GTID keyspace:"main" shard:"0" gtid:"xyz": error in '
        "vstream for main/0 on tablet zone1-0000000105: target: main.0.replica: vttablet: rpc error: code = Internal "
        'desc = could not decode position: parse error: unknown GTIDSet flavor ""',
        error=PositionLostError,
        message="VTGate cannot read the saved position. It was changed outside of this connector, or the server is "
        "not MySQL with GTIDs.",
    ),
    Rule(
        pattern=r"invalid MySQL 5\.6 GTID set",
        example="UNKNOWN: " + GIVING_UP + "rpc error: code = Unknown desc = could not obtain current position: invalid "
        'MySQL 5.6 GTID set ("64ee4e46-e6c5-11f1-8c82-02fc00000001:1-28:foo:1"): invalid interval ("foo"): '
        'strconv.ParseUint: parsing "foo": invalid syntax',
        error=ConfigError,
        message="A shard's MySQL has tagged GTIDs (written with gtid_next = AUTOMATIC:tag), and Vitess cannot stream "
        "from a server that has any. They have to be removed from its gtid_executed.",
    ),
    *MYSQL_RULES,
    *EVENT_RULES,
    *STATE_RULES,
    Rule(
        pattern=r"^UNAUTHENTICATED: ",
        example="UNAUTHENTICATED: username and password must be provided",
        error=ConfigError,
        message="VTGate's gRPC port asks for a user name and a password. Fill in both fields.",
    ),
    Rule(
        pattern=r"^PERMISSION_DENIED: .*invalid credentials",
        example='PERMISSION_DENIED: auth failure: caller "airbyte" provided invalid credentials',
        error=ConfigError,
        message="VTGate's gRPC port refuses the user name or the password. Check both fields.",
    ),
    Rule(
        pattern=r"^PERMISSION_DENIED: ",
        example="PERMISSION_DENIED: not allowed",
        error=ConfigError,
        message="VTGate does not let this user open a VStream.",
    ),
    Rule(
        pattern=r"^UNIMPLEMENTED: ",
        example="UNIMPLEMENTED: unknown service vtgateservice.Vitess",
        error=ConfigError,
        message="The server on the gRPC port is not a VTGate, or a VTGate that does not serve its gRPC interface. "
        "Check the port after the host in the field url, and that vtgate runs with "
        "--service-map grpc-vtgateservice.",
    ),
    Rule(
        pattern=r"http1\.x server|Failed parsing HTTP/2",
        example="UNAVAILABLE: failed to connect to all addresses; last error: INTERNAL: ipv4:127.0.0.1:21004: Failed "
        "parsing HTTP/2 (Expected SETTINGS frame as the first frame, got frame type 80) (Trying to connect an http1.x "
        "server (HTTP status 400))",
        error=ConfigError,
        message="What listens on the gRPC port that is configured does not speak gRPC. Check the port after the host "
        "in the field url.",
    ),
    Rule(
        pattern=r"^UNAVAILABLE: .*(Domain name not found|name resolution|lookup (error|failed))",
        example="UNAVAILABLE: errors resolving gate.invalid:15991: [field:hostname lookup error:address lookup failed "
        "for gate.invalid:15991: Domain name not found]",
        # A name that was found before can be lost for a while, when VTGate is deployed anew.
        error=TransientError,
        message="The host name of VTGate cannot be resolved. Check the host in the field url.",
    ),
    Rule(
        pattern=r"^UNAVAILABLE: .*Connection refused",
        example="UNAVAILABLE: failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to "
        "connect to remote host: Connection refused",
        error=TransientError,
        message="Nothing listens on the gRPC port that is configured. Check that VTGate runs, and the port after the "
        "host in the field url.",
    ),
    Rule(
        pattern=r"too_many_pings",
        example="UNAVAILABLE: Too many pings: GOAWAY received; Error code: 11; Debug Text: too_many_pings",
        error=TransientError,
        message="VTGate ended the connection, because it wants fewer keepalive pings "
        "(vtgate --grpc-server-keepalive-enforcement-policy-min-time).",
    ),
)

_LOST = "The connection to VTGate's gRPC port was lost."
_REFUSED = "VTGate does not accept what this connector asked for."
_BROKE = "VTGate ended the stream with an error."

#: What a status means whose text meets no rule: our class, and the message.
VERDICTS: Mapping[grpc.StatusCode, tuple[type[ConnectorError], str]] = {
    # A call that ends well without having been asked to: VTGate's last word comes as an end of the stream.
    grpc.StatusCode.OK: (TransientError, "VTGate ended the stream."),
    grpc.StatusCode.CANCELLED: (TransientError, "VTGate cancelled the stream."),
    # Tablets' errors arrive as UNKNOWN, most of them from failovers and restarts.
    grpc.StatusCode.UNKNOWN: (TransientError, _BROKE),
    grpc.StatusCode.INVALID_ARGUMENT: (InternalError, _REFUSED),
    grpc.StatusCode.DEADLINE_EXCEEDED: (TransientError, "VTGate did not answer in time on its gRPC port."),
    grpc.StatusCode.NOT_FOUND: (InternalError, _REFUSED),
    grpc.StatusCode.ALREADY_EXISTS: (InternalError, _REFUSED),
    grpc.StatusCode.PERMISSION_DENIED: (ConfigError, "VTGate does not let this user open a VStream."),
    grpc.StatusCode.UNAUTHENTICATED: (ConfigError, "VTGate's gRPC port asks for a user name and a password."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (TransientError, "VTGate or a tablet is overloaded."),
    grpc.StatusCode.FAILED_PRECONDITION: (TransientError, "A tablet was not ready to stream."),
    grpc.StatusCode.ABORTED: (TransientError, _BROKE),
    grpc.StatusCode.OUT_OF_RANGE: (InternalError, _REFUSED),
    grpc.StatusCode.UNIMPLEMENTED: (ConfigError, "The server on the gRPC port is not a VTGate."),
    grpc.StatusCode.INTERNAL: (TransientError, _BROKE),
    grpc.StatusCode.UNAVAILABLE: (TransientError, _LOST),
    grpc.StatusCode.DATA_LOSS: (TransientError, _BROKE),
}


def describe(code: grpc.StatusCode, details: str | None) -> ConnectorError:
    """Returns our error for the status of a call."""
    text = f"{code.name}: {details or ''}"
    if found := first_match(RULES, text):
        return build_error(*found, text)
    error, message = VERDICTS[code]
    return error(with_words(message, details or ""), detail=redact(text))
