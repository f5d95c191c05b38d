"""History: SCD Type 2 of the touched customers and products, one MERGE each."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import DIMENSIONS, Contract
from cartbrook.contracts.tables import surrogate_key
from cartbrook.errors import SnapshotShrinks
from cartbrook.frames.changes import changes
from cartbrook.frames.history import history
from cartbrook.frames.keys import Keys, repeated, within
from cartbrook.frames.snapshots import INCOMPLETE, MARKER
from cartbrook.lake.lake import Lake
from cartbrook.touched import delivered, midnight, whole
from cartbrook.types import Batch, Operation, StepResult

_FEW = 10
"""So many keys may be gone from a snapshot however small the shop is."""


def run(lake: Lake, operation: Operation) -> StepResult:
    """Recompute the versions of the touched keys from all their live records, and merge what differs.

    Raises:
        SnapshotShrinks: A snapshot lacks more of the open keys than the setting allows, and nobody has confirmed it.
    """
    domains = [domain for domain in DIMENSIONS if operation.everything or domain in operation.domains]
    for domain in domains:
        if lake.contracts[domain].snapshot_full and not operation.everything:
            _guard(lake, operation, lake.contracts[domain])
    touched = {} if whole(operation) else delivered(lake, operation, domains)
    lake.tables.each(lambda domain: _merge(lake, lake.contracts[domain], touched.get(domain)), domains)
    return StepResult()


def _merge(lake: Lake, contract: Contract, touched: Keys | None) -> None:
    """Bring a dimension to what the live records of the touched keys say; of all keys where `touched` is None."""
    silver, dimension = f"silver.{contract.domain}", f"gold.{DIMENSIONS[contract.domain]}"
    if touched is not None and touched.few is None:
        touched = Keys(lake.tables.stage(touched.frame).frame)
    records = within(lake.tables.read(silver), touched, contract.key)
    if contract.snapshot_full and touched is not None:  # markers have no key
        records = records.unionByName(lake.tables.read(silver).where(F.col("_kind") == MARKER))
    if touched is None and not lake.tables.holds_rows(dimension):
        # Most first batches hold each key once, which is found out sooner than it is ranked.
        unique = not contract.snapshot_full and lake.tables.is_empty(repeated(records, contract.key))
        lake.tables.insert(dimension, history(records, contract, unique=unique), contract.key)
        return
    computed, key = history(records, contract), [surrogate_key(contract.domain)]
    current = within(lake.tables.read(dimension), touched, contract.key)
    lake.tables.merge(dimension, changes(current, computed, key, lake.tables.schema(dimension).names), key)


def _guard(lake: Lake, operation: Operation, contract: Contract) -> None:
    for batch in operation.batches if operation.validates else ():
        if contract.domain in batch.domains and not batch.confirmed:
            open_, gone, delivered = _shrinkage(lake, operation, batch, contract)
            likely = gone <= _FEW or gone <= lake.settings.max_snapshot_shrink * open_
            if not likely or (gone and not delivered):
                again = operation.cause != "batch" or batch.taken_from is not None  # a person is at the command already
                how = "the option --confirm" if again else f"cartbrook run --confirm {batch.batch_id}"
                raise SnapshotShrinks(
                    f"{batch.batch_id}: the full snapshot of {contract.domain} lacks {gone} of {open_} that are there.",
                    hint=f"If they are gone indeed, confirm it: {how}",
                )


def _shrinkage(lake: Lake, operation: Operation, batch: Batch, contract: Contract) -> tuple[int, int, int]:
    """How many keys were open just before a snapshot, how many of them it ends, and how many it names."""
    slice_ = lake.tables.read(f"silver.{contract.domain}", where={"_batch_seq": batch.batch_seq})
    is_marker = F.col("_kind") == MARKER
    delivered = slice_.where(~is_marker).select(*contract.key).distinct()
    torn = not lake.tables.is_empty(slice_.where(is_marker & F.array_contains("_flags", INCOMPLETE)))
    dimension = f"gold.{DIMENSIONS[contract.domain]}"
    versions = lake.tables.read(dimension, operation.base.table_versions[dimension])
    moment = midnight(batch.batch_date)
    before = (F.col("effective_date") < moment) & (F.col("expiry_date").isNull() | (F.col("expiry_date") >= moment))
    open_ = versions.where(before).select(*contract.key).distinct()
    gone: DataFrame = open_.join(delivered, list(contract.key), "left_anti")
    return open_.count(), 0 if torn else gone.count(), delivered.count()
