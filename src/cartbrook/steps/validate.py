"""Validate: types, rules that look no further than the batch, severity, gate; the batch's slices of silver and quarantine."""

from __future__ import annotations

import dataclasses
from functools import reduce

from pyspark.sql import DataFrame

from cartbrook import scorecard
from cartbrook.contracts.model import Action
from cartbrook.errors import BatchRejected
from cartbrook.frames import scoring
from cartbrook.frames.quality import split
from cartbrook.frames.rules import active_rules
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import Staged
from cartbrook.types import Batch, Operation, StepResult

QUARANTINE = "ops.quarantine"


def run(lake: Lake, operation: Operation) -> StepResult:
    """Put the batch's slices of silver and ops.quarantine in the place of those of the revision that was live.

    Raises:
        BatchRejected: A rule whose action is reject_batch failed, the score is below its gate, or the share of quarantined
            records above its own. It carries its results.
    """
    batch = operation.batch
    assert batch is not None
    parts = lake.tables.each(lambda domain: _validate(lake, operation, batch, domain), operation.domains)
    rejected = [part for part in parts if part is not None]
    aside = {"batch_seq": batch.batch_seq}
    if rejected:
        held = operation.was_live or operation.stepwise
        lake.tables.replace(QUARANTINE, reduce(DataFrame.unionByName, [part.frame for part in rejected]), aside, held=held)
    elif operation.was_live:
        lake.tables.delete(QUARANTINE, aside)
    if operation.cause == "batch":
        _gate(lake, batch, sum(part.rows for part in rejected))
    return StepResult(rows_in=batch.rows)


def _validate(lake: Lake, operation: Operation, batch: Batch, domain: str) -> Staged | None:
    """Write the silver slice of a domain; returns its rejected records, None where there are none."""
    slice_ = {"_batch_seq": batch.batch_seq}
    if domain not in batch.domains:  # the revision that was live had it
        lake.tables.delete(f"silver.{domain}", slice_)
        return None
    bronze = lake.tables.read(f"bronze.{domain}", where={**slice_, "_revision": batch.revision})
    parts = split(bronze, lake.contracts[domain], batch, lake.settings.timezone)
    accepted = lake.tables.replace(f"silver.{domain}", parts.accepted, slice_, held=operation.was_live or operation.stepwise)
    if accepted == sum(file.rows for file in batch.files if file.domain == domain):
        return None  # all of them; no record need be looked for among the rejected
    rejected = lake.tables.stage(parts.rejected)
    return rejected if rejected.rows else None


def _gate(lake: Lake, batch: Batch, quarantined: int) -> None:
    """Reject the batch if it must be; only rules that look no further than the batch are asked."""
    rejecting = any(
        rule.action is Action.REJECT_BATCH
        for domain in batch.domains
        for rule in active_rules(lake.contracts[domain], batch.switches)
    )
    gates = lake.settings
    crowded = gates.quarantine_gate is not None and quarantined > gates.quarantine_gate * batch.rows
    if not rejecting and gates.score_gate is None and not crowded:
        return
    results = scorecard.local_results(lake, batch)
    broken = [f"{row.domain}.{row.rule}" for row in results if row.action == Action.REJECT_BATCH and row.status == "fail"]
    score = scoring.score([row for row in results if row.local], gates.severity_weights)
    reasons = [f"broke {', '.join(broken[:5])}"] if broken else []
    if gates.score_gate is not None and score is not None and score < gates.score_gate:
        reasons.append(f"its score {score} is below the gate {gates.score_gate}")
    if crowded:
        share = f"{quarantined:,} of {batch.rows:,} records are quarantined"
        reasons.append(f"{share}, more than the share {gates.quarantine_gate} of quarantine_gate")
    if reasons:
        rows = [dataclasses.asdict(result) for result in results]
        hint = f"See `cartbrook quality {batch.batch_id}`."
        raise BatchRejected(f"{batch.batch_id}: rejected, {'; '.join(reasons)}.", rows, hint=hint)
