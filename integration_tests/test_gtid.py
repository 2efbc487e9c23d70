"""The algebra of GTID sets, with MySQL's own GTID_SUBSET and GTID_SUBTRACT as the oracle."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import hypothesis
from hypothesis import Phase, settings
from hypothesis import strategies as st
from vitess_local.cluster import Cluster

from source_vitess.position.gtid import GtidSet

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

#: Few servers and few numbers, so that sets overlap, touch and hold each other; and MySQL's last number.
SERVERS = [f"{digit * 8}-{digit * 4}-{digit * 4}-{digit * 4}-{digit * 12}" for digit in "0aF9"]
LAST_NUMBER = 2**63 - 2

NUMBERS = st.one_of(st.integers(1, 30), st.integers(LAST_NUMBER - 20, LAST_NUMBER))


@st.composite
def intervals(draw: st.DrawFn) -> str:
    """Makes `5` or `5-9`."""
    first = draw(NUMBERS)
    last = min(first + draw(st.integers(0, 12)), LAST_NUMBER)
    return str(first) if first == last else f"{first}-{last}"


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Makes a set as a person might write it: servers and intervals in any order, twice, overlapping, with spaces."""
    parts = draw(st.lists(st.tuples(st.sampled_from(SERVERS), st.lists(intervals(), min_size=1)), max_size=6))
    separator = draw(st.sampled_from([",", ", ", ",\n"]))
    return separator.join(":".join([server, *numbers]) for server, numbers in parts)


#: How many pairs of sets are compared, and how many of them in one statement.
PAIRS, PAIRS_A_STATEMENT = 400, 80


def made_pairs() -> list[tuple[str, str]]:
    """Makes pairs of sets."""
    pairs: list[tuple[str, str]] = []

    @hypothesis.seed(SEED)
    @settings(max_examples=PAIRS, deadline=None, database=None, phases=[Phase.generate])
    @hypothesis.given(texts(), texts())
    def collect(x: str, y: str) -> None:
        pairs.append((x, y))

    collect()
    return pairs


def test_operators_agree_with_mysql(cluster: Cluster) -> None:
    """Containment, difference, union, intersection and the canonical text are MySQL's."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when the test fails
    pairs = made_pairs()
    for start in range(0, len(pairs), PAIRS_A_STATEMENT):
        some = pairs[start : start + PAIRS_A_STATEMENT]
        for (text, other), answer in zip(some, mysqls_answers(cluster, some), strict=True):
            x, y = GtidSet.parse(text), GtidSet.parse(other)
            assert (x <= y, str(x - y), str(x | y), str(x & y)) == answer, (text, other)
            assert GtidSet.parse(f"MySQL56/{x}") == GtidSet.parse(str(x)) == x


def mysqls_answers(cluster: Cluster, pairs: Sequence[tuple[str, str]]) -> list[tuple[bool, str, str, str]]:
    """Asks MySQL whether the first set is in the second, and for difference, union and intersection."""
    statement = " union all ".join(
        "select %s, gtid_subset(%s, %s), gtid_subtract(%s, %s), gtid_subtract(concat(%s, ',', %s), ''), "
        "gtid_subtract(%s, gtid_subtract(%s, %s))"
        for _ in pairs
    )
    values = [value for number, (x, y) in enumerate(pairs) for value in (number, x, y, x, y, x, y, x, x, y)]
    with cluster.connect_tablet("shop/-80") as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = sorted(cursor.fetchall(), key=lambda row: int(row[0]))
    return [
        (bool(subset), *(str(text).replace("\n", "") for text in sets))  # type: ignore[misc] # three texts
        for _, subset, *sets in rows
    ]
