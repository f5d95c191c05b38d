"""shipping_performance: who delivers on time, and at what cost."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables
from cartbrook.frames.marts.measures import UNKNOWN, known, ratio


def shipping_performance(tables: Tables, context: MartContext) -> DataFrame:
    """Shipments by carrier, service and warehouse.

    Grain: carrier, service_type, origin_warehouse (none is `unknown`) and currency.

    Columns: shipments; delivered (status delivered, or unknown or missing with actual_delivery <= as_of); on_time (delivered with
    actual_delivery <= estimated_delivery); and over the delivered ones with both dates: on_time_share, average_delay_days (at
    least 0 for each); shipping_cost of all shipments.

    Source: fact_shipping.
    """
    status = F.coalesce("shipping_status", F.lit(UNKNOWN))
    estimated, actual = F.col("estimated_delivery"), F.col("actual_delivery")
    delivered = (status == "delivered") | ((status == UNKNOWN) & (actual <= context.today))
    days = F.datediff(actual, estimated)
    shipments = tables["fact_shipping"].select(
        *(known(column) for column in ("carrier", "service_type", "origin_warehouse")),
        "currency",
        "shipping_cost",
        delivered.alias("_delivered"),
        F.when(delivered, F.when(days < 0, F.lit(0)).otherwise(days)).alias("_delay"),
    )
    return (
        shipments.groupBy("carrier", "service_type", "origin_warehouse", "currency")
        .agg(
            F.count(F.lit(1)).alias("shipments"),
            F.count(F.when(F.col("_delivered"), 1)).alias("delivered"),
            F.count(F.when(F.col("_delay") == 0, 1)).alias("on_time"),
            F.count("_delay").alias("_dated"),
            F.sum("_delay").alias("_delays"),
            F.coalesce(F.sum("shipping_cost"), F.lit(0)).alias("shipping_cost"),
        )
        .withColumns(
            {
                "on_time_share": ratio(F.col("on_time"), F.col("_dated")),
                "average_delay_days": ratio(F.col("_delays"), F.col("_dated")),
            }
        )
    )


MART = Mart(
    name="shipping_performance",
    schema=(
        "carrier string, service_type string, origin_warehouse string, currency string, shipments bigint, delivered bigint, "
        "on_time bigint, on_time_share decimal(9,4), average_delay_days decimal(9,2), shipping_cost decimal(18,2)"
    ),
    key=("carrier", "service_type", "origin_warehouse", "currency"),
    reads=("fact_shipping",),
    figures=shipping_performance,
    uses_as_of=True,
)
