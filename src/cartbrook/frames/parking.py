"""Parked is derived, never decided: a record whose parent is unknown waits in ops.quarantine until the parent comes."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Contracts
from cartbrook.frames.decisions import COLUMNS
from cartbrook.frames.quarantine import CORRECTED, PARKED, RELEASED
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
        *(F.lit(None).cast("string").alias(name) for name in COLUMNS),
        F.when(F.lit(False), F.array(F.lit(""))).alias("unchecked"),
    )


def movements(waiting: DataFrame, touched: DataFrame, quarantine: DataFrame, contracts: Contracts, resolved_by: str) -> DataFrame:
    """What changes in ops.quarantine: records that begin to wait, wait for something else, or wait no longer.

    A corrected record that waits is parked; beside what it waits for, its row keeps what was wrong, and is as before afterwards.

    Args:
        waiting: Output of `parked`, of all touched records.
        touched: Column `quarantine_id`: every record that was looked at, waiting or not.
        quarantine: Rows of ops.quarantine that are parked, released or corrected.
        resolved_by: Id of the batch (or the cause) that brings the parents now.

    Returns:
        Rows of ops.quarantine to upsert; `record` is NULL where the table has no row yet and the raw text must be fetched.
    """
    columns = struct(QUARANTINE).names
    held = quarantine.select("quarantine_id", F.struct(*columns).alias("_held"))
    both = waiting.withColumn("record", F.lit(None).cast("string")).join(held, "quarantine_id", "left")
    rules = F.when(_decided("_held."), F.concat(_own("_held.rules", contracts), "rules")).otherwise(F.col("rules"))
    begun = both.withColumn("rules", rules).where(f"_held is null or _held.status <> '{PARKED}' or not (_held.rules <=> rules)")
    own = F.size(_own("_held.rules", contracts)) > 0
    keeps = {
        **{name: _decided("_held.") for name in ("amount", "currency", "copies", "unchecked", *COLUMNS)},
        **{name: _decided("_held.") & own for name in ("severity", "reason")},
        "record": F.lit(True),
    }
    begun = begun.select(
        *(
            F.when(keeps[name], F.col(f"_held.{name}")).otherwise(F.col(name)).alias(name) if name in keeps else name
            for name in columns
        )
    )
    freed = (
        quarantine.where(F.col("status") == PARKED)
        .join(touched, "quarantine_id", "left_semi")
        .join(waiting.select("quarantine_id"), "quarantine_id", "left_anti")
    )
    own, rules = F.size(_own("rules", contracts)) > 0, _own("rules", contracts)
    freed = freed.withColumns(
        {
            "status": F.when(_decided(), F.lit(CORRECTED)).otherwise(F.lit(RELEASED)),
            "resolved_by": F.when(_decided(), F.col("decided_by")).otherwise(F.lit(resolved_by)),
            "severity": F.when(~_decided() | own, F.col("severity")),
            "reason": F.when(~_decided() | own, F.col("reason")).otherwise(F.lit("")),
            "rules": F.when(_decided(), rules).otherwise(F.col("rules")),
        }
    )
    return begun.unionByName(freed.select(*columns))


def _decided(prefix: str = "") -> Column:
    """True for rows that a person decided on."""
    return F.col(f"{prefix}decision").isNotNull()


def _own(rules: str, contracts: Contracts) -> Column:
    """The rules that a record broke by itself, without those on its parents."""
    of_parents = [reference.rule for contract in contracts.values() for reference in contract.references]
    return F.filter(rules, lambda rule: ~rule.isin(*of_parents))


def raw_texts(bronze: DataFrame, contract: Contract) -> DataFrame:
    """`quarantine_id` and `record` (the raw text as JSON) of bronze rows."""
    return bronze.select(F.col("_record_id").alias("quarantine_id"), raw_record(contract).alias("record"))
