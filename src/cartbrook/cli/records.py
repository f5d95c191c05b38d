"""What is told of records that were set aside, as plain values: the same for tables, for JSON and for files."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.cli.output import records_of
from cartbrook.errors import UsageError
from cartbrook.frames.decisions import in_force
from cartbrook.frames.quarantine import PARKED, STATUSES
from cartbrook.lake.lake import Lake
from cartbrook.lake.views import Views
from cartbrook.types import Publication

Record = dict[str, Any]

_LEAST = 6
_COLUMNS = (
    *("quarantine_id", "batch_id", "domain", "source_file", "source_line", "rules", "severity", "reason", "amount", "currency"),
    *("status", "resolved_by", "decision"),
)


def quarantine(
    lake: Lake,
    where: Mapping[str, str | None],
    rule: str | None = None,
    *,
    overdue: bool = False,
    limit: int | None = None,
    raw: bool = False,
) -> list[Record]:
    """Records of ops.quarantine as published, each with `waits_days`: days of business since its batch, if it is parked.

    Args:
        where: Columns and the value each must have, in any case of letters; None for any.
        rule: One they broke.
        overdue: Only those that wait longer than the setting `max_days_parked`.
        limit: The most to return.
        raw: With the record as delivered and as edited, which may hold personal data.

    Raises:
        UsageError: There is no such status, or no such rule in any contract.
    """
    _require_known(lake, where.get("status"), rule)
    newest = lake.ledger.newest()
    frame = Views(lake, newest).read("ops.quarantine")
    for column, value in where.items():
        if value is not None:
            frame = frame.where(F.lower(column) == value.lower())
    if rule is not None:
        frame = frame.where(F.array_contains("rules", rule))
    if overdue:
        frame = _overdue(frame, lake, newest)
    frame = frame.orderBy("batch_seq", "domain", "source_file", "source_line")
    frame = frame.select(*_COLUMNS, *(("record", "edited") if raw else ()))
    waited = waits(newest)
    return [
        {**row, "waits_days": waited.get(row["batch_id"]) if row["status"] == PARKED else None}
        for row in records_of(frame if limit is None else frame.limit(limit))
    ]


def decided(lake: Lake, where: Mapping[str, str | None]) -> list[str]:
    """Ids of the records on which a decision is in force, in batches that are not live as well.

    Args:
        where: As `quarantine` has it, of batch_id and domain.
    """
    frame = in_force(Views(lake, lake.ledger.newest()).read("ops.quarantine_events"))
    for column, value in where.items():
        if value is not None:
            frame = frame.where(F.lower(column) == value.lower())
    return [row["quarantine_id"] for row in records_of(frame.select("quarantine_id").orderBy("quarantine_id"))]


def _require_known(lake: Lake, status: str | None, rule: str | None) -> None:
    """Raise UsageError for a misspelt name: nothing found would look like nothing there."""
    if status is not None and status.lower() not in STATUSES:
        raise UsageError(f"There is no status {status}.", hint=f"One of {', '.join(STATUSES)}.")
    rules = {known.name for contract in lake.contracts.values() for known in contract.rules}
    if rule is not None and rule not in rules:
        close = difflib.get_close_matches(rule, rules, 3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "`cartbrook contracts show DOMAIN` lists the rules."
        raise UsageError(f"There is no rule {rule}.", hint=hint)


def overdue(lake: Lake, newest: Publication) -> int:
    """How many records wait longer than the setting `max_days_parked`."""
    if not any(days > lake.settings.max_days_parked for days in waits(newest).values()):
        return 0
    return _overdue(Views(lake, newest).read("ops.quarantine"), lake, newest).count()


def record(lake: Lake, id_: str) -> Record:
    """Everything about one record that was set aside.

    Raises:
        UsageError: No record, or more than one, has an id that begins so.
    """
    newest = lake.ledger.newest()
    views = Views(lake, newest)
    [found] = raw_records(lake, [id_])
    id_ = found["quarantine_id"]
    rows = records_of(views.read("ops.quarantine").where(F.col("quarantine_id") == id_).drop("batch_seq"))
    if not rows:
        raise UsageError(f"{id_[:12]}: no live batch holds it.", hint="Deliver it again, or revoke what was decided.")
    [row] = rows
    contract = lake.contracts[row["domain"]]
    rules = {rule.name: rule for rule in contract.rules}
    events = views.read("ops.quarantine_events").where(F.col("quarantine_id") == id_).orderBy("event_seq")
    delivered, edited = json.loads(row["record"]), json.loads(row["edited"]) if row["edited"] else None
    names = [*contract.names, *(name for name in delivered if not contract.has(name))] if "_raw" not in delivered else ["_raw"]
    names = names if edited is None else [*dict.fromkeys([*names, *contract.names])]
    told = [
        {
            "rule": name,
            "severity": rules[name].severity.value if name in rules else None,
            "action": rules[name].action.value if name in rules else None,
            "description": rules[name].description if name in rules else "The contract has this rule no more.",
        }
        for name in row["rules"] or ()
    ]
    return {
        **row,
        "rules": told,
        "waits_days": waits(newest).get(row["batch_id"]) if row["status"] == PARKED else None,
        "texts": [
            {"column": name, "delivered": delivered.get(name, ""), "decided": edited.get(name, "") if edited else None}
            for name in names
        ],
        "events": records_of(events.select("decided_at", "decision", "decided_by", "note", "edited")),
    }


def raw_records(lake: Lake, ids: Sequence[str]) -> list[Record]:
    """The rows of ops.quarantine of some ids, in their order; of a batch that is not live what its decision tells.

    Args:
        ids: Whole, or their first six characters or more.

    Raises:
        UsageError: No record, or more than one, has an id that begins so.
    """
    newest = lake.ledger.newest()
    short = [id_ for id_ in ids if len(id_) < _LEAST or not id_.isalnum()]
    if short:
        raise UsageError(f"{short[0][:20]!r} is no id of a record.", hint=f"Ids have {_LEAST} characters or more.")
    begins = F.substring("quarantine_id", 1, _LEAST).isin(*{id_[:_LEAST].lower() for id_ in ids})
    views = Views(lake, newest)
    columns = ("quarantine_id", "batch_id", "domain", "status", "decision", "record", "edited")
    known = {row["quarantine_id"]: row for row in records_of(views.read("ops.quarantine").where(begins).select(*columns))}
    for event in records_of(views.read("ops.quarantine_events").where(begins).select("quarantine_id", "batch_id", "domain")):
        gone = dict.fromkeys(("status", "decision", "record", "edited"))
        known.setdefault(event["quarantine_id"], {**event, **gone})
    return [_of_id(id_.lower(), known) for id_ in ids]


def waits(newest: Publication) -> dict[str, int]:
    """Days of business from each live batch until now: how long its parked records wait."""
    if newest.as_of is None:
        return {}
    return {entry.batch_id: (newest.as_of - entry.batch_date).days for entry in newest.live}


def _of_id(id_: str, known: Mapping[str, Record]) -> Record:
    if id_ in known:
        return known[id_]
    matching = [row for whole, row in known.items() if whole.startswith(id_)]
    if len(matching) != 1:
        what = "more than one record has an id that begins so" if matching else "no such record is set aside"
        raise UsageError(f"{id_[:12]}: {what}.", hint="`cartbrook quarantine list` shows ids.")
    return matching[0]


def _overdue(frame: DataFrame, lake: Lake, newest: Publication) -> DataFrame:
    late = [batch_id for batch_id, days in waits(newest).items() if days > lake.settings.max_days_parked]
    return frame.where((F.col("status") == PARKED) & F.col("batch_id").isin(*late))
