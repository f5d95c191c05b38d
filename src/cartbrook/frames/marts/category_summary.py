"""category_summary: sales by the category that products had when they were ordered."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import ratio, zero_for_null
from cartbrook.frames.marts.sales_totals import CATEGORY, CATEGORY_PRODUCT, margin, part_of, products_sold


def category_summary(tables: Tables, _: MartContext) -> DataFrame:
    """Sales of each category.

    Grain: category as bound to the order (none is `unknown`) and currency, of orders of any status.

    Columns, of revenue orders: products_sold, revenue_orders, revenue, buyers, margin (NULL without any), revenue_share (of the
    currency's revenue; NULL where that is 0).

    Source: sales_totals.
    """
    of_currency = F.sum("revenue").over(Window.partitionBy("currency"))
    totals = tables["sales_totals"]
    categories = part_of(totals, CATEGORY).join(products_sold(totals, CATEGORY_PRODUCT), ["part", "currency"], "left")
    return zero_for_null(categories, "products_sold").withColumns(
        {"category": F.col("part"), "margin": margin(), "revenue_share": ratio(F.col("revenue"), of_currency)}
    )


MART = Mart(
    name="category_summary",
    schema=(
        "category string, currency string, products_sold bigint, revenue_orders bigint, revenue decimal(18,2), buyers bigint, "
        "margin decimal(18,2), revenue_share decimal(9,4)"
    ),
    key=("category", "currency"),
    reads=("sales_totals",),
    figures=category_summary,
    uses_as_of=False,
)
