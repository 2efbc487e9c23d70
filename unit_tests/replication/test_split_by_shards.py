"""A source that reads a part of the shards, as docs/scaling.md has it, when these are resharded."""

from __future__ import annotations

from instruments.oracle import expect_equal
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError
from unit_tests.syncing import COLUMNS, Syncs, as_json, rows


def test_a_reshard_within_the_shards_of_a_source() -> None:
    """The old list is refused once traffic is switched; with the new one the sync follows, and the other goes on."""
    with Vitess(shards=["-80", "80-"]) as vitess:
        vitess.create_table("t", COLUMNS, key=["id"])
        vitess.insert("t", *rows(5), shard="-80")
        vitess.insert("t", *rows(5, start=100), shard="80-")
        low, high = Syncs(vitess, shards=["-80"]), Syncs(vitess, shards=["80-"])
        assert [low.run(), high.run()] == [None, None]

        vitess.insert("t", *rows(1, start=50), shard="-80")
        vitess.reshard(["-80"], ["-40", "40-80"])
        vitess.insert("t", *rows(1, start=60), shard="40-80")
        error = low.run()
        assert isinstance(error, ConfigError)
        assert "has no serving shard -80" in error.message
        assert "Correct the field shards" in error.message

        low.connector = low.connector.with_config(shards=["-40", "40-80"])
        assert [low.run(), high.run()] == [None, None]
        assert low.store.records["t"] == 7
        together = low.store.tables["t"] | high.store.tables["t"]
        low.store.tables["t"] = together
        expect_equal(low.store, "t", map(as_json, vitess.rows("t")))
        assert len(together) == 12


def test_another_list_is_refused() -> None:
    """More shards than the state is of, or fewer, would lose rows in silence."""
    with Vitess(shards=["-80", "80-"]) as vitess:
        vitess.create_table("t", COLUMNS, key=["id"])
        syncs = Syncs(vitess, shards=["-80"])
        assert syncs.run() is None

        syncs.connector = syncs.connector.with_config(shards=[])
        error = syncs.run()
        assert isinstance(error, ConfigError)
        assert "The saved state is of the shards -80, and the source reads -80, 80- now" in error.message
