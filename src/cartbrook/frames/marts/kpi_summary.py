"""kpi_summary: the shop in one row per currency."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import RECENT_DAYS, SOURCES, ratio, zero_for_null
from cartbrook.frames.marts.sales_totals import ALL, DAY, PRODUCT, margin, part_of, products_sold


def kpi_summary(tables: Tables, context: MartContext) -> DataFrame:
    """The key figures of each currency; one row of zeros in the reporting currency while there are no orders.

    Grain: currency, of orders of any status.

    Columns: as_of; orders (distinct, any status), revenue_orders, revenue, average_order_value (NULL at 0 revenue orders);
    cancelled_orders, returned_orders (returned or refunded); customers and products (current rows of the dimensions, the same in
    each currency); buying_customers (with revenue orders), products_sold; new_customers and returning_customers: buyers with a
    revenue order after as_of - 30 days whose first one ever, in any currency, lies inside that window, or before; margin and
    margin_source of the revenue orders, NULL without any.

    Source: sales_totals, dim_customer, dim_product.
    """
    totals = tables["sales_totals"]
    sold = products_sold(totals, PRODUCT).drop("part")
    by_currency = part_of(totals, ALL).drop("new_customers").join(_recent(totals, context), "currency", "left")
    by_currency = by_currency.join(sold, "currency", "left")
    # The members of the dimensions are one row whatever there is, so that joining to it leaves a row when there are no orders.
    members = _members(tables["dim_customer"], "customers").join(_members(tables["dim_product"], "products"), "_all")
    both = members.join(by_currency.withColumn("_all", F.lit(1)), "_all", "left")
    counts = ("orders", "revenue_orders", "revenue", "cancelled_orders", "returned_orders")
    of_buyers = ("buyers", "products_sold", "new_customers", "returning_customers")
    return zero_for_null(both, *counts, *of_buyers).withColumns(
        {
            "currency": F.coalesce("currency", F.lit(context.currency)),
            "as_of": context.today,
            "buying_customers": F.col("buyers"),
            "margin": margin(),
            "margin_source": _margin_source(),
            "average_order_value": ratio(F.col("revenue"), F.col("revenue_orders")),
        }
    )


def _members(dimension: DataFrame, name: str) -> DataFrame:
    return dimension.where("is_current").agg(F.count(F.lit(1)).alias(name)).withColumn("_all", F.lit(1))


def _recent(totals: DataFrame, context: MartContext) -> DataFrame:
    """By currency: buyers with a revenue order in the last days, apart by whether their first one ever is of these days."""
    days = totals.where(F.col("grain") == DAY).where(F.col("part") > context.days_ago(RECENT_DAYS).cast("string"))
    # Who bought for the first time in these days bought in each currency for the last time in them, too.
    return days.groupBy("currency").agg(
        F.sum("first_buyers").alias("new_customers"),
        F.sum(F.col("last_buyers") - F.col("first_buyers")).alias("returning_customers"),
    )


def _margin_source() -> Column:
    some = {source: F.col(name) > 0 for source, name in SOURCES.items()}
    several = sum((one.cast("int") for one in some.values()), F.lit(0)) > 1
    source = F.when(several, F.lit("mixed"))
    for name, one in some.items():
        source = source.when(one, F.lit(name))
    return source


MART = Mart(
    name="kpi_summary",
    schema=(
        "currency string, as_of date, orders bigint, revenue_orders bigint, revenue decimal(18,2), "
        "average_order_value decimal(18,2), cancelled_orders bigint, returned_orders bigint, customers bigint, products bigint, "
        "buying_customers bigint, products_sold bigint, new_customers bigint, returning_customers bigint, margin decimal(18,2), "
        "margin_source string"
    ),
    key=("currency",),
    reads=("sales_totals", "dim_customer", "dim_product"),
    figures=kpi_summary,
    uses_as_of=True,
)
