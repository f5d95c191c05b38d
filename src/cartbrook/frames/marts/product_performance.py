"""product_performance: how each product sells."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import graded, known, newest, per_member, ratio, zero_for_null
from cartbrook.frames.marts.sales_totals import PRODUCT, margin, part_of

LEAST_PERFORMANCE = "Low Performer"

_BOUGHT = ("orders", "revenue_orders", "revenue", "buyers", "margin", "first_order_date", "last_order_date")
_LIFECYCLE = {"Active": 30, "Declining": 90}
_PRICES = {"Budget": 50, "Mid-range": 150, "Premium": 300}


def product_performance(tables: Tables, context: MartContext) -> DataFrame:
    """Products with their sales and classes.

    Grain: product of the dimension and currency of its orders of any status; a product without such in the currency of its price.
    A product that was taken away stays, with is_current false.

    Columns: product_name, category (as they are now; no category is `unknown`), is_current; orders (distinct, any status); and of
    revenue orders: revenue_orders, revenue, buyers, revenue_per_buyer (NULL at 0), margin (NULL without any), first_order_date,
    last_order_date; performance_category (the limits of the settings), product_lifecycle (of this row: Discontinued as the newest
    version says, Unsold, Active, Declining, Stagnant), price_segment of the current price.

    Source: sales_totals, dim_product.
    """
    bought = part_of(tables["sales_totals"], PRODUCT).withColumn("margin", margin()).select("product_id", "currency", *_BOUGHT)
    attributes = ("is_current", "product_name", "category", "price", "currency", "discontinued")
    products = newest(tables["dim_product"], "product_id", *attributes).withColumnRenamed("currency", "_home")
    rows = per_member(products, bought, "product_id", F.coalesce("_home", F.lit(context.currency)))
    return zero_for_null(rows, "buyers").withColumns(
        {
            "category": known("category"),
            "revenue_per_buyer": ratio(F.col("revenue"), F.col("buyers")),
            "performance_category": graded(context.performance_categories, LEAST_PERFORMANCE),
            "product_lifecycle": _lifecycle(context),
            "price_segment": _price_segment(),
        }
    )


def _lifecycle(context: MartContext) -> Column:
    stage = F.when(F.col("discontinued"), F.lit("Discontinued")).when(F.col("revenue_orders") == 0, F.lit("Unsold"))
    for name, days in _LIFECYCLE.items():
        stage = stage.when(context.age_in_days(F.col("last_order_date")) <= days, F.lit(name))
    return stage.otherwise(F.lit("Stagnant"))


def _price_segment() -> Column:
    price = F.col("price")
    segment = F.when(price.isNull(), F.lit(None).cast("string"))
    for name, limit in _PRICES.items():
        segment = segment.when(price < limit, F.lit(name))
    return segment.otherwise(F.lit("Luxury"))


MART = Mart(
    name="product_performance",
    schema=(
        "product_id string, currency string, product_name string, category string, is_current boolean, orders bigint, "
        "revenue_orders bigint, revenue decimal(18,2), buyers bigint, revenue_per_buyer decimal(18,2), margin decimal(18,2), "
        "first_order_date date, last_order_date date, performance_category string, product_lifecycle string, price_segment string"
    ),
    key=("product_id", "currency"),
    reads=("sales_totals", "dim_product"),
    figures=product_performance,
    uses_as_of=True,
)
