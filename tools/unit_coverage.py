"""What the unit tests run of the connector: lines and branches, by room, with a floor for those that decide on data.

The tier `unit` of `tools.tiers` measures, and this adds up. Only that tier does: a line that nothing but a real Vitess
runs is one that no fast test notices when it breaks, so the integration tests are not to make up for it.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / ".tmp" / "coverage"

#: Every line and branch that was not run, module by module.
REPORT = ROOT / ".tmp" / "coverage.txt"

#: By room, the percentage of its lines and branches below which the tier fails: what was measured, less half of one.
FLOORS: Mapping[str, float] = {"replication": 98.5, "position": 99, "rows": 99}


@dataclass(frozen=True)
class Share:
    """How much of some code was run."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(
            self.lines + other.lines,
            self.lines_run + other.lines_run,
            self.branches + other.branches,
            self.branches_run + other.branches_run,
        )

    @property
    def percent(self) -> float:
        """Of lines and branches together."""
        return _percent(self.lines_run + self.branches_run, self.lines + self.branches)

    def __str__(self) -> str:
        return (
            f"{_percent(self.lines_run, self.lines):.1f} % of {self.lines:,} lines, "
            f"{_percent(self.branches_run, self.branches):.1f} % of {self.branches:,} branches"
        )


def command(*arguments: str) -> Sequence[str]:
    """Returns the arguments of a Python that runs a module and measures; what it is to measure says pyproject.toml."""
    return ["-m", "coverage", "run", f"--rcfile={ROOT / 'pyproject.toml'}", "-m", *arguments]


def forget() -> None:
    """Deletes what was measured before."""
    for file in DATA.glob("data*"):
        file.unlink()
    REPORT.unlink(missing_ok=True)


def add_up() -> Mapping[str, Share]:
    """Writes the report, and returns by room what was run of it; the modules beside the rooms have the name "".

    Raises:
        CoverageException: Nothing was measured.
    """
    measured = coverage.Coverage(data_file=str(DATA / "data"), config_file=str(ROOT / "pyproject.toml"))
    measured.combine([str(DATA)])
    with REPORT.open("w", encoding="utf-8") as file:
        measured.report(file=file)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as file:
        measured.json_report(outfile=file.name)
        files: dict[str, Any] = json.load(file)["files"]
    rooms: defaultdict[str, Share] = defaultdict(Share)
    for name, found in files.items():
        summary = found["summary"]
        _, *folders, _ = Path(name).parts
        rooms[folders[0] if folders else ""] += Share(
            summary["num_statements"], summary["covered_lines"], summary["num_branches"], summary["covered_branches"]
        )
    return rooms


def describe(rooms: Mapping[str, Share]) -> str:
    """Returns a line for people."""
    shares = ", ".join(
        f"{name or 'beside the rooms'} {share.percent:.1f} %" for name, share in sorted(rooms.items(), key=_last)
    )
    return f"coverage by unit: {sum(rooms.values(), Share())} ({shares}); what is missing: {REPORT.relative_to(ROOT)}"


def below_floor(rooms: Mapping[str, Share]) -> Sequence[str]:
    """Returns a sentence for each room of which too little was run."""
    found = {room: rooms.get(room, Share()).percent for room in FLOORS}
    return [
        f"{found[room]:.1f} % of source_vitess/{room}/ was run, less than the floor of {floor:g} %: test or delete "
        f"what {REPORT.relative_to(ROOT)} lists"
        for room, floor in FLOORS.items()
        if found[room] < floor
    ]


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _last(room: tuple[str, Share]) -> tuple[bool, str]:
    return not room[0], room[0]
