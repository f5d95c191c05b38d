"""Reads the Delta tables below one folder, and evaluates frames. What writes them is in lake/tables.py."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow import parquet
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cartbrook.lake import fit, log
from cartbrook.lake.fit import Difference
from cartbrook.lake.log import Mark
from cartbrook.lake.session import Session
from cartbrook.lake.threads import Item, Result, in_threads
from cartbrook.lake.values import STAGING, Staged, fetch, frame_of


class TableReader:
    """The Delta tables below one folder, by names such as ``gold.dim_customer``, as far as they are read.

    Attributes:
        session: The Spark Connect session.
    """

    def __init__(self, session: Session, root: Path, schemas: Mapping[str, T.StructType], parallel: int = 4) -> None:
        self.session = session
        self._root = root
        self._schemas = schemas
        self._parallel = parallel
        self._counts: dict[str, tuple[Mark, int]] = {}  # rows by head; several steps of a batch ask

    def read(self, name: str, version: int | None = None, where: Mapping[str, int | Sequence[int]] | None = None) -> DataFrame:
        """A table, at its head or a version.

        Args:
            where: Slice columns and the integer, or integers, they must have.
        """
        frame = self._load(name, version)
        for column, value in (where or {}).items():
            values = [value] if isinstance(value, int) else list(value)
            frame = frame.where(F.col(column).isin(*values) if len(values) != 1 else F.col(column) == values[0])
        return frame

    def arrow(self, name: str, version: int | None = None) -> pa.Table:
        """The rows of a small table, at its head or a version; by delta-rs, which need not plan anything."""
        found: pa.Table = self.delta(name, version).to_pyarrow_table()
        return found

    def schema(self, name: str) -> T.StructType:
        """The declared schema of a table."""
        return self._schemas[name]

    def version(self, name: str) -> int:
        """The version of a table's head."""
        return log.head(self.folder(name))

    def folder(self, name: str) -> Path:
        """Where a table lies."""
        return self._root / name.replace(".", "/")

    def delta(self, name: str, version: int | None = None) -> DeltaTable:
        """A table as delta-rs sees it, for what engines cannot do."""
        return DeltaTable(str(self.folder(name)), version=version)

    def mark(self, name: str) -> Mark:
        """What tells a table's head from every other."""
        return log.mark(self.folder(name))

    def heads(self, names: Iterable[str]) -> dict[str, int]:
        """The head versions of several tables."""
        return {name: self.version(name) for name in names}

    def difference(self, name: str, version: int | None = None) -> Difference:
        """What is stored, at the head or a version, compared with what is declared."""
        return fit.difference(self._stored(name, version), self._schemas[name])

    def count(self, name: str, version: int | None = None) -> int:
        """The number of rows of a table at its head or a version, from its log."""
        if version is not None:
            return log.rows_of(self.delta(name, version))
        mark = self.mark(name)
        if self._counts.get(name, (None, 0))[0] != mark:
            self._counts[name] = mark, log.rows_of(self.delta(name))
        return self._counts[name][1]

    def filled(self, name: str, columns: Sequence[str], version: int | None = None) -> tuple[str, ...]:
        """The columns among some stored ones in which a record has a value."""
        frame = self.read(name, version)
        return tuple(column for column in columns if not self.is_empty(frame.where(F.col(column).isNotNull())))

    # staging

    def stage(self, frame: DataFrame) -> Staged:
        """Evaluate a frame once, into files that `clear_staging` removes: what is read from it is cheap however often.

        Spark Connect has no cache that all engines share.
        """
        folder = self._root / STAGING / uuid.uuid4().hex
        frame.write.parquet(url := self._url(folder))
        files = tuple(folder.glob("*.parquet"))
        rows = sum(parquet.read_metadata(file).num_rows for file in files)
        return Staged(rows, files, url, self.session, frame)

    def clear_staging(self) -> None:
        """Remove what was staged; nothing made from it can be read any more."""
        shutil.rmtree(self._root / STAGING, ignore_errors=True)

    def is_empty(self, frame: DataFrame) -> bool:
        """True if a frame has no row; evaluates it as far as the first."""
        return not fetch(frame.limit(1))

    def holds_rows(self, name: str) -> bool:
        """True if a table has a row; most often its log tells, without a query."""
        version = self.version(name)
        return version > 0 and (self._rows_added(name) > 0 or not self.is_empty(self.read(name, version)))

    def each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Call a function for items that concern separate tables, several at a time.

        Returns:
            The results in the order of the items; the first error is raised after all calls have ended.
        """
        return in_threads(function, items, self._parallel)

    def rows(self, columns: Mapping[str, Sequence[object]], schema: T.StructType) -> DataFrame:
        """A small frame of Python values, see `frame_of`."""
        return frame_of(self.session, columns, schema)

    # where tables are: what a lake in a catalog has otherwise (lake/catalog.py)

    def exists(self, name: str) -> bool:
        """True if the table is there."""
        return DeltaTable.is_deltatable(str(self.folder(name)))

    def _url(self, path: Path) -> str:
        return f"file://{path}"

    def _named(self, name: str) -> str:
        """The table in an SQL statement."""
        return f"delta.`{self._location(name)}`"

    def _load(self, name: str, version: int | None) -> DataFrame:
        reader = self.session.read.format("delta")
        return (reader if version is None else reader.option("versionAsOf", version)).load(self._location(name))

    def _location(self, name: str) -> str:
        return self._url(self.folder(name))

    def _stored(self, name: str, version: int | None = None) -> T.StructType:
        return T.StructType.fromJson(json.loads(self.delta(name, version).schema().to_json()))

    def _rows_added(self, name: str) -> int:
        """Rows that the newest commit of a table added, from its log."""
        return log.rows_added(self.folder(name))
