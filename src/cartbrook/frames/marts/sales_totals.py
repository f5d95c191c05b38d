"""sales_totals: exact sums of sales by day, month, season, category and in all, from which five marts are made.

It exists so that a batch need not add up all orders again (docs/decisions/0022): every column is a sum over orders, customers or
products, so what changed is taken away as it was and added as it is. Marts cannot be added to: they are rounded, and leave out
what would be needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.marts.changed import COLUMNS, SIDE, Change
from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import SOURCES, distinct, known, totals

ALL, CATEGORY, DAY, MONTH, SEASON = "all", "category", "day", "month", "season"

_PART = ("grain", "part")
_KEY = (*_PART, "currency")
_SUMS = {
    "orders": "bigint",
    "revenue_orders": "bigint",
    "cancelled_orders": "bigint",
    "returned_orders": "bigint",
    "revenue": "decimal(28,2)",
    "margin": "decimal(28,4)",
    **dict.fromkeys(SOURCES.values(), "bigint"),
    "buyers": "bigint",
    "products_sold": "bigint",
    "new_customers": "bigint",
    "first_buyers": "bigint",
    "last_buyers": "bigint",
}
_OF_EDGES = ("new_customers", "first_buyers", "last_buyers")
_OF_ORDERS = tuple(name for name in _SUMS if name not in (*_OF_EDGES, "buyers", "products_sold"))
_OF_PRODUCTS = (ALL, CATEGORY)
_GRAINS: Mapping[str, tuple[str, ...]] = {
    ALL: (),
    CATEGORY: ("category",),
    DAY: ("_day",),
    MONTH: ("_month",),
    SEASON: ("_year", "season"),
}


def sales_totals(tables: Tables, context: MartContext) -> DataFrame:
    """The sums of each part of the sales.

    Grain: `grain` (all, category, day, month, season), `part` (which one: empty, the category as bound or `unknown`, 2025-01-31,
    2025-01, 2025 Winter) and currency; parts with orders of any status, and days with first_buyers. Orders without a date, should
    a contract allow them, are in `all` and `category` only.

    Columns: orders (distinct, any status), cancelled_orders, returned_orders; and of revenue orders: revenue_orders, revenue,
    margin (0 without any), from_cost, from_category_rate, from_default_rate (rows by margin_source), buyers, products_sold. For
    days also: new_customers (buyers whose first revenue order ever, in any currency, is of that day and in this currency),
    first_buyers (buyers of the currency, on any day, whose first one ever is of that day), last_buyers (buyers whose last one in
    the currency is of that day).

    Source: fact_orders.
    """
    sums = _of_all_grains(_dated(tables["fact_orders"].select(*COLUMNS)), (), context)
    return _summed(sums, _PART).select(*_KEY, *_SUMS)


def pieces(tables: Tables, context: MartContext) -> list[DataFrame]:
    """The same, a frame for each grain: better for many orders, for fewer it is five plans in the place of one."""
    orders = _dated(tables["fact_orders"].select(*COLUMNS))
    found: list[DataFrame] = []
    for grain, columns in _GRAINS.items():  # each by itself: in one, the engine would group five times as many rows, by texts
        sums = [_orders(orders, columns, (), context), _distinct(orders, columns, (), "customer_id", "buyers")]
        if grain in _OF_PRODUCTS:
            sums.append(_distinct(orders, columns, (), "product_id", "products_sold"))
        elif grain == DAY:
            sums.append(_edges(orders, ()))
        named = _summed(sums, columns).withColumns({"grain": F.lit(grain), "part": _part(grain)})
        found.append(named.select(*_KEY, *_SUMS).where("part IS NOT NULL"))
    return found


def after(published: DataFrame, change: Change | None, tables: Tables, context: MartContext) -> DataFrame:
    """The sums after a change of fact_orders.

    Of each customer, product and order either all rows are looked at on both sides, or the same ones on both sides, which then
    cancel out.

    Args:
        published: The sums before it.
        change: None where there is none.
    """
    del tables
    if change is None:
        return published
    sums = _of_all_grains(_dated(change.both_sides()), (SIDE,), context)
    return _summed([published.select(*_KEY, *_SUMS), *sums], _PART)


def part_of(totals: DataFrame, grain: str) -> DataFrame:
    """The sums of one grain that have orders.

    Of `part` take only casts that cannot fail: an engine may cast before it filters.
    """
    return totals.where((F.col("grain") == grain) & (F.col("orders") > 0))


def margin() -> Column:
    """The margin of a part, NULL without revenue orders."""
    return F.when(F.col("revenue_orders") > 0, F.col("margin"))


def reporting_currency(totals: Iterable[Mapping[str, Any]]) -> str:
    """The currency with most orders of any status, ties alphabetical; USD before any order.

    Args:
        totals: The rows of grain `all`.
    """
    counts = [(-row["orders"], row["currency"]) for row in totals if row["currency"] is not None]
    return str(min(counts)[1]) if counts else "USD"


def _dated(orders: DataFrame) -> DataFrame:
    day = F.col("order_date")
    dates = {"_day": day, "_month": F.trunc(day, "month"), "_year": F.year(day)}
    return orders.withColumns({**dates, "category": known("category")})


def _part(grain: str) -> Column:
    """The text of a part, from the columns of its grain; NULL without a date."""
    month = F.col("_month").cast("string")
    parts = {
        ALL: F.lit(""),
        CATEGORY: F.col("category"),
        DAY: F.col("_day").cast("string"),
        MONTH: F.substring(month, 1, 7),
        SEASON: F.concat(F.lpad(F.col("_year").cast("string"), 4, "0"), F.lit(" "), F.col("season")),
    }
    return parts[grain]


# The partial sums. `sides` is (SIDE,) where the rows of two sides are told apart, and empty where there is but one: a column more
# to group by costs the long way three times as much.


def _of_all_grains(rows: DataFrame, sides: Sequence[str], context: MartContext) -> list[DataFrame]:
    """All partial sums of few rows, each row beside itself in as many parts as there are grains."""
    parts = [F.struct(F.lit(grain).alias("grain"), _part(grain).alias("part")) for grain in _GRAINS]
    named = rows.withColumn("_of", F.explode(F.array(*parts))).select("*", "_of.grain", "_of.part").where("part IS NOT NULL")
    return [
        _orders(named, _PART, sides, context),
        _distinct(named, _PART, sides, "customer_id", "buyers"),
        _distinct(named.where(F.col("grain").isin(*_OF_PRODUCTS)), _PART, sides, "product_id", "products_sold"),
        _edges(rows, sides).withColumns({"grain": F.lit(DAY), "part": _part(DAY)}).select(*_KEY, *_SUMS),
    ]


def _orders(rows: DataFrame, keys: Sequence[str], sides: Sequence[str], context: MartContext) -> DataFrame:
    """Partial sums of orders."""
    part = totals(rows, *sides, *keys, "currency", several_lines=context.several_lines)
    return _signed(part, keys, sides, _OF_ORDERS)


def _distinct(rows: DataFrame, keys: Sequence[str], sides: Sequence[str], column: str, name: str) -> DataFrame:
    """Partial sums of buyers or products."""
    return _signed(distinct(rows, (*sides, *keys, "currency"), column, name), keys, sides, (name,))


def _edges(rows: DataFrame, sides: Sequence[str]) -> DataFrame:
    """Partial sums by day of what depends on the first and the last day that customers bought."""
    bought = rows.where("is_revenue AND _day IS NOT NULL").groupBy(*sides, "customer_id", "currency")
    spans = bought.agg(F.min("_day").alias("_first"), F.max("_day").alias("_last"))
    spans = spans.withColumn("_ever", F.min("_first").over(Window.partitionBy(*sides, "customer_id")))
    is_new, one, none = (F.col("_first") == F.col("_ever")).cast("int"), F.lit(1), F.lit(0)
    days = F.array(
        F.struct(F.col("_ever").alias("_day"), *_named(new_customers=is_new, first_buyers=one, last_buyers=none)),
        F.struct(F.col("_last").alias("_day"), *_named(new_customers=none, first_buyers=none, last_buyers=one)),
    )
    each = spans.select(*sides, "currency", F.explode(days).alias("_of")).select(*sides, "currency", "_of.*")
    part = each.groupBy(*sides, "_day", "currency").agg(*(F.sum(name).alias(name) for name in _OF_EDGES))
    return _signed(part, ("_day",), sides, _OF_EDGES)


def _named(**columns: Column) -> list[Column]:
    return [column.alias(name) for name, column in columns.items()]


def _signed(part: DataFrame, keys: Sequence[str], sides: Sequence[str], names: Sequence[str]) -> DataFrame:
    """A partial sum of some columns with all of them, the others 0; what was counts negative."""

    def signed(name: str, kind: str) -> Column:
        if name not in names:
            return F.lit(0).cast(kind).alias(name)
        value = F.coalesce(F.col(name), F.lit(0)).cast(kind)
        return (F.when(F.col(SIDE) < 0, -value).otherwise(value).cast(kind) if sides else value).alias(name)

    return part.select(*keys, "currency", *(signed(name, kind) for name, kind in _SUMS.items()))


def _summed(parts: Sequence[DataFrame], keys: Sequence[str]) -> DataFrame:
    sums = (F.sum(name).cast(kind).alias(name) for name, kind in _SUMS.items())
    found = reduce(DataFrame.unionByName, parts).groupBy(*keys, "currency").agg(*sums)
    return found.where("orders > 0 OR first_buyers > 0")


MART = Mart(
    name="sales_totals",
    schema=f"grain string, part string, currency string, {', '.join(f'{name} {kind}' for name, kind in _SUMS.items())}",
    key=_KEY,
    reads=("fact_orders",),
    figures=sales_totals,
    uses_as_of=False,
    after=after,
    holder="sales_totals",
    pieces=pieces,
)
