"""A second opinion: every mart computed once more in plain Python, row by row, from random gold tables."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest

from cartbrook.frames.marts import MARTS

AS_OF = dt.date(2025, 3, 15)
NO_DAY = dt.date(1, 1, 1)

Row = dict[str, Any]
Table = dict[Any, Row]


def half_up(value: Fraction | Decimal | int | None, digits: int = 2) -> Decimal | None:
    """A number rounded half-up."""
    if value is None:
        return None
    exact = Fraction(value) * 10**digits
    doubled = abs(exact) * 2 + 1
    whole = doubled.numerator // (2 * doubled.denominator)
    return Decimal(-whole if exact < 0 else whole).scaleb(-digits).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def quotient(a: Any, b: Any, digits: int = 2) -> Decimal | None:
    """A rounded quotient, None for a zero divisor."""
    return half_up(Fraction(a) / Fraction(b), digits) if b else None


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows by key."""
    groups = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)


def shop(seed: int) -> dict[str, list[Row]]:
    """Random gold tables, small enough that every case meets every other: ties, several lines and currencies, missing values."""
    chance = random.Random(seed)
    pick = chance.choice

    def date(start: str, days: int) -> str:
        return str(dt.date.fromisoformat(start) + dt.timedelta(chance.randrange(days)))

    orders = []
    for n in range(120):
        order = {
            "order_id": f"O{n}",
            "customer_id": f"C{chance.randrange(15)}",
            "order_date": date(pick(["2024-08-20", "2025-02-20"]), pick([30, 220])),
            "currency": pick(["USD", "USD", "EUR", "JPY"]),
            "order_status": pick(["completed", "completed", "shipped", "cancelled", "returned", "refunded", "unknown"]),
            "season": pick(["Winter", "Summer"]),
        }
        for line in range(pick([1, 1, 2, 3])):
            product = {"line": line, "product_id": f"P{chance.randrange(12)}", "category": pick(["Toys", "Games", None])}
            amount = Decimal(pick([1000, 25000, chance.randrange(1, 60000)])).scaleb(-2)
            margin = {
                "margin": Decimal(chance.randrange(-99999, 999999)).scaleb(-4),
                "margin_source": pick(["cost", "category_rate"]),
            }
            orders.append({**order, **product, **margin, "order_amount": amount})
    customers, products = [], []
    for n in range(18):
        versions, closed = pick([1, 1, 3]), chance.random() < 0.2
        for version in range(1, versions + 1):
            current = {"version": version, "is_current": version == versions and not closed}
            born = pick([None, date("1950-01-01", 25000)])
            customers.append({"customer_id": f"C{n}", "customer_tier": pick(["gold", None]), "date_of_birth": born, **current})
            product = {
                "product_id": f"P{n}",
                "category": pick(["Toys", None]),
                "price": pick(["50.00", "149.99", "300.00", "1.00"]),
            }
            more = {"currency": pick(["USD", "GBP"]), "discontinued": pick([True, False, False, None])}
            products.append({**product, **more, **current})
    stock = [
        {
            "product_id": f"P{product}",
            "warehouse_id": f"W{warehouse}",
            "batch_date": day,
            "available_quantity": pick([-1, 0, 5, 6, 10, 11, None]),
            "reorder_level": pick([5, 3, None]),
        }
        for product, warehouse, day in itertools.product(range(6), range(2), ("2025-01-01", "2025-01-03", "2025-01-02"))
        if chance.random() < 0.6
    ]
    shipping = [
        {
            "order_id": f"O{n}",
            "shipping_id": "S",
            "carrier": pick(["UPS", None]),
            "origin_warehouse": pick(["W1", "W2"]),
            "currency": pick(["USD", "EUR"]),
            "shipping_cost": pick(["5.01", None]),
            "estimated_delivery": pick([None, date("2025-03-10", 9)]),
            "actual_delivery": pick([None, date("2025-03-10", 9)]),
            "shipping_status": pick(["delivered", "unknown", "in_transit", None]),
        }
        for n in range(80)
    ]
    return {
        "fact_orders": orders,
        "dim_customer": customers,
        "dim_product": products,
        "fact_inventory": stock,
        "fact_shipping": shipping,
    }


class Oracle:
    """The marts of `shop`, written from the definitions alone."""

    def __init__(self, tables: dict[str, list[Row]]) -> None:
        self.tables = tables
        revenue = {"completed", "shipped"}
        self.orders = [
            {**row, "day": dt.date.fromisoformat(row["order_date"]), "paid": row["order_status"] in revenue}
            for row in tables["fact_orders"]
        ]
        self.paid = [row for row in self.orders if row["paid"]]
        self.first_ever = {c: min(r["day"] for r in rows) for c, rows in grouped(self.paid, lambda r: r["customer_id"]).items()}
        self.last_ever = {c: max(r["day"] for r in rows) for c, rows in grouped(self.paid, lambda r: r["customer_id"]).items()}

    @staticmethod
    def count(rows: Iterable[Row], column: str = "order_id") -> int:
        """Distinct values."""
        return len({row[column] for row in rows})

    def sold(self, rows: list[Row], buyers: str = "buying_customers") -> dict[str, Any]:
        """What most marts say of a group of order lines."""
        paid = [row for row in rows if row["paid"]]
        revenue = sum((row["order_amount"] for row in paid), Decimal(0))
        return {
            "orders": self.count(rows),
            "revenue_orders": self.count(paid),
            "revenue": revenue,
            "average_order_value": quotient(revenue, self.count(paid)),
            buyers: self.count(paid, "customer_id"),
            "margin": half_up(sum(row["margin"] for row in paid)) if paid else None,
            "first_order_date": min((row["day"] for row in paid), default=None),
            "last_order_date": max((row["day"] for row in paid), default=None),
        }

    def kpi_summary(self) -> Table:
        """One row per currency."""
        result = {}
        start = AS_OF - dt.timedelta(30)
        for currency, rows in grouped(self.orders, lambda r: r["currency"]).items():
            paid = [row for row in rows if row["paid"]]
            recent = {row["customer_id"] for row in paid if row["day"] > start}
            new = {customer for customer in recent if self.first_ever[customer] > start}
            sources = {row["margin_source"] for row in paid}
            result[currency] = {
                **self.sold(rows),
                "as_of": AS_OF,
                "cancelled_orders": self.count(row for row in rows if row["order_status"] == "cancelled"),
                "returned_orders": self.count(row for row in rows if row["order_status"] in ("returned", "refunded")),
                "customers": sum(row["is_current"] for row in self.tables["dim_customer"]),
                "products": sum(row["is_current"] for row in self.tables["dim_product"]),
                "products_sold": self.count(paid, "product_id"),
                "new_customers": len(new),
                "returning_customers": len(recent - new),
                "margin_source": "mixed" if len(sources) > 1 else min(sources, default=None),
            }
        return result

    def kpi_daily(self) -> Table:
        """One row per day and currency."""
        result = {}
        for currency, rows in grouped(self.orders, lambda r: r["currency"]).items():
            total = Decimal(0)
            day = min(row["day"] for row in rows)
            while day <= max(AS_OF, *(row["day"] for row in rows)):
                here = [row for row in rows if row["day"] == day]
                sold = self.sold(here)
                total += sold["revenue"]
                buyers = {row["customer_id"] for row in here if row["paid"]}
                new = sum(self.first_ever[customer] == day for customer in buyers)
                result[day, currency] = {**sold, "cumulative_revenue": total, "new_customers": new}
                day += dt.timedelta(1)
        return result

    def members(self, domain: str, home: Callable[[Row], str]) -> Iterable[tuple[str, str, Row, list[Row]]]:
        """Each member, its currencies, its newest version and its order lines."""
        key = f"{domain}_id"
        for member, versions in grouped(self.tables[f"dim_{domain}"], lambda r: r[key]).items():
            newest = max(versions, key=lambda r: r["version"])
            mine = [row for row in self.orders if row[key] == member]
            for currency in {row["currency"] for row in mine} or {home(newest)}:
                yield member, currency, newest, [row for row in mine if row["currency"] == currency]

    def customer_analytics(self) -> Table:
        """One row per customer and currency."""
        result: dict[Any, dict[str, Any]] = {}
        for customer, currency, newest, rows in self.members("customer", lambda _: "CHF"):
            paid = [row for row in rows if row["paid"]]
            sold = self.sold(rows)
            age = None
            if newest["date_of_birth"]:
                born = dt.date.fromisoformat(newest["date_of_birth"])
                age = max(0, AS_OF.year - born.year - ((AS_OF.month, AS_OF.day) < (born.month, born.day)))
            limits = {"VIP": (1000, 5), "High Value": (500, 3), "Medium Value": (200, 2), "Low Value": (0, 0)}
            groups = {"Gen Z": 25, "Millennial": 40, "Gen X": 55, "Boomer+": 999}
            result[customer, currency] = {
                **sold,
                "is_current": newest["is_current"],
                "customer_tier": newest["customer_tier"],
                "recency_days": max(0, (AS_OF - sold["last_order_date"]).days) if paid else None,
                "products": self.count(paid, "product_id"),
                "categories": self.count(paid, "category"),
                "customer_segment": self.grade(sold, limits),
                "lifecycle_stage": self.stage(customer),
                "age": age,
                "age_segment": next(name for name, limit in groups.items() if age < limit) if age is not None else None,
            }
        measures = {"r_score": "last_order_date", "f_score": "revenue_orders", "m_score": "revenue"}
        for (_, currency), row in result.items():
            peers = [other for (_, theirs), other in result.items() if theirs == currency and other["revenue_orders"]]
            for score, measure in measures.items():
                worse = sum(other[measure] < row[measure] for other in peers) if row["revenue_orders"] else None
                row[score] = None if worse is None else 1 + 5 * worse // len(peers)
        return result

    def stage(self, customer: str) -> str:
        """Lifecycle over all currencies."""
        if customer not in self.first_ever:
            return "Prospect"
        if (AS_OF - self.first_ever[customer]).days < 30:
            return "New"
        recency = (AS_OF - self.last_ever[customer]).days
        return next(
            name for name, days in {"Active": 30, "At Risk": 90, "Inactive": 180, "Lost": 9999}.items() if recency <= days
        )

    @staticmethod
    def grade(sold: dict[str, Any], limits: dict[str, tuple[int, int]]) -> str:
        """First class whose two limits are reached."""
        return next(name for name, (money, n) in limits.items() if sold["revenue"] >= money and sold["revenue_orders"] >= n)

    def segment_summary(self) -> Table:
        """Segments of customer_analytics."""
        rows = [{**row, "key": (row["customer_segment"], key[1])} for key, row in self.customer_analytics().items()]
        result = {}
        for key, group in grouped(rows, lambda r: r["key"]).items():
            revenue = sum(row["revenue"] for row in group)
            result[key] = {
                "customers": len(group),
                "revenue_orders": sum(row["revenue_orders"] for row in group),
                "revenue": revenue,
                "revenue_per_customer": quotient(revenue, len(group)),
                "revenue_share": quotient(revenue, sum(row["revenue"] for row in rows if row["key"][1] == key[1]), 4),
            }
        return result

    def product_performance(self) -> Table:
        """One row per product and currency."""
        result = {}
        for product, currency, newest, rows in self.members("product", lambda newest: newest["currency"]):
            sold = self.sold(rows, "buyers")
            days = (AS_OF - (sold["last_order_date"] or NO_DAY)).days
            lifecycle = "Active" if days <= 30 else "Declining" if days <= 90 else "Stagnant"
            if not sold["revenue_orders"]:
                lifecycle = "Unsold"
            limits = {"Star": (5000, 20), "High Performer": (2000, 10), "Medium Performer": (500, 5), "Low Performer": (0, 0)}
            prices = {"1.00": "Budget", "50.00": "Mid-range", "149.99": "Mid-range", "300.00": "Luxury"}
            result[product, currency] = {
                **sold,
                "product_name": "Kite",
                "category": newest["category"] or "unknown",
                "is_current": newest["is_current"],
                "revenue_per_buyer": quotient(sold["revenue"], sold["buyers"]),
                "performance_category": self.grade(sold, limits),
                "product_lifecycle": "Discontinued" if newest["discontinued"] else lifecycle,
                "price_segment": prices[newest["price"]],
            }
        return result

    def category_summary(self) -> Table:
        """One row per category and currency."""
        result = {}
        for key, rows in grouped(self.orders, lambda r: (r["category"] or "unknown", r["currency"])).items():
            sold = self.sold(rows, "buyers")
            total = sum(row["order_amount"] for row in self.paid if row["currency"] == key[1])
            share = quotient(sold["revenue"], total, 4)
            result[key] = {
                **sold,
                "products_sold": self.count([r for r in rows if r["paid"]], "product_id"),
                "revenue_share": share,
            }
        return result

    def seasonal_analysis(self) -> Table:
        """One row per season, year and currency."""
        groups = grouped(self.orders, lambda r: (r["season"], r["day"].year, r["currency"]))
        return {key: self.sold(rows) for key, rows in groups.items()}

    def sales_trends(self) -> Table:
        """One row per month and currency."""
        groups = grouped(self.orders, lambda r: (r["day"].replace(day=1), r["currency"]))
        return {key: self.sold(rows) for key, rows in groups.items()}

    def inventory_health(self) -> Table:
        """One row per product and warehouse."""
        result = {}
        for key, rows in grouped(self.tables["fact_inventory"], lambda r: (r["product_id"], r["warehouse_id"])).items():
            row = max(rows, key=lambda r: r["batch_date"])
            available, level = row["available_quantity"], row["reorder_level"] or 0
            status = None
            if available is not None:
                least = {"Out of Stock": 0, "Reorder Required": level, "Low Stock": 2 * level}
                status = next((name for name, limit in least.items() if available <= limit), "In Stock")
            day = dt.date.fromisoformat(row["batch_date"])
            amounts = {"stock": 12, "reserved": 2, "available": available, "reorder_level": row["reorder_level"]}
            result[key] = {**amounts, "batch_date": day, "stock_status": status}
        return result

    def shipping_performance(self) -> Table:
        """One row per carrier, service, warehouse and currency."""
        result = {}
        rows = self.tables["fact_shipping"]
        for key, group in grouped(
            rows, lambda r: (r["carrier"] or "unknown", "Ground", r["origin_warehouse"], r["currency"])
        ).items():
            delivered = [
                row
                for row in group
                if row["shipping_status"] == "delivered"
                or (
                    row["shipping_status"] in ("unknown", None)
                    and row["actual_delivery"]
                    and row["actual_delivery"] <= str(AS_OF)
                )
            ]
            dated = [
                (dt.date.fromisoformat(row["actual_delivery"]) - dt.date.fromisoformat(row["estimated_delivery"])).days
                for row in delivered
                if row["actual_delivery"] and row["estimated_delivery"]
            ]
            on_time = sum(days <= 0 for days in dated)
            result[key] = {
                "shipments": len(group),
                "delivered": len(delivered),
                "dated": len(dated),
                "on_time": on_time,
                "delay_days": sum(max(0, days) for days in dated),
                "on_time_share": quotient(on_time, len(dated), 4),
                "average_delay_days": quotient(sum(max(0, days) for days in dated), len(dated)),
                "shipping_cost": sum((Decimal(row["shipping_cost"] or 0) for row in group), Decimal(0)),
            }
        return result


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", [each.name for each in MARTS])
def test_marts_agree_with_plain_python(mart, name, seed):
    """Every row and every column of a mart is what the definitions give when they are written down a second time."""
    tables = shop(seed)
    expected = getattr(Oracle(tables), name)()
    rows = mart(name, as_of=AS_OF, currency="CHF", **tables)
    columns = set(next(iter(rows.values())))
    assert rows == {key: {column: row[column] for column in columns} for key, row in expected.items()}


def test_totals_reconcile(mart):
    """Revenue is the same whichever mart adds it up, by currency: no join loses or doubles a row."""
    tables = shop(7)
    sums: dict[str, dict[str, Decimal]] = {}
    for each in MARTS:
        if " revenue decimal" not in each.schema:
            continue
        by_currency: dict[str, Decimal] = defaultdict(Decimal)
        for key, row in mart(each.name, as_of=AS_OF, currency="CHF", **tables).items():
            currency = key if isinstance(key, str) else key[each.key.index("currency")]
            by_currency[currency] += row["revenue"]
        sums[each.name] = {currency: revenue for currency, revenue in by_currency.items() if revenue}
    assert len(sums) == 8
    assert all(by_currency == sums["kpi_summary"] for by_currency in sums.values())
