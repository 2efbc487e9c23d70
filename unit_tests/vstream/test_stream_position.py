"""The position of the one shard that is asked for, read out of VGTIDs that name all of them."""

from __future__ import annotations

import os
import random

import pytest

from source_vitess.errors import InternalError
from source_vitess.proto import binlogdata_pb2
from source_vitess.vstream.stream_position import PlacedPosition, ShardPlaces, StreamPosition

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "1"))
#: Some are parts of others, and one is as long as a length of two bytes.
NAMES = ("0", "-", "-8", "-80", "80-", "8", "40-80", "80-c0", "c0-", "größe", "x" * 200)


def vgtid(shards: dict[str, str], keyspace: str = "shop") -> bytes:
    """Returns a VGTID event."""
    entries = [binlogdata_pb2.ShardGtid(keyspace=keyspace, shard=name, gtid=gtid) for name, gtid in shards.items()]
    event = binlogdata_pb2.VEvent(
        type=binlogdata_pb2.VGTID, timestamp=1, keyspace=keyspace, vgtid=binlogdata_pb2.VGtid(shard_gtids=entries)
    )
    return event.SerializeToString()


def gtid(rnd: random.Random) -> str:
    """Returns a position of any length, or none."""
    ranges = ":".join(f"1-{rnd.randrange(1, 10**9)}" for _ in range(rnd.choice([1, 1, 1, 2, 40])))
    return rnd.choice(["", "current", *[f"MySQL56/11111111-1111-1111-1111-111111111111:{ranges}"] * 8])


@pytest.mark.parametrize("keyspace", ["shop", "0", "-80", "80-"])
@pytest.mark.parametrize("seed", [SEED])
def test_places_find_what_the_protocol_says(seed: int, keyspace: str) -> None:
    """As shards speak, come and go: for each of them what a parser of the whole finds, and None for the others."""
    rnd = random.Random(seed)  # noqa: S311 # positions, not secrets
    places, found = ShardPlaces(), 0
    shards = {name: gtid(rnd) for name in NAMES[:5]}
    for _ in range(1_000):
        match rnd.randrange(10):
            case 0:
                shards.pop(rnd.choice(NAMES), None)
            case 1:
                shards[rnd.choice(NAMES)] = gtid(rnd)
            case _ if shards:
                shards[rnd.choice([*shards])] = gtid(rnd)
        raw = vgtid(shards, keyspace)
        asked = rnd.choice(NAMES)
        assert PlacedPosition(raw, places).gtid(asked) == shards.get(asked) == StreamPosition(raw).gtid(asked)
        found += places.gtid(raw, asked) is not None

    assert found > 300  # found in this way, and not by parsing all of it


def test_no_more_than_the_shard_is_read() -> None:
    """What is behind it is not looked at: a thousand other shards cost nothing."""
    whole = vgtid({"-80": "MySQL56/a:1", "40-": "MySQL56/" + "c" * 2_000, "80-": "MySQL56/b:1"})
    cut = whole[: whole.index(b"MySQL56/b") + 4]
    places = ShardPlaces()
    assert PlacedPosition(whole, places).gtid("-80") == "MySQL56/a:1"

    assert PlacedPosition(cut, places).gtid("-80") == "MySQL56/a:1"
    with pytest.raises(InternalError):
        PlacedPosition(cut, places).gtid("80-")
    with pytest.raises(InternalError):
        StreamPosition(cut).gtid("-80")
