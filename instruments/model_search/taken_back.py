"""Takes rules of the connector back, one by one, and checks that the search finds what they are for.

    python -m instruments.model_search.taken_back [--minutes 2] [NAME ...]

The schedule that showed a mutant last is kept in `shown.json` and is played first. Steps come at other moments when the
connector asks more or less: then another one is searched for, and kept.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from instruments.model_search.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "source_vitess"
SHOWN = Path(__file__).with_name("shown.json")

_AGAIN = "play it again: python -m instruments.model_search --play "


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays against each mutant and returns the exit code: 0 if all were found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="some of the mutants; all of them if none is named")
    parser.add_argument("--minutes", type=float, default=2, help="the budget of each search")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    unknown = set(given.names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    alive = []
    chosen = [mutant for mutant in MUTANTS if not given.names or mutant.name in given.names]
    for mutant in chosen:
        print(f"=== {mutant.name}: {mutant.promise}", flush=True)
        began = time.monotonic()
        text = shown(mutant)
        how = "by its schedule"
        if text is None:
            text, how = _search(mutant, given.minutes, given.seed), "by a search"
        if text is None:
            alive.append(mutant.name)
        else:
            print(text)
        found = "LIVES" if text is None else f"found {how}"
        print(f"--- {mutant.name}: {found} after {time.monotonic() - began:.0f} s", flush=True)
    print(f"{len(alive)} of {len(chosen)} mutants live{': ' + ', '.join(alive) if alive else ''}")
    return int(bool(alive))


def schedules() -> Mapping[str, Sequence[int]]:
    """Returns the schedules that are kept, by the mutant that each shows."""
    kept: Mapping[str, Sequence[int]] = json.loads(SHOWN.read_text())
    return kept


def shown(mutant: Mutant) -> str | None:
    """Plays the schedule that is kept; returns what happens, or nothing if there is none or it shows nothing."""
    schedule = schedules().get(mutant.name)
    if schedule is None:
        return None
    with _taken_back(mutant) as place:
        done = _run(place, "--play", *map(str, schedule))
    return done.stdout.strip() if done.returncode and _AGAIN in done.stdout else None


def _search(mutant: Mutant, minutes: float, seed: int) -> str | None:
    """Searches, keeps the schedule that was found, and returns what happens in it; nothing if none was found."""
    without = ("--without", *mutant.without) if mutant.without else ()
    with _taken_back(mutant) as place:
        done = _run(place, "--minutes", str(minutes), "--seed", str(seed), *without)
    if "made shorter:" not in done.stdout:
        print((done.stdout + done.stderr).strip())
        return None
    [line] = [line for line in done.stdout.splitlines() if line.startswith(_AGAIN)]
    keep({**schedules(), mutant.name: [int(number) for number in line.removeprefix(_AGAIN).split()]})
    return done.stdout.strip()


def keep(found: Mapping[str, Sequence[int]]) -> None:
    """Writes the schedules, a line for each, in the order of the mutants."""
    lines = [f"  {json.dumps(one.name)}: {list(found[one.name])}" for one in MUTANTS if one.name in found]
    SHOWN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


@contextmanager
def _taken_back(mutant: Mutant) -> Iterator[Path]:
    """Gives a folder with a copy of the package without the rule."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        shutil.copytree(ROOT / PACKAGE, place / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("instruments", "unit_tests"):
            (place / name).symlink_to(ROOT / name)
        for file, text, instead in mutant.edits:
            _edit(place / PACKAGE / file, text, instead)
        yield place


def _run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Coverage would measure the child process, too, and look for a package that is gone by then.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-m", "instruments.model_search", *arguments],
        cwd=place,
        env={**environment, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
        capture_output=True,
        text=True,
    )


def _edit(path: Path, text: str, instead: str) -> None:
    """Replaces the one place of a text.

    Raises:
        ValueError: It occurs not at all, or several times.
    """
    source = path.read_text()
    if source.count(text) != 1:
        raise ValueError(f"{path.name} has {source.count(text)} places with {text!r}; the mutant is to be mended")
    path.write_text(source.replace(text, instead))


if __name__ == "__main__":
    sys.exit(main())
