"""kpi_daily: every day of a currency, those without orders too."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import ratio, zero_for_null
from cartbrook.frames.marts.sales_totals import DAY, part_of


def kpi_daily(tables: Tables, context: MartContext) -> DataFrame:
    """The key figures of each day.

    Grain: day and currency; each day from the currency's first order of any status to the later of as_of and its last. Orders
    without a date, should a contract allow them, are on no day.

    Columns: orders (distinct, any status), revenue_orders, revenue, average_order_value (NULL at 0 revenue orders),
    buying_customers, new_customers (buyers of that day whose first revenue order ever, in any currency, is of that day),
    cumulative_revenue.

    Source: sales_totals.
    """
    totals = part_of(tables["sales_totals"], DAY)
    totals = totals.withColumns({"day": F.col("part").try_cast("date"), "buying_customers": F.col("buyers")})
    last = F.greatest(F.max("day"), context.today)
    spans = totals.groupBy("currency").agg(F.min("day").alias("_first"), last.alias("_last"))
    calendar = spans.select("currency", F.explode(F.sequence("_first", "_last", F.expr("INTERVAL 1 DAY"))).alias("day"))
    grain = ["day", "currency"]
    counts = ("orders", "revenue_orders", "revenue", "buying_customers", "new_customers")
    days = calendar.join(totals.select(*grain, *counts), grain, "left")
    so_far = Window.partitionBy("currency").orderBy("day").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return zero_for_null(days, *counts).withColumns(
        {
            "average_order_value": ratio(F.col("revenue"), F.col("revenue_orders")),
            "cumulative_revenue": F.sum("revenue").over(so_far),
        }
    )


MART = Mart(
    name="kpi_daily",
    schema=(
        "day date, currency string, orders bigint, revenue_orders bigint, revenue decimal(18,2), "
        "average_order_value decimal(18,2), buying_customers bigint, new_customers bigint, cumulative_revenue decimal(18,2)"
    ),
    key=("day", "currency"),
    reads=("sales_totals",),
    figures=kpi_daily,
    uses_as_of=True,
)
