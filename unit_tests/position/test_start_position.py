"""Positions that users give: the forms in which they are at hand, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from source_vitess.errors import ConfigError
from source_vitess.position.start_position import parse_start_position

SET = "7ebda962-5f1c-11ee-8c99-0242ac120002:1-397"
SHARDS = [{"keyspace": "shop", "shard": name, "gtid": f"MySQL56/{SET}"} for name in ("-80", "80-")]


@pytest.mark.parametrize(
    "value",
    [
        SHARDS,
        [{**entry, "table_p_ks": []} for entry in SHARDS],
        [{**entry, "gtid": SET} for entry in SHARDS],
        {"shard_gtids": SHARDS},
        {"shardGtids": [{**entry, "tablePKs": []} for entry in SHARDS]},
        {"version": 2, "vgtid": SHARDS, "cursor": 5},
        {"transaction_id": None, "vgtid": json.dumps([{**entry, "table_p_ks": []} for entry in SHARDS])},
        {
            "transaction_id": json.dumps([{**entry, "table_p_ks": []} for entry in SHARDS]),
            "vgtid": json.dumps([{**entry, "table_p_ks": []} for entry in SHARDS]),
            "connector_generation": 0,
            "transaction_data_collection_order_80-.shop.customers": 1,
            "transaction_epoch": '{"-80":1,"80-":1}',
        },
        {
            "offsets": [
                {
                    "partition": {"server": "shop", "task_key": f"task{task}_2_0"},
                    "offset": {"transaction_id": None, "vgtid": json.dumps([{**entry, "table_p_ks": []}])},
                }
                for task, entry in enumerate(SHARDS)
            ]
        },
    ],
)
def test_forms(value: Any) -> None:
    """This connector's state, VStream's JSON, Debezium's offsets, and GTID sets as MySQL writes them."""
    for text in (json.dumps(value), json.dumps(value, indent=2)):
        found = parse_start_position(text, "shop")
        assert found.to_json() == SHARDS


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("now", "cannot be used: it is not JSON. Found 'now'"),
        ("[" * 100_000, "it is not JSON"),
        ("7", "a list with an entry for each shard"),
        ("[]", "a list with an entry for each shard"),
        ("[7]", "the texts keyspace, shard and gtid"),
        ("{}", "has it as vgtid or shard_gtids"),
        ('{"vgtid": "x"}', "it is not JSON"),
        (json.dumps([{**SHARDS[0], "gtid": "current"}]), "has no position to continue from|unsupported|not a"),
        (json.dumps([{**SHARDS[0], "gtid": ""}]), "has no position to continue from"),
        (json.dumps([{**SHARDS[0], "gtid": "MySQL56/nonsense"}]), "cannot be used: "),
        (json.dumps([{**SHARDS[0], "gtid": "MariaDB/0-1-2"}]), "unsupported kind: 'MariaDB'"),
        (json.dumps([{**SHARDS[0], "gtid": 7}]), "the texts keyspace, shard and gtid"),
        (json.dumps([SHARDS[0], SHARDS[0]]), "shard '-80' is listed twice"),
        (json.dumps([SHARDS[0], {**SHARDS[1], "keyspace": "b"}]), "a position of several keyspaces: b, shop"),
        (
            json.dumps([{**entry, "keyspace": "b"} for entry in SHARDS]),
            "is of keyspace 'b', and the source reads 'shop'",
        ),
        ('{"offsets": []}', "a list of partition and offset"),
        ('{"offsets": [{"offset": null}]}', "a list of partition and offset"),
        ('{"offsets": [{"offset": {"offsets": []}}]}', "a list of partition and offset"),
        ('{"offsets": [{"offset": {"pos": 4}}]}', "has it as vgtid or shard_gtids"),
        (
            json.dumps({"offsets": [{"offset": {"vgtid": json.dumps(SHARDS)}}] * 2}),
            "shard '-80' is listed twice",
        ),
        (json.dumps([{**SHARDS[0], "table_p_ks": [{"table_name": "t"}]}]), "of a copy that is not finished"),
    ],
)
def test_what_is_no_position(value: str, words: str) -> None:
    """The message names the field, says why, and shows the beginning of what was found."""
    with pytest.raises(ConfigError, match=words) as caught:
        parse_start_position(value, "shop")
    assert caught.value.message.startswith("The field start_position ")
    assert repr(value)[:40] in caught.value.message
    assert len(caught.value.message) < 300
