"""Stand-in, replaced by the measured one."""

from __future__ import annotations

from source_vitess.schema import Column

_BAD = ("enum", "set", "float", "double")


def is_resumable(column: Column) -> bool:
    """Tells whether a key column compares as it is ordered."""
    return not column.column_type.lower().startswith(_BAD)
