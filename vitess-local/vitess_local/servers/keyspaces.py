"""Shard names, and the `keyspace:shards` notation of the command line.

A shard is named after its key range in hexadecimal, `start-end`, an empty side
meaning unbounded; the single shard of an unsharded keyspace is named `0`
(Vitess, go/vt/key and go/vt/topo/shard.go).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_KEYSPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_RANGE = re.compile(r"((?:[0-9a-f]{2})*)-((?:[0-9a-f]{2})*)")
_MAX_SHARDS = 256

# What a caller may write for shards: a number, `-80,80-`, or a list of names.
Shards = int | str | Sequence[str]


def equal_shards(count: int) -> tuple[str, ...]:
    """Return the names of `count` shards that divide the key space evenly.

    One shard is the unsharded keyspace `0`; bounds are rounded down to whole bytes,
    as `vtctldclient GenerateShardRanges` does.
    """
    if count == 1:
        return ("0",)
    if not 1 < count <= _MAX_SHARDS:
        raise ValueError(f"a keyspace has 1 to {_MAX_SHARDS} shards, not {count}")
    bounds = ["", *(f"{index * 256 // count:02x}" for index in range(1, count)), ""]
    return tuple(f"{start}-{end}" for start, end in pairwise(bounds))


def parse_shards(text: str) -> tuple[str, ...]:
    """Parse a comma-separated list of shard names, such as `-80,80-`."""
    shards = tuple(text.split(","))
    for shard in shards:
        if shard == "0":
            continue
        match = _RANGE.fullmatch(shard)
        if match is None:
            raise ValueError(f"{shard!r} is no shard name such as -80, 40-80, c0- or 0")
        start, end = match.groups()
        if start and end and start >= end:
            raise ValueError(f"the key range {shard} is empty")
    if len(set(shards)) != len(shards):
        raise ValueError(f"{text!r} names a shard twice")
    return shards


def shard_names(shards: Shards) -> tuple[str, ...]:
    """Return the names for any way of writing shards."""
    if isinstance(shards, int):
        return equal_shards(shards)
    return parse_shards(shards if isinstance(shards, str) else ",".join(shards))


def covers_everything(shards: tuple[str, ...]) -> bool:
    """Return whether the shards divide the whole key space without gap or overlap."""
    if shards == ("0",):
        return True
    ranges = sorted(tuple(shard.split("-")) for shard in shards if "-" in shard)
    if len(ranges) != len(shards):
        return False
    expected = ""
    for index, (start, end) in enumerate(ranges):
        if start != expected or (end == "") != (index == len(ranges) - 1):
            return False
        expected = end
    return True


@dataclass(frozen=True)
class KeyspaceSpec:
    """A keyspace and the shards it starts with."""

    name: str
    shards: tuple[str, ...]

    @property
    def is_sharded(self) -> bool:
        """Return whether the keyspace needs a sharded VSchema."""
        return self.shards != ("0",)

    @classmethod
    def of(cls, name: str, shards: Shards) -> KeyspaceSpec:
        """Return a keyspace after checking its name and that its shards fit together."""
        if _KEYSPACE.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no keyspace name")
        names = shard_names(shards)
        if not covers_everything(names):
            raise ValueError(f"the shards {','.join(names)} do not divide the key space without gap or overlap")
        return cls(name, names)

    @classmethod
    def parse(cls, text: str) -> KeyspaceSpec:
        """Parse `name`, `name:2` or `name:-40,40-`."""
        name, _, rest = text.partition(":")
        is_count = rest.isdecimal() and rest != "0"
        return cls.of(name, int(rest) if is_count else rest or 1)


def parse_keyspace_shard(text: str) -> tuple[str, str]:
    """Parse `keyspace/shard`, or `keyspace:shard` as VTGate's targets write it."""
    keyspace, separator, shard = text.replace(":", "/", 1).partition("/")
    if not separator or not keyspace:
        raise ValueError(f"{text!r} is not of the form keyspace/shard")
    (only,) = parse_shards(shard)
    return keyspace, only
