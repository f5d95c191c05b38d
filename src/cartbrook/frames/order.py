"""The one total order of records: everywhere the same, never arrival, never row order."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.checks import ORDERING
from cartbrook.contracts.model import Contract
from cartbrook.frames.casting import record_hash

HASH = "_record_hash"
"""The hash of a record: made where records are compared and not stored, since most keys have one (docs/decisions/0027)."""


def hashed(records: DataFrame, contract: Contract) -> DataFrame:
    """Typed records with HASH."""
    return records.withColumn(HASH, record_hash(contract))


def greatest_first(contract: Contract) -> list[Column]:
    """Sort columns that put the winning record of `hashed` ones first (spec/truth.md: NULLs are least, the greatest wins).

    Effective time, `sequence_by`, created_timestamp, trigger_timestamp, delete over upsert, batch_id, sha256 of the record.
    """
    names = ["_effective_time", *contract.sequence_by[1:]]
    if contract.has(ORDERING):
        names.append(ORDERING)
    columns = [F.col(name) for name in [*names, "_trigger_timestamp"]]
    columns += [F.col("_kind") == "delete", F.col("_batch_id"), F.col(HASH)]
    return [column.desc_nulls_last() for column in columns]


def winners(records: DataFrame, keys: list[str], contract: Contract) -> DataFrame:
    """The greatest record of each key, all columns kept."""
    order = Window.partitionBy(*keys).orderBy(*greatest_first(contract))
    ranked = hashed(records, contract).withColumn("_rank", F.row_number().over(order))
    return ranked.where("_rank = 1").drop("_rank", HASH)
