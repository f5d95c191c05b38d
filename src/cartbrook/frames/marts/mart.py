"""What a mart is, and what it needs to know beside the gold tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField

from cartbrook.frames.marts.changed import Change
from cartbrook.frames.schema import struct

FEW_ORDERS = 100_000
"""Figures of fewer orders are soonest made of all of them, and each mart in one plan."""

Limits = Mapping[str, tuple[int, int]]
"""Class -> (least revenue, least revenue orders), best first."""


@dataclass(frozen=True, slots=True)
class MartContext:
    """What figures depend on beside gold.

    Attributes:
        as_of: The business date; None with no live batch, and every mart is then empty.
        currency: The reporting currency: the setting, else `reporting_currency`, else USD.
        customer_segments: Limits of `customer_segment`.
        performance_categories: Limits of `performance_category`.
        several_lines: An order may have several rows in fact_orders.
        as_of_before: The business date of the published marts that are brought up to date.
    """

    as_of: dt.date | None
    currency: str
    customer_segments: Limits
    performance_categories: Limits
    several_lines: bool = True
    as_of_before: dt.date | None = None

    @property
    def today(self) -> Column:
        """The business date as a column; NULL with no live batch."""
        return self.days_ago(0)

    def days_ago(self, days: int) -> Column:
        """The date so many days before the business date."""
        return day(None if self.as_of is None else self.as_of - dt.timedelta(days))

    def age_in_days(self, date: Column) -> Column:
        """Days from a date to the business date; 0 for a later date, NULL for none."""
        days = F.datediff(self.today, date)
        return F.when(days < 0, F.lit(0)).otherwise(days)


def day(date: dt.date | None) -> Column:
    """A date as a column."""
    return F.lit(None if date is None else date.isoformat()).cast("date")


Tables = Mapping[str, DataFrame]
"""Gold tables by their name without the schema, such as fact_orders."""


@dataclass(frozen=True, slots=True)
class Mart:
    """One table of figures.

    Attributes:
        name: Name of the table in gold.
        schema: Its columns, ``name type, name type``.
        key: The columns that identify a row; never NULL.
        reads: The gold tables, and other marts, that `figures` looks up.
        figures: From gold to rows that hold at least the columns of `schema`.
        uses_as_of: False where another business date gives the same rows.
        after: The same figures from what is published of them and what changed in `follows` (None where nothing did).
        holder: The published mart that `after` takes them from.
        follows: The fact table that `after` is told the change of.
        pieces: The same figures in several frames: an engine does all parts of one frame at once, and holds them in memory.
    """

    name: str
    schema: str
    key: tuple[str, ...]
    reads: tuple[str, ...]
    figures: Callable[[Tables, MartContext], DataFrame]
    uses_as_of: bool
    after: Callable[[DataFrame, Change | None, Tables, MartContext], DataFrame] | None = None
    holder: str = ""
    follows: str = "fact_orders"
    pieces: Callable[[Tables, MartContext], Sequence[DataFrame]] | None = None

    @property
    def fields(self) -> list[StructField]:
        """The columns of `schema`."""
        return struct(self.schema).fields

    def build(self, tables: Tables, context: MartContext) -> DataFrame:
        """The rows of the mart in exactly its schema: money and shares are rounded half-up here. None without a business date."""
        return self._typed(self.figures(tables, context), context)

    def build_in_pieces(self, tables: Tables, context: MartContext) -> list[DataFrame]:
        """The same rows in several frames, where the mart has them."""
        figures = self.pieces(tables, context) if self.pieces else [self.figures(tables, context)]
        return [self._typed(piece, context) for piece in figures]

    def brought_up(self, published: DataFrame, change: Change | None, tables: Tables, context: MartContext) -> DataFrame:
        """The same rows by `after`."""
        assert self.after is not None
        return self._typed(self.after(published, change, tables, context), context)

    def _typed(self, figures: DataFrame, context: MartContext) -> DataFrame:
        columns = [F.col(field.name).cast(field.dataType).alias(field.name) for field in self.fields]
        rows = figures.select(*columns)
        return rows if context.as_of is not None else rows.where(F.lit(False))
