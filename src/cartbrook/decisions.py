"""Decisions of people on records that were set aside: recorded, applied and published as one operation."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from pyspark.sql import functions as F

from cartbrook import runner
from cartbrook.config import user_name
from cartbrook.errors import DecisionRefused
from cartbrook.frames.decisions import DISCARD, FIX, RELEASE, REVOKE, in_force
from cartbrook.frames.quarantine import CORRECTED, DISCARDED, OPEN, PARKED
from cartbrook.frames.snapshots import is_record
from cartbrook.lake.lake import Lake
from cartbrook.lake.ledger import utc_now
from cartbrook.lake.values import fetch
from cartbrook.runner import Step
from cartbrook.types import Decided, Decision, Operation, Publication, StepResult

QUARANTINE = "ops.quarantine"
EVENTS = "ops.quarantine_events"

_ALLOWED: Mapping[str, Collection[str]] = {
    FIX: (OPEN, PARKED, CORRECTED, DISCARDED),
    RELEASE: (OPEN,),
    DISCARD: (OPEN, PARKED, CORRECTED),
}
_WHY_NOT = {
    RELEASE: "only an open record can be released; one that is parked is released by itself when its parent comes",
    REVOKE: "nobody has decided on it",
}


def decide(
    lake: Lake, base: Publication, decisions: Sequence[Decision], story: Mapping[str, Step], *, confirmed: bool = False
) -> list[Decided]:
    """Record decisions, and make the slices of the records' batches anew with them; all of it is one publication.

    Args:
        decisions: At most one on each record.
        story: The steps after the decision is recorded, from validate to publish.
        confirmed: Snapshots that shrink by them are meant.

    Raises:
        DecisionRefused: A record is not there, or not in a state that the decision is for; nothing is recorded then.
    """
    held = _held(lake, base, [decision.quarantine_id for decision in decisions])
    _require_allowed(decisions, held)
    live = [entry for entry in base.live if entry.batch_id in {row["batch_id"] for row in held.values()}]
    batches = runner.live_batches(lake, live)
    if confirmed:
        batches = [dataclasses.replace(batch, confirmed=True) for batch in batches]
    operation = runner.operation(lake, "decision", base, *batches)
    runner.carry(lake, operation, {"decide": partial(_record, decisions, held), **story})
    newest = lake.ledger.newest()
    after = _states(lake, newest, list(held))
    accepted = _accepted(lake, newest, {id_: row["domain"] for id_, row in held.items() if id_ not in after})
    result: list[Decided] = []
    for decision in decisions:
        row = held[decision.quarantine_id]
        gone = {"status": "accepted" if decision.quarantine_id in accepted else None, "rules": None}
        now = after.get(decision.quarantine_id, gone)
        rules = tuple(now["rules"] or ())
        result.append(Decided(decision, row["batch_id"], row["domain"], row["status"], now["status"], rules))
    return result


def _record(decisions: Sequence[Decision], held: Mapping[str, Mapping[str, Any]], lake: Lake, operation: Operation) -> StepResult:
    """Append the decisions to ops.quarantine_events."""
    at, by = utc_now(), user_name()
    rows = [
        {
            "event_seq": operation.base.publish_seq + 1,
            "quarantine_id": decision.quarantine_id,
            "batch_id": held[decision.quarantine_id]["batch_id"],
            "domain": held[decision.quarantine_id]["domain"],
            "decision": decision.kind,
            "edited": _edited(decision, held[decision.quarantine_id]),
            "note": decision.note,
            "decided_by": by,
            "decided_at": at,
        }
        for decision in decisions
    ]
    lake.tables.record(EVENTS, {name: [row[name] for row in rows] for name in rows[0]})
    return StepResult(len(rows), len(rows))


def _edited(decision: Decision, row: Mapping[str, Any]) -> str | None:
    """The text that counts by a decision, as JSON; a release tries a record as it reads now, so it keeps what a fix edited."""
    if decision.kind == RELEASE:
        held: str | None = row["edited"]
        return held
    return None if decision.edited is None else json.dumps(dict(decision.edited), ensure_ascii=False)


def _held(lake: Lake, base: Publication, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Batch, domain, status and decision of records that are set aside, or were decided on in a batch that is not live now."""
    found = _states(lake, base, ids)
    missing = [id_ for id_ in ids if id_ not in found]
    if missing and base.table_versions[EVENTS]:
        events = in_force(lake.published(EVENTS, base).where(F.col("quarantine_id").isin(*missing)))
        columns = ["quarantine_id", "batch_id", "domain", "decision"]
        found |= {row["quarantine_id"]: {**row, "status": None, "rules": None} for row in fetch(events.select(*columns))}
    return found


def _states(lake: Lake, publication: Publication, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = lake.published(QUARANTINE, publication).where(F.col("quarantine_id").isin(*ids))
    columns = ["quarantine_id", "batch_id", "domain", "status", "rules", "decision", "edited"]
    return {row["quarantine_id"]: row for row in fetch(rows.select(*columns))}


def _accepted(lake: Lake, publication: Publication, domains: Mapping[str, str]) -> set[str]:
    """Those of some records, by id with their domain, that are live and not set aside."""
    found: set[str] = set()
    for domain in set(domains.values()):
        ids = [id_ for id_ in domains if domains[id_] == domain]
        silver = lake.published(f"silver.{domain}", publication).where(is_record() & F.col("_record_id").isin(*ids))
        found |= {row["_record_id"] for row in fetch(silver.select("_record_id"))}
    return found


def _require_allowed(decisions: Sequence[Decision], held: Mapping[str, Mapping[str, Any]]) -> None:
    problems: list[str] = []
    seen: set[str] = set()
    for decision in decisions:
        short = decision.quarantine_id[:12]
        row = held.get(decision.quarantine_id)
        if decision.quarantine_id in seen:
            problems.append(f"{short}: named twice")
        elif row is None:
            problems.append(f"{short}: no such record is set aside")
        elif decision.kind == REVOKE and row["decision"] is None:
            problems.append(f"{short}: {_WHY_NOT[REVOKE]}")
        elif decision.kind != REVOKE and row["status"] not in _ALLOWED[decision.kind]:
            state = f"it is {row['status']}" if row["status"] else "no live batch holds it"
            problems.append(f"{short}: {state}; {_WHY_NOT.get(decision.kind, f'{decision.kind} is not for that')}")
        seen.add(decision.quarantine_id)
    if problems:
        raise DecisionRefused(problems)
