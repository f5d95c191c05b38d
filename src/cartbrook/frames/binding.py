"""Binding facts to the dimension versions that were valid at event time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.contracts.tables import surrogate_key
from cartbrook.frames import schema
from cartbrook.frames.history import tracked_fingerprint

# Outside every accepted time (1900 to 2100), so that a version is found for any event.
_BEFORE = "1800-01-01 00:00:00"
_AFTER = "2200-01-01 00:00:00"


def bind(
    records: DataFrame,
    dimension: DataFrame,
    parent: Contract,
    columns: Sequence[str],
    event_time: Column,
    carried: Sequence[str] | None = None,
    *,
    single: bool = False,
) -> DataFrame:
    """Add the version each record belongs to: the last that starts by its event time, even a closed one, else the first.

    Args:
        records: Rows with the reference `columns`.
        dimension: The version table of `parent`.
        columns: Columns here that name the parent's key, in its order.
        event_time: Timestamp of the event.
        carried: Columns of the version that are wanted; None for all.
        single: Each key has one version, which is that of any time.

    Returns:
        The records, each once, with a struct column named as the dimension (customer, product): columns of the version; NULL
        where the dimension does not hold the key.
    """
    name = surrogate_key(parent.domain).removesuffix("_sk")
    version = [
        *(F.col(key).alias(f"_key_{i}") for i, key in enumerate(parent.key)),
        F.struct(*(carried or schema.dimension(parent).names)).alias(name),
    ]
    keys = [f"_key_{i}" for i in range(len(parent.key))]
    if single:
        same = reduce(and_, (records[column] == F.col(key) for key, column in zip(keys, columns, strict=True)))
        return records.join(dimension.select(*version), same, "left").drop(*keys)
    by_start = Window.partitionBy(*parent.key).orderBy("effective_date")
    spans = dimension.select(
        *version,
        F.when(F.col("version") == 1, F.lit(_BEFORE).cast("timestamp")).otherwise(F.col("effective_date")).alias("_from"),
        F.coalesce(F.lead("effective_date").over(by_start), F.lit(_AFTER).cast("timestamp")).alias("_until"),
    )
    timed = records.withColumn("_event_time", event_time)
    condition = (F.col("_event_time") >= F.col("_from")) & (F.col("_event_time") < F.col("_until"))
    for key, column in zip(keys, columns, strict=True):
        condition = condition & (timed[column] == F.col(key))
    bound = timed.join(spans, condition, "left")
    return bound.drop("_event_time", "_from", "_until", *keys)


def moved(before: DataFrame, after: DataFrame, contract: Contract) -> DataFrame:
    """Keys of a dimension that appeared, vanished, were cut anew or changed in a tracked column: their facts are bound again.

    Returns:
        The key columns; `_was` and `_is`: the key had or has versions; `_since`: no event before it is bound otherwise than it
        was, NULL where any may be.
    """
    key = surrogate_key(contract.domain)

    def versions(frame: DataFrame, name: str) -> DataFrame:
        said = F.struct(tracked_fingerprint(contract).alias("said"), "effective_date", (F.col("version") == 1).alias("first"))
        return frame.select(*contract.key, key, said.alias(name))

    both = versions(after, "_new").join(versions(before, "_old"), [*contract.key, key], "full_outer")
    differs = ~F.col("_new.said").eqNullSafe(F.col("_old.said"))
    first = F.coalesce("_new.first", F.lit(False)) | F.coalesce("_old.first", F.lit(False))
    start = F.coalesce("_new.effective_date", "_old.effective_date")
    return (
        both.groupBy(*contract.key)
        .agg(
            F.max(F.col("_old.effective_date").isNotNull()).alias("_was"),
            F.max(F.col("_new.effective_date").isNotNull()).alias("_is"),
            F.max(differs).alias("_differs"),
            F.max(differs & first).alias("_any_time"),
            F.min(F.when(differs, start)).alias("_from"),
        )
        .where("_differs")
        .select(*contract.key, "_was", "_is", F.when(~F.col("_any_time"), F.col("_from")).alias("_since"))
    )
