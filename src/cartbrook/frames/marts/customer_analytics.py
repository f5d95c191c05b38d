"""customer_analytics: what each customer bought, how recently, how often and for how much."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import RECENT_DAYS, graded, ratio

LEAST_SEGMENT = "Low Value"

_MEASURES = {"r": "last_order_date", "f": "revenue_orders", "m": "revenue"}
_SCORES = (2, 3, 4, 5)
_STAGES = {"Active": 30, "At Risk": 90, "Inactive": 180}
_AGES = {"Gen Z": 25, "Millennial": 40, "Gen X": 55}


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

    Source: customer_totals.
    """
    rows = in_currency(tables["customer_totals"], context)
    scored = rows.join(_limits(rows), "currency", "left").join(_in_several(rows), "customer_id", "left")
    return scored.withColumn("age", _age(F.col("date_of_birth"), context)).withColumns(
        {
            "average_order_value": ratio(F.col("revenue"), F.col("revenue_orders")),
            "recency_days": context.age_in_days(F.col("last_order_date")),
            **{f"{letter}_score": _score(letter) for letter in _MEASURES},
            "customer_segment": graded(context.customer_segments, LEAST_SEGMENT),
            "lifecycle_stage": _lifecycle_stage(context),
            "age_segment": _age_segment(),
        }
    )


def in_currency(totals: DataFrame, context: MartContext) -> DataFrame:
    """Customer totals with customers without orders in the reporting currency."""
    return totals.withColumn("currency", F.coalesce("currency", F.lit(context.currency)))


def _limits(rows: DataFrame) -> DataFrame:
    """For each currency the least value of each measure that scores 2, 3, 4 and 5: columns such as `_r2`, NULL where none does.

    The score of a value is `1 + (5 * (rank - 1)) div n` among the n buyers; ranking the distinct values and comparing with these
    limits is less work than ranking the buyers three times.
    """
    return reduce(lambda found, more: found.join(more, "currency"), (_limits_of(rows, letter) for letter in _MEASURES))


def _limits_of(rows: DataFrame, letter: str) -> DataFrame:
    values = rows.where("revenue_orders > 0").groupBy("currency", F.col(_MEASURES[letter]).alias("_value"))
    peers = Window.partitionBy("currency")
    so_far = F.sum("_buyers").over(peers.orderBy("_value").rowsBetween(Window.unboundedPreceding, Window.currentRow))
    ranked = values.agg(F.count(F.lit(1)).alias("_buyers")).select(
        "currency", "_value", (so_far - F.col("_buyers")).alias("_less"), F.sum("_buyers").over(peers).alias("_all")
    )
    scored = ranked.withColumn("_score", F.expr("1 + (5 * _less) div _all"))
    reached = (F.min(F.when(F.col("_score") >= score, F.col("_value"))).alias(f"_{letter}{score}") for score in _SCORES)
    return scored.groupBy("currency").agg(*reached)


def _score(letter: str) -> Column:
    """How many limits the value of a buyer reaches, and one."""
    score = F.lit(1)
    for limit in _SCORES:
        score = score + F.coalesce((F.col(_MEASURES[letter]) >= F.col(f"_{letter}{limit}")).cast("int"), F.lit(0))
    return F.when(F.col("revenue_orders") > 0, score)


def _in_several(rows: DataFrame) -> DataFrame:
    """What customers with rows in several currencies bought in all of them."""
    everywhere = rows.groupBy("customer_id").agg(
        F.count(F.lit(1)).alias("_rows"),
        F.min("first_order_date").alias("_first"),
        F.max("last_order_date").alias("_last"),
        F.sum("revenue_orders").alias("_bought"),
    )
    return everywhere.where("_rows > 1").drop("_rows")


def _lifecycle_stage(context: MartContext) -> Column:
    first, last = F.coalesce("_first", "first_order_date"), F.coalesce("_last", "last_order_date")
    stage = F.when(F.coalesce("_bought", "revenue_orders") == 0, F.lit("Prospect")).when(
        first > context.days_ago(RECENT_DAYS), F.lit("New")
    )
    for name, days in _STAGES.items():
        stage = stage.when(context.age_in_days(last) <= days, F.lit(name))
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
    reads=("customer_totals",),
    figures=customer_analytics,
    uses_as_of=True,
)
