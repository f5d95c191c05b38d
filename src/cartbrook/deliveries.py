"""Deliveries: one trigger or claim from its arrival to its outcome, and what earlier processes left of them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cartbrook import runner, scorecard
from cartbrook.contracts.trigger import parse_trigger
from cartbrook.errors import BatchRejected, FileRefused, Held, TriggerRefused
from cartbrook.lake import intake
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import utc_now
from cartbrook.runner import Step
from cartbrook.steps import publish, receive
from cartbrook.types import Batch, BatchRow, Operation, Outcome, Publication, StepResult, StepRun


def recover(lake: Lake, tell: Callable[[Outcome], None] = lambda _: None) -> Publication:
    """Bring ops.batches after the newest publication and archive what was published and not yet archived.

    Args:
        tell: Is called for each batch whose files cannot be moved now; nothing else waits for them.
    """
    base = lake.ledger.newest()
    behind = _behind(lake, base)
    if behind:
        lake.ledger.save(behind)
    done = {(row.batch_id, row.revision): row for row in lake.ledger.batches()} if intake.claimed_folders(lake.places) else {}
    for batch_id, revision, _ in intake.claimed_folders(lake.places):
        row = done.get((batch_id, revision))
        try:
            if row is not None and row.status in ("published", "superseded", "undone"):
                intake.archive(lake.places, batch_id, revision)
            elif row is not None and row.status == "rejected":
                _set_aside(lake, row)
        except OSError as error:
            assert row is not None
            tell(Outcome(batch_id, "failed", f"{row.status}, but its files stay in work: {runner.explained(error)}", revision))
    return base


def _behind(lake: Lake, base: Publication) -> list[BatchRow]:
    """Rows that the newest publication settled and ops.batches does not hold like that."""
    ids = {row.batch_id for row in base.batch_rows}
    rows = lake.ledger.batches(*ids) if ids else []
    held = {(row.batch_id, row.revision): row for row in rows}
    behind: list[BatchRow] = []
    for row in base.batch_rows:
        now = held.get((row.batch_id, row.revision))
        # A row that has moved on since (a newer revision is running, say) is not behind.
        if now is None or (now.status in ("running", "failed", "published") and now.as_settled != row.as_settled):
            behind.append(row)
    return behind


def outdated(lake: Lake, base: Publication, batch_id: str, revision: int, *, delivered_again: bool) -> bool:
    """True if a newer delivery takes the place of a claim that failed or was interrupted; its files are then set aside."""
    rows = lake.ledger.batches(batch_id)
    live = base.live_of(batch_id)
    newer = any(row.revision > revision and row.status not in receive.WAITING for row in rows)
    own = next((row for row in rows if row.revision == revision), None)
    failed = own is not None and own.status == "failed"
    if own is None or not (newer or (live is not None and live.revision > revision) or (failed and delivered_again)):
        return False
    replaced = dataclasses.replace(own, status="failed", error=own.error or "a newer delivery took its place")
    lake.ledger.save([replaced])
    _set_aside(lake, replaced)
    return True


def run_delivery(
    lake: Lake,
    base: Publication,
    receiving: Callable[[], Batch | Outcome],
    story: Mapping[str, Step],
    name: str,
    tell: Callable[[Outcome], None],
    hold: Callable[[Lake, BatchRow, Held], Outcome] = receive.hold,
) -> Publication:
    """Receive one trigger and, if it brought a batch, run its story; whatever goes wrong with one batch, the next one runs.

    Args:
        hold: What is done with a batch that waits for a person.

    Returns:
        The newest publication after it.
    """
    started = time.perf_counter()
    try:
        received = receiving()
    except Exception as error:  # noqa: BLE001
        tell(Outcome(name, "failed", runner.explained(error)))
        return base
    if isinstance(received, Outcome):
        tell(received)
        return publish_refusal(lake, base, received) if received.status == "rejected" else base
    operation = runner.operation(lake, "batch", base, received, attempt=received.attempt)
    first = StepRun("receive", time.perf_counter() - started, StepResult(received.rows, received.rows))
    try:
        runner.carry(lake, operation, story, first=first)
    except BatchRejected as error:
        tell(reject(lake, operation, error))
        return lake.ledger.newest()
    except Held as error:
        row = next(row for row in lake.ledger.batches(received.batch_id) if row.revision == received.revision)
        tell(hold(lake, row, error))
        return lake.ledger.newest()
    except Exception as error:  # noqa: BLE001
        tell(_failed(lake, operation, error))
        return lake.ledger.newest()
    newest = lake.ledger.newest()
    row = next(row for row in newest.batch_rows if row.status == "published")
    tell(_told(row, time.perf_counter() - started))
    return newest


def give_up(lake: Lake, row: BatchRow, error: Held) -> Outcome:
    """End a revision that nobody waits for: the live one stays, and its files are where they were."""
    lake.ledger.save([dataclasses.replace(row, status="failed", finished_at=utc_now(), error=error.message)])
    intake.unclaim(lake.places, row.batch_id, row.revision)
    return Outcome(row.batch_id, "failed", str(error), row.revision)


def publish_refusal(lake: Lake, base: Publication, outcome: Outcome) -> Publication:
    """Publish the rejection of a batch whose files could not be read; nothing of it reached a table."""
    rows = tuple(row for row in lake.ledger.batches(outcome.batch_id) if row.revision == outcome.revision)
    publication = dataclasses.replace(
        base,
        publish_seq=base.publish_seq + 1,
        cause="rejection",
        batch_id=outcome.batch_id,
        revision=outcome.revision,
        batch_rows=rows,
    )
    lake.ledger.publish(publication)
    return publication


def reject(lake: Lake, operation: Operation, error: BatchRejected) -> Outcome:
    """Publish a rejection: its results stay, its records do not count, its files are set aside."""
    rejection = dataclasses.replace(
        runner.operation(lake, "rejection", operation.base, operation.batch, attempt=operation.attempt), reason=error.message
    )

    def keep_results(lake: Lake, rejection: Operation) -> StepResult:
        scorecard.save(lake, rejection.batch, error.results)
        return StepResult(rejection.batch.rows, 0)

    runner.carry(lake, rejection, {"reject": keep_results, "publish": publish.run})
    row = next(r for r in lake.ledger.batches(operation.batch.batch_id) if r.revision == operation.batch.revision)
    _set_aside(lake, row)
    return Outcome(operation.batch.batch_id, "rejected", str(error), operation.batch.revision, row.score)


def _set_aside(lake: Lake, row: BatchRow) -> None:
    folder = lake.places.work_of(row.batch_id, row.revision)
    if folder.is_dir():
        error = FileRefused("rejected", row.batch_id, row.error or "rejected")
        intake.refuse(lake.places, row.batch_id, list(folder.iterdir()), error, {"revision": row.revision})
        folder.rmdir()


def _failed(lake: Lake, operation: Operation, error: Exception) -> Outcome:
    batch = operation.batch
    if lake.ledger.newest().live_of(batch.batch_id) == batch.live:
        # Published; only what follows failed. The next run archives it first.
        return Outcome(batch.batch_id, "failed", f"published, but not archived: {runner.explained(error)}", batch.revision)
    message = runner.explained(error)
    try:
        rows = [row for row in lake.ledger.batches(batch.batch_id) if row.revision == batch.revision]
        lake.ledger.save(
            [
                dataclasses.replace(row, status="failed", attempt=operation.attempt, finished_at=utc_now(), error=message)
                for row in rows
            ]
        )
    except Exception as second:  # noqa: BLE001 - on a full disk nothing can be recorded; the first error is the one to tell
        runner.explained(second)
    return Outcome(batch.batch_id, "failed", message, batch.revision)


def _told(row: BatchRow, seconds: float) -> Outcome:
    counts = {
        "accepted": row.rows_accepted or 0,
        "corrected": row.rows_corrected or 0,
        "discarded": row.rows_discarded or 0,
        "quarantined": row.rows_quarantined or 0,
        "parked": row.rows_parked or 0,
        "duplicate": row.rows_duplicate or 0,
    }
    message = f"{row.batch_id}: {row.status}"
    return Outcome(row.batch_id, row.status, message, row.revision, row.score, counts, seconds, row.warnings)


def named(path: Path) -> str | None:
    """The trigger_id of a waiting trigger, if it can be read."""
    try:
        return parse_trigger(intake.read_trigger(path), path.name).trigger_id
    except (TriggerRefused, OSError):
        return None


def by_date(triggers: list[Path]) -> list[Path]:
    """Triggers by batch_date where it can be read; the order changes no table, but reports read better."""

    def date(path: Path) -> tuple[str, str]:
        try:
            return parse_trigger(intake.read_trigger(path), path.name).batch_date.isoformat(), path.name
        except (TriggerRefused, OSError):
            return "", path.name

    return sorted(triggers, key=date)
