"""Positions as the servers see them: what is kept in their binary logs, and how they write them.

VTGate hides a position that is purged, or that no tablet has, behind 90 seconds of silence and an error that does not
say so (go/vt/vtgate/vstream_manager.go). So a saved position is checked here before a stream starts from it.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from source_vitess.config import TabletType
from source_vitess.errors import PositionLostError, TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Topology, read_topology

# `uuid:tag:1-5`, MySQL ≥ 8.3.
_TAG = re.compile(r":[a-z_][a-z0-9_]*:", re.IGNORECASE)

_CHECK = "select gtid_subset(%s, @@global.gtid_executed), gtid_subset(@@global.gtid_purged, %s)"
_SETTINGS = (
    "select @@global.version, @@global.binlog_format, @@global.binlog_row_image, @@global.binlog_row_value_options, "
    "@@global.gtid_executed"
)


class Verdict(enum.Enum):
    """Whether a shard's changes can be followed from a position."""

    #: The tablet has the position and everything after it.
    OK = "ok"
    #: The tablet has purged binary logs that are needed.
    PURGED = "purged"
    #: The position holds transactions that the tablet does not have: it is behind, or another server.
    FOREIGN_OR_AHEAD = "foreign or ahead"
    #: VTGate knows no tablet of the shard any more.
    SHARD_GONE = "shard gone"
    #: The shard was resharded. Its tablets are still there, so VTGate can follow it to the new shards.
    NOT_SERVING = "not serving"


@dataclass(frozen=True)
class ShardSettings:
    """What a shard's tablet says about its binary log.

    Attributes:
        mysql_version: MySQL's own version.
        binlog_format: ROW is what Vitess can stream.
        binlog_row_image: FULL is what a change stream needs.
        binlog_row_value_options: PARTIAL_JSON is what it cannot use; empty by default.
        has_tagged_gtids: Vitess cannot stream from a server that has any.
    """

    mysql_version: str
    binlog_format: str
    binlog_row_image: str
    binlog_row_value_options: str
    has_tagged_gtids: bool

    @property
    def wishes(self) -> tuple[str, ...]:
        """What should be set otherwise, as in `binlog_row_image=NOBLOB: set it to FULL`."""
        wishes = []
        if self.binlog_format != "ROW":
            wishes.append(f"binlog_format={self.binlog_format}: set it to ROW")
        if self.binlog_row_image != "FULL":
            wishes.append(f"binlog_row_image={self.binlog_row_image}: set it to FULL")
        if self.binlog_row_value_options:
            wishes.append(f"binlog_row_value_options={self.binlog_row_value_options}: set it to the empty value")
        return tuple(wishes)


def check_position(
    session: VtgateSession, topology: Topology, positions: Mapping[str, str], tablet_type: TabletType
) -> Mapping[str, Verdict]:
    """Asks a tablet of each shard whether its changes can be followed from a position.

    The session's target is the keyspace afterwards.

    Args:
        session: An open session.
        topology: The keyspace.
        positions: By shard, a GTID set, with or without Vitess' `MySQL56/` before it.
        tablet_type: The type of tablet that will be streamed from.

    Raises:
        TransientError: The connection was lost, or a shard has no tablet of that type that answers now.
    """
    try:
        return {shard: _check_shard(session, topology, shard, gtid, tablet_type) for shard, gtid in positions.items()}
    finally:
        session.use(topology.keyspace)


def require_position(
    session: VtgateSession, keyspace: str, positions: Mapping[str, str], tablet_type: TabletType
) -> None:
    """Checks that the changes since a position can be had.

    Args:
        session: A session whose target names no shard.
        keyspace: The keyspace.
        positions: As in `check_position`.
        tablet_type: The type of tablet that will be streamed from.

    Raises:
        PositionLostError: They cannot, and never will.
        TransientError: That is not known now, or a replica has not come as far yet.
        ConfigError: There is no such keyspace.
    """
    topology = read_topology(session, keyspace)
    verdicts = check_position(session, topology, positions, tablet_type)
    for shard, verdict in sorted(verdicts.items()):
        if verdict is Verdict.SHARD_GONE:
            raise PositionLostError(
                f"The saved position is on shard {shard}, which keyspace {keyspace} does not have any more: its "
                "changes since then are gone. Re-sync the data; and after a reshard let a sync run before the old "
                "shards are deleted."
            )
        if verdict is Verdict.PURGED:
            raise PositionLostError(
                f"Shard {shard} of keyspace {keyspace} has purged the binary logs since the saved position. Re-sync "
                "the data, and keep binary logs longer (MySQL's binlog_expire_logs_seconds) or sync more often."
            )
        if verdict is Verdict.FOREIGN_OR_AHEAD:
            _refuse_foreign(session, topology, shard, positions[shard], tablet_type)


def read_shard_settings(
    session: VtgateSession, keyspace: str, shards: Sequence[str], tablet_type: TabletType
) -> Mapping[str, ShardSettings]:
    """Asks a tablet of each shard how its binary log is written. The session's target is the keyspace afterwards.

    Raises:
        TransientError: The connection was lost, or a shard has no tablet of that type that answers now.
    """
    settings: dict[str, ShardSettings] = {}
    try:
        for shard in shards:
            session.use(f"{keyspace}:{shard}@{tablet_type.lower()}")
            [(version, binlog_format, row_image, options, executed)] = session.query(_SETTINGS)
            settings[shard] = ShardSettings(
                mysql_version=str(version),
                binlog_format=str(binlog_format).upper(),
                binlog_row_image=str(row_image).upper(),
                binlog_row_value_options=str(options or "").upper(),
                has_tagged_gtids=_TAG.search(str(executed)) is not None,
            )
    finally:
        session.use(keyspace)
    return settings


def _check_shard(session: VtgateSession, topology: Topology, shard: str, gtid: str, tablet_type: TabletType) -> Verdict:
    if shard not in topology.shards:
        there = any(tablet.shard == shard for tablet in topology.tablets)
        return Verdict.NOT_SERVING if there else Verdict.SHARD_GONE
    session.use(f"{topology.keyspace}:{shard}@{tablet_type.lower()}")
    text = gtid.rpartition("/")[2]
    [(executed, kept)] = session.query(_CHECK, (text, text))
    if not int(executed):
        return Verdict.FOREIGN_OR_AHEAD
    return Verdict.OK if int(kept) else Verdict.PURGED


def _refuse_foreign(session: VtgateSession, topology: Topology, shard: str, gtid: str, tablet_type: TabletType) -> None:
    """Tells a replica that is behind from a server that will never have the position."""
    if tablet_type != "PRIMARY" and topology.serves(shard, "PRIMARY"):
        primary = check_position(session, topology, {shard: gtid}, "PRIMARY")
        if primary[shard] is not Verdict.FOREIGN_OR_AHEAD:
            raise TransientError(
                f"The {tablet_type} tablet of shard {shard} has not replicated up to the saved position yet."
            )
    elif tablet_type != "PRIMARY":
        raise TransientError(
            f"The {tablet_type} tablet of shard {shard} does not have the saved position, and there is no primary "
            "to ask whether it will."
        )
    raise PositionLostError(
        f"The saved position of shard {shard} holds transactions that keyspace {topology.keyspace} does not have, as "
        "when it was restored from a backup or replaced. Re-sync the data."
    )
