"""Writes the function that renders a table's rows as SQL: Python source, from the columns' encoders.

Column names are not part of the source: of a column, only `values.INLINE` is, expressions of this project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from destination_readyset.tables import ServedColumn, ServedTable
from destination_readyset.values import INLINE, NULL, UnfitValueError

#: Takes the data of a record and returns the SQL of its key (empty without one) and of its row.
Render = Callable[[Mapping[str, Any]], tuple[str, str]]


def compile_render(table: ServedTable) -> Render:
    """Makes a table's function.

    It raises UnfitValueError for a row that has to be looked at value by value: a value that does not fit, a key that
    is missing, an ENUM's invalid value.
    """
    given: dict[str, Any] = {"UnfitValueError": UnfitValueError}
    for index, column in enumerate(table.columns):
        given[f"name{index}"], given[f"encode{index}"] = column.name, column.encode
        given[f"compare{index}"] = column.compare
    exec(compile(_source(table), "<row renderer>", "exec"), given)  # noqa: S102 - the source holds numbers and our expressions
    render: Render = given["render"]
    return render


def _source(table: ServedTable) -> str:
    lines = ["def render(data):", "    get = data.get"]
    keys: dict[str, str] = {}
    for index, column in enumerate(table.columns):
        lines.append(f"    v = get(name{index})")
        if column.name in table.key:
            lines.append("    if v is None: raise UnfitValueError")
            keys[column.name] = f"v{index}"
            if column.compare is not column.encode:
                keys[column.name] = f"k{index}"
                lines.append(f"    k{index} = compare{index}(v)")
        lines.append(f"    v{index} = {_expression(column, index)}")
        if column.has_invalid_value:
            lines.append(f"    if v{index} == \"''\": raise UnfitValueError")
    parts = ", ".join(f"{{{keys[name]}}}" for name in table.key)
    key = f'f"({parts})"' if len(keys) > 1 else "".join(keys.values()) or "''"
    row = ", ".join(f"{{v{index}}}" for index in range(len(table.columns)))
    # A whole number as a key is no text yet.
    lines.append(f'    return {key if len(keys) != 1 else f"str({key})"}, f"({row})"')
    return "\n".join(lines) + "\n"


def _expression(column: ServedColumn, index: int) -> str:
    """Writes what a value becomes: without a call where it is of the usual kind."""
    inline = INLINE.get(column.encode)
    usual = f"{inline} else " if inline else ""
    return re.sub(r"\bencode\b", f"encode{index}", f"{usual}'{NULL}' if v is None else encode(v)")
