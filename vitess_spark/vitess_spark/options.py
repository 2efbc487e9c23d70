"""The options of a read: from Spark's texts to values, with the connector's own messages.

Where Vitess is, and how it is reached, are the fields of the connector's configuration under their own names. They are
given as options, or in a JSON file on the driver that the option `config` names; a secret belongs there, or in the
option `password`, which Spark hides by its name.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from source_vitess.errors import ConfigError
from source_vitess.position.start_position import parse_start_position
from source_vitess.position.vgtid import Vgtid
from source_vitess.settings.config import Config

from vitess_spark.names import read_name, read_names

#: Fields of the connector's configuration. Lists are given with commas, objects as JSON.
_TEXTS = ("url", "username", "password", "grpc_authentication", "tablet_type")
_LISTS = ("cells", "shards")
_OBJECTS = ("tls", "tunnel_method")
_BOOLEANS = ("tinyint1_as_boolean", "allow_unsupported_vitess")
_NUMBERS = ("no_progress_timeout_seconds",)
FIELDS = (*_TEXTS, *_LISTS, *_OBJECTS, *_BOOLEANS, *_NUMBERS)

_COPY, _CURRENT = "copy", "current"
_NO_FILTERS, _ONE_QUERY = "false", "oneQuery"

#: Spark's names: of what is given to load(), and in front of each option of a table in its catalog.
_PATH, _OPTION = "path", "option."

#: Each is a stream from a tablet, and a snapshot that MySQL keeps.
MOST_PARTITIONS = 256

#: In the spelling of messages and documents. Spark takes any.
OWN = (
    "config",
    "table",
    "tables",
    "columns",
    "partitionsPerShard",
    "pushFilters",
    "startingPosition",
    "maxTransactionsPerShard",
)
_BATCH_ONLY = ("pushFilters",)
_STREAM_ONLY = ("startingPosition", "maxTransactionsPerShard")

#: What is of one table with columns of its own, and so not of several.
_ONE_TABLE_ONLY = {
    "columns": "rows of several tables have all their columns",
    "partitionsPerShard": "of several tables, each is copied by one task for each shard",
    "pushFilters": "rows of several tables are JSON, on whose columns Spark has no filters",
}


@dataclass(frozen=True)
class ReadOptions:
    """What is read, and from where.

    Attributes:
        config: Where Vitess is. Its secrets are no part of `repr`.
        tables: The tables, at least one.
        columns: The columns to read; empty for all.
        copies: Whether a stream begins with a copy of the table.
        start: Where a stream begins that does not; None for the position of now.
        most_transactions: Transactions of a shard that a batch of a stream has at most; None for no limit.
        partitions_per_shard: How many tasks copy a shard.
        pushes_filters: Whether VTTablet evaluates what it can of a batch's filters.
        in_envelopes: Whether rows are JSON beside the table's name, as of several tables. Else there is one table, and
            its columns are Spark's.
    """

    config: Config = field(repr=False)
    tables: tuple[str, ...]
    columns: tuple[str, ...] = ()
    copies: bool = True
    start: Vgtid | None = None
    most_transactions: int | None = None
    partitions_per_shard: int = 1
    pushes_filters: bool = False
    in_envelopes: bool = False

    @classmethod
    def parse(cls, given: Mapping[str, str], *, streaming: bool | None = None) -> ReadOptions:
        """Reads the options.

        Args:
            given: The options; the case of their names does not count.
            streaming: Whether they are of a stream; None where that is not known yet.

        Raises:
            ConfigError: One is missing, wrong or not known, or two contradict each other.
        """
        options = {name.lower(): value for name, value in given.items()}
        _check_names(options, streaming=streaming)
        fields = {name: _read_field(name, options[name]) for name in FIELDS if name in options}
        config = Config.from_json(_with_file(options.get("config"), fields))
        tables = _read_tables(options)
        copies, start = _read_beginning(options.get("startingposition", _COPY), config.keyspace)
        return cls(
            config,
            tables,
            _names("columns", options["columns"]) if "columns" in options else (),
            copies,
            start,
            _read_limit(options.get("maxtransactionspershard")),
            _read_partitions(options.get("partitionspershard"), copies=copies),
            _read_pushing(options.get("pushfilters", _NO_FILTERS)),
            "tables" in options,
        )


def _check_names(options: Mapping[str, str], *, streaming: bool | None) -> None:
    known = {name.lower(): name for name in (*OWN, *FIELDS)}
    if any(name.startswith(_OPTION) for name in options):
        raise ConfigError(
            "A table of Spark's catalog (CREATE TABLE … USING vitess) cannot be read: Spark does not give its options "
            "to a data source in Python. Use CREATE TEMPORARY VIEW … USING vitess OPTIONS (…)."
        )
    for name, value in options.items():
        if name in known:
            continue
        if name == _PATH:
            raise ConfigError(f"The table is named by the option table, not by load({value[:80]!r}).")
        close = difflib.get_close_matches(name, known, n=1)
        similar = f" Did you mean {known[close[0]]!r}?" if close else ""
        raise ConfigError(f"The option {name[:80]!r} is not known.{similar} Options are {', '.join(known.values())}.")
    if streaming is False:
        for name in _STREAM_ONLY:
            if name.lower() in options:
                raise ConfigError(f"The option {name} is of a stream (readStream); a batch reads what is there now.")
    if streaming:
        for name in _BATCH_ONLY:
            if name.lower() in options:
                raise ConfigError(
                    f"The option {name} is of a batch (spark.read). A stream has to bring every change: filter what it "
                    "brings, once the last change of each key is known."
                )


def _read_tables(options: Mapping[str, str]) -> tuple[str, ...]:
    if "tables" not in options:
        table = options.get("table", "")
        if not table.strip():
            raise ConfigError(
                "The option table is missing. Name the table to read, without its keyspace, or several in tables."
            )
        try:
            return (read_name(table),)
        except ValueError:
            raise ConfigError(
                f"The option table begins with a backtick, and is no name in backticks: {table[:80]!r}. A backtick "
                "within a name is doubled."
            ) from None
    if "table" in options:
        raise ConfigError(
            "The options table and tables are both given. Leave out tables to read one table with its columns, or "
            "table to read several, whose rows are JSON."
        )
    for name, reason in _ONE_TABLE_ONLY.items():
        if name.lower() in options:
            raise ConfigError(
                f"The option {name} is of one table: {reason}. Leave it out, or give table instead of tables."
            )
    return _names("tables", options["tables"])


def _with_file(path: str | None, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if path is None:
        return fields
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # Nothing of the file is shown.
        raise ConfigError(
            f"The file of the option config, {path!r}, cannot be read ({type(error).__name__})."
        ) from None
    if not isinstance(found, dict):
        raise ConfigError(f"The file of the option config, {path!r}, has to hold a JSON object.")
    if twice := sorted(found.keys() & fields.keys()):
        raise ConfigError(f"The option {', '.join(twice)} is given, and in the file of the option config too.")
    if unknown := sorted(found.keys() - set(FIELDS)):
        raise ConfigError(
            f"The file of the option config, {path!r}, has the field {', '.join(map(repr, unknown))}, which is not "
            f"known. Fields are {', '.join(FIELDS)}."
        )
    return {**found, **fields}


def _read_field(name: str, text: str) -> Any:
    if name in _LISTS:
        return list(_names(name, text))
    if name in _OBJECTS:
        try:
            return json.loads(text)
        except ValueError:
            raise ConfigError(f"The option {name} has to be a JSON object.") from None
    if name in _BOOLEANS:
        return _read_boolean(name, text)
    if name in _NUMBERS:
        return _whole_number(name, text)
    return text


def _read_boolean(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ConfigError(f"The option {name} must be true or false, found {text[:80]!r}.")
    return text.lower() == "true"


def _read_pushing(text: str) -> bool:
    given = text.strip().lower()
    if given == "true":
        raise ConfigError(
            f"The option pushFilters must be {_NO_FILTERS} or {_ONE_QUERY}. With true, rows would be missing without "
            "an error: Spark 4.2 and 4.3 keep the rows that one query's filters chose, and give only these to every "
            f"other query on the same DataFrame or view. Set {_ONE_QUERY} and call load() for each query, and for each "
            "place in it where the table stands; or leave the option out."
        )
    if given not in (_NO_FILTERS, _ONE_QUERY.lower()):
        raise ConfigError(f"The option pushFilters must be {_NO_FILTERS} or {_ONE_QUERY}, found {text[:80]!r}.")
    return given != _NO_FILTERS


def _names(name: str, text: str) -> tuple[str, ...]:
    try:
        names = read_names(text)
    except ValueError:
        raise ConfigError(
            f"The option {name} must be a list of names with commas between them, found {text[:80]!r}. A name that "
            "holds a comma, or begins with a backtick, stands in backticks, in which a backtick is doubled."
        ) from None
    if twice := [one for index, one in enumerate(names) if one in names[:index]]:
        raise ConfigError(f"The option {name} lists {twice[0]!r} twice.")
    return names


def _read_beginning(text: str, keyspace: str) -> tuple[bool, Vgtid | None]:
    if text.strip().lower() in (_COPY, _CURRENT):
        return text.strip().lower() == _COPY, None
    if not text.strip().startswith(("[", "{")):
        raise ConfigError(
            f"The option startingPosition must be {_COPY}, {_CURRENT} or a position as JSON, found {text[:80]!r}."
        )
    try:
        return False, parse_start_position(text, keyspace)
    except ConfigError as error:
        # It names the field of the connector.
        raise ConfigError(error.message.replace("field start_position", "option startingPosition")) from None


def _read_limit(text: str | None) -> int | None:
    if text is None:
        return None
    number = _whole_number("maxTransactionsPerShard", text)
    if number < 1:
        raise ConfigError(f"The option maxTransactionsPerShard must be at least 1, found {text!r}.")
    return number


def _read_partitions(text: str | None, *, copies: bool) -> int:
    if text is None:
        return 1
    number = _whole_number("partitionsPerShard", text)
    if not 1 <= number <= MOST_PARTITIONS:
        raise ConfigError(f"The option partitionsPerShard must be from 1 to {MOST_PARTITIONS}, found {text[:80]!r}.")
    if number > 1 and not copies:
        raise ConfigError(
            "The option partitionsPerShard is of a copy, and startingPosition begins without one: changes of a shard "
            "are read by one task. Leave one of them out."
        )
    return number


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"The option {name} must be a whole number, found {text[:80]!r}.") from None
