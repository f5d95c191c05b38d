"""What is asked of the shop, and what it hands over."""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from cartbrook.errors import ConfigError

Row = tuple[str, ...]
"""The fields of one line, as text; empty for a blank line."""

COLUMNS: Mapping[str, Row] = {
    "customers": (
        "customer_id", "first_name", "last_name", "email", "phone", "date_of_birth", "registration_date", "address", "city",
        "state", "zip_code", "country", "customer_tier", "last_login", "created_timestamp",
    ),
    "products": (
        "product_id", "product_name", "category", "subcategory", "brand", "price", "currency", "stock_quantity", "weight_kg",
        "dimensions_cm", "color", "material", "description", "launch_date", "discontinued", "created_timestamp",
    ),
    "orders": (
        "order_id", "customer_id", "product_id", "order_date", "order_amount", "currency", "payment_method", "shipping_address",
        "order_status", "created_timestamp",
    ),
    "shipping": (
        "shipping_id", "order_id", "tracking_number", "carrier", "service_type", "origin_warehouse", "destination_address",
        "shipping_cost", "currency", "estimated_delivery", "actual_delivery", "shipping_status", "package_weight",
        "package_dimensions", "insurance_value", "created_timestamp",
    ),
    "inventory": (
        "inventory_id", "product_id", "warehouse_id", "warehouse_name", "location", "stock_quantity", "reserved_quantity",
        "available_quantity", "reorder_level", "last_restocked", "last_audit", "created_timestamp",
    ),
}  # fmt: skip
"""The header of each domain's files; parents before children."""

_EVERYWHERE = tuple(COLUMNS)

KINDS: Mapping[str, tuple[str, ...]] = {
    "bad_amount": ("orders", "products", "shipping"),
    "bad_date": _EVERYWHERE,
    "missing_key": _EVERYWHERE,
    "duplicate_exact": _EVERYWHERE,
    "duplicate_conflicting": _EVERYWHERE,
    "unknown_customer": ("orders",),
    "late_parent": ("orders",),
    "unknown_product": ("orders", "inventory"),
    "ragged_row": _EVERYWHERE,
    "nul_byte": _EVERYWHERE,
    "odd_enumeration": ("orders", "customers", "shipping"),
    "odd_spelling": ("orders", "customers", "shipping"),
    "price_mismatch": ("orders",),
    "remarkable_amount": ("orders",),
    "odd_email": ("customers",),
    "odd_phone": ("customers",),
    "blank_line": _EVERYWHERE,
    "padded_key": _EVERYWHERE,
    "discontinued_order": ("orders",),
}
"""The kinds of defects, and the domains they occur in."""

OUTCOMES: Mapping[str, str] = {
    "bad_amount": "quarantined",
    "bad_date": "quarantined",
    "missing_key": "quarantined",
    "duplicate_exact": "duplicate",
    "duplicate_conflicting": "quarantined",
    "unknown_customer": "parked",
    "late_parent": "released",
    "unknown_product": "parked",
    "ragged_row": "quarantined",
    "nul_byte": "quarantined",
    "odd_enumeration": "kept",
    "odd_spelling": "cleaned",
    "price_mismatch": "kept",
    "remarkable_amount": "kept",
    "odd_email": "kept",
    "odd_phone": "kept",
    "blank_line": "skipped",
    "padded_key": "cleaned",
    "discontinued_order": "kept",
}
"""What the built-in contracts make of each kind: ``kept`` is accepted and counted, ``cleaned`` accepted without a word,
``released`` parked until the next batch, ``skipped`` no delivered row at all."""


@dataclass(frozen=True, slots=True)
class ShopPlan:
    """All that decides what the shop delivers.

    Attributes:
        seed: Same plan and seed, same bytes.
        days: Number of batches, one a day.
        first_day: Batch date of the first one, which delivers all customers and products.
        orders_per_day: On an average day; weekends and the time before Christmas are busier.
        customers: At the start; about one in a hundred registers anew each day.
        products: At the start; the last one is discontinued from the beginning.
        warehouses: Each holds every product.
        currencies: Customers, products and orders are spread over them.
        defects: Share of the rows of a domain's file that a defect is planted beside or in: one number is divided evenly
            among the kinds that occur in the domain (see `KINDS`); a mapping names the share of each kind.
        late: Share of orders, and of customers' changes, delivered one to three batches after their day.
        repeated: Share of records delivered once more, unchanged, one to three batches later, unless they change before.
        changed: Share of customers and products whose tracked attributes change each day. Orders move on by themselves.

    Raises:
        ConfigError: A field has no usable value.
    """

    seed: int = 7
    days: int = 7
    first_day: dt.date = dt.date(2025, 3, 1)
    orders_per_day: int = 40
    customers: int = 60
    products: int = 30
    warehouses: int = 3
    currencies: tuple[str, ...] = ("USD",)
    defects: Mapping[str, float] | float = 0.02
    late: float = 0.02
    repeated: float = 0.01
    changed: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what cannot be delivered."""
        _check_currencies(self.currencies)
        _check_count("days", self.days, 1, 40_000)
        _check_count("orders_per_day", self.orders_per_day, 0, 9_000_000)
        _check_count("customers", self.customers, len(self.currencies), 900_000, "at least one for each currency")
        _check_count("products", self.products, len(self.currencies) + 1, 90_000, "one for each currency and a discontinued one")
        _check_count("warehouses", self.warehouses, 1, 99)
        for name in ("late", "repeated", "changed"):
            _check_share(name, getattr(self, name))
        if not dt.date(1950, 1, 1) <= self.first_day <= dt.date(2100, 12, 1) - dt.timedelta(days=self.days):
            raise _refused("first_day", f"{self.first_day} and {self.days} days", "stay between 1950-01-01 and 2100-12-01")
        if isinstance(self.defects, Mapping):
            for kind, share in self.defects.items():
                if kind not in KINDS:
                    close = difflib.get_close_matches(str(kind), KINDS, n=1)
                    hint = f'did you mean "{close[0]}"?' if close else f"the kinds are {', '.join(KINDS)}"
                    raise _refused("defects", f'unknown kind "{kind}"', hint)
                _check_share(f"defects[{kind}]", share)
        else:
            _check_share("defects", self.defects)
        for domain in COLUMNS:
            if (total := sum(self.shares(domain).values())) > 1.000001:
                raise _refused("defects", f"the shares in {domain} add up to {total:.3f}", "a row carries at most one defect")

    @property
    def last_day(self) -> dt.date:
        """Batch date of the last batch."""
        return self.first_day + dt.timedelta(days=self.days - 1)

    def shares(self, domain: str) -> dict[str, float]:
        """The share of each kind of defect among the rows of a domain; kinds without any are left out."""
        kinds = [kind for kind, domains in KINDS.items() if domain in domains]
        if isinstance(self.defects, Mapping):
            return {kind: self.defects[kind] for kind in kinds if self.defects.get(kind)}
        return {kind: self.defects / len(kinds) for kind in kinds} if self.defects else {}


@dataclass(frozen=True, slots=True)
class Planted:
    """One defect that was put into a file.

    Attributes:
        kind: One of `KINDS`.
        domain: The domain of the file.
        file: Its name.
        line: Physical line; the header is 1. Of duplicates the line that has to give way.
        key: Business key of the record as delivered, without blanks around it; empty for a blank line.
    """

    kind: str
    domain: str
    file: str
    line: int
    key: Row


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the shop hands over on one day.

    Attributes:
        trigger: The announcement, ready for JSON.
        files: The rows of each domain, without the header, in the order of the lines.
        planted: Every defect in them.
    """

    trigger: dict[str, object]
    files: Mapping[str, list[Row]]
    planted: tuple[Planted, ...]

    @property
    def batch_date(self) -> dt.date:
        """The day of the delivery."""
        return dt.date.fromisoformat(str(self.trigger["batch_date"]))

    @property
    def defects(self) -> Mapping[str, int]:
        """How many defects of each kind were planted; kinds without any are left out."""
        return Counter(one.kind for one in self.planted)


def file_name(domain: str, day: dt.date) -> str:
    """Name of a domain's file: ``orders_2025_03_01.csv``."""
    return f"{domain}_{day:%Y_%m_%d}.csv"


def _check_count(name: str, value: object, least: int, most: int, why: str | None = None) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _refused(name, f"{value!r} is not a whole number from {least} to {most}", why or f"e.g. {max(least, 7)}")


def _check_share(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise _refused(name, f"{value!r} is not a share from 0 to 1", "0.02 is two in a hundred")


def _check_currencies(currencies: tuple[str, ...]) -> None:
    if not currencies or len(set(currencies)) != len(currencies):
        raise _refused("currencies", f"{currencies!r} is empty or names one twice", 'e.g. ("USD", "EUR")')
    for currency in currencies:
        if not re.fullmatch("[A-Z]{3}", currency):
            raise _refused("currencies", f'"{currency}" is not a currency code', "three capital letters, such as EUR")


def _refused(field: str, problem: str, hint: str) -> ConfigError:
    return ConfigError(f"ShopPlan.{field}: {problem}", hint=hint)
