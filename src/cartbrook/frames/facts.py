"""Facts: the greatest record of each key whose references resolve, bound to the dimension versions of its event time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import DIMENSIONS, Contract, Contracts
from cartbrook.contracts.tables import attributes, surrogate_key
from cartbrook.frames.binding import bind
from cartbrook.frames.order import winners
from cartbrook.frames.schema import fact, fact_key

REVENUE_STATUSES = ("pending", "confirmed", "processing", "shipped", "delivered", "completed")

_SEASONS = {"Winter": (12, 1, 2), "Spring": (3, 4, 5), "Summer": (6, 7, 8), "Fall": (9, 10, 11)}


@dataclass(frozen=True, slots=True)
class FactSettings:
    """The settings that facts depend on."""

    hemisphere: str
    default_margin_rate: Decimal
    category_margin_rates: Mapping[str, Decimal]


def resolve(
    records: DataFrame,
    contract: Contract,
    parents: Mapping[str, DataFrame],
    contracts: Contracts,
    single: Collection[str] = (),
) -> DataFrame:
    """Find the parents of records.

    Args:
        records: Live silver records of one domain.
        parents: For each parent domain its gold table (a dimension, or fact_orders).
        single: Dimensions of which each key has one version.

    Returns:
        The records with `_missing` (names of the reference rules broken: such a record is parked) and, for each dimension, a
        struct column of the bound version (customer, product), with the columns that facts take from it. A record that deletes
        its key needs no parent.
    """
    event = F.coalesce(F.col(contract.event_time or "_batch_date").cast("timestamp"), F.col("_batch_date").cast("timestamp"))
    bound = records
    missing: list[Column] = []
    for reference in contract.references:
        parent = contracts[reference.parent]
        if reference.parent in DIMENSIONS:
            dimension, is_single = parents[reference.parent], reference.parent in single
            bound = bind(bound, dimension, parent, reference.columns, event, _carried(parent), single=is_single)
            unknown = F.col(f"{_entity(reference.parent)}.{surrogate_key(reference.parent)}").isNull()
        else:
            mark = f"_known_{reference.parent}"
            pairs = zip(reference.columns, reference.parent_columns, strict=True)
            known = parents[reference.parent].select(*(F.col(theirs).alias(ours) for ours, theirs in pairs))
            if set(reference.parent_columns) != set(fact_key(parent)):
                known = known.distinct()
            # The narrow side first: an engine that knows no sizes holds the left one in memory.
            bound = known.withColumn(mark, F.lit(True)).join(bound, list(reference.columns), "right")
            unknown = F.col(mark).isNull()
        missing.append(F.when(unknown & (F.col("_kind") == "upsert"), F.lit(reference.rule)))
    return bound.withColumn("_missing", F.array_compact(F.array(*missing)))


def facts(
    resolved: DataFrame, contract: Contract, contracts: Contracts, settings: FactSettings, *, unique: bool = False
) -> DataFrame:
    """The facts of the keys in `resolved`: wholly the greatest record that resolves; a winning delete leaves none.

    Args:
        unique: No key has two records.

    Returns:
        Columns of `schema.fact`.
    """
    keyed = resolved.where(F.size("_missing") == 0)
    if contract.domain == "inventory":
        keyed = keyed.withColumn("batch_date", F.col("_batch_date"))
    won = (keyed if unique else winners(keyed, list(fact_key(contract)), contract)).where("_kind <> 'delete'")
    additions: list[Column] = []
    if contract.domain == "orders":
        additions = _order_columns(contract, contracts["products"], settings)
    elif contract.domain == "inventory":
        additions = [F.col("batch_date"), F.col("product.product_sk").alias("product_sk")]
    return won.select(
        *attributes(contract), *additions, F.col("_batch_id").alias("batch_id"), F.col("_record_id").alias("record_id")
    ).select(*fact(contract).names)


def season(month: Column, hemisphere: str) -> Column:
    """Season of a month, 1 to 12; the southern hemisphere is six months apart."""
    shifted = month if hemisphere == "north" else (month + 5) % 12 + 1
    result = F.lit(None).cast("string")
    for name, months in _SEASONS.items():
        result = F.when(shifted.isin(*months), F.lit(name)).otherwise(result)
    return result


def _carried(parent: Contract) -> list[str]:
    """The columns of a version that facts are made of."""
    return [surrogate_key(parent.domain), *(name for name in ("category", "cost", "currency") if parent.has(name))]


def _entity(domain: str) -> str:
    return surrogate_key(domain).removesuffix("_sk")


def _order_columns(contract: Contract, products: Contract, settings: FactSettings) -> list[Column]:
    is_revenue = F.coalesce(F.col("order_status").isin(*REVENUE_STATUSES), F.lit(False))
    # Spark numbers days from Sunday = 1; ISO from Monday = 1.
    weekday = ((F.dayofweek("order_date") + 5) % 7 + 1).cast("int")
    hour = F.hour("created_timestamp")
    time_of_day = (
        F.when(hour < 6, F.lit("Early Morning")).when(hour < 12, F.lit("Morning")).when(hour < 18, F.lit("Afternoon"))
    ).when(hour.isNotNull(), F.lit("Evening"))
    margin, source = _margin(contract, settings, has_cost=products.has("cost"))
    return [
        F.col("customer.customer_sk").alias("customer_sk"),
        F.col("product.product_sk").alias("product_sk"),
        F.col("product.category").alias("category"),
        is_revenue.alias("is_revenue"),
        season(F.month("order_date"), settings.hemisphere).alias("season"),
        weekday.alias("day_of_week"),
        weekday.isin(6, 7).alias("is_weekend"),
        time_of_day.alias("time_of_day"),
        F.when(is_revenue, margin).alias("margin"),
        F.when(is_revenue, source).alias("margin_source"),
    ]


def _margin(contract: Contract, settings: FactSettings, *, has_cost: bool) -> tuple[Column, Column]:
    """Margin of an order and where it comes from (spec/figures.md): cost, else the category's rate, else the default rate.

    A cost in another currency than the order's, or for an unknown number of units, says nothing about its margin.
    """
    amount = F.col("order_amount")
    rate, source = _rate(settings)
    margin = (amount * rate).cast("decimal(18,4)")
    if has_cost:
        units = F.col("quantity") if contract.has("quantity") else F.lit(1)
        cost = F.col("product.cost")
        counts = cost.isNotNull() & units.isNotNull() & (F.col("currency") == F.col("product.currency"))
        margin = F.when(counts, (amount - cost * units).cast("decimal(18,4)")).otherwise(margin)
        source = F.when(counts, F.lit("cost")).otherwise(source)
    return margin, source


def _rate(settings: FactSettings) -> tuple[Column, Column]:
    """Margin rate of the bound category and where it comes from."""
    default = F.lit(settings.default_margin_rate).cast("decimal(5,4)")
    if not settings.category_margin_rates:
        return default, F.lit("default_rate")
    category = F.col("product.category")
    first, *others = sorted(settings.category_margin_rates.items())
    # One flat chain: engines refuse deeply nested expressions.
    rate = F.when(category == first[0], F.lit(first[1]).cast("decimal(5,4)"))
    for name, share in others:
        rate = rate.when(category == name, F.lit(share).cast("decimal(5,4)"))
    listed = category.isin(*settings.category_margin_rates)
    return rate.otherwise(default), F.when(listed, F.lit("category_rate")).otherwise(F.lit("default_rate"))
