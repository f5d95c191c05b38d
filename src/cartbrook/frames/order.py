"""The one total order of records: everywhere the same, never arrival, never row order."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.checks import ORDERING
from cartbrook.contracts.model import Contract


def greatest_first(contract: Contract) -> list[Column]:
    """Sort columns that put the winning record first (spec/truth.md: NULLs are least, the greatest wins).

    Effective time, `sequence_by`, created_timestamp, trigger_timestamp, delete over upsert, batch_id, sha256 of the record (NULL
    where no record ties with it: docs/decisions/0027).
    """
    names = ["_effective_time", *contract.sequence_by[1:]]
    if contract.has(ORDERING):
        names.append(ORDERING)
    columns = [F.col(name) for name in [*names, "_trigger_timestamp"]]
    columns += [F.col("_kind") == "delete", F.col("_batch_id"), F.col("_record_hash")]
    return [column.desc_nulls_last() for column in columns]


def winners(records: DataFrame, keys: list[str], contract: Contract) -> DataFrame:
    """The greatest record of each key, all columns kept."""
    ranked = records.withColumn("_rank", F.row_number().over(Window.partitionBy(*keys).orderBy(*greatest_first(contract))))
    return ranked.where("_rank = 1").drop("_rank")
