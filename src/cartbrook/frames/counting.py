"""Counting what validation and facts wrote: on how many records a rule had an outcome, which broke it, and what a batch measures.

Each domain is counted in one plan, and a small one: an engine takes longer to plan than to count a small batch. So numbers come
side by side in arrays, in an order that `tallies` knows, and conditions that several rules share are counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule, Scope
from cartbrook.contracts.tables import BATCH_DATE
from cartbrook.frames.quarantine import OPEN
from cartbrook.frames.rules import known_of_accepted

NO_RECORDS = -1
"""The pseudo batch for which trailing rules are measured over nothing, as batches are that brought no record."""
NO_CURRENCY = "unknown"
"""The currency of amounts without one; a text too long to be one is none."""

_LONGEST_CURRENCY = 8
_MONEY = "decimal(28,2)"
_NUMBER = "decimal(28,6)"
_KNOWN, _LAKE, _TRAILING, _OPEN = "#known", "#lake", "#trailing", "#open"
"""What stands in place of a rule where a row is about several, or about open records of the quarantine."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of a rule.

    Attributes:
        checked: Records on which it had an outcome.
        failed: Records that broke it.
        amounts: The money in these, by currency.
        measured: What a measuring rule measured; by batch for a trailing one.
    """

    checked: int = 0
    failed: int = 0
    amounts: Mapping[str, Decimal] = field(default_factory=dict)
    measured: Mapping[int | None, Decimal | None] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        amounts = dict(self.amounts)
        for currency, amount in other.amounts.items():
            amounts[currency] = amounts.get(currency, Decimal(0)) + amount
        return Tally(self.checked + other.checked, self.failed + other.failed, amounts, {**self.measured, **other.measured})


def batch_counts(silver: DataFrame, contract: Contract, rules: Sequence[Rule]) -> DataFrame:
    """Counts of rules that look no further than the batch and its references among its accepted records, and what it measures.

    Args:
        silver: The batch's slice of silver.<domain>.
        rules: Those to count, of any scope; what needs other tables is left out.

    Returns:
        rule, batch_seq, currency, counts, numbers, for `tallies`.
    """
    known = [_counted(condition) for condition in _conditions(rules, contract)]
    measures = [_numeric(rule.measure) for rule in _measured(rules)]
    upserts = _dated(silver.where("_kind = 'upsert'"))
    parts = [_broken_flags(silver, contract)]
    if contract.delete is None:
        parts.append(_row(upserts.agg(_array(known).alias("counts"), _array(measures).alias("numbers")), _KNOWN))
    else:  # deletes are records, but no part of what is measured
        records = _dated(silver.where("_kind in ('upsert', 'delete')"))
        parts.append(_row(records.agg(_array(known).alias("counts")), _KNOWN, numbers=None))
        parts += [_row(upserts.agg(_array(measures).alias("numbers")), _KNOWN, counts=None)] if measures else []
    return reduce(DataFrame.union, parts)


def aside_counts(quarantine: DataFrame, references: Sequence[str]) -> DataFrame:
    """Counts of what records that were set aside broke, and which rules could not be judged.

    Parked ones are in silver, too, and counted there; here only what they wait for. A corrected record that waits names in its
    row also what was wrong with it as it was delivered.

    Args:
        quarantine: The batch's open and parked rows of ops.quarantine, of all domains.
        references: Names of all rules on parents.

    Returns:
        As `batch_counts`, and `domain`.
    """
    named = ", ".join(f"'{name}'" for name in references)
    waits_for = f"filter(rules, rule -> rule IN ({named}))" if references else _NOTHING
    broken = F.expr(f"coalesce(CASE WHEN status = '{OPEN}' THEN rules ELSE {waits_for} END, {_NOTHING})")
    unknown = F.expr(
        f"CASE WHEN status = '{OPEN}' THEN concat(array('{_OPEN}'), coalesce(unchecked, {_NOTHING})) ELSE {_NOTHING} END"
    )
    each = quarantine.select(
        "domain",
        "amount",
        _currency("currency").alias("currency"),
        F.size(broken).alias("_broken"),
        F.posexplode(F.concat(broken, unknown)).alias("_nth", "rule"),
    )
    counted = each.groupBy("domain", "rule", "currency", F.expr("_nth < _broken").alias("_breaks")).agg(
        F.count(F.lit(1)).alias("_n"), F.expr(_numeric("sum(amount)")).alias("_sum")
    )
    checked = f"CASE WHEN _breaks THEN 0 WHEN rule = '{_OPEN}' THEN _n ELSE -_n END"
    return counted.select(
        "domain",
        "rule",
        "currency",
        _array([f"CAST({checked} AS BIGINT)", "CAST(CASE WHEN _breaks THEN _n ELSE 0 END AS BIGINT)"]).alias("counts"),
        _array(["CASE WHEN _breaks THEN _sum END"]).alias("numbers"),
    )


def lake_counts(context: DataFrame, rules: Sequence[Rule], contract: Contract) -> DataFrame:
    """Counts of rules that look at bound facts and dimensions.

    Args:
        context: One row per delivered key that is in gold, with the columns its rules name (see `contexts`).
        rules: Of check ``expect`` and scope LAKE.

    Returns:
        As `batch_counts`.
    """
    counts, amounts = [], []
    for rule in rules:
        applies = f"({rule.applies}) AND " if rule.applies else ""
        counts += [_counted(f"{applies}({rule.good}) IS NOT NULL"), _counted(f"{applies}NOT ({rule.good})")]
        amounts.append(
            _numeric(f"sum(CASE WHEN {applies}NOT ({rule.good}) THEN `{contract.amount}` END)" if contract.amount else None)
        )
    grouped = context.groupBy(_currency(contract.currency).alias("currency"))
    return _row(grouped.agg(_array(counts).alias("counts"), _array(amounts).alias("numbers")), _LAKE, currency=F.col("currency"))


def trailing_counts(silver: DataFrame, rules: Sequence[Rule], own: int) -> DataFrame:
    """What trailing rules compare, for each of several batches.

    Args:
        silver: Slices of silver.<domain> of the batch and of those before it.
        rules: Of check ``trailing``.
        own: The batch_seq of the batch, which is measured even where it brought no record.

    Returns:
        As `batch_counts`; NO_RECORDS stands for a batch without records.
    """
    records = _dated(silver.where("_kind = 'upsert'"))
    numbers = _array([_numeric(rule.measure) for rule in rules]).alias("numbers")
    before = records.where(F.col("_batch_seq") != own).groupBy("_batch_seq").agg(numbers)
    mine = records.where(F.col("_batch_seq") == own).agg(numbers)
    nothing = records.where("false").agg(numbers)
    parts = [(before, F.col("_batch_seq")), (mine, F.lit(own)), (nothing, F.lit(NO_RECORDS))]
    return reduce(DataFrame.union, [_row(frame, _TRAILING, seq, counts=None) for frame, seq in parts])


def answer(rule: Rule, cell: DataFrame) -> DataFrame:
    """The answer to a query, as `batch_counts`.

    Args:
        cell: One row with the column `measured`.
    """
    return _row(cell.select(_array([_numeric("measured")]).alias("numbers")), rule.name, counts=None)


def tallies(rows: Iterable[Mapping[str, Any]], contract: Contract, rules: Sequence[Rule]) -> dict[str, Tally]:
    """Collected rows of the counts above, by rule.

    Args:
        rules: The same as were counted, in the same order.
    """
    found: dict[str, Tally] = {rule.name: Tally() for rule in rules}
    judging, conditions = _judging(rules), _conditions(rules, contract)
    lake, trailing = _of_lake(rules), [rule for rule in rules if rule.check == "trailing"]
    for row in rows:
        counts, numbers, currency = row["counts"] or [], row["numbers"] or [], row["currency"]
        parts: list[tuple[str, Tally]] = []
        if row["rule"] == _KNOWN:
            if counts:
                parts += [(r.name, Tally(counts[conditions.index(known_of_accepted(r, contract))])) for r in judging]
            measured = _measured(rules)
            if measured and numbers:  # where nothing is measured one NULL stands for it, see `_array`
                parts += [(r.name, Tally(measured={None: n})) for r, n in zip(measured, numbers, strict=True)]
        elif row["rule"] == _LAKE:
            for nth, rule in enumerate(lake):
                parts.append((rule.name, Tally(counts[2 * nth], counts[2 * nth + 1], _money(currency, numbers[nth]))))
        elif row["rule"] == _TRAILING:
            parts += [(r.name, Tally(measured={row["batch_seq"]: n})) for r, n in zip(trailing, numbers, strict=True)]
        elif row["rule"] == _OPEN:
            parts += [(rule.name, Tally(counts[0])) for rule in judging]
        elif counts:
            parts.append((row["rule"], Tally(counts[0], counts[1], _money(currency, numbers[0]))))
        else:
            parts.append((row["rule"], Tally(measured={None: numbers[0]})))
        for name, tally in parts:
            if name in found:  # a rule that broke when the record was validated may be gone
                found[name] += tally
    return found


def _judging(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that judge the records of a batch."""
    return [rule for rule in rules if not rule.measures and rule.scope is not Scope.LAKE]


def _of_lake(rules: Sequence[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.scope is Scope.LAKE and rule.check == "expect"]


def _measured(rules: Sequence[Rule]) -> list[Rule]:
    """The rules that measure an aggregate over the batch."""
    return [rule for rule in rules if rule.measures and rule.scope is Scope.BATCH and rule.check != "sql"]


def _conditions(rules: Sequence[Rule], contract: Contract) -> list[str]:
    """Where the rules have an outcome among accepted records, each condition once."""
    return list(dict.fromkeys(known_of_accepted(rule, contract) for rule in _judging(rules)))


def _money(currency: str | None, amount: Decimal | None) -> dict[str, Decimal]:
    return {} if amount is None or currency is None else {currency: Decimal(amount).quantize(Decimal("0.01"))}


def _broken_flags(silver: DataFrame, contract: Contract) -> DataFrame:
    """Keep-rules that accepted records broke: their flags say so."""
    amount = f"CAST(`{contract.amount}` AS {_MONEY})" if contract.amount else f"CAST(NULL AS {_MONEY})"
    flags = silver.select(
        F.explode("_flags").alias("_flag"), F.expr(amount).alias("_amount"), _currency(contract.currency).alias("currency")
    )
    named = flags.groupBy(F.substring_index("_flag", ":", 1).alias("rule"), "currency")
    counted = named.agg(
        _array(["CAST(0 AS BIGINT)", "count(1)"]).alias("counts"), _array([_numeric("sum(_amount)")]).alias("numbers")
    )
    return _row(counted, F.col("rule"), currency=F.col("currency"))


_NOTHING = "CAST(array() AS ARRAY<STRING>)"


def _row(
    frame: DataFrame,
    rule: str | Column,
    batch_seq: Column | None = None,
    *,
    currency: Column | None = None,
    counts: str | None = "counts",
    numbers: str | None = "numbers",
) -> DataFrame:
    """Counts in the columns that all of them have, in this order."""
    none = F.lit(None)
    return frame.select(
        (F.lit(rule) if isinstance(rule, str) else rule).alias("rule"),
        (none if batch_seq is None else batch_seq).cast("int").alias("batch_seq"),
        (none if currency is None else currency).cast("string").alias("currency"),
        (F.col(counts) if counts else F.expr("CASE WHEN false THEN array(CAST(0 AS BIGINT)) END")).alias("counts"),
        (F.col(numbers) if numbers else F.expr(f"CASE WHEN false THEN array(CAST(0 AS {_NUMBER})) END")).alias("numbers"),
    )


def _array(numbers: Sequence[str]) -> Column:
    """Numbers side by side; without any one NULL, since an engine cannot tell the type of nothing."""
    return F.expr(f"array({', '.join(numbers or [_numeric(None)])})")


def _counted(condition: str) -> str:
    return f"count(CASE WHEN {condition} THEN 1 END)" if condition else "count(1)"


def _numeric(sql: str | None) -> str:
    return f"CAST({sql or 'NULL'} AS {_NUMBER})"


def _dated(silver: DataFrame) -> DataFrame:
    """Records with the name that conditions and aggregates have for the date of their batch."""
    return silver.withColumn(BATCH_DATE, F.col("_batch_date"))


def _currency(column: str | None) -> Column:
    if column is None:
        return F.lit(None).cast("string")
    return F.expr(f"CASE WHEN length(`{column}`) <= {_LONGEST_CURRENCY} THEN `{column}` ELSE '{NO_CURRENCY}' END")
