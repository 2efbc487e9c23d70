"""The statements that look for keys, and what becomes of their answers; which keys they are, a real MySQL says."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from source_vitess.mysql.key_seeks import KeySeeks, SoughtColumn

TABLE = "`t` force index (`PRIMARY`)"
TENANT, DAY, NAME = SoughtColumn("tenant"), SoughtColumn("day", as_text=True), SoughtColumn("name", False, True)


class Answering:
    """A session that answers one statement after the other."""

    def __init__(self, *answers: Sequence[tuple[Any, ...]]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def query(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """Gives the next answer."""
        self.asked.append(sql)
        return self.answers.pop(0)


def seeks(session: Answering, *columns: SoughtColumn, unique: bool = True, where: str = "") -> KeySeeks:
    """Returns what looks for keys of a table."""
    return KeySeeks(session, "t", columns, unique=unique, where=where)  # type: ignore[arg-type]


def test_the_first_key() -> None:
    """It is a row of the table in the key's order; a whole key is one row's, which nobody has to count."""
    session = Answering([(7, "2026-02-01")])

    assert seeks(session, TENANT, DAY).seek(None, 10) == ((Decimal(7), "2026-02-01"), 1)
    assert session.asked == [
        f"select `tenant`, cast(`day` as char) from {TABLE} order by `tenant`, `day` limit 1 offset 9"
    ]


def test_a_key_behind_another_one() -> None:
    """Greater in the first column, or in the second one where the first is equal; of the rows that count alone."""
    session = Answering([(7, "2026-02-02")])

    seeks(session, TENANT, DAY, where="`tenant` > 1").seek((Decimal(7), "2026-02-01"), 1)

    [asked] = session.asked
    assert asked == (
        f"select `tenant`, cast(`day` as char) from {TABLE} where `tenant` > 1 and "
        "((`tenant` > 7) or (`tenant` = 7 and `day` > '2026-02-01')) order by `tenant`, `day` limit 1 offset 0"
    )


def test_there_is_no_such_row() -> None:
    """The table has fewer."""
    assert seeks(Answering([]), TENANT).seek(None, 10) is None


def test_rows_that_share_the_first_values_of_the_key_are_counted() -> None:
    """With them, a cut is known to have more rows behind it than one; a count has an end."""
    session = Answering([(7,)], [(1234,)])

    assert seeks(session, TENANT, unique=False, where="`tenant` > 1").seek(None, 1) == ((Decimal(7),), 1234)
    assert session.asked[1] == (
        f"select count(*) from (select 1 from {TABLE} where `tenant` > 1 and `tenant` = 7 limit 2000000) as counted"
    )


def test_texts_that_are_equal_and_not_written_alike() -> None:
    """MySQL is asked whether a text is equal to that of the key before, whose spelling is kept then."""
    same, other = Answering([(7, "ANNA", 1)]), Answering([(7, "berta", 0)])

    assert seeks(same, TENANT, NAME).seek((Decimal(6), "anna"), 1) == ((Decimal(7), "anna"), 1)
    assert seeks(other, TENANT, NAME).seek((Decimal(6), "anna"), 1) == ((Decimal(7), "berta"), 1)
    assert same.asked[0].startswith("select `tenant`, `name`, `name` = 'anna' from `t` ")
