"""Archive: move the batch's files to where they stay; last, so that a crash before it replays safely."""

from __future__ import annotations

from cartbrook.lake import intake
from cartbrook.lake.lake import Lake
from cartbrook.types import Operation, StepResult


def run(lake: Lake, operation: Operation) -> StepResult:
    """Move files and trigger to archive/<batch_id>/<revision>/."""
    intake.archive(lake.places, operation.batch.batch_id, operation.batch.revision)
    return StepResult(rows_out=operation.batch.rows)
