"""What the reading commands tell, as plain values: the same for tables and for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook import logic
from cartbrook.cli import records
from cartbrook.cli.options import command
from cartbrook.cli.output import plain, records_of
from cartbrook.errors import BatchNotFound
from cartbrook.frames import books
from cartbrook.lake import intake
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import PUBLICATIONS
from cartbrook.lake.places import Places
from cartbrook.lake.views import Views
from cartbrook.types import Batch, BatchRow, Publication

Record = dict[str, Any]

_HIDDEN = ("manifest", "content_hash", "rules_hash", "batch_seq")
_NEEDS_CARE = ("received", "held", "running", "failed", "rejected")
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
_REFUSALS_SHOWN = 5


def status(lake: Lake, workspace: Path) -> Record:
    """Where a workspace stands: what is published, what waits, what is set aside, and what to do next.

    Args:
        workspace: Its folder as the caller calls it, for the commands to do next.
    """
    newest = lake.ledger.newest()
    rows = lake.ledger.batches()
    last = {row.batch_id: row for row in rows}
    aside = Views(lake, newest).read("ops.quarantine")
    money = aside.groupBy("status", "severity", "currency").agg(
        F.count(F.lit(1)).alias("records"), F.sum("amount").alias("amount")
    )
    counts = sorted(records_of(money), key=lambda row: (row["status"], _rank(row["severity"]), row["currency"] or ""))
    at = lake.tables.read(PUBLICATIONS).where(F.col("publish_seq") == newest.publish_seq).select("published_at")
    report: Record = {
        "workspace": str(lake.places.root),
        "publication": {
            "publish_seq": newest.publish_seq,
            "cause": newest.cause,
            "batch_id": newest.batch_id,
            "published_at": records_of(at)[0]["published_at"],
            "as_of": plain(newest.as_of),
        },
        "live": [{"batch_id": e.batch_id, "revision": e.revision, "batch_date": plain(e.batch_date)} for e in newest.live],
        "triggers": [intake.name_of(path) for path in intake.waiting_triggers(lake.places)],
        "interrupted": [{"batch_id": batch_id, "revision": revision} for batch_id, revision, _ in unfinished(lake.places)],
        "attention": [
            {"batch_id": row.batch_id, "revision": row.revision, "status": row.status, "error": row.error}
            for row in last.values()
            if row.status in _NEEDS_CARE
        ],
        "refused": refusals(lake.places),
        "quarantine": counts,
        "overdue": records.overdue(lake, newest),
        "needs_rebuild": logic.needs_rebuild(lake, newest),
    }
    report["next"] = _next(report, workspace)
    return report


def batches(lake: Lake) -> list[Record]:
    """The rows of ops.batches."""
    return [_batch(row) for row in lake.ledger.batches()]


def show(lake: Lake, batch_id: str) -> Record:
    """Everything about one batch.

    Raises:
        BatchNotFound: There is no such batch.
    """
    rows = lake.ledger.batches(batch_id)
    if not rows:
        raise BatchNotFound(f"There is no batch {batch_id}.", hint="`cartbrook batches` lists them.")
    newest = lake.ledger.newest()
    row = rows[-1]
    live = newest.live_of(batch_id)
    # What is published, else the newest that was taken in; a later revision that failed is told of by its row alone.
    taken = next((r for r in reversed(rows) if r.manifest and (live is None or r.revision == live.revision)), None)
    batch = Batch.from_json(taken.manifest, lake.places.root) if taken and taken.manifest else None
    files = batch.files if batch else ()
    return {
        "batch_id": row.batch_id,
        "live_revision": live.revision if live else None,
        "revisions": [_batch(r) for r in rows],
        "files": [_file(asdict(file)) for file in files],
        "books": _books(lake, newest, live.batch_seq, live.revision, batch) if live and batch else [],
        "quality": _quality(lake, newest, row.batch_seq, taken.revision if taken else row.revision),
        "steps": _steps(lake, row),
        "places": {r.revision: str(place) for r in rows if (place := _place(lake.places, r)) is not None},
    }


def unfinished(places: Places) -> list[tuple[str, int, Path]]:
    """Claims that a run began and did not finish."""
    return [claim for claim in intake.claimed_folders(places) if (claim[2] / intake.TRIGGER_NAME).exists()]


def refusals(places: Places) -> list[Record]:
    """What was set aside under rejected/ and why, newest first."""
    found: list[Record] = []
    for path in places.rejected.glob("*/reason.json"):
        try:
            reason = json.loads(path.read_text(encoding="utf-8"))
            found.append({"name": path.parent.name, **{name: reason.get(name) for name in ("code", "message", "hint", "at")}})
        except (ValueError, KeyError, OSError):
            found.append({"name": path.parent.name, "code": "unreadable", "message": None, "hint": None, "at": None})
    return sorted(found, key=lambda entry: entry["at"] or "", reverse=True)[:_REFUSALS_SHOWN]


def _next(report: Mapping[str, Any], workspace: Path) -> list[str]:
    steps = [command(workspace, "rebuild")] if report["needs_rebuild"] else []
    held = [entry for entry in report["attention"] if entry["status"] == "held"]
    if report["interrupted"] or len(report["triggers"]) > len(held):
        steps.append(command(workspace, "run"))
    steps += [command(workspace, "show", entry["batch_id"]) for entry in report["attention"]]
    if report["overdue"]:
        steps.append(command(workspace, "quarantine", "list", "--overdue"))
    if any(row["status"] == "open" for row in report["quarantine"]):
        steps.append(command(workspace, "quarantine", "list", "--status", "open"))
    if not steps:
        steps.append(
            command(workspace, "query", "SELECT * FROM gold.kpi_daily")
            if report["live"]
            else command(workspace, "submit", "TRIGGER.json")
        )
    return steps


def _batch(row: BatchRow) -> Record:
    return {name: value for name, value in asdict(row).items() if name not in _HIDDEN}


def _file(file: Record) -> Record:
    names = ("domain", "name", "rows", "blank_lines", "extra_columns", "encoding", "sha256", "control_total")
    return {name: plain(file[name]) for name in names}


def _books(lake: Lake, newest: Publication, batch_seq: int, revision: int, batch: Batch) -> list[Record]:
    views = Views(lake, newest)
    seq = F.col("_batch_seq") == batch_seq
    aside = views.read("ops.quarantine").where(F.col("batch_seq") == batch_seq)
    parts = [
        books.entries(
            views.read(f"bronze.{domain}").where(seq & (F.col("_revision") == revision)),
            views.read(f"silver.{domain}").where(seq),
            aside.where(F.col("domain") == domain),
            lake.contracts[domain],
        )
        for domain in batch.domains
    ]
    entries = reduce(DataFrame.unionByName, parts).orderBy("domain", "source_file", "currency", "state")
    return records_of(entries.select("domain", "source_file", "currency", "state", "rows", _money().alias("amount"), "unpriced"))


def _money() -> Column:
    """What is booked; NULL where no record names an amount."""
    return F.when(F.col("unpriced") < F.col("rows"), F.col("booked"))


def _quality(lake: Lake, newest: Publication, batch_seq: int, revision: int) -> list[Record]:
    of_revision = (F.col("batch_seq") == batch_seq) & (F.col("revision") == revision)
    results = Views(lake, newest).read("ops.quality_results").where(of_revision).drop("batch_seq", "batch_id")
    rows = [{**row, "amounts_at_risk": dict(row["amounts_at_risk"] or ())} for row in records_of(results)]
    return sorted(rows, key=lambda row: (not row["rows_failed"], _rank(row["severity"]), row["domain"], row["rule"]))


def _steps(lake: Lake, row: BatchRow) -> list[Record]:
    done = lake.ledger.steps(row.batch_id, row.revision)
    attempt = max((step["attempt"] for step in done), default=0)
    names = ("step", "attempt", "status", "seconds", "rows_in", "rows_out", "error", "recorded_at")
    return [{name: step[name] for name in names} for step in done if step["attempt"] == attempt]


def _place(places: Places, row: BatchRow) -> Path | None:
    """Where the files of a revision are."""
    for folder in (places.archive_of(row.batch_id, row.revision), places.work_of(row.batch_id, row.revision)):
        if folder.is_dir():
            return folder
    if row.status in ("held", "received"):
        return places.triggers / f"{row.batch_id}.json"
    for path in places.rejected.glob("*/reason.json"):
        if path.parent.name.lower().startswith(row.batch_id.lower()) and f'"revision": {row.revision}' in path.read_text("utf-8"):
            return path.parent
    return None


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
