"""A condition on a table's rows that was checked against its columns, and how VTTablet is asked for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from source_vitess.conditions.values import AnyOf, Between, Condition, NullTest, Operator, Term
from source_vitess.errors import StreamError
from source_vitess.naming import quote_identifier
from source_vitess.row_filters.comparable import COLLATIONS, NotComparableError, compared, kind_of, written
from source_vitess.schema import Column, Table
from source_vitess.types.column_type import parse_column_type
from source_vitess.vitess_release import VitessRelease

#: True of any value, NULL too. With it VTTablet judges each image of an update by itself, so that a row that leaves the
#: condition is deleted, and one that enters it is inserted; without it both images are sent if either fits
#: (vstreamer.go, processRowEvent). VTTablet looks for a vindex of this name first, over all keyspaces, and refuses one
#: that several have (go/vt/vtgate/vindexes/vschema.go, FindVindex): `xxhash` would be such a name, `null` is none.
_EVERYWHERE = "in_keyrange({}, 'null', '-')"
#: Tables that one line names.
_LISTED = 20


@dataclass(frozen=True)
class RowFilter:
    """Which rows of a table are read.

    Attributes:
        condition: The condition, made anew from its value.
        where: As VTTablet takes it.
        kinds: By column, what it is to the condition (`comparable.kind_of`).
    """

    condition: str
    where: str
    kinds: tuple[tuple[str, str], ...]

    def misfit(self, columns: Mapping[str, tuple[str, int]]) -> str | None:
        """Returns a column that is not of the kind that the condition was made for; None if all are.

        Args:
            columns: By name, MySQL's text for the type and the id of the collation, as a FIELD event has them.
        """
        for name, kind in self.kinds:
            if name not in columns:
                return name
            column_type, collation_id = columns[name]
            if kind_of(parse_column_type(column_type), None, COLLATIONS.get(collation_id)) != kind:
                return name
        return None


@dataclass(frozen=True)
class ColumnDetails:
    """What of a column's definition a condition depends on, beside its type.

    Attributes:
        collation: MySQL's name of the collation; None without one.
        is_computed: Whether the column is a generated one.
    """

    collation: str | None = None
    is_computed: bool = False


_PLAIN = ColumnDetails()


@dataclass(frozen=True)
class RowFilters:
    """The conditions of a configuration, and what is needed to check them.

    Attributes:
        conditions: By table.
        details: By table and column, its details.
        release: The release of Vitess that is read from.
    """

    conditions: Mapping[str, Condition] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, ColumnDetails]] = field(default_factory=dict)
    release: VitessRelease = field(default_factory=lambda: VitessRelease(""))

    def of(self, table: Table) -> RowFilter | None:
        """Returns which rows of a table are read; None for all.

        Raises:
            StreamError: The condition is not one for this table, or this Vitess.
        """
        condition = self.conditions.get(table.name)
        if condition is None:
            return None
        if not self.release.filters_rows:
            raise StreamError(
                table.name,
                f"The field row_filters has a condition for table {table.name!r}, and Vitess {self.release.version} "
                "does not choose rows as it has to: IN, IS NULL and conditions on text came with Vitess 22. Upgrade, "
                "or remove the condition.",
            )
        columns = {name: _find_column(condition, name, table) for name in condition.columns()}
        try:
            terms, kinds = _checked(condition, columns, self.details.get(table.name, {}))
        except NotComparableError as error:
            raise _refused(table, condition, str(error)) from None
        first = next(iter(columns.values()))
        return RowFilter(
            str(condition), " and ".join([*terms, _EVERYWHERE.format(quote_identifier(first.name))]), kinds
        )


def copied_rows(condition: Condition, table: Table, details: Mapping[str, ColumnDetails]) -> RowFilter:
    """Returns which rows of a table a copy has, for a copy alone: it does not tell apart the images of an update.

    Args:
        condition: The condition, which names columns as the table does.
        table: The table.
        details: By column, its details.

    Raises:
        NotComparableError: Its outcome would not be certain.
    """
    columns = {name: table.columns_by_name[name] for name in condition.columns()}
    terms, kinds = _checked(condition, columns, details)
    return RowFilter(str(condition), " and ".join(terms), kinds)


def _checked(
    condition: Condition, columns: Mapping[str, Column], details: Mapping[str, ColumnDetails]
) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """Returns a condition's terms as VTTablet takes them, and by column what it is to the condition.

    Raises:
        NotComparableError: The outcome would not be certain.
    """
    kinds = {column.name: kind_of_column(column, details.get(column.name, _PLAIN)) for column in columns.values()}
    terms = [part for term in condition.terms for part in _written(term, columns[term.column], kinds)]
    return terms, tuple(kinds.items())


def _find_column(condition: Condition, name: str, table: Table) -> Column:
    """Returns the column of a name, in any case, as MySQL and VTTablet look for it.

    Raises:
        StreamError: There is none, or VTTablet could take another one for it.
    """
    found = [column for column in table.columns if column.name.lower() == name.lower()]
    if not found:
        raise _refused(
            table,
            condition,
            f"The table has no column {name!r}. Correct the condition; and if the column was dropped or renamed, then "
            "refresh the stream.",
        )
    if len(found) > 1:
        raise _refused(table, condition, f"The table has several columns that Vitess takes for {name!r}.")
    return found[0]


def kind_of_column(column: Column, details: ColumnDetails) -> str:
    """Returns what a column is to a condition (`comparable.kind_of`).

    Raises:
        NotComparableError: No condition on it is certain.
    """
    if details.is_computed:
        raise NotComparableError(
            f"Column {column.name!r} is computed from others, which can change its values without row events."
        )
    kind = kind_of(parse_column_type(column.column_type), column.charset, details.collation)
    if kind is None:
        raise NotComparableError(
            f"Column {column.name!r} is {column.column_type}, whose values MySQL may leave out of its binary log: no "
            "condition on it is certain."
        )
    return kind


def _written(term: Term, column: Column, kinds: Mapping[str, str]) -> Iterable[str]:
    """Returns a term as VTTablet takes it. BETWEEN is two of them, so that both bounds are compared alike."""
    name, kind = quote_identifier(column.name), kinds[column.name]
    column_type = parse_column_type(column.column_type)
    try:
        if isinstance(term, NullTest):
            return [f"{name} is {'' if term.is_null else 'not '}null"]
        if isinstance(term, AnyOf):
            return [f"{name} in ({', '.join(written(column_type, kind, None, value) for value in term.values)})"]
        if isinstance(term, Between):
            bounds = [(Operator.GREATER_OR_EQUAL, term.low), (Operator.LESS_OR_EQUAL, term.high)]
        else:
            bounds = [(term.operator, term.value)]
        return [part for sign, value in bounds for part in compared(name, column_type, kind, sign, value)]
    except NotComparableError as error:
        kind_text = column.column_type if len(column.column_type) <= 80 else column.column_type[:80] + "…"
        raise NotComparableError(f"Column {column.name!r} is {kind_text}. {error}") from None


def _refused(table: Table, condition: Condition, why: str) -> StreamError:
    shown = str(condition) if len(str(condition)) <= 200 else str(condition)[:200] + "…"
    return StreamError(
        table.name,
        f"The field row_filters has the condition {shown} for table {table.name!r}, which cannot be used. {why}",
    )


def whole_rows_warnings(filtered: Sequence[str]) -> Iterator[str]:
    """Yields what the user should know of tables of which only some rows are read."""
    if filtered:
        yield (
            f"Only some rows are read (row_filters) of the tables {', '.join(map(repr, filtered[:_LISTED]))}"
            f"{', …' if len(filtered) > _LISTED else ''}. A change of them that a session of MySQL itself writes with "
            "binlog_row_image=MINIMAL may be left out without a sign. No session may set it."
        )
