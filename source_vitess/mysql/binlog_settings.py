"""How a shard's MySQL servers write their binary logs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from source_vitess.errors import ConfigError, InternalError, TransientError
from source_vitess.mysql.every_tablet import Answers, ask_every_tablet
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Topology
from source_vitess.naming import TabletType
from source_vitess.vitess_release import VitessRelease

# `uuid:tag:1-5`, MySQL ≥ 8.3.
_TAG = re.compile(r":[a-z_][a-z0-9_]*:", re.IGNORECASE)

_SETTINGS = (
    "@@global.{version}, @@global.binlog_format, @@global.binlog_row_image, @@global.binlog_row_value_options, "
    "@@global.gtid_executed"
)
#: Since MySQL 8.0.
_RETENTION = "@@global.binlog_expire_logs_seconds"


@dataclass(frozen=True)
class ShardSettings:
    """What a shard's tablets report about their binary logs.

    Attributes:
        mysql_version: MySQL's own version.
        binlog_format: ROW is what Vitess can stream.
        binlog_row_image: FULL is what a change stream needs.
        binlog_row_value_options: PARTIAL_JSON is what it cannot use; empty by default.
        has_tagged_gtids: Vitess cannot stream from a server that has any.
        retention: For how many seconds binary logs are kept; 0 until somebody purges them, None if that is not known.
        all_asked: Whether each tablet has answered: one that has not may be set otherwise.
    """

    mysql_version: str
    binlog_format: str
    binlog_row_image: str
    binlog_row_value_options: str
    has_tagged_gtids: bool
    retention: int | None = None
    all_asked: bool = True

    @property
    def mysql_release(self) -> tuple[int, ...]:
        """MySQL's version as numbers, to compare it; none if it is of another form than `9.7.4` or `9.7.4-debug`."""
        numbers = self.mysql_version.partition("-")[0].split(".")
        return tuple(map(int, numbers)) if all(map(str.isdecimal, numbers)) else ()

    @property
    def is_partial(self) -> bool:
        """Whether updates are written as differences of JSON documents, unless a session chooses otherwise."""
        return bool(self.binlog_row_value_options)

    def require_whole_updates(self, shard: str, release: VitessRelease) -> None:
        """Refuses a shard whose updates a release of Vitess would lose.

        Raises:
            ConfigError: It is one.
            TransientError: A tablet that does not answer now may be one.
        """
        if release.knows_partial_updates:
            return
        if self.is_partial:
            raise ConfigError(
                f"The MySQL of shard {shard} runs with binlog_row_value_options={self.binlog_row_value_options}, and "
                f"Vitess {release.version} leaves the updates that are written so out of the stream without a word. "
                "Set it to the empty value, end the sessions that were open then, and refresh all streams; or upgrade "
                "to Vitess 22."
            )
        if not self.all_asked:
            raise TransientError(
                f"Not every tablet of shard {shard} that can be streamed from answers. Vitess {release.version} leaves "
                "the updates of one that runs with binlog_row_value_options=PARTIAL_JSON out of the stream without a "
                "word, so each has to be asked. Try again once they answer."
            )

    def warnings(self, shard: str) -> tuple[str, ...]:
        """Returns what the user of a shard should know, as lines for the log."""
        silent = (
            f"Not every tablet of shard {shard} that can be streamed from answers, so how it writes its binary log is "
            "not known. Make sure that all of them run with binlog_row_image=FULL and binlog_row_value_options=''."
        )
        return (
            *(
                f"The MySQL of shard {shard} runs with {wish}. "
                "A change that is not whole in the binary log cannot be read, and ends its stream."
                for wish in self.wishes
            ),
            *(() if self.all_asked else (silent,)),
        )

    @property
    def wishes(self) -> tuple[str, ...]:
        """What should be set otherwise, as in `binlog_row_image=NOBLOB: set it to FULL`."""
        wishes = []
        if self.binlog_format != "ROW":
            wishes.append(f"binlog_format={self.binlog_format}: set it to ROW")
        if self.binlog_row_image != "FULL":
            wishes.append(f"binlog_row_image={self.binlog_row_image}: set it to FULL")
        if self.is_partial:
            wishes.append(f"binlog_row_value_options={self.binlog_row_value_options}: set it to the empty value")
        return tuple(wishes)


def read_shard_settings(
    session: VtgateSession,
    topology: Topology,
    shards: Sequence[str],
    tablet_type: TabletType,
    cells: Sequence[str] = (),
) -> Mapping[str, ShardSettings]:
    """Asks every tablet that can be streamed from how its binary log is written.

    Returns:
        By shard, of each setting the one that serves least: a stream may be of the tablet that has it, and replicas
        write binary logs of their own. The session's target is the keyspace afterwards.

    Raises:
        TransientError: The connection was lost, or a shard has no tablet of that type that answers now.
    """
    settings: dict[str, ShardSettings] = {}
    # InnoDB's version has been MySQL's own since 5.6, and no VTGate makes one up.
    question = _SETTINGS.format(version="innodb_version" if topology.release.answers_for_mysql else "version")
    try:
        for shard in shards:
            answers = _ask(session, topology, shard, tablet_type, cells, question)
            settings[shard] = _least(
                [
                    ShardSettings(
                        mysql_version=str(version),
                        binlog_format=str(binlog_format).upper(),
                        binlog_row_image=str(row_image).upper(),
                        binlog_row_value_options=str(options or "").upper(),
                        has_tagged_gtids=_TAG.search(str(executed)) is not None,
                        retention=None if kept is None else int(kept),
                    )
                    for version, binlog_format, row_image, options, executed, kept in answers.rows
                ],
                all_asked=answers.all_asked,
            )
    finally:
        session.use(topology.keyspace)
    return settings


def _ask(
    session: VtgateSession,
    topology: Topology,
    shard: str,
    tablet_type: TabletType,
    cells: Sequence[str],
    question: str,
) -> Answers:
    """Asks for the settings, and for how long binary logs are kept where the servers know."""
    try:
        return ask_every_tablet(session, topology, shard, tablet_type, cells, f"{question}, {_RETENTION}")
    except InternalError:
        return ask_every_tablet(session, topology, shard, tablet_type, cells, f"{question}, null")


def _images_by_use(row_image: str) -> int:
    return {"NOBLOB": 1, "FULL": 2}.get(row_image, 0)


def _least(settings: Sequence[ShardSettings], *, all_asked: bool) -> ShardSettings:
    return ShardSettings(
        mysql_version=min(settings, key=lambda one: one.mysql_release).mysql_version,
        binlog_format=min((one.binlog_format for one in settings), key=lambda name: name == "ROW"),
        binlog_row_image=min((one.binlog_row_image for one in settings), key=_images_by_use),
        binlog_row_value_options=max(one.binlog_row_value_options for one in settings),
        has_tagged_gtids=any(one.has_tagged_gtids for one in settings),
        retention=min(
            (one.retention for one in settings if one.retention is not None),
            key=lambda seconds: seconds or float("inf"),
            default=None,
        ),
        all_asked=all_asked,
    )
