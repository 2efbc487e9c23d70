"""Which streams `run` has to copy anew, and why: what a round of the source said of it.

- A state of the source names the streams that cannot go on, as after a TRUNCATE; their errors came just before it.
- An error of the source says that the saved position is lost: then no stream can go on.

The source's errors tell the user to refresh. Where that is done for him they are held back until the next state, which
tells whether something else was meant by them; if none comes, they come again with the next round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: The source's option for a lost position, and its value that leaves rows in place that are gone in the keyspace.
LOST_POSITION = "invalid_cdc_position_behavior"
RESYNC, FAIL = "Re-sync data", "Fail sync"

#: For a user who has not said so yet.
REFRESH_ADVICE = (
    "With --on-refresh-needed refresh, `run` does that by itself: it copies these tables anew, and deletes the rows "
    "that are gone."
)

#: How the source's texts end, which are written for somebody who has to do something.
_ADVICE = re.compile(r"\s*(Refresh this stream|Re-sync the data)\b.*$", re.DOTALL)

Json = dict[str, Any]


class Refreshes:
    """What is known in a round.

    Args:
        wanted: Whether the user has said that they are done.
        followed: The streams that have a position.
    """

    def __init__(self, *, wanted: bool, followed: Sequence[str] = ()) -> None:
        self._wanted = wanted
        self._followed = followed
        self._of_streams: dict[str, str] = {}
        self._lost = ""
        self._held: list[Json] = []

    @property
    def reasons(self) -> Mapping[str, str]:
        """By stream, why it has to be refreshed."""
        return dict.fromkeys(self._followed, self._lost) if self._lost else self._of_streams

    @property
    def is_position_lost(self) -> bool:
        """Whether all have to be."""
        return bool(self._lost)

    def holds(self, message: Json) -> bool:
        """Takes a message of the source, and returns whether nobody needs to be told now."""
        error = _error(message)
        if message.get("from") != "source" or error.get("failure_type") != "config_error":
            return False
        if error.get("position_lost"):
            self._lost = short(str(error["message"]))
            return self._wanted
        if not self._wanted:
            return False
        if error.get("stream_descriptor"):
            self._held.append(message)
            return True
        # That some streams did not sync, which their own errors say better.
        return bool(self._of_streams)

    def take_state(self, state: Mapping[str, Any]) -> list[Json]:
        """Takes a state of the source, and returns errors that were held back and mean something else."""
        self._of_streams = {}
        for stream in (state.get("global") or {}).get("stream_states") or []:
            reason = (stream.get("stream_state") or {}).get("refresh_needed")
            if reason:
                self._of_streams[stream["stream_descriptor"]["name"]] = short(str(reason))
        held, self._held = self._held, []
        return [message for message in held if _stream(message) not in self._of_streams]


def short(text: str) -> str:
    """Returns a text of the source without its advice to refresh."""
    return _ADVICE.sub("", text) or text


def _error(message: Json) -> Mapping[str, Any]:
    return (message.get("trace") or {}).get("error") or {}


def _stream(message: Json) -> str:
    return str(_error(message)["stream_descriptor"]["name"])
