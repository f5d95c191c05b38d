"""Validation of one batch's records: types, rules that look no further than the batch, duplicates, human decisions."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Action, Contract, Scope
from cartbrook.frames.casting import cast, clean, record_hash
from cartbrook.frames.decisions import COLUMNS, DISCARD, as_decided, with_decisions
from cartbrook.frames.order import greatest_first
from cartbrook.frames.quarantine import CORRECTED, DISCARDED, OPEN, quarantine_rows
from cartbrook.frames.raw import raw_record
from cartbrook.frames.rules import active_rules, any_of, breaks, flag, names_of, quoting, reason
from cartbrook.frames.schema import BRONZE_LINEAGE, SILVER_LINEAGE, struct
from cartbrook.frames.snapshots import presence
from cartbrook.types import Batch

_VERDICT = ("_broken", "_reason")


@dataclass(frozen=True, slots=True)
class Split:
    """Records that satisfy a contract, and those that do not.

    Attributes:
        accepted: Typed records (the columns of a silver table).
        rejected: The others with the rules they broke, and those that a person decided on (the columns of ops.quarantine).
        presence: For a contract of full snapshots: what was delivered beside the accepted records (the columns of a silver
            table); None for others.
    """

    accepted: DataFrame
    rejected: DataFrame
    presence: DataFrame | None = None


def split(
    records: DataFrame, contract: Contract, batch: Batch, timezone: str = "UTC", decisions: DataFrame | None = None
) -> Split:
    """Separate the records that satisfy a contract on themselves from those that do not.

    Duplicates are settled among the records as they were delivered, before decisions: what lost a conflict stays out until a
    person fixes it, whatever becomes of the record that won.

    Args:
        records: Bronze rows of one batch and domain, all columns text. Nothing is collected here.
        contract: The rules to apply; those the batch switched off are not.
        batch: Gives batch_date and trigger_timestamp, for effective times and the one order.
        timezone: Zone of timestamps that carry no ``Z``.
        decisions: Output of `decisions.in_force`; None where there are none.

    Returns:
        Accepted records, typed, exact duplicates folded into the least (file, line); rejected records with every rule they broke,
        the losers of conflicting duplicates among them. A fixed or released record that passes now is in both, as corrected.
    """
    delivered = with_decisions(records, decisions)
    judged = _judged(_typed(delivered, contract, batch, timezone), contract, batch)
    settled = _settle_duplicates(judged.where("_sound"), contract)
    unsound = judged.where("not _sound").withColumns({"_rank": F.lit(0), "_copies": _no_copies()})
    accepted, rejected = settled.where("_rank = 1"), settled.where("_rank <> 1").unionByName(unsound)
    silver = (*contract.names, *struct(SILVER_LINEAGE).names)
    if decisions is None:
        absent = rejected
        parts = Split(accepted.select(*silver), quarantine_rows(rejected, contract))
    else:
        undecided = F.col("_decision").isNull()
        again = _judged(_typed(as_decided(delivered, contract), contract, batch, timezone), contract, batch)
        again = again.withColumn("_copies", _no_copies())
        decided = accepted.unionByName(rejected).where(~undecided)
        accepted, rejected = accepted.where(undecided), rejected.where(undecided)
        absent = rejected.unionByName(decided.where(F.col("_decision") == DISCARD))
        absent = absent.unionByName(again.where("not _sound").withColumn("_rank", F.lit(0)))
        parts = Split(
            accepted.select(*silver).unionByName(again.where("_sound").select(*silver)),
            quarantine_rows(rejected, contract).unionByName(_decided_rows(decided, again, contract)),
        )
    if not contract.snapshot_full:
        return parts
    return Split(parts.accepted, parts.rejected, presence(absent, contract, batch))


def _typed(records: DataFrame, contract: Contract, batch: Batch, timezone: str) -> DataFrame:
    """Cleaned text (``_text_<column>``), typed columns, the raw record, and what the one order compares."""
    texts = records.select(
        *struct(BRONZE_LINEAGE).names,
        *(f"_{name}" for name in COLUMNS),
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


def _judged(typed: DataFrame, contract: Contract, batch: Batch) -> DataFrame:
    """Add `_sound` (it breaks no rule that sets it aside), `_broken` and `_reason` (those it breaks), `_flags` (keep-rules)."""
    rules = [rule for rule in active_rules(contract, batch.switches) if rule.scope is Scope.RECORD]
    kept = [rule for rule in rules if rule.action is Action.KEEP]
    severe = [(rule, breaks(rule, contract)) for rule in rules if rule.action is not Action.KEEP]
    return typed.withColumns(
        {
            "_sound": ~any_of([broken for _, broken in severe]),
            "_broken": names_of([F.when(broken, F.lit(rule.name)) for rule, broken in severe]),
            "_reason": F.array_join(names_of([F.when(broken, reason(rule, contract)) for rule, broken in severe]), "; "),
            "_flags": names_of([F.when(breaks(rule, contract), flag(rule)) for rule in kept]),
        }
    )


def _settle_duplicates(sound: DataFrame, contract: Contract) -> DataFrame:
    """Fold exact duplicates into the least (file, line) and rank what is left of each key and effective time.

    The one total order ends with the record's hash, so that exact duplicates stand next to each other in it. A record that a
    person decided on is never folded into another.

    Returns:
        The records with `_copies` (ids of their exact duplicates, NULL without any) and `_rank` (1 wins the one total order);
        what lost has broken the rule on conflicting duplicates.
    """
    instant = [*contract.key, "_effective_time"]
    order = Window.partitionBy(*instant).orderBy(*greatest_first(contract), "_source_file", "_source_line")
    undecided = F.col("_decision").isNull()
    ranked = (
        sound.withColumn("_rank", F.row_number().over(order))
        .withColumn("_above", F.lag("_record_hash").over(order))
        .withColumn(
            "_same", F.collect_list(F.when(undecided, F.col("_record_id"))).over(Window.partitionBy(*instant, "_record_hash"))
        )
    )
    repeats = F.coalesce(F.col("_above") == F.col("_record_hash"), F.lit(False))
    conflict = next(rule for rule in contract.rules if rule.check == "unique")
    lost = (F.col("_rank") > 1) & ~repeats
    loss = F.concat(quoting({name: F.col(name) for name in contract.key}), F.lit(f": {conflict.description or conflict.name}"))
    return (
        ranked.where(~repeats | ~undecided)
        .withColumns(
            {
                "_copies": F.when(~repeats, _others(F.col("_same"), F.col("_record_id"))),
                "_broken": F.when(lost, F.array(F.lit(conflict.name))).otherwise(F.col("_broken")),
                "_reason": F.when(lost, loss).otherwise(F.col("_reason")),
            }
        )
        .drop("_above", "_same")
    )


def _others(same: Column, own: Column) -> Column:
    """Record ids of the exact duplicates of a record, sorted; NULL where there are none."""
    others = F.array_remove(F.array_compact(same), own)  # Sail collects NULLs, too
    return F.when(F.size(others) > 0, F.sort_array(others))


def _no_copies() -> Column:
    """NULL; a cast one would not unite with others on Sail."""
    return F.when(F.lit(False), F.array(F.lit("")))


def _decided_rows(decided: DataFrame, again: DataFrame, contract: Contract) -> DataFrame:
    """Records that a person decided on, as rows of ops.quarantine.

    Args:
        decided: The records as they were delivered and judged.
        again: The fixed and released among them, as they read and are judged now.
    """
    verdict = again.select("_record_id", "_sound", *(F.col(name).alias(f"{name}_now") for name in _VERDICT))
    both = decided.drop("_sound").join(verdict, "_record_id", "left")
    failed = (F.col("_decision") != DISCARD) & ~F.coalesce(F.col("_sound"), F.lit(False))
    status = F.when(F.col("_decision") == DISCARD, F.lit(DISCARDED)).when(failed, F.lit(OPEN)).otherwise(F.lit(CORRECTED))
    now = {name: F.when(failed, F.col(f"{name}_now")).otherwise(F.col(name)) for name in _VERDICT}
    return quarantine_rows(both.withColumns({"_status": status, **now}), contract)
