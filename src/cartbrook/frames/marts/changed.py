"""What a batch changed in a fact table, from which marts are brought up to date without adding up all facts again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.keys import Keys
from cartbrook.frames.rules import any_of

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
    """Rows of a fact table that changed, and those that are counted together with them.

    Attributes:
        moved: The rows that changed, with SIDE.
        touched: Of orders all rows, as they are, of the customers and (where orders have several rows) orders among them.
        key: The columns that identify a row.
        customers: What the moved rows hold in customer_id; None where that is much.
        ends: Products whose first or last order may be another now; None where there are none.
    """

    moved: DataFrame
    touched: DataFrame
    key: tuple[str, ...]
    customers: Collection[str] | None
    ends: Keys | None = None

    @classmethod
    def of_rows(cls, moved: DataFrame | None, turned: DataFrame | None, key: tuple[str, ...]) -> Change:
        """A change where each row counts by itself.

        Args:
            moved: The rows that changed, with SIDE.
            turned: Rows, as they are, that count otherwise though they may be the same; one of both at least.
        """
        if moved is None:
            assert turned is not None
            return cls(turned.withColumn(SIDE, F.lit(1)).where(F.lit(False)), turned, key, None)
        came = moved.where(F.col(SIDE) > 0).drop(SIDE)
        touched = came if turned is None else came.unionByName(turned.join(came.select(*key), list(key), "left_anti"))
        return cls(moved, touched, key, None)

    def among(self, frame: DataFrame) -> DataFrame:
        """The rows of a frame whose customer_id is one of a moved row."""
        if self.customers is not None:
            return frame.where(F.col("customer_id").isin(*self.customers))
        return frame.join(self.moved.select("customer_id").distinct(), "customer_id", "left_semi")

    def apart(self, frame: DataFrame) -> DataFrame:
        """The other rows of a frame."""
        if self.customers is not None:
            return frame.where(~F.col("customer_id").isin(*self.customers))
        return frame.join(self.moved.select("customer_id").distinct(), "customer_id", "left_anti")

    def both_sides(self) -> DataFrame:
        """The touched rows as they are and as they were, with SIDE."""
        came = self.moved.where(F.col(SIDE) > 0).select(*self.key)
        stayed = self.touched.join(came, list(self.key), "left_anti")
        parts = [self.touched.withColumn(SIDE, F.lit(1)), stayed.withColumn(SIDE, F.lit(-1)), self.moved.where(F.col(SIDE) < 0)]
        return reduce(DataFrame.unionByName, parts)


def differing(before: DataFrame | None, after: DataFrame | None, key: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """The rows that only one of two frames has, with SIDE.

    Args:
        before: Rows as they were; None where there are none.
        after: Rows as they are.
        key: The columns that identify a row in either.
        columns: What makes a row another one, the key among it.
    """
    if before is None or after is None:
        only, side = (after, 1) if before is None else (before, -1)
        assert only is not None
        return only.select(*columns, F.lit(side).alias(SIDE))
    others = [name for name in columns if name not in key]
    old = before.select(*key, F.struct(F.lit(-1).alias(SIDE), *columns).alias("_old"))
    new = after.select(*key, F.struct(F.lit(1).alias(SIDE), *columns).alias("_new"))
    both = old.join(new, list(key), "full_outer")
    # Field by field: Sail does not compare structs of which one may hold NULL where the other may not.
    differs = any_of([~F.col(f"_old.{name}").eqNullSafe(F.col(f"_new.{name}")) for name in others])
    moved = both.where(F.col("_old").isNull() | F.col("_new").isNull() | differs)
    sides = moved.select(F.explode(F.array("_old", "_new")).alias("_row")).where("_row IS NOT NULL")
    return sides.select(*(F.col(f"_row.{name}").alias(name) for name in (*columns, SIDE)))


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
