"""Thresholds of rules as they are written: the operators of the standard, `unit`, and the custom property `warn`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from cartbrook.contracts.bounds import OPERATORS, PERCENT, RANGES, ROWS, Bounds
from cartbrook.contracts.model import Action, Rule
from cartbrook.contracts.yaml_marks import Spot

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,6})?")
_WARN = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?)\s*(%?)")


def read_thresholds(
    entry: Spot, parts: Mapping[str, Spot], properties: Mapping[str, Spot], rule: Rule, unit: str, action: Action | None
) -> tuple[Bounds | None, Bounds | None]:
    """When a rule fails and when it warns, as its entry says; see `Rule.limits` for what goes without saying.

    Args:
        parts: The entry's values, the operator among them.
        properties: Its custom properties.
        unit: What the number of a measuring rule counts.
    """
    warn = properties.get("warn")
    if rule.measures:
        return _bounds(entry, parts, unit), _measure_warning(warn, unit) if warn is not None else None
    said = any(name in parts for name in OPERATORS)
    fails = _row_bounds(entry, parts) if said or rule.check != "expect" else None  # only the library's must have an operator
    if not said and rule.check == "expect" and "unit" in parts:
        parts["unit"].problem("unit without an operator", "implementation: {…, mustBeLessThan: 5}")
    return fails, _row_warning(warn, fails, action) if warn is not None else None


def _bounds(entry: Spot, parts: Mapping[str, Spot], unit: str) -> Bounds | None:
    """The one operator among the parts of an entry, or None and a problem.

    Args:
        unit: What the number counts.
    """
    given = [name for name in OPERATORS if name in parts]
    if len(given) != 1:
        what = "the operator is missing" if not given else f"more than one operator: {', '.join(given)}"
        entry.problem(what, f"one of {', '.join(OPERATORS)}")
        return None
    [operator] = given
    spot = parts[operator]
    texts = [place.text() for place in spot.items()] if operator in RANGES else [spot.text()]
    numbers = [Decimal(text) for text in texts if text is not None and _NUMBER.fullmatch(text)]
    if operator in RANGES and (len(texts) != 2 or (len(numbers) == 2 and numbers[0] >= numbers[1])):
        spot.problem(f"{operator} needs two numbers, the smaller one first", f"{operator}: [50, 200]")
    elif len(numbers) < len(texts):
        spot.problem(f"{operator} needs a plain number", "such as 5 or 0.5")
    else:
        return Bounds(operator, tuple(numbers), unit)
    return None


def _row_bounds(entry: Spot, parts: Mapping[str, Spot]) -> Bounds | None:
    """What an entry says of the broken records; None where it says what goes without saying (mustBe: 0), or a problem."""
    unit = (parts["unit"].choice((ROWS, PERCENT), "unit") if "unit" in parts else None) or ROWS
    bounds = _bounds(entry, parts, unit)
    return None if bounds is None or (bounds.operator == "mustBe" and not any(bounds.values)) else bounds


def _row_warning(spot: Spot, fails: Bounds | None, action: Action | None) -> Bounds | None:
    """From how many broken records on a rule warns, such as 5 or 1%; None and a problem where it never would."""
    text = spot.text()
    match = _WARN.fullmatch(text) if text is not None else None
    if match is None or not Decimal(match[1]):
        if text is not None:
            spot.problem("warn must be a number of records or a share of them", 'such as "5" or "1%"')
        return None
    warns = Bounds("mustBeLessThan", (Decimal(match[1]),), PERCENT if match[2] else ROWS)
    if fails is None and action not in (Action.KEEP, None):
        spot.problem(
            f"a rule with action {action} fails at the first record, so it never warns", "say when it fails: mustBeLessThan"
        )
        return None
    upper = fails is not None and fails.operator in ("mustBeLessThan", "mustBeLessOrEqualTo")
    if fails is not None and upper and fails.unit == warns.unit and not fails.hold(warns.values[0]):
        spot.problem(f"it would fail before it warns: the broken records must be {fails}", "warn at a smaller number")
        return None
    return warns


def _measure_warning(spot: Spot, unit: str) -> Bounds | None:
    """The range outside of which a measured number gets a warning: an operator, like the one at which it fails."""
    parts = spot.mapping(OPERATORS)
    return _bounds(spot, parts, unit) if parts else None
