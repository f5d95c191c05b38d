"""kpi_summary: the shop in one row per currency."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import RECENT_DAYS, distinct, ratio, totals, zero_for_null


def kpi_summary(tables: Tables, context: MartContext) -> DataFrame:
    """The key figures of each currency; one row of zeros in the reporting currency while there are no orders.

    Grain: currency, of orders of any status.

    Columns: as_of; orders (distinct, any status), revenue_orders, revenue, average_order_value (NULL at 0 revenue orders);
    cancelled_orders, returned_orders (returned or refunded); customers and products (current rows of the dimensions, the same in
    each currency); buying_customers (with revenue orders), products_sold; new_customers and returning_customers: buyers with a
    revenue order after as_of - 30 days whose first one ever, in any currency, lies inside that window, or before; margin and
    margin_source of the revenue orders, NULL without any.

    Source: fact_orders, dim_customer, dim_product.
    """
    orders = tables["fact_orders"]
    by_currency = (
        totals(orders, "currency")
        .drop("margin")  # comes with its source
        .join(_buyers(orders, context), "currency", "left")
        .join(distinct(orders, ("currency",), "product_id", "products_sold"), "currency", "left")
    )
    # The members of the dimensions are one row whatever there is, so that joining to it leaves a row when there are no orders.
    members = _members(tables["dim_customer"], "customers").join(_members(tables["dim_product"], "products"), "_all")
    both = members.join(by_currency.withColumn("_all", F.lit(1)), "_all", "left")
    counts = ("orders", "revenue_orders", "revenue", "cancelled_orders", "returned_orders")
    of_buyers = ("buying_customers", "products_sold", "new_customers", "returning_customers")
    return zero_for_null(both, *counts, *of_buyers).withColumns(
        {
            "currency": F.coalesce("currency", F.lit(context.currency)),
            "as_of": context.today,
            "average_order_value": ratio(F.col("revenue"), F.col("revenue_orders")),
        }
    )


def _members(dimension: DataFrame, name: str) -> DataFrame:
    return dimension.where("is_current").agg(F.count(F.lit(1)).alias(name)).withColumn("_all", F.lit(1))


def _buyers(orders: DataFrame, context: MartContext) -> DataFrame:
    """By currency: the buyers and the margin of what they bought; summed here as there are far fewer buyers than orders."""
    buyers = (
        orders.where("is_revenue")
        .groupBy("currency", "customer_id")
        .agg(
            F.min("order_date").alias("_first"),
            F.max("order_date").alias("_last"),
            F.sum("margin").alias("_margin"),
            F.min("margin_source").alias("_least"),
            F.max("margin_source").alias("_greatest"),
        )
        .withColumn("_first_ever", F.min("_first").over(Window.partitionBy("customer_id")))
    )
    since = context.days_ago(RECENT_DAYS)
    recent = F.col("_last") > since
    least, greatest = F.min("_least"), F.max("_greatest")
    return buyers.groupBy("currency").agg(
        F.count(F.lit(1)).alias("buying_customers"),
        F.count(F.when(recent & (F.col("_first_ever") > since), 1)).alias("new_customers"),
        F.count(F.when(recent & (F.col("_first_ever") <= since), 1)).alias("returning_customers"),
        F.sum("_margin").alias("margin"),
        F.when(least != greatest, F.lit("mixed")).otherwise(least).alias("margin_source"),
    )


MART = Mart(
    name="kpi_summary",
    schema=(
        "currency string, as_of date, orders bigint, revenue_orders bigint, revenue decimal(18,2), "
        "average_order_value decimal(18,2), cancelled_orders bigint, returned_orders bigint, customers bigint, products bigint, "
        "buying_customers bigint, products_sold bigint, new_customers bigint, returning_customers bigint, margin decimal(18,2), "
        "margin_source string"
    ),
    key=("currency",),
    reads=("fact_orders", "dim_customer", "dim_product"),
    figures=kpi_summary,
    uses_as_of=True,
)
