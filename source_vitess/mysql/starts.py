"""When the MySQL servers of a shard were started last."""

from __future__ import annotations

from collections.abc import Sequence

from source_vitess.mysql.every_tablet import ask_every_tablet
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Topology
from source_vitess.naming import TabletType

_STARTED = (
    "unix_timestamp() - (select variable_value from performance_schema.global_status where variable_name = 'Uptime')"
)


def read_last_start(
    session: VtgateSession, topology: Topology, shard: str, tablet_type: TabletType, cells: Sequence[str]
) -> float | None:
    """Returns when the last of the servers started that a shard can be streamed from.

    Returns:
        Seconds since 1970, by the server's own clock; None if not every one of them has told.

    Raises:
        TransientError: No tablet answers now.
        ConfigError: The user may not ask.
        InternalError: The servers do not understand the question.
    """
    answers = ask_every_tablet(session, topology, shard, tablet_type, cells, _STARTED)
    if not answers.all_asked or any(started is None for [started] in answers.rows):
        return None
    return max(float(started) for [started] in answers.rows)
