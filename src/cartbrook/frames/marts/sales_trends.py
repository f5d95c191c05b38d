"""sales_trends: sales by month."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import ratio
from cartbrook.frames.marts.sales_totals import MONTH, part_of


def sales_trends(tables: Tables, _: MartContext) -> DataFrame:
    """Sales of each month.

    Grain: month (its first day) and currency, of orders of any status. Orders without a date, should a contract allow them, are
    in no month.

    Columns, of revenue orders: revenue_orders, revenue, average_order_value (NULL at 0), buying_customers.

    Source: sales_totals.
    """
    return part_of(tables["sales_totals"], MONTH).withColumns(
        {
            "month": F.concat("part", F.lit("-01")).try_cast("date"),
            "buying_customers": F.col("buyers"),
            "average_order_value": ratio(F.col("revenue"), F.col("revenue_orders")),
        }
    )


MART = Mart(
    name="sales_trends",
    schema=(
        "month date, currency string, revenue_orders bigint, revenue decimal(18,2), average_order_value decimal(18,2), "
        "buying_customers bigint"
    ),
    key=("month", "currency"),
    reads=("sales_totals",),
    figures=sales_trends,
    uses_as_of=False,
)
