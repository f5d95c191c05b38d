"""customer_analytics: what each customer bought, how recently, how often and for how much."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import (
    RECENT_DAYS,
    distinct,
    graded,
    known,
    newest,
    per_member,
    ratio,
    totals,
    zero_for_null,
)

LEAST_SEGMENT = "Low Value"

_STAGES = {"Active": 30, "At Risk": 90, "Inactive": 180}
_AGES = {"Gen Z": 25, "Millennial": 40, "Gen X": 55}


def customer_totals(tables: Tables, context: MartContext) -> DataFrame:
    """What customers bought, and the segment that follows from it.

    Returns:
        One row per customer of the dimension and currency of its orders of any status; a customer without such in the reporting
        currency. Columns of the newest version, of `measures.totals`, and customer_segment.
    """
    customers = newest(tables["dim_customer"], "customer_id", "is_current", "customer_tier", "date_of_birth")
    bought = totals(tables["fact_orders"], "customer_id", "currency")
    rows = per_member(customers, bought, "customer_id", F.lit(context.currency))
    return rows.withColumn("customer_segment", graded(context.customer_segments, LEAST_SEGMENT))


def customer_analytics(tables: Tables, context: MartContext) -> DataFrame:
    """Customers with their orders, scores and classes.

    Grain: customer of the dimension and currency of its orders of any status; a customer without such in the reporting currency.
    A customer that was taken away stays, with is_current false.

    Columns: is_current, customer_tier (newest version); orders (distinct, any status); and of revenue orders: revenue_orders,
    revenue, average_order_value (NULL at 0), first_order_date, last_order_date, recency_days (to as_of, at least 0), products and
    categories (distinct, as bound; no category counts as one, `unknown`); r_score, f_score, m_score (1 to 5, 5 best, among the
    buyers of the currency by last order, revenue orders and revenue; equal values score equally; NULL without orders);
    customer_segment (the limits of the settings); lifecycle_stage (over all currencies); age in full years at as_of (at least 0)
    and age_segment.

    Source: fact_orders, dim_customer.
    """
    orders = tables["fact_orders"].withColumn("category", known("category"))
    grain = ("customer_id", "currency")
    rows = customer_totals(tables, context)
    for column, name in (("product_id", "products"), ("category", "categories")):
        rows = rows.join(distinct(orders, grain, column, name), list(grain), "left")
    ranked = rows.withColumns({"age": _age(F.col("date_of_birth"), context), **_ranks()})
    return zero_for_null(ranked, "products", "categories").withColumns(
        {
            "average_order_value": ratio(F.col("revenue"), F.col("revenue_orders")),
            "recency_days": context.age_in_days(F.col("last_order_date")),
            **{f"{letter}_score": _score(letter) for letter in "rfm"},
            "lifecycle_stage": _lifecycle_stage(context),
            "age_segment": _age_segment(),
        }
    )


def _ranks() -> dict[str, Column]:
    """Rank of a buyer among the buyers of its currency; those who bought nothing are ranked apart and get no score."""
    peers = Window.partitionBy("currency", F.col("revenue_orders") > 0)
    by = {"r": "last_order_date", "f": "revenue_orders", "m": "revenue"}
    ranks = {f"_{letter}_rank": F.rank().over(peers.orderBy(column)) for letter, column in by.items()}
    return {**ranks, "_buyers": F.count(F.lit(1)).over(peers)}


def _score(letter: str) -> Column:
    return F.when(F.col("revenue_orders") > 0, F.expr(f"1 + (5 * (_{letter}_rank - 1)) div _buyers"))


def _lifecycle_stage(context: MartContext) -> Column:
    everywhere = Window.partitionBy("customer_id")
    recency = context.age_in_days(F.max("last_order_date").over(everywhere))
    is_new = F.min("first_order_date").over(everywhere) > context.days_ago(RECENT_DAYS)
    stage = F.when(F.sum("revenue_orders").over(everywhere) == 0, F.lit("Prospect")).when(is_new, F.lit("New"))
    for name, days in _STAGES.items():
        stage = stage.when(recency <= days, F.lit(name))
    return stage.otherwise(F.lit("Lost"))


def _age(birth: Column, context: MartContext) -> Column:
    def day_of_year(date: Column) -> Column:
        return F.month(date) * 100 + F.dayofmonth(date)

    before_birthday = (day_of_year(context.today) < day_of_year(birth)).cast("int")
    years = F.year(context.today) - F.year(birth) - before_birthday
    return F.when(years < 0, F.lit(0)).otherwise(years)


def _age_segment() -> Column:
    age = F.col("age")
    segment = F.when(age.isNull(), F.lit(None).cast("string"))
    for name, limit in _AGES.items():
        segment = segment.when(age < limit, F.lit(name))
    return segment.otherwise(F.lit("Boomer+"))


MART = Mart(
    name="customer_analytics",
    schema=(
        "customer_id string, currency string, is_current boolean, customer_tier string, orders bigint, revenue_orders bigint, "
        "revenue decimal(18,2), average_order_value decimal(18,2), first_order_date date, last_order_date date, "
        "recency_days int, products bigint, categories bigint, r_score int, f_score int, m_score int, customer_segment string, "
        "lifecycle_stage string, age int, age_segment string"
    ),
    key=("customer_id", "currency"),
    reads=("fact_orders", "dim_customer"),
    figures=customer_analytics,
    uses_as_of=True,
)
