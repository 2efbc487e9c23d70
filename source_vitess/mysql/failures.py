"""What an error of VTGate's MySQL port means, and what the user can do."""

from __future__ import annotations

import pymysql
from pymysql.constants import CR, ER

from source_vitess.error_rules import Rule, build_error, first_match, redact, with_words
from source_vitess.errors import ConfigError, ConnectorError, InternalError, TransientError
from source_vitess.network.tls import tls_rules

#: A VTGate without authentication takes any user name, but not none.
ANONYMOUS = "source-vitess"

#: The error of `mysql.session` when a server without encryption asks for more than the answer to a challenge.
REFUSED_IN_CLEAR = "refused to give the password to a server without encryption"

#: The error of `mysql.session` when an answer has no end.
TOO_LARGE = "the answer is larger than any that VTGate has"

_LOST = "|".join(map(str, (CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST)))
_BROKEN_OFF = "|".join(
    map(
        str,
        (
            ER.CON_COUNT_ERROR,
            ER.OUT_OF_RESOURCES,
            ER.SERVER_SHUTDOWN,
            ER.TOO_MANY_USER_CONNECTIONS,
            ER.LOCK_WAIT_TIMEOUT,
            ER.QUERY_INTERRUPTED,
            CR.CR_CONNECTION_ERROR,
        ),
    )
)

#: In order: the first rule that matches counts. Texts are `<MySQL error number>: <message>`, numbers ≥ 2000 are
#: PyMySQL's own.
RULES: tuple[Rule, ...] = (
    # Before the other errors with this number: a table ACL counts for information_schema, by the bare name.
    Rule(
        pattern=r"command denied to user '(?P<user>[^']*)'.* for table '(?P<name>[^']*)' \(ACL check error\)",
        example="1045: target: main.0.primary: vttablet: rpc error: code = PermissionDenied desc = SelectStream "
        "command denied to user 'bob' for table 'tables' (ACL check error) (CallerID: bob)",
        error=ConfigError,
        message="Vitess does not let the user {user} read information_schema.{name}, where the schema is. Make the "
        "user a reader of the table names tables, columns and statistics (vttablet --table-acl-config).",
    ),
    Rule(
        pattern=rf"^{ER.ACCESS_DENIED_ERROR}: .*'{ANONYMOUS}'",
        example=f"1045: Access denied for user '{ANONYMOUS}'",
        error=ConfigError,
        message="VTGate's MySQL port asks for a user name and a password. Fill in both fields.",
    ),
    Rule(
        pattern=rf"^{ER.ACCESS_DENIED_ERROR}: ",
        example="1045: Access denied for user 'airbyte'",
        error=ConfigError,
        message="VTGate's MySQL port refuses the user name or the password. Check both fields; the user must be known "
        "to both of VTGate's ports.",
    ),
    Rule(
        pattern=rf"^{ER.BAD_DB_ERROR}: .*unknown database '(?P<keyspace>[^']*)'",
        example="1049: VT05003: unknown database 'nope' in vschema",
        error=ConfigError,
        message="VTGate knows no keyspace {keyspace}. Check the name after the slash in the field url.",
    ),
    Rule(
        pattern=r"does not allow insecure connections|secure transport",
        example="1105: unknown error: Code: UNAVAILABLE\nserver does not allow insecure connections, client must use "
        "SSL/TLS\n",
        error=ConfigError,
        message="VTGate's MySQL port wants an encrypted connection. Choose another encryption than disabled in the "
        "field tls.",
    ),
    Rule(
        pattern=REFUSED_IN_CLEAR,
        example=f"2061: {REFUSED_IN_CLEAR}",
        error=ConfigError,
        message="VTGate's MySQL port asks for the password in a form that is only safe on an encrypted connection. "
        "Choose another encryption than disabled in the field tls, or a VTGate user with mysql_native_password.",
    ),
    Rule(
        pattern=TOO_LARGE,
        example=f"2027: {TOO_LARGE}",
        error=InternalError,
        message="The server on the MySQL port sent more than 512 MiB in answer to a query for the schema or the "
        "topology.",
    ),
    *tls_rules("MySQL port", str(CR.CR_CONN_HOST_ERROR)),
    Rule(
        pattern=rf"^{ER.UNKNOWN_ERROR}: .*no healthy tablet available for .*keyspace:\\?\"(?P<keyspace>[^\"\\]+)\\?\" "
        r"shard:\\?\"(?P<shard>[^\"\\]+)\\?\" tablet_type:(?P<type>[A-Z]+)",
        example='1105: target: main.0.rdonly: no healthy tablet available for \'keyspace:"main" shard:"0" '
        "tablet_type:RDONLY'",
        error=TransientError,
        message="The shard {shard} of keyspace {keyspace} has no {type} tablet that answers now.",
    ),
    Rule(
        pattern=r"Name or service not known|nodename nor servname|No address associated|getaddrinfo failed",
        example="2003: Can't connect to MySQL server on 'gate' ([Errno -2] Name or service not known)",
        # A name that was found before can be lost for a while, when VTGate is deployed anew.
        error=TransientError,
        message="The host name of VTGate cannot be resolved. Check the host in the field url.",
    ),
    Rule(
        pattern=rf"^{CR.CR_CONN_HOST_ERROR}: .*Connection refused",
        example="2003: Can't connect to MySQL server on 'gate' ([Errno 111] Connection refused)",
        error=TransientError,
        message="Nothing listens on the MySQL port that is configured. Check that VTGate runs, and the parameter "
        "mysql_port in the field url.",
    ),
    Rule(
        pattern=rf"^({_LOST}): .*timed out",
        example="2003: Can't connect to MySQL server on 'gate' (timed out)",
        error=TransientError,
        message="VTGate did not answer on its MySQL port in time. Check that it runs and that a firewall lets the "
        "connection through.",
    ),
    Rule(
        pattern=rf"^({_LOST}): |^0: $",
        example="2013: Lost connection to MySQL server during query",
        error=TransientError,
        message="The connection to VTGate's MySQL port was lost.",
    ),
    Rule(
        pattern=r"current keyspace is being resharded|there (may be|is) a reparent operation in progress",
        example="1105: target: main.0.primary: primary is not serving, there may be a reparent operation in progress",
        error=TransientError,
        message="A shard is without a primary now, because Vitess moves it to other tablets. Try again when the "
        "reshard or the reparent is over.",
    ),
    # VTGate maps codes to numbers (go/mysql/sqlerror/sql_error.go, mapToSQLErrorFromErrorCode); those of tablets that
    # end, begin or change their type are left in the text, CLUSTER_EVENT as a number (go/vt/vterrors/constants.go).
    Rule(
        pattern=rf"^({_BROKEN_OFF}): "
        r"|code = (Canceled|Unavailable|DeadlineExceeded|Aborted|ResourceExhausted|Code\(17\))"
        r"|NOT_SERVING|SHUTTING_DOWN|(wrong|invalid) tablet type",
        example="1317: target: shop.80-.primary: vttablet: rpc error: code = Canceled desc = grpc: the client "
        "connection is closing",
        error=TransientError,
        message="A tablet did not finish a query for the schema or the topology, as when it shuts down or is busy. "
        "Try again; if that persists, look into the logs of VTGate and of the tablet that the details name.",
    ),
    Rule(
        pattern=r"Packet sequence number wrong",
        example="0: Packet sequence number wrong - got 4 expected 0",
        error=ConfigError,
        message="What listens on the MySQL port that is configured does not speak MySQL. Check the parameter "
        "mysql_port in the field url.",
    ),
)


def describe(error: pymysql.MySQLError) -> ConnectorError:
    """Returns our error for one of PyMySQL's."""
    text = error_text(error)
    if found := first_match(RULES, text):
        return build_error(*found, text)
    words = text.partition(": ")[2]
    return InternalError(
        with_words("VTGate refused a query for the schema or the topology.", words), detail=redact(text)
    )


def error_text(error: pymysql.MySQLError) -> str:
    """Returns an error as `<number>: <message>`, number 0 for errors that have none."""
    if len(error.args) == 2 and isinstance(error.args[0], int):
        return f"{error.args[0]}: {error.args[1]}"
    return f"0: {error.args[0] if len(error.args) == 1 else error.args}"
