"""Parked is derived, never decided: a record whose parent is unknown waits in ops.quarantine until the parent comes."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.quality import PARKED, RELEASED
from cartbrook.frames.raw import raw_record
from cartbrook.frames.rules import quoting, worst
from cartbrook.frames.schema import QUARANTINE, struct


def parked(resolved: DataFrame, contract: Contract) -> DataFrame:
    """Records that wait for a parent, as rows of ops.quarantine without their raw text.

    Args:
        resolved: Output of `facts.resolve`.
    """
    amount = F.col(contract.amount).cast("decimal(18,2)") if contract.amount else F.lit(None).cast("decimal(18,2)")
    currency = F.col(contract.currency) if contract.currency else F.lit(None).cast("string")
    named = {reference.rule: quoting({name: F.col(name) for name in reference.columns}) for reference in contract.references}
    awaited = F.concat_ws(", ", *(F.when(F.array_contains("_missing", rule), text) for rule, text in named.items()))
    return resolved.where(F.size("_missing") > 0).select(
        F.col("_record_id").alias("quarantine_id"),
        F.col("_batch_seq").alias("batch_seq"),
        F.col("_batch_id").alias("batch_id"),
        F.col("_revision").alias("revision"),
        F.lit(contract.domain).alias("domain"),
        F.col("_source_file").alias("source_file"),
        F.col("_source_line").alias("source_line"),
        F.col("_missing").alias("rules"),
        worst(F.col("_missing"), contract).alias("severity"),
        F.concat(F.lit("waits for "), awaited).alias("reason"),
        amount.alias("amount"),
        currency.alias("currency"),
        F.lit(PARKED).alias("status"),
        F.lit(None).cast("string").alias("resolved_by"),
        F.when(F.lit(False), F.array(F.lit(""))).alias("copies"),  # NULL: a cast one would not unite with others on Sail
    )


def movements(waiting: DataFrame, touched: DataFrame, quarantine: DataFrame, resolved_by: str) -> DataFrame:
    """What changes in ops.quarantine: records that begin to wait, wait for something else, or were released.

    Args:
        waiting: Output of `parked`, of all touched records.
        touched: Column `quarantine_id`: every record that was looked at, waiting or not.
        quarantine: Rows of ops.quarantine that are parked or released.
        resolved_by: Id of the batch (or the cause) that brings the parents now.

    Returns:
        Rows of ops.quarantine to upsert; `record` is NULL where the table has no row yet and the raw text must be fetched.
    """
    names = struct(QUARANTINE).names
    known = quarantine.select("quarantine_id", "record", F.col("status").alias("_old_status"), F.col("rules").alias("_old_rules"))
    begun = waiting.join(known, "quarantine_id", "left").where(
        f"_old_status is null or _old_status <> '{PARKED}' or not (_old_rules <=> rules)"
    )
    freed = (
        quarantine.where(F.col("status") == PARKED)
        .join(touched, "quarantine_id", "left_semi")
        .join(waiting.select("quarantine_id"), "quarantine_id", "left_anti")
        .withColumn("status", F.lit(RELEASED))
        .withColumn("resolved_by", F.lit(resolved_by))
    )
    return begun.select(*names).unionByName(freed.select(*names))


def raw_texts(bronze: DataFrame, contract: Contract) -> DataFrame:
    """`quarantine_id` and `record` (the raw text as JSON) of bronze rows."""
    return bronze.select(F.col("_record_id").alias("quarantine_id"), raw_record(contract).alias("record"))
