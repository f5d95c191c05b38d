"""Preview: what a delivery would do, by doing it on a shadow of the workspace."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook import pipeline
from cartbrook.contracts.model import DIMENSIONS, FACTS
from cartbrook.contracts.tables import surrogate_key
from cartbrook.contracts.trigger import parse_trigger
from cartbrook.frames.changes import CHANGE, changes
from cartbrook.frames.schema import fact_key
from cartbrook.lake import intake
from cartbrook.lake.lake import Lake
from cartbrook.lake.shadow import shadow
from cartbrook.lake.values import fetch
from cartbrook.types import Outcome, Publication

KPIS = ("orders", "revenue_orders", "revenue", "average_order_value", "customers", "products", "buying_customers", "margin")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a delivery would do.

    Attributes:
        outcome: What `run` would say of it.
        versions: By dimension: versions opened, closed, changed (values or times) and removed.
        facts: By fact table: new, changed and removed rows.
        set_aside: Records of the batch that would be set aside: domain, status, severity, currency, records, amount.
        released: Records of other batches that would wait no longer.
        kpis: By currency and figure of kpi_summary: before and after, those that would change.
    """

    outcome: Outcome
    versions: Mapping[str, Mapping[str, int]]
    facts: Mapping[str, Mapping[str, int]]
    set_aside: list[Record]
    released: int
    kpis: list[Record]


def preview(lake: Lake, trigger: Path, *, supersede: bool = False, confirmed: bool = False) -> Preview:
    """Do what `submit` and `run` would do with a trigger and the files beside it, on a shadow of the workspace.

    Args:
        supersede: As if the trigger said so.
        confirmed: As if `run --confirm` named it.

    Raises:
        TriggerRefused: The trigger cannot be read.
        InputError: A file the trigger names is not beside it.
        LogicChanged: Gold was made under another logic; `rebuild` first.
    """
    raw = trigger.read_bytes()
    parsed = parse_trigger(raw, trigger.name)
    settings = dataclasses.replace(lake.settings, maintain_every=0)
    with shadow(lake.places) as places, pipeline.open_lake(places.root, settings, engine=lake.engine) as other:
        intake.submit(places, trigger, parsed, supersede=supersede)
        outcomes = pipeline.run(other, [parsed.trigger_id] if confirmed else ())
        outcome = next(outcome for outcome in outcomes if outcome.batch_id == parsed.trigger_id)
        before, after = lake.ledger.newest(), other.ledger.newest()
        return Preview(
            outcome,
            {table: _versions(lake, before, other, after, domain) for domain, table in DIMENSIONS.items()},
            {table: _facts(lake, before, other, after, domain) for domain, table in FACTS.items()},
            _set_aside(other, after, outcome),
            _released(lake, before, other, after),
            _kpis(lake, before, other, after),
        )


def _pair(lake: Lake, before: Publication, other: Lake, after: Publication, table: str) -> tuple[DataFrame, DataFrame] | None:
    """A table before and after; None where it would not be written. Columns that contracts gained were NULL before."""
    if before.table_versions[table] == after.table_versions[table]:
        return None
    old, new = lake.published(table, before), other.published(table, after)
    gained = [field for field in new.schema.fields if field.name not in old.columns]
    for field in gained:
        old = old.withColumn(field.name, F.lit(None).cast(field.dataType))
    return old, new


def _versions(lake: Lake, before: Publication, other: Lake, after: Publication, domain: str) -> dict[str, int]:
    found = {"opened": 0, "closed": 0, "changed": 0, "removed": 0}
    pair = _pair(lake, before, other, after, f"gold.{DIMENSIONS[domain]}")
    if pair is None:
        return found
    key = surrogate_key(domain)
    differing = changes(*pair, [key], other.tables.schema(f"gold.{DIMENSIONS[domain]}").names)
    was_open = pair[0].select(key, F.col("expiry_date").isNull().alias("_was_open"))
    closed = F.col("_was_open") & F.col("expiry_date").isNotNull()
    what = (
        F.when(F.col(CHANGE) == "insert", F.lit("opened"))
        .when(F.col(CHANGE) == "delete", F.lit("removed"))
        .when(closed, F.lit("closed"))
        .otherwise(F.lit("changed"))
    )
    counts = differing.join(was_open, key, "left").groupBy(what.alias("what")).agg(F.count(F.lit(1)).alias("rows"))
    return found | {row["what"]: row["rows"] for row in fetch(counts)}


def _facts(lake: Lake, before: Publication, other: Lake, after: Publication, domain: str) -> dict[str, int]:
    table, key = f"gold.{FACTS[domain]}", fact_key(other.contracts[domain])
    names = {"insert": "new", "update": "changed", "delete": "removed"}
    found = dict.fromkeys(names.values(), 0)
    pair = _pair(lake, before, other, after, table)
    if pair is None:
        return found
    columns = [name for name in other.tables.schema(table).names if name != "record_id"]  # it changes with the file's bytes
    counts = changes(*pair, key, columns).groupBy(CHANGE).agg(F.count(F.lit(1)).alias("rows"))
    return found | {names[row[CHANGE]]: row["rows"] for row in fetch(counts)}


def _set_aside(other: Lake, after: Publication, outcome: Outcome) -> list[Record]:
    rows = other.published("ops.quarantine", after).where(F.col("batch_id") == outcome.batch_id)
    grain = ("domain", "status", "severity", "currency")
    counted = rows.groupBy(*grain).agg(F.count(F.lit(1)).alias("records"), F.sum("amount").alias("amount"))
    return fetch(counted.orderBy(*grain)) if outcome.status == "published" else []


def _released(lake: Lake, before: Publication, other: Lake, after: Publication) -> int:
    pair = _pair(lake, before, other, after, "ops.quarantine")
    if pair is None:
        return 0
    waited, waits = (frame.where("status = 'parked'").select("quarantine_id") for frame in pair)
    freed = pair[1].where("status in ('released', 'corrected')").select("quarantine_id")
    return waited.join(waits, "quarantine_id", "left_anti").join(freed, "quarantine_id", "left_semi").count()


def _kpis(lake: Lake, before: Publication, other: Lake, after: Publication) -> list[Record]:
    old, new = (
        {row["currency"]: row for row in fetch(where.published("gold.kpi_summary", publication).select("currency", *KPIS))}
        for where, publication in ((lake, before), (other, after))
    )
    found: list[Record] = []
    for currency in sorted({*old, *new}):
        for name in KPIS:
            pair = old.get(currency, {}).get(name), new.get(currency, {}).get(name)
            if pair[0] != pair[1]:
                found.append({"currency": currency, "figure": name, "before": pair[0], "after": pair[1]})
    return found
