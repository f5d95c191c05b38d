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
from cartbrook.types import Batch, Operation, StepResult

QUARANTINE = "ops.quarantine"


def run(lake: Lake, operation: Operation) -> StepResult:
    """Put the batch's slices of silver and ops.quarantine in the place of those of the revision that was live.

    Raises:
        BatchRejected: A rule whose action is reject_batch was broken, or the score is below the gate. It carries its results.
    """
    batch = operation.batch
    assert batch is not None
    parts = lake.tables.each(lambda domain: _validate(lake, operation, batch, domain), operation.domains)
    rejected = [part for part in parts if part is not None]
    aside = {"batch_seq": batch.batch_seq}
    if rejected:
        held = operation.was_live or operation.stepwise
        lake.tables.replace(QUARANTINE, reduce(DataFrame.unionByName, rejected), aside, held=held)
    elif operation.was_live:
        lake.tables.delete(QUARANTINE, aside)
    if operation.cause == "batch":
        _gate(lake, batch)
    return StepResult(rows_in=batch.rows)


def _validate(lake: Lake, operation: Operation, batch: Batch, domain: str) -> DataFrame | None:
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
    return rejected.frame if rejected.rows else None


def _gate(lake: Lake, batch: Batch) -> None:
    """Reject the batch if it must be; only rules that look no further than the batch are asked."""
    contracts = [lake.contracts[domain] for domain in batch.domains]
    rejecting = [
        (contract, rule)
        for contract in contracts
        for rule in active_rules(contract, batch.switches)
        if rule.action is Action.REJECT_BATCH
    ]
    if not rejecting and lake.settings.score_gate is None:
        return
    results = scorecard.local_results(lake, batch)
    broken = [
        f"{contract.domain}.{rule.name}"
        for contract, rule in rejecting
        if any(r.domain == contract.domain and r.rule == rule.name and r.rows_failed for r in results)
    ]
    score = scoring.score(results)
    gate = lake.settings.score_gate
    if not broken and (gate is None or score is None or score >= gate):
        return
    reason = f"broke {', '.join(broken[:5])}" if broken else f"its score {score} is below the gate {gate}"
    rows = [dataclasses.asdict(result) for result in results]
    raise BatchRejected(f"{batch.batch_id}: rejected, {reason}.", rows, hint=f"See `cartbrook show {batch.batch_id}`.")
