"""For people who work on the connector: prints the source of the row decoder that is generated for a table.

python -m source_vitess.debug decoder --config FILE --table NAME
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from source_vitess.airbyte.files import read_json
from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError, ConnectorError
from source_vitess.keyspace import LiveVitess
from source_vitess.network.tunnel import reachable
from source_vitess.rows.columns import DecodedColumn
from source_vitess.rows.decoder import RowDecoder
from source_vitess.schema import Table
from source_vitess.settings.config import Config
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for

#: None that VTGate tells: the schema's character set counts.
_NO_COLLATION = 0


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m source_vitess.debug")
    command = parser.add_subparsers(dest="command", required=True).add_parser(
        "decoder", help="print the source of the row decoder that is generated for a table"
    )
    command.add_argument("--config", required=True, metavar="FILE", help="the connector's configuration")
    command.add_argument("--table", required=True, metavar="NAME", help="a table of the keyspace")
    arguments = parser.parse_args(argv)
    try:
        source = decoder_source(Config.from_json(read_json(Path(arguments.config), "configuration")), arguments.table)
    except ConnectorError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(source)
    return 0


def decoder_source(config: Config, name: str) -> str:
    """Returns what is generated for a table as it is now, all of its columns selected.

    Raises:
        ConfigError: There is no such table, or VTGate refuses.
        TransientError: VTGate cannot be reached now.
    """
    with reachable(config) as reached, LiveVitess.connect(reached, SystemClock()) as vitess:
        table = vitess.schema().tables.get(name)
    if table is None:
        raise ConfigError(f"There is no table {name!r} in keyspace {config.keyspace!r}.")
    return RowDecoder(_columns(table, TypeOptions(tinyint1_as_boolean=config.tinyint1_as_boolean))).source


def _columns(table: Table, options: TypeOptions) -> list[DecodedColumn]:
    return [
        DecodedColumn(
            column.name,
            codec_for(
                parse_column_type(column.column_type),
                collation_id=_NO_COLLATION,
                options=options,
                enum_set_as_text=True,
                charset=column.charset,
            ),
            column.name in table.key,
        )
        for column in table.columns
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
