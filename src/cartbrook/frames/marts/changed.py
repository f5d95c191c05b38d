"""What a batch changed in fact_orders, from which marts are brought up to date without adding up all orders again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

SIDE = "_side"
"""1 in rows as they are, -1 in rows as they were."""

COLUMNS = (
    "order_id",
    "customer_id",
    "product_id",
    "currency",
    "order_date",
    "order_amount",
    "order_status",
    "is_revenue",
    "category",
    "season",
    "margin",
    "margin_source",
)
"""What figures of orders need to know of a row of fact_orders."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of fact_orders that changed, and those that are counted together with them.

    Attributes:
        moved: The rows that changed, with SIDE.
        touched: All rows, as they are, of the customers, products and (where orders have several rows) orders among them.
        customers: The customer_id of these customers.
        products: The product_id of these products.
        key: The columns that identify a row.
    """

    moved: DataFrame
    touched: DataFrame
    customers: DataFrame
    products: DataFrame
    key: tuple[str, ...]

    def both_sides(self) -> DataFrame:
        """The touched rows as they are and as they were, with SIDE."""
        came = self.moved.where(F.col(SIDE) > 0).select(*self.key)
        stayed = self.touched.join(came, list(self.key), "left_anti")
        parts = [self.touched.withColumn(SIDE, F.lit(1)), stayed.withColumn(SIDE, F.lit(-1)), self.moved.where(F.col(SIDE) < 0)]
        return reduce(DataFrame.unionByName, parts)


def differing(before: DataFrame | None, after: DataFrame | None, columns: Sequence[str]) -> DataFrame:
    """The rows that only one of two frames has, with SIDE.

    Args:
        before: Rows as they were, unique; None where there are none.
        after: Rows as they are, unique.
        columns: What makes a row another one.
    """
    sides = [frame.select(*columns, F.lit(side).alias(SIDE)) for frame, side in ((before, -1), (after, 1)) if frame is not None]
    if len(sides) == 1:
        return sides[0]
    return sides[0].unionByName(sides[1]).groupBy(*columns).agg(F.sum(SIDE).cast("int").alias(SIDE)).where(F.col(SIDE) != 0)


def named(orders: DataFrame, keys: Mapping[str, Collection[str]]) -> DataFrame:
    """The rows of fact_orders with one of a few values in one of some columns: by column its values, some at least."""
    return orders.where(reduce(or_, (F.col(column).isin(*values) for column, values in keys.items() if values)))


def joined(orders: DataFrame, moved: DataFrame, columns: Sequence[str]) -> DataFrame:
    """The same for many values: the rows of fact_orders that share the value of one of some columns with a row that moved."""
    marks = [f"_as_{column}" for column in columns]
    for column, mark in zip(columns, marks, strict=True):
        keys = moved.select(column).where(F.col(column).isNotNull()).distinct()
        orders = orders.join(keys.withColumn(mark, F.lit(True)), column, "left")
    return orders.where(F.coalesce(*marks, F.lit(False))).drop(*marks)
