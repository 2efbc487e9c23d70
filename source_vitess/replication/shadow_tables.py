"""The swap with which an online schema change ends: a shadow table takes the name of the table whose rows it holds.

Its rows came from the table itself, so the change stream has brought them. A table of any other name has rows of its
own, also if it begins with `_`. So the names have to be exactly those that a tool gives to a table of this name:

- Vitess (go/vt/schema/name.go, tablegc.go, online_ddl.go): `_vt_vrp_<32 hex>_<14 digits>_`, also with `gho` or `new`,
  and for the table before the same with `hld` and so on. Before Vitess 20: `_<uuid>_<14 digits>_vrepl` and
  `_vt_HOLD_<32 hex>_<14 digits>`. These are not bound to the table's name.
- gh-ost (go/base/context.go): `_t_gho`, and `_t_del` or `_t_<14 digits>_del` for the table before; when it reverts,
  these and `_t_rev_del`.
- pt-online-schema-change: `_t_new` and `_t_old`, with up to ten `_`.
- spirit (pkg/migration/check): `_t_new`, and `_t_old` or `_t_old_<8 digits>_<6 digits>`.
- LHM: `lhmn_t` and `lhma_<year>_<month>_…_<milliseconds>_t`.

A name that would be longer than MySQL's 64 characters is cut: in the table's name, or at its end (LHM).
"""

from __future__ import annotations

import re

_LONGEST = 64
_LEAST_CUT = 40

_UUID = "[0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12}"
_VITESS = re.compile(
    rf"_vt_(?:vrp|gho|new|del|hld|prg|evc|drp)_[0-9a-f]{{32}}_\d{{14}}_"
    rf"|_vt_(?:HOLD|PURGE|EVAC|DROP)_[0-9a-f]{{32}}_\d{{14}}"
    rf"|_{_UUID}_\d{{14}}_(?:vrepl|gho|new|del|old)"
)
_VITESS_SHADOW = re.compile(rf"_vt_(?:vrp|gho|new)_[0-9a-f]{{32}}_\d{{14}}_|_{_UUID}_\d{{14}}_(?:vrepl|gho|new)")

#: What stands before and after the table's name: in the shadow's name, and in the one that the table gets.
_FORMS = (
    ("_", "_gho", "_", r"(?:_\d{14})?_del"),
    ("_", r"(?:_\d{14})?_del", "_", r"(?:_\d{14})?_rev_del"),
    ("_{1,10}", "_new", "_{1,10}", "_old"),
    ("_", "_new", "_", r"_old_\d{8}_\d{6}"),
    ("lhmn_", "", r"lhma_\d{4}(?:_\d\d){5}_\d{3}_", ""),
)


def is_shadow(table: str, shadow: str, went_to: str) -> bool:
    """Returns whether a table was replaced by its own new self.

    Args:
        table: The table.
        shadow: The name, before, of the table that has its name now.
        went_to: The name that it has now.
    """
    if _VITESS_SHADOW.fullmatch(shadow) and _VITESS.fullmatch(went_to):
        return True
    return any(
        _fits(table, shadow, before, after) and _fits(table, went_to, old_before, old_after)
        for before, after, old_before, old_after in _FORMS
    )


def _fits(table: str, name: str, before: str, after: str) -> bool:
    """Returns whether a name is a table's between two patterns, cut to the longest that a name may be."""
    if re.fullmatch(before + re.escape(table) + after, name):
        return True
    match = re.fullmatch(f"(?:{before})(.+?)(?:{after})", name)
    if match is None or not table.startswith(match[1]):
        return False
    # spirit cuts to less, for all of its names to fit.
    return len(name) == _LONGEST or len(match[1]) >= _LEAST_CUT
