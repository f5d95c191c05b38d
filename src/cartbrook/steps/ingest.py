"""Ingest: raw text as delivered, with its lineage, into bronze; never types, never drops."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.config import Settings
from cartbrook.contracts.model import Contract
from cartbrook.frames.casting import UNIT_SEPARATOR, fingerprint
from cartbrook.lake.csv_scan import limits_of
from cartbrook.lake.lake import Lake
from cartbrook.lake.landing import read_files
from cartbrook.lake.session import Session
from cartbrook.types import Batch, Operation, SourceFile, StepResult


def run(lake: Lake, operation: Operation) -> StepResult:
    """Write the bronze slice of every delivered domain."""
    batch = operation.batch
    lake.tables.each(lambda domain: _ingest(lake, operation, batch, domain), batch.domains)
    return StepResult(rows_in=batch.rows, rows_out=batch.rows)


def _ingest(lake: Lake, operation: Operation, batch: Batch, domain: str) -> None:
    where = {"_batch_seq": batch.batch_seq, "_revision": batch.revision}
    held = operation.attempt > 1 or operation.stepwise
    if batch.taken_from is not None:
        raw = lake.tables.read(f"bronze.{domain}", where={**where, "_revision": batch.taken_from})
        lake.tables.replace(f"bronze.{domain}", raw, where, held=held)
        return
    rows = delivered(lake.tables.session, batch, lake.contracts[domain], lake.settings)
    lake.tables.replace(f"bronze.{domain}", rows, where, held=held, exact=True)


def delivered(session: Session, batch: Batch, contract: Contract, settings: Settings) -> DataFrame:
    """The records of a domain as their files hold them, all text; the columns of bronze but those of the slice."""
    files = [file for file in batch.files if file.domain == contract.domain]
    rows = read_files(session, files, contract.names, limits_of(settings))
    return _identified(rows, batch, files).withColumn("_batch_id", F.lit(batch.batch_id))


def _identified(delivered: DataFrame, batch: Batch, files: list[SourceFile]) -> DataFrame:
    """Add `_record_id`: `fingerprint` of batch_id, domain, file name, sha256 of the file and line; the same in every revision."""
    first, *others = files
    source, line = F.col("_source_file"), F.col("_source_line").cast("string")

    def before_line(file: SourceFile) -> Column:
        return F.lit(UNIT_SEPARATOR.join((batch.batch_id, file.domain, file.name, file.sha256, "")))

    before = F.when(source == first.name, before_line(first))
    for file in others:  # one flat chain: engines refuse deeply nested expressions
        before = before.when(source == file.name, before_line(file))
    return delivered.withColumn("_record_id", fingerprint(F.concat(before, line)))
