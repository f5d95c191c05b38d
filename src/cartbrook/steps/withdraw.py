"""Withdraw: take the slices of a batch out of silver and the quarantine; the first step of an undo."""

from __future__ import annotations

from cartbrook.lake.lake import Lake
from cartbrook.types import Operation, StepResult


def run(lake: Lake, operation: Operation) -> StepResult:
    """Empty the batch's slices; nothing happens where they are empty."""
    batch = operation.batch
    assert batch is not None
    tasks = [
        lambda domain=domain: lake.tables.delete(f"silver.{domain}", {"_batch_seq": batch.batch_seq})  # type: ignore[misc]
        for domain in operation.domains
    ]
    tasks.append(lambda: lake.tables.delete("ops.quarantine", {"batch_seq": batch.batch_seq}))
    lake.tables.each(tasks)
    return StepResult(rows_in=batch.rows, rows_out=0)
