"""The pipeline: the story of a batch, the ledger around each step, and the operations a person asks for.

Everything that changes gold is one mechanism: an `Operation` says which slices change, the steps recompute the keys these touch
from all live records, and one publication makes the result visible.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pyspark.sql.types import StructType

from cartbrook import decisions, deliveries, logic, maintenance, runner
from cartbrook.config import Settings, load_settings
from cartbrook.contracts.load import load_contracts, rules_hash
from cartbrook.contracts.model import Contracts
from cartbrook.errors import (
    BatchNotFound,
    BatchRejected,
    Held,
    StepOutOfOrder,
    counted,
)
from cartbrook.frames.marts import TABLES
from cartbrook.frames.schema import QUALITY_RESULTS, QUARANTINE, QUARANTINE_EVENTS, RESTATEMENTS, record_tables, struct
from cartbrook.lake import intake
from cartbrook.lake.lake import Lake
from cartbrook.lake.places import Places
from cartbrook.lake.session import Engine
from cartbrook.runner import Step
from cartbrook.steps import archive, audit, facts, history, ingest, marts, publish, receive, validate, withdraw
from cartbrook.types import Batch, Decided, Decision, Operation, Outcome, StepResult

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

DECISION: Mapping[str, Step] = {
    "validate": validate.run,
    "history": history.run,
    "facts": facts.run,
    "marts": marts.run,
    "publish": publish.run,
}

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
    settings = settings or load_settings(places.root)
    if not create and settings.catalog is None:
        places.require()  # before an engine is started
    contracts = load_contracts(places.contracts if places.contracts.is_dir() else None)
    lake = Lake.open(
        places,
        settings,
        contracts,
        schemas(contracts),
        logic_hash=logic.logic_hash(contracts, settings),
        rules_hash=rules_hash(contracts),
        engine=engine,
    )
    with lake:
        if not create and settings.catalog is not None:
            lake.require()
        yield lake


def schemas(contracts: Contracts) -> dict[str, StructType]:
    """The schemas of all tables but the ledger's, by name."""
    tables: dict[str, StructType] = {}
    for contract in contracts.values():
        tables |= record_tables(contract)
    tables |= {f"gold.{mart.name}": struct(mart.schema) for mart in TABLES}
    ops = {
        "quarantine": QUARANTINE,
        "quarantine_events": QUARANTINE_EVENTS,
        "quality_results": QUALITY_RESULTS,
        "restatements": RESTATEMENTS,
    }
    return tables | {f"ops.{name}": struct(columns) for name, columns in ops.items()}


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
        base = logic.ready(lake, deliveries.recover(lake, tell))
        triggers = deliveries.by_date(intake.waiting_triggers(lake.places))
        delivered_again = {deliveries.named(path) for path in triggers}
        stuck = {(outcome.batch_id, outcome.revision) for outcome in outcomes}
        for batch_id, revision, folder in intake.claimed_folders(lake.places):
            if not (folder / intake.TRIGGER_NAME).exists() or (batch_id, revision) in stuck:
                continue
            if deliveries.outdated(lake, base, batch_id, revision, delivered_again=batch_id in delivered_again):
                continue
            base = deliveries.run_delivery(
                lake, base, partial(receive.resume, lake, batch_id, revision, folder), STORY, batch_id, tell
            )
            base = maintenance.automatic(lake, base)
        for path in triggers:
            base = deliveries.run_delivery(
                lake, base, partial(receive.receive, lake, path, base, confirmed), STORY, intake.name_of(path), tell
            )
            base = maintenance.automatic(lake, base)
    return outcomes


def run_step(lake: Lake, batch_id: str, step: str) -> StepResult:
    """Run one step of a batch, as a task of a job does; its run goes on from the steps before it.

    Args:
        step: receive, or a step of STORY.

    Raises:
        BatchNotFound: No such batch was received or, for `receive`, no trigger of that id waits or it cannot become a batch.
        BatchRejected: The batch broke a gate; its rejection is published.
        Held: A person must look at the batch; its files are back in landing.
        StepOutOfOrder: A step before this one has not run, or ran on an older publication.
    """
    if step == "receive":
        return _receive(lake, batch_id)
    with lake.exclusive():
        base = logic.ready(lake, deliveries.recover(lake))
        row = next((row for row in reversed(lake.ledger.batches(batch_id)) if row.manifest), None)
        if row is None or row.manifest is None:
            raise BatchNotFound(f"No batch {batch_id} has been received.", hint="`cartbrook batches` lists them.")
        batch = Batch.from_json(row.manifest, lake.places.work_of(row.batch_id, row.revision))
        operation = dataclasses.replace(runner.operation(lake, "batch", base, batch, attempt=row.attempt), stepwise=True)
        if base.live_of(batch.batch_id) == batch.live:
            return archive.run(lake, operation) if step == "archive" else StepResult()
        if row.status not in ("running", "failed"):
            raise BatchNotFound(f"{row.batch_id} is {row.status}.", hint="Deliver it again.")
        operation = _gone_on_with(lake, operation, step)
        heads = runner.abandon_strays(lake, operation, lake.trusted(operation))
        try:
            return runner.perform(lake, operation, {step: STORY[step]}, heads)
        except BatchRejected as error:
            deliveries.reject(lake, operation, error)
            raise
        except Held as error:
            receive.hold(lake, row, error)
            raise


def _gone_on_with(lake: Lake, operation: Operation, step: str) -> Operation:
    """The operation as a part of the batch's last run, if that was built on what is published now.

    Raises:
        StepOutOfOrder: A step before this one has not run, or ran on an older publication.
    """
    runs = lake.ledger.steps(operation.batch.batch_id, operation.batch.revision)
    runs = [run for run in runs if run["token"] == runs[-1]["token"] and run["base_seq"] == operation.base.publish_seq]
    order = list(STORY)
    done: list[str] = []
    for run in runs:
        if run["status"] == "done" and run["step"] in STORY:
            # A step that ran again takes away what was built on its earlier run.
            done = [*(name for name in done if order.index(name) < order.index(run["step"])), run["step"]]
    wanting = [name for name in order[: order.index(step)] if name not in done]
    if wanting:
        raise StepOutOfOrder(
            f"{operation.batch.batch_id}: {step} needs {wanting[0]} first.",
            wanting,
            hint="Another publication came in between, or the step has not run: go on from ingest.",
        )
    return runner.goes_on(operation, runs[-1]["token"], runs[-1]["attempt"]) if runs else operation


def _receive(lake: Lake, batch_id: str) -> StepResult:
    with lake.exclusive():
        base = logic.ready(lake, deliveries.recover(lake))
        for path in intake.waiting_triggers(lake.places):
            if deliveries.named(path) == batch_id:
                received = receive.receive(lake, path, base)
                if isinstance(received, Outcome):
                    raise BatchNotFound(received.message)
                return StepResult(received.rows, received.rows)
    raise BatchNotFound(f"No trigger of {batch_id} waits.", hint="`cartbrook submit` puts one there.")


def decide(lake: Lake, taken: Sequence[Decision], *, confirmed: bool = False) -> list[Decided]:
    """Take decisions on records that were set aside: fix, release, discard, or revoke of an earlier one.

    Args:
        confirmed: Snapshots that shrink by them are meant.

    Raises:
        DecisionRefused: A record is not there, or not in a state that the decision is for; nothing is recorded then.
        SnapshotShrinks: A discard or fix lets a snapshot end more histories than is likely.
    """
    with lake.exclusive():
        base = logic.ready(lake, deliveries.recover(lake))
        return decisions.decide(lake, base, taken, DECISION, confirmed=confirmed)


def undo(lake: Lake, batch_id: str) -> Outcome:
    """Take a batch out, as if it had never come; its files stay in the archive and its raw records in bronze.

    Raises:
        BatchNotFound: The batch is not live.
    """
    with lake.exclusive():
        base = logic.ready(lake, deliveries.recover(lake))
        live = base.live_of(batch_id)
        if live is None:
            raise BatchNotFound(
                f"{batch_id} is not published, so there is nothing to undo.", hint="`cartbrook batches` lists them."
            )
        started = time.perf_counter()
        operation = runner.operation(lake, "undo", base, *runner.live_batches(lake, [live]))
        runner.carry(lake, operation, UNDO)
        took = time.perf_counter() - started
        return Outcome(live.batch_id, "undone", f"{live.batch_id}: undone", live.revision, seconds=took)


def reprocess(lake: Lake, batch_id: str, *, from_bronze: bool = False, confirmed: bool = False) -> Outcome:
    """Take a batch in again from its archived files (else from bronze) under the contracts in force, as its next revision.

    Args:
        from_bronze: From bronze although its files are there.
        confirmed: What is unlikely about it (a snapshot that shrinks) is meant.

    Returns:
        What became of it; where that is not `published`, what was live stays so.

    Raises:
        BatchNotFound: There is no such batch, or it is not published, undone or rejected.
    """
    told: list[Outcome] = []
    with lake.exclusive():
        base = logic.ready(lake, deliveries.recover(lake))
        received = receive.again(lake, batch_id, base, from_bronze=from_bronze, confirmed=confirmed)
        deliveries.run_delivery(lake, base, lambda: received, STORY, batch_id, told.append, deliveries.give_up)
    return told[-1]


def rebuild(lake: Lake, *, from_bronze: bool = False) -> Outcome:
    """Compute all of gold anew from the live records, under the contracts and settings in force.

    Args:
        from_bronze: Validate the raw records of every live batch anew, too.
    """
    with lake.exclusive():
        base = deliveries.recover(lake)
        started = time.perf_counter()
        batches = runner.live_batches(lake, base.live) if from_bronze else ()
        operation = runner.operation(lake, "rebuild", base, *batches)
        steps: Mapping[str, Step] = {"validate": validate.run} if from_bronze else {"settled": logic.require_settled}
        runner.carry(lake, operation, {"evolve": logic.evolve, **steps, **REBUILD})
        live = counted(len(base.live), "batch", "batches")
        return Outcome("rebuild", "rebuilt", f"gold rebuilt from {live}", seconds=time.perf_counter() - started)


def maintain(lake: Lake, *, dry_run: bool = False) -> list[maintenance.Maintained]:
    """Compact tables and remove what no kept publication needs; no row changes.

    Args:
        dry_run: Only tell what would be done.
    """
    with lake.exclusive():
        base = lake.ledger.newest() if dry_run else deliveries.recover(lake)
        return maintenance.plan(lake, base) if dry_run else maintenance.maintain(lake, base)


def prove(lake: Lake, batch_id: str | None = None, publish_seq: int | None = None) -> list[audit.Finding]:
    """Run `audit` over the published tables.

    Args:
        batch_id: Only the books of this batch, file by file.
        publish_seq: The tables of an earlier publication; None for the newest.

    Raises:
        BatchNotFound: The batch was not live then.
        LogicChanged: The publication was made under another logic.
        PublicationNotFound: There is none of that number, or maintenance has removed what it reads.
    """
    publication = lake.ledger.newest() if publish_seq is None else lake.ledger.publication(publish_seq)
    if publish_seq is not None:
        lake.require_readable(publication)
    if not publication.live and publication.logic_hash != lake.logic_hash:
        return [audit.live_batches(lake, publication)]  # nothing else is there; the next operation takes on the contracts
    lake.expect()
    gained = logic.require_logic(lake, publication)
    live = publication.live_of(batch_id) if batch_id is not None else None
    if batch_id is not None and live is None:
        raise BatchNotFound(
            f"{batch_id} is not live in publication {publication.publish_seq}.", hint="`cartbrook batches` lists them."
        )
    return audit.audit(logic.as_published(lake, gained), publication, live.batch_id if live else None)
