"""What a run came to: a row for the table in docs/reliability.md, and a line for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

#: The head of the table that rows are for.
HEAD = (
    "| seed | minutes | tablets a shard | syncs | killed | faults | schema changes | rows compared | differences |\n"
    "|---|---|---|---|---|---|---|---|---|"
)

_KILLED = ("dropped", "killed", "stopped")


@dataclass
class Report:
    """What a run came to.

    Attributes:
        seed: Its seed.
        asked_minutes: How long it was to be.
        cluster: What tablets a shard has, and what else is peculiar.
        minutes: How long it was, with its end.
        syncs: By kind and end.
        faults: By kind: what was done to the cluster.
        changes: By kind: what was done to the schema.
        refused: By kind: what the cluster could not do at that moment.
        told: By kind: advice in the log.
        written: By kind: statements of the writer.
        records: Records that were emitted.
        deletes: How many of them were deletes.
        reopened: Streams that were opened again within a sync.
        tables: How often a table was compared.
        rows: How many rows that were.
        filters: By table of which only some rows are read, the condition.
        filtered_rows: How many of the compared rows are of such tables.
        difference: The first difference, or why the run ended early; empty if neither.
    """

    seed: int
    asked_minutes: float
    cluster: str
    minutes: float = 0
    syncs: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    records: int = 0
    deletes: int = 0
    reopened: int = 0
    tables: int = 0
    rows: int = 0
    filters: Mapping[str, str] = field(default_factory=dict)
    filtered_rows: int = 0
    difference: str = ""

    @property
    def killed(self) -> int:
        """How many syncs did not come to an end of their own."""
        return sum(count for kind, count in self.syncs.items() if kind.endswith(tuple(f": {end}" for end in _KILLED)))

    @property
    def shortcoming(self) -> str:
        """Why a run without a difference proves nothing; empty if it does."""
        if self.minutes < self.asked_minutes:
            return f"it ended after {self.minutes:.1f} of {self.asked_minutes:g} minutes"
        for what, count in {
            "sync": self.syncs.total(),
            "fault": self.faults.total(),
            "schema change": self.changes.total(),
            "compared row": self.rows,
            **({"compared row of a filtered table": self.filtered_rows} if self.filters else {}),
        }.items():
            if not count:
                return f"it had no {what}"
        return ""

    @property
    def row(self) -> str:
        """The row of the table in docs/reliability.md."""
        found = "0" if not self.difference else f"1: {self.difference.splitlines()[0]}"
        cells = [
            str(self.seed),
            f"{self.minutes:.1f}",
            self.cluster,
            f"{self.syncs.total():,}",
            f"{self.killed:,}",
            _listed(self.faults),
            _listed(self.changes),
            f"{self.rows:,}",
            found.replace("|", "\\|"),
        ]
        return f"| {' | '.join(cells)} |"

    @property
    def line(self) -> str:
        """The same and more, as JSON."""
        return json.dumps({**vars(self), "killed": self.killed}, ensure_ascii=False, sort_keys=True)

    def __str__(self) -> str:
        """Says all of it, for people."""
        return "\n".join(
            [
                f"ran {self.minutes:.1f} minutes on {self.cluster}; {self.records:,} records, {self.deletes:,} deletes",
                f"{self.tables} times a table was equal to SELECT, {self.rows:,} rows",
                f"of these, chosen by a condition: {self.filtered_rows:,} rows ({dict(self.filters)})",
                _counted("syncs", self.syncs),
                f"streams opened again within a sync: {self.reopened}",
                _counted("faults", self.faults),
                _counted("schema changes", self.changes),
                _counted("could not be done", self.refused),
                _counted("advised", self.told),
                _counted("written", self.written),
                HEAD,
                self.row,
                f"chaos-run: {self.line}",
            ]
        )


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items()))


def _counted(title: str, counter: Counter[str]) -> str:
    lines = [f"  {count:>6}  {name}" for name, count in sorted(counter.items())]
    return "\n".join([f"{title}: {counter.total()}", *lines])
