"""The keys that an operation touches, and the rows of tables that belong to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.rules import any_of

_PRUNED = 20
"""Engines compare so many literals of one list with the statistics of files and row groups, and read all for a longer list."""
_SPANS = 16
"""So many ranges tell where the values of a longer list lie."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Distinct keys.

    Attributes:
        frame: One row per key.
        few: Where they are few, the values of those of the columns that can be literals (texts and whole numbers): a table is
            then read only where they may lie. None where they are many, or were not looked at.
    """

    frame: DataFrame
    few: Mapping[str, Collection[str | int]] | None = None

    def named(self, columns: Sequence[str], key: Sequence[str]) -> Keys:
        """The same keys for a table that calls the columns of `key` otherwise."""
        pairs = list(zip(key, columns, strict=True))
        few = None if self.few is None else {ours: self.few[theirs] for theirs, ours in pairs if theirs in self.few}
        return Keys(self.frame.select(*(F.col(theirs).alias(ours) for theirs, ours in pairs)), few)


@dataclass(frozen=True, slots=True)
class Range:
    """A range of the values of a column.

    Attributes:
        condition: True in it.
        cuts: Values that cut it into parts of about the same number of rows.
    """

    condition: Column
    cuts: tuple[Any, ...]


def keys_of(*frames: DataFrame, key: Sequence[str]) -> DataFrame:
    """The distinct keys of some frames."""
    united = frames[0].select(*key)
    for frame in frames[1:]:
        united = united.unionByName(frame.select(*key))
    return united.distinct()


def within(rows: DataFrame, keys: Keys | None, key: Sequence[str]) -> DataFrame:
    """The rows of some keys; all of them where everything is touched (None)."""
    if keys is None:
        return rows
    if keys.few is None:
        return rows.join(keys.frame, list(key), "left_semi")
    for column, values in keys.few.items():
        rows = rows.where(one_of(column, values))
    return rows if len(key) == len(keys.few) == 1 else rows.join(keys.frame, list(key), "left_semi")


def repeated(rows: DataFrame, key: Sequence[str]) -> DataFrame:
    """No row where no key is there twice; told by hashes, so that very rarely one comes without need."""
    hashed = rows.select(_hash(*key).alias("_key")).groupBy("_key").agg(F.count(F.lit(1)).alias("_n"))
    return hashed.where("_n > 1")


def sampled(rows: DataFrame, column: str, one_in: int) -> DataFrame:
    """Some of the distinct values of a column, always the same: about one in so many."""
    return rows.where(_hash(column) % one_in == 0).select(column).distinct()


def _hash(*columns: str) -> Column:
    """A hash of some columns.

    Sail panics where it hashes constants alone, and takes a column for one if statistics show a single value. The 0 beside them
    is no constant to it.
    """
    return F.xxhash64(*columns, (F.rand() < 0).cast("int"))


def ranges(column: str, values: Collection[Any], number: int, parts: int) -> list[Range]:
    """Cut the values of a column without NULL into ranges of about as many of some sampled values each.

    Args:
        number: Of the ranges.
        parts: Each of them is cut into so many by its `cuts`.
    """
    ordered = sorted(values)
    cuts = [ordered[nth * len(ordered) // (number * parts)] for nth in range(1, number * parts)] if ordered else []
    ends = sorted(set(cuts[parts - 1 :: parts]))
    found: list[Range] = []
    for begin, end in zip((None, *ends), (*ends, None), strict=True):
        condition = F.lit(True) if begin is None else F.col(column) >= begin
        inner = sorted({cut for cut in cuts if (begin is None or cut > begin) and (end is None or cut < end)})
        found.append(Range(condition if end is None else condition & (F.col(column) < end), tuple(inner)))
    return found


def one_of(column: str, values: Collection[str | int]) -> Column:
    """True where a column has one of these values, in a form that statistics of files are compared with."""
    ordered = sorted(values)
    listed = F.col(column).isin(*ordered)
    if len(ordered) <= _PRUNED:
        return listed
    size = -(-len(ordered) // _SPANS)
    spans = [ordered[begin : begin + size] for begin in range(0, len(ordered), size)]
    return listed & any_of([F.col(column).between(span[0], span[-1]) for span in spans])
