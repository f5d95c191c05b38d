"""What a MERGE has to do so that a table holds exactly the rows that were computed."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.frames.rules import any_of

CHANGE = "_change"
INSERT = "insert"
UPDATE = "update"
DELETE = "delete"
BEFORE = "_before"


def changes(
    current: DataFrame, computed: DataFrame, key: Sequence[str], columns: Sequence[str], *, before: bool = False
) -> DataFrame:
    """Rows to write and rows to take away.

    Args:
        current: Rows of the table within the scope that was computed anew.
        computed: The rows that must be there; unique by `key`.
        key: Columns without NULL that identify a row in both.
        columns: The columns of the table, all of them in both.
        before: Tell the old values, too.

    Returns:
        The columns of the table and `_change` (insert, update, delete); no row for what is as it must be. If asked for, the
        columns beside the key as they were, in a struct `_before`.
    """
    others = [name for name in columns if name not in key]
    old = current.select(*key, F.struct(*others).alias("_old"))
    new = computed.select(*key, F.struct(*others).alias("_new"))
    both = new.join(old, list(key), "full_outer")
    # Field by field: Sail does not compare structs of which one may hold NULL where the other may not.
    differs = any_of([~F.col(f"_old.{name}").eqNullSafe(F.col(f"_new.{name}")) for name in others])
    differing = both.where(F.col("_new").isNull() | F.col("_old").isNull() | differs)
    return differing.select(
        *key,
        *(F.col(f"_new.{name}").alias(name) for name in others),
        F.when(F.col("_new").isNull(), F.lit(DELETE))
        .when(F.col("_old").isNull(), F.lit(INSERT))
        .otherwise(F.lit(UPDATE))
        .alias(CHANGE),
        *([F.col("_old").alias(BEFORE)] if before else []),
    )
