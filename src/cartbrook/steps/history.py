"""History: SCD Type 2 of the touched customers and products, one MERGE each."""

from __future__ import annotations

from pyspark.sql import DataFrame

from cartbrook.contracts.model import DIMENSIONS
from cartbrook.contracts.tables import surrogate_key
from cartbrook.frames.changes import changes, keys_of, within
from cartbrook.frames.history import history
from cartbrook.lake.lake import Lake
from cartbrook.types import Operation, StepResult


def run(lake: Lake, operation: Operation) -> StepResult:
    """Recompute the versions of the touched keys from all their live records, and merge what differs."""
    domains = [domain for domain in DIMENSIONS if operation.everything or domain in operation.domains]
    lake.tables.each(lambda domain: _merge(lake, operation, domain), domains)
    return StepResult()


def _merge(lake: Lake, operation: Operation, domain: str) -> None:
    contract = lake.contracts[domain]
    silver, dimension = f"silver.{domain}", f"gold.{DIMENSIONS[domain]}"
    touched = _touched(lake, operation, domain)
    computed = history(within(lake.tables.read(silver), touched, contract.key), contract)
    current = within(lake.tables.read(dimension), touched, contract.key)
    key = [surrogate_key(domain)]
    lake.tables.merge(dimension, changes(current, computed, key, lake.tables.schema(dimension).names), key)


def _touched(lake: Lake, operation: Operation, domain: str) -> DataFrame | None:
    """Keys of the operation's slices, as they are and as they were published; None for all."""
    if operation.everything or operation.batch is None:
        return None
    where = {"_batch_seq": operation.batch.batch_seq}
    silver = f"silver.{domain}"
    slices = [lake.tables.read(silver, where=where)]
    if operation.was_live:
        slices.append(lake.tables.read(silver, operation.base.table_versions[silver], where))
    return lake.tables.stage(keys_of(*slices, key=lake.contracts[domain].key)).frame
