"""Validation of one batch's records: types, rules that look no further than the batch, duplicates.

A rule that evaluates to NULL passes; nullability is a rule of its own; where a cast failed, rules on that column are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Action, Contract, Rule, Scope, Severity
from cartbrook.frames.casting import UNKNOWN, cast, clean, record_hash
from cartbrook.frames.order import greatest_first
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
    broken = [_breaks(rule, contract) for rule in severe]
    sound = ~any_of(broken)
    flags = _names([F.when(_breaks(rule, contract), _flag(rule)) for rule in kept])

    settled = _settle_duplicates(typed.where(sound).withColumn("_flags", flags), contract)
    accepted = settled.where("_rank = 1").select(*contract.names, *struct(SILVER_LINEAGE).names)

    conflict = next(rule for rule in contract.rules if rule.check == "unique")
    lost = settled.where("_rank > 1").withColumns(
        {"_broken": F.array(F.lit(conflict.name)), "_reason": F.lit(conflict.description or conflict.name)}
    )
    names = [F.when(breaks, F.lit(rule.name)) for rule, breaks in zip(severe, broken, strict=True)]
    reasons = [F.when(breaks, _reason(rule, contract)) for rule, breaks in zip(severe, broken, strict=True)]
    unsound = typed.where(~sound).withColumns({"_broken": _names(names), "_reason": F.array_join(_names(reasons), "; ")})
    no_copies = F.when(F.lit(False), F.array(F.lit("")))  # NULL; a cast one would not unite with others on Sail
    return Split(
        accepted,
        _quarantine_rows(lost, contract, F.col("_copies")).unionByName(_quarantine_rows(unsound, contract, no_copies)),
    )


def active_rules(contract: Contract, switches: Mapping[str, bool]) -> tuple[Rule, ...]:
    """The rules that a batch does not switch off; only keep-rules can be."""
    return tuple(rule for rule in contract.rules if not switched_off(rule, switches))


def switched_off(rule: Rule, switches: Mapping[str, bool]) -> bool:
    """True if the batch's `data_quality_checks` switch this rule off."""
    return rule.action is Action.KEEP and rule.switch is not None and switches.get(rule.switch) is False


def any_of(conditions: Sequence[Column]) -> Column:
    """True where one of the conditions is; halved again and again, as engines refuse deeply nested expressions."""
    if len(conditions) > 1:
        half = len(conditions) // 2
        return any_of(conditions[:half]) | any_of(conditions[half:])
    return conditions[0] if conditions else F.lit(False)


def readable_amount(contract: Contract) -> Column:
    """A raw record's amount where its text is one (also of records that break other rules), else NULL."""
    if contract.amount is None:
        return F.lit(None).cast("decimal(18,2)")
    column = contract.column(contract.amount)
    return cast(column, clean(column, F.col(column.name))).cast("decimal(18,2)")


def readable_currency(contract: Contract) -> Column:
    """A raw record's currency as cleaned text, or NULL."""
    if contract.currency is None:
        return F.lit(None).cast("string")
    column = contract.column(contract.currency)
    return clean(column, F.col(column.name))


def raw_record(contract: Contract) -> Column:
    """A bronze row as the JSON it was delivered as: header to text, empty fields included; ``{"_raw": line}`` if ragged."""
    pairs = [part for name in contract.names for part in (F.lit(name), F.coalesce(F.col(name), F.lit("")))]
    known = F.to_json(F.create_map(*pairs))
    both = F.concat(F.regexp_replace(known, r"\}$", ","), F.regexp_replace(F.col("_rescued"), r"^\{", ""))
    line = F.to_json(F.create_map(F.lit("_raw"), F.col("_raw")))
    return F.when(F.col("_raw").isNotNull(), line).when(F.col("_rescued").isNotNull(), both).otherwise(known)


def worst(names: Column, contract: Contract) -> Column:
    """The worst severity among an array of rule names."""
    result = F.lit(None).cast("string")
    for severity in reversed(Severity):
        of_it = [F.lit(rule.name) for rule in contract.rules if rule.severity is severity]
        if of_it:
            result = F.when(F.arrays_overlap(names, F.array(*of_it)), F.lit(severity.value)).otherwise(result)
    return result


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


def _breaks(rule: Rule, contract: Contract) -> Column:
    """True where a record breaks the rule. A line with a structural defect breaks that rule and no other."""
    if rule.check == "structure":
        return F.col("_defect").eqNullSafe(rule.name)
    text = F.col(f"_text_{rule.column}") if rule.column else None
    if rule.check == "required":
        assert text is not None
        empty = text.isNull()
        needed = rule.column in (*contract.key, *contract.sequence_by[:1])
        broken = empty if needed else empty & (F.col("_kind") == "upsert")
    elif rule.check == "type":
        assert text is not None and rule.column is not None
        broken = text.isNotNull() & F.col(rule.column).isNull()
    elif rule.check == "enumeration":
        assert rule.column is not None
        broken = F.col(rule.column) == UNKNOWN
    elif rule.check == "pattern":
        assert text is not None
        broken = ~text.rlike(f"^(?:{rule.pattern})$")
    else:
        assert rule.expect is not None
        broken = ~F.expr(rule.expect)
    return F.col("_defect").isNull() & F.coalesce(broken, F.lit(False))


def _reason(rule: Rule, contract: Contract) -> Column:
    """What was wrong, with the offending text: it stays in the quarantine table."""
    if rule.column is None:
        return F.lit(rule.description or rule.name)
    if rule.check == "required":
        return F.lit(f"{rule.column} is empty")
    text = F.concat(F.lit(f'{rule.column} "'), F.col(f"_text_{rule.column}"), F.lit('"'))
    if rule.check == "type":
        return F.concat(text, F.lit(f" is not of type {contract.column(rule.column).type}"))
    return F.concat(text, F.lit(f": {rule.description or rule.name}"))


def _flag(rule: Rule) -> Column:
    """The rule's name; for an enumeration with the original text, which the typed column has lost."""
    if rule.check == "enumeration":
        return F.concat(F.lit(f"{rule.name}:"), F.col(f"_text_{rule.column}"))
    return F.lit(rule.name)


def _names(columns: list[Column]) -> Column:
    """An array of the texts that are not NULL."""
    # An empty array that is cast has another inner type on Sail, and a union of both fails.
    return F.array_compact(F.array(*(columns or [F.lit(None).cast("string")])))


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
