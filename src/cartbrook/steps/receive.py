"""Receive: decide what a trigger means, claim its files, look at them, and give the batch its revision."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from cartbrook.contracts.model import Contract
from cartbrook.contracts.trigger import ExpectedFile, Trigger, parse_trigger
from cartbrook.errors import BatchNotFound, DeclaredDiffers, FileRefused, Held, TriggerRefused, counted
from cartbrook.lake import intake
from cartbrook.lake.csv_scan import Limits, scan_file
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import minutes_since, utc_now
from cartbrook.types import Batch, BatchRow, Outcome, Publication, SourceFile

WAITING = ("received", "held")
"""Statuses of a revision that has no files yet; the next delivery of the id goes on with it."""


def receive(lake: Lake, path: Path, base: Publication, confirmed: Collection[str] = ()) -> Batch | Outcome:
    """Take in one trigger of landing/triggers.

    Args:
        confirmed: Batch ids whose far-away batch_date a person has confirmed.

    Returns:
        The claimed batch, recorded as running; or what became of the trigger (unchanged, held, waiting, refused, rejected).
    """
    name = intake.name_of(path)
    try:
        trigger = parse_trigger(intake.read_trigger(path), f"{name}{path.suffix}")
    except TriggerRefused as error:
        intake.refuse(lake.places, name, [path], error)
        return Outcome(name, "refused", error.message)
    rows = lake.ledger.batches(trigger.trigger_id)
    try:
        return _take(lake, path, trigger, rows, base, confirmed)
    except TriggerRefused as error:
        waited = [row for row in rows if row.status in WAITING]
        if waited:
            lake.ledger.save(
                [dataclasses.replace(row, status="failed", finished_at=utc_now(), error=error.message) for row in waited]
            )
        found = _present(lake, trigger)
        intake.refuse(lake.places, trigger.trigger_id, [path, *found], error)
        return Outcome(trigger.trigger_id, "refused", error.message)


def resume(lake: Lake, batch_id: str, revision: int, folder: Path) -> Batch | Outcome:
    """The batch of a claim that an earlier process began and did not finish."""
    rows = lake.ledger.batches(batch_id)
    row = next((row for row in rows if row.revision == revision), None)
    if row is not None and row.manifest is not None:
        attempt = row.attempt + 1
        batch = dataclasses.replace(Batch.from_json(row.manifest, folder), attempt=attempt, rules_hash=lake.rules_hash)
        lake.ledger.save([_row(batch, "running")])
        return batch
    trigger = parse_trigger((folder / intake.TRIGGER_NAME).read_bytes(), intake.TRIGGER_NAME)
    return _examine(lake, trigger, revision, folder, rows, attempt=2)  # what it wrote to bronze is not known


def again(lake: Lake, batch_id: str, base: Publication, *, from_bronze: bool = False, confirmed: bool = False) -> Batch | Outcome:
    """A batch that was taken in before, as its next revision under the contracts in force.

    Args:
        from_bronze: Take its raw records from bronze although its files are there.
        confirmed: What is unlikely about it is meant; carried over from the live revision in any case.

    Returns:
        The batch with a claim of its own: copies of its files from the archive, or from where they were set aside, else none, and
        its raw records come from bronze. Or what became of it, as from `receive`.

    Raises:
        BatchNotFound: There is no such batch, or it is not in a state to be taken in again.
    """
    rows = lake.ledger.batches(batch_id)
    row = _reprocessable(batch_id, rows, base)
    revision, live = _next_revision(rows), base.live_of(row.batch_id)
    old = Batch.from_json(row.manifest, lake.places.root) if row.manifest else None
    confirmed = confirmed or (old is not None and live is not None and old.confirmed)
    folder = lake.places.work_of(row.batch_id, revision)
    source = intake.kept(lake.places, row.batch_id, row.revision)
    if source is not None and not from_bronze:
        intake.claim_copies(source, folder)
        trigger = parse_trigger((folder / intake.TRIGGER_NAME).read_bytes(), intake.TRIGGER_NAME)
        return _examine(lake, trigger, revision, folder, rows, confirmed=confirmed)
    if old is None:
        raise BatchNotFound(f"{row.batch_id}: its files are gone and bronze has none of it.", hint="Deliver it again.")
    batch = dataclasses.replace(
        old, revision=revision, rules_hash=lake.rules_hash, confirmed=confirmed, taken_from=old.taken_from or row.revision
    )
    lake.ledger.save([_row(batch, "running")], new=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / intake.TRIGGER_NAME).write_text(_as_trigger(batch), encoding="utf-8")
    return batch


def hold(lake: Lake, row: BatchRow, error: Held) -> Outcome:
    """Give a batch's files back to landing until they are as they must be; the same revision goes on with them."""
    folder = lake.places.work_of(row.batch_id, row.revision)
    trigger = parse_trigger((folder / intake.TRIGGER_NAME).read_bytes(), intake.TRIGGER_NAME)
    lake.ledger.save([dataclasses.replace(row, status="held", manifest=None, error=error.message)])
    intake.give_back(lake.places, trigger, folder)
    return Outcome(row.batch_id, "held", f"held: {error}")


def _take(
    lake: Lake, path: Path, trigger: Trigger, rows: list[BatchRow], base: Publication, confirmed: Collection[str]
) -> Batch | Outcome:
    if any(row.batch_id != trigger.trigger_id for row in rows):
        raise TriggerRefused("id_differs_in_case", f"{trigger.trigger_id}: this id is taken in another spelling.")
    live = base.live_of(trigger.trigger_id)
    found = intake.find(lake.places, trigger, lake.places.work_of(trigger.trigger_id, _next_revision(rows)))
    if live is not None and not _is_other_content(trigger, rows, live.revision, found):
        # Files that lie elsewhere than in the batch's own folder may be another trigger's.
        intake.discard(lake.places, trigger, [path, *_present(lake, trigger)])
        return Outcome(trigger.trigger_id, "unchanged", f"{trigger.trigger_id}: already processed; nothing changes.")
    if held := _reason_to_hold(lake, trigger, base, confirmed):
        _save_waiting(lake, trigger, rows, "held", held)
        return Outcome(trigger.trigger_id, "held", held)
    if live is not None and not trigger.supersede:
        raise TriggerRefused(
            "conflict",
            f"{trigger.trigger_id}: published with other content.",
            hint="Give corrected files a new trigger_id, or say `supersede: true` in the trigger.",
        )
    if found.missing:
        return _wait(lake, trigger, rows, f"waits for {', '.join(found.missing[:5])}", "missing_file")
    if growing := intake.still_growing(lake.places, trigger, found, float(lake.settings.stable_seconds)):
        return _wait(lake, trigger, rows, f"{', '.join(growing[:5])} still grows", "growing_file")
    revision = _next_revision(rows)
    folder = lake.places.work_of(trigger.trigger_id, revision)
    intake.claim(lake.places, path, trigger, found, folder)
    return _examine(lake, trigger, revision, folder, rows, confirmed=trigger.trigger_id in confirmed)


def _reprocessable(batch_id: str, rows: list[BatchRow], base: Publication) -> BatchRow:
    """The revision that a batch is taken in again from: the live one, else the newest that was undone or rejected."""
    live = base.live_of(batch_id)
    if live is not None:
        return next(row for row in rows if row.revision == live.revision)
    if not rows:
        raise BatchNotFound(f"There is no batch {batch_id}.", hint="`cartbrook batches` lists them.")
    ended = [row for row in rows if row.status in ("undone", "rejected")]
    if rows[-1].status in (*WAITING, "running") or not ended:
        raise BatchNotFound(f"{rows[-1].batch_id} is {rows[-1].status}.", hint="`cartbrook run` goes on with it.")
    return ended[-1]


def _as_trigger(batch: Batch) -> str:
    """What the trigger of a batch said, as far as the batch knows."""
    value = {
        "trigger_id": batch.batch_id,
        "batch_date": batch.batch_date.isoformat(),
        "data_files_ready": True,
        "expected_files": [file.name for file in batch.files],
        "files": [{"name": file.name, "domain": file.domain, "sha256": file.sha256} for file in batch.files],
        "data_quality_checks": dict(batch.switches),
        **({"trigger_timestamp": batch.trigger_timestamp} if batch.trigger_timestamp else {}),
    }
    return json.dumps(value, indent=2)


def _examine(
    lake: Lake, trigger: Trigger, revision: int, folder: Path, rows: list[BatchRow], *, confirmed: bool = False, attempt: int = 1
) -> Batch | Outcome:
    """Scan the claimed files and record the batch as running; a file that cannot be read rejects it."""
    seen = next((row for row in rows if row.revision == revision), None)
    batch = Batch(
        trigger.trigger_id,
        revision,
        rows[0].batch_seq if rows else lake.ledger.next_seq(),
        trigger.batch_date,
        (),
        trigger.trigger_timestamp,
        trigger.switches,
        lake.rules_hash,
        confirmed,
        attempt=attempt + (seen.attempt if seen else 0),
    )
    try:
        files = tuple(lake.tables.each(lambda file: look(file, folder, lake.contracts[file.domain], lake.limits), trigger.files))
        batch = dataclasses.replace(batch, files=files)
        row = _row(batch, "running")
    except FileRefused as error:
        lake.ledger.save([dataclasses.replace(_row(batch, "rejected"), finished_at=utc_now(), error=error.message)])
        claimed = [folder / intake.TRIGGER_NAME, *(folder / file.name for file in trigger.files)]
        intake.refuse(lake.places, trigger.trigger_id, claimed, error, {"revision": revision})
        return Outcome(trigger.trigger_id, "rejected", str(error), revision)
    except DeclaredDiffers as error:
        lake.ledger.save([row := dataclasses.replace(_row(batch, "running"), manifest=None)], new=seen is None)
        return hold(lake, row, error)
    lake.ledger.save([row], new=seen is None)
    return batch


def look(file: ExpectedFile, folder: Path, contract: Contract, limits: Limits) -> SourceFile:
    """Read a file once and find out whether it is what it must be, without reading its records.

    Raises:
        FileRefused: It cannot be read, or has not the columns of the contract.
        DeclaredDiffers: It is not what its trigger declares.
    """
    encoding = file.encoding or contract.encoding
    if file.control_total is not None and contract.amount is None:
        message = f"{file.name}: a control_total is declared, and the contract of {file.domain} names no amount to sum up."
        raise DeclaredDiffers("control_total_differs", message)
    scan = scan_file(folder / file.name, encoding=encoding, limits=limits, name=file.name)
    missing = [name for name in contract.names if name not in scan.header]
    if missing:
        raise FileRefused(
            "missing_column",
            file.name,
            f"the header has no {', '.join(missing[:5])}",
            line=1,
            hint=_of_header(missing, scan.header),
        )
    if file.sha256 is not None and file.sha256 != scan.sha256:
        raise DeclaredDiffers("sha256_differs", f"{file.name}: its sha256 is not the one the trigger declares.")
    if file.rows is not None and file.rows != scan.rows:
        raise DeclaredDiffers(
            "rows_differ", f"{file.name}: {counted(scan.rows, 'record')}, and the trigger declares {file.rows}."
        )
    if file.rows is not None and scan.torn:  # counted as a record, but not one that the sender means
        raise DeclaredDiffers(
            "rows_differ", f"{file.name}: its last line breaks off, and the trigger declares {counted(file.rows, 'record')}."
        )
    return SourceFile(
        domain=file.domain,
        name=file.name,
        path=folder / file.name,
        sha256=scan.sha256,
        rows=scan.rows,
        blank_lines=scan.blank_lines,
        extra_columns=tuple(name for name in scan.header if not contract.has(name)),
        encoding=encoding,
        control_total=None if file.control_total is None else str(file.control_total),
        torn=scan.torn,
    )


def _reason_to_hold(lake: Lake, trigger: Trigger, base: Publication, confirmed: Collection[str]) -> str | None:
    if not trigger.data_files_ready:
        return "held: the trigger says data_files_ready: false"
    limit = lake.settings.max_days_ahead
    if base.as_of and trigger.trigger_id not in confirmed and trigger.batch_date > base.as_of + dt.timedelta(days=limit):
        return f"held: batch_date {trigger.batch_date} is more than {limit} days after {base.as_of}; confirm with --confirm"
    return None


def _wait(lake: Lake, trigger: Trigger, rows: list[BatchRow], reason: str, code: str) -> Outcome:
    revision = _next_revision(rows)
    seen = next((row.started_at for row in rows if row.revision == revision and row.status == "received"), None)
    if (minutes_since(seen) if seen else 0) >= float(lake.settings.file_wait_minutes):
        raise TriggerRefused(code, f"{trigger.trigger_id}: {reason}, longer than {lake.settings.file_wait_minutes} minutes.")
    _save_waiting(lake, trigger, rows, "received", reason)
    return Outcome(trigger.trigger_id, "waiting", reason)


def _save_waiting(lake: Lake, trigger: Trigger, rows: list[BatchRow], status: str, reason: str) -> None:
    revision = _next_revision(rows)
    seen = next((row for row in rows if row.revision == revision), None)
    if seen is not None and (seen.status, seen.error) == (status, reason):
        return
    since = seen.started_at if seen is not None and seen.status == status else utc_now()
    seq = rows[0].batch_seq if rows else lake.ledger.next_seq()
    lake.ledger.save(
        [BatchRow(trigger.trigger_id, revision, seq, trigger.batch_date.isoformat(), status, started_at=since, error=reason)]
    )


def _next_revision(rows: list[BatchRow]) -> int:
    taken = [row.revision for row in rows if row.status not in WAITING]
    return max(taken, default=0) + 1


def _row(batch: Batch, status: str) -> BatchRow:
    names = [(file.domain, file.name, file.sha256) for file in batch.files]
    return BatchRow(
        batch.batch_id,
        batch.revision,
        batch.batch_seq,
        batch.batch_date.isoformat(),
        status,
        attempt=batch.attempt,
        rows_read=batch.rows,
        started_at=utc_now(),
        content_hash=_content(batch.batch_date, names),
        rules_hash=batch.rules_hash,
        manifest=batch.to_json() if batch.files else None,
    )


def _is_other_content(trigger: Trigger, rows: list[BatchRow], revision: int, found: intake.Found) -> bool:
    """True if a trigger says something else than the live revision; a file that is not there again is taken as the same."""
    live = next(row for row in rows if row.revision == revision)
    assert live.manifest is not None
    known = {file.name: file for file in Batch.from_json(live.manifest, Path()).files}
    names: list[tuple[str, str, str]] = []
    for file, path in found.files:
        same = known.get(file.name)
        digest = _sha256(path) if path is not None else (same.sha256 if same else "")
        names.append((file.domain, file.name, digest))
    return _content(trigger.batch_date, names) != live.content_hash


def _content(batch_date: dt.date, files: list[tuple[str, str, str]]) -> str:
    text = "\n".join([batch_date.isoformat(), *("\t".join(file) for file in sorted(files))])
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _present(lake: Lake, trigger: Trigger) -> list[Path]:
    """The files of a refused trigger that were handed in for it alone; others may belong to another trigger."""
    folder = lake.places.landing / trigger.trigger_id
    if folder.is_symlink():
        return []  # what it leads to is nobody's to move
    return [folder / file.name for file in trigger.files if (folder / file.name).exists()]


def _of_header(missing: Sequence[str], header: Sequence[str]) -> str:
    """What may have been meant by a header that lacks columns."""
    if len(header) == 1:
        for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if sign in header[0]:
                return f"Its names are separated by {word}: save the file with commas."
    written = {name.lower(): name for name in header}
    otherwise = [written[name] for name in missing if name in written]
    if otherwise:
        return f"It has {', '.join(otherwise[:5])}: letters must be small or capital as in the contract."
    return "See the contract of the domain."
