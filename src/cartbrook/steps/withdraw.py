"""Withdraw: take the slices of a batch out of silver and the quarantine; the first step of an undo."""

from __future__ import annotations

from cartbrook.lake.lake import Lake
from cartbrook.types import Operation, StepResult


def run(lake: Lake, operation: Operation) -> StepResult:
    """Empty the batch's slices; nothing happens where they are empty."""
    batch = operation.batch
    slices = [(f"silver.{domain}", "_batch_seq") for domain in operation.domains] + [("ops.quarantine", "batch_seq")]
    lake.tables.each(lambda slice_: lake.tables.delete(slice_[0], {slice_[1]: batch.batch_seq}), slices)
    return StepResult(rows_in=batch.rows, rows_out=0)
