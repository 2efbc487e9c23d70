"""The classes that Spark calls. What they do is elsewhere: `stream`, `parts`, `arrow`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, DataSourceStreamReader, Filter, InputPartition
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.streaming.datasource import ReadAllAvailable, ReadLimit, ReadMaxRows, SupportsTriggerAvailableNow
from pyspark.sql.types import StructType
from source_vitess.conditions.values import Term
from source_vitess.errors import ConfigError

from vitess_spark.arrow import record_batches
from vitess_spark.envelopes import envelopes
from vitess_spark.options import ReadOptions
from vitess_spark.parts import Part, read_part
from vitess_spark.spark_types import query_schema
from vitess_spark.stream import Json, TableStream, batch_parts, batch_terms, look_up_tables
from vitess_spark.tables import ReadTables


@dataclass
class VitessPartition(InputPartition):
    """What one task reads, with all that it needs for that.

    Attributes:
        part: The part.
        tables: The tables that the part is of.
    """

    part: Part
    tables: ReadTables


class VitessDataSource(DataSource):
    """A table of Vitess, or several. Its name in Spark is `vitess`."""

    @classmethod
    def name(cls) -> str:
        """Returns the name of the format."""
        return "vitess"

    def schema(self) -> StructType:
        """Returns the table's columns, or those of envelopes, and those of this data source (`_vt_op` and others)."""
        return query_schema(look_up_tables(ReadOptions.parse(self._given), followed=False))

    def reader(self, schema: StructType) -> VitessReader:
        """Returns the reader of a batch."""
        options = ReadOptions.parse(self._given, streaming=False)
        # Spark refuses a reader that takes filters unless a setting of its own allows it, which is not told here.
        reader = FilteringReader if options.pushes_filters else VitessReader
        return reader(options, _tables(options, schema, followed=False), schema)

    def streamReader(self, schema: StructType) -> VitessStreamReader:  # noqa: N802 - Spark's name
        """Returns the reader of a stream."""
        options = ReadOptions.parse(self._given, streaming=True)
        return VitessStreamReader(options, _tables(options, schema, followed=True), schema)

    @property
    def _given(self) -> dict[str, str]:
        return dict(self.options.items())


def _tables(options: ReadOptions, schema: StructType, *, followed: bool) -> ReadTables:
    tables = look_up_tables(options, followed=followed)
    if query_schema(tables) == schema:
        return tables
    if options.in_envelopes:
        raise ConfigError("The schema that is given is not that of several tables. Give none: it is always the same.")
    raise ConfigError(
        f"The schema that is given, or was read a moment ago, is not that of table {options.tables[0]!r}. Give none: "
        "it is read from Vitess, and the option columns chooses columns."
    )


def _read(options: ReadOptions, schema: StructType, partition: VitessPartition) -> Iterator[pa.RecordBatch]:
    arrow_schema = to_arrow_schema(schema, timezone="UTC")
    tables = partition.tables
    rows = read_part(options, tables, partition.part)
    if tables.in_envelopes:
        return envelopes(rows, tables, arrow_schema)
    return record_batches(rows, tables.one, arrow_schema)


def _partitions(parts: Iterable[Part], tables: ReadTables) -> Sequence[InputPartition]:
    return [VitessPartition(part, tables.only(part.tables)) for part in parts]


class VitessReader(DataSourceReader):
    """Reads tables as they are now: of each, one partition for each shard or several, each at positions of its own."""

    def __init__(self, options: ReadOptions, tables: ReadTables, schema: StructType) -> None:
        self._options = options
        self._tables = tables
        self._schema = schema
        self._terms: tuple[Term, ...] = ()

    def partitions(self) -> Sequence[InputPartition]:
        """Returns the partitions of all shards."""
        return _partitions(batch_parts(self._options, self._tables, self._terms), self._tables)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a partition."""
        return _read(self._options, self._schema, partition)


class FilteringReader(VitessReader):
    """Reads likewise, without the rows of which VTTablet can tell that the query does not need them."""

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:  # noqa: N802 - Spark's name
        """Takes what VTTablet can evaluate; returns all filters, for Spark to evaluate as well."""
        self._terms = batch_terms(self._options, self._tables, filters)
        return filters


class VitessStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Reads tables and then their changes, or their changes alone."""

    def __init__(self, options: ReadOptions, tables: ReadTables, schema: StructType) -> None:
        self._options = options
        self._tables = tables
        self._schema = schema

    @cached_property
    def _stream(self) -> TableStream:
        return TableStream(self._options, self._tables)

    def initialOffset(self) -> Json:  # noqa: N802 - Spark's name, as those that follow
        """Returns where the first batch begins."""
        return self._stream.initial()

    def getDefaultReadLimit(self) -> ReadLimit:  # noqa: N802
        """Returns the limit of the options: Spark has none of transactions, and hands back the one that it is given."""
        most = self._options.most_transactions
        return ReadAllAvailable() if most is None else ReadMaxRows(most)

    def latestOffset(self, start: Json, limit: ReadLimit) -> Json:  # noqa: N802
        """Returns where the next batch ends."""
        return self._stream.latest(start, limit.max_rows if isinstance(limit, ReadMaxRows) else None)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Takes the position of now for all that there is to read."""
        self._stream.prepare_available_now()

    def partitions(self, start: Json, end: Json) -> Sequence[InputPartition]:
        """Returns what a batch is made of."""
        parts = self._stream.parts(start, end)
        return _partitions(parts, self._stream.read_tables(end) if parts else self._tables)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a task."""
        return _read(self._options, self._schema, partition)

    def commit(self, end: dict[str, Any]) -> None:
        """Does nothing: what was read is the business of the checkpoint."""

    def stop(self) -> None:
        """Does nothing: no connection is kept."""
