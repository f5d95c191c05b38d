"""sales_totals: exact sums of sales by day, month, season, category, product and in all, from which six marts are made.

It exists so that a batch need not add up all orders again (docs/decisions/0022): every column but two is a sum over orders or
customers, so what changed is taken away as it was and added as it is. Marts cannot be added to: they are rounded, and leave out
what would be needed. The two are the first and the last day that a product sold: only where such an order went are all orders
of a product looked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.keys import Keys, within
from cartbrook.frames.marts.changed import COLUMNS, SIDE, Change
from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import SOURCES, distinct, known, totals
from cartbrook.frames.rules import any_of

ALL, CATEGORY, DAY, MONTH, SEASON, PRODUCT = "all", "category", "day", "month", "season", "product"
CATEGORY_PRODUCT = "category_product"

_PART = ("grain", "part", "product_id")
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
    "new_customers": "bigint",
    "first_buyers": "bigint",
    "last_buyers": "bigint",
}
_DATES = {"first_order_date": F.min, "last_order_date": F.max}
_OF_EDGES = ("new_customers", "first_buyers", "last_buyers")
_OF_ORDERS = tuple(name for name in _SUMS if name not in (*_OF_EDGES, "buyers"))
_GRAINS: Mapping[str, tuple[str, ...]] = {
    ALL: (),
    CATEGORY: ("category",),
    DAY: ("_day",),
    MONTH: ("_month",),
    SEASON: ("_year", "season"),
    PRODUCT: ("product_id",),
    CATEGORY_PRODUCT: ("category", "product_id"),
}


def sales_totals(tables: Tables, context: MartContext) -> DataFrame:
    """The sums of each part of the sales.

    Grain: `grain` (all, category, day, month, season, product, category_product), `part` (which one: the category as bound or
    `unknown`, 2025-01-31, 2025-01, 2025 Winter; else empty), product_id (empty where sums are of all products) and currency;
    parts with orders of any status, and days with first_buyers. Orders without a date, should a contract allow them, are in no
    day, month or season.

    Columns: orders (distinct, any status), cancelled_orders, returned_orders; and of revenue orders: revenue_orders, revenue,
    margin (0 without any), from_cost, from_category_rate, from_default_rate (rows by margin_source), buyers (0 in
    category_product). For days also: new_customers (buyers whose first revenue order ever, in any currency, is of that day and in
    this currency), first_buyers (buyers of the currency, on any day, whose first one ever is of that day), last_buyers (buyers
    whose last one in the currency is of that day). For products also: first_order_date, last_order_date of their revenue orders.

    Source: fact_orders.
    """
    sums = _of_all_grains(_dated(tables["fact_orders"].select(*COLUMNS)), (), context)
    return _summed(sums, _PART).select(*_KEY, *_SUMS, *_DATES)


def pieces(tables: Tables, context: MartContext) -> list[DataFrame]:
    """The same, a frame for each grain: better for many orders, for fewer it is seven plans in the place of one."""
    orders = _dated(tables["fact_orders"].select(*COLUMNS))
    found: list[DataFrame] = []
    for grain, columns in _GRAINS.items():  # each by itself: in one, the engine would group so many times the rows, by texts
        sums = [_orders(orders, columns, (), context, dates=grain == PRODUCT)]
        if grain != CATEGORY_PRODUCT:
            sums.append(_buyers(orders, columns, ()))
        if grain == DAY:
            sums.append(_edges(orders, ()))
        named = _summed(sums, columns).withColumns({"grain": F.lit(grain), "part": _part(grain), "product_id": _product(grain)})
        found.append(named.select(*_KEY, *_SUMS, *_DATES).where(_IS_PART))
    return found


def after(published: DataFrame, change: Change | None, tables: Tables, context: MartContext) -> DataFrame:
    """The sums after a change of fact_orders.

    Of each customer and order either all rows are looked at on both sides, or the same ones on both sides, which then cancel out.

    Args:
        published: The sums before it.
        change: None where there is none.
    """
    if change is None:
        return published
    before = published.select(*_KEY, *_SUMS, *_DATES)
    sums = _of_all_grains(_dated(change.both_sides()), (SIDE,), context)
    if change.ends is not None:
        ends = within(tables["fact_orders"].select(*COLUMNS), change.ends, ("product_id",)).where("is_revenue")
        ends = ends.groupBy("product_id", "currency").agg(*(of("order_date").alias(name) for name, of in _DATES.items()))
        zeros = (F.lit(0).cast(kind).alias(name) for name, kind in _SUMS.items())
        sums.append(
            ends.select(F.lit(PRODUCT).alias("grain"), F.lit("").alias("part"), "product_id", "currency", *zeros, *_DATES)
        )
        before = _forgotten(before, change.ends)
    return _summed([before, *sums], _PART).select(*_KEY, *_SUMS, *_DATES)


def lost_ends(moved: DataFrame, published: DataFrame) -> DataFrame:
    """The products whose first or last order may be another now, since one of that day went and none as far out came.

    Args:
        moved: Rows of fact_orders that changed, with SIDE.
        published: The sums before the change.

    Returns:
        product_id, distinct.
    """
    went, came = (F.when(side, F.col("order_date")) for side in (F.col(SIDE) < 0, F.col(SIDE) > 0))
    spans = moved.where("is_revenue").groupBy("product_id", F.col("currency").alias("_currency"))
    of_moved = spans.agg(
        *(of(went).alias(f"_went_{name}") for name, of in _DATES.items()),
        *(of(came).alias(f"_came_{name}") for name, of in _DATES.items()),
    )
    of_products = published.where(F.col("grain") == PRODUCT).select("product_id", "currency", *_DATES)
    both = of_moved.join(of_products, "product_id").where(F.col("currency").eqNullSafe(F.col("_currency")))
    first, last = _DATES
    is_lost = any_of(
        [
            (F.col(f"_went_{first}") <= F.col(first)) & F.coalesce(F.col(f"_came_{first}") > F.col(first), F.lit(True)),
            (F.col(f"_went_{last}") >= F.col(last)) & F.coalesce(F.col(f"_came_{last}") < F.col(last), F.lit(True)),
        ]
    )
    return both.where(is_lost).select("product_id").distinct()


def part_of(totals: DataFrame, grain: str) -> DataFrame:
    """The sums of one grain that have orders.

    Of `part` take only casts that cannot fail: an engine may cast before it filters.
    """
    found = totals.where((F.col("grain") == grain) & (F.col("orders") > 0))
    return found.select(*_KEY, *_SUMS, *_DATES)  # the table may have columns of an older release


def margin() -> Column:
    """The margin of a part, NULL without revenue orders."""
    return F.when(F.col("revenue_orders") > 0, F.col("margin"))


def products_sold(totals: DataFrame, grain: str) -> DataFrame:
    """By part and currency the number of products with revenue orders.

    Args:
        grain: PRODUCT, of all, or CATEGORY_PRODUCT.
    """
    sold = totals.where((F.col("grain") == grain) & (F.col("revenue_orders") > 0))
    return sold.groupBy("part", "currency").agg(F.count(F.lit(1)).alias("products_sold"))


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
        **dict.fromkeys((ALL, PRODUCT), F.lit("")),
        **dict.fromkeys((CATEGORY, CATEGORY_PRODUCT), F.col("category")),
        DAY: F.col("_day").cast("string"),
        MONTH: F.substring(month, 1, 7),
        SEASON: F.concat(F.lpad(F.col("_year").cast("string"), 4, "0"), F.lit(" "), F.col("season")),
    }
    return parts[grain]


def _product(grain: str) -> Column:
    return F.col("product_id") if "product_id" in _GRAINS[grain] else F.lit("")


_IS_PART = "part IS NOT NULL AND product_id IS NOT NULL"


def _forgotten(sums: DataFrame, ends: Keys) -> DataFrame:
    """The sums without the days of some products."""
    marked = sums.join(ends.frame.select("product_id", F.lit(True).alias("_forget")), "product_id", "left")
    return marked.select(*_KEY, *_SUMS, *(F.when(F.col("_forget").isNull(), F.col(name)).alias(name) for name in _DATES))


# The partial sums. `sides` is (SIDE,) where the rows of two sides are told apart, and empty where there is but one: a column more
# to group by costs the long way three times as much.


def _of_all_grains(rows: DataFrame, sides: Sequence[str], context: MartContext) -> list[DataFrame]:
    """All partial sums of few rows, each row beside itself in as many parts as there are grains."""
    parts = [
        F.struct(F.lit(grain).alias("grain"), _part(grain).alias("part"), _product(grain).alias("product_id"))
        for grain in _GRAINS
    ]
    others = [column for column in rows.columns if column != "product_id"]
    named = rows.withColumn("_of", F.explode(F.array(*parts))).select(*others, "_of.*").where(_IS_PART)
    days = _edges(rows, sides).withColumns({"grain": F.lit(DAY), "part": _part(DAY), "product_id": F.lit("")})
    return [
        _orders(named, _PART, sides, context, dates=F.col("grain") == PRODUCT),
        _buyers(named.where(F.col("grain") != CATEGORY_PRODUCT), _PART, sides),
        days.select(*_KEY, *_SUMS, *_DATES),
    ]


def _orders(
    rows: DataFrame, keys: Sequence[str], sides: Sequence[str], context: MartContext, *, dates: Column | bool
) -> DataFrame:
    """Partial sums of orders, and their first and last days where these are asked for."""
    part = totals(rows, *sides, *keys, "currency", several_lines=context.several_lines)
    return _signed(part, keys, sides, _OF_ORDERS, dates)


def _buyers(rows: DataFrame, keys: Sequence[str], sides: Sequence[str]) -> DataFrame:
    """Partial sums of buyers."""
    return _signed(distinct(rows, (*sides, *keys, "currency"), "customer_id", "buyers"), keys, sides, ("buyers",))


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


def _signed(
    part: DataFrame, keys: Sequence[str], sides: Sequence[str], names: Sequence[str], dates: Column | bool = False
) -> DataFrame:
    """A partial sum of some columns with all of them, the others 0; what was counts negative, and its days do not count."""

    def signed(name: str, kind: str) -> Column:
        if name not in names:
            return F.lit(0).cast(kind).alias(name)
        value = F.coalesce(F.col(name), F.lit(0)).cast(kind)
        return (F.when(F.col(SIDE) < 0, -value).otherwise(value).cast(kind) if sides else value).alias(name)

    def day(name: str) -> Column:
        if dates is False:
            return F.lit(None).cast("date").alias(name)
        counts = F.lit(dates) if isinstance(dates, bool) else dates
        return F.when(counts & (F.col(SIDE) > 0) if sides else counts, F.col(name)).alias(name)

    return part.select(*keys, "currency", *(signed(name, kind) for name, kind in _SUMS.items()), *map(day, _DATES))


def _summed(parts: Sequence[DataFrame], keys: Sequence[str]) -> DataFrame:
    sums = (F.sum(name).cast(kind).alias(name) for name, kind in _SUMS.items())
    dates = (of(name).alias(name) for name, of in _DATES.items())
    found = reduce(DataFrame.unionByName, parts).groupBy(*keys, "currency").agg(*sums, *dates)
    return found.where("orders > 0 OR first_buyers > 0")


MART = Mart(
    name="sales_totals",
    schema=", ".join(
        f"{name} {kind}" for name, kind in {**dict.fromkeys(_KEY, "string"), **_SUMS, **dict.fromkeys(_DATES, "date")}.items()
    ),
    key=_KEY,
    reads=("fact_orders",),
    figures=sales_totals,
    uses_as_of=False,
    after=after,
    holder="sales_totals",
    pieces=pieces,
)
