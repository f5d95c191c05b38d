"""Figures that several marts speak of: what an order, a buyer, revenue, a share or a class is. Each is defined here once."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Limits

MONEY = "decimal(18,2)"
SHARE = "decimal(9,4)"
UNKNOWN = "unknown"
"""What stands for NULL in a column that marts group by: no row is left out."""

RECENT_DAYS = 30
"""Orders after as_of - 30 days are recent: they make customers new or returning."""

_RETURNED = ("returned", "refunded")
SOURCES = {"cost": "from_cost", "category_rate": "from_category_rate", "default_rate": "from_default_rate"}
"""Columns that count the revenue rows of each margin_source."""

_COUNTS = ("orders", "revenue_orders", "revenue")


def totals(orders: DataFrame, *grain: str, several_lines: bool) -> DataFrame:
    """Totals of orders; the lines of one order count as one order.

    What a mart leaves unused, the engine does not compute.

    Args:
        orders: Rows of fact_orders.
        grain: Columns to group by, without NULLs; currency among them, as money of two currencies is never added.
        several_lines: An order may have several rows. They are then added up by order first: counting distinct ids beside sums
            would be slow, and so is adding up by order where each is one row.

    Returns:
        One row per grain that has an order of any status: the grain; orders (any status), cancelled_orders, returned_orders; and
        of revenue orders: revenue_orders, revenue (0 without any), margin, first_order_date, last_order_date (NULL without any),
        and the rows by margin_source (SOURCES).
    """
    is_revenue = F.col("is_revenue")

    def of_revenue(column: str) -> Column:
        return F.when(is_revenue, F.col(column))

    marked = orders.select(
        *grain,
        "order_id",
        is_revenue.cast("int").alias("_revenue"),
        (F.col("order_status") == "cancelled").cast("int").alias("_cancelled"),
        F.col("order_status").isin(*_RETURNED).cast("int").alias("_returned"),
        of_revenue("order_amount").alias("_amount"),
        of_revenue("margin").alias("_margin"),
        of_revenue("order_date").alias("_first"),
        of_revenue("order_date").alias("_last"),
        *((F.col("margin_source") == source).cast("int").alias(name) for source, name in SOURCES.items()),
    )
    if several_lines:
        marked = marked.groupBy(*grain, "order_id").agg(
            *(F.max(name).alias(name) for name in ("_revenue", "_cancelled", "_returned", "_last")),
            *(F.sum(name).alias(name) for name in ("_amount", "_margin", *SOURCES.values())),
            F.min("_first").alias("_first"),
        )
    return marked.groupBy(*grain).agg(
        F.count(F.lit(1)).alias("orders"),
        *(F.coalesce(F.sum(f"_{name}"), F.lit(0)).alias(f"{name}_orders") for name in ("revenue", "cancelled", "returned")),
        F.coalesce(F.sum("_amount"), F.lit(0)).alias("revenue"),
        F.sum("_margin").alias("margin"),
        F.min("_first").alias("first_order_date"),
        F.max("_last").alias("last_order_date"),
        *(F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in SOURCES.values()),
    )


def distinct(orders: DataFrame, grain: tuple[str, ...], column: str, name: str) -> DataFrame:
    """How many different values of a column the revenue orders of each grain have: the grain and `name`; no row for 0."""
    pairs = orders.where("is_revenue").select(*grain, F.col(column).alias("_value")).where("_value IS NOT NULL").distinct()
    return pairs.groupBy(*grain).agg(F.count(F.lit(1)).alias(name))


def zero_for_null(frame: DataFrame, *names: str) -> DataFrame:
    """The frame with 0 where these counts or sums are NULL: a left join found nothing to count."""
    return frame.withColumns({name: F.coalesce(F.col(name), F.lit(0)) for name in names})


def per_member(members: DataFrame, bought: DataFrame, key: str, home: Column) -> DataFrame:
    """Each member of a dimension once per currency it has orders in, of any status; without any, once in its home currency.

    Args:
        members: Output of `newest`.
        bought: Totals by `key` and currency.
        home: The currency of a member without orders.
    """
    both = members.join(bought, key, "left").withColumn("currency", F.coalesce("currency", home))
    return zero_for_null(both, *_COUNTS)


def newest(dimension: DataFrame, key: str, *columns: str) -> DataFrame:
    """Columns of the newest version of each key, a closed one too: `is_current` is false there."""
    kept = (key, *columns)
    current = dimension.where("is_current")
    # An open version is the newest; only keys without one are looked through, since max_by is slow where groups are many.
    closed = dimension.where("NOT is_current").join(current.select(key), key, "left_anti")
    last = closed.groupBy(key).agg(F.max("version").alias("version"))
    return current.select(*kept).unionByName(closed.join(last, [key, "version"], "left_semi").select(*kept))


def ratio(numerator: Column, denominator: Column) -> Column:
    """A quotient, to be cast to MONEY or SHARE; NULL where the denominator is 0.

    Both sides are brought to two digits: then one engine cuts the quotient after six digits and the other rounds after twenty,
    and from either the cast gives the half-up value of the true quotient. (Of whole numbers, the former keeps only four digits.)
    """
    return numerator.cast(MONEY) / F.nullif(denominator.cast(MONEY), F.lit(0).cast(MONEY))


def graded(limits: Limits, otherwise: str) -> Column:
    """The first class whose limits on revenue and revenue_orders are both reached."""
    grade = F.lit(otherwise)
    for name, (revenue, orders) in reversed(tuple(limits.items())):
        reached = (F.col("revenue") >= revenue) & (F.col("revenue_orders") >= orders)
        grade = F.when(reached, F.lit(name)).otherwise(grade)
    return grade


def known(column: str) -> Column:
    """A column to group by, with `unknown` for NULL."""
    return F.coalesce(F.col(column), F.lit(UNKNOWN)).alias(column)
