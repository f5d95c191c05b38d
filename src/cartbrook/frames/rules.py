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


def all_of(conditions: Sequence[Column]) -> Column:
    """True where each of the conditions is."""
    result = conditions[0] if conditions else F.lit(True)
    for condition in conditions[1:]:
        result = result & condition
    return result


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
    sound = F.col("_defect").isNull()
    if rule.check == "structure":
        broken = F.col("_defect").eqNullSafe(rule.name)
        return Judgement(sound | broken, broken)
    text = F.col(f"_text_{rule.column}") if rule.column else None
    conditions = [sound, *_limits(rule, contract, text)]
    typed = [name for name in rule.reads if contract.has(name) and contract.column(name).type != "string"]
    conditions += [F.col(f"_text_{name}").isNull() | F.col(name).isNotNull() for name in typed]
    if rule.check in ("required", "null"):
        assert text is not None
        failing = text.isNull()
    elif rule.check == "missing":
        assert text is not None
        listed = _cased(rule, contract)
        failing = text.isNull() | (F.coalesce(F.btrim(text).isin(*listed), F.lit(False)) if listed else F.lit(False))
    elif rule.check == "type":
        assert rule.column is not None
        failing = F.col(rule.column).isNull()
    elif rule.check == "enumeration":
        assert rule.column is not None
        failing = F.col(rule.column) == UNKNOWN
    elif rule.check == "pattern":
        assert text is not None
        failing = ~text.rlike(f"^(?:{rule.pattern})$")
    else:
        assert rule.expect is not None
        failing = ~F.expr(rule.expect)
        conditions.append(failing.isNotNull())
    known = F.coalesce(all_of(conditions), F.lit(False))
    return Judgement(known, F.coalesce(known & failing, F.lit(False)))


def known_of_accepted(rule: Rule, contract: Contract) -> Column | None:
    """Where a rule has an outcome among accepted records, which have no defect and no failed cast; None for all of them.

    Args:
        rule: Of scope RECORD, BATCH or REFERENCE, and one that judges records.
    """
    if rule.check == "structure":
        return None
    if rule.scope is Scope.REFERENCE:
        reference = next(reference for reference in contract.references if reference.rule == rule.name)
        return all_of([_is_upsert(), *(F.col(name).isNotNull() for name in reference.columns)])
    conditions = _limits(rule, contract, F.col(rule.column) if rule.column else None)
    if rule.check == "distinct":
        conditions += [_is_upsert(), *(F.col(name).isNotNull() for name in rule.columns)]
    if rule.check == "expect":
        assert rule.expect is not None
        conditions.append(F.expr(rule.expect).isNotNull())
    return all_of(conditions) if conditions else None


def _limits(rule: Rule, contract: Contract, value: Column | None) -> list[Column]:
    """Conditions without which a rule is not judged: its filter, a value to look at, and that the record is no delete."""
    conditions = [] if rule.filter is None else [F.coalesce(F.expr(rule.filter), F.lit(False))]
    if rule.check in ("type", "enumeration", "pattern"):
        assert value is not None
        conditions.append(value.isNotNull())
    of_key = rule.column in (*contract.key, *contract.sequence_by[:1])
    if rule.check in ("required", "null", "missing") and not of_key and contract.delete is not None:
        conditions.append(_is_upsert())
    return conditions


def _is_upsert() -> Column:
    return F.col("_kind") == "upsert"


def _cased(rule: Rule, contract: Contract) -> list[str]:
    """The texts that stand for no value, in the case that the column is brought to."""
    assert rule.column is not None
    case = contract.column(rule.column).case
    return [text.upper() if case == "upper" else text.lower() if case == "lower" else text for text in rule.missing]


def reason(rule: Rule, contract: Contract) -> Column:
    """What was wrong, with the offending text: it stays in the quarantine table."""
    if rule.column is None:
        return F.lit(rule.description or rule.name)
    if rule.check in ("required", "null"):
        return F.lit(f"{rule.column} is empty")
    text = F.concat(F.lit(f'{rule.column} "'), F.coalesce(F.col(f"_text_{rule.column}"), F.lit("")), F.lit('"'))
    if rule.check == "type":
        return F.concat(text, F.lit(f" is not of type {contract.column(rule.column).type}"))
    return F.concat(text, F.lit(f": {rule.description or rule.name}"))


def flag(rule: Rule) -> Column:
    """The rule's name; for an enumeration with the original text, which the typed column has lost."""
    if rule.check == "enumeration":
        return F.concat(F.lit(f"{rule.name}:"), F.col(f"_text_{rule.column}"))
    return F.lit(rule.name)


def names_of(columns: list[Column]) -> Column:
    """An array of the texts that are not NULL."""
    # An empty array that is cast has another inner type on Sail, and a union of both fails.
    return F.array_compact(F.array(*(columns or [F.lit(None).cast("string")])))
