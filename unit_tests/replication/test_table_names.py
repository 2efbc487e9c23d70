"""Names of tables in streams: without their keyspace where VTGate may be asked for that."""

from __future__ import annotations

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from unit_tests.syncing import COLUMNS, Syncs, rows


def plain_names(vitess: Vitess) -> set[tuple[str, bool]]:
    """Returns the first table of each stream, and whether names were to be plain."""
    return {
        (request.filter.rules[0].match, request.flags.exclude_keyspace_from_table_name)
        for request in vitess.vstream.requests
        if any(entry.gtid != "current" for entry in request.vgtid.shard_gtids)
    }


@pytest.mark.parametrize(("host", "plain"), [("127.0.0.1", True), ("", False)])
def test_names_are_plain_where_tablets_are_apart_from_vtgate(vitess: Vitess, host: str, plain: bool) -> None:
    """Copies and changes are read either way; a VTGate with tablets in its own process is not asked for plain names."""
    vitess.tablet_host = host
    vitess.insert("a", *rows(5))
    syncs = Syncs(vitess, "a")

    assert syncs.run() is None
    vitess.insert("a", *rows(5, 100))
    assert syncs.run() is None

    assert plain_names(vitess) == {("a", plain)}
    syncs.expect_equal()


def test_a_table_that_is_named_as_if_with_its_keyspace(vitess: Vitess) -> None:
    """A plain name that begins with the keyspace's could be taken for another table's, so such ones are not plain."""
    vitess.create_table("commerce.a", COLUMNS, key=["id"])
    vitess.insert("a", *rows(3))
    vitess.insert("commerce.a", *rows(4, 50))
    syncs = Syncs(vitess, "a", "commerce.a")

    assert syncs.run() is None

    assert {("a", True), ("commerce.a", False)} <= plain_names(vitess)
    syncs.expect_equal()
