"""Which rows of a table are read: the field row_filters, a list of tables with a condition each."""

from __future__ import annotations

from dataclasses import dataclass

from source_vitess.conditions.parser import parse_condition
from source_vitess.conditions.values import Condition
from source_vitess.errors import ConfigError, WrongConditionError
from source_vitess.settings.json_fields import JsonFields

#: Characters of a condition that an error shows.
_SHOWN = 200


@dataclass(frozen=True)
class TableCondition:
    """A table, and the condition on its rows.

    Attributes:
        table: The table's name.
        condition: The condition; its columns are looked for when the schema is known.
    """

    table: str
    condition: Condition


def read_row_filters(given: JsonFields) -> tuple[TableCondition, ...]:
    """Returns the conditions of a configuration.

    Raises:
        ConfigError: A value is missing or wrong, or a table is listed twice.
    """
    found: dict[str, TableCondition] = {}
    for section in given.sections("row_filters", 'objects such as {"table": "orders", "condition": "total > 100"}'):
        table = section.text("table", required=True)
        text = section.text("condition", required=True, multiline=True).strip()
        if table in found:
            raise ConfigError(f"The field {given.path_of('row_filters')} lists the table {table!r} twice.")
        try:
            found[table] = TableCondition(table, parse_condition(text))
        except WrongConditionError as error:
            shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
            raise ConfigError(
                f"The field {section.path_of('condition')} has the condition {shown!r} for the table {table!r}, which "
                f"is none. {error} A condition compares columns with literals: =, !=, <, <=, >, >=, IN, BETWEEN, IS "
                "NULL and IS NOT NULL, joined by AND, and nothing else."
            ) from None
    return tuple(found.values())
