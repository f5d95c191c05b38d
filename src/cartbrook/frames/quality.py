"""Validation of one batch's records: types, rules that look no further than the batch, duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule, Scope
from cartbrook.frames.casting import NULL_TEXT, UNIT_SEPARATOR, canonical, cast, clean, record_hash
from cartbrook.frames.order import greatest_first
from cartbrook.frames.raw import raw_record
from cartbrook.frames.rules import active_rules, any_of, flag, judged, known_of_accepted, names_of, reason, worst
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
        Accepted records, typed, exact duplicates folded into the least (file, line); rejected records with every rule they broke
        and those that could not be judged, the losers of conflicting duplicates among them.
    """
    typed = _typed(records, contract, batch, timezone)
    active = active_rules(contract, batch.switches)
    rules = [rule for rule in active if rule.scope is Scope.RECORD]
    distinct = [rule for rule in active if rule.check == "distinct"]
    sound = ~any_of([judged(rule, contract).broken for rule in rules if rule.sets_aside])
    kept = [F.when(judged(rule, contract).broken, flag(rule)) for rule in rules if not rule.sets_aside]

    settled = _settle_duplicates(typed.where(sound).withColumn("_flags", names_of(kept)), contract)
    winners = _compared(settled.where("_rank = 1"), distinct, contract)
    aside = any_of([_shares(rule) for rule in distinct if rule.sets_aside])
    flags = [F.when(_shares(rule), F.lit(rule.name)) for rule in distinct if not rule.sets_aside]
    accepted = winners.where(~aside) if any(rule.sets_aside for rule in distinct) else winners
    if flags:
        accepted = accepted.withColumn("_flags", F.concat("_flags", names_of(flags)))

    conflict = next(rule for rule in contract.rules if rule.check == "unique")
    no_copies = F.when(F.lit(False), F.array(F.lit("")))  # NULL; a cast one would not unite with others on Sail
    always = F.lit(True)
    later = {rule.name: always for rule in active if rule.scope is Scope.REFERENCE}
    on_key, on_others = {conflict.name: always}, {rule.name: always for rule in distinct}
    lost, unsound = settled.where("_rank > 1"), typed.where(~sound)
    parts = [
        _told(lost, contract, active, F.col("_copies"), broken=on_key, unknown={**on_others, **later}),
        _told(unsound, contract, active, no_copies, unknown={**on_key, **on_others, **later}),
    ]
    if any(rule.sets_aside for rule in distinct):
        shared = {rule.name: _shares(rule) for rule in distinct}
        alone = {rule.name: F.col(_rank_of(rule)).isNull() for rule in distinct}
        parts.append(_told(winners.where(aside), contract, active, F.col("_copies"), broken=shared, unknown={**alone, **later}))
    rejected = reduce(DataFrame.unionByName, parts)
    return Split(accepted.select(*contract.names, *struct(SILVER_LINEAGE).names), rejected)


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


def _compared(winners: DataFrame, rules: Sequence[Rule], contract: Contract) -> DataFrame:
    """Sound records, one of each key, with their rank for each rule on other columns: above 1 where a greater one shares them."""
    grouped: dict[str, Column] = {}
    ranked: dict[str, Column] = {}
    for rule in rules:
        known = F.expr(known_of_accepted(rule, contract))
        values = F.concat_ws(UNIT_SEPARATOR, *(canonical(contract.column(name)) for name in rule.columns))
        # Records that are not compared stand alone: those without a value would be one huge group. All in one column: Sail fails
        # on windows by several expressions behind other windows ("Expects PARTITION BY expression to be ordered").
        group = f"_group_{rule.name}"
        grouped[group] = F.when(known, values).otherwise(F.concat(F.lit(NULL_TEXT), F.col("_record_id")))
        order = Window.partitionBy(group).orderBy(*greatest_first(contract))
        ranked[_rank_of(rule)] = F.when(known, F.row_number().over(order))
    return winners.withColumns(grouped).withColumns(ranked) if rules else winners


def _rank_of(rule: Rule) -> str:
    return f"_rank_{rule.name}"


def _shares(rule: Rule) -> Column:
    """True where a greater record has the same values."""
    return F.coalesce(F.col(_rank_of(rule)) > 1, F.lit(False))


def _told(
    rejected: DataFrame,
    contract: Contract,
    active: Sequence[Rule],
    copies: Column,
    *,
    broken: Mapping[str, Column] | None = None,
    unknown: Mapping[str, Column] | None = None,
) -> DataFrame:
    """Rejected records as rows of ops.quarantine, with every rule they broke and every one that could not be judged.

    Args:
        active: The rules that the batch does not switch off.
        broken: Where rules on several records were broken, by rule.
        unknown: Where such rules, and references, were not judged.
    """
    found = {rule.name: judged(rule, contract) for rule in active if rule.scope is Scope.RECORD}
    breaks = {**(broken or {}), **{name: judgement.broken for name, judgement in found.items()}}
    untold = {**{name: ~judgement.known for name, judgement in found.items()}, **(unknown or {})}
    rules = {rule.name: rule for rule in contract.rules}
    named = rejected.withColumns(
        {
            "_broken": names_of([F.when(where, F.lit(name)) for name, where in breaks.items()]),
            "_unchecked": names_of([F.when(where, F.lit(name)) for name, where in untold.items()]),
            "_reason": F.array_join(
                names_of([F.when(where, reason(rules[name], contract)) for name, where in breaks.items()]), "; "
            ),
        }
    )
    return _quarantine_rows(named, contract, copies)


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
        F.col("_unchecked").alias("unchecked"),
    ).select(*struct(QUARANTINE).names)
