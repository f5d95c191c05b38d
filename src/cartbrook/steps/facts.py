"""Facts: references resolved or parked, facts bound and merged, cross-table rules counted, the batch scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook import scorecard
from cartbrook.context import fact_settings
from cartbrook.contracts.model import DIMENSIONS, FACTS, Contract
from cartbrook.frames.binding import moved_keys
from cartbrook.frames.changes import changes, come_or_gone, keys_of, within
from cartbrook.frames.facts import facts, resolve
from cartbrook.frames.parking import movements, parked, raw_texts
from cartbrook.frames.schema import fact_key
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import fetch
from cartbrook.touched import dimension_keys, published_slices, slices
from cartbrook.types import Operation, StepResult

QUARANTINE = "ops.quarantine"
GOLD = {domain: f"gold.{table}" for domain, table in {**DIMENSIONS, **FACTS}.items()}
_WAVES = (("orders", "inventory"), ("shipping",))
"""Facts in the order of their references: what is in one wave needs nothing of it."""


@dataclass(frozen=True, slots=True)
class _Resolved:
    """Touched records of one domain with their parents looked up, evaluated once.

    Attributes:
        touched: The touched fact keys; None for all.
        waits: A record among them has no parent.
    """

    contract: Contract
    records: DataFrame
    touched: DataFrame | None
    waits: bool


def run(lake: Lake, operation: Operation) -> StepResult:
    """Recompute the facts of the touched keys from all their live records; park, release, count and score."""
    resolved: dict[str, _Resolved] = {}
    for wave in _WAVES:
        parts = lake.tables.each(lambda domain: _fact(lake, operation, domain, resolved), wave)
        resolved.update({part.contract.domain: part for part in parts if part is not None})
    if resolved:
        _park(lake, operation, list(resolved.values()))
    for batch in operation.batches if operation.validates else ():
        results = scorecard.results(lake, batch, operation.live)
        scorecard.save(lake, batch, [dataclasses.asdict(result) for result in results])
    return StepResult()


def _fact(lake: Lake, operation: Operation, domain: str, before: Mapping[str, _Resolved]) -> _Resolved | None:
    """Bring one fact table to what the live records say; None where nothing of it is touched.

    Args:
        before: The facts of earlier waves, this one's parents.
    """
    part = _resolve(lake, operation, domain, before)
    if part is not None:
        _merge(lake, part)
    return part


def _resolve(lake: Lake, operation: Operation, domain: str, before: Mapping[str, _Resolved]) -> _Resolved | None:
    """The touched records of a domain with their parents looked up."""
    contract = lake.contracts[domain]
    parents = {reference.parent: lake.tables.read(GOLD[reference.parent]) for reference in contract.references}
    records = _dated(lake.tables.read(f"silver.{domain}"), contract)
    key = fact_key(contract)
    touched = None
    if not operation.everything:
        touched = _touched(lake, operation, contract, records, before)
        if touched is None:
            return None
    staged = lake.tables.stage(resolve(within(records, touched, key), contract, parents, lake.contracts))
    resolved = staged.frame
    if touched is not None:
        # What is cheap to read again: keys with records, and those whose last record went.
        gone = [_dated(slice_, contract) for slice_ in published_slices(lake, operation, contract.domain)]
        touched = keys_of(resolved, *gone, key=key)
    return _Resolved(contract, resolved, touched, staged.any_in("_missing"))


def _touched(
    lake: Lake, operation: Operation, contract: Contract, records: DataFrame, before: Mapping[str, _Resolved]
) -> DataFrame | None:
    """Keys of the operation's slices, and of the children of parents that appeared, vanished or were cut anew."""
    key = fact_key(contract)
    parts: list[DataFrame] = []
    if contract.domain in operation.domains:
        parts += [_dated(slice_, contract) for slice_ in slices(lake, operation, contract.domain)]
    for reference in contract.references:
        moved = _moved_parents(lake, operation, reference.parent, before)
        if moved is not None:
            pairs = zip(reference.columns, reference.parent_columns, strict=True)
            named = moved.select(*(F.col(theirs).alias(ours) for ours, theirs in pairs))
            parts.append(records.join(named, list(reference.columns), "left_semi"))
    return keys_of(*parts, key=key) if parts else None


def _moved_parents(lake: Lake, operation: Operation, parent: str, before: Mapping[str, _Resolved]) -> DataFrame | None:
    """Keys of a parent domain whose gold rows are others than the published ones; None where the table was not written."""
    gold, contract = GOLD[parent], lake.contracts[parent]
    base = operation.base.table_versions[gold]
    if lake.tables.version(gold) == base:
        return None
    # Only touched keys can have moved.
    touched = before[parent].touched if parent in before else dimension_keys(lake, operation, contract)
    old = within(lake.tables.read(gold, base), touched, contract.key)
    new = within(lake.tables.read(gold), touched, contract.key)
    return moved_keys(old, new, contract) if parent in DIMENSIONS else come_or_gone(old, new, contract.key)


def _dated(records: DataFrame, contract: Contract) -> DataFrame:
    """Stock is kept by day: its fact key names the batch's date."""
    return records.withColumn("batch_date", F.col("_batch_date")) if contract.domain == "inventory" else records


def _merge(lake: Lake, part: _Resolved) -> None:
    contract = part.contract
    table, key = GOLD[contract.domain], fact_key(contract)
    computed = facts(part.records, contract, lake.contracts, fact_settings(lake.settings))
    current = within(lake.tables.read(table), part.touched, key)
    lake.tables.merge(table, changes(current, computed, key, lake.tables.schema(table).names), key)


def _park(lake: Lake, operation: Operation, resolved: list[_Resolved]) -> None:
    """Bring ops.quarantine to what waits now: records that begin to wait, and those whose parents came."""
    waiting = reduce(DataFrame.unionByName, (parked(part.records, part.contract) for part in resolved))
    touched = reduce(
        DataFrame.unionByName, (part.records.select(F.col("_record_id").alias("quarantine_id")) for part in resolved)
    )
    table = lake.tables.read(QUARANTINE)
    if not any(part.waits for part in resolved) and lake.tables.is_empty(table.where("status = 'parked'")):
        return
    known = table.where("status in ('parked', 'released', 'corrected')")
    by = operation.batch.batch_id if len(operation.batches) == 1 else operation.cause
    staged = lake.tables.stage(movements(waiting, touched, known, lake.contracts, by))
    if staged.rows == 0:
        return
    moved = staged.frame
    new = fetch(moved.where("record is null").select("domain", "batch_seq").distinct())
    fresh = {domain: [row["batch_seq"] for row in new if row["domain"] == domain] for domain in FACTS}
    texts = [
        raw_texts(lake.tables.read(f"bronze.{domain}", where={"_batch_seq": seqs}), lake.contracts[domain])
        for domain, seqs in fresh.items()
        if seqs
    ]
    if texts:
        # Revisions of a batch share record ids where the file is the same, and then the text is, too.
        raw = reduce(DataFrame.unionByName, texts).groupBy("quarantine_id").agg(F.first("record").alias("_text"))
        moved = moved.join(raw, "quarantine_id", "left").withColumn("record", F.coalesce("record", "_text")).drop("_text")
    lake.tables.merge(QUARANTINE, moved.withColumn("_change", F.lit("upsert")), ("quarantine_id",))
