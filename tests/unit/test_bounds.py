"""What a number must be: each operator at its limits, and how it is told."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from cartbrook.contracts.bounds import OPERATORS, Bounds


@pytest.mark.parametrize(
    ("operator", "values", "good", "bad", "told"),
    [
        ("mustBe", "5", ["5", "5.0"], ["4.999999", "6"], "5 rows"),
        ("mustNotBe", "5", ["4", "5.01"], ["5"], "not 5 rows"),
        ("mustBeGreaterThan", "5", ["5.000001"], ["5", "4"], "more than 5 rows"),
        ("mustBeGreaterOrEqualTo", "5", ["5", "6"], ["4.999999"], "at least 5 rows"),
        ("mustBeLessThan", "0.50", ["0.49"], ["0.5", "1"], "less than 0.5 rows"),
        ("mustBeLessOrEqualTo", "100", ["100", "-3"], ["100.000001"], "at most 100 rows"),
        ("mustBeBetween", "50 200", ["50", "200", "77.7"], ["49.999999", "200.000001"], "between 50 and 200 rows"),
        ("mustNotBeBetween", "-1 1", ["-1.1", "2"], ["-1", "0", "1"], "not between -1 and 1 rows"),
    ],
)
def test_an_operator_at_its_limits(operator, values, good, bad, told):
    """Both ends of a range belong to it; the words are those of the standard in plain English."""
    bounds = Bounds(operator, tuple(Decimal(value) for value in values.split()), "rows")
    assert all(bounds.hold(Decimal(number)) for number in good)
    assert not any(bounds.hold(Decimal(number)) for number in bad)
    assert str(bounds) == told


def test_every_operator_of_the_standard_is_known():
    """The JSON schema of ODCS 3.1 has these operators and no other."""
    import json
    from importlib.resources import files

    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    listed = {name for option in schema["$defs"]["DataQualityOperators"]["oneOf"] for name in option["required"]}
    assert set(OPERATORS) == listed


def test_a_share_is_compared_exactly():
    """A third is less than 33.333334 percent and more than 33.333333: nothing is rounded before it is compared."""
    share = Fraction(100, 3)
    assert Bounds("mustBeLessThan", (Decimal("33.333334"),)).hold(share)
    assert not Bounds("mustBeLessThan", (Decimal("33.333333"),)).hold(share)


def test_numbers_are_told_plainly():
    """No exponent, no zeros that say nothing, and no unit where there is none."""
    assert str(Bounds("mustBe", (Decimal("1E+3"),))) == "1000"
    assert str(Bounds("mustBe", (Decimal("0.00"),))) == "0"
    assert str(Bounds("mustBeBetween", (Decimal("1.50"), Decimal(20)), "days")) == "between 1.5 and 20 days"


@pytest.mark.parametrize(
    ("one", "other", "implied"),
    [
        (("mustBeLessThan", 5), ("mustBeLessThan", 6), True),
        (("mustBeLessThan", 5), ("mustBeLessOrEqualTo", 5), True),
        (("mustBeLessOrEqualTo", 5), ("mustBeLessThan", 5), False),
        (("mustBeGreaterThan", 5), ("mustBeGreaterThan", 6), False),
        (("mustBeBetween", 5, 8), ("mustBeBetween", 5, 9), True),
        (("mustBeBetween", 5, 8), ("mustNotBe", 6), False),
        (("mustNotBeBetween", 5, 8), ("mustNotBeBetween", 6, 7), True),
        (("mustNotBeBetween", 6, 7), ("mustNotBeBetween", 5, 8), False),
        (("mustBe", 5), ("mustBeGreaterThan", 4), True),
    ],
)
def test_what_implies_what(one, other, implied):
    """Every number that one lets through the other does; ends count, and so does what lies between them."""
    a, b = (Bounds(name, tuple(map(Decimal, values)), "rows") for name, *values in (one, other))
    assert a.implies(b) is implied
    assert a.implies(a)
    assert not a.implies(Bounds(b.operator, b.values, "percent"))
