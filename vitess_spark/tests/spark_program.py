"""What a user writes, run by tests in .venv-spark: a batch or a stream into Parquet-like files of plain JSON.

    python spark_program.py batch OPTIONS OUTPUT [CONDITION]
    python spark_program.py stream OPTIONS OUTPUT CHECKPOINT TRIGGER
    python spark_program.py tables OPTIONS OUTPUT CHECKPOINT TRIGGER
    python spark_program.py delta OPTIONS OUTPUT CHECKPOINT TRIGGER

OPTIONS is JSON. TRIGGER is `availableNow` or a processing time such as `1 second`. With `tables` there are several, and
OUTPUT is a folder with a file for each. With `delta` the stream is merged into a table of Delta's, whose jars the
environment variable DELTA names as Maven does, and OUTPUT has its rows after each batch.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
# What runs for a minute is not worth being compiled well.
os.environ["PYSPARK_SUBMIT_ARGS"] = '--driver-java-options "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" pyspark-shell'

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as f
from pyspark.sql.types import StructType

from vitess_spark import VitessDataSource

#: All digits of a fraction, which are three unless said.
DIGITS = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSX"}
META = ("_vt_op", "_vt_seq", "_vt_shard", "_vt_time", "_vt_position")


def session(master: str, settings: Mapping[str, str]) -> SparkSession:
    """Starts Spark on the loopback interface."""
    builder = (
        SparkSession.builder.master(master)
        .appName("vitess")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.python.filterPushdown.enabled", "true")
        .config("spark.executor.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    )
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.dataSource.register(VitessDataSource)
    return spark


def merge_into(target: Path, key: list[str]) -> Any:
    """Returns a function for foreachBatch that merges changes into a file by key: the last of each key counts."""

    # begin of the example in docs/spark.md
    def merge(batch: DataFrame, _number: int) -> None:
        newest_first = Window.partitionBy(*key).orderBy(f.col("_vt_seq").desc())
        last = batch.withColumn("_n", f.row_number().over(newest_first)).where("_n = 1").drop("_n")
        last.persist()  # else each action reads from Vitess
        upsert(last.where("_vt_op <> 'delete'"), last.where("_vt_op = 'delete'").select(*key))
        last.unpersist()

    # end of the example

    def upsert(rows: DataFrame, gone: DataFrame) -> None:
        upsert_file(target, rows.drop(*META), gone)

    return merge


def fan_out_into(folder: Path, spark: SparkSession, options: dict[str, str]) -> Any:
    """Returns a function for foreachBatch that merges changes of several tables, each into a file of its own."""
    connection = {name: value for name, value in options.items() if name != "tables"}

    schemas = {
        table: spark.read.format("vitess").options(**connection, table=table).load().drop(*META).schema
        for table in options["tables"].split(",")
    }

    # begin of the example with several tables in docs/spark.md
    def fan_out(batch: DataFrame, _number: int) -> None:
        newest_first = Window.partitionBy("table", "key").orderBy(f.col("_vt_seq").desc())
        last = batch.withColumn("_n", f.row_number().over(newest_first)).where("_n = 1").drop("_n")
        last.persist()  # else each action reads from Vitess
        for table, schema in schemas.items():
            mine = last.where(f.col("table") == table).withColumn("row", f.from_json("row", schema))
            key = [field.name for field in schema if "key" in field.metadata]
            rows = mine.where("_vt_op <> 'delete'").select("row.*")
            gone = mine.where("_vt_op = 'delete'").select("row.*").select(*key)
            upsert(table, rows, gone)
        last.unpersist()

    # end of the example with several tables

    def upsert(table: str, rows: DataFrame, gone: DataFrame) -> None:
        upsert_file(folder / f"{table}.json", rows, gone)

    return fan_out


def delta_settings() -> dict[str, str]:
    """Returns what Spark has to be told for tables of Delta's."""
    return {
        "spark.jars.packages": os.environ["DELTA"],
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # A table of a few rows needs no more.
        "spark.databricks.delta.snapshotPartitions": "1",
    }


def merge_into_delta(spark: SparkSession, schema: StructType, target: Path) -> Any:
    """Returns a function for foreachBatch that merges changes into a table of Delta's, and shows its rows in a file."""
    path = target.with_suffix(".delta")
    if not path.exists():
        spark.createDataFrame([], schema).write.format("delta").save(str(path))
    things = f"delta.`{path}`"

    # begin of the example with Delta in docs/spark.md
    def merge(batch: DataFrame, _number: int) -> None:
        newest_first = Window.partitionBy("id").orderBy(f.col("_vt_seq").desc())
        last = batch.withColumn("_n", f.row_number().over(newest_first)).where("_n = 1").drop("_n")
        last.persist()  # else each action reads from Vitess
        last.createOrReplaceTempView("changes")
        batch.sparkSession.sql(f"""
            MERGE INTO {things} AS held USING changes ON held.id = changes.id
            WHEN MATCHED AND changes._vt_seq > held._vt_seq AND changes._vt_op = 'delete' THEN DELETE
            WHEN MATCHED AND changes._vt_seq > held._vt_seq THEN UPDATE SET *
            WHEN NOT MATCHED AND changes._vt_op <> 'delete' THEN INSERT *""")
        last.unpersist()

    # end of the example with Delta

    def merge_and_show(batch: DataFrame, number: int) -> None:
        merge(batch, number)
        rows = batch.sparkSession.read.format("delta").load(str(path)).drop(*META)
        target.unlink(missing_ok=True)
        upsert_file(target, rows, rows.where("false").select("id"))

    return merge_and_show


def upsert_file(target: Path, rows: DataFrame, gone: DataFrame) -> None:
    """Writes rows into a file of JSON, and takes others out, by the columns of `gone`."""
    key = gone.columns
    held = json.loads(target.read_text()) if target.exists() else {}
    for row in gone.collect():
        held.pop(json.dumps(list(row)), None)
    for row in rows.select(f.to_json(f.struct("*"), DIGITS).alias("row")).collect():
        found = json.loads(row.row)
        held[json.dumps([found[name] for name in key])] = found
    temporary = target.with_suffix(".new")
    temporary.write_text(json.dumps(held))
    temporary.replace(target)


def main(kind: str, options: str, output: str, *more: str) -> None:
    """Runs a batch or a stream."""
    settings = delta_settings() if kind == "delta" else {}
    spark = session(os.environ.get("SPARK_MASTER", "local[2]"), settings)
    given = json.loads(options)
    if kind == "batch":
        frame = spark.read.format("vitess").options(**given).load()
        frame = frame.where(more[0]) if more else frame
        as_text = frame.select(f.to_json(f.struct("*"), DIGITS).alias("row"))
        rows = [json.loads(row.row) for row in as_text.collect()]
        plan = as_text._jdf.queryExecution().toString()  # noqa: SLF001 - what Spark's UI shows
        Path(output).write_text(json.dumps({"rows": rows, "schema": frame.schema.jsonValue(), "plan": plan}))
        return
    checkpoint, trigger = more
    stream = spark.readStream.format("vitess").options(**given).load()
    if kind == "delta":
        merge = merge_into_delta(spark, stream.schema, Path(output))
    else:
        merge = merge_into(Path(output), ["id"]) if kind == "stream" else fan_out_into(Path(output), spark, given)
    writer = stream.writeStream.foreachBatch(merge).option("checkpointLocation", checkpoint)
    started = writer.trigger(availableNow=True) if trigger == "availableNow" else writer.trigger(processingTime=trigger)
    started.start().awaitTermination()


if __name__ == "__main__":
    main(*sys.argv[1:])
