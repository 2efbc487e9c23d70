"""Every error of this package, in trees that show who has to act, who raises it and who catches it.

What leaves a package as an error is defined here; what is raised and caught within one package stays in it.

    ConnectorError                    raised by                        caught by (besides where a command ends)
    ├── ConfigError                   all who ask, read or decide      check, which may know more; mysql.routing
    │   ├── StreamError               airbyte, vstream, replication    vstream.reader, replication: the stream fails
    │   │   ├── TableNotFoundError    vstream.tablet_failures          replication, which tries again for a while
    │   │   ├── SchemaMismatchError   vstream, replication             replication, which tries again for a while
    │   │   │   └── MissingColumnError  replication.asked_columns      replication.table_copy, which tries again
    │   │   ├── LostTransactionsError   replication                    replication.copies: asks for a refresh
    │   │   └── RowTooLargeError      replication.oversized_rows
    │   ├── MessageTooLargeError      vstream.tablet_failures          replication, to look for the table with the row
    │   └── PositionLostError         vstream, replication             replication, which copies anew if it may; check
    ├── TransientError                network, mysql, vstream,         replication, which tries again; mysql.lineage,
    │   │                             replication                      check, vstream.current_position: they know more
    │   ├── ShardError
    │   │   ├── NoTabletError         vstream.tablet_failures          replication.changes: the position may be lost
    │   │   └── MergedShardError      vstream.tablet_failures          replication.changes: others have to go first
    │   ├── StreamCancelledError      clock, vstream.client
    │   ├── StallError                replication                      replication, to look for a row that is too large
    │   ├── CopyTimeUpError           replication.copy_stream
    │   └── ReshardedError            replication.table_copy           replication.copies, which goes over to them
    └── InternalError                 mysql, vstream, replication      check: the server is no VTGate; mysql.routing

A ConfigError is the user's to act on, a TransientError nobody's (the same sync can succeed later), an InternalError
ours. One that nobody catches ends its command (`source`, `entrypoint`), or its stream of a sync
(`replication.messages.Failed`), with its message. It says what happened and what to do, in words for the person who
set the connector up; it names tables, shards, types and positions, never the values of rows or of secrets.

None of the following reaches a user: whoever catches it knows what it means.

    ValueError
    ├── GtidError                     position                         mysql.lineage, replication.checkpoint and .state
    ├── NotComparableError            row_filters                      row_filters, which names table and condition
    ├── WrongConditionError           conditions                       settings.row_filters, which names the field
    ├── _WrongUrlError                settings.url                     settings.url, which names the field
    ├── _UserInformationError         settings.url                     settings.url, which shows nothing of the URL
    ├── UnreadableError               ddl.tokens                       ddl.tokens: a quotation or comment does not end
    └── NoGrammarError                ddl                              ddl: a clause that it does not know
    Exception
    ├── MisfitError                   rows.decoder                     vstream.reader, vstream.lastpk
    ├── PartialImageError             rows.batch                       vstream.reader
    ├── Altered                       types                            rows: no error, but a value without exact JSON
    └── KeyChangedError               replication.copy_*               replication.table_copy, which starts over
"""

from __future__ import annotations

from collections.abc import Mapping


class ConnectorError(Exception):
    """Base of every error that a connector of this repository raises on purpose and that a user may see.

    Attributes:
        message: What happened and what to do, for the user.
        detail: What the library or server reported, for the log. Free of secrets.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class ConfigError(ConnectorError):
    """The user has to change something: a setting, a right, a flag of the server."""


class MessageTooLargeError(ConfigError):
    """A message between Vitess' servers would be larger than they may send: it holds a row of some table."""


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


class MissingColumnError(SchemaMismatchError):
    """The tablet that a copy is read from does not know a selected column, or not yet."""


class LostTransactionsError(StreamError):
    """Rows were copied that no server of their shard has any more."""

    def __init__(self, table: str, shard: str) -> None:
        super().__init__(
            table,
            f"Rows of table {table!r} were read from a server of shard {shard!r} whose last transactions are lost, "
            "as in a failover without semi-synchronous replication. Which rows these are is not known. Refresh this "
            "stream and choose to remove its old records.",
        )


class RowTooLargeError(StreamError):
    """A row of a table does not fit into the messages of VTGate and its tablets."""


class PositionLostError(ConfigError):
    """The saved position cannot be continued on the server: purged, foreign, or its shard is gone."""


class TransientError(ConnectorError):
    """The same sync can succeed later without anybody's help."""


class ShardError(TransientError):
    """A stream broke off because of one shard.

    Attributes:
        shard: The shard, as VTGate names it: with its keyspace before a slash.
    """

    def __init__(self, shard: str, message: str, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        self.shard = shard


class NoTabletError(ShardError):
    """No tablet of the shard streams from the position: all are down or lag, or have purged the binary logs since."""


class MergedShardError(ShardError):
    """The shard has come to the journal of a reshard in which others took part, and these are not in the stream yet."""


class StreamCancelledError(TransientError):
    """This program ended the stream, because it was asked to stop."""


class StallError(TransientError):
    """Nothing came of some shards for too long, while VTGate's heartbeats did.

    Attributes:
        positions: By shard, where the stream is; empty before the first one.
        shards: Those of which nothing comes, and where.
    """

    def __init__(self, message: str, positions: Mapping[str, str], shards: Mapping[str, str]) -> None:
        super().__init__(message)
        self.positions = positions
        self.shards = shards


class CopyTimeUpError(TransientError):
    """The time for copying in one sync is over; the next one goes on from here."""


class ReshardedError(TransientError):
    """Other shards serve the keyspace than those that are being copied."""


class InternalError(ConnectorError):
    """The server or this program broke a rule that both rely on."""


class GtidError(ValueError):
    """A text is not a GTID set that Vitess can stream from."""


class WrongConditionError(ValueError):
    """A text is no condition on rows; its message says what was expected, and what is there."""


class MisfitError(Exception):
    """A row does not have the form that its table's columns announced."""


class PartialImageError(Exception):
    """A row image lacks the value of a column that is selected."""
