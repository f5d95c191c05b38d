"""Marts: KPI tables for dashboards, each a function of facts, dimensions and as_of."""

from __future__ import annotations

from cartbrook.frames.marts import MARTS, Mart, MartContext, reporting_currency
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import fetch
from cartbrook.types import Operation, StepResult


def run(lake: Lake, operation: Operation) -> StepResult:
    """Write the marts whose inputs or as_of changed; the others stay as they are."""
    stale = [mart for mart in MARTS if _stale(lake, operation, mart)]
    if stale:
        context = MartContext(
            as_of=operation.as_of,
            currency=_currency(lake),
            customer_segments=lake.settings.customer_segments,
            performance_categories=lake.settings.performance_categories,
        )
        lake.tables.each(lambda mart: _write(lake, mart, context), stale)
    return StepResult(rows_out=None)


def _stale(lake: Lake, operation: Operation, mart: Mart) -> bool:
    if operation.everything or (mart.uses_as_of and operation.as_of != operation.base.as_of):
        return True
    tables = [f"gold.{name}" for name in mart.reads]
    return any(lake.tables.version(name) != operation.base.table_versions[name] for name in tables)


def _write(lake: Lake, mart: Mart, context: MartContext) -> None:
    gold = {name: lake.tables.read(f"gold.{name}") for name in mart.reads}
    lake.tables.overwrite(f"gold.{mart.name}", mart.build(gold, context), exact=True)


def _currency(lake: Lake) -> str:
    """The reporting currency: the setting, else the currency with most orders, USD before any order."""
    if lake.settings.reporting_currency:
        return lake.settings.reporting_currency
    rows = fetch(reporting_currency(lake.tables.read("gold.fact_orders").where("currency IS NOT NULL")))
    return str(rows[0]["currency"]) if rows else "USD"
