"""Restatements: published facts that are others now although no newer record says so, with their old and new values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import FACTS, Contract
from cartbrook.frames.changes import BEFORE, CHANGE, DELETE, INSERT
from cartbrook.frames.rules import names_of
from cartbrook.frames.schema import fact, fact_key
from cartbrook.types import Operation

GONE, REBOUND, RESTATED = "gone", "rebound", "restated"
LOOKED_AT = (CHANGE, "batch_id", BEFORE)
"""What `has_any` needs to know of a row."""


def has_any(replaced: Iterable[Mapping[str, Any]], delivered: Collection[str]) -> bool:
    """True if `restatements` has a row of some facts that changed or went, which is told here without the engine.

    Args:
        replaced: The columns LOOKED_AT of the rows of `changes` that are not inserted.
    """

    def is_newer(row: Mapping[str, Any]) -> bool:
        return row["batch_id"] in delivered and row["batch_id"] != row[BEFORE]["batch_id"]

    return any(row[CHANGE] == DELETE or not is_newer(row) for row in replaced)


def restatements(changed: DataFrame, contract: Contract, operation: Operation, delivered: Collection[str]) -> DataFrame:
    """Rows of ops.restatements.

    A newer record of a batch that is delivered now makes a fact another one as a matter of course; that is none. What is: a fact
    whose record stays and whose bound version is another (`rebound`), one that another record of the same batch or an older
    record stands for now (`restated`), and one that went (`gone`).

    Args:
        changed: Output of `changes` with the old values.
        delivered: Ids of the batches that are delivered by the operation.

    Returns:
        The columns of ops.restatements: `key`, `old` and `new` as JSON, the latter two of the columns that differ (of a fact that
        went: of all); a value that is NULL is not in them.
    """
    key = fact_key(contract)
    others = [name for name in fact(contract).names if name not in key]
    gone = F.col(CHANGE) == DELETE
    differs = {name: ~F.col(f"{BEFORE}.{name}").eqNullSafe(F.col(name)) for name in others}
    newer = F.col("batch_id").isin(*delivered) & (F.col("batch_id") != F.col(f"{BEFORE}.batch_id")) if delivered else F.lit(False)
    same = F.col("record_id") == F.col(f"{BEFORE}.record_id")
    what = F.when(gone, F.lit(GONE)).when(same, F.lit(REBOUND)).otherwise(F.lit(RESTATED))
    only = operation.batch.batch_id if len(operation.batches) == 1 else None

    def told(value: Column, name: str) -> Column:
        # As text: engines write times and decimals differently into JSON.
        return F.when(differs[name], value.cast("string")).alias(name)

    return changed.where((F.col(CHANGE) != INSERT) & (gone | ~newer)).select(
        F.lit(operation.base.publish_seq + 1).cast("bigint").alias("publish_seq"),
        F.lit(operation.cause).alias("cause"),
        F.lit(only).cast("string").alias("batch_id"),
        F.lit(FACTS[contract.domain]).alias("fact"),
        F.to_json(F.struct(*(F.col(name).cast("string").alias(name) for name in key))).alias("key"),
        what.alias("change"),
        names_of([F.when(differs[name], F.lit(name)) for name in others]).alias("columns"),
        F.to_json(F.struct(*(told(F.col(f"{BEFORE}.{name}"), name) for name in others))).alias("old"),
        F.when(~gone, F.to_json(F.struct(*(told(F.col(name), name) for name in others)))).alias("new"),
    )
