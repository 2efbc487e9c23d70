"""A wish to stop ends every wait for another attempt: with the error that was waited for to pass."""

from __future__ import annotations

import pytest

from source_vitess.errors import TransientError
from source_vitess.replication.patience import Retry, ask_again


class Stopped:
    """A clock; the sync is asked to stop while it waits."""

    stopping = False

    def now(self) -> float:
        """Returns a time."""
        return 0.0

    monotonic = now

    def wait(self, seconds: float) -> None:
        """Is interrupted by the wish to stop."""
        self.stopping = True


def test_a_stream_is_not_opened_again() -> None:
    """The wish to stop comes while the stream's next attempt is waited for."""
    error = TransientError("gone")

    with pytest.raises(TransientError) as raised:
        Retry(Stopped(), 5).failed(error)

    assert raised.value is error


def test_a_question_is_not_asked_again() -> None:
    """The wish to stop comes while the next attempt of a question is waited for."""
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        raise TransientError("no answer")

    with pytest.raises(TransientError, match="no answer"):
        list(ask_again(ask, Stopped(), 5))

    assert asked == [1]
