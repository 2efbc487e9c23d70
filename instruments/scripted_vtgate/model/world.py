"""Where Vitess has a choice, and where time passes: hooks of the model. As they are here, nothing is by chance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instruments.scripted_vtgate.model.shard import Shard, Tablet


class World:
    """Chooses the first, and waits in real time. A search puts another one in its place."""

    def pick(self, shard: Shard, candidates: Sequence[Tablet]) -> Tablet:
        """Returns which of several tablets answers, at least one.

        VTGate chooses at random, for each query and each stream (go/vt/vtgate/tabletgateway.go and
        go/vt/discovery/tablet_picker.go).
        """
        return candidates[0]

    def moment(self, what: str) -> None:
        """Something is about to happen, before which other things may."""

    def sent(self, shard: str, gtid: str) -> None:
        """A client gets changes or copied rows up to a position."""

    def wait(self, changed: threading.Condition, ready: Callable[[], bool], seconds: float | None) -> bool:
        """Waits until there is something to send; returns False if the time is over before."""
        return changed.wait_for(ready, seconds)
