"""Tables whose queries are routed to another keyspace: found with few statements, and their streams refused alone."""

from __future__ import annotations

import logging
from typing import cast

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import InternalError, TransientError
from source_vitess.mysql.routing import Routed, read_routed
from source_vitess.mysql.session import VtgateSession
from source_vitess.settings.config import Config
from source_vitess.source import SourceVitess
from unit_tests.syncing import COLUMNS, Syncs, rows


def _vexplains(vitess: Vitess) -> int:
    return sum(statement.sql.startswith("vexplain") for statement in vitess.mysql.statements)


def test_few_statements_find_what_is_routed(vitess: Vitess) -> None:
    """A statement for fifty tables; one for each only among those fifty of which some are routed."""
    names = [f"t{number}" for number in range(120)]
    for name in names:
        vitess.create_table(name, {"id": "bigint"}, key=["id"])

    with VtgateSession.connect(Config.from_json({"url": vitess.url})) as session:
        assert read_routed(session, "commerce", names) == {}
        assert _vexplains(vitess) == 1 + 3
        vitess.routed.update(t70="main", t71="commerce")
        vitess.mysql.statements.clear()
        assert read_routed(session, "commerce", names) == {"t70": Routed("main", is_followed=False)}
        assert _vexplains(vitess) == 1 + 3 + 50


def test_a_table_that_is_not_known_hides_no_other(vitess: Vitess) -> None:
    """VTGate refuses the whole statement if one table is not in its VSchema."""
    for name in ("a", "b"):
        vitess.create_table(name, {"id": "bigint"}, key=["id"])
    vitess.routed["b"] = "main"

    with VtgateSession.connect(Config.from_json({"url": vitess.url})) as session:
        found = read_routed(session, "commerce", ["a", "nope", "b", "`odd"])

    assert found == {"b": Routed("main", is_followed=False)}


class _Old:
    """A VTGate that does not know the statement, or does not answer with a plan."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked = 0

    def use(self, _target: str) -> None:
        pass

    def query(self, _sql: str) -> object:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [InternalError("syntax error"), [], [()], [("no JSON",)], [(None,)]])
def test_an_old_vtgate_says_nothing(answer: object) -> None:
    """Without the statement nothing is refused, and it is tried once only."""
    old = _Old(answer)

    assert read_routed(cast("VtgateSession", old), "commerce", ["a", "b"]) == {}
    assert old.asked == 1


def test_a_lost_connection_is_no_answer() -> None:
    """It is tried again by the caller."""
    with pytest.raises(TransientError):
        read_routed(cast("VtgateSession", _Old(TransientError("lost"))), "commerce", ["a"])


def test_the_stream_is_refused_and_the_others_go_on(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """Check warns; the sync fails the stream in words, and reads the others; after a refresh all is well again."""
    for name in ("a", "b"):
        vitess.create_table(name, COLUMNS, key=["id"])
        vitess.insert(name, *rows(3))
    syncs = Syncs(vitess)
    assert syncs.run() is None
    vitess.routed["b"] = "main"
    vitess.insert("a", *rows(3, 10))

    assert syncs.run() is not None

    assert syncs.store.statuses == {"a": "COMPLETE", "b": "INCOMPLETE"}
    assert "VTGate sends the queries of table 'b' to keyspace 'main'" in syncs.store.errors[-1]["message"]
    syncs.expect_equal("a")
    logger = logging.getLogger("airbyte.tests")
    SourceVitess().check(logger, {"url": vitess.url})
    assert "VTGate sends the queries of table 'b' to keyspace 'main'" in caplog.text
    vitess.routed.clear()
    vitess.insert("b", *rows(3, 10))
    assert syncs.run() is not None  # what was changed in between was not read
    [entries] = [syncs.store.states[-1]["global"]["stream_states"]]
    entries[:] = [entry for entry in entries if entry["stream_descriptor"]["name"] != "b"]
    assert syncs.run() is None
    syncs.expect_equal()


def test_a_table_that_a_workflow_writes_to_is_read_on(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """Between the switch and the end of a move, with a warning; not if one of the shards has no such workflow."""
    vitess.create_table("b", COLUMNS, key=["id"])
    vitess.insert("b", *rows(3))
    syncs = Syncs(vitess)
    assert syncs.run() is None
    vitess.routed["b"] = "main"
    vitess.workflows = {"-80": ("b",), "80-": ("b",)}
    vitess.insert("b", *rows(3, 10))

    assert syncs.run() is None

    syncs.expect_equal()
    assert [log for log in syncs.store.logs if "A workflow still writes" in log] != []
    SourceVitess().check(logging.getLogger("airbyte.tests"), {"url": vitess.url})
    assert "A workflow still writes what happens there" in caplog.text
    vitess.workflows = {"-80": ("b",)}
    assert syncs.run() is not None
    assert syncs.store.statuses == {"b": "INCOMPLETE"}
