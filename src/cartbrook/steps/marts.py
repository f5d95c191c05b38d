"""Marts: KPI tables for dashboards, each a function of facts, dimensions and as_of; beside them the batch is scored.

Two ways lead to the same tables. The long one makes them of all facts, by `Mart.build`. The short one adds what changed to what
was published (docs/decisions/0022): a batch of 20 orders then costs the same in a lake of millions, but for a look through some
columns of fact_orders, and for writing anew what is as large as the customers and products.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook import scorecard
from cartbrook.context import mart_context
from cartbrook.frames.keys import Keys
from cartbrook.frames.marts import INTERMEDIATE, MARTS, SALES_TOTALS, Mart, MartContext, shipping_performance, sources
from cartbrook.frames.marts.changed import COLUMNS, SIDE, Change, differing, joined, named
from cartbrook.frames.marts.mart import FEW_ORDERS
from cartbrook.frames.marts.sales_totals import ALL, lost_ends
from cartbrook.frames.marts.shipping_performance import turning
from cartbrook.lake.lake import Lake
from cartbrook.lake.rewritten import rewritten
from cartbrook.lake.values import Staged, fetch
from cartbrook.types import Operation, StepResult

ORDERS, SHIPPING = "gold.fact_orders", "gold.fact_shipping"
MANY_ROWS = 100_000
"""A batch of more rows is scored before marts are made, a smaller one beside it."""
FEW_KEYS = 300
"""So many values may be in a condition; more are joined."""
SMALL_PART = 20
"""The short way is for changes of less than one in so many facts."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What the marts of an operation are made of.

    Attributes:
        changes: Where marts are made from the published ones: what changed in the fact table, None where nothing did. By name
            without the schema.
        made: What is intermediate and was made anew.
    """

    lake: Lake
    operation: Operation
    changes: dict[str, Change | None] = field(default_factory=dict)
    made: dict[str, Staged] = field(default_factory=dict)

    def rows(self, mart: Mart, context: MartContext) -> DataFrame:
        """The rows of a mart, or of what is intermediate."""
        tables = {name: self._table(name) for name in mart.reads}
        if mart.after is not None and mart.follows in self.changes:
            published = self.lake.published(f"gold.{mart.holder}", self.operation.base)
            return mart.brought_up(published, self.changes[mart.follows], tables, context)
        return mart.build(tables, context)

    def pieces(self, mart: Mart, context: MartContext) -> list[DataFrame]:
        """The same, in several frames where that is better for so many orders."""
        if mart.follows in self.changes or self.lake.tables.count(ORDERS) < FEW_ORDERS:
            return [self.rows(mart, context)]
        return mart.build_in_pieces({name: self._table(name) for name in mart.reads}, context)

    def _table(self, name: str) -> DataFrame:
        return self.made[name].frame if name in self.made else self.lake.tables.read(f"gold.{name}")


def run(lake: Lake, operation: Operation) -> StepResult:
    """Write the marts whose inputs or as_of changed, and the quality results of the batch; the others stay as they are."""
    stale = [mart for mart in MARTS if _stale(lake, operation, mart)]
    of_orders = [mart for mart in stale if ORDERS in sources(mart)]
    needed = [mart for mart in INTERMEDIATE if any(mart.name in one.reads for one in of_orders)]
    if not _stale(lake, operation, SALES_TOTALS):
        needed = [mart for mart in needed if mart is not SALES_TOTALS]
    work = _Work(lake, operation)
    followed: list[Callable[[_Work], None]] = [_follow_orders] if of_orders else []
    followed += [_follow_shipments for mart in stale if SHIPPING in sources(mart)]
    lake.tables.each(lambda follow: follow(work), followed)
    context = mart_context(lake.settings, lake.contracts, operation.as_of, as_of_before=operation.base.as_of)
    # What is intermediate is made once; marts that do not depend on it are written meanwhile, and rules counted.
    first: list[Callable[[], None]] = [partial(_stage, work, mart, context) for mart in needed]
    first += [partial(_write, work, mart, context) for mart in stale if mart not in of_orders]
    if operation.validates:
        score = partial(_score, lake, operation)
        if sum(batch.rows for batch in operation.batches) > MANY_ROWS:
            score()  # by itself: both hold much
        else:
            first.append(score)
    lake.tables.each(lambda call: call(), first)
    if of_orders:
        context = mart_context(lake.settings, lake.contracts, operation.as_of, _in_all(work))
        written = of_orders + [SALES_TOTALS for mart in needed if mart is SALES_TOTALS]
        lake.tables.each(lambda mart: _write(work, mart, context), written)
    return StepResult()


def _score(lake: Lake, operation: Operation) -> None:
    """Count the rules of the batches, those across tables among them, and record what came out."""
    for batch in operation.batches:
        held = operation.cause != "batch" or operation.was_live(batch) or operation.stepwise
        results = scorecard.results(lake, batch, operation.live)
        scorecard.save(lake, batch, [dataclasses.asdict(result) for result in results], held=held)


def _stage(work: _Work, mart: Mart, context: MartContext) -> None:
    pieces = work.pieces(mart, context)
    staged = [work.lake.tables.stage(piece) for piece in pieces]
    whole = staged[0]
    if len(staged) > 1:
        whole = work.lake.tables.stage(reduce(DataFrame.unionByName, (piece.frame for piece in staged)))
    work.made[mart.name] = whole


def _write(work: _Work, mart: Mart, context: MartContext) -> None:
    rows = work.made[mart.name].frame if mart.name in work.made else work.rows(mart, context)
    work.lake.tables.overwrite(f"gold.{mart.name}", rows, exact=True)


def _in_all(work: _Work) -> list[dict[str, Any]]:
    """The rows of sales_totals that the reporting currency is taken from."""
    if work.lake.settings.reporting_currency:
        return []
    if SALES_TOTALS.name in work.made:
        return work.made[SALES_TOTALS.name].fetch(grain=ALL)
    return fetch(work.lake.tables.read(f"gold.{SALES_TOTALS.name}").where(F.col("grain") == ALL))


def _follow_orders(work: _Work) -> None:
    """Note what changed in fact_orders, if marts of orders can go the short way."""
    lake, contract = work.lake, work.lake.contracts["orders"]
    # Without references, there may be orders of customers that no published mart holds.
    if not {"customers", "products"} <= {reference.parent for reference in contract.references}:
        return
    columns = tuple(dict.fromkeys((*COLUMNS, *contract.key)))
    is_short, moved = _moved(lake, work.operation, ORDERS, contract.key, columns)
    if not is_short:
        return
    work.changes["fact_orders"] = None
    if moved is not None:
        several_lines = contract.key != ("order_id",)
        together = ("customer_id", *(("order_id",) if several_lines else ()))
        keys = {column: moved.values(column) - {None} for column in together}
        orders = lake.tables.read(ORDERS).select(*columns)
        few = sum(map(len, keys.values())) <= FEW_KEYS
        touched = lake.tables.stage(named(orders, keys) if few else joined(orders, moved.frame, together))
        customers = keys["customer_id"] if few else None
        ends = _ends(lake, work.operation, moved)
        work.changes["fact_orders"] = Change(moved.frame, touched.frame, contract.key, customers, ends)


def _follow_shipments(work: _Work) -> None:
    """Note what changed in fact_shipping, and which shipments the time has changed, if their mart can go the short way."""
    lake, key = work.lake, work.lake.contracts["shipping"].key
    before, now = work.operation.base.as_of, work.operation.as_of
    columns = tuple(dict.fromkeys((*shipping_performance.COLUMNS, *key)))
    is_short, moved = _moved(lake, work.operation, SHIPPING, key, columns)
    if not is_short or before is None or now is None:
        return
    work.changes["fact_shipping"] = None
    turned = None
    if before != now:
        turned = lake.tables.stage(lake.tables.read(SHIPPING).select(*columns).where(turning(before, now)))
    rows, turned_rows = (None if one is None or one.rows == 0 else one.frame for one in (moved, turned))
    if rows is not None or turned_rows is not None:
        work.changes["fact_shipping"] = Change.of_rows(rows, turned_rows, key)


def _moved(
    lake: Lake, operation: Operation, table: str, key: Sequence[str], columns: Sequence[str]
) -> tuple[bool, Staged | None]:
    """True for the short way, and the rows of a fact table that changed since the published version; None where none did."""
    base = operation.base
    if operation.everything or base.as_of is None or operation.as_of is None:
        return False, None
    before = base.table_versions[table]
    rows = lake.tables.count(table, before)
    if rows < FEW_ORDERS or abs(lake.tables.count(table) - rows) * SMALL_PART > rows:
        return False, None
    if lake.tables.version(table) == before:
        return True, None
    files = rewritten(lake.tables, table, before, columns)
    if files is None:
        return False, None
    if files.rows == 0:
        return True, None
    moved = lake.tables.stage(differing(files.before, files.after, key, columns))
    return moved.rows * SMALL_PART <= rows, moved if moved.rows else None


def _ends(lake: Lake, operation: Operation, moved: Staged) -> Keys | None:
    """The products whose first or last order must be looked for."""
    if moved.values(SIDE) == {1}:
        return None
    published = lake.published(f"gold.{SALES_TOTALS.name}", operation.base)
    lost = lake.tables.stage(lost_ends(moved.frame, published))
    few = {"product_id": lost.values("product_id")} if 0 < lost.rows <= FEW_KEYS else None
    return Keys(lost.frame, few) if lost.rows else None


def _stale(lake: Lake, operation: Operation, mart: Mart) -> bool:
    if operation.everything or (mart.uses_as_of and operation.as_of != operation.base.as_of):
        return True
    return any(lake.tables.version(name) != operation.base.table_versions[name] for name in sources(mart))
