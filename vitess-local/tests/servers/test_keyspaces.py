"""Shard names and the notation of keyspaces."""

import pytest

from vitess_local.servers.keyspaces import (
    KeyspaceSpec,
    covers_everything,
    equal_shards,
    parse_keyspace_shard,
    parse_shards,
    shard_names,
)


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (1, ("0",)),
        (2, ("-80", "80-")),
        # The bounds that `vtctldclient GenerateShardRanges` 24.0.0 printed.
        (3, ("-55", "55-aa", "aa-")),
        (4, ("-40", "40-80", "80-c0", "c0-")),
        (5, ("-33", "33-66", "66-99", "99-cc", "cc-")),
    ],
)
def test_equal_shards_are_named_as_vitess_names_them(count: int, names: tuple[str, ...]) -> None:
    """A number of shards becomes the names Vitess would generate."""
    assert names == equal_shards(count)


@pytest.mark.parametrize("count", range(1, 257))
def test_equal_shards_cover_the_key_space(count: int) -> None:
    """No number of shards leaves a gap."""
    shards = equal_shards(count)

    assert len(shards) == count
    assert covers_everything(shards)


@pytest.mark.parametrize("count", [0, -1, 257])
def test_impossible_numbers_of_shards_are_refused(count: int) -> None:
    """One byte of key range names at most 256 shards."""
    with pytest.raises(ValueError, match="1 to 256"):
        equal_shards(count)


@pytest.mark.parametrize("text", ["", "80", "-8", "8-", "-80,", "-80,-80", "80-40", "-G0", "1", "a/b"])
def test_wrong_shard_names_are_refused(text: str) -> None:
    """A typing error is found before a cluster is started with it."""
    with pytest.raises(ValueError, match=r"shard|range"):
        parse_shards(text)


@pytest.mark.parametrize(
    ("shards", "covered"),
    [
        (("0",), True),
        (("-",), True),
        (("80-", "-80"), True),
        (("-40", "40-"), True),
        (("-8080", "8080-"), True),
        (("-40", "80-"), False),
        (("-80", "40-"), False),
        (("-80",), False),
        (("80-",), False),
        (("0", "-80", "80-"), False),
        (("-", "80-"), False),
    ],
)
def test_gaps_and_overlaps_are_noticed(shards: tuple[str, ...], covered: bool) -> None:
    """A keyspace starts with shards that divide the whole key space."""
    assert covered == covers_everything(shards)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("main", KeyspaceSpec("main", ("0",))),
        ("main:1", KeyspaceSpec("main", ("0",))),
        ("main:0", KeyspaceSpec("main", ("0",))),
        ("commerce:2", KeyspaceSpec("commerce", ("-80", "80-"))),
        ("commerce:-", KeyspaceSpec("commerce", ("-",))),
        ("commerce:-40,40-", KeyspaceSpec("commerce", ("-40", "40-"))),
    ],
)
def test_keyspaces_are_written_as_a_name_and_shards(text: str, spec: KeyspaceSpec) -> None:
    """A number means equal shards, anything else is a list of names."""
    assert spec == KeyspaceSpec.parse(text)


@pytest.mark.parametrize("text", ["", ":2", "a/b:2", "a b", "commerce:-40", "commerce:x", "-80"])
def test_wrong_keyspaces_are_refused(text: str) -> None:
    """Names that Vitess would refuse later are refused now."""
    with pytest.raises(ValueError, match=r"keyspace|shard|divide"):
        KeyspaceSpec.parse(text)


def test_only_shard_0_is_unsharded() -> None:
    """A single shard `-` is a sharded keyspace, which can be split later as it is."""
    assert not KeyspaceSpec.parse("main:1").is_sharded
    assert KeyspaceSpec.parse("main:-").is_sharded


def test_shards_can_be_given_as_number_text_or_list() -> None:
    """The Python interface takes what is convenient."""
    assert shard_names(2) == shard_names("-80,80-") == shard_names(["-80", "80-"])


@pytest.mark.parametrize("text", ["commerce/-80", "commerce:-80"])
def test_a_shard_is_written_with_a_slash_or_a_colon(text: str) -> None:
    """Vitess' commands use the one, its SQL targets the other."""
    assert parse_keyspace_shard(text) == ("commerce", "-80")


@pytest.mark.parametrize("text", ["commerce", "/-80", "commerce/", "commerce/-80,80-"])
def test_what_is_no_single_shard_is_refused(text: str) -> None:
    """An operation on one shard must not guess which."""
    with pytest.raises(ValueError, match=r"form|shard|unpack"):
        parse_keyspace_shard(text)
