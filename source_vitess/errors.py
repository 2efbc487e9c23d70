"""What can go wrong, in three branches that tell who has to act.

    ConnectorError
    ├── ConfigError          the user: wrong settings, rights, server flags, a lost position
    │   ├── StreamError      the user, for one stream only; the other streams go on
    │   │   ├── TableNotFoundError    a tablet does not know the table, or not yet
    │   │   ├── SchemaMismatchError   old changes of the table do not fit its columns any more
    │   │   └── LostTransactionsError   rows were copied that no server has any more
    │   └── PositionLostError   the saved position cannot be continued
    ├── TransientError       nobody: the same sync can succeed later
    │   └── StreamCancelledError   this program ended the stream itself
    └── InternalError        us: the server or this program broke a rule it should keep

A message says what happened and what to do, in words for the person who set the connector up. It names
tables, shards, types and positions, never the values of rows or of secrets.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of every error that this connector raises on purpose.

    Attributes:
        message: What happened and what to do, for the user.
        detail: What the library or server said, for the log. Free of secrets.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class ConfigError(ConnectorError):
    """The user has to change something: a setting, a right, a flag of the server."""


class StreamError(ConfigError):
    """One stream cannot be read until the user acts; the others can.

    Attributes:
        stream: The table's name.
    """

    def __init__(self, stream: str, message: str, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.stream = stream


class TableNotFoundError(StreamError):
    """A tablet does not know the table. Right after a CREATE TABLE that passes by itself.

    Tablets other than the one that ran the statement learn of it every --queryserver-config-schema-reload-time,
    30 minutes by default.
    """


class SchemaMismatchError(StreamError):
    """Changes of the table were written with columns that its present columns do not explain."""


class LostTransactionsError(StreamError):
    """Rows were copied that no server of their shard has any more."""

    def __init__(self, table: str, shard: str) -> None:
        super().__init__(
            table,
            f"Rows of table {table!r} were copied from a server of shard {shard!r} whose last transactions are lost, "
            "as in a failover without semi-synchronous replication. Nothing tells which rows these are. Refresh this "
            "stream and choose to remove its old records.",
        )


class PositionLostError(ConfigError):
    """The saved position cannot be continued on the server: purged, foreign, or its shard is gone."""


class TransientError(ConnectorError):
    """The same sync can succeed later without anybody's help."""


class StreamCancelledError(TransientError):
    """This program ended the stream, because it was asked to stop."""


class InternalError(ConnectorError):
    """The server or this program broke a rule that both rely on."""
