"""Reads a table as vitess-spark does, without Spark and with it, and by Spark's JDBC source: run in .venv-spark.

    python benchmarks/spark_program.py batches OPTIONS
    python benchmarks/spark_program.py session OPTIONS JDBC

OPTIONS and JDBC are JSON: the options of the two sources. `batches` reads what the tasks of a batch would, one after
the other, to Arrow's record batches, and prints a line of JSON. `session` starts Spark, prints a line once it stands,
and reads whenever a line names a source, `vitess` or `jdbc`: all columns of all rows, which go nowhere.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable

from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.pandas.types import to_arrow_schema
from vitess_spark.arrow import record_batches
from vitess_spark.options import ReadOptions
from vitess_spark.parts import read_part
from vitess_spark.spark_types import spark_schema
from vitess_spark.stream import batch_parts, look_up_tables

from vitess_spark import VitessDataSource

#: The driver that JDBC has here: for this comparison alone, fetched from Maven Central. It is under the LGPL.
JDBC_DRIVER = "org.mariadb.jdbc:mariadb-java-client:3.5.6"


def batches(options: Mapping[str, str]) -> None:
    """Prints the rows, and the seconds of all and of the processor from the first batch to the last."""
    parsed = ReadOptions.parse(options, streaming=False)
    tables = look_up_tables(parsed, followed=False)
    schema = to_arrow_schema(spark_schema(tables.one), timezone="UTC")
    rows = first_rows = 0
    began = used = 0.0
    for part in batch_parts(parsed, tables):
        for batch in record_batches(read_part(parsed, tables, part), tables.one, schema):
            rows += batch.num_rows
            if not first_rows:
                first_rows, began, used = rows, time.monotonic(), time.process_time()
    reading, cpu = time.monotonic() - began, time.process_time() - used
    print(json.dumps({"rows": rows, "reading": reading, "per_row": cpu / max(rows - first_rows, 1) * 1e6}))


def session(options: Mapping[str, str], jdbc: Mapping[str, str]) -> None:
    """Reads what the lines of stdin name, with as many tasks at once as the machine has cores."""
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.jars.packages", JDBC_DRIVER)
        .getOrCreate()
    )
    spark.dataSource.register(VitessDataSource)
    _tell({"version": spark.version})
    sources: dict[str, Any] = {
        "vitess": lambda: spark.read.format("vitess").options(**options).load(),
        "jdbc": lambda: spark.read.format("jdbc").options(**jdbc).load(),
    }
    for line in sys.stdin:
        counted = Observation()
        read = sources[line.strip()]().observe(counted, f.count(f.lit(1)).alias("rows"))
        read.write.format("noop").mode("overwrite").save()
        _tell({"rows": counted.get["rows"]})
    spark.stop()


def _tell(what: Mapping[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    mode, *given = sys.argv[1:]
    if mode == "batches":
        batches(*map(json.loads, given))
    else:
        session(*map(json.loads, given))
