"""How far replicas are behind their primary, as VTGate reports it.

`SHOW VITESS_REPLICATION_STATUS` (go/vt/vtgate/executor.go, ShowVitessReplicationStatus) has a line for each tablet that
is healthy and no primary. Its seconds are the tablet's own wherever they are not 0, and go on growing while replication
is stopped (go/vt/vttablet/tabletserver/repltracker/poller.go). Whether replication runs is asked of the target, which
any tablet of the type answers: with several of them, the answer may be another tablet's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from source_vitess.errors import InternalError, TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.naming import TabletType
from source_vitess.position.lag import Lag

# The error's text is not escaped, so this is not always JSON.
_RUNNING = re.compile(r'"Event(?:Stream|Applier)Running":"(?P<running>[^"]*)"')


def read_lags(session: VtgateSession, keyspace: str, shards: Sequence[str], tablet_type: TabletType) -> tuple[Lag, ...]:
    """Returns the lags of the tablets of a type that VTGate knows in some shards; none for primaries.

    Nor are there any if VTGate does not understand the question, or does not answer it in time.

    Args:
        session: A session whose target names no shard.
        keyspace: The keyspace.
        shards: The shards.
        tablet_type: The type of tablet that is streamed from.

    """
    if tablet_type == "PRIMARY":
        return ()
    lags = []
    try:
        # For each tablet VTGate asks its MySQL and its web port: those of other keyspaces are left out.
        rows = session.query("show vitess_replication_status like %s", (f"{keyspace}/%",))
    except (InternalError, TransientError):
        return ()  # a VTGate, or a proxy before it, that does not report it, or a tablet that does not answer
    for owner, shard, kind, alias, _, _, health, behind, *_ in rows:
        if owner == keyspace and shard in shards and str(kind).upper() == tablet_type:
            running = [match["running"] for match in _RUNNING.finditer(str(health))]
            lags.append(
                Lag(
                    shard=str(shard),
                    tablet=str(alias),
                    seconds=int(behind) if str(behind).isdecimal() else None,
                    stopped=any(state not in ("Yes", "") for state in running),
                )
            )
    return tuple(lags)
