"""What a waiting person sees."""

import io

import pytest

from vitess_local.progress import Step, format_seconds, step


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_on_a_terminal_the_state_is_one_line_that_is_rewritten() -> None:
    """A shorter text leaves nothing of the longer one before it."""
    stream = Terminal()
    current = Step("Vitess", stream)
    current.update("a long text")
    current.update("short")
    current.report("done")

    first, second, third = stream.getvalue().lstrip("\r").split("\r", 2)
    assert first == "vitess-local: Vitess: a long text (0s)"
    assert second.rstrip() == "vitess-local: Vitess: short (0s)"
    assert len(second) == len(first)
    assert third.endswith("\rvitess-local: Vitess: done (0s)\n")


def test_elsewhere_the_state_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of a build shows life without being flooded."""
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    current = Step("Vitess", stream)
    for text, second in (("first", 1), ("second", 11), ("third", 12), ("fourth", 21)):
        clock[0] = 100.0 + second
        current.update(text)

    assert stream.getvalue().splitlines() == [
        "vitess-local: Vitess: second (11s)",
        "vitess-local: Vitess: fourth (21s)",
    ]


def test_a_step_reports_how_it_ended() -> None:
    """Also when it failed."""
    stream = io.StringIO()
    with step("one", stream):
        pass
    with pytest.raises(ZeroDivisionError), step("two", stream):
        raise ZeroDivisionError

    assert stream.getvalue().splitlines() == [
        "vitess-local: one: started (0s)",
        "vitess-local: one: done (0s)",
        "vitess-local: two: started (0s)",
        "vitess-local: two: failed (0s)",
    ]


def test_durations_are_written_for_people() -> None:
    """Seconds, and minutes from sixty on."""
    assert [format_seconds(seconds) for seconds in (7.9, 65, 3600)] == ["7s", "1m05s", "60m00s"]
