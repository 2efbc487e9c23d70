"""The rules that `tools.mutate` breaks on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.mutate import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.rule}: {mutant.breaks}")
def test_a_mutants_words_are_in_its_file_once(mutant: Mutant) -> None:
    """The table is kept with the code, and its tests are files that exist."""
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert [test for test in mutant.tests if not (ROOT / test).exists()] == []
