"""The topology: shards in key order, the choice of tablets, and names in messages."""

from __future__ import annotations

from typing import cast

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import (
    Tablet,
    Topology,
    choose_tablet_type,
    read_topology,
    read_version,
    shard_order,
)
from source_vitess.settings.config import Config


def topology(*tablets: tuple[str, str], cell: str = "zone1", serving: bool = True) -> Topology:
    """Returns a keyspace with these tablets."""
    return Topology(
        keyspace="main",
        shards=tuple(dict.fromkeys(shard for shard, _ in tablets)),
        tablets=tuple(Tablet(shard, kind, cell, serving) for shard, kind in tablets),
        version="24.0.0",
    )


BOTH = topology(("-80", "PRIMARY"), ("-80", "REPLICA"), ("80-", "PRIMARY"), ("80-", "REPLICA"))
ONE_REPLICA = topology(("-80", "PRIMARY"), ("-80", "REPLICA"), ("80-", "PRIMARY"))


def test_tablets_of_a_gates_own_process_are_told_by_their_lack_of_a_host() -> None:
    """Only where every tablet has a host are they known to be apart from VTGate; vtcombo's have none."""

    def apart(*hosts: str) -> bool:
        tablets = tuple(Tablet("-", "PRIMARY", "zone1", serving=True, hostname=host) for host in hosts)
        return Topology("main", ("-",), tablets, "24.0.0").apart

    assert apart("db1", "127.0.0.1")
    assert not apart("", "")
    assert not apart("db1", "")
    assert not apart()


def test_shards_are_in_key_order() -> None:
    """Key ranges are ordered by where they begin, other names follow."""
    ordered = ["-", "-40", "-80", "40-80", "80-", "80-a0", "C0-", "0", "west"]

    assert sorted(ordered, key=shard_order) == ["-40", "-80", "-", "40-80", "80-a0", "80-", "C0-", "0", "west"]


@pytest.mark.parametrize(
    ("there", "wanted", "cells", "expected"),
    [
        (BOTH, None, (), "REPLICA"),
        (ONE_REPLICA, None, (), "PRIMARY"),
        (BOTH, "PRIMARY", (), "PRIMARY"),
        (BOTH, None, ("zone1",), "REPLICA"),
        (BOTH, None, ("zone2",), "PRIMARY"),
        (BOTH, "REPLICA", ("the_coast",), "REPLICA"),
    ],
    ids=[
        "replicas of all shards",
        "a shard without a replica",
        "as wanted",
        "replicas in the cell",
        "no replica in the cell",
        "a cell may be the name of a group of cells",
    ],
)
def test_the_choice_of_tablets(there: Topology, wanted: str | None, cells: tuple[str, ...], expected: str) -> None:
    """Without a wish, replicas are taken if every shard has one, and primaries otherwise."""
    assert choose_tablet_type(there, there.shards, wanted, cells) == expected  # type: ignore[arg-type]


def test_only_the_shards_that_are_read_count() -> None:
    """A shard that is not selected needs no replica."""
    assert choose_tablet_type(ONE_REPLICA, ["-80"]) == "REPLICA"


def test_a_type_that_is_missing_is_named() -> None:
    """The message names the shard, the type, and what there is."""
    with pytest.raises(ConfigError, match=r"shard 80- .* no serving REPLICA tablet\. It has PRIMARY\."):
        choose_tablet_type(ONE_REPLICA, ONE_REPLICA.shards, "REPLICA")


def test_tablets_that_do_not_serve_do_not_count() -> None:
    """A tablet that VTGate sees as not serving cannot be streamed from."""
    down = topology(("0", "PRIMARY"), serving=False)

    with pytest.raises(TransientError, match="It has no serving tablet at all"):
        choose_tablet_type(down, down.shards)


def test_shards_are_selected_in_key_order() -> None:
    """All shards without a wish, else the wanted ones, whatever their order in the configuration."""
    assert BOTH.select_shards([]) == ("-80", "80-")
    assert BOTH.select_shards(["80-", "-80"]) == ("-80", "80-")
    assert BOTH.select_shards(["80-"]) == ("80-",)


def test_unknown_shards_are_named() -> None:
    """The message names what is unknown and what there is."""
    with pytest.raises(ConfigError, match=r"has no serving shard 40-80, 0\. Its shards are -80, 80-\."):
        BOTH.select_shards(["-80", "40-80", "0"])


def test_a_keyspace_is_read(vitess: Vitess) -> None:
    """Shards, tablets and the version are VTGate's."""
    with VtgateSession.connect(Config.from_json({"url": vitess.url})) as session:
        found = read_topology(session, "commerce")

    assert found.shards == ("-80", "80-")
    assert found.serves("80-", "PRIMARY")
    assert found.version == "24.0.4"


def test_another_keyspace_is_not_mixed_in(vitess: Vitess) -> None:
    """The name must be the same, not similar: SHOW VITESS_SHARDS lists all keyspaces."""
    with (
        VtgateSession.connect(Config.from_json({"url": vitess.url})) as session,
        pytest.raises(ConfigError, match="VTGate knows no keyspace commerc"),
    ):
        read_topology(session, "commerc")


class _WithoutShards:
    """A VTGate that cannot read the keyspace's shards from the topology server just now."""

    def query(self, text: str, _parameters: object = ()) -> tuple[tuple[str, ...], ...]:
        return {"show vitess_shards": (("other/0",),), "show keyspaces": (("commerce",), ("other",))}[text]


def test_a_keyspace_without_shards_is_not_gone() -> None:
    """As long as VTGate knows the keyspace, a sync tries again: up to v21 any trouble with etcd hides one."""
    with pytest.raises(TransientError, match="no serving shard of the keyspace commerce now"):
        read_topology(cast("VtgateSession", _WithoutShards()), "commerce")


@pytest.mark.parametrize(
    ("comment", "version"),
    [
        ("Version: 24.0.0 (Git revision abc branch 'main') built on x by y using go1.26", "24.0.0"),
        ("Version: 21.0.4-SNAPSHOT (Git revision abc", "21.0.4-SNAPSHOT"),
        ("MySQL Community Server - GPL", ""),
    ],
)
def test_the_version_is_that_of_vitess(vitess: Vitess, comment: str, version: str) -> None:
    """The version is taken from where VTGate writes it; another server has none."""
    vitess.sql.variables["version_comment"] = comment

    with VtgateSession.connect(Config.from_json({"url": vitess.url})) as session:
        assert read_version(session) == version
