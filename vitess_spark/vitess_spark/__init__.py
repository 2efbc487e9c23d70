"""A data source for Apache Spark: tables of Vitess, copied and followed through VStream.

spark.dataSource.register(VitessDataSource)
spark.read.format("vitess").option("url", "vitess://vtgate/commerce").option("table", "orders").load()
"""

from __future__ import annotations

from typing import Any

__all__ = ["VitessDataSource"]


def __getattr__(name: str) -> Any:
    """Returns the data source, which alone needs PySpark."""
    if name == "VitessDataSource":
        from vitess_spark.source import VitessDataSource

        return VitessDataSource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
