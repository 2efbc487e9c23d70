"""Breaks the most important rules on purpose, one at a time, and reports which of these mutants no fast test notices.

    python -m tools.mutate [RULE …]

Each mutant is a few words changed in a temporary copy of the sources, in which the tests of that part are then run.
Before, they are run without a change: tests that fail anyway notice nothing. A mutant whose words are not found is a
failure, too: then this file has to follow the code. The exit code is 0 if every mutant was found and noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_COPIED = ("source_vitess", "instruments", "unit_tests", "integration_tests", "pyproject.toml", "metadata.yaml")
#: Seconds for the tests of a mutant: a sync that never ends is noticed, too.
_PATIENCE = 600.0

_COPY = "source_vitess/replication/copy_progress.py"
_SYNC_TESTS = (
    "unit_tests/replication/test_change_stream.py",
    "unit_tests/replication/test_sync.py",
    "unit_tests/replication/test_table_copy.py",
)


@dataclass(frozen=True)
class Mutant:
    """A rule, broken.

    Attributes:
        rule: Its name.
        breaks: What is done wrongly.
        file: Which file is changed.
        old: Words that occur exactly once.
        new: What is put in their place.
        tests: Files and folders of tests that should notice.
        compiled: Whether rows are decoded by the compiled decoder: its code is not changed here.
    """

    rule: str
    breaks: str
    file: str
    old: str
    new: str
    tests: Sequence[str]
    compiled: bool = True


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "containment",
        "a position is taken to contain those that contain it",
        "source_vitess/position/vgtid.py",
        "gtid_set(other) <= gtid_set(gtid)",
        "gtid_set(gtid) <= gtid_set(other)",
        ("unit_tests/position",),
    ),
    Mutant(
        "containment",
        "the end of a sync is reached when its last number is, whatever is missing before it",
        "source_vitess/position/vgtid.py",
        "and is_within(",
        "or is_within(",
        ("unit_tests/position",),
    ),
    Mutant(
        "copied_at",
        "changes that a copy contains already are emitted again",
        "source_vitess/replication/exclusions.py",
        "contained = contained | gtid_set(shards[shard])",
        "pass",
        _SYNC_TESTS,
    ),
    Mutant(
        "copied_at",
        "changes after a copy's position are taken for contained in it",
        "source_vitess/replication/exclusions.py",
        "contained = contained | gtid_set(shards[shard])",
        "return True",
        _SYNC_TESTS,
    ),
    Mutant(
        "state_first",
        "a copy's first record comes before the state that names the table as begun",
        "source_vitess/replication/copies.py",
        "copy.begin(shards)\n        yield self._context.checkpointer.now()",
        "copy.begin(shards)",
        _SYNC_TESTS,
    ),
    Mutant(
        "terminator",
        "a position is passed on before the transaction that it belongs to has ended",
        "source_vitess/vstream/reader.py",
        "self._position = self._last_position = self._position_of(raw)\n",
        "self._position = self._last_position = self._position_of(raw)\n"
        '                        yield Committed("-80", self._position, 1)\n',
        ("unit_tests/vstream/test_reader.py", *_SYNC_TESTS),
    ),
    Mutant(
        "terminator",
        "a DDL does not end a transaction",
        "source_vitess/vstream/reader.py",
        "begun if opens_transaction(event.statement) else (*begun, *self._commit(event))",
        "begun",
        ("unit_tests/vstream/test_reader.py", *_SYNC_TESTS),
    ),
    Mutant(
        "refresh_needed",
        "a stream whose table was truncated is followed as if nothing had happened",
        "source_vitess/replication/context.py",
        "self.state.tables[error.stream] = RefreshNeeded(error.message)",
        "pass",
        _SYNC_TESTS,
    ),
    Mutant(
        "cursor",
        "cursors begin at the machine's time, even if it was set back",
        "source_vitess/replication/records.py",
        "max(last, int(now * CURSORS_PER_SECOND))",
        "int(now * CURSORS_PER_SECOND)",
        ("unit_tests/replication/test_records.py",),
    ),
    Mutant(
        "cursor",
        "a cursor is given out twice",
        "source_vitess/replication/records.py",
        "self.last += count",
        "self.last += max(count - 1, 0)",
        ("unit_tests/replication/test_records.py",),
    ),
    Mutant(
        "attempt",
        "a copy that was interrupted counts as exact at its last position",
        _COPY,
        "self.attempt == 1 and",
        "self.attempt >= 1 and",
        _SYNC_TESTS,
    ),
    Mutant(
        "row_images",
        "a value that a before image leaves out becomes a null",
        "source_vitess/rows/batch.py",
        "if column.always_given and length < 0:",
        "if length < -1:",
        ("unit_tests/rows", "unit_tests/vstream"),
        compiled=False,
    ),
    Mutant(
        "row_images",
        "a value that an after image leaves out becomes a null",
        "source_vitess/rows/batch.py",
        "if (column.codec or column.key) and not given:",
        "if column.key and not given:",
        ("unit_tests/rows", "unit_tests/vstream"),
    ),
    Mutant(
        "row_images",
        "a row whose key has changed is left in the destination under the old one",
        "source_vitess/rows/batch.py",
        "if before and (not after or self._moved(change.before, change.after)):",
        "if before and not after:",
        ("unit_tests/rows", "unit_tests/vstream", *_SYNC_TESTS),
        compiled=False,
    ),
    Mutant(
        "zero_dates",
        "a zero date is emitted as it is",
        "source_vitess/types/temporal.py",
        "    except ValueError:\n        raise Altered(_IMPOSSIBLE) from None\n    return b",
        "    except ValueError:\n        pass\n    return b",
        ("unit_tests/types/test_temporal.py",),
    ),
    Mutant(
        "zero_dates",
        "a null in the place of a value is not reported in meta.changes",
        "source_vitess/airbyte/sync_lines.py",
        "head + data + (self._altered_tail(records, index) if index in records.altered else self._tail)",
        "head + data + self._tail",
        ("unit_tests/airbyte/test_lines.py",),
    ),
    Mutant(
        "secrets",
        "log lines show secrets",
        "source_vitess/airbyte/lines.py",
        '"message": masked(text)',
        '"message": text',
        ("unit_tests/test_secrets.py", "unit_tests/airbyte/test_lines.py"),
    ),
    Mutant(
        "secrets",
        "an error's details show secrets",
        "source_vitess/airbyte/lines.py",
        'body["internal_message"] = masked(error.detail)',
        'body["internal_message"] = error.detail',
        ("unit_tests/test_secrets.py", "unit_tests/airbyte/test_lines.py"),
    ),
    Mutant(
        "secrets",
        "the statement that a server quotes is logged, with keys of rows in it",
        "source_vitess/error_rules.py",
        "(during query: |Sql: ",
        "(Sql: ",
        ("unit_tests/test_error_rules.py", "unit_tests/vstream/test_failures.py"),
    ),
)


def main(wanted: Sequence[str]) -> int:
    """Tries the mutants of the rules named, of all unless one is; returns the exit code."""
    rules = sorted({mutant.rule for mutant in MUTANTS})
    if unknown := [rule for rule in wanted if rule not in rules]:
        print(f"There is no rule {', '.join(unknown)}. There are {', '.join(rules)}.")
        return 2
    bad = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        checkout = Path(folder)
        for name in _COPIED:
            source = _ROOT / name
            if source.is_dir():
                shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, checkout / name)
        mutants = [mutant for mutant in MUTANTS if not wanted or mutant.rule in wanted]
        for compiled in (True, False):
            tests = sorted({test for mutant in mutants if mutant.compiled == compiled for test in mutant.tests})
            if tests and not _pass(tests, checkout, compiled=compiled):
                print(f"Without any change, tests fail already: {', '.join(tests)}.")
                return 2
        for mutant in mutants:
            began = time.monotonic()
            outcome = _try(mutant, checkout)
            bad += outcome != "noticed"
            print(f"{outcome:9} {time.monotonic() - began:4.0f} s  {mutant.rule}: {mutant.breaks}", flush=True)
    print(f"{bad} mutants live, or were not found." if bad else "Every mutant was noticed.")
    return 1 if bad else 0


def _try(mutant: Mutant, checkout: Path) -> str:
    """Returns what became of a mutant: `noticed`, `LIVES`, or `NOT FOUND`."""
    file = checkout / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return "NOT FOUND"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return "LIVES" if _pass(mutant.tests, checkout, compiled=mutant.compiled) else "noticed"
    finally:
        file.write_text(text, encoding="utf-8")


def _pass(tests: Sequence[str], checkout: Path, *, compiled: bool) -> bool:
    """Runs tests, and returns whether all of them pass. Tests that do not even begin are an error of this program."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Broken on purpose, a generated test would be shrunk for minutes; and every run shall be the same.
        "SOURCE_VITESS_SEED": "1",
    }
    if not compiled:
        environment["SOURCE_VITESS_COMPILED"] = "0"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
            cwd=checkout,
            env=environment,
            timeout=_PATIENCE,
            capture_output=True,
            text=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        raise RuntimeError(f"The tests could not be run (exit code {done.returncode}):\n{done.stdout}{done.stderr}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
