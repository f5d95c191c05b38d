"""Counting what validation and facts wrote: on how many records a rule had an outcome, which broke it, and what a batch measures.

Each domain is counted in one plan: a row for each rule and currency, to be added up by `scoring.tallies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule, Scope
from cartbrook.contracts.tables import BATCH_DATE
from cartbrook.frames.quality import OPEN
from cartbrook.frames.rules import known_of_accepted

OPEN_RECORDS = "*"
"""The pseudo rule under which open records of the quarantine are counted: each was checked by all rules but those it lists."""
NO_ROWS = -1
"""The pseudo batch for which trailing rules are measured over nothing, as batches are that brought no record."""
NO_CURRENCY = "unknown"
"""The currency of amounts without one; a text too long to be one is none."""

_LONGEST_CURRENCY = 8
_MONEY = "decimal(28,2)"
_MEASURED = "decimal(28,6)"


def batch_counts(silver: DataFrame, quarantine: DataFrame, contract: Contract, rules: Sequence[Rule]) -> DataFrame:
    """Counts of rules that look no further than the batch and its references, and what the batch measures.

    Args:
        silver: The batch's slice of silver.<domain>.
        quarantine: The batch's open and parked rows of ops.quarantine, of this domain.
        rules: Those to count, of any scope; what needs other tables is left out.

    Returns:
        rule, batch_seq (NULL), currency, checked, failed, amount, measured; several rows for a rule add up.
    """
    upserts = silver.where("_kind = 'upsert'").withColumn(BATCH_DATE, F.col("_batch_date"))
    judging = [rule for rule in rules if not rule.measures and rule.scope is not Scope.LAKE]
    known = [_part(rule, checked=_count(known_of_accepted(rule, contract))) for rule in judging]
    measured = [_part(rule, measured=_measured(rule)) for rule in rules if rule.scope is Scope.BATCH and _is_aggregate(rule)]
    parts = [_broken_flags(silver, contract), _set_aside(quarantine, contract)]
    if contract.delete is None:
        parts.append(_aggregated(upserts, [*known, *measured]))
    else:  # deletes are records, but no part of what is measured
        records = silver.where("_kind in ('upsert', 'delete')").withColumn(BATCH_DATE, F.col("_batch_date"))
        parts.append(_aggregated(records, known))
        parts += [_aggregated(upserts, measured)] if measured else []
    return reduce(DataFrame.unionByName, parts)


def lake_counts(context: DataFrame, rules: Sequence[Rule], contract: Contract) -> DataFrame:
    """Counts of rules that look at bound facts and dimensions.

    Args:
        context: One row per delivered key that is in gold, with the columns its rules name (see `contexts`).
        rules: Of check ``expect`` and scope LAKE.

    Returns:
        As `batch_counts`.
    """
    parts: list[Column] = []
    for rule in rules:
        assert rule.expect is not None
        good = F.expr(rule.expect)
        applies = F.coalesce(F.expr(rule.filter), F.lit(False)) if rule.filter else F.lit(True)
        broken = applies & ~good
        failed = F.count(F.when(broken, F.lit(1)))
        parts.append(_part(rule, _count(applies & good.isNotNull()), failed, F.sum(F.when(broken, _amount(contract)))))
    currency = _currency(F.col(contract.currency)) if contract.currency else F.lit(None).cast("string")
    grouped = context.groupBy(currency.alias("currency")).agg(F.array(*parts).alias("_parts"))
    return _complete(grouped.select("currency", F.explode("_parts").alias("_part")).select("currency", "_part.*"))


def trailing_counts(silver: DataFrame, rules: Sequence[Rule], own: int) -> DataFrame:
    """What trailing rules compare, for each of several batches.

    Args:
        silver: Slices of silver.<domain> of the batch and of those before it.
        rules: Of check ``trailing``.
        own: The batch_seq of the batch, which is measured even where it brought no record.

    Returns:
        As `batch_counts`, with a row for each rule and `batch_seq`; NO_ROWS says what the rule measures over no record.
    """
    records = silver.where("_kind = 'upsert'").withColumn(BATCH_DATE, F.col("_batch_date"))
    parts = [_part(rule, measured=_measured(rule)) for rule in rules]
    before = records.where(F.col("_batch_seq") != own).groupBy(F.col("_batch_seq").alias("batch_seq"))
    each = before.agg(F.array(*parts).alias("_parts"))
    alone = records.where(F.col("_batch_seq") == own).agg(F.array(*parts).alias("_parts")).withColumn("batch_seq", F.lit(own))
    nothing = records.where(F.lit(False)).agg(F.array(*parts).alias("_parts")).withColumn("batch_seq", F.lit(NO_ROWS))
    united = reduce(DataFrame.unionByName, [each, alone, nothing])
    return _complete(united.select("batch_seq", F.explode("_parts").alias("_part")).select("batch_seq", "_part.*"))


def answer(rule: Rule, cell: DataFrame) -> DataFrame:
    """The answer to a query, as `batch_counts`.

    Args:
        cell: One row with the column `measured`.
    """
    return _complete(cell.select(F.lit(rule.name).alias("rule"), F.col("measured").cast(_MEASURED).alias("measured")))


def _aggregated(records: DataFrame, parts: Sequence[Column]) -> DataFrame:
    return _complete(records.agg(F.array(*parts).alias("_parts")).select(F.explode("_parts").alias("_part")).select("_part.*"))


def _broken_flags(silver: DataFrame, contract: Contract) -> DataFrame:
    """Keep-rules that accepted records broke: their flags say so."""
    currency = _currency(F.col(contract.currency)) if contract.currency else F.lit(None).cast("string")
    flags = silver.select(F.explode("_flags").alias("_flag"), _amount(contract).alias("_money"), currency.alias("currency"))
    named = flags.withColumn("rule", F.substring_index("_flag", ":", 1))
    return _complete(
        named.groupBy("rule", "currency").agg(F.count(F.lit(1)).alias("failed"), F.sum("_money").cast(_MONEY).alias("amount"))
    )


def _set_aside(quarantine: DataFrame, contract: Contract) -> DataFrame:
    """What records of the quarantine broke, and by which rules they could not be judged. Parked ones are in silver, too."""
    nothing = F.array().cast("array<string>")
    unknown = F.when(F.col("status") == OPEN, F.concat(F.array(F.lit(OPEN_RECORDS)), F.coalesce("unchecked", nothing)))
    names = F.concat(F.coalesce("rules", nothing), F.coalesce(unknown, nothing))
    currency = _currency(F.col("currency")) if contract.currency else F.lit(None).cast("string")
    each = quarantine.select(
        F.size(F.coalesce("rules", nothing)).alias("_broken"),
        "amount",
        currency.alias("currency"),
        F.posexplode(names).alias("_nth", "rule"),
    )
    counted = each.groupBy("rule", "currency", (F.col("_nth") < F.col("_broken")).alias("_breaks")).agg(
        F.count(F.lit(1)).alias("_n"), F.sum("amount").cast(_MONEY).alias("_sum")
    )
    none = F.lit(0).cast("bigint")
    return _complete(
        counted.select(
            "rule",
            "currency",
            F.when(F.col("_breaks"), none)
            .when(F.col("rule") == OPEN_RECORDS, F.col("_n"))
            .otherwise(-F.col("_n"))
            .alias("checked"),
            F.when(F.col("_breaks"), F.col("_n")).otherwise(none).alias("failed"),
            F.when(F.col("_breaks"), F.col("_sum")).alias("amount"),
        )
    )


_COLUMNS: Mapping[str, str] = {
    "rule": "string",
    "batch_seq": "int",
    "currency": "string",
    "checked": "bigint",
    "failed": "bigint",
    "amount": _MONEY,
    "measured": _MEASURED,
}


def _complete(counts: DataFrame) -> DataFrame:
    """Counts with all columns, those that were not counted as NULL."""
    given = counts.columns
    return counts.select(
        *((F.col(name) if name in given else F.lit(None)).cast(kind).alias(name) for name, kind in _COLUMNS.items())
    )


def _part(
    rule: Rule,
    checked: Column | None = None,
    failed: Column | None = None,
    amount: Column | None = None,
    measured: Column | None = None,
) -> Column:
    none = F.lit(None)
    return F.struct(
        F.lit(rule.name).alias("rule"),
        (none if checked is None else checked).cast("bigint").alias("checked"),
        (none if failed is None else failed).cast("bigint").alias("failed"),
        (none if amount is None else amount).cast(_MONEY).alias("amount"),
        (none if measured is None else measured).cast(_MEASURED).alias("measured"),
    )


def _count(condition: Column | None) -> Column:
    return F.count(F.lit(1) if condition is None else F.when(condition, F.lit(1)))


def _is_aggregate(rule: Rule) -> bool:
    return rule.measures and rule.check != "sql"


def _measured(rule: Rule) -> Column:
    assert rule.measure is not None
    return F.expr(rule.measure)


def _amount(contract: Contract) -> Column:
    return F.col(contract.amount).cast(_MONEY) if contract.amount else F.lit(None).cast(_MONEY)


def _currency(text: Column) -> Column:
    return F.when(F.length(text) <= _LONGEST_CURRENCY, text).otherwise(F.lit(NO_CURRENCY))
