"""Between frames and Python: small frames of Python values, the rows of small frames, and frames that are evaluated once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute, parquet
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cartbrook.errors import SchemaMismatch
from cartbrook.lake.session import Session

_SPARKS_SCHEMA = b"org.apache.spark.sql.parquet.row.metadata"
STAGING = "_staging"
"""The folder beside the tables that staged frames are written to."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A frame that was evaluated once.

    Attributes:
        rows: The number of its rows.
        files: The files that hold them.
    """

    rows: int
    files: tuple[Path, ...]
    _url: str
    _session: Session
    _evaluated: DataFrame

    @property
    def frame(self) -> DataFrame:
        """The rows, cheap to read however often."""
        schema = _written_schema(self.files)
        if schema is not None:
            return self._session.read.schema(schema).parquet(self._url)
        if self.rows == 0:  # Sail then writes no file, so that the schema is lost
            return self._session.createDataFrame([], self._evaluated.schema)
        return self._session.read.parquet(self._url)

    def fetch(self, **where: str | bool) -> list[dict[str, Any]]:
        """The rows as Python values, those that have some values in columns; `fetch` of the frame would be planned twice."""
        conditions = [(column, "=", value) for column, value in where.items()] or None
        return [row for table in self._read(filters=conditions) for row in table.to_pylist()]

    def values(self, column: str) -> set[Any]:
        """The distinct values of a column that has few of them."""
        return {value for table in self._read([column]) for value in table[column].unique().to_pylist()}

    def count(self, column: str, value: str) -> int:
        """How many rows have a text in a column."""
        return sum(compute.sum(compute.equal(table[column], value)).as_py() or 0 for table in self._read([column]))

    def count_others(self, column: str, value: str) -> int:
        """How many rows have another text in a column, which is NULL nowhere."""
        return self.rows - self.count(column, value)

    def rows_without(self, column: str, value: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some columns of the rows that have another text in a column."""
        kept = (table.filter(compute.not_equal(table[column], value)) for table in self._read([*{*columns, column}]))
        return [row for table in kept for row in table.select(list(columns)).to_pylist()]

    def arrow(self, schema: pa.Schema, without: tuple[str, str] | None = None) -> pa.Table:
        """The rows in a stored schema; columns that they lack are NULL.

        Args:
            without: A column, and the text that rows are left out for.

        Raises:
            SchemaMismatch: They have others, and no rows are left out.
        """
        if not self.files:
            return schema.empty_table()
        found = pa.concat_tables(self._read())
        if without is None and (unknown := set(found.column_names) - set(schema.names)):
            raise SchemaMismatch(
                f"Rows have columns that the table has not: {', '.join(sorted(unknown))}.", hint="Nothing was written."
            )
        if without is not None:
            found = found.filter(compute.not_equal(found[without[0]], without[1]))
        return pa.table(
            {name: found[name] if name in found.column_names else pa.nulls(len(found)) for name in schema.names}
        ).cast(schema)

    def any_in(self, column: str) -> bool:
        """True if an array column holds anything."""
        return any(compute.max(compute.list_value_length(table[column])).as_py() for table in self._read([column]))

    def _read(self, columns: list[str] | None = None, filters: Any = None) -> Iterator[pa.Table]:
        for file in self.files:
            # Spark's times are of the type INT96, which would be read in nanoseconds: their years end with 2262.
            yield parquet.read_table(file, columns=columns, filters=filters, coerce_int96_timestamp_unit="us")


def _written_schema(files: Sequence[Path]) -> T.StructType | None:
    """The schema that Spark notes in the files it writes; told it, Spark need not start a job that looks for it."""
    text = (parquet.read_metadata(files[0]).metadata or {}).get(_SPARKS_SCHEMA) if files else None
    return None if text is None else T.StructType.fromJson(json.loads(text))


def fetch(frame: DataFrame) -> list[dict[str, Any]]:
    """The rows of a small frame as Python values.

    Through Arrow: `collect` shifts timestamps by the machine's zone, and cannot convert all texts that Sail returns.
    """
    rows: list[dict[str, Any]] = frame.toArrow().to_pylist()
    return rows


@contextmanager
def named(frames: Mapping[str, DataFrame]) -> Iterator[dict[str, str]]:
    """Give frames names that SQL can use, for as long as the block lasts; whatever is made of them is evaluated inside it.

    Returns:
        The name in SQL of each. It is never used again: a replaced view would change what was made from it before.
    """
    names: dict[str, str] = {}
    try:
        for key, frame in frames.items():
            names[key] = f"cartbrook_{uuid.uuid4().hex}"
            frame.createOrReplaceTempView(names[key])
        yield names
    finally:
        for key, name in names.items():
            frames[key].sparkSession.catalog.dropTempView(name)


def frame_of(session: Session, columns: Mapping[str, Sequence[object]], schema: T.StructType) -> DataFrame:
    """A small frame of Python values, texts and numbers only.

    Times are given as text and cast by the engine: Python's datetimes would be shifted by the machine's zone.
    """
    arrays = {field.name: _arrow(columns[field.name], field.dataType) for field in schema.fields}
    return session.createDataFrame(pa.table(arrays)).select(*(_cast(field) for field in schema.fields))


def arrow_of(columns: Mapping[str, Sequence[object]], schema: T.StructType, stored: pa.Schema) -> pa.Table:
    """The same as an Arrow table of a stored schema, for writers that take one; columns that are not declared are NULL."""
    arrays = {field.name: _arrow(columns[field.name], field.dataType) for field in schema.fields}
    rows = len(next(iter(columns.values())))
    return pa.table({name: arrays.get(name, pa.nulls(rows)) for name in stored.names}).cast(stored)


def _arrow(values: Sequence[object], kind: T.DataType) -> object:
    if isinstance(kind, (T.TimestampType, T.DateType, T.DecimalType)):
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    if isinstance(kind, T.IntegerType | T.LongType):
        return pa.array(values, pa.int64())
    if isinstance(kind, T.DoubleType):
        return pa.array(values, pa.float64())
    if isinstance(kind, T.MapType):
        inner = kind.valueType
        of = pa.decimal128(inner.precision, inner.scale) if isinstance(inner, T.DecimalType) else pa.int64()
        return pa.array([sorted(value.items()) for value in values], pa.map_(pa.string(), of))  # type: ignore[attr-defined]
    if isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.StringType):
        return pa.array([None if value is None else list(value) for value in values], pa.list_(pa.string()))  # type: ignore[call-overload]
    if isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.StructType):
        fields = [
            pa.field(f.name, pa.int64() if isinstance(f.dataType, T.IntegerType | T.LongType) else pa.string())
            for f in kind.elementType.fields
        ]
        return pa.array(values, pa.list_(pa.struct(fields)))
    return pa.array(values, pa.string())


def _cast(field: T.StructField) -> Column:
    return F.col(field.name).cast(field.dataType).alias(field.name)
