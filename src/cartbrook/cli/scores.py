"""What `quality` tells, as plain values: scores by domain and rule group, the rules behind them, and the trend over batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import functions as F

from cartbrook.cli.output import plain
from cartbrook.contracts.model import DOMAINS, Severity
from cartbrook.errors import BatchNotFound
from cartbrook.frames.scoring import RuleResult, score
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import fetch
from cartbrook.types import BatchRow

Record = dict[str, Any]
Pair = tuple[int, int]

_STATUSES = ("fail", "warn", "pass", "not_evaluated", "skipped")


def batch(lake: Lake, batch_id: str) -> Record:
    """The scores and rules of one batch: of its live revision, else of the newest one that was counted.

    Raises:
        BatchNotFound: There is no such batch.
    """
    rows = lake.ledger.batches(batch_id)
    if not rows:
        raise BatchNotFound(f"There is no batch {batch_id}.", hint="`cartbrook batches` lists them.")
    live = lake.ledger.newest().live_of(batch_id)
    counted = _results(lake, rows[0].batch_seq)
    revisions = {row.revision for row in rows if (row.batch_seq, row.revision) in counted}
    revision = live.revision if live else max(revisions, default=rows[-1].revision)
    row = next(row for row in rows if row.revision == revision)
    results = counted.get((row.batch_seq, revision), [])
    return {
        **_named(row),
        "score": _score(lake, results),
        "warnings": list(row.warnings),
        "domains": _grouped(lake, results, "domain", lambda result: result.domain),
        "groups": _grouped(lake, results, "group", lambda result: result.dimension),
        "rules": [_rule(result) for result in sorted(results, key=_worst_first)],
    }


def trend(lake: Lake) -> list[Record]:
    """The live batches by date: score, change against the one before, score of each domain, what is set aside, what fails."""
    newest = lake.ledger.newest()
    live = {(entry.batch_seq, entry.revision) for entry in newest.live}
    rows = [row for row in lake.ledger.batches() if (row.batch_seq, row.revision) in live]
    counted, aside = _results(lake), _set_aside(lake)
    told: list[Record] = []
    for row in sorted(rows, key=lambda row: (row.batch_date or "", row.batch_id)):
        results = counted.get((row.batch_seq, row.revision), [])
        found = _score(lake, results)
        before = told[-1]["score"] if told else None
        change = None if found is None or before is None else str(Decimal(found) - Decimal(before))
        told.append(
            {
                **_named(row),
                "score": found,
                "change": change,
                "domains": {entry["domain"]: entry["score"] for entry in _grouped(lake, results, "domain", lambda r: r.domain)},
                "set_aside": aside.get(row.batch_seq, 0),
                "failing": [f"{result.domain}.{result.rule}" for result in results if result.status == "fail"],
            }
        )
    return told


def money(amounts: Mapping[str, str]) -> str:
    """Amounts by currency as people read them: ``20.00 EUR, 0.50 USD``."""
    return ", ".join(f"{amount} {currency}" for currency, amount in sorted(amounts.items()))


def _results(lake: Lake, batch_seq: int | None = None) -> dict[Pair, list[RuleResult]]:
    """Published results by batch and revision."""
    frame = lake.published("ops.quality_results", lake.ledger.newest())
    if batch_seq is not None:
        frame = frame.where(F.col("batch_seq") == batch_seq)
    names = [field.name for field in dataclasses.fields(RuleResult)]
    found: dict[Pair, list[RuleResult]] = {}
    for row in fetch(frame.select("batch_seq", "revision", *names)):
        pair = (row.pop("batch_seq"), row.pop("revision"))
        found.setdefault(pair, []).append(RuleResult(**{**row, "amounts_at_risk": dict(row["amounts_at_risk"] or ())}))
    return {pair: sorted(results, key=lambda r: (_rank(r.domain, DOMAINS), r.rule)) for pair, results in found.items()}


def _set_aside(lake: Lake) -> dict[int, int]:
    """Records that are quarantined or wait, by batch."""
    aside = lake.published("ops.quarantine", lake.ledger.newest()).where(F.col("status").isin("open", "parked"))
    return {row["batch_seq"]: row["n"] for row in fetch(aside.groupBy("batch_seq").agg(F.count(F.lit(1)).alias("n")))}


def _named(row: BatchRow) -> Record:
    return {"batch_id": row.batch_id, "revision": row.revision, "batch_date": row.batch_date, "status": row.status}


def _score(lake: Lake, results: Iterable[RuleResult]) -> str | None:
    found = score(results, lake.settings.severity_weights)
    return None if found is None else str(found)


def _grouped(lake: Lake, results: Sequence[RuleResult], noun: str, key: Callable[[RuleResult], str]) -> list[Record]:
    """Scores of groups of rules, in the order of their first rule."""
    groups: dict[str, list[RuleResult]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return [
        {
            noun: name,
            "score": _score(lake, members),
            "rules": sum(1 for result in members if result.evaluated),
            "broken": sum(1 for result in members if result.rows_failed),
            "failing": sum(1 for result in members if result.status == "fail"),
        }
        for name, members in (groups.items() if noun == "domain" else sorted(groups.items()))
    ]


def _rule(result: RuleResult) -> Record:
    share = None if not result.rows_checked else f"{Decimal(100 * result.rows_failed) / result.rows_checked:.2f}"
    measured = None if result.measured is None else f"{result.measured.normalize():f}"
    value: Record = {**dataclasses.asdict(result), "measured": measured, "share": share}
    return {name: plain(inner) for name, inner in value.items()}


def _worst_first(result: RuleResult) -> tuple[int, int, int, int, str]:
    broken = 0 if result.rows_failed else 1
    status, severity = _rank(result.status, _STATUSES), _rank(result.severity, tuple(Severity))
    return (broken if result.evaluated else 2, status, severity, _rank(result.domain, DOMAINS), result.rule)


def _rank(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else len(names)
