"""Validation of one batch's records: types, rules that look no further than the batch, duplicates."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Action, Contract, Scope
from cartbrook.frames.casting import cast, clean, record_hash
from cartbrook.frames.order import greatest_first
from cartbrook.frames.raw import raw_record
from cartbrook.frames.rules import active_rules, any_of, breaks, flag, names_of, quoting, reason, worst
from cartbrook.frames.schema import BRONZE_LINEAGE, QUARANTINE, SILVER_LINEAGE, struct
from cartbrook.types import Batch

OPEN = "open"
PARKED = "parked"
RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Split:
    """Records that satisfy a contract, and those that do not.

    Attributes:
        accepted: Typed records (the columns of a silver table).
        rejected: The others with the rules they broke (the columns of ops.quarantine).
    """

    accepted: DataFrame
    rejected: DataFrame


def split(records: DataFrame, contract: Contract, batch: Batch, timezone: str = "UTC") -> Split:
    """Separate the records that satisfy a contract on themselves from those that do not.

    Args:
        records: Bronze rows of one batch and domain, all columns text. Nothing is collected here.
        contract: The rules to apply; those the batch switched off are not.
        batch: Gives batch_date and trigger_timestamp, for effective times and the one order.
        timezone: Zone of timestamps that carry no ``Z``.

    Returns:
        Accepted records, typed, exact duplicates folded into the least (file, line); rejected records with every rule they broke,
        the losers of conflicting duplicates among them.
    """
    typed = _typed(records, contract, batch, timezone)
    rules = [rule for rule in active_rules(contract, batch.switches) if rule.scope is Scope.RECORD]
    severe = [rule for rule in rules if rule.action is not Action.KEEP]
    kept = [rule for rule in rules if rule.action is Action.KEEP]
    broken = [breaks(rule, contract) for rule in severe]
    sound = ~any_of(broken)
    flags = names_of([F.when(breaks(rule, contract), flag(rule)) for rule in kept])

    settled = _settle_duplicates(typed.where(sound).withColumn("_flags", flags), contract)
    accepted = settled.where("_rank = 1").select(*contract.names, *struct(SILVER_LINEAGE).names)

    conflict = next(rule for rule in contract.rules if rule.check == "unique")
    both = F.concat(quoting({name: F.col(name) for name in contract.key}), F.lit(f": {conflict.description or conflict.name}"))
    lost = settled.where("_rank > 1").withColumns({"_broken": F.array(F.lit(conflict.name)), "_reason": both})
    names = [F.when(breaks, F.lit(rule.name)) for rule, breaks in zip(severe, broken, strict=True)]
    reasons = [F.when(breaks, reason(rule, contract)) for rule, breaks in zip(severe, broken, strict=True)]
    unsound = typed.where(~sound).withColumns({"_broken": names_of(names), "_reason": F.array_join(names_of(reasons), "; ")})
    no_copies = F.when(F.lit(False), F.array(F.lit("")))  # NULL; a cast one would not unite with others on Sail
    return Split(
        accepted,
        _quarantine_rows(lost, contract, F.col("_copies")).unionByName(_quarantine_rows(unsound, contract, no_copies)),
    )


def _typed(records: DataFrame, contract: Contract, batch: Batch, timezone: str) -> DataFrame:
    """Cleaned text (``_text_<column>``), typed columns, the raw record, and what the one order compares."""
    texts = records.select(
        *struct(BRONZE_LINEAGE).names,
        raw_record(contract).alias("_record"),
        *(clean(column, F.col(column.name)).alias(f"_text_{column.name}") for column in contract.columns),
    )
    typed = texts.select(
        "*",
        F.lit(batch.batch_date.isoformat()).cast("date").alias("_batch_date"),
        F.lit(batch.batch_date.isoformat()).cast("date").alias("batch_date"),  # the name expectations use
        F.lit(batch.trigger_timestamp).cast("timestamp").alias("_trigger_timestamp"),
        *(cast(column, F.col(f"_text_{column.name}"), timezone).alias(column.name) for column in contract.columns),
    )
    deletes = F.lit(False)
    if contract.delete is not None:
        column = F.col(f"_text_{contract.delete.column}")
        deletes = F.coalesce(F.lower(column).isin(*(value.lower() for value in contract.delete.values)), F.lit(False))
    effective = F.col(contract.sequence_by[0]) if contract.sequence_by else F.col("_batch_date")
    return typed.select(
        "*",
        F.when(deletes, F.lit("delete")).otherwise(F.lit("upsert")).alias("_kind"),
        effective.cast("timestamp").alias("_effective_time"),
        record_hash(contract).alias("_record_hash"),
    )


def _settle_duplicates(sound: DataFrame, contract: Contract) -> DataFrame:
    """Fold exact duplicates into the least (file, line) and rank what is left of each key and effective time.

    The one total order ends with the record's hash, so that exact duplicates stand next to each other in it.

    Returns:
        The records with `_copies` (ids of their exact duplicates, NULL without any) and `_rank` (1 wins the one total order).
    """
    instant = [*contract.key, "_effective_time"]
    order = Window.partitionBy(*instant).orderBy(*greatest_first(contract), "_source_file", "_source_line")
    ranked = (
        sound.withColumn("_rank", F.row_number().over(order))
        .withColumn("_above", F.lag("_record_hash").over(order))
        .withColumn("_same", F.collect_list("_record_id").over(Window.partitionBy(*instant, "_record_hash")))
    )
    folded = ranked.where("_above is null or _above <> _record_hash")
    return folded.withColumn("_copies", _others(F.col("_same"), F.col("_record_id")))


def _others(same: Column, own: Column) -> Column:
    """Record ids of the exact duplicates of a record, sorted; NULL where there are none."""
    return F.when(F.size(same) > 1, F.sort_array(F.array_remove(same, own)))


def _quarantine_rows(rejected: DataFrame, contract: Contract, copies: Column) -> DataFrame:
    """Rejected records as rows of ops.quarantine."""
    amount = F.col(contract.amount).cast("decimal(18,2)") if contract.amount else F.lit(None).cast("decimal(18,2)")
    currency = F.col(f"_text_{contract.currency}") if contract.currency else F.lit(None).cast("string")
    return rejected.select(
        F.col("_record_id").alias("quarantine_id"),
        F.col("_batch_seq").alias("batch_seq"),
        F.col("_batch_id").alias("batch_id"),
        F.col("_revision").alias("revision"),
        F.lit(contract.domain).alias("domain"),
        F.col("_source_file").alias("source_file"),
        F.col("_source_line").alias("source_line"),
        F.col("_record").alias("record"),
        F.col("_broken").alias("rules"),
        worst(F.col("_broken"), contract).alias("severity"),
        F.col("_reason").alias("reason"),
        amount.alias("amount"),
        currency.alias("currency"),
        F.lit(OPEN).alias("status"),
        F.lit(None).cast("string").alias("resolved_by"),
        copies.alias("copies"),
    ).select(*struct(QUARANTINE).names)
