"""Defects: one function that spoils a record, and the planter that decides which, and remembers the line.

What would be quarantined or parked is planted as a record of its own (a copy under a key of its own), so that nothing else
depends on it: the planted records are all that goes wrong. Other kinds happen to records of the shop; to orders, again, of their
own.
"""

from __future__ import annotations

import datetime as dt
import random

from cartbrook.shop.catalogue import Product
from cartbrook.shop.model import OUTCOMES, Planted, Row, ShopPlan, file_name
from cartbrook.shop.people import register

KEYS = {"customers": (0,), "products": (0,), "orders": (0,), "shipping": (1, 0), "inventory": (1, 2)}
"""Places of the business key's columns, in the order of the contract."""

AMOUNTS = ("abc", "NaN", "-5", "0", "1,234.50", "12.345")
COSTS = ("abc", "NaN", "-5", "1,234.50", "12.345")  # a parcel may be free
DATES = ("2010-02-30", "01/12/2010")
_AMOUNT = {"orders": 4, "products": 5, "shipping": 7}
_DATE = {"orders": 3, "customers": 5, "products": 13, "shipping": 9, "inventory": 10}
_TEXT = {"orders": 7, "customers": 7, "products": 12, "shipping": 6, "inventory": 3}
_ENUMERATION = {"orders": 8, "customers": 12, "shipping": 11}
_OTHERWISE = {
    "orders": (6, ("gift_card", "paypal")),
    "customers": (12, ("silver", "gold")),
    "products": (10, ("Turquoise", "Ochre")),
    "shipping": (3, ("DHL", "UPS")),
    "inventory": (4, ("Z9-B9-C9", "Y8-B8-C8")),
}
"""A column in which the loser of a conflict differs, and two values for it."""


class Planter:
    """Plants the defects of a plan, file by file.

    Args:
        plan: What share of which kinds.
        relic: A product that was discontinued before the first day.
    """

    def __init__(self, plan: ShopPlan, relic: Product) -> None:
        self.plan = plan
        self.relic = relic
        self.rng = random.Random(f"defects of {plan.seed}")
        self.made = 0
        self.parents: list[Row] = []

    def late_parents(self) -> list[Row]:
        """The customers that yesterday's orders named before anyone knew them."""
        parents, self.parents = self.parents, []
        return parents

    def plant(self, domain: str, rows: list[Row], day: dt.date) -> tuple[list[Row], list[Planted]]:
        """Put the day's defects among the rows of a file.

        Returns:
            All rows of the file, and what was planted in the order of the lines.
        """
        rng = self.rng
        kinds = [
            kind
            for kind, share in self.plan.shares(domain).items()
            for _ in range(int(share * len(rows) + rng.random()))
            if kind != "late_parent" or day < self.plan.last_day
        ]
        del kinds[len(rows) :]
        if not kinds:
            return rows, []
        rng.shuffle(kinds)
        out: list[Row] = []
        planted = []
        name = file_name(domain, day)
        done = 0
        for at, kind in zip(sorted(rng.sample(range(len(rows)), len(kinds))), kinds, strict=True):
            out += rows[done:at]
            done = at + 1
            lines, place = self._lines(kind, domain, rows[at], day)
            bad = lines[place]
            key = tuple(bad[column].strip() for column in KEYS[domain]) if bad else ()
            planted.append(Planted(kind, domain, name, len(out) + place + 2, key))
            out += lines
        out += rows[done:]
        return out, planted

    def _lines(self, kind: str, domain: str, row: Row, day: dt.date) -> tuple[list[Row], int]:
        """The lines in place of a row, and which of them is the defect."""
        if kind == "blank_line":
            return [row, ()], 1
        if kind == "duplicate_exact":
            return [row, row], 1
        if kind == "duplicate_conflicting":
            column, values = _OTHERWISE[domain]
            loser = _with(row, column, values[row[column] == values[0]])
            last = len(row) - 1
            pair = [_with(row, last, f"{row[last][:-2]}59"), _with(loser, last, f"{row[last][:-2]}00")]
            return (pair, 1) if self.rng.random() < 0.5 else (pair[::-1], 0)
        if domain == "orders" or OUTCOMES[kind] in ("quarantined", "parked"):
            return [row, self._spoil(kind, domain, self._copy(domain, row, day), day)], 1
        return [self._spoil(kind, domain, row, day)], 0

    def _spoil(self, kind: str, domain: str, row: Row, day: dt.date) -> Row:
        """The record with one defect."""
        rng = self.rng
        key = KEYS[domain][-1]
        match kind:
            case "bad_amount":
                return _with(row, _AMOUNT[domain], rng.choice(COSTS if domain == "shipping" else AMOUNTS))
            case "bad_date":
                return _with(row, _DATE[domain], rng.choice(DATES))
            case "missing_key":
                return _with(row, key, "")
            case "padded_key":
                return _with(row, key, rng.choice((f"  {row[key]}", f"{row[key]} ", f" {row[key]}  ")))
            case "ragged_row":
                return (*row, "surplus") if rng.random() < 0.5 else row[: -rng.randrange(1, len(row) - 3)]
            case "nul_byte":
                column = _TEXT[domain]
                return _with(row, column, f"{row[column][:3]}\0{row[column][3:]}")
            case "odd_enumeration":
                return _with(row, _ENUMERATION[domain], "on the moon")
            case "odd_spelling":
                return self._respell(domain, row)
        return self._spoil_order(kind, row, day) if domain == "orders" else self._spoil_other(kind, row)

    def _spoil_order(self, kind: str, row: Row, day: dt.date) -> Row:
        """The order with a defect that only orders have."""
        match kind:
            case "unknown_customer":
                return _with(row, 1, self._key("C98"))
            case "unknown_product":
                return _with(row, 2, self._key("P98"))
            case "late_parent":
                parent = register(self.made, day, row[5], self.rng, key=self._key("C97"))
                self.parents.append(parent.row(day, self.rng))
                return _with(row, 1, parent.id)
            case "price_mismatch":
                return _with(row, 4, f"{float(row[4]) + self.rng.randrange(100, 900) / 100:.2f}")
            case "remarkable_amount":
                return _with(row, 4, "12000.00")
        assert kind == "discontinued_order"
        relic = self.relic
        return (*row[:2], relic.id, str(day), relic.price, relic.currency, *row[6:9], f"{day}{row[9][10:]}")

    def _spoil_other(self, kind: str, row: Row) -> Row:
        """The customer or line of stock with a defect of its own."""
        if kind == "unknown_product":
            return _with(row, 1, self._key("P98"))
        if kind == "odd_phone":
            return _with(row, 4, self.rng.choice(("call me", "n/a", "5")))
        assert kind == "odd_email"
        return _with(row, 3, self.rng.choice((row[3].replace("@", " at "), row[3].split("@")[0], f"{row[3]}@")))

    def _respell(self, domain: str, row: Row) -> Row:
        """An enumeration in other words: Credit Card, Canceled, In Transit, PREMIUM."""
        column = _ENUMERATION[domain]
        if domain == "orders":
            if self.rng.random() < 0.3:
                return _with(row, column, "Canceled")
            column = 6
        spellings = (row[column].replace("_", " ").title(), row[column].replace("_", "-").upper())
        return _with(row, column, self.rng.choice(spellings))

    def _copy(self, domain: str, row: Row, day: dt.date) -> Row:
        """The same record under a key of its own; an order is pending then, so that nobody waits for its shipment."""
        match domain:
            case "orders":
                return (self._key(f"O{day:%Y%m%d}9", 7), *row[1:8], "pending", row[9])
            case "shipping":
                return (self._key(f"S{day:%Y%m%d}9", 7), *row[1:])
            case "inventory":
                return (self._key("INV9"), row[1], self._key("WH9"), *row[3:])
            case _:
                return (self._key(f"{row[0][0]}96"), *row[1:])

    def _key(self, prefix: str, width: int = 6) -> str:
        self.made += 1
        return f"{prefix}{self.made:0{width}d}"


def _with(row: Row, column: int, text: str) -> Row:
    return (*row[:column], text, *row[column + 1 :])
