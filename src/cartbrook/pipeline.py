"""The pipeline: the story of a batch, the ledger around each step, and the operations a person asks for.

Everything that changes gold is one mechanism: an `Operation` says which slices change, the steps recompute the keys these touch
from all live records, and one publication makes the result visible.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pyspark.sql.types import StructType

from cartbrook import runner
from cartbrook.config import Settings, load_settings
from cartbrook.contracts.load import load_contracts, logic_facts, rules_hash
from cartbrook.contracts.model import Contracts
from cartbrook.contracts.trigger import parse_trigger
from cartbrook.errors import BatchNotFound, BatchRejected, FileRefused, LogicChanged, TriggerRefused
from cartbrook.frames import LOGIC
from cartbrook.frames.marts import MARTS
from cartbrook.frames.schema import QUALITY_RESULTS, QUARANTINE, record_tables, struct
from cartbrook.lake import intake
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import utc_now
from cartbrook.lake.places import Places
from cartbrook.lake.results import save_results
from cartbrook.lake.session import Engine
from cartbrook.runner import Step
from cartbrook.steps import archive, audit, facts, history, ingest, marts, publish, receive, validate, withdraw
from cartbrook.types import Batch, BatchRow, Operation, Outcome, Publication, StepResult, StepRun

STORY: Mapping[str, Step] = {
    "ingest": ingest.run,
    "validate": validate.run,
    "history": history.run,
    "facts": facts.run,
    "marts": marts.run,
    "publish": publish.run,
    "archive": archive.run,
}
"""What happens to a received batch, in order."""

UNDO: Mapping[str, Step] = {
    "withdraw": withdraw.run,
    "history": history.run,
    "facts": facts.run,
    "marts": marts.run,
    "publish": publish.run,
}

REBUILD: Mapping[str, Step] = {
    "history": history.run,
    "facts": facts.run,
    "marts": marts.run,
    "publish": publish.run,
}


@contextmanager
def open_lake(
    workspace: Path, settings: Settings | None = None, *, engine: Engine | None = None, create: bool = False
) -> Iterator[Lake]:
    """Open the lake of a workspace.

    Args:
        settings: None loads those of the workspace.
        engine: An open engine to use and leave open.
        create: The workspace need not be one yet.

    Raises:
        WorkspaceError: It is no workspace.
        ContractError: A contract of the shop is wrong.
    """
    places = Places(workspace.resolve())
    if not create:
        places.require()
    settings = settings or load_settings(places.root)
    contracts = load_contracts(places.contracts if places.contracts.is_dir() else None)
    lake = Lake.open(
        places,
        settings,
        contracts,
        schemas(contracts),
        logic_hash=_logic_hash(contracts, settings),
        rules_hash=rules_hash(contracts),
        engine=engine,
    )
    with lake:
        yield lake


def schemas(contracts: Contracts) -> dict[str, StructType]:
    """The schemas of all tables but the ledger's, by name."""
    tables: dict[str, StructType] = {}
    for contract in contracts.values():
        tables |= record_tables(contract)
    tables |= {f"gold.{mart.name}": struct(mart.schema) for mart in MARTS}
    return tables | {"ops.quarantine": struct(QUARANTINE), "ops.quality_results": struct(QUALITY_RESULTS)}


def init(lake: Lake) -> None:
    """Make the folders, all tables and publication 0 of a workspace; calling it again changes nothing."""
    lake.places.make()
    with lake.exclusive():
        lake.create()


def run(lake: Lake, confirmed: Collection[str] = (), *, told: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """Finish what an earlier process left, then run every trigger that waits.

    Args:
        confirmed: Batch ids whose far-away batch_date is meant.
        told: Is called with each outcome as it comes.

    Returns:
        One outcome for each batch or trigger; none where there was nothing to do.

    Raises:
        LogicChanged: Gold was made under another logic; `rebuild` first.
        WorkspaceLocked: Another process works here.
    """
    outcomes: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        told(outcome)

    with lake.exclusive():
        base = recover(lake, tell)
        _require_logic(lake, base)
        stuck = {(outcome.batch_id, outcome.revision) for outcome in outcomes}
        for batch_id, revision, folder in intake.claimed_folders(lake.places):
            if (folder / intake.TRIGGER_NAME).exists() and (batch_id, revision) not in stuck:
                base = _run_received(lake, base, partial(receive.resume, lake, batch_id, revision, folder), batch_id, tell)
        for path in _by_date(intake.waiting_triggers(lake.places)):
            base = _run_received(lake, base, partial(receive.receive, lake, path, base, confirmed), path.stem, tell)
    return outcomes


def run_step(lake: Lake, batch_id: str, step: str) -> StepResult:
    """Run one step of a batch, as a task of a job does; its run goes on from the steps before it.

    Args:
        step: receive, or a step of STORY.

    Raises:
        BatchNotFound: No such batch was received or, for `receive`, no trigger of that id waits or it cannot become a batch.
    """
    if step == "receive":
        return _receive(lake, batch_id)
    with lake.exclusive():
        base = lake.ledger.newest()
        row = next((row for row in reversed(lake.ledger.batches(batch_id)) if row.manifest), None)
        if row is None or row.manifest is None:
            raise BatchNotFound(f"No batch {batch_id} has been received.", hint="`cartbrook batches` lists them.")
        batch = Batch.from_json(row.manifest, lake.places.work_of(row.batch_id, row.revision))
        operation = dataclasses.replace(runner.operation(lake, "batch", base, batch, attempt=row.attempt), stepwise=True)
        if base.live_of(batch.batch_id) == batch.live:
            return archive.run(lake, operation) if step == "archive" else StepResult()
        done = lake.ledger.steps(batch.batch_id, batch.revision)
        if done:
            operation = runner.goes_on(operation, done[-1]["token"], done[-1]["attempt"])
        heads = runner.abandon_strays(lake, operation, lake.trusted(operation))
        return runner.perform(lake, operation, {step: STORY[step]}, heads)


def _receive(lake: Lake, batch_id: str) -> StepResult:
    with lake.exclusive():
        base = recover(lake)
        _require_logic(lake, base)
        for path in intake.waiting_triggers(lake.places):
            if _named(path) == batch_id:
                received = receive.receive(lake, path, base)
                if isinstance(received, Outcome):
                    raise BatchNotFound(received.message)
                return StepResult(received.rows, received.rows)
    raise BatchNotFound(f"No trigger of {batch_id} waits.", hint="`cartbrook submit` puts one there.")


def undo(lake: Lake, batch_id: str) -> Outcome:
    """Take a batch out, as if it had never come; its files stay in the archive and its raw records in bronze.

    Raises:
        BatchNotFound: The batch is not live.
    """
    with lake.exclusive():
        base = recover(lake)
        _require_logic(lake, base)
        live = base.live_of(batch_id)
        if live is None:
            raise BatchNotFound(
                f"{batch_id} is not published, so there is nothing to undo.", hint="`cartbrook batches` lists them."
            )
        started = time.perf_counter()
        operation = runner.operation(lake, "undo", base, runner.live_batch(lake, live.batch_id, live.revision))
        runner.carry(lake, operation, UNDO)
        took = time.perf_counter() - started
        return Outcome(live.batch_id, "undone", f"{live.batch_id}: undone", live.revision, seconds=took)


def rebuild(lake: Lake, *, from_bronze: bool = False) -> Outcome:
    """Compute all of gold anew from the live records, under the contracts and settings in force.

    Args:
        from_bronze: Validate the raw records of every live batch anew, too.
    """
    with lake.exclusive():
        base = recover(lake)
        started = time.perf_counter()
        operation = runner.operation(lake, "rebuild", base, None)
        steps: dict[str, Step] = {}
        if from_bronze:
            for live in base.live:
                batch = dataclasses.replace(runner.live_batch(lake, live.batch_id, live.revision), rules_hash=lake.rules_hash)
                again = runner.goes_on(runner.operation(lake, "batch", base, batch), operation.token, operation.attempt)
                steps[f"validate {live.batch_id}"] = partial(_validate_again, again)
        runner.carry(lake, operation, {**steps, **REBUILD})
        rows = f"{len(base.live)} batches"
        return Outcome("rebuild", "rebuilt", f"gold rebuilt from {rows}", seconds=time.perf_counter() - started)


def _validate_again(again: Operation, lake: Lake, _rebuild: Operation) -> StepResult:
    return validate.run(lake, again)


def prove(lake: Lake) -> list[audit.Finding]:
    """Run `audit` over the published tables."""
    return audit.audit(lake, lake.ledger.newest())


def recover(lake: Lake, tell: Callable[[Outcome], None] = lambda _: None) -> Publication:
    """Bring ops.batches after the newest publication and archive what was published and not yet archived.

    Args:
        tell: Is called for each batch whose files cannot be moved now; nothing else waits for them.
    """
    base = lake.ledger.newest()
    if base.batch_rows:
        held = {(row.batch_id, row.revision): row.status for row in lake.ledger.batches(base.batch_rows[0].batch_id)}
        behind = [row for row in base.batch_rows if held.get((row.batch_id, row.revision)) != row.status]
        # A row that has moved on since (a newer revision is running, say) is not behind.
        behind = [row for row in behind if held.get((row.batch_id, row.revision)) in (None, "running", "failed", "published")]
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


def _run_received(
    lake: Lake, base: Publication, receiving: Callable[[], Batch | Outcome], name: str, tell: Callable[[Outcome], None]
) -> Publication:
    """Receive one trigger and, if it brought a batch, run its story; whatever goes wrong with one batch, the next one runs.

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
        return base
    operation = runner.operation(lake, "batch", base, received, attempt=received.attempt)
    first = StepRun("receive", time.perf_counter() - started, StepResult(received.rows, received.rows))
    try:
        runner.carry(lake, operation, STORY, first=first)
    except BatchRejected as error:
        tell(_reject(lake, operation, error))
        return lake.ledger.newest()
    except Exception as error:  # noqa: BLE001
        tell(_failed(lake, operation, error))
        return lake.ledger.newest()
    newest = lake.ledger.newest()
    row = next(row for row in newest.batch_rows if row.status == "published")
    tell(_told(row, time.perf_counter() - started))
    return newest


def _reject(lake: Lake, operation: Operation, error: BatchRejected) -> Outcome:
    """Publish a rejection: its results stay, its records do not count, its files are set aside."""
    assert operation.batch is not None
    rejection = dataclasses.replace(
        runner.operation(lake, "rejection", operation.base, operation.batch, attempt=operation.attempt), reason=error.message
    )

    def keep_results(lake: Lake, rejection: Operation) -> StepResult:
        assert rejection.batch is not None
        save_results(lake.tables, rejection.batch, error.results)
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
    assert operation.batch is not None
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
        "quarantined": row.rows_quarantined or 0,
        "parked": row.rows_parked or 0,
        "duplicate": row.rows_duplicate or 0,
    }
    return Outcome(row.batch_id, row.status, f"{row.batch_id}: {row.status}", row.revision, row.score, counts, seconds)


def _require_logic(lake: Lake, base: Publication) -> None:
    if base.live and base.logic_hash != lake.logic_hash:
        raise LogicChanged(
            "Contracts, settings or code changed what gold means since it was made.",
            hint="Run `cartbrook rebuild` once; it computes gold anew under the new logic.",
        )


def _logic_hash(contracts: Contracts, settings: Settings) -> str:
    parts = [str(LOGIC), json.dumps(logic_facts(contracts), sort_keys=True), settings.gold_hash()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _named(path: Path) -> str | None:
    """The trigger_id of a waiting trigger, if it can be read."""
    try:
        return parse_trigger(path.read_bytes(), path.name).trigger_id
    except TriggerRefused:
        return None


def _by_date(triggers: list[Path]) -> list[Path]:
    """Triggers by batch_date where it can be read; the order changes no table, but reports read better."""

    def date(path: Path) -> tuple[str, str]:
        try:
            value = json.loads(path.read_bytes()[:65536])
            return str(value.get("batch_date", "")), path.name
        except (ValueError, AttributeError, OSError):
            return "", path.name

    return sorted(triggers, key=date)
