"""Frozen values that cross layers."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One delivered file of a batch.

    Attributes:
        domain: The domain its rows belong to.
        name: File name as delivered, without folders.
        path: Where it lies now.
        sha256: Hex digest of its bytes.
        rows: Delivered records (blank lines and the header are none).
        blank_lines: Lines without any text, skipped with a warning.
        extra_columns: Header names the contract does not know; kept aside as rescued data.
        encoding: Encoding it is decoded by.
        control_total: Declared sum of the domain's amount column, as decimal text; what is declared is enforced.
        torn: Its last record breaks off: most likely the file was cut.
    """

    domain: str
    name: str
    path: Path
    sha256: str
    rows: int = 0
    blank_lines: int = 0
    extra_columns: tuple[str, ...] = ()
    encoding: str = "utf-8"
    control_total: str | None = None
    torn: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is remarkable about it, and no reason to refuse it."""
        found = [f"{self.name} holds no records"] if self.rows == 0 else []
        if self.blank_lines:
            found.append(f"{self.name} has {self.blank_lines} blank line{'s' if self.blank_lines > 1 else ''}")
        if self.torn:
            found.append(f"{self.name} breaks off in its last line")
        if self.extra_columns:
            shown = [_shown(column) for column in self.extra_columns[:5]]
            found.append(f"{self.name} has columns the contract does not know: {', '.join(shown)}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """One batch that counts: its (batch_id, revision) pair and what the order of batches needs.

    Attributes:
        batch_seq: Integer of the batch id, given on first sight; the clustering column of all slices. Never part of a result.
    """

    batch_id: str
    revision: int
    batch_seq: int
    batch_date: dt.date


@dataclass(frozen=True, slots=True)
class Batch:
    """One claimed delivery: what its trigger says and the files it brought.

    Attributes:
        trigger_timestamp: ISO text in UTC, or None; part of the one total order.
        switches: The trigger's `data_quality_checks`; a rule whose switch is False is skipped.
        rules_hash: Hash of the contracts it was received under.
        confirmed: A person has said that it is meant as it is, unlikely as it looks.
        taken_from: The revision whose raw records in bronze it is made of; None where it has files.
        attempt: 1 for its first run; more where an earlier run was interrupted or failed.
    """

    batch_id: str
    revision: int
    batch_seq: int
    batch_date: dt.date
    files: tuple[SourceFile, ...]
    trigger_timestamp: str | None = None
    switches: Mapping[str, bool] = field(default_factory=dict)
    rules_hash: str = ""
    confirmed: bool = False
    taken_from: int | None = None
    attempt: int = 1

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains it brought files for, each once."""
        return tuple(dict.fromkeys(file.domain for file in self.files))

    @property
    def rows(self) -> int:
        """Delivered records of all files."""
        return sum(file.rows for file in self.files)

    @property
    def live(self) -> LiveBatch:
        """The pair it is live under once published."""
        return LiveBatch(self.batch_id, self.revision, self.batch_seq, self.batch_date)

    def to_json(self) -> str:
        """The batch as JSON, without the places of its files (they move)."""
        files = [
            {
                "domain": file.domain,
                "name": file.name,
                "sha256": file.sha256,
                "rows": file.rows,
                "blank_lines": file.blank_lines,
                "extra_columns": list(file.extra_columns),
                "encoding": file.encoding,
                "control_total": file.control_total,
                "torn": file.torn,
            }
            for file in self.files
        ]
        return json.dumps(
            {
                "batch_id": self.batch_id,
                "revision": self.revision,
                "batch_seq": self.batch_seq,
                "batch_date": self.batch_date.isoformat(),
                "trigger_timestamp": self.trigger_timestamp,
                "switches": dict(self.switches),
                "rules_hash": self.rules_hash,
                "confirmed": self.confirmed,
                "taken_from": self.taken_from,
                "files": files,
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str, folder: Path) -> Batch:
        """The inverse of `to_json`; `folder` is where the files lie now."""
        value: dict[str, Any] = json.loads(text)
        files = tuple(
            SourceFile(
                domain=entry["domain"],
                name=entry["name"],
                path=folder / entry["name"],
                sha256=entry["sha256"],
                rows=entry["rows"],
                blank_lines=entry["blank_lines"],
                extra_columns=tuple(entry["extra_columns"]),
                encoding=entry["encoding"],
                control_total=entry["control_total"],
                torn=entry.get("torn", False),
            )
            for entry in value["files"]
        )
        return cls(
            batch_id=value["batch_id"],
            revision=value["revision"],
            batch_seq=value["batch_seq"],
            batch_date=dt.date.fromisoformat(value["batch_date"]),
            files=files,
            trigger_timestamp=value["trigger_timestamp"],
            switches=value["switches"],
            rules_hash=value["rules_hash"],
            confirmed=value["confirmed"],
            taken_from=value["taken_from"],
        )


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row of ops.batches. Counts are as published; times are ISO text in UTC.

    Attributes:
        status: received, held, running, published, rejected, failed, superseded or undone.
        content_hash: What its trigger says: batch_date and (domain, file name, sha256) of the files.
        manifest: `Batch.to_json`, so that a batch can be run again from the ledger alone.
        warnings: What is remarkable about a published batch: its files, keys that look alike, keep-rules that failed, its score.
    """

    batch_id: str
    revision: int
    batch_seq: int
    batch_date: str | None
    status: str
    attempt: int = 0
    score: str | None = None
    rows_read: int | None = None
    rows_accepted: int | None = None
    rows_corrected: int | None = None
    rows_discarded: int | None = None
    rows_quarantined: int | None = None
    rows_parked: int | None = None
    rows_duplicate: int | None = None
    rows_rejected: int | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error: str | None = None
    content_hash: str | None = None
    rules_hash: str | None = None
    manifest: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def as_settled(self) -> tuple[object, ...]:
        """What a publication settles of it, without the times."""
        return (
            self.status,
            self.score,
            self.rows_accepted,
            self.rows_corrected,
            self.rows_discarded,
            self.rows_quarantined,
            self.rows_parked,
            self.rows_duplicate,
            self.rows_rejected,
            self.rules_hash,
        )


@dataclass(frozen=True, slots=True)
class Publication:
    """What readers trust: the versions of all pinned tables and the live batches they were made of.

    Attributes:
        publish_seq: 0 for the empty lake of `init`; the greatest is the newest.
        cause: init, batch, decision, rejection, undo, rebuild, evolve (contracts gained plain columns, nothing else changed), or
            maintenance (the same rows in fewer files).
        as_of: Greatest batch_date of the live batches; None without any.
        table_versions: Delta version of every pinned table.
        batch_rows: Rows of ops.batches as this publication settled them; ops.batches is repaired from here.
    """

    publish_seq: int
    cause: str
    batch_id: str | None
    revision: int | None
    as_of: dt.date | None
    live: tuple[LiveBatch, ...]
    table_versions: Mapping[str, int]
    rules_hash: str
    logic_hash: str
    batch_rows: tuple[BatchRow, ...] = ()

    def live_of(self, batch_id: str) -> LiveBatch | None:
        """The live revision of a batch id (case is ignored, as two ids never differ in it alone)."""
        return next((entry for entry in self.live if entry.batch_id.lower() == batch_id.lower()), None)


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of the live set, carried from the records it touches to a publication.

    A batch, a late batch, a decision on records, an undo and a rebuild differ only here.

    Attributes:
        cause: batch, decision, undo, rebuild, evolve, maintenance or rejection.
        batches: The batches whose slices change; one for most causes, none where all is computed from silver as it is.
        base: The publication it starts from.
        live: The live batches once it is published.
        domains: Domains whose slices (or, in a rebuild, whose keys) it touches.
        token: Identifies the run in ops.step_runs; heads it wrote are its own.
        attempt: 1 for the first run of this batch and revision.
        reason: Why a batch is rejected; None otherwise.
        stepwise: Its steps run one by one, any of them perhaps again: a slice that it writes may be there already.
    """

    cause: str
    batches: tuple[Batch, ...]
    base: Publication
    live: tuple[LiveBatch, ...]
    domains: tuple[str, ...]
    token: str
    attempt: int = 1
    reason: str | None = None
    stepwise: bool = False

    @property
    def as_of(self) -> dt.date | None:
        """The business date of the figures: the newest live batch_date."""
        return max((entry.batch_date for entry in self.live), default=None)

    @property
    def batch(self) -> Batch:
        """The one batch of an operation that has just one."""
        (batch,) = self.batches
        return batch

    @property
    def slices(self) -> dict[str, list[int]]:
        """The condition of the slices that change, in tables of records."""
        return {"_batch_seq": [batch.batch_seq for batch in self.batches]}

    @property
    def everything(self) -> bool:
        """True if all keys are touched."""
        return self.cause == "rebuild"

    @property
    def validates(self) -> bool:
        """True if the slices of its batches are validated in it, so that they are counted and scored."""
        return self.cause in ("batch", "decision", "rebuild")

    def was_live(self, batch: Batch) -> bool:
        """True if a batch has slices in the base publication that are replaced or taken away."""
        return self.base.live_of(batch.batch_id) is not None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decides on one record that was set aside.

    Attributes:
        kind: fix, release, discard or revoke.
        edited: For a fix: the record's text by column, as it should have been delivered.
        note: Why, in the person's words.
    """

    quarantine_id: str
    kind: str
    edited: Mapping[str, str] | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a record by a decision.

    Attributes:
        before: Its status when it was decided on; None where its batch is not live.
        after: Its status now; accepted where nothing is to be told of it any more, None where its batch is not live.
        rules: The rules it breaks now.
    """

    decision: Decision
    batch_id: str
    domain: str
    before: str | None
    after: str | None
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one trigger or batch, for the person who ran it.

    Attributes:
        status: published, unchanged, held, waiting, refused, rejected, failed, undone or rebuilt.
        message: One sentence; without customers' data.
        warnings: What is remarkable about a published batch: its files, keys that look alike, keep-rules that failed, its score.
    """

    batch_id: str
    status: str
    message: str
    revision: int | None = None
    score: str | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    seconds: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """True where nothing is left for a person to do."""
        return self.status in ("published", "unchanged", "undone", "rebuilt")


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step did, for the ledger."""

    rows_in: int | None = None
    rows_out: int | None = None


@dataclass(frozen=True, slots=True)
class StepRun:
    """One run of one step, as ops.step_runs keeps it.

    Attributes:
        versions: The versions it gave to pinned tables; a head is trusted only once it is recorded.
        error: What went wrong, or None.
    """

    step: str
    seconds: float
    result: StepResult = field(default_factory=StepResult)
    versions: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None


def _shown(name: str) -> str:
    """A name that a file brought along, fit for a line of text."""
    plain = "".join(letter if letter.isprintable() else "_" for letter in name)
    return plain if len(plain) <= 60 else f"{plain[:59]}\u2026"
