"""The quality results of a batch, counted from what validation and facts wrote; for the gate and for ops.quality_results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import DIMENSIONS, FACTS, Contract, Scope
from cartbrook.frames import scoring
from cartbrook.frames.changes import keys_of, within
from cartbrook.frames.snapshots import is_record
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import fetch
from cartbrook.types import Batch

QUALITY_RESULTS = "ops.quality_results"

_GOLD = {domain: f"gold.{table}" for domain, table in {**DIMENSIONS, **FACTS}.items()}


def local_results(lake: Lake, batch: Batch) -> list[scoring.RuleResult]:
    """Results of the rules that look no further than the batch; all that a gate may ask."""
    results: list[scoring.RuleResult] = []
    for domain in batch.domains:
        contract = lake.contracts[domain]
        local = dataclasses.replace(contract, rules=contract.rules_of(Scope.RECORD, Scope.BATCH))
        counted = fetch(_batch_counts(lake, batch, contract, ("open",)))
        results += scoring.results(local, scoring.tallies(counted), batch.switches, batch.domains)
    return results


def results(lake: Lake, batch: Batch) -> list[scoring.RuleResult]:
    """Results of every rule of the delivered domains, cross-table rules on the delivered keys; after facts."""
    others = [domain for domain in lake.contracts if domain not in batch.domains]
    held = [*batch.domains, *(domain for domain in others if not lake.tables.is_empty(lake.tables.read(f"silver.{domain}")))]
    parts = lake.tables.each(lambda domain: _results(lake, batch, lake.contracts[domain], held), batch.domains)
    return [result for part in parts for result in part]


def save(lake: Lake, batch: Batch, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the results of a batch's revision in the place of those of its earlier runs.

    Args:
        rows: The columns of ops.quality_results but those that name the batch.
    """
    schema = lake.tables.schema(QUALITY_RESULTS)
    named = {"batch_seq": batch.batch_seq, "batch_id": batch.batch_id, "revision": batch.revision}
    complete = [{**named, **row} for row in rows]
    columns = {name: [row[name] for row in complete] for name in schema.names}
    where = {"batch_seq": batch.batch_seq, "revision": batch.revision}
    lake.tables.replace(QUALITY_RESULTS, lake.tables.rows(columns, schema), where)


def score(lake: Lake, batch: Batch) -> Decimal | None:
    """The score of a batch by its rows of ops.quality_results."""
    rows = lake.tables.read(QUALITY_RESULTS, where={"batch_seq": batch.batch_seq, "revision": batch.revision})
    names = [field.name for field in dataclasses.fields(scoring.RuleResult)]
    return scoring.score(scoring.RuleResult(**row) for row in fetch(rows.select(*names)))


def _results(lake: Lake, batch: Batch, contract: Contract, held: Sequence[str]) -> list[scoring.RuleResult]:
    counts = _batch_counts(lake, batch, contract, ("open", "parked"))
    rules = contract.rules_of(Scope.LAKE)
    if rules:
        silver = lake.tables.read(f"silver.{contract.domain}", where={"_batch_seq": batch.batch_seq}).where(is_record())
        counts = counts.unionByName(scoring.lake_counts(_context(lake, silver, contract), rules, contract))
    return scoring.results(contract, scoring.tallies(lake.tables.stage(counts).fetch()), batch.switches, held)


def _batch_counts(lake: Lake, batch: Batch, contract: Contract, statuses: Sequence[str]) -> DataFrame:
    silver = lake.tables.read(f"silver.{contract.domain}", where={"_batch_seq": batch.batch_seq}).where(is_record())
    aside = lake.tables.read("ops.quarantine", where={"batch_seq": batch.batch_seq})
    aside = aside.where((F.col("domain") == contract.domain) & F.col("status").isin(*statuses))
    return scoring.batch_counts(silver, aside, contract)


def _context(lake: Lake, silver: DataFrame, contract: Contract) -> DataFrame:
    """The gold rows of the delivered keys with what cross-table rules look at."""
    gold = {domain: lake.tables.read(table) for domain, table in _GOLD.items()}
    rows = within(gold[contract.domain], keys_of(silver, key=contract.key), contract.key)
    if contract.domain == "orders":
        return scoring.order_context(rows, gold["customers"], gold["products"], gold["shipping"])
    if contract.domain == "products":
        return scoring.product_context(rows.where("is_current"), gold["inventory"])
    if contract.domain == "customers":
        return scoring.customer_context(rows.where("is_current"), gold["orders"])
    return rows
