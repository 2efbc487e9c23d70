"""What a user of vitess-spark writes, run by `demo.spark` in .venv-spark: a table in Parquet that follows Vitess.

    python spark_driver.py ARGUMENTS

ARGUMENTS is JSON: `options` of the data source, Spark's `settings`, and the `folder` to write to. The copy comes first,
then changes every two seconds until there is a file `stop`, then what is left. Each batch makes the table anew in a
folder of its own, to which `latest` points: with Delta or Iceberg it would be a MERGE.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as f

from vitess_spark import VitessDataSource

KEY = "id"
_OWN = ("_vt_op", "_vt_seq", "_vt_shard", "_vt_time", "_vt_position")


def main(arguments: str) -> None:
    """Runs the queries; writes the table's rows and each executor's tasks to the folder."""
    given = json.loads(arguments)
    folder = Path(given["folder"])
    spark = _session(given["settings"])
    changes = spark.readStream.format("vitess").options(**given["options"]).load()
    writer = changes.writeStream.foreachBatch(_merge_into(folder)).option(
        "checkpointLocation", str(folder / "checkpoint")
    )

    query = writer.trigger(processingTime="2 seconds").start()
    while not (folder / "stop").exists():
        if query.awaitTermination(1):
            raise SystemExit("the query ended before it was asked to")
    query.stop()
    writer.trigger(availableNow=True).start().awaitTermination()

    rows = spark.read.parquet((folder / "latest").read_text()).toJSON().collect()
    (folder / "rows.jsonl").write_text("\n".join(rows))
    (folder / "executors.json").write_text(json.dumps(_tasks(spark)))
    spark.stop()


def _session(settings: Mapping[str, str]) -> SparkSession:
    builder = SparkSession.builder.appName("vitess-spark demo")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.dataSource.register(VitessDataSource)
    return spark


def _merge_into(folder: Path) -> Callable[[DataFrame, int], None]:
    def merge(batch: DataFrame, number: int) -> None:
        batch.persist()  # else each action reads from Vitess
        newest_first = Window.partitionBy(KEY).orderBy(f.col("_vt_seq").desc())
        last = batch.withColumn("_n", f.row_number().over(newest_first)).where("_n = 1").drop("_n")
        rows = last.where("_vt_op <> 'delete'").drop(*_OWN)
        latest = folder / "latest"
        if latest.exists():
            before = batch.sparkSession.read.parquet(latest.read_text())
            rows = before.join(last.select(KEY), KEY, "left_anti").unionByName(rows)
        target = folder / f"batch-{number}"
        rows.write.mode("overwrite").parquet(str(target))
        done = folder / "latest.new"
        done.write_text(str(target))
        done.replace(latest)
        counted = batch.groupBy("_vt_shard", "_vt_op").count().collect()
        with (folder / "batches.jsonl").open("a") as log:
            log.write(json.dumps({"batch": number, "counts": [list(row) for row in counted]}) + "\n")
        batch.unpersist()

    return merge


def _tasks(spark: SparkSession) -> dict[str, int]:
    """Returns how many tasks each executor has run, as Spark's own pages have it."""
    context = spark.sparkContext
    url = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/executors"
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - Spark's own
        executors: list[dict[str, Any]] = json.load(answer)
    return {one["id"]: one["totalTasks"] for one in executors if one["id"] != "driver"}


if __name__ == "__main__":
    main(*sys.argv[1:])
