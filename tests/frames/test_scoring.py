"""From counts to results: thresholds, statuses, money at risk, and the score."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from fractions import Fraction

import pytest

from cartbrook.config import Settings
from cartbrook.contracts.bounds import Bounds
from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.model import LOCAL, Action, Rule, Scope, Severity
from cartbrook.frames.counting import NO_RECORDS, Tally
from cartbrook.frames.scoring import RuleResult, percent_of_mean, results, score

ORDERS = load_contracts()["orders"]
WEIGHTS = Settings().severity_weights


def result(severity: str, checked: int, failed: int, status: str = "fail") -> RuleResult:
    """A result of which only these matter."""
    return RuleResult(
        *("orders", "rule", severity, "keep", "accuracy", "record", checked, failed, None, None, None, None, {}, status)
    )


def test_score_by_hand():
    """100 x (1 - sum(w x failed / checked) / sum(w)), w = 10, 5, 2, 1: here 100 x (1 - (10/4 + 5x0 + 2/2 + 1/3) / 18)."""
    rules = [result("CRITICAL", 4, 1), result("HIGH", 7, 0, "pass"), result("MEDIUM", 2, 1, "warn"), result("LOW", 3, 1, "warn")]
    assert score(rules, WEIGHTS) == Decimal("78.70")


def test_weights_are_settings():
    """A severity without weight is no part of the score, and with none at all there is no score."""
    rules = [result("CRITICAL", 4, 1), result("LOW", 2, 1)]
    only_low = {**dict.fromkeys(WEIGHTS, Decimal(0)), "LOW": Decimal("0.5")}
    assert score(rules, only_low) == Decimal("50.00")
    assert score(rules, dict.fromkeys(WEIGHTS, Decimal(0))) is None


def test_the_score_rounds_half_up():
    """99.995 is 100.00 and 99.985 is 99.99."""
    assert score([result("LOW", 20000, 1)], WEIGHTS) == Decimal("100.00")
    assert score([result("LOW", 20000, 3)], WEIGHTS) == Decimal("99.99")


def test_what_was_not_evaluated_has_no_weight():
    """Skipped and not evaluated rules count neither as good nor as bad; without any rule there is no score."""
    rules = [result("LOW", 2, 1), result("CRITICAL", 0, 0, "skipped"), result("HIGH", 0, 0, "not_evaluated")]
    assert score(rules, WEIGHTS) == Decimal("50.00")
    assert score(rules[1:], WEIGHTS) is None
    assert score([], WEIGHTS) is None


def test_the_ends_of_the_scale():
    """All broken is 0 and nothing broken is 100."""
    assert score([result("HIGH", 3, 3), result("LOW", 3, 3)], WEIGHTS) == Decimal("0.00")
    assert score([result("HIGH", 3, 0, "pass")], WEIGHTS) == Decimal("100.00")


def rule(name: str, **values) -> Rule:
    """A keep-rule on one record, unless said otherwise."""
    base = Rule(name, "expect", Severity.LOW, Action.KEEP, "accuracy", Scope.RECORD, expect="order_amount > 1")
    return dataclasses.replace(base, **values)


def told(rules, tallies, switches=(), evaluable=("orders", "customers"), **more) -> dict[str, RuleResult]:
    """Results of these rules alone, by rule."""
    contract = dataclasses.replace(ORDERS, rules=tuple(rules))
    return {row.rule: row for row in results(contract, tallies, dict(switches), evaluable, **more)}


def test_statuses_of_results():
    """Every rule has a result: pass, warn (kept), fail (put aside), skipped (switched off), not_evaluated (nothing seen)."""
    rules = (
        rule("good"),
        rule("kept"),
        rule("severe", action=Action.QUARANTINE),
        rule("silenced", switch="business_rules_validation"),
        rule("cannot be silenced", action=Action.QUARANTINE, switch="business_rules_validation"),
        rule("needs shipping", scope=Scope.LAKE, needs=("shipping",)),
        rule("sees nothing"),
        rule("sees two", scope=Scope.LAKE),
    )
    tallies = {name.name: Tally(10, 0) for name in rules}
    tallies |= {
        "kept": Tally(10, 3, {"EUR": Decimal("7.50")}),
        "severe": Tally(10, 1),
        "silenced": Tally(10, 2, {"EUR": Decimal(5)}),
        "cannot be silenced": Tally(10, 2),
        "needs shipping": Tally(4, 1),
        "sees nothing": Tally(0, 0),
        "sees two": Tally(2, 1),
    }
    found = told(rules, tallies, {"business_rules_validation": False}.items())
    assert {name: (r.rows_checked, r.rows_failed, r.status) for name, r in found.items()} == {
        "good": (10, 0, "pass"),
        "kept": (10, 3, "warn"),
        "severe": (10, 1, "fail"),
        "silenced": (0, 0, "skipped"),
        "cannot be silenced": (10, 2, "fail"),
        "needs shipping": (0, 0, "not_evaluated"),
        "sees nothing": (0, 0, "not_evaluated"),
        "sees two": (2, 1, "warn"),
    }
    assert (found["kept"].action, found["kept"].scope, found["sees two"].local, found["good"].local) == (
        "keep",
        "record",
        False,
        True,
    )


LESS_THAN_5 = Bounds("mustBeLessThan", (Decimal(5),), "percent")


@pytest.mark.parametrize(
    ("fails", "warns", "checked", "failed", "status", "measured"),
    [
        (LESS_THAN_5, None, 100, 4, "pass", "4"),
        (LESS_THAN_5, None, 100, 5, "fail", "5"),
        (LESS_THAN_5, None, 10000, 499, "pass", "4.99"),
        (LESS_THAN_5, Bounds("mustBeLessThan", (Decimal(3),), "rows"), 100, 3, "warn", "3"),
        (LESS_THAN_5, Bounds("mustBeLessThan", (Decimal(3),), "rows"), 100, 2, "pass", "2"),
        (None, Bounds("mustBeLessThan", (Decimal(1),), "percent"), 300, 2, "pass", "0.666667"),
        (None, Bounds("mustBeLessThan", (Decimal(1),), "percent"), 300, 3, "warn", "1"),
        (Bounds("mustBeLessOrEqualTo", (Decimal(2),), "rows"), None, 9, 2, "pass", "2"),
        (Bounds("mustBeLessOrEqualTo", (Decimal(2),), "rows"), None, 9, 3, "fail", "3"),
    ],
)
def test_thresholds_decide_the_status_and_nothing_else(fails, warns, checked, failed, status, measured):
    """At, below and above each limit; what is checked, failed and scored stays the same."""
    found = told([rule("x", fails=fails, warns=warns)], {"x": Tally(checked, failed)})["x"]
    assert (found.status, found.measured) == (status, Decimal(measured))
    assert score([found], WEIGHTS) == score([result("LOW", checked, failed)], WEIGHTS)


@pytest.mark.parametrize(
    ("value", "status", "failed"),
    [
        ("49.999999", "fail", 1),
        ("50", "warn", 0),
        ("80", "pass", 0),
        ("120", "pass", 0),
        ("120.5", "warn", 0),
        ("201", "fail", 1),
    ],
)
def test_a_measured_number_is_one_check(value, status, failed):
    """The rule was checked once, and failed or not; a warning is no failure in the score."""
    measuring = rule(
        "x",
        check="aggregate",
        scope=Scope.BATCH,
        fails=Bounds("mustBeBetween", (Decimal(50), Decimal(200))),
        warns=Bounds("mustBeBetween", (Decimal(80), Decimal(120))),
    )
    found = told([measuring], {"x": Tally(measured={None: Decimal(value)})})["x"]
    assert (found.status, found.rows_checked, found.rows_failed, found.measured) == (status, 1, failed, Decimal(value))
    assert found.expected == "between 50 and 200 (warns unless between 80 and 120)"


def test_a_number_that_could_not_be_measured_is_no_pass():
    """A sum over nothing is NULL: not evaluated; so is a rule that nothing was counted for."""
    measuring = rule("x", check="aggregate", scope=Scope.BATCH, fails=Bounds("mustBe", (Decimal(0),)))
    for tally in (Tally(measured={None: None}), Tally()):
        found = told([measuring], {"x": tally})["x"]
        assert (found.status, found.rows_checked, found.measured) == ("not_evaluated", 0, None)


def test_rules_out_of_reach_are_not_evaluated():
    """A gate counts local rules only; the others have a row all the same."""
    rules = [rule("near"), rule("far", scope=Scope.LAKE)]
    found = told(rules, {"near": Tally(5, 0), "far": Tally(5, 0)}, scopes=LOCAL)
    assert {name: row.status for name, row in found.items()} == {"near": "pass", "far": "not_evaluated"}


def test_money_at_risk_is_never_added_across_currencies():
    """One currency has one sum and its name; several have none, and the map is complete; nothing at risk is 0."""
    tallies = {
        "one": Tally(9, 2, {"EUR": Decimal("7.50")}),
        "two": Tally(9, 2, {"USD": Decimal(1), "EUR": Decimal("7.50")}),
        "none": Tally(9, 2),
    }
    found = told([rule(name) for name in tallies], tallies)
    assert {name: (row.amount_at_risk, row.currency, dict(row.amounts_at_risk)) for name, row in found.items()} == {
        "one": (Decimal("7.50"), "EUR", {"EUR": Decimal("7.50")}),
        "two": (None, None, {"EUR": Decimal("7.50"), "USD": Decimal(1)}),
        "none": (Decimal(0), None, {}),
    }


TRAIL = [9, 8, 7, 6]


@pytest.mark.parametrize(
    ("measured", "percent"),
    [
        ({9: 30, 8: 10, 7: 20, 6: 30}, Fraction(150)),
        ({9: 0, 8: 10, 7: 20, 6: 30}, Fraction(0)),
        ({9: 10, 8: 10, 7: 20, NO_RECORDS: 0}, Fraction(100)),
        ({9: 10, 8: 10, 7: 20, NO_RECORDS: None}, None),
        ({9: None, 8: 10, 7: 20, 6: 30}, None),
        ({9: 10, 8: 0, 7: 0, 6: 0}, None),
        ({9: 10, 8: 1, 7: 1, 6: 1}, Fraction(1000)),
    ],
)
def test_the_percent_of_the_mean(measured, percent):
    """A batch without records counts as what nothing measures; fewer than three numbers or a mean of 0 say nothing."""
    assert percent_of_mean({batch: None if n is None else Decimal(n) for batch, n in measured.items()}, TRAIL) == percent


def test_too_few_batches_before():
    """Two are not enough to know what is usual."""
    assert percent_of_mean({9: Decimal(1), 8: Decimal(1), 7: Decimal(1)}, [9, 8, 7]) is None
    assert percent_of_mean({9: Decimal(1)}, [9]) is None
    assert percent_of_mean({}, []) is None


def test_a_trailing_rule():
    """Its number is in percent of the mean of the batches it is compared with."""
    trailing = rule(
        "x", check="trailing", scope=Scope.LAKE, trailing=3, fails=Bounds("mustBeLessThan", (Decimal(150),), "percent")
    )
    tally = Tally(measured={9: Decimal(3), 8: Decimal(2), 7: Decimal(2), 6: Decimal(2)})
    found = told([trailing], {"x": tally}, trails={"x": TRAIL})["x"]
    assert (found.status, found.measured, found.expected) == ("fail", Decimal(150), "less than 150 percent")
    assert told([trailing], {"x": tally}, trails={"x": TRAIL[:3]})["x"].status == "not_evaluated"
