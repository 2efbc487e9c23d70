"""Tables of a run of which only some rows are read (`row_filters`), and their conditions.

Each condition is on columns that no schema change touches and that the writer's updates change, so that rows leave and
enter it all the time, in some tables by a change of their key.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from integration_tests.chaos.tables import COMMON, Table

#: How many tables are filtered beside customers, which every run has and copies most often.
OTHERS = 2

#: By table that runs have in common.
_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "customers": ("seen is not null and n >= 1000", "seen >= '2024-02-14 12:00:00'"),
    "order_items": ("price > 0 and line < 40", "price is null"),
    "codes": ("kind is not null",),
    "words": ("shown is null",),
    "rates": ("rate > 0",),
}
#: Of a run's own tables, by their column `v`.
_OWN = ("v is not null", "v >= 'v3' and v < 'w5'", "v between 'w' and 'w6'")


def choose_filters(tables: Mapping[str, Table], seed: int) -> Mapping[str, str]:
    """Chooses tables and a condition for each, by the seed; all else that a run chooses is the same without it."""
    rnd = random.Random(f"filters of {seed}")  # noqa: S311 - test data
    own = [name for name, table in tables.items() if name not in COMMON and table.is_transactional]
    others = [name for name in tables if name in _CONDITIONS and name != "customers"]
    chosen = ["customers", *rnd.sample([*others, *own], OTHERS)]
    return {name: rnd.choice(_CONDITIONS.get(name, _OWN)) for name in chosen}


def to_config(filters: Mapping[str, str]) -> dict[str, Any]:
    """Returns the part of a configuration that has the connector read these rows only."""
    return {"row_filters": [{"table": table, "condition": condition} for table, condition in filters.items()]}
