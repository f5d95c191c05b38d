"""Runs the steps of an operation with the ledger around them, and abandons what was not published."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
import uuid
from collections.abc import Callable, Collection, Mapping

from cartbrook.errors import CartbrookError
from cartbrook.lake.lake import Lake
from cartbrook.types import Batch, LiveBatch, Operation, Publication, StepResult, StepRun

Step = Callable[[Lake, Operation], StepResult]

_log = logging.getLogger(__name__)

_PATIENCE = 1.0
"""Seconds of finished steps that may wait to be recorded: a small batch costs two commits, a long one shows how far it is."""


def operation(lake: Lake, cause: str, base: Publication, *batches: Batch, attempt: int = 1) -> Operation:
    """What a cause means for the live set.

    Args:
        cause: batch, decision, undo, rebuild, evolve, maintenance or rejection.
        base: The newest publication.
        batches: Those that come or go, or whose slices are made anew; none where gold alone is.
    """
    live, domains = base.live, tuple(lake.contracts) if cause == "rebuild" else ()
    for batch in batches:
        domains = tuple(dict.fromkeys((*domains, *batch.domains)))
        replaced = base.live_of(batch.batch_id)
        if cause in ("batch", "undo"):
            live = tuple(entry for entry in live if entry != replaced)
        if cause == "batch":
            live = (*live, batch.live)
            if replaced is not None and replaced.revision != batch.revision:
                (before,) = live_batches(lake, [replaced])
                domains = tuple(dict.fromkeys((*domains, *before.domains)))
    return Operation(cause, batches, base, live, domains, uuid.uuid4().hex, attempt)


def live_batches(lake: Lake, live: Collection[LiveBatch]) -> list[Batch]:
    """Published batches as the ledger knows them, to be validated by the rules in force; their files are in the archive."""
    wanted = {(entry.batch_id, entry.revision) for entry in live}
    batches: list[Batch] = []
    for row in lake.ledger.batches(*{entry.batch_id for entry in live}) if live else ():
        if (row.batch_id, row.revision) in wanted:
            assert row.manifest is not None
            batch = Batch.from_json(row.manifest, lake.places.archive_of(row.batch_id, row.revision))
            batches.append(dataclasses.replace(batch, rules_hash=lake.rules_hash))
    return batches


def carry(lake: Lake, operation: Operation, steps: Mapping[str, Step], *, first: StepRun | None = None) -> None:
    """Abandon unpublished work, then run steps in order; on an error the unpublished work is abandoned again.

    Args:
        first: What was done for the operation before, to be recorded with the steps.
    """
    heads = abandon_strays(lake, operation, operation.base.table_versions)
    try:
        perform(lake, operation, steps, heads, first=first)
    except Exception:
        # Where this fails, too (a full disk), the next operation does it.
        with contextlib.suppress(Exception):
            if lake.ledger.newest().publish_seq == operation.base.publish_seq:
                lake.settle(operation.base.table_versions)
        raise


def perform(
    lake: Lake, operation: Operation, steps: Mapping[str, Step], heads: Mapping[str, int], *, first: StepRun | None = None
) -> StepResult:
    """Run steps in order, each recorded with the versions it gave to tables before anything is published on them.

    Args:
        heads: The version of each pinned table. A step begins only where they are these and what the steps before it wrote:
            else it would build on someone else's rows and take them for its own.

    Raises:
        ForeignWrite: A pinned table was written by someone else between two steps.
    """
    lake.expect(sum(batch.rows for batch in operation.batches))
    done = [first] if first else []
    held = dict(heads)
    result = StepResult()
    try:
        for name, step in steps.items():
            if name == "publish" or sum(run.seconds for run in done) > _PATIENCE:
                lake.ledger.record(operation, done)
                done = []
            started = time.perf_counter()
            lake.tables.forget_written()
            try:
                lake.require_heads(held)
                result = step(lake, operation)
            except Exception as error:
                done.append(StepRun(name, time.perf_counter() - started, error=explained(error)))
                raise
            written = {table: version for table, version in lake.tables.forget_written().items() if table in lake.pinned}
            held.update(written)
            done.append(StepRun(name, time.perf_counter() - started, result, written))
    except Exception:
        with contextlib.suppress(Exception):
            lake.ledger.record(operation, done)
        raise
    finally:
        lake.tables.clear_staging()
    lake.ledger.record(operation, done)
    if "publish" in steps:
        # What was published is published, whatever comes of this.
        with contextlib.suppress(Exception):
            lake.checkpoint()
    return result


def abandon_strays(lake: Lake, operation: Operation, versions: Mapping[str, int]) -> Mapping[str, int]:
    """Restore heads that are not at the versions they should have, and record the restored ones as this run's.

    Returns:
        The heads now.
    """
    started = time.perf_counter()
    restored = lake.settle(versions)
    if restored:
        lake.ledger.record(operation, [StepRun("restore", time.perf_counter() - started, versions=restored)])
    return {**versions, **restored}


def explained(error: Exception) -> str:
    """What is kept of an error: our own words whole, of others the kind alone.

    The text of an engine's error may quote a record, and customers' data must not reach the ledger or a log.
    """
    _log.debug("%s", type(error).__name__, exc_info=error)
    if isinstance(error, CartbrookError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}{notes} (run with --debug for the traceback)"


def goes_on(operation: Operation, token: str, attempt: int) -> Operation:
    """The operation as a part of a run that was begun before, as tasks of a job are."""
    return dataclasses.replace(operation, token=token, attempt=attempt)
