"""seasonal_analysis: sales by season."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import ratio
from cartbrook.frames.marts.sales_totals import SEASON, part_of


def seasonal_analysis(tables: Tables, _: MartContext) -> DataFrame:
    """Sales of each season.

    Grain: season, calendar year of the order (December 2024 is Winter of 2024, January 2025 of 2025) and currency, of orders of
    any status. Orders without a date, should a contract allow them, are in no season.

    Columns, of revenue orders: revenue_orders, revenue, average_order_value (NULL at 0), buying_customers.

    Source: sales_totals.
    """
    return part_of(tables["sales_totals"], SEASON).withColumns(
        {
            "season": F.substring("part", 6, 10),
            "year": F.substring("part", 1, 4).try_cast("int"),
            "buying_customers": F.col("buyers"),
            "average_order_value": ratio(F.col("revenue"), F.col("revenue_orders")),
        }
    )


MART = Mart(
    name="seasonal_analysis",
    schema=(
        "season string, year int, currency string, revenue_orders bigint, revenue decimal(18,2), "
        "average_order_value decimal(18,2), buying_customers bigint"
    ),
    key=("season", "year", "currency"),
    reads=("sales_totals",),
    figures=seasonal_analysis,
    uses_as_of=False,
)
