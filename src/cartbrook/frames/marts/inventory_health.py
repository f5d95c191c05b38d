"""inventory_health: what is in stock, and what must be ordered."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.marts.mart import Mart, MartContext, Tables


def inventory_health(tables: Tables, _: MartContext) -> DataFrame:
    """The newest snapshot of each stock.

    Grain: product and warehouse. A stock that later batches do not name keeps its last snapshot: omission is not zero.

    Columns: batch_date of the snapshot; stock, reserved, available, reorder_level as it says; stock_status by available: Out of
    Stock <= 0, Reorder Required <= reorder_level, Low Stock <= 2 x reorder_level, else In Stock; NULL where available is.

    Source: fact_inventory.
    """
    names = {"stock_quantity": "stock", "reserved_quantity": "reserved", "available_quantity": "available"}
    snapshots, key = tables["fact_inventory"], ["product_id", "warehouse_id"]
    last = snapshots.groupBy(*key).agg(F.max("batch_date").alias("batch_date"))  # max_by is slow where groups are many
    newest = snapshots.join(last, [*key, "batch_date"], "left_semi")
    renamed = newest.select(*key, "batch_date", "reorder_level", *(F.col(theirs).alias(ours) for theirs, ours in names.items()))
    return renamed.withColumn("stock_status", _status())


def _status() -> Column:
    available, level = F.col("available"), F.col("reorder_level")
    return (
        F.when(available <= 0, F.lit("Out of Stock"))
        .when(available <= level, F.lit("Reorder Required"))
        .when(available <= 2 * level, F.lit("Low Stock"))
        .when(available.isNotNull(), F.lit("In Stock"))
    )


MART = Mart(
    name="inventory_health",
    schema=(
        "product_id string, warehouse_id string, batch_date date, stock bigint, reserved bigint, available bigint, "
        "reorder_level bigint, stock_status string"
    ),
    key=("product_id", "warehouse_id"),
    reads=("fact_inventory",),
    figures=inventory_health,
    uses_as_of=False,
)
