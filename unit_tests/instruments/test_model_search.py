"""The search for schedules under which the connector loses something: what it promises of itself."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys

import pytest

from instruments.model_search.adversary import NAMES, PER_STEP, SETUP
from instruments.model_search.mutants import MUTANTS, Mutant
from instruments.model_search.play import play
from instruments.model_search.search import Schedule, Shrinking, description, draw, search
from instruments.model_search.taken_back import PACKAGE, ROOT, schedules, shown

#: Shown by a test of their own: in the peace at the end of a schedule they make no difference.
WITHOUT_SCHEDULE = {"errant-progress"}
#: Enough to meet each kind of step.
SCHEDULES = 80


def test_schedules_end_equal() -> None:
    """A few of those that `make model` plays; nearly all reach the comparison."""
    report = search(1, seconds=600, schedules=SCHEDULES)
    for line in report.lines():
        print(line)
    assert not report.found, description(*report.found[0][1:])
    assert report.schedules == SCHEDULES
    assert report.share > 0.9
    assert report.steps.keys() >= {"write", "kill", "hold", "turns", "reshard", "emergency", "alter"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_that_is_ended_says_how_far_it_came(number: signal.Signals) -> None:
    """By Ctrl-C or a supervisor: the figures of what was played, and an exit code for what was found."""
    command = [sys.executable, "-m", "instruments.model_search", "--schedules", "1000000", "--seed", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - itself
        assert process.stdout is not None
        assert process.stdout.readline() == "schedules of seed 1\n"
        process.send_signal(number)
        figures = process.stdout.read()
    played = re.search(r"^seed 1: ([\d,]+) schedules in ", figures, re.MULTILINE)
    assert played, figures
    assert int(played[1].replace(",", "")) < 1_000_000
    assert process.returncode == 0, figures


def test_a_schedule_is_the_same_each_time() -> None:
    """What was found can be played again: nothing is by chance but the numbers."""
    for number in range(5):
        schedule = draw(random.Random(f"again/{number}"))
        first, second = play(schedule), play(schedule)
        assert (first.kind, first.trace) == (second.kind, second.trace)


def test_no_numbers_are_a_schedule_in_which_nothing_happens() -> None:
    """The simplest one: a sync in peace."""
    outcome = play(())
    assert (outcome.kind, outcome.compared, outcome.steps) == ("equal", 1, {})


def test_a_schedule_is_made_shorter_and_simpler() -> None:
    """Only the steps stay without which nothing is wrong, with the lowest numbers."""

    def kinds(schedule: Schedule) -> list[str]:
        return [NAMES[number] for number in schedule[len(SETUP) + 1 :: PER_STEP]]

    def is_wrong(schedule: Schedule) -> bool:
        found = kinds(schedule)
        return "write" in found and "kill" in found[found.index("write") :]

    drawn = (draw(random.Random(f"shrink/{number}")) for number in range(100))
    long = next(schedule for schedule in drawn if is_wrong(schedule) and len(kinds(schedule)) > 8)
    short = Shrinking(long, is_wrong).run()
    assert kinds(short) == ["write", "kill"]
    assert set(short) == {0, NAMES.index("kill")}


def test_what_is_found_says_how_to_play_it_again() -> None:
    """As a command line."""
    schedule = draw(random.Random("told"))
    text = description(schedule, play(schedule))
    numbers = text.splitlines()[-1].rpartition("--play ")[2]
    assert tuple(map(int, numbers.split())) == schedule


def test_what_is_left_out_does_not_come() -> None:
    """Kinds of steps, and tables."""
    for number in range(20):
        schedule = draw(random.Random(f"without/{number}"), ("kill", "reshard", "n", "u"))
        assert not {NAMES[kind] for kind in schedule[len(SETUP) + 1 :: PER_STEP]} & {"kill", "reshard"}
        assert play(schedule[: len(SETUP)]).kind == "equal"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_texts_of_mutants_are_there(mutant: Mutant) -> None:
    """The table is kept with the code: each text is in its file once."""
    for file, text, instead in mutant.edits:
        assert (ROOT / PACKAGE / file).read_text().count(text) == 1, (file, text)
        assert text != instead


@pytest.mark.parametrize(
    "mutant", [mutant for mutant in MUTANTS if mutant.name not in WITHOUT_SCHEDULE], ids=lambda mutant: mutant.name
)
def test_a_mutant_is_shown_by_its_schedule(mutant: Mutant) -> None:
    """What a rule is for happens once it is taken back. `make mutants` searches for another schedule if it does not."""
    assert shown(mutant), f"make mutants NAMES={mutant.name}"


@pytest.mark.parametrize("name", schedules())
def test_the_schedules_of_mutants_end_equal(name: str) -> None:
    """With all rules in force, that is: it is the rule that makes the difference."""
    outcome = play(tuple(schedules()[name]))
    assert not outcome.is_wrong, description(tuple(schedules()[name]), outcome)
