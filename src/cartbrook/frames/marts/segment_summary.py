"""segment_summary: the customers of customer_analytics by segment."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.marts.customer_analytics import LEAST_SEGMENT, in_currency
from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import graded, ratio


def segment_summary(tables: Tables, context: MartContext) -> DataFrame:
    """What the customers of each segment are worth.

    Grain: customer_segment and currency, those that occur in customer_analytics.

    Columns: customers (its rows there: customers without orders and closed ones too), revenue_orders, revenue,
    revenue_per_customer, revenue_share (of the currency's revenue; NULL where that is 0).

    Source: customer_totals.
    """
    segments = (
        in_currency(tables["customer_totals"], context)
        .withColumn("customer_segment", graded(context.customer_segments, LEAST_SEGMENT))
        .groupBy("customer_segment", "currency")
        .agg(
            F.count(F.lit(1)).alias("customers"),
            F.sum("revenue_orders").alias("revenue_orders"),
            F.sum("revenue").alias("revenue"),
        )
    )
    of_currency = F.sum("revenue").over(Window.partitionBy("currency"))
    return segments.withColumns(
        {
            "revenue_per_customer": ratio(F.col("revenue"), F.col("customers")),
            "revenue_share": ratio(F.col("revenue"), of_currency),
        }
    )


MART = Mart(
    name="segment_summary",
    schema=(
        "customer_segment string, currency string, customers bigint, revenue_orders bigint, revenue decimal(18,2), "
        "revenue_per_customer decimal(18,2), revenue_share decimal(9,4)"
    ),
    key=("customer_segment", "currency"),
    reads=("customer_totals",),
    figures=segment_summary,
    uses_as_of=False,
)
