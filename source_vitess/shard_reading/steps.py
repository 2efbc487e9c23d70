"""From a position to the next one that is read up to, as one batch.

A batch goes, in each shard, from a position to a later one, or up to the journal in which the shard ends. So a reshard
is a border between batches: the one before it ends where all shards that took part have ended, and the one behind it
begins where the journal says that the new shards begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from source_vitess.errors import ConfigError, TransientError
from source_vitess.position.gtid import FLAVOR, GtidSet
from source_vitess.position.vgtid import Vgtid, contains, gtid_set, union
from source_vitess.shard_reading.changes import Span
from source_vitess.shard_reading.interfaces import Keyspace


def next_position(vitess: Keyspace, here: Vgtid, target: Vgtid, most: int | None = None) -> Vgtid:
    """Returns the position at the end of the next batch, which is `here` again if there is nothing to read.

    Args:
        vitess: The keyspace.
        here: The position at which the batch begins.
        target: A position of all shards that serve, which is to be reached.
        most: Transactions of a shard after which the batch ends there; None for no limit.

    Raises:
        PositionLostError: A shard was resharded, and is gone.
        ConfigError: The target is of other shards, and no reshard leads there.
        TransientError: A journal is not to be had now.
    """
    ended = [shard for shard in here.shards if shard not in target.shards]
    if not ended and (others := target.shards.keys() - here.shards.keys()):
        raise ConfigError(
            f"The position that changes go on from is not of the shard {', '.join(sorted(others))}, which is to be "
            "read now. Set the option shards back, or start a new query with a new checkpoint."
        )
    passed, begun = _journals(vitess, here, ended)
    if ended and not passed:
        raise TransientError(f"The reshard of shard {', '.join(ended)} is not over yet.")
    shards = {
        shard: _limited(gtid, target.shards[shard], most) if shard in target.shards else gtid
        for shard, gtid in here.shards.items()
        if shard not in passed
    }
    reached = Vgtid(here.keyspace, {**shards, **begun})
    return here if reached == here else reached


def spans(start: Vgtid, end: Vgtid) -> Iterator[Span]:
    """Yields what there is to read from a position to the one that `next_position` has returned for it."""
    for shard, gtid in start.shards.items():
        if shard not in end.shards:
            yield Span(start.keyspace, shard, gtid, None)
        elif not contains(gtid, end.shards[shard]):
            yield Span(start.keyspace, shard, gtid, end.shards[shard])


def _journals(vitess: Keyspace, here: Vgtid, ended: Sequence[str]) -> tuple[frozenset[str], Mapping[str, str]]:
    """Returns the shards that are read up to their journals next, and where the new ones begin.

    A shard that is merged with one that comes out of another reshard has to wait until that one is here.
    """
    passed: set[str] = set()
    begun: dict[str, str] = {}
    for shard in ended:
        if shard in passed:
            continue
        journal = vitess.next_journal(shard, here.shards[shard])
        if journal.participants <= here.shards.keys():
            passed |= journal.participants
            begun.update(journal.begun)
    return frozenset(passed), begun


def _limited(gtid: str, target: str, most: int | None) -> str:
    """Returns the position that is reached from another one by a number of transactions on the way to a third.

    Transactions of one server are in the order of their numbers. Of several servers it is not known which came first:
    then all are read.
    """
    missing = gtid_set(target) - gtid_set(gtid)
    if not missing:
        return gtid
    if most is None or len(missing) <= most or len(missing.intervals) > 1:
        return union(gtid, target)
    [(uuid, intervals)] = missing.intervals.items()
    taken: list[tuple[int, int]] = []
    for first, end in intervals:
        if most:
            taken.append((first, min(end, first + most)))
            most -= taken[-1][1] - first
    return f"{FLAVOR}/{gtid_set(gtid) | GtidSet({uuid: tuple(taken)})}"
