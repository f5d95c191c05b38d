"""shipping_performance: who delivers on time, and at what cost."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.changed import SIDE, Change
from cartbrook.frames.marts.mart import Mart, MartContext, Tables, day
from cartbrook.frames.marts.measures import UNKNOWN, known, ratio

_GRAIN = ("carrier", "service_type", "origin_warehouse", "currency")
_SUMS = {
    "shipments": "bigint",
    "delivered": "bigint",
    "dated": "bigint",
    "on_time": "bigint",
    "delay_days": "bigint",
    "shipping_cost": "decimal(18,2)",
}
COLUMNS = (*_GRAIN, "shipping_status", "estimated_delivery", "actual_delivery", "shipping_cost")
"""What the figures need to know of a row of fact_shipping."""


def shipping_performance(tables: Tables, context: MartContext) -> DataFrame:
    """Shipments by carrier, service and warehouse.

    Grain: carrier, service_type, origin_warehouse (none is `unknown`) and currency.

    Columns: shipments; delivered (status delivered, or unknown or missing with actual_delivery <= as_of); dated (delivered with
    both dates) and of these on_time (actual_delivery <= estimated_delivery), delay_days (at least 0 for each), on_time_share,
    average_delay_days; shipping_cost of all shipments.

    Source: fact_shipping.
    """
    return _rated(_sums(tables["fact_shipping"], context.today, F.lit(1)))


def after(published: DataFrame, change: Change | None, tables: Tables, context: MartContext) -> DataFrame:
    """The same after a change.

    Args:
        published: The mart before it.
        change: Of fact_shipping, `touched` with the shipments that count as delivered by the passing of time; None where there is
            none.
    """
    del tables
    if change is None:
        return published
    is_before = F.col(SIDE) < 0
    sums = _sums(change.both_sides(), F.when(is_before, day(context.as_of_before)).otherwise(context.today), F.col(SIDE))
    both = published.select(*_GRAIN, *_SUMS).unionByName(sums)
    return _rated(both.groupBy(*_GRAIN).agg(*(F.sum(name).cast(kind).alias(name) for name, kind in _SUMS.items())))


def turning(before: dt.date, now: dt.date) -> Column:
    """True for shipments that are delivered on one of two business dates and not on the other."""
    first, last = sorted((before, now))
    actual = F.col("actual_delivery")
    return (actual > day(first)) & (actual <= day(last)) & (_status() == UNKNOWN)


def _status() -> Column:
    return F.coalesce("shipping_status", F.lit(UNKNOWN))


def _sums(rows: DataFrame, as_of: Column, sign: Column) -> DataFrame:
    """What can be added up, by grain; `sign` is 1, and -1 for rows that are taken away."""
    estimated, actual = F.col("estimated_delivery"), F.col("actual_delivery")
    delivered = (_status() == "delivered") | ((_status() == UNKNOWN) & F.coalesce(actual <= as_of, F.lit(False)))
    days = F.when(delivered, F.datediff(actual, estimated))
    shipments = rows.select(
        *(known(column) for column in ("carrier", "service_type", "origin_warehouse")),
        "currency",
        sign.cast("bigint").alias("shipments"),
        F.when(delivered, sign).otherwise(0).alias("delivered"),
        F.when(days.isNotNull(), sign).otherwise(0).alias("dated"),
        F.when(days <= 0, sign).otherwise(0).alias("on_time"),
        F.when(days > 0, days * sign).otherwise(0).alias("delay_days"),
        F.when(sign < 0, -F.col("shipping_cost")).otherwise(F.col("shipping_cost")).alias("shipping_cost"),
    )
    sums = (F.coalesce(F.sum(name), F.lit(0)).cast(kind).alias(name) for name, kind in _SUMS.items())
    return shipments.groupBy(*_GRAIN).agg(*sums)


def _rated(sums: DataFrame) -> DataFrame:
    return sums.where("shipments > 0").withColumns(
        {
            "on_time_share": ratio(F.col("on_time"), F.col("dated")),
            "average_delay_days": ratio(F.col("delay_days"), F.col("dated")),
        }
    )


MART = Mart(
    name="shipping_performance",
    schema=(
        "carrier string, service_type string, origin_warehouse string, currency string, shipments bigint, delivered bigint, "
        "dated bigint, on_time bigint, on_time_share decimal(9,4), delay_days bigint, average_delay_days decimal(9,2), "
        "shipping_cost decimal(18,2)"
    ),
    key=_GRAIN,
    reads=("fact_shipping",),
    figures=shipping_performance,
    uses_as_of=True,
    after=after,
    holder="shipping_performance",
    follows="fact_shipping",
)
