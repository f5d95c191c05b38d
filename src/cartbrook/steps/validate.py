"""Validate: types, rules that look no further than the batch, decisions, gate; the slices of silver and ops.quarantine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook import scorecard
from cartbrook.contracts.model import Action
from cartbrook.errors import BatchRejected, concerning
from cartbrook.frames.decisions import in_force
from cartbrook.frames.duplicates import KEY, repeated_keys
from cartbrook.frames.quality import split
from cartbrook.frames.quarantine import OPEN, PARKED, RELEASED
from cartbrook.frames.rules import active_rules
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import Staged
from cartbrook.types import Batch, Operation, StepResult

_FEW = 10_000
"""Records that are ranked faster than those that may share their key are told from the others."""

QUARANTINE = "ops.quarantine"
EVENTS = "ops.quarantine_events"


def run(lake: Lake, operation: Operation) -> StepResult:
    """Put the slices of silver and ops.quarantine in the place of those that were live.

    Raises:
        BatchRejected: A rule whose action is reject_batch failed, the score is below its gate, or the share of quarantined
            records above its own. It carries its results.
    """
    for batch in operation.batches:
        quarantined = _validate(lake, operation, batch)
        if operation.cause == "batch":
            _gate(lake, batch, quarantined)
    return StepResult(rows_in=sum(batch.rows for batch in operation.batches))


def _validate(lake: Lake, operation: Operation, batch: Batch) -> int:
    """Make the slices of one batch; returns how many of its records are quarantined."""
    aside = {"batch_seq": batch.batch_seq}
    decisions = _decisions(lake, batch)
    waited = _waited(lake, operation, batch)
    repeated = _repeated(lake, batch)

    def split_of(domain: str) -> Staged | None:
        with concerning(f"records of {domain}"):
            return _split(lake, operation, batch, domain, decisions, repeated)

    parts = lake.tables.each(split_of, operation.domains)
    rejected = [part.frame for part in parts if part is not None]
    if waited is not None:
        rejected.append(_still_told(lake, batch, waited, rejected))
    if rejected:
        held = operation.was_live(batch) or operation.stepwise
        lake.tables.replace(QUARANTINE, reduce(DataFrame.unionByName, rejected), aside, held=held)
    elif operation.was_live(batch):
        lake.tables.delete(QUARANTINE, aside)
    return sum(part.count("status", OPEN) if decisions else part.rows for part in parts if part is not None)


def _repeated(lake: Lake, batch: Batch) -> dict[str, DataFrame | bool]:
    """The keys that several of its records have, by domain: False where there are none, True where all are to be ranked."""
    timezone = lake.settings.timezone
    keys = [
        repeated_keys(_bronze(lake, batch, domain), lake.contracts[domain], timezone).withColumn("domain", F.lit(domain))
        for domain in batch.domains
    ]
    staged = lake.tables.stage(reduce(DataFrame.unionByName, keys))
    found = staged.values("domain")

    def of(domain: str) -> DataFrame | bool:
        if domain not in found:
            return False
        return _delivered(batch, domain) <= _FEW or staged.frame.where(F.col("domain") == domain).select(KEY)

    return {domain: of(domain) for domain in batch.domains}


def _bronze(lake: Lake, batch: Batch, domain: str) -> DataFrame:
    return lake.tables.read(f"bronze.{domain}", where={"_batch_seq": batch.batch_seq, "_revision": batch.revision})


def _delivered(batch: Batch, domain: str) -> int:
    return sum(file.rows for file in batch.files if file.domain == domain)


def _split(
    lake: Lake,
    operation: Operation,
    batch: Batch,
    domain: str,
    decisions: Mapping[str, DataFrame],
    repeated: Mapping[str, DataFrame | bool],
) -> Staged | None:
    """Write the silver slice of a domain; returns its rejected records, None where there are none."""
    slice_ = {"_batch_seq": batch.batch_seq}
    held = operation.was_live(batch) or operation.stepwise
    if domain not in batch.domains:  # the revision that was live may have had it
        if held:
            lake.tables.delete(f"silver.{domain}", slice_)
        return None
    contract, timezone = lake.contracts[domain], lake.settings.timezone
    parts = split(_bronze(lake, batch, domain), contract, batch, timezone, decisions.get(domain), repeated[domain])
    silver = parts.accepted if parts.presence is None else parts.accepted.unionByName(parts.presence)
    accepted = lake.tables.replace(f"silver.{domain}", silver, slice_, held=held, exact=True)
    if accepted == _delivered(batch, domain) and parts.presence is None and domain not in decisions:
        return None  # all of them; no record need be looked for among the rejected
    rejected = lake.tables.stage(parts.rejected)
    return rejected if rejected.rows else None


def _decisions(lake: Lake, batch: Batch) -> dict[str, DataFrame]:
    """The decisions in force on records of a batch, by domain; none for the domains without any."""
    if lake.tables.version(EVENTS) == 0:  # as it was made: nobody has ever decided anything
        return {}
    events = lake.tables.read(EVENTS).where(F.col("batch_id") == batch.batch_id)
    kept = lake.tables.stage(in_force(events))
    return {domain: kept.frame.where(F.col("domain") == domain) for domain in kept.values("domain")}


def _waited(lake: Lake, operation: Operation, batch: Batch) -> DataFrame | None:
    """The batch's records that wait or waited, as published: they are told of still when the batch is validated again."""
    if not operation.was_live(batch):
        return None
    published = lake.tables.read(QUARANTINE, operation.base.table_versions[QUARANTINE], {"batch_seq": batch.batch_seq})
    waited = lake.tables.stage(published.where(F.col("status").isin(PARKED, RELEASED) & F.col("decision").isNull()))
    return waited.frame if waited.rows else None


def _still_told(lake: Lake, batch: Batch, waited: DataFrame, rejected: list[DataFrame]) -> DataFrame:
    """Those that are records still, and of which nothing else is to be told; facts look again whether they wait."""
    where = {"_batch_seq": batch.batch_seq}
    silver = [lake.tables.read(f"silver.{domain}", where=where).select("_record_id") for domain in batch.domains]
    live = reduce(DataFrame.unionByName, silver).withColumnRenamed("_record_id", "quarantine_id")
    for other in rejected:
        waited = waited.join(other.select("quarantine_id"), "quarantine_id", "left_anti")
    return waited.join(live, "quarantine_id", "left_semi").withColumn("revision", F.lit(batch.revision))


def _gate(lake: Lake, batch: Batch, quarantined: int) -> None:
    """Reject the batch if it must be; only rules that look no further than the batch are asked."""
    rejecting = any(
        rule.action is Action.REJECT_BATCH
        for domain in batch.domains
        for rule in active_rules(lake.contracts[domain], batch.switches)
    )
    gates = lake.settings
    if not rejecting and gates.score_gate is None and not scorecard.crowded(gates, quarantined, batch.rows):
        return
    results = scorecard.local_results(lake, batch)
    reasons = scorecard.rejections(results, gates, quarantined, batch.rows)
    if reasons:
        rows = [dataclasses.asdict(result) for result in results]
        hint = f"See `cartbrook quality {batch.batch_id}`."
        raise BatchRejected(f"{batch.batch_id}: rejected, {'; '.join(reasons)}.", rows, hint=hint)
