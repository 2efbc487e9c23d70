"""Names that Vitess gives: types of tablets, and of tables those that are its own; and how names are quoted."""

from __future__ import annotations

import re
from typing import Literal, get_args

#: The types of tablet that can be streamed from.
TabletType = Literal["PRIMARY", "REPLICA", "RDONLY"]
TABLET_TYPES: tuple[TabletType, ...] = get_args(TabletType)

# Vitess names its own tables in this way: go/vt/schema/name.go (internal tables since v18: `_vt_hld_<uuid>_<time>_`),
# go/vt/schema/online_ddl.go (gh-ost, pt-osc and vreplication shadow tables of older releases).
_INTERNAL_TABLE = re.compile(
    r"""
      _vt_[a-zA-Z]{3}_[0-9a-f]{32}_[0-9]{14}_
    | _vt_(HOLD|PURGE|EVAC|DROP)_[0-9a-f]{32}_[0-9]{14}
    | _[0-9a-f]{8}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{4}_[0-9a-f]{12}_[0-9]{14}_(gho|ghc|del|new|vrepl)
    | _.*_old
    """,
    re.VERBOSE,
)


def quote_identifier(name: str) -> str:
    """Quotes a name for SQL and for VStream filters (MySQL manual, "Schema Object Names").

    Raises:
        ValueError: The name is empty or holds a NUL, which MySQL allows in no name.
    """
    if not name or "\0" in name:
        raise ValueError(f"not a MySQL identifier: {name!r}")
    return "`" + name.replace("`", "``") + "`"


def can_be_streamed(name: str) -> bool:
    """Tells whether a VStream filter can name this table.

    VTTablet cannot parse a backtick in a name ("UnescapeID err: no outer backticks found"), and takes a name that
    begins with a slash for a regular expression (go/vt/vttablet/tabletserver/vstreamer/planbuilder.go).
    """
    return "`" not in name and not name.startswith("/")


def is_internal_table(name: str) -> bool:
    """Tells whether VStream leaves a table of this name out of the change stream, because Vitess uses such names."""
    return _INTERNAL_TABLE.fullmatch(name) is not None
