"""Takes rules of the connector back, one by one, and checks that the search finds what they are there for.

    python -m unit_tests.model_search.mutants [--seconds 120] [NAME ...]

Each mutant is a text of a file and what stands there instead, in a copy of the package. A text that is not there, or is
there twice, is an error: the table is kept with the code.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "source_vitess"


@dataclass(frozen=True)
class Mutant:
    """A rule that is taken back.

    Attributes:
        name: Its name.
        promise: What the rule is there for.
        edits: Per edit the file below the package, the text, and what replaces it.
        without: Steps and tables that are left out, so that others are met more often.
    """

    name: str
    promise: str
    edits: tuple[tuple[str, str, str], ...]
    without: tuple[str, ...] = ()


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "copied-at",
        "a change that a table's copy contains is not emitted again (rows of tables without a key would be doubled)",
        (
            (
                "replication/change_stream.py",
                "return gtid is not None and contains(shards[shard], gtid)",
                "return False",
            ),
        ),
    ),
    Mutant(
        "interrupted-copy",
        "a copy that was interrupted is not exact: all changes since it began are replayed over it",
        (("replication/table_copy.py", "elif self._attempt == 1 and state.vgtid", "elif state.vgtid"),),
    ),
    Mutant(
        "state-before-records",
        "a state names a table as begun before its first record",
        (
            (
                "replication/sync.py",
                "            copy.begin(shards)\n        yield self._checkpointer.now()\n",
                "            copy.begin(shards)\n",
            ),
        ),
    ),
    Mutant(
        "equal-positions",
        "the end of a sync is contained in where a shard is, not equal to it",
        (
            (
                "position/vgtid.py",
                "return gtid == other or gtid_set(other) <= gtid_set(gtid)",
                "return gtid == other",
            ),
        ),
    ),
    Mutant(
        "told-again",
        "columns that are told again in a copy mean that VTGate started over within the call",
        (
            (
                "replication/table_copy.py",
                "        self._attempt += 1\n        self._store()\n\n    def _report",
                "        self._store()\n\n    def _report",
            ),
        ),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays against each mutant and returns the exit code: 0 if all were found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="some of the mutants; all of them if none is named")
    parser.add_argument("--seconds", type=float, default=120, help="the budget for each")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    unknown = set(given.names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    alive = []
    for mutant in MUTANTS:
        if given.names and mutant.name not in given.names:
            continue
        print(f"=== {mutant.name}: {mutant.promise}", flush=True)
        began = time.monotonic()
        found, said = try_mutant(mutant, given.seconds, given.seed)
        print(said)
        print(f"--- {mutant.name}: {'found' if found else 'LIVES'} after {time.monotonic() - began:.0f} s", flush=True)
        if not found:
            alive.append(mutant.name)
    print(f"{len(alive)} mutants live{': ' + ', '.join(alive) if alive else ''}")
    return int(bool(alive))


def try_mutant(mutant: Mutant, seconds: float, seed: int) -> tuple[bool, str]:
    """Searches with a rule taken back; returns whether something was found, and what the search said."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copytree(ROOT / PACKAGE, place / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("unit_tests", "integration_tests"):
            (place / name).symlink_to(ROOT / name)
        for file, text, instead in mutant.edits:
            edit(place / PACKAGE / file, text, instead)
        command = [sys.executable, "-m", "unit_tests.model_search", "--minutes", str(seconds / 60), "--seed", str(seed)]
        if mutant.without:
            command += ["--without", *mutant.without]
        done = subprocess.run(
            command,
            cwd=place,
            env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
        )
        return "made shorter:" in done.stdout, (done.stdout + done.stderr).strip()


def edit(path: Path, text: str, instead: str) -> None:
    """Replaces the one place of a text.

    Raises:
        ValueError: It is not there, or there are several.
    """
    source = path.read_text()
    if source.count(text) != 1:
        raise ValueError(f"{path.name} has {source.count(text)} places with {text!r}; the mutant is to be mended")
    path.write_text(source.replace(text, instead))


if __name__ == "__main__":
    sys.exit(main())
