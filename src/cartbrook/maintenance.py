"""Maintenance: fewer and larger files, shorter logs, and away with what no kept publication needs. No row changes.

Tables that publications name are compacted by an operation of its own, published at its end with the same live batches. Bronze
and the ledger are read at their heads and compacted after it.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass

from cartbrook import runner
from cartbrook.lake import log
from cartbrook.lake import maintenance as upkeep
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import PUBLICATIONS, SCHEMAS, minutes_since
from cartbrook.lake.maintenance import Excess, Pile
from cartbrook.types import Operation, Publication, StepResult

CAUSE = "maintenance"

_LOG_LENGTH = 10
"""Commits that a log may have grown by before maintenance writes a checkpoint."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done to a table, or would be.

    Attributes:
        files_before: Data files that readers had to open.
        files_after: Those now.
        removed: Data files that no kept publication reads, removed from disk.
        logs: Entries of its log that were removed.
        freed: Bytes of both.
    """

    table: str
    files_before: int
    files_after: int
    removed: int
    logs: int
    freed: int


def is_due(lake: Lake) -> bool:
    """True if there have been as many publications since the last maintenance as the settings say."""
    every = lake.settings.maintain_every
    return every > 0 and lake.tables.is_local and log.grown(lake.tables.folder(PUBLICATIONS)) >= every


def automatic(lake: Lake, base: Publication) -> Publication:
    """Maintenance where it is due, after a batch; if it fails, the next batch tries again.

    Returns:
        The newest publication.
    """
    if not is_due(lake):
        return base
    try:
        maintain(lake, base)
    except Exception as error:  # noqa: BLE001 - the batch before it is published and archived
        _log.warning("maintenance failed: %s", runner.explained(error))
    return lake.ledger.newest()


def maintain(lake: Lake, base: Publication) -> list[Maintained]:
    """Do all that is worth doing; to be called under the lock. Killed anywhere in it, the next operation goes on as ever."""
    tables = _tables(lake)
    before = _counts(lake, tables)
    operation = runner.operation(lake, CAUSE, base)
    runner.carry(lake, operation, {"compact": _compact_pinned, "publish": _publish})
    newest = lake.ledger.newest()
    at_heads = [name for name in tables if name not in lake.pinned]
    lake.tables.each(lambda name: upkeep.compact(lake.tables, name, _piles(lake, name), native=_native(lake)), at_heads)
    lake.tables.forget_written()
    lake.tables.each(lambda name: lake.tables.checkpoint(name, _LOG_LENGTH), [name for name in tables if name != PUBLICATIONS])
    dropped = _drop(lake, newest, tables)
    lake.tables.checkpoint(PUBLICATIONS, 1)  # the last, as it says that maintenance is done
    after = _counts(lake, tables)
    return [_told(name, before[name], after[name], dropped[name]) for name in tables]


def plan(lake: Lake, base: Publication) -> list[Maintained]:
    """What `maintain` would do; nothing is changed."""
    tables = _tables(lake)
    before = _counts(lake, tables)
    piles = {name: _piles(lake, name) for name in tables}
    dropped = _excess(lake, base, tables)
    return [
        _told(name, before[name], before[name] - sum(pile.files - 1 for pile in piles[name]), dropped[name]) for name in tables
    ]


def _compact_pinned(lake: Lake, operation: Operation) -> StepResult:
    """Compact the tables that publications name, as a step."""
    piles = {name: _piles(lake, name) for name in lake.pinned if name in operation.base.table_versions}
    lake.tables.each(lambda name: upkeep.compact(lake.tables, name, piles[name], native=_native(lake)), piles)
    return StepResult()


def _publish(lake: Lake, operation: Operation) -> StepResult:
    """Publish the compacted versions, if there are any; all else is as it was published."""
    versions = lake.trusted(operation)
    lake.require_heads(versions)
    base = operation.base
    if versions != base.table_versions:
        lake.ledger.publish(
            dataclasses.replace(
                base, publish_seq=base.publish_seq + 1, cause=CAUSE, batch_id=None, revision=None, table_versions=versions
            )
        )
    return StepResult()


def _drop(lake: Lake, newest: Publication, tables: tuple[str, ...]) -> dict[str, Excess]:
    """Remove what no kept publication needs."""
    dropped = _excess(lake, newest, tables)
    if _native(lake):
        kept = _oldest_kept(lake, newest)
        # Spark knows no versions to keep, only hours: what a publication reads was dropped after it was made.
        age = minutes_since(lake.ledger.published_at(kept.publish_seq)) / 60 + 1
        for name in tables:
            upkeep.vacuum(lake.tables, name, max(lake.settings.keep_hours, age if name in lake.pinned else 0))
        lake.tables.forget_written()
    lake.tables.each(Excess.remove, dropped.values())
    return dropped


def _excess(lake: Lake, newest: Publication, tables: tuple[str, ...]) -> dict[str, Excess]:
    kept = _oldest_kept(lake, newest)
    hours = lake.settings.keep_hours

    def of(name: str) -> Excess:
        oldest = kept.table_versions.get(name, 0) if name in lake.pinned else None
        return upkeep.excess(lake.tables, name, oldest, hours)

    return dict(zip(tables, lake.tables.each(of, tables), strict=True))


def _oldest_kept(lake: Lake, newest: Publication) -> Publication:
    seq = newest.publish_seq - lake.settings.keep_publications + 1
    return lake.ledger.publication(max(seq, 0)) if seq < newest.publish_seq else newest


def _tables(lake: Lake) -> tuple[str, ...]:
    return (*SCHEMAS, *lake.tables_all())


def _piles(lake: Lake, name: str) -> list[Pile]:
    return upkeep.piles(lake.tables, name)


def _counts(lake: Lake, tables: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(tables, lake.tables.each(lambda name: upkeep.files(lake.tables, name), tables), strict=True))


def _native(lake: Lake) -> bool:
    return lake.engine.name != "sail"


def _told(name: str, before: int, after: int, dropped: Excess) -> Maintained:
    return Maintained(name, before, after, len(dropped.files), len(dropped.logs), dropped.size)
