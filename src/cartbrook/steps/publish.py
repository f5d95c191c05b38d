"""Publish: balance the books, check the invariants, and record in one commit the table versions that readers may trust."""

from __future__ import annotations

import dataclasses
from collections import Counter
from decimal import Decimal
from functools import partial, reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook import scorecard
from cartbrook.contracts.model import DIMENSIONS
from cartbrook.errors import BooksDoNotBalance, DeclaredDiffers, counted
from cartbrook.frames import books
from cartbrook.frames.decisions import in_force
from cartbrook.frames.invariants import broken_versions, suspicious_versions
from cartbrook.frames.keys import within
from cartbrook.frames.likeness import looks_plain, near_duplicates
from cartbrook.frames.quarantine import CORRECTED, DISCARDED, PARKED
from cartbrook.frames.snapshots import is_record
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import utc_now
from cartbrook.lake.values import fetch
from cartbrook.touched import batch_keys
from cartbrook.types import Batch, BatchRow, Operation, Publication, StepResult

EVENTS = "ops.quarantine_events"
QUARANTINE = "ops.quarantine"
_MANY = 20_000
"""The keys of so many records are looked at one by one before they are compared."""


def run(lake: Lake, operation: Operation) -> StepResult:
    """Commit a publication, then bring ops.batches after it.

    Raises:
        BooksDoNotBalance: A record is lost or counted twice, money differs, or an invariant of a history is broken.
        DeclaredDiffers: A file's amounts are not what its trigger declares.
        ForeignWrite: A pinned table was written by someone else.
    """
    trusted = lake.trusted(operation)
    lake.require_heads(trusted)
    rows = tuple(row for batch in operation.batches for row in _settled(lake, operation, batch))
    lake.require_heads(trusted)
    only = operation.batch if len(operation.batches) == 1 else None
    publication = Publication(
        publish_seq=operation.base.publish_seq + 1,
        cause=operation.cause,
        batch_id=only.batch_id if only else None,
        revision=only.revision if only else None,
        as_of=operation.as_of,
        live=operation.live,
        table_versions=trusted,
        rules_hash=lake.rules_hash,
        logic_hash=lake.logic_hash,
        batch_rows=rows,
    )
    lake.ledger.publish(publication)
    if rows:
        lake.ledger.save(rows)
    return StepResult(rows_out=sum(row.rows_accepted or 0 for row in rows if row.status == "published"))


def _settled(lake: Lake, operation: Operation, batch: Batch) -> list[BatchRow]:
    """The rows of ops.batches that become true with the publication."""
    before = lake.ledger.batches(batch.batch_id)
    settle = {"batch": _delivered, "undo": _undone, "rejection": _rejected}.get(operation.cause, _validated_again)
    return settle(lake, operation, batch, before)


def _delivered(lake: Lake, operation: Operation, batch: Batch, before: list[BatchRow]) -> list[BatchRow]:
    own = next((row for row in before if row.revision == batch.revision), None)
    row = BatchRow(
        batch.batch_id,
        batch.revision,
        batch.batch_seq,
        batch.batch_date.isoformat(),
        "published",
        attempt=operation.attempt,
        started_at=own.started_at if own else None,
        content_hash=own.content_hash if own else None,
    )
    replaced = [
        dataclasses.replace(old, status="superseded", finished_at=utc_now())
        for old in before
        if old.status == "published" and old.revision != batch.revision
    ]
    return [*replaced, _counted(lake, operation, batch, row)]


def _validated_again(lake: Lake, operation: Operation, batch: Batch, before: list[BatchRow]) -> list[BatchRow]:
    """After a decision or a rebuild from bronze the batch is the same, and its counts are others."""
    return [_counted(lake, operation, batch, row) for row in before if row.revision == batch.revision]


def _counted(lake: Lake, operation: Operation, batch: Batch, row: BatchRow) -> BatchRow:
    """A row of ops.batches with counts and score, once books and histories have been found to be in order."""
    domains = [domain for domain in DIMENSIONS if _written(lake, operation, f"gold.{DIMENSIONS[domain]}")]
    histories = [partial(_require_history, lake, batch, domain) for domain in domains]
    checks = [
        partial(_balanced, lake, operation, batch),
        partial(_near_duplicates, lake, batch),
        partial(_orphaned, lake, batch),
        *histories,
    ]
    counts, alike, orphaned, *_ = lake.tables.each(lambda check: check(), checks)
    results = scorecard.saved(lake, batch)
    warnings = [warning for file in batch.files for warning in file.warnings]
    warnings += [
        f"{alike[domain]} keys of {domain} differ from each other only in case or blanks"
        for domain in batch.domains
        if alike[domain]
    ]
    if orphaned.total():
        warnings.append(f"{counted(orphaned.total(), 'decision')} in force on records that these files do not hold")
    return dataclasses.replace(
        row,
        warnings=(*warnings, *scorecard.warnings(lake, results)),
        score=scorecard.score(lake, results),
        rows_read=batch.rows,
        rows_accepted=counts[books.ACCEPTED],
        rows_corrected=counts[CORRECTED],
        rows_discarded=counts[DISCARDED],
        rows_quarantined=counts[books.QUARANTINED],
        rows_parked=counts[PARKED],
        rows_duplicate=counts[books.DUPLICATE],
        rows_rejected=0,
        finished_at=utc_now(),
        rules_hash=batch.rules_hash,
        manifest=batch.to_json(),
    )


def _written(lake: Lake, operation: Operation, table: str) -> bool:
    return lake.tables.version(table) != operation.base.table_versions[table]


def _undone(lake: Lake, operation: Operation, batch: Batch, before: list[BatchRow]) -> list[BatchRow]:
    del lake, operation
    return [dataclasses.replace(row, status="undone", finished_at=utc_now()) for row in before if row.revision == batch.revision]


def _rejected(lake: Lake, operation: Operation, batch: Batch, before: list[BatchRow]) -> list[BatchRow]:
    return [
        dataclasses.replace(
            row,
            status="rejected",
            attempt=operation.attempt,
            score=scorecard.score(lake, [row for row in scorecard.saved(lake, batch) if row.local]),
            rows_rejected=batch.rows,
            finished_at=utc_now(),
            error=operation.reason,
        )
        for row in before
        if row.revision == batch.revision
    ]


def _balanced(lake: Lake, operation: Operation, batch: Batch) -> Counter[str]:
    """Rows by state, after every record and every amount of the batch has been found in exactly one state."""
    entries = _plain_entries(lake, batch, _without_aside(lake, operation, batch))
    parts = [_entries(lake, batch, domain) for domain in batch.domains if domain not in {entry["domain"] for entry in entries}]
    if parts:
        entries += lake.tables.stage(reduce(DataFrame.unionByName, parts)).fetch()
    problems = [_problem(entry) for entry in entries]
    by_file: Counter[tuple[str, str]] = Counter()
    totals: dict[tuple[str, str], Decimal] = {}
    states: Counter[str] = Counter()
    for entry in entries:
        place = (entry["domain"], entry["source_file"])
        by_file[place] += entry["rows"]
        totals[place] = totals.get(place, Decimal(0)) + entry["delivered"]
        states[entry["state"]] += entry["rows"]
    for file in batch.files:
        place = (file.domain, file.name)
        if by_file[place] != file.rows:
            problems.append(f"{file.name}: {file.rows} records delivered, {by_file[place]} in the books")
    _require(batch, problems)
    for file in batch.files:
        declared = file.control_total
        if declared is not None and totals.get((file.domain, file.name), Decimal(0)) != Decimal(declared):
            raise DeclaredDiffers(
                "control_total_differs", f"{file.name}: its amounts are not the control_total that is declared."
            )
    return states


def _without_aside(lake: Lake, operation: Operation, batch: Batch) -> list[str]:
    """Domains of the batch of which ops.quarantine has no row."""
    if not _written(lake, operation, QUARANTINE) and not operation.was_live(batch):
        return list(batch.domains)
    rows = lake.tables.read(QUARANTINE, where={"batch_seq": batch.batch_seq})
    aside = {row["domain"] for row in fetch(rows.select("domain").distinct())}
    return [domain for domain in batch.domains if domain not in aside]


def _plain_entries(lake: Lake, batch: Batch, domains: list[str]) -> list[dict[str, Any]]:
    """The entries of the domains whose records were all accepted, each by itself; of any other the long way tells more."""
    if not domains:
        return []
    parts = [books.sums(*_slices(lake, batch, domain), lake.contracts[domain]) for domain in domains]
    sides: dict[str, dict[tuple[str, str], dict[str, Any]]] = {books.DELIVERED: {}, books.HELD: {}}
    for row in lake.tables.stage(reduce(DataFrame.union, parts)).fetch():
        sides[row.pop("side")][row["domain"], row["source_file"]] = row
    differing = {place[0] for place in sides[books.DELIVERED].keys() | sides[books.HELD].keys() if _differ(sides, place)}
    return [
        {**row, "state": books.ACCEPTED, "delivered": row["money"], "booked": row["money"]}
        for row in sides[books.DELIVERED].values()
        if row["domain"] not in differing
    ]


def _differ(sides: dict[str, dict[tuple[str, str], dict[str, Any]]], place: tuple[str, str]) -> bool:
    return sides[books.DELIVERED].get(place) != sides[books.HELD].get(place)


def _slices(lake: Lake, batch: Batch, domain: str) -> tuple[DataFrame, DataFrame]:
    """The batch's raw records and its slice of silver."""
    where = {"_batch_seq": batch.batch_seq}
    bronze = lake.tables.read(f"bronze.{domain}", where={**where, "_revision": batch.revision})
    return bronze, lake.tables.read(f"silver.{domain}", where=where)


def _entries(lake: Lake, batch: Batch, domain: str) -> DataFrame:
    aside = lake.tables.read(QUARANTINE, where={"batch_seq": batch.batch_seq}).where(F.col("domain") == domain)
    return books.entries(*_slices(lake, batch, domain), aside, lake.contracts[domain])


def _near_duplicates(lake: Lake, batch: Batch) -> Counter[str]:
    """For each domain, how many of the batch's keys look like another one of it."""
    where = {"_batch_seq": batch.batch_seq}
    records = {domain: lake.tables.read(f"silver.{domain}", where=where).where(is_record()) for domain in batch.domains}
    if batch.rows > _MANY:
        looks = [looks_plain(rows, lake.contracts[domain]) for domain, rows in records.items()]
        for row in lake.tables.stage(reduce(DataFrame.unionByName, looks)).fetch(plain=True):
            del records[row["domain"]]
    parts = [near_duplicates(rows, lake.contracts[domain]) for domain, rows in records.items()]
    if not parts:
        return Counter()
    return Counter({row["domain"]: row["keys"] for row in lake.tables.stage(reduce(DataFrame.unionByName, parts)).fetch()})


def _orphaned(lake: Lake, batch: Batch) -> Counter[str]:
    """Decisions in force on records of the batch that its files do not hold (any more): where a file changes, ids do, too."""
    if lake.tables.version(EVENTS) == 0:  # as it was made: nobody has ever decided anything
        return Counter()
    where = {"_batch_seq": batch.batch_seq, "_revision": batch.revision}
    decided = in_force(lake.tables.read(EVENTS).where(F.col("batch_id") == batch.batch_id))
    for domain in batch.domains:
        delivered = lake.tables.read(f"bronze.{domain}", where=where).select(F.col("_record_id").alias("quarantine_id"))
        decided = decided.join(delivered, "quarantine_id", "left_anti")
    return Counter(row["domain"] for row in fetch(decided.select("domain")))


def _problem(entry: dict[str, Any]) -> str | None:
    file = entry["source_file"] or f"{entry['domain']} (no file)"
    if entry["state"] in (books.LOST, books.DOUBLE) or entry["source_file"] is None:
        return f"{file}: {entry['rows']} records {entry['state']}"
    if entry["delivered"] != entry["booked"]:
        return f"{file}: {entry['state']} money is not what was delivered"
    return None


def _require(batch: Batch, problems: list[str | None]) -> None:
    found = [problem for problem in problems if problem]
    if found:
        raise BooksDoNotBalance(
            f"{batch.batch_id}: {'; '.join(found[:5])}.", hint="Nothing was published. `cartbrook audit` tells more."
        )


def _require_history(lake: Lake, batch: Batch, domain: str) -> Counter[str]:
    contract, table = lake.contracts[domain], f"gold.{DIMENSIONS[domain]}"
    dimension = lake.tables.read(table)
    if _MANY < lake.tables.count(table) <= batch.rows and lake.tables.is_empty(suspicious_versions(dimension, contract)):
        return Counter()
    dimension = within(dimension, batch_keys(lake, batch, [domain])[domain], contract.key)
    broken = lake.tables.stage(broken_versions(dimension, contract)).fetch()
    _require(batch, [f"{DIMENSIONS[domain]}: {row['rows']} versions {row['problem']}" for row in broken])
    return Counter()
