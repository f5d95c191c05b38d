"""From counts to results and scores: severity scores, action decides, thresholds make the status."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from cartbrook.contracts.bounds import NO_ROWS, PERCENT, Bounds
from cartbrook.contracts.model import Contract, Rule, Scope
from cartbrook.frames.counting import NO_RECORDS, Tally
from cartbrook.frames.rules import switched_off

ENOUGH = 3
"""Fewer batches do not tell what is usual."""

_CENT = Decimal("0.01")
_MICRO = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One row of ops.quality_results, beside batch and revision.

    Attributes:
        measured: The number that the thresholds look at: what was measured, or the broken records, in rows or percent.
        expected: What it must be.
        amount_at_risk: Money in the broken records, where they are of one currency, which `currency` names.
        amounts_at_risk: The same by currency.
        status: pass, warn, fail, skipped (switched off) or not_evaluated (nothing was checked, or what it looks at is missing).
    """

    domain: str
    rule: str
    severity: str
    action: str
    dimension: str
    scope: str
    rows_checked: int
    rows_failed: int
    measured: Decimal | None
    expected: str | None
    amount_at_risk: Decimal | None
    currency: str | None
    amounts_at_risk: Mapping[str, Decimal]
    status: str

    @property
    def evaluated(self) -> bool:
        """True if it counts in a score."""
        return self.status not in ("skipped", "not_evaluated")

    @property
    def local(self) -> bool:
        """True if it looks no further than the batch, so that a gate may ask it."""
        return self.scope in (Scope.RECORD.value, Scope.BATCH.value)


def results(
    contract: Contract,
    tallies: Mapping[str, Tally],
    switches: Mapping[str, bool],
    evaluable: Iterable[str],
    scopes: Collection[Scope] = tuple(Scope),
    trails: Mapping[str, Sequence[int]] | None = None,
) -> list[RuleResult]:
    """One result per rule of a contract, zeros included.

    Args:
        tallies: Counts by rule name.
        evaluable: Domains of which the lake holds records; a rule that needs another one is not evaluated.
        scopes: Scopes that were counted; rules of others are not evaluated.
        trails: By trailing rule the batch, and then those before it that it is compared with.
    """
    present = set(evaluable)
    rows: list[RuleResult] = []
    for rule in contract.rules:
        if switched_off(rule, switches):
            rows.append(_result(contract, rule, Tally(), None, "skipped"))
        elif rule.scope not in scopes or not present.issuperset(rule.needs):
            rows.append(_result(contract, rule, Tally(), None, "not_evaluated"))
        elif rule.measures:
            rows.append(_of_measure(contract, rule, tallies.get(rule.name, Tally()), (trails or {}).get(rule.name, ())))
        else:
            rows.append(_of_records(contract, rule, tallies.get(rule.name, Tally())))
    return rows


def score(rules: Iterable[RuleResult], weights: Mapping[str, Decimal]) -> Decimal | None:
    """Score of some results, 0 to 100: 100 x (1 - sum(w x failed / checked) / sum(w)) over the evaluated ones; None without any.

    Whatever the results are of: a rule group, a domain, a batch. Rounded half-up to two digits.

    Args:
        weights: w by severity.
    """
    weight, lost = Fraction(0), Fraction(0)
    for rule in rules:
        if rule.evaluated and rule.rows_checked:
            weight += Fraction(weights[rule.severity])
            lost += Fraction(weights[rule.severity]) * Fraction(rule.rows_failed, rule.rows_checked)
    return _decimal(100 * (1 - lost / weight), _CENT) if weight else None


def percent_of_mean(measured: Mapping[int | None, Decimal | None], trail: Sequence[int]) -> Fraction | None:
    """What a batch measures in percent of the mean over the batches before it; None where these are too few or their mean is 0.

    Args:
        measured: By batch; what has no row brought no record, and is measured as `NO_RECORDS`.
        trail: The batch, and then those to compare it with.
    """
    found = [measured.get(batch, measured.get(NO_RECORDS)) for batch in trail]
    values = [Fraction(value) for value in found[1:] if value is not None]
    mine = found[0] if found else None
    if len(values) < ENOUGH or not sum(values) or mine is None:
        return None
    return 100 * Fraction(mine) * len(values) / sum(values)


def _of_records(contract: Contract, rule: Rule, tally: Tally) -> RuleResult:
    if not tally.checked:
        return _result(contract, rule, Tally(), None, "not_evaluated")
    fails, warns = rule.limits
    numbers = {"rows": Fraction(tally.failed), PERCENT: Fraction(100 * tally.failed, tally.checked)}
    if fails is not None and not fails.hold(numbers[fails.unit]):
        status = "fail"
    elif warns is not None and not warns.hold(numbers[warns.unit]):
        status = "warn"
    else:
        status = "pass"
    return _result(contract, rule, tally, numbers[(fails or warns or NO_ROWS).unit], status)


def _of_measure(contract: Contract, rule: Rule, tally: Tally, trail: Sequence[int]) -> RuleResult:
    value = tally.measured.get(None)
    number = None if value is None else Fraction(value)
    if rule.check == "trailing":
        number = percent_of_mean(tally.measured, trail)
    if number is None:
        return _result(contract, rule, Tally(), None, "not_evaluated")
    fails, warns = rule.limits
    failed = fails is not None and not fails.hold(number)
    status = "fail" if failed else "warn" if warns is not None and not warns.hold(number) else "pass"
    return _result(contract, rule, Tally(1, int(failed)), number, status)


def _result(contract: Contract, rule: Rule, tally: Tally, measured: Fraction | None, status: str) -> RuleResult:
    amounts = dict(sorted(tally.amounts.items()))
    single = next(iter(amounts.items())) if len(amounts) == 1 else (None, None if amounts else _CENT * 0)
    return RuleResult(
        domain=contract.domain,
        rule=rule.name,
        severity=rule.severity.value,
        action=rule.action.value,
        dimension=rule.dimension,
        scope=rule.scope.value,
        rows_checked=tally.checked,
        rows_failed=tally.failed,
        measured=None if measured is None else _decimal(measured, _MICRO),
        expected=_expected(*rule.limits),
        amount_at_risk=single[1],
        currency=single[0],
        amounts_at_risk=amounts,
        status=status,
    )


def _expected(fails: Bounds | None, warns: Bounds | None) -> str:
    if fails is not None and warns is not None:
        return f"{fails} (warns unless {warns})"
    return str(fails or warns)


def _decimal(number: Fraction, digits: Decimal) -> Decimal:
    """A fraction rounded half-up."""
    scale = Fraction(digits)
    halves = Decimal((number / scale + Fraction(1, 2)).__floor__())
    return (halves * digits).quantize(digits, ROUND_HALF_UP)
