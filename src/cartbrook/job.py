"""What the tasks of a Databricks job call: `notebooks/` are thin over this, one task a step, one batch a run.

A run takes one batch from trigger to archive. `again` says whether it should start another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cartbrook import deliveries, logic, pipeline
from cartbrook.config import load_settings
from cartbrook.errors import StepOutOfOrder
from cartbrook.lake import intake
from cartbrook.lake.catalog import CatalogTables
from cartbrook.lake.lake import Lake
from cartbrook.lake.session import Session, adopt
from cartbrook.runner import explained
from cartbrook.steps import receive
from cartbrook.types import Batch, Outcome, Publication, StepResult


@dataclass(frozen=True, slots=True)
class Received:
    """What a run begins with.

    Attributes:
        batch_id: The batch; None where there is nothing to do.
        left: File names of triggers that were looked at and stay where they are: they wait for files, or for a person.
    """

    batch_id: str | None
    left: tuple[str, ...]


@contextmanager
def open_lake(session: Session, workspace: str, catalog: str, *, create: bool = False) -> Iterator[Lake]:
    """Open the lake of a workspace with the session of a notebook, which stays open.

    Args:
        workspace: The folder of files and settings, such as ``/Volumes/<catalog>/ops/files``.
        catalog: The catalog of the tables; the empty text keeps to the settings.
        create: It need not be there yet.
    """
    root = Path(workspace)
    settings = load_settings(root, {"catalog": catalog or None})
    with pipeline.open_lake(root, settings, engine=adopt(session), create=create) as lake:
        yield lake


def set_up(lake: Lake) -> None:
    """Make folders, tables, publication 0 and the views; calling it again changes nothing."""
    pipeline.init(lake)
    show(lake)


def receive_next(lake: Lake, confirmed: Collection[str] = (), *, tell: Callable[[Outcome], None] = lambda _: None) -> Received:
    """Receive the first delivery that becomes a batch: a trigger that waits, else what an earlier run left unfinished.

    New triggers go first, so that a batch that fails every time holds up no other.

    Args:
        confirmed: Batch ids that are meant as they are, unlikely as they look.
        tell: Is called with what became of each trigger that is no batch: held, waiting, refused, rejected, unchanged.
    """
    looked_at: list[Path] = []
    with lake.exclusive():
        base = logic.ready(lake, deliveries.recover(lake, tell))
        for path in deliveries.by_date(intake.waiting_triggers(lake.places)):
            looked_at.append(path)
            batch, base = _received(lake, base, intake.name_of(path), partial(receive.receive, lake, path, base, confirmed), tell)
            if batch is not None:
                return Received(batch, _still_there(looked_at))
        for batch_id, revision, folder in intake.claimed_folders(lake.places):
            if not (folder / intake.TRIGGER_NAME).exists():
                continue
            if deliveries.outdated(lake, base, batch_id, revision, delivered_again=False):
                continue
            batch, base = _received(lake, base, batch_id, partial(receive.resume, lake, batch_id, revision, folder), tell)
            if batch is not None:
                return Received(batch, _still_there(looked_at))
    return Received(None, _still_there(looked_at))


def _still_there(paths: list[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in paths if path.exists())


def _received(
    lake: Lake, base: Publication, name: str, receiving: Callable[[], Batch | Outcome], tell: Callable[[Outcome], None]
) -> tuple[str | None, Publication]:
    """The id of the batch that was received, if one was, and the newest publication."""
    try:
        received = receiving()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one delivery, the next one is received
        tell(Outcome(name, "failed", explained(error)))
        return None, base
    if isinstance(received, Batch):
        return received.batch_id, base
    tell(received)
    return None, deliveries.publish_refusal(lake, base, received) if received.status == "rejected" else base


def carry_on(lake: Lake, batch_id: str, step: str) -> StepResult:
    """Run a step of a batch, and before it those that its run lacks.

    That is how a repaired run goes on: where another batch was published meanwhile, the steps before the failed one have to run
    again, on the newer publication.
    """
    try:
        return pipeline.run_step(lake, batch_id, step)
    except StepOutOfOrder as error:
        for name in error.wanting:
            pipeline.run_step(lake, batch_id, name)
        return pipeline.run_step(lake, batch_id, step)


def again(lake: Lake, left: Collection[str], batch_id: str) -> bool:
    """True if triggers wait that the run has not looked at; those it left, and its own if that was held, wait for something else.

    Args:
        left: `Received.left` of the run.
        batch_id: The run's batch.
    """
    waiting = {path.name for path in intake.waiting_triggers(lake.places)}
    return bool(waiting - {*left, f"{batch_id}.json"})


def show(lake: Lake) -> int:
    """Let the views of a catalog show the newest publication; returns how many there are. Without a catalog there are none."""
    return lake.tables.publish_views(lake.ledger.newest()) if isinstance(lake.tables, CatalogTables) else 0
