"""What VTGate knows of a keyspace: its shards, their tablets, and the server's version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from source_vitess.errors import ConfigError, TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.naming import TABLET_TYPES, TabletType
from source_vitess.vitess_release import OLDEST, VitessRelease

#: The state of a tablet that answers (go/vt/vtgate/executor.go, showTablets).
_SERVING = "SERVING"

_VERSION = re.compile(r"Version: (?P<version>[0-9]+(\.[0-9]+)*[^ ]*)")


@dataclass(frozen=True)
class Tablet:
    """A tablet that VTGate sees.

    Attributes:
        shard: Its shard.
        tablet_type: Its role, in upper case: PRIMARY, REPLICA, RDONLY or another that is not streamed from.
        cell: Its cell.
        serving: Whether it answers now.
        hostname: Its host. Empty if it is a part of VTGate's own process, as in vtcombo and vttestserver
            (go/vt/vtcombo/tablet_map.go names none, go/vt/vttablet/tabletmanager/tm_init.go always does).
        alias: Its cell and number, such as `zone1-0000000101`.
    """

    shard: str
    tablet_type: str
    cell: str
    serving: bool
    hostname: str = ""
    alias: str = ""


@dataclass(frozen=True)
class Topology:
    """A keyspace as VTGate sees it now.

    Attributes:
        keyspace: Its name.
        shards: Names of the shards that serve, in key order.
        tablets: The tablets of all of its shards, those that do not serve any more included.
        version: Vitess' version, such as `24.0.0`; empty if the server does not report it as a VTGate does.
    """

    keyspace: str
    shards: tuple[str, ...]
    tablets: tuple[Tablet, ...]
    version: str

    def serves(self, shard: str, tablet_type: str, cells: Iterable[str] = ()) -> bool:
        """Tells whether a shard has a serving tablet of a type, in one of the cells if any are given."""
        wanted = frozenset(cells)
        return any(not wanted or tablet.cell in wanted for tablet in self.serving(shard, tablet_type))

    def serving(self, shard: str, tablet_type: str) -> tuple[Tablet, ...]:
        """Returns the tablets of a type that serve a shard."""
        return tuple(
            tablet
            for tablet in self.tablets
            if tablet.serving and tablet.shard == shard and tablet.tablet_type == tablet_type
        )

    @property
    def release(self) -> VitessRelease:
        """What is known of this version of Vitess."""
        return VitessRelease(self.version)

    @property
    def apart(self) -> bool:
        """Whether the tablets are known to be processes of their own, apart from VTGate."""
        return bool(self.tablets) and all(tablet.hostname for tablet in self.tablets)

    def select_shards(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Returns the wanted shards in key order, all of them if none is named.

        Raises:
            ConfigError: A wanted shard does not exist or does not serve.
        """
        unknown = [shard for shard in wanted if shard not in self.shards]
        if unknown:
            raise ConfigError(
                f"The keyspace {self.keyspace} has no serving shard {', '.join(unknown)}. "
                f"Its shards are {', '.join(self.shards)}. Correct the field shards, or leave it empty for all."
            )
        return tuple(shard for shard in self.shards if not wanted or shard in wanted)


def read_topology(session: VtgateSession, keyspace: str) -> Topology:
    """Asks VTGate for a keyspace's shards and tablets.

    Args:
        session: A session whose target names no shard: VTGate would pass the question on to MySQL.
        keyspace: The keyspace.

    Raises:
        ConfigError: There is no such keyspace.
        TransientError: The connection was lost, or the keyspace has no serving shard now.
    """
    # `ks/shard`; neither name may hold a slash (go/vt/topo/validator.go).
    every = [str(row[0]).split("/", 1) for row in session.query("show vitess_shards")]
    shards = [shard for owner, shard in every if owner == keyspace]
    if not shards:
        raise _no_shards(session, keyspace)
    return Topology(
        keyspace=keyspace,
        shards=tuple(sorted(shards, key=shard_order)),
        tablets=list_tablets(session, keyspace),
        version=read_version(session),
    )


def list_tablets(session: VtgateSession, keyspace: str) -> tuple[Tablet, ...]:
    """Asks VTGate for a keyspace's tablets. The target must name no shard.

    Raises:
        TransientError: The connection was lost.
    """
    return tuple(
        Tablet(
            shard=shard,
            tablet_type=tablet_type.upper(),
            cell=cell,
            serving=state == _SERVING,
            alias=str((*more, "")[0] or ""),
            hostname=(*more, "", "")[1] or "",
        )
        for cell, owner, shard, tablet_type, state, *more in session.query("show vitess_tablets")
        if owner == keyspace
    )


def read_version(session: VtgateSession) -> str:
    """Returns the version of Vitess, empty if the server is not a VTGate or does not report it.

    `@@version` is a text for MySQL clients that an operator can choose (vtgate --mysql-server-version).

    Raises:
        TransientError: The connection was lost.
    """
    match = _VERSION.match(str(session.query("select @@version_comment")[0][0]))
    return match["version"] if match else ""


def read_keyspaces(session: VtgateSession) -> tuple[str, ...]:
    """Returns the names of the keyspaces that VTGate knows, sorted. The target must name no shard.

    Raises:
        TransientError: The connection was lost.
    """
    return tuple(sorted(str(row[0]) for row in session.query("show keyspaces")))


def shard_order(shard: str) -> tuple[str, str]:
    """Returns what to sort shards by: the begin of the key range, then its end; other names after them."""
    begin, dash, end = shard.lower().partition("-")
    # Key ranges are hexadecimal and their ends are left out at both ends of the keyspace; `~` is after all digits.
    return (begin, end or "~") if dash else ("~", shard)


def choose_tablet_type(
    topology: Topology, shards: Sequence[str], wanted: TabletType | None = None, cells: Sequence[str] = ()
) -> TabletType:
    """Returns the type of tablet to stream from: the wanted one, else REPLICA if every shard has one, else PRIMARY.

    Cells count only for the choice between the two: a cell that is given may also be the name of a group of cells,
    which VTGate knows and this does not.

    Raises:
        ConfigError: A shard has no serving tablet of the wanted type, and others.
        TransientError: A shard has no serving primary, or none at all: a failover, or the switch of a reshard.
    """
    if wanted is None:
        every = all(topology.serves(shard, "REPLICA", cells) for shard in shards)
        wanted = "REPLICA" if every else "PRIMARY"
    for shard in shards:
        if not topology.serves(shard, wanted):
            serving = [name for name in TABLET_TYPES if topology.serves(shard, name)]
            kind = TransientError if wanted == "PRIMARY" or not serving else ConfigError
            raise kind(
                f"The shard {shard} of keyspace {topology.keyspace} has no serving {wanted} tablet. "
                f"It has {', '.join(serving) or 'no serving tablet at all'}. "
                "Choose another tablet type, or start such a tablet."
            )
    return wanted


def _no_shards(session: VtgateSession, keyspace: str) -> ConfigError | TransientError:
    keyspaces = read_keyspaces(session)
    if keyspace in keyspaces:
        # VTGate leaves out a keyspace whose shards it cannot read from the topology server just now, too: up to v21 of
        # any error (go/vt/vtgate/executor.go, ShowShards).
        return TransientError(
            f"VTGate sees no serving shard of the keyspace {keyspace} now. If that does not pass, start its tablets "
            "and give it a primary."
        )
    return ConfigError(
        f"VTGate knows no keyspace {keyspace}. It knows {', '.join(keyspaces) or 'none at all'}. "
        "Correct the name after the slash in the field url."
    )


def require_supported(topology: Topology, *, allowed: bool) -> None:
    """Refuses a release of Vitess that is too old, unless the user allows it.

    Raises:
        ConfigError: It is.
    """
    if not topology.release.is_supported and not allowed:
        raise ConfigError(
            f"VTGate is of Vitess {topology.version}, and {OLDEST} is the oldest release that this connector supports: "
            "older ones were never tried, and rows could be wrong or missing without a sign. Upgrade Vitess; or set "
            "allow_unsupported_vitess to try it all the same."
        )


def cell_warnings(topology: Topology, cells: Sequence[str]) -> tuple[str, ...]:
    """Returns a sentence for each cell of the configuration that has no tablets."""
    known = {tablet.cell for tablet in topology.tablets}
    return tuple(
        f"VTGate sees no tablet in the cell {cell}, and uses its own cell if none of the cells given has one."
        for cell in cells
        if cell not in known
    )
