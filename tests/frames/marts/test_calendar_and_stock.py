from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cartbrook.frames.marts import MARTS

SALES = ("revenue_orders", "revenue", "average_order_value", "buying_customers")


def values(rows, *names):
    """Some columns by key."""
    return {key: tuple(row[name] for name in names) for key, row in rows.items()}


def test_seasonal_analysis(mart):
    """A season is split by the calendar year of the order: December and January are two winters."""
    rows = mart(
        "seasonal_analysis",
        fact_orders=[
            {"order_id": "1", "order_date": "2024-12-31", "order_amount": "0.02"},
            {"order_id": "2", "order_date": "2025-01-01", "order_amount": "0.01"},
            {"order_id": "2", "order_date": "2025-01-01", "order_amount": "0.01", "line": 2},
            {"order_id": "3", "order_date": "2025-02-28", "order_amount": "0.01"},
            {"order_id": "4", "order_date": "2025-02-28", "order_status": "failed", "customer_id": "C2"},
            {"order_id": "5", "order_date": "2025-07-01", "season": "Summer", "currency": "EUR"},
            {"order_id": "6", "order_date": "2025-10-01", "season": "Fall", "order_status": "cancelled"},
            {"order_id": "7", "order_date": None, "season": None},
        ],
    )
    assert values(rows, *SALES) == {
        ("Winter", 2024, "USD"): (1, Decimal("0.02"), Decimal("0.02"), 1),
        ("Winter", 2025, "USD"): (2, Decimal("0.03"), Decimal("0.02"), 1),
        ("Summer", 2025, "EUR"): (1, 100, 100, 1),
        ("Fall", 2025, "USD"): (0, 0, None, 0),
    }


def test_sales_trends(mart):
    """A month is named by its first day; months of different currencies are apart, and orders after as_of count."""
    rows = mart(
        "sales_trends",
        fact_orders=[
            {"order_id": "1", "order_date": "2025-01-01"},
            {"order_id": "2", "order_date": "2025-01-31", "order_amount": "100.01"},
            {"order_id": "3", "order_date": "2025-01-31", "currency": "EUR"},
            {"order_id": "4", "order_date": "2025-02-01", "customer_id": "C2"},
            {"order_id": "5", "order_date": "2025-02-01", "customer_id": "C3"},
            {"order_id": "6", "order_date": "2025-02-03", "customer_id": "C4", "order_status": "refunded"},
        ],
    )
    assert values(rows, *SALES) == {
        (dt.date(2025, 1, 1), "USD"): (2, Decimal("200.01"), Decimal("100.01"), 1),
        (dt.date(2025, 1, 1), "EUR"): (1, 100, 100, 1),
        (dt.date(2025, 2, 1), "USD"): (2, 200, 100, 2),
    }


def test_newest_snapshot_of_each_stock(mart):
    """Each product and warehouse shows its own newest snapshot, whole: one that later batches do not name keeps its last."""
    rows = mart(
        "inventory_health",
        fact_inventory=[
            {"batch_date": "2025-01-16", "stock_quantity": 7, "available_quantity": 6, "reorder_level": None},
            {"batch_date": "2025-01-15"},
            {"warehouse_id": "W2", "batch_date": "2025-01-14"},
        ],
    )
    names = ("batch_date", "stock", "reserved", "available", "reorder_level", "stock_status")
    assert values(rows, *names) == {
        ("P1", "W1"): (dt.date(2025, 1, 16), 7, 2, 6, None, "In Stock"),
        ("P1", "W2"): (dt.date(2025, 1, 14), 12, 2, 10, 4, "In Stock"),
    }


@pytest.mark.parametrize(
    ("available", "level", "status"),
    [
        (0, 5, "Out of Stock"),
        (-1, None, "Out of Stock"),
        (1, 5, "Reorder Required"),
        (5, 5, "Reorder Required"),
        (6, 5, "Low Stock"),
        (10, 5, "Low Stock"),
        (11, 5, "In Stock"),
        (1, 0, "In Stock"),
        (1, None, "In Stock"),
        (None, 5, None),
    ],
)
def test_stock_status(mart, available, level, status):
    """The status is by what is available; an unknown amount has none."""
    rows = mart("inventory_health", fact_inventory=[{"available_quantity": available, "reorder_level": level}])
    assert rows["P1", "W1"]["stock_status"] == status


def test_shipping_performance(mart):
    """Shipments, delivered ones, those on time, and their share and delay over delivered ones with both dates."""
    rows = mart(
        "shipping_performance",
        fact_shipping=[
            {"shipping_id": "1"},
            {"shipping_id": "2", "actual_delivery": "2025-01-14"},
            {"shipping_id": "3", "actual_delivery": "2025-01-18", "shipping_cost": "0.01"},
            {"shipping_id": "4", "actual_delivery": None, "shipping_cost": None},
            {"shipping_id": "5", "estimated_delivery": None},
            {"shipping_id": "6", "shipping_status": "in_transit"},
            {"shipping_id": "7", "shipping_status": "lost", "actual_delivery": "2025-01-30"},
        ],
    )
    assert rows == {
        ("UPS", "Ground", "W1", "USD"): {
            "shipments": 7,
            "delivered": 5,
            "dated": 3,
            "on_time": 2,
            "delay_days": 1,
            "on_time_share": Decimal("0.6667"),
            "average_delay_days": Decimal("0.33"),
            "shipping_cost": Decimal("25.01"),
        }
    }


@pytest.mark.parametrize(
    ("status", "actual", "delivered"),
    [
        ("unknown", "2025-01-31", 1),
        ("unknown", "2025-02-01", 0),
        ("unknown", None, 0),
        (None, "2025-01-31", 1),
        ("delivered", "2025-02-01", 1),
        ("delivered", None, 1),
        ("out_for_delivery", "2025-01-31", 0),
    ],
)
def test_delivered(mart, status, actual, delivered):
    """Delivered is the status delivered, or an unknown or missing one with an actual delivery not after as_of."""
    shipment = {"shipping_id": "1", "shipping_status": status, "actual_delivery": actual}
    rows = mart("shipping_performance", fact_shipping=[shipment])
    assert rows["UPS", "Ground", "W1", "USD"]["delivered"] == delivered


def test_shipping_groups(mart):
    """Carrier, service, warehouse and currency are each in the grain, `unknown` where missing; nothing delivered has no share."""
    missing = [{"shipping_id": name, name: None} for name in ("carrier", "service_type", "origin_warehouse")]
    abroad = {"shipping_id": "x", "currency": "EUR", "shipping_status": "lost"}
    rows = mart("shipping_performance", fact_shipping=[{"shipping_id": "1"}, abroad, *missing])
    assert set(rows) == {
        ("UPS", "Ground", "W1", "USD"),
        ("UPS", "Ground", "W1", "EUR"),
        ("unknown", "Ground", "W1", "USD"),
        ("UPS", "unknown", "W1", "USD"),
        ("UPS", "Ground", "unknown", "USD"),
    }
    lost = rows["UPS", "Ground", "W1", "EUR"]
    assert values({0: lost}, "shipments", "delivered", "on_time", "on_time_share", "average_delay_days", "shipping_cost") == {
        0: (1, 0, 0, None, None, 5)
    }


def test_shares_are_rounded_half_up(mart):
    """A share of 1/32 = 0.03125 is 0.0313, though one engine keeps only four digits of a quotient of whole numbers."""
    late = [{"shipping_id": str(n), "actual_delivery": "2025-01-19"} for n in range(31)]
    row = mart("shipping_performance", fact_shipping=[{"shipping_id": "x"}, *late])["UPS", "Ground", "W1", "USD"]
    assert (row["on_time_share"], row["average_delay_days"]) == (Decimal("0.0313"), Decimal("1.94"))


ALL = {
    "fact_orders": [{"order_id": "1"}],
    "dim_customer": [{"customer_id": "C1"}],
    "dim_product": [{"product_id": "P1"}],
    "fact_inventory": [{}],
    "fact_shipping": [{"shipping_id": "1"}],
}


@pytest.mark.parametrize("name", [each.name for each in MARTS])
def test_no_business_date_no_rows(mart, name):
    """Without a live batch every mart is empty, kpi_summary too; with one and empty tables only kpi_summary has a row."""
    assert mart(name, as_of=None, **ALL) == {}
    assert mart(name, as_of=None) == {}
    assert len(mart(name)) == (1 if name == "kpi_summary" else 0)
    assert mart(name, **ALL)


@pytest.mark.parametrize("each", [each for each in MARTS if not each.uses_as_of], ids=lambda each: each.name)
def test_marts_that_need_no_business_date(mart, each):
    """A mart that says it does not depend on the business date gives the same rows for another one."""
    assert mart(each.name, **ALL) == mart(each.name, as_of=dt.date(2030, 1, 1), **ALL)


def test_registry():
    """The ten marts have their names, their keys are among their columns, and currency is in the key where there is money."""
    from cartbrook.frames.schema import struct

    assert len({each.name for each in MARTS}) == len(MARTS) == 10
    for each in MARTS:
        assert set(each.key) <= set(struct(each.schema).names)
        assert "(18,2)" not in each.schema or "currency" in each.key
