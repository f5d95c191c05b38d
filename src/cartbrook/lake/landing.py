"""Delivered CSV files as a DataFrame: a Python data source over `csv_scan`, the same on every engine."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.types import LongType, StringType, StructField, StructType

from cartbrook.lake.csv_scan import LINEAGE, Limits
from cartbrook.types import SourceFile

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from cartbrook.lake.session import Session

FORMAT = "cartbrook_csv"

_registered: weakref.WeakSet[Any] = weakref.WeakSet()
_registering = threading.Lock()


class CsvPartition(InputPartition):
    """One file: where it lies, its name as delivered, its encoding."""

    def __init__(self, path: str, name: str, encoding: str) -> None:
        super().__init__(None)
        self.path = path
        self.name = name
        self.encoding = encoding


class CsvSource(DataSource):
    """Data source ``cartbrook_csv``; its one option ``plan`` is the JSON that `read_files` writes."""

    @classmethod
    def name(cls) -> str:
        """The word for ``spark.read.format``."""
        return FORMAT

    def schema(self) -> StructType:
        """The columns asked for, all text, and the lineage columns."""
        return _schema(json.loads(self.options["plan"])["columns"])

    def reader(self, schema: Any) -> DataSourceReader:  # noqa: ARG002 - a pyarrow.Schema on Sail, a StructType on Spark; unused
        """The reader of all files in the plan."""
        return CsvReader(self.options["plan"])


class CsvReader(DataSourceReader):
    """Reads each file of a plan as one partition."""

    def __init__(self, plan: str) -> None:
        self.plan = plan

    def partitions(self) -> Sequence[InputPartition]:
        """One partition for each file."""
        return [CsvPartition(*file) for file in json.loads(self.plan)["files"]]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The batches of one file; runs in the engine's worker."""
        from pathlib import Path

        from cartbrook.lake.csv_scan import read_batches

        assert isinstance(partition, CsvPartition)
        plan = json.loads(self.plan)
        yield from read_batches(
            Path(partition.path),
            columns=plan["columns"],
            encoding=partition.encoding,
            limits=Limits(**plan["limits"]),
            name=partition.name,
        )


def read_files(session: Session, files: Sequence[SourceFile], columns: Sequence[str], limits: Limits) -> DataFrame:
    """All delivered records of some files, as text.

    Args:
        session: An open session; the data source is registered with it once.
        files: The files of one domain; their headers may differ in order. They are read anew by each action.
        columns: Names to deliver, as in the contract.
        limits: What a file may hold; the same as when it was scanned.

    Returns:
        `columns` (string, as delivered; the empty field is NULL), `_source_file` string, `_source_line` bigint (physical line),
        `_rescued` string (JSON of columns not asked for), `_raw` string (text of a ragged record), `_defect` string.

    Raises:
        ValueError: No file, or a column named twice or like a lineage column.
    """
    if not files:
        raise ValueError("read_files needs at least one file")
    if len({*columns, *LINEAGE}) < len(columns) + len(LINEAGE):
        raise ValueError("columns must differ from each other and from the lineage columns")
    with _registering:  # domains are read by several threads, and Spark refuses a name it knows
        if session not in _registered:
            session.dataSource.register(CsvSource)
            _registered.add(session)
    plan = {
        "files": [(str(file.path), file.name, file.encoding) for file in files],
        "columns": list(columns),
        "limits": asdict(limits),
    }
    return session.read.format(FORMAT).option("plan", json.dumps(plan)).load()


def _schema(columns: Sequence[str]) -> StructType:
    kinds = {"_source_line": LongType()}
    return StructType([StructField(name, kinds.get(name, StringType())) for name in (*columns, *LINEAGE)])
