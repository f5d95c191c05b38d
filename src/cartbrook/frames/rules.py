"""Rules as columns: on which records one has an outcome, what breaks it, what is said of it, and which apply to a batch.

A rule that evaluates to NULL passes and was not checked; nullability is a rule of its own; where a cast failed, rules that read
that column are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from cartbrook.contracts.model import Action, Contract, Rule, Scope, Severity
from cartbrook.frames.casting import UNKNOWN

_LONGEST_QUOTE = 200  # characters; the record has the whole text
_DEFECTS = {
    "ragged_row": "the line has more or fewer fields than the header",
    "nul_byte": "a control character that no text holds (NUL or U+001F)",
    "field_too_long": "a field is longer than max_field_bytes",
    "too_many_line_breaks": "a field holds more line breaks than max_line_breaks",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A rule on one record.

    Attributes:
        known: True where the rule has an outcome; never NULL.
        broken: True where the record breaks it, which is known then; never NULL.
    """

    known: Column
    broken: Column


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


def worst(names: Column, contract: Contract) -> Column:
    """The worst severity among an array of rule names."""
    result = F.lit(None).cast("string")
    for severity in reversed(Severity):
        of_it = [F.lit(rule.name) for rule in contract.rules if rule.severity is severity]
        if of_it:
            result = F.when(F.arrays_overlap(names, F.array(*of_it)), F.lit(severity.value)).otherwise(result)
    return result


def judged(rule: Rule, contract: Contract) -> Judgement:
    """A rule of scope RECORD on a record with its texts and typed columns.

    A line with a structural defect breaks that rule, and no other rule is known there.
    """
    if rule.check == "structure":
        broken = F.col("_defect").eqNullSafe(rule.name)
        return Judgement(F.col("_defect").isNull() | broken, broken)
    text = f"`_text_{rule.column}`"
    typed = [name for name in rule.reads if contract.has(name) and contract.column(name).type != "string"]
    readable = [f"(`_text_{name}` IS NULL OR `{name}` IS NOT NULL)" for name in typed]
    known = F.expr(f"coalesce({' AND '.join(['_defect IS NULL', *readable, *_limits(rule, contract, text)])}, false)")
    if rule.check in ("required", "null"):
        failing = F.expr(f"{text} IS NULL")
    elif rule.check == "missing":
        listed = F.btrim(F.col(text)).isin(*_cased(rule, contract)) if rule.missing else F.lit(False)
        failing = F.expr(f"{text} IS NULL") | F.coalesce(listed, F.lit(False))
    elif rule.check == "type":
        failing = F.expr(f"`{rule.column}` IS NULL")
    elif rule.check == "enumeration":
        failing = F.expr(f"`{rule.column}` = '{UNKNOWN}'")
    elif rule.check == "pattern":
        failing = ~F.col(text).rlike(f"^(?:{rule.pattern})$")
    else:
        failing = F.expr(f"NOT ({rule.good})")
    return Judgement(known, F.coalesce(known & failing, F.lit(False)))


def known_of_accepted(rule: Rule, contract: Contract) -> str:
    """Where a rule has an outcome among accepted records, which have no defect and no failed cast: SQL, empty for all of them.

    Args:
        rule: Of scope RECORD, BATCH or REFERENCE, and one that judges records.
    """
    if rule.check == "structure":
        return ""
    if rule.scope is Scope.REFERENCE:
        reference = next(reference for reference in contract.references if reference.rule == rule.name)
        return " AND ".join([*_upsert(contract), *(f"`{name}` IS NOT NULL" for name in reference.columns)])
    return " AND ".join(_limits(rule, contract, f"`{rule.column}`"))


def _limits(rule: Rule, contract: Contract, value: str) -> list[str]:
    """Conditions without which a rule is not judged: its filter, values to look at, and that the record is no delete."""
    conditions = [f"({rule.applies})"] if rule.applies else []
    if rule.check in ("type", "enumeration", "pattern"):
        conditions.append(f"{value} IS NOT NULL")
    if rule.check == "expect":
        conditions.append(f"({rule.good}) IS NOT NULL")
    conditions += [f"`{name}` IS NOT NULL" for name in rule.columns]
    of_key = rule.column in (*contract.key, *contract.sequence_by[:1])
    if rule.check == "distinct" or (rule.check in ("required", "null", "missing") and not of_key):
        conditions += _upsert(contract)
    return conditions


def _upsert(contract: Contract) -> list[str]:
    return ["_kind = 'upsert'"] if contract.delete is not None else []


def _cased(rule: Rule, contract: Contract) -> list[str]:
    """The texts that stand for no value, in the case that the column is brought to."""
    assert rule.column is not None
    case = contract.column(rule.column).case
    return [text.upper() if case == "upper" else text.lower() if case == "lower" else text for text in rule.missing]


def reason(rule: Rule, contract: Contract) -> Column:
    """What was wrong, with the offending text: it stays in the quarantine table."""
    if rule.check == "structure":
        return _defect(rule, contract)
    if rule.check in ("unique", "distinct"):
        shared = contract.key if rule.check == "unique" else rule.columns
        values = {name: F.col(f"_text_{name}") for name in shared}
        return F.concat(quoting(values), F.lit(f": {rule.description or rule.name}"))
    if rule.column is None:
        return F.lit(rule.description or rule.name)
    if rule.check in ("required", "null"):
        return F.lit(f"{rule.column} is empty")
    text = quoting({rule.column: F.col(f"_text_{rule.column}")})
    if rule.check == "type":
        return F.concat(text, F.lit(f" is not of type {contract.column(rule.column).type}"))
    return F.concat(text, F.lit(f": {rule.description or rule.name}"))


def quoting(texts: Mapping[str, Column]) -> Column:
    """Columns with their text: ``order_id "O1", shipping_id "S1"``; a text of any length is cut."""
    parts: list[Column] = []
    for name, text in texts.items():
        whole = F.coalesce(text.cast("string"), F.lit(""))
        short = F.when(F.length(whole) <= _LONGEST_QUOTE, whole).otherwise(
            F.concat(F.substring(whole, 1, _LONGEST_QUOTE), F.lit("\u2026"))
        )
        parts.append(F.concat(F.lit(f'{name} "'), short, F.lit('"')))
    return F.concat_ws(", ", *parts)


def _defect(rule: Rule, contract: Contract) -> Column:
    """What is wrong with a line; the columns that hold a control character are named."""
    text = _DEFECTS[rule.name]
    if rule.name != "nul_byte":
        return F.lit(text)
    held = [F.when(F.col(f"_text_{name}").rlike(r"[\x00\x1f]"), F.lit(name)) for name in contract.names]
    columns = F.concat_ws(", ", *held)
    return F.when(columns == "", F.lit(text)).otherwise(F.concat(columns, F.lit(f": {text}")))


def flag(rule: Rule) -> Column:
    """The rule's name; for an enumeration with the original text, which the typed column has lost."""
    if rule.check == "enumeration":
        return F.concat(F.lit(f"{rule.name}:"), F.col(f"_text_{rule.column}"))
    return F.lit(rule.name)


def names_of(columns: list[Column]) -> Column:
    """An array of the texts that are not NULL."""
    # An empty array that is cast has another inner type on Sail, and a union of both fails.
    return F.array_compact(F.array(*(columns or [F.lit(None).cast("string")])))
