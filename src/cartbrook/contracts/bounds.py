"""What a number must be: the operators of the standard with their values and unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

PERCENT = "percent"
ROWS = "rows"

_HOLDS: Mapping[str, Callable[..., bool]] = MappingProxyType(
    {
        "mustBe": lambda x, a: x == a,
        "mustNotBe": lambda x, a: x != a,
        "mustBeGreaterThan": lambda x, a: x > a,
        "mustBeGreaterOrEqualTo": lambda x, a: x >= a,
        "mustBeLessThan": lambda x, a: x < a,
        "mustBeLessOrEqualTo": lambda x, a: x <= a,
        "mustBeBetween": lambda x, a, b: a <= x <= b,
        "mustNotBeBetween": lambda x, a, b: not a <= x <= b,
    }
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "mustBe": "{}",
        "mustNotBe": "not {}",
        "mustBeGreaterThan": "more than {}",
        "mustBeGreaterOrEqualTo": "at least {}",
        "mustBeLessThan": "less than {}",
        "mustBeLessOrEqualTo": "at most {}",
        "mustBeBetween": "between {} and {}",
        "mustNotBeBetween": "not between {} and {}",
    }
)
OPERATORS = tuple(_HOLDS)
"""The operators of the standard, of which an entry has one."""
RANGES = ("mustBeBetween", "mustNotBeBetween")
"""Those that take two numbers, the smaller one first."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number must be, e.g. between 50 and 200 percent; both ends of a range belong to it.

    Attributes:
        operator: One of OPERATORS.
        values: One number, or two for a range.
        unit: ``percent``, ``rows``, or any word that people should read behind the number.
    """

    operator: str
    values: tuple[Decimal, ...]
    unit: str = ""

    def hold(self, number: Fraction | Decimal | int) -> bool:
        """True if the number is as it must be."""
        return _HOLDS[self.operator](Fraction(number), *(Fraction(value) for value in self.values))

    def implies(self, other: Bounds) -> bool:
        """True if every number that is as it must be here is so there; of other units only nothing at all is the same number."""
        if self.unit != other.unit:
            return self == NO_ROWS and other.hold(0)
        ends = sorted({Fraction(value) for value in (*self.values, *other.values)})
        between = [(low + high) / 2 for low, high in pairwise(ends)]
        return all(other.hold(x) for x in (ends[0] - 1, *ends, *between, ends[-1] + 1) if self.hold(x))

    def __str__(self) -> str:
        """As people read it: ``between 50 and 200 percent``."""
        words = _WORDS[self.operator].format(*(plain(value) for value in self.values))
        return f"{words} {self.unit}".strip()


NO_ROWS = Bounds("mustBe", (Decimal(0),), ROWS)
"""What a rule on records asks for where its entry says nothing else."""


def plain(number: Decimal) -> str:
    """A number without an exponent and without zeros that say nothing."""
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
