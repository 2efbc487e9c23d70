"""One round of `run`: the source and the destination as processes, from their start to the end of both.

The source writes into the destination, which passes on what the source says besides records; so one stream comes back,
in which a state follows all that led to it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

#: Set for the destination: that it passes on what the source says.
PASS_ON = "DESTINATION_READYSET_PASS_ON"  # noqa: S105 - no password
#: Set for the destination: that it waits at its end until ReadySet has moved, as without `run`. SIGTERM ends that wait
#: then, and nothing else.
AWAIT_READYSET = "DESTINATION_READYSET_AWAIT_READYSET"
#: Seconds that processes have to end by themselves.
ENDING_SECONDS = 60.0

_PR_SET_PDEATHSIG = 1


@dataclass
class Outcome:
    """What became of a round.

    Attributes:
        codes: The exit codes of the source and the destination; negative for a signal.
        errors: The errors of both, in order.
        states: How many states were committed.
    """

    codes: tuple[int, int] = (0, 0)
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    states: int = 0

    @property
    def trouble(self) -> str:
        """How it ended; empty if it ended well."""
        source, destination = self.codes
        if destination and source in (1, -signal.SIGTERM):
            # It was asked to end then, or had nobody to write to.
            source = 0
        words = [
            f"the {who} was killed by {signal.Signals(-code).name}" if code < 0 else f"the {who} ended with {code}"
            for who, code in (("source", source), ("destination", destination))
            if code
        ]
        text = " and ".join(words)
        return f"{text[:1].upper()}{text[1:]}." if text else ""

    @property
    def advice(self) -> str:
        """What the user has to do, each thing once."""
        texts = [str(error["message"]) for error in self.errors if error.get("failure_type") == "config_error"]
        return " ".join(dict.fromkeys(texts))

    @property
    def is_config_error(self) -> bool:
        """Whether only the user can mend it: the destination, if it failed, failed for such a reason too."""
        own = [error for error in self.errors if error.get("from") != "source"]
        if self.codes[1]:
            return bool(own) and own[-1].get("failure_type") == "config_error"
        return self.codes[0] > 0 and any(error.get("failure_type") == "config_error" for error in self.errors)


class Round:
    """The processes of a round.

    Args:
        source: The source's command line.
        destination: The destination's.
        awaits_readyset: Whether the destination waits at its end until ReadySet has moved.
    """

    def __init__(self, source: Sequence[str], destination: Sequence[str], *, awaits_readyset: bool = False) -> None:
        self._awaits_readyset = awaits_readyset
        wishes = {PASS_ON: "1", **({AWAIT_READYSET: "1"} if awaits_readyset else {})}
        # Signals are for the runner, which passes them on: not for all processes of a terminal.
        self._source = subprocess.Popen(
            source, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_with_parent
        )
        try:
            self._destination = subprocess.Popen(
                destination,
                stdin=self._source.stdout,
                stdout=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_with_parent,
                env={**os.environ, **wishes},
            )
        except BaseException:
            self._source.kill()
            self._source.wait()
            raise
        if self._source.stdout is not None:
            self._source.stdout.close()  # the destination has it
        self._timer: threading.Timer | None = None
        self._stopping = threading.Lock()

    @property
    def is_stopping(self) -> bool:
        """Whether the source was asked to end."""
        return self._timer is not None

    @property
    def pids(self) -> tuple[int, int]:
        """The process ids of the source and the destination."""
        return self._source.pid, self._destination.pid

    def stop(self) -> None:
        """Asks the source, once, to end with a state; what does not end in time is killed. Any thread may call."""
        with self._stopping:
            if self._timer is not None:
                return
            # A second signal would end the source at once.
            if self._source.poll() is None:
                self._source.send_signal(signal.SIGTERM)
            if self._awaits_readyset and self._destination.poll() is None:
                self._destination.send_signal(signal.SIGTERM)
            self._timer = threading.Timer(ENDING_SECONDS, self._kill)
            self._timer.daemon = True
            self._timer.start()

    def run(self, take: Callable[[dict[str, Any]], None]) -> Outcome:
        """Hands over messages until both processes have ended.

        Args:
            take: Is called with each message.
        """
        outcome = Outcome()
        try:
            for line in self._destination.stdout or ():
                try:
                    message = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                outcome.states += message.get("type") == "STATE"
                if message.get("type") == "TRACE" and message["trace"].get("type") == "ERROR":
                    outcome.errors.append({**message["trace"]["error"], "from": message.get("from", "destination")})
                take(message)
            # Nobody reads the source any more.
            self.stop()
        except BaseException:
            self._kill()
            raise
        finally:
            outcome.codes = self._source.wait(), self._destination.wait()
            if self._timer is not None:
                self._timer.cancel()
            if self._destination.stdout is not None:
                self._destination.stdout.close()
        return outcome

    def _kill(self) -> None:
        for process in (self._source, self._destination):
            with contextlib.suppress(ProcessLookupError):
                process.kill()


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _with_parent() -> None:
    """Has a process end when the runner is killed, however that happens; on Linux, others notice by their pipes."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
