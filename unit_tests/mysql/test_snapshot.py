"""The schema: which tables count, their columns and keys, and how several shards are put together."""

from __future__ import annotations

import logging

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, TransientError
from source_vitess.mysql.session import Row, VtgateSession
from source_vitess.mysql.snapshot import FoundTable, choose_keys, read_schema
from source_vitess.schema import Column
from source_vitess.settings.config import Config
from source_vitess.source import SourceVitess
from unit_tests.syncing import Syncs


def part(
    key: str, number: int, column: str | None, *, prefix: int | None = None, nullable: str = "", order: str = "A"
) -> Row:
    """Returns a part of a unique key of table t, as information_schema.statistics has it."""
    return ("t", key, number, column, prefix, nullable, order)


def session_of(vitess: Vitess) -> VtgateSession:
    """Opens a session with a scripted VTGate."""
    return VtgateSession.connect(Config.from_json({"url": vitess.url}))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([part("PRIMARY", 2, "b"), part("PRIMARY", 1, "a")], ("a", "b")),
        ([part("a_key", 1, "a"), part("PRIMARY", 1, "x"), part("PRIMARY", 2, "y")], ("x", "y")),
        ([part("PRIMARY", 1, "a", prefix=10)], ("a",)),
        ([part("z", 1, "a"), part("b", 1, "x"), part("b", 2, "y")], ("a",)),
        ([part("z", 1, "a"), part("b", 1, "x")], ("x",)),
        ([part("u", 1, "a"), part("u", 2, "b", nullable="YES")], None),
        ([part("u", 1, "a"), part("u", 2, None)], None),
        ([part("u", 1, "a", prefix=10)], None),
        ([part("u", 1, "a", nullable="YES"), part("v", 1, "b"), part("v", 2, "c")], ("b", "c")),
        ([], None),
    ],
    ids=[
        "the primary key, in key order",
        "the primary key, however long",
        "a primary key over a prefix",
        "the fewest columns",
        "the first by name",
        "a part that can be NULL",
        "a functional part",
        "a part over a prefix",
        "the next best key",
        "no unique key",
    ],
)
def test_keys(rows: list[Row], expected: tuple[str, ...] | None) -> None:
    """A row is identified by the primary key, else by a unique key of whole columns that are all NOT NULL."""
    key = choose_keys(rows).get("t")
    assert (key.columns if key else None) == expected


@pytest.mark.parametrize(
    ("rows", "presorted"),
    [
        ([part("PRIMARY", 1, "a"), part("PRIMARY", 2, "b")], True),
        ([part("PRIMARY", 1, "a", order="D"), part("PRIMARY", 2, "b", order="D")], True),
        ([part("PRIMARY", 1, "a", order="D"), part("PRIMARY", 2, "b")], False),
        ([part("PRIMARY", 1, "a", prefix=10)], False),
        ([part("PRIMARY", 1, "a", prefix=10), part("PRIMARY", 2, "b")], False),
        ([part("u", 1, "a"), part("v", 1, "a", order="D"), part("v", 2, "b")], True),
    ],
    ids=["ascending", "descending", "mixed", "a prefix", "a prefix and a column", "another key is mixed"],
)
def test_keys_that_an_index_sorts(rows: list[Row], *, presorted: bool) -> None:
    """An index gives its rows in the order of the key if its parts are whole columns, all in one direction."""
    assert choose_keys(rows)["t"].presorted is presorted


def test_a_table_is_read(vitess: Vitess) -> None:
    """Columns come in table order with type, character set and nullability, the key in key order."""
    vitess.create_table("orders", {"b": "bigint", "a": "int", "note": "varchar(20)"}, key=("a", "b"))

    with session_of(vitess) as session:
        table = read_schema(session, "commerce").tables["orders"]

    assert table.key == ("a", "b")
    assert table.columns == (
        Column("b", "bigint", None, nullable=False),
        Column("a", "int", None, nullable=False),
        Column("note", "varchar(20)", "utf8mb4", nullable=True),
    )


def test_what_is_no_table_is_left_out(vitess: Vitess) -> None:
    """Views, sequences and tables of Vitess' own are not in the schema."""
    columns = {"id": "bigint"}
    vitess.create_table("kept", columns, key=("id",))
    vitess.create_table("a_view", columns, view=True)
    vitess.create_table("a_sequence", columns, key=("id",), comment="vitess_sequence")
    vitess.create_table("_vt_hld_6ace8bcef73211ea87e9f875a4d24e90_20200915120410_", columns, key=("id",))

    with session_of(vitess) as session:
        assert list(read_schema(session, "commerce").tables) == ["kept"]


def test_estimates_are_added_up(vitess: Vitess) -> None:
    """The estimated number of rows is that of all shards together, and each shard is asked by name."""
    vitess.create_table("t", {"id": "bigint"}, key=("id",))
    for number in range(20):
        vitess.insert("t", {"id": number})

    with session_of(vitess) as session:
        table = read_schema(session, "commerce").tables["t"]
        alone = read_schema(session, "commerce", shards=["80-"]).tables["t"]

    assert table.estimated_rows == 20
    assert 0 < alone.estimated_rows < 20
    targets = {statement.target for statement in vitess.mysql.statements if "information_schema" in statement.sql}
    assert targets == {"commerce:-80@primary", "commerce:80-@primary"}


@pytest.mark.parametrize(("first", "second"), [("InnoDB", "InnoDB"), ("InnoDB", "MyISAM"), ("MyISAM", "InnoDB")])
def test_the_engine_is_that_of_the_worst_shard(first: str, second: str) -> None:
    """One shard whose table has no transactions is enough for the warning."""
    found = FoundTable(1, 10, first).joined(FoundTable(2, 20, second))

    assert found == FoundTable(3, 30, "MyISAM" if "MyISAM" in (first, second) else "InnoDB")


def test_engines_without_transactions_are_told(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """In check, discover and the sync, in one line each; in the sync only those of selected streams."""
    engines = {"fine": "InnoDB", "old": "MyISAM", "fast": "MEMORY"}
    for name, engine in engines.items():
        vitess.create_table(name, {"id": "bigint"}, key=["id"], engine=engine)
    warning = "Tables of an engine without transactions: 'fast' (MEMORY), 'old' (MyISAM)."
    config = {"url": vitess.url}
    logger = logging.getLogger("airbyte.tests")
    logger.setLevel(logging.INFO)

    with session_of(vitess) as session:
        assert {name: table.engine for name, table in read_schema(session, "commerce").tables.items()} == engines
    SourceVitess().discover(logger, config)
    assert caplog.text.count(warning) == 1
    caplog.clear()
    SourceVitess().check(logger, config)
    assert caplog.text.count(warning) == 1
    for selected, times in ((("fine", "fast", "old"), 1), (("fine",), 0)):
        log = b"".join(line for line in Syncs(vitess, *selected).lines() if b'"LOG"' in line)
        assert log.count(b"without transactions: 'fast' (MEMORY), 'old' (MyISAM)") == times


def test_few_statements(vitess: Vitess) -> None:
    """The number of statements does not grow with the number of tables."""

    def count() -> int:
        vitess.mysql.statements.clear()
        with session_of(vitess) as session:
            read_schema(session, "commerce")
        return len(vitess.mysql.statements)

    before = count()
    for number in range(30):
        vitess.create_table(f"t{number}", {"id": "bigint"}, key=("id",))

    assert count() == before


def test_a_replica_answers_for_a_lost_primary(vitess: Vitess) -> None:
    """The schema can be read as long as a shard has any tablet to stream from."""
    vitess.create_table("t", {"id": "bigint"}, key=("id",))
    vitess.set_tablet_types("80-", "REPLICA")

    with session_of(vitess) as session:
        assert "t" in read_schema(session, "commerce").tables


def test_a_shard_without_tablets_is_named(vitess: Vitess) -> None:
    """Without any tablet the schema cannot be read now, and the message names the shard."""
    vitess.set_tablet_types("80-")

    with session_of(vitess) as session, pytest.raises(TransientError, match="The shard 80- of keyspace commerce"):
        read_schema(session, "commerce")


def test_an_unknown_keyspace_is_named(vitess: Vitess) -> None:
    """A keyspace that does not exist is refused with the names of those that are."""
    with session_of(vitess) as session, pytest.raises(ConfigError, match=r"no keyspace nope\. It knows commerce"):
        read_schema(session, "nope")


def test_the_session_can_be_used_again(vitess: Vitess) -> None:
    """Reading twice on one session gives the same: the first leaves no target behind that VTGate cannot use."""
    vitess.create_table("t", {"id": "bigint"}, key=("id",))

    with session_of(vitess) as session:
        assert read_schema(session, "commerce") == read_schema(session, "commerce")


def test_tables_that_vitess_cannot_stream_are_named(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """They are no streams, and the log of discover names them."""
    for name in ("fine", "/slash", "back`tick"):
        vitess.create_table(name, {"id": "bigint"}, key=["id"])

    catalog = SourceVitess().discover(logging.getLogger("airbyte.tests"), {"url": vitess.url})

    assert [stream.name for stream in catalog.streams] == ["fine"]
    assert [name for name in ("/slash", "back`tick") if f"The table {name!r} is left out" not in caplog.text] == []
