"""How far replicas are behind, as VTGate reports it."""

from __future__ import annotations

from typing import Any

import pytest

from source_vitess.errors import InternalError
from source_vitess.mysql.replication_status import read_lags
from source_vitess.position.lag import Lag, lag_warnings, stopped_message


def health(io: str = "Yes", sql: str = "Yes", error: str = "") -> str:
    """Writes the health as VTGate does, which does not escape the error's text."""
    return f'{{"EventStreamRunning":"{io}","EventApplierRunning":"{sql}","LastError":"{error}"}}'


class Answering:
    """A session that answers the one question."""

    def __init__(self, *rows: tuple[str, ...]) -> None:
        self.rows = rows

    def query(self, sql: str, args: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Answers."""
        assert (sql, args) == ("show vitess_replication_status like %s", ("ks/%",))
        return [("ks", shard, kind, alias, "h", "h:1", how, lag, "") for shard, kind, alias, how, lag in self.rows]


def test_each_tablet_of_the_type_is_told() -> None:
    """Other types, keyspaces and shards are not; a lag that is no number is not known."""
    session = Answering(
        ("-80", "REPLICA", "z-1", health(), "0"),
        ("-80", "REPLICA", "z-2", health(sql="No", error='at "x"'), "NULL"),
        ("-80", "RDONLY", "z-3", health(), "9"),
        ("80-", "REPLICA", "z-4", health(io="Connecting"), "75"),
        ("80-", "REPLICA", "z-5", health("", ""), "-1"),
        ("c0-", "REPLICA", "z-6", health(), "1"),
    )

    lags = read_lags(session, "ks", ["-80", "80-"], "REPLICA")  # type: ignore[arg-type]

    assert lags == (
        Lag("-80", "z-1", 0, stopped=False),
        Lag("-80", "z-2", None, stopped=True),
        Lag("80-", "z-4", 75, stopped=True),
        Lag("80-", "z-5", None, stopped=False),
    )
    assert read_lags(session, "ks", ["-80"], "PRIMARY") == ()  # type: ignore[arg-type]


def test_a_server_that_does_not_tell() -> None:
    """An older VTGate or a proxy that does not know the statement: nothing is known, and nothing fails."""

    class Refusing:
        """A session that does not understand."""

        def query(self, sql: str, args: tuple[str, ...]) -> list[tuple[Any, ...]]:
            """Refuses."""
            raise InternalError(sql)

    assert read_lags(Refusing(), "ks", ["0"], "REPLICA") == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lags", "warned", "stopped"),
    [
        ([Lag("0", "z-1", 60, stopped=False)], [], ""),
        ([Lag("0", "z-1", 61, stopped=False)], ["tablet z-1 of shard 0 is 61 s behind"], ""),
        (
            [Lag("0", "z-1", None, stopped=True), Lag("0", "z-2", 0, stopped=False)],
            ["tablet z-1 of shard 0 does not replicate, and is an unknown time behind"],
            "",
        ),
        (
            [Lag("0", "z-1", 5, stopped=True), Lag("1", "z-2", 0, stopped=False)],
            ["tablet z-1 of shard 0 does not replicate, and is 5 s behind"],
            "tablet z-1 of shard 0 does not replicate",
        ),
    ],
)
def test_what_is_said(lags: list[Lag], warned: list[str], stopped: str) -> None:
    """Above a minute a warning; without any tablet of a shard that replicates there is nothing new to read."""
    warnings = lag_warnings(lags)

    assert len(warnings) == len(warned)
    for line, part in zip(warnings, warned, strict=True):
        assert part[1:] in line
    assert (stopped_message(lags) or "").startswith(stopped and f"T{stopped[1:]}")
    assert bool(stopped_message(lags)) == bool(stopped)
