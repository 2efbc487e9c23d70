"""Checks, discovers and reads with PyAirbyte into its DuckDB cache.

    python pyairbyte.py EXECUTABLE CONFIG DATABASE ANSWER

Writes a JSON object to ANSWER: the streams discovered, the number of records of this read, and per stream the cache's
rows with the highest `_ab_cdc_cursor` of their key that are not deleted. PyAirbyte itself does not deduplicate by the
cursor within a read, so it appends and SQL does.
"""

import json
import sys
from pathlib import Path

import airbyte as ab
from airbyte.caches import DuckDBCache
from airbyte.strategies import WriteStrategy
from sqlalchemy import text


def main(executable: str, config: str, database: str, answer: str) -> None:
    """Runs it."""
    source = ab.get_source(
        "source-vitess", config=json.loads(Path(config).read_text()), local_executable=Path(executable)
    )
    source.check()
    keys = {
        stream.name: [path[0] for path in stream.source_defined_primary_key or []]
        for stream in source.discovered_catalog.streams
    }
    source.select_all_streams()
    cache = DuckDBCache(db_path=database)
    result = source.read(cache=cache, write_strategy=WriteStrategy.APPEND)
    rows = {}
    with cache.get_sql_engine().connect() as connection:
        for stream, key in keys.items():
            window = f"partition by {', '.join(key)} order by _ab_cdc_cursor desc" if key else ""
            latest = "nth = 1 and" if key else ""
            found = connection.execute(
                text(
                    f"select * from (select *, row_number() over ({window}) as nth from main.{stream}) "
                    f"where {latest} _ab_cdc_deleted_at is null"
                )
            )
            rows[stream] = [
                {name: value for name, value in row.items() if not name.startswith("_a") and name != "nth"}
                for row in found.mappings()
            ]
    told = {"streams": sorted(keys), "records": result.processed_records, "rows": rows}
    Path(answer).write_text(json.dumps(told, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
