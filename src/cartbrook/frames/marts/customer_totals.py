"""customer_totals: what customers bought. Staged for customer_analytics and segment_summary; no table of its own."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.changed import Change
from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import distinct, known, newest, per_member, totals, zero_for_null

_BOUGHT = ("orders", "revenue_orders", "revenue", "first_order_date", "last_order_date", "products", "categories")


def customer_totals(tables: Tables, context: MartContext) -> DataFrame:
    """What customers bought.

    Grain: customer of the dimension and currency of its orders of any status; NULL for a customer without such.

    Columns: is_current, customer_tier, date_of_birth (newest version); orders (distinct, any status); and of revenue orders:
    revenue_orders, revenue, first_order_date, last_order_date, products and categories (distinct, as bound; no category counts as
    one, `unknown`).

    Source: fact_orders, dim_customer.
    """
    return _of_members(tables["dim_customer"], _bought(tables["fact_orders"], context))


def after(published: DataFrame, change: Change | None, tables: Tables, context: MartContext) -> DataFrame:
    """The same after a change.

    Args:
        published: customer_analytics before it.
        change: Of fact_orders; None where it is as before.
    """
    bought = published.where("orders > 0").select("customer_id", "currency", *_BOUGHT)
    if change is not None:
        theirs = _bought(change.among(change.touched), context)
        bought = change.apart(bought).unionByName(theirs)
    return _of_members(tables["dim_customer"], bought)


def _bought(orders: DataFrame, context: MartContext) -> DataFrame:
    grain = ("customer_id", "currency")
    rows = totals(orders, *grain, several_lines=context.several_lines)
    named = orders.withColumn("category", known("category"))
    for column, name in (("product_id", "products"), ("category", "categories")):
        rows = rows.join(distinct(named, grain, column, name), list(grain), "left")
    kinds = {field.name: field.dataType for field in MART.fields}
    found = zero_for_null(rows, "products", "categories")
    return found.select(*grain, *(F.col(name).cast(kinds[name]).alias(name) for name in _BOUGHT))


def _of_members(dimension: DataFrame, bought: DataFrame) -> DataFrame:
    customers = newest(dimension, "customer_id", "is_current", "customer_tier", "date_of_birth")
    rows = per_member(customers, bought, "customer_id", F.lit(None).cast("string"))
    return zero_for_null(rows, "products", "categories")


MART = Mart(
    name="customer_totals",
    schema=(
        "customer_id string, currency string, is_current boolean, customer_tier string, date_of_birth date, orders bigint, "
        "revenue_orders bigint, revenue decimal(18,2), first_order_date date, last_order_date date, products bigint, "
        "categories bigint"
    ),
    key=("customer_id", "currency"),
    reads=("fact_orders", "dim_customer"),
    figures=customer_totals,
    uses_as_of=False,
    after=after,
    holder="customer_analytics",
)
