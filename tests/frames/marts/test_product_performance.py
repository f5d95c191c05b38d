from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cartbrook.config import Settings


def products(mart, orders, members=("P1",), **more):
    """product_performance by product and currency."""
    rows = [{"product_id": member} if isinstance(member, str) else member for member in members]
    return mart("product_performance", fact_orders=orders, dim_product=rows, **more)


def column(rows, name):
    """One column by key."""
    return {key: row[name] for key, row in rows.items()}


def test_all_figures_of_a_product(mart):
    """Orders count in any status, all else speaks of revenue orders; category and price are those of now."""
    rows = products(
        mart,
        [
            {"order_id": "1", "order_date": "2025-01-05", "order_amount": "10.00", "margin": "1.0025"},
            {"order_id": "1", "order_date": "2025-01-05", "order_amount": "10.00", "margin": "1.0025", "line": 2},
            {"order_id": "2", "order_date": "2025-01-07", "order_amount": "0.01", "margin": "0.0000", "customer_id": "C2"},
            {"order_id": "3", "order_date": "2025-01-01", "order_status": "cancelled", "customer_id": "C3"},
            {"order_id": "4", "order_date": "2025-01-30", "order_status": "returned", "customer_id": "C3"},
        ],
        [
            {"product_id": "P1", "version": 1, "is_current": False, "category": "Toys", "price": "10.00"},
            {"product_id": "P1", "version": 2, "category": "Sports", "price": "299.99", "product_name": "Big Kite"},
        ],
    )
    assert rows == {
        ("P1", "USD"): {
            "product_name": "Big Kite",
            "category": "Sports",
            "is_current": True,
            "orders": 4,
            "revenue_orders": 2,
            "revenue": Decimal("20.01"),
            "buyers": 2,
            "revenue_per_buyer": Decimal("10.01"),
            "margin": Decimal("2.01"),
            "first_order_date": dt.date(2025, 1, 5),
            "last_order_date": dt.date(2025, 1, 7),
            "performance_category": "Low Performer",
            "product_lifecycle": "Active",
            "price_segment": "Premium",
        }
    }


def test_product_without_orders_is_in_its_own_currency(mart):
    """A product without orders of any status appears once, in the currency of its price and not in the reporting one."""
    rows = products(mart, [{"order_id": "1", "product_id": "P9"}], [{"product_id": "P1", "currency": "EUR"}], currency="USD")
    assert list(rows) == [("P1", "EUR")]
    row = rows["P1", "EUR"]
    assert {row[name] for name in ("orders", "revenue_orders", "revenue", "buyers")} == {0}
    assert {row[name] for name in ("revenue_per_buyer", "margin", "first_order_date", "last_order_date")} == {None}
    assert (row["performance_category"], row["product_lifecycle"]) == ("Low Performer", "Unsold")


def test_product_with_orders_is_in_their_currencies_only(mart):
    """Orders of any status put a product into their currency; its own one then needs orders as well."""
    orders = [{"order_id": "1", "currency": "GBP"}, {"order_id": "2", "currency": "CHF", "order_status": "cancelled"}]
    rows = products(mart, orders, [{"product_id": "P1", "currency": "EUR"}])
    assert column(rows, "revenue") == {("P1", "GBP"): 100, ("P1", "CHF"): 0}
    assert column(rows, "product_lifecycle") == {("P1", "GBP"): "Active", ("P1", "CHF"): "Unsold"}
    assert column(rows, "margin") == {("P1", "GBP"): 30, ("P1", "CHF"): None}


def test_closed_product_stays(mart):
    """A product that was taken away keeps its row, with is_current false; a missing category is `unknown`."""
    rows = products(mart, [{"order_id": "1"}], [{"product_id": "P1", "is_current": False, "category": None}])
    assert (rows["P1", "USD"]["is_current"], rows["P1", "USD"]["category"]) == (False, "unknown")


@pytest.mark.parametrize(
    ("orders", "revenue", "category"),
    [
        (20, "5000.00", "Star"),
        (19, "5000.00", "High Performer"),
        (20, "4999.99", "High Performer"),
        (10, "2000.00", "High Performer"),
        (9, "2000.00", "Medium Performer"),
        (10, "1999.99", "Medium Performer"),
        (5, "500.00", "Medium Performer"),
        (4, "9000.00", "Low Performer"),
        (5, "499.99", "Low Performer"),
    ],
)
def test_performance_categories(mart, orders, revenue, category):
    """A class asks for revenue and revenue orders at once; cancelled orders help with neither."""
    rows = [{"order_id": str(n), "order_amount": "0.00"} for n in range(orders)]
    rows[0]["order_amount"] = revenue
    rows += [{"order_id": f"x{n}", "order_status": "cancelled"} for n in range(20)]
    assert products(mart, rows)["P1", "USD"]["performance_category"] == category


def test_performance_categories_of_the_settings(mart):
    """Names and limits of the classes are settings."""
    settings = Settings(performance_categories={"Hit": (100, 1)})
    assert products(mart, [{"order_id": "1"}], settings=settings)["P1", "USD"]["performance_category"] == "Hit"


@pytest.mark.parametrize(
    ("last", "discontinued", "lifecycle"),
    [
        ("2025-01-01", False, "Active"),
        ("2025-03-01", None, "Active"),
        ("2024-12-31", False, "Declining"),
        ("2024-11-02", False, "Declining"),
        ("2024-11-01", False, "Stagnant"),
        ("2025-01-30", True, "Discontinued"),
        (None, True, "Discontinued"),
        (None, False, "Unsold"),
    ],
)
def test_product_lifecycle(mart, last, discontinued, lifecycle):
    """Discontinued goes before unsold, and that before the age of the last revenue order as of 2025-01-31."""
    orders = [{"order_id": "1", "order_date": "2025-01-31", "order_status": "cancelled"}]
    if last:
        orders += [{"order_id": "2", "order_date": last}, {"order_id": "3", "order_date": "2020-01-01"}]
    rows = products(mart, orders, [{"product_id": "P1", "discontinued": discontinued}])
    assert rows["P1", "USD"]["product_lifecycle"] == lifecycle


@pytest.mark.parametrize(
    ("price", "segment"),
    [
        ("49.99", "Budget"),
        ("50.00", "Mid-range"),
        ("149.99", "Mid-range"),
        ("150.00", "Premium"),
        ("299.99", "Premium"),
        ("300.00", "Luxury"),
        (None, None),
    ],
)
def test_price_segments(mart, price, segment):
    """The segment is that of the current price."""
    assert products(mart, [], [{"product_id": "P1", "price": price}])["P1", "USD"]["price_segment"] == segment


def test_category_summary(mart):
    """A category as bound sums its revenue orders; the share is of the currency's revenue, and no category is `unknown`."""
    rows = mart(
        "category_summary",
        fact_orders=[
            {"order_id": "1", "order_amount": "1.00", "product_id": "P1", "category": "Toys", "margin": "0.3333"},
            {"order_id": "1", "order_amount": "1.00", "product_id": "P2", "category": "Toys", "margin": "0.3333", "line": 2},
            {"order_id": "2", "order_amount": "60.00", "product_id": "P1", "category": "Games", "customer_id": "C2"},
            {"order_id": "3", "order_amount": "2.00", "product_id": "P3", "category": None},
            {"order_id": "4", "category": "Food", "order_status": "cancelled"},
            {"order_id": "5", "category": "Toys", "currency": "EUR", "order_status": "cancelled"},
        ],
    )
    names = ("products_sold", "revenue_orders", "revenue", "buyers", "margin", "revenue_share")
    assert {key: tuple(row[name] for name in names) for key, row in rows.items()} == {
        ("Toys", "USD"): (2, 1, 2, 1, Decimal("0.67"), Decimal("0.0313")),
        ("Games", "USD"): (1, 1, 60, 1, 30, Decimal("0.9375")),
        ("unknown", "USD"): (1, 1, 2, 1, 30, Decimal("0.0313")),
        ("Food", "USD"): (0, 0, 0, 0, None, 0),
        ("Toys", "EUR"): (0, 0, 0, 0, None, None),
    }
