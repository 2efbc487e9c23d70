"""Writes the functions that decode a table's rows: Python source, from the columns' types.

Column names are not part of the source: they stand in the templates. Of a column's codec, `inline` is: an expression
of this project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import orjson

from source_vitess.rows.columns import NULL_LENGTH, DecodedColumn
from source_vitess.types.codec import Codec


def compile_walk(
    columns: Sequence[DecodedColumn],
    *,
    copied: bool,
    unpack: Callable[[bytes, int], Sequence[int]],
    misfit: Callable[[Sequence[int], bytes], None],
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Makes the two functions that take a row's lengths and values: to its members, and to its key's raw values.

    Args:
        columns: In the order of the row.
        copied: For rows of a copy.
        unpack: Decodes lengths that are longer than a byte each, for so many columns.
        misfit: Called for a row whose values do not end where its lengths say; raises.
    """
    names = _compile(
        walk_source(columns, copied=copied), columns, template=_template(columns), unpack=unpack, misfit=misfit
    )
    return names["decode"], names["key"]


def compile_form(columns: Sequence[DecodedColumn], nulls: Collection[int], *, copied: bool) -> Callable[..., bytes]:
    """Makes the function for rows in which the columns of these indexes are NULL, and no others.

    It takes what splits the values of the selected columns that are not NULL, and the values.
    """
    form: Callable[..., bytes] = _compile(
        form_source(columns, nulls, copied=copied), columns, template=_template(columns, nulls)
    )["form"]
    return form


def walk_source(columns: Sequence[DecodedColumn], *, copied: bool) -> str:
    """Writes the source of `decode` and `key`."""
    lines = [
        "def decode(lengths, values):",
        # As many bytes as columns: each length is one byte. Iterating bytes gives the same numbers as unpacking.
        f"    if len(lengths) != {len(columns)}: lengths = unpack(lengths, {len(columns)})",
        "    at = 0",
    ]
    members: list[str] = []
    for index, column in enumerate(columns):
        lines.append(f"    size = lengths[{index}]")
        if column.codec is None:
            lines.append(f"    if size != {NULL_LENGTH}: at += size >> 1")
            continue
        members.append(f"v{index}")
        lines += [
            f"    if size == {NULL_LENGTH}: v{index} = b'null'",
            "    else:",
            "        end = at + (size >> 1)",
            "        v = values[at:end]",
            f"        v{index} = {_expression(column.codec, index, 'v', copied=copied)}",
            "        at = end",
        ]
    lines += [
        "    if at != len(values): misfit(lengths, values)",
        f"    return template % ({', '.join(members)}{',' if members else ''})",
        "",
        *_key_lines(columns),
    ]
    return "\n".join(lines) + "\n"


def _key_lines(columns: Sequence[DecodedColumn]) -> list[str]:
    """Writes `key`, which walks a row no further than to the last key column."""
    keys = [index for index, column in enumerate(columns) if column.key] or list(range(len(columns)))
    lines = [
        "def key(lengths, values):",
        f"    if len(lengths) != {len(columns)}: lengths = unpack(lengths, {len(columns)})",
        "    at = 0",
    ]
    for index in range(max(keys, default=-1) + 1):
        lines.append(f"    size = lengths[{index}]")
        if index in keys:
            lines.append(f"    v{index} = None if size == {NULL_LENGTH} else values[at:at + (size >> 1)]")
        lines.append(f"    if size != {NULL_LENGTH}: at += size >> 1")
    return [*lines, f"    return ({''.join(f'v{index}, ' for index in keys)})"]


def form_source(columns: Sequence[DecodedColumn], nulls: Collection[int], *, copied: bool) -> str:
    """Writes the source of `form`."""
    there = {index: column.codec for index, column in enumerate(columns) if column.codec and index not in nulls}
    names = [f"v{index}, " for index in there]
    members = [f"{_expression(codec, index, f'v{index}', copied=copied)}, " for index, codec in there.items()]
    lines = [
        "def form(split, values):",
        f"    ({''.join(names)}) = split(values)",
        f"    return template % ({''.join(members)})",
    ]
    return "\n".join(lines) + "\n"


def _expression(codec: Codec, index: int, value: str, *, copied: bool) -> str:
    """Writes what a value becomes: the codec's names are made this column's own."""
    if codec.encode is None:
        return value
    expression = (codec.inline_copied if copied else None) or codec.inline or "encode(v)"
    return re.sub(r"\bv\b", value, re.sub(r"\bencode\b", f"encode{index}", expression))


def _template(columns: Sequence[DecodedColumn], nulls: Collection[int] = ()) -> bytes:
    return b"".join(
        orjson.dumps(column.name).replace(b"%", b"%%") + (b":null," if index in nulls else b":%b,")
        for index, column in enumerate(columns)
        if column.codec
    )


def _compile(source: str, columns: Sequence[DecodedColumn], **names: object) -> Mapping[str, Any]:
    given: dict[str, Any] = {"dumps": orjson.dumps, **names}
    for index, column in enumerate(columns):
        if column.codec and column.codec.encode:
            given[f"encode{index}"] = column.codec.encode
    exec(compile(source, "<row decoder>", "exec"), given)  # noqa: S102 - the source holds numbers and our expressions
    return given
