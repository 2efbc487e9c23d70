"""The type matrix knows which release of Vitess sends what."""

from __future__ import annotations

import pytest

from instruments.type_matrix import ENUMS_AND_SETS, INTEGERS, STRING, MatrixColumn, MatrixTable, Value

_VALUE = Value("1", "copied", "changed", changed_altered=True, since="20.0.0", mended=("23.0.6", "24.0.3"))


@pytest.mark.parametrize(
    ("vitess", "differs"),
    [
        ("19.0.9", False),
        ("20.0.0", True),
        ("22.0.9", True),
        ("23.0.3", True),
        ("23.0.6", False),
        ("24.0.0", True),
        ("24.0.3", False),
        ("25.0.0", False),
    ],
)
def test_a_value_differs_from_one_release_to_another(vitess: str, differs: bool) -> None:
    """A mend came in a release of each major version, and counts for all later ones."""
    table = MatrixTable("t", [MatrixColumn("c", "TEXT", STRING, [_VALUE])]).on(vitess)

    assert table.expected(0, changed=True) == {"c": "changed" if differs else "copied"}
    assert table.altered(0, changed=True) == ({"c"} if differs else set())
    assert table.expected(0, changed=False) == {"c": "copied"}
    assert table.altered(0, changed=False) == set()


def test_a_value_that_no_release_gives_right() -> None:
    """Without a mend it is as it is in all of them."""
    table = MatrixTable("t", [MatrixColumn("c", "TEXT", STRING, [Value("1", "copied", "changed")])])

    assert {table.on(vitess).expected(0, changed=True)["c"] for vitess in ("19.0.0", "24.0.4")} == {"changed"}


def test_a_column_that_a_release_does_not_survive() -> None:
    """It is left out there, and nothing else is."""
    left_out = {column.name for column in ENUMS_AND_SETS.columns} - {
        column.name for column in ENUMS_AND_SETS.on("19.0.9").columns
    }

    assert left_out == {"binary_"}
    assert ENUMS_AND_SETS.on("20.0.8").rows == ENUMS_AND_SETS.rows
    assert INTEGERS.on("19.0.9") == INTEGERS
