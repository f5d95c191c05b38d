"""Marts: KPI tables for dashboards, each a function of facts, dimensions and as_of."""

from __future__ import annotations

from cartbrook.context import mart_context
from cartbrook.frames.marts import MARTS, Mart, MartContext
from cartbrook.lake.lake import Lake
from cartbrook.types import Operation, StepResult


def run(lake: Lake, operation: Operation) -> StepResult:
    """Write the marts whose inputs or as_of changed; the others stay as they are."""
    stale = [mart for mart in MARTS if _stale(lake, operation, mart)]
    if stale:
        context = mart_context(lake.settings, operation.as_of, lake.tables.read("gold.fact_orders"))
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
