from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cartbrook.config import Settings


def customers(mart, orders, members=("C1",), **more):
    """customer_analytics by customer and currency."""
    rows = [{"customer_id": member} if isinstance(member, str) else member for member in members]
    return mart("customer_analytics", fact_orders=orders, dim_customer=rows, **more)


def column(rows, name):
    """One column by key."""
    return {key: row[name] for key, row in rows.items()}


def test_all_figures_of_a_customer(mart):
    """Orders count in any status, all else speaks of revenue orders; a line more adds money and products, but no order."""
    rows = customers(
        mart,
        [
            {"order_id": "1", "order_date": "2025-01-05", "order_amount": "600.00", "product_id": "P1"},
            {"order_id": "1", "order_date": "2025-01-05", "order_amount": "0.01", "product_id": "P2", "line": 2},
            {"order_id": "2", "order_date": "2024-12-20", "order_amount": "5.00", "product_id": "P1", "category": "Games"},
            {"order_id": "3", "order_date": "2024-11-01", "order_status": "returned", "product_id": "P9", "category": "Food"},
            {"order_id": "4", "order_date": "2025-01-30", "order_status": "cancelled", "product_id": "P8", "category": "Food"},
        ],
        [{"customer_id": "C1", "customer_tier": "premium", "date_of_birth": "1985-03-15"}],
    )
    assert rows == {
        ("C1", "USD"): {
            "is_current": True,
            "customer_tier": "premium",
            "orders": 4,
            "revenue_orders": 2,
            "revenue": Decimal("605.01"),
            "average_order_value": Decimal("302.51"),
            "first_order_date": dt.date(2024, 12, 20),
            "last_order_date": dt.date(2025, 1, 5),
            "recency_days": 26,
            "products": 2,
            "categories": 2,
            "r_score": 1,
            "f_score": 1,
            "m_score": 1,
            "customer_segment": "Medium Value",
            "lifecycle_stage": "Active",
            "age": 39,
            "age_segment": "Millennial",
        }
    }


def test_customer_without_orders(mart):
    """A customer without orders of any status appears once, in the reporting currency, as a prospect without scores."""
    rows = customers(mart, [], currency="CHF")
    assert list(rows) == [("C1", "CHF")]
    row = rows["C1", "CHF"]
    assert {row[name] for name in ("orders", "revenue_orders", "revenue", "products", "categories")} == {0}
    absent = ("average_order_value", "first_order_date", "last_order_date", "recency_days", "r_score", "f_score", "m_score")
    assert {row[name] for name in absent} == {None}
    assert (row["customer_segment"], row["lifecycle_stage"]) == ("Low Value", "Prospect")
    assert (row["age"], row["age_segment"]) == (None, None)


def test_customer_with_cancelled_orders_only_is_in_their_currency(mart):
    """Orders of any status put a customer into their currency; without revenue orders he is a prospect and has no scores."""
    rows = customers(mart, [{"order_id": "1", "order_status": "cancelled", "currency": "EUR"}])
    assert list(rows) == [("C1", "EUR")]
    row = rows["C1", "EUR"]
    assert (row["orders"], row["revenue_orders"], row["revenue"], row["lifecycle_stage"]) == (1, 0, 0, "Prospect")
    assert (row["first_order_date"], row["recency_days"], row["r_score"]) == (None, None, None)


def test_a_row_per_currency(mart):
    """Money and recency are of the currency; the lifecycle is over all of them."""
    rows = customers(
        mart,
        [
            {"order_id": "1", "order_date": "2024-06-01", "order_amount": "900.00"},
            {"order_id": "2", "order_date": "2025-01-30", "order_amount": "9.00", "currency": "EUR"},
            {"order_id": "3", "order_status": "failed", "currency": "GBP"},
        ],
    )
    assert column(rows, "revenue") == {("C1", "USD"): 900, ("C1", "EUR"): 9, ("C1", "GBP"): 0}
    assert column(rows, "recency_days") == {("C1", "USD"): 244, ("C1", "EUR"): 1, ("C1", "GBP"): None}
    assert set(column(rows, "lifecycle_stage").values()) == {"Active"}


def test_newest_version_of_each_customer(mart):
    """A customer with several versions is one row with the newest one's attributes; one that was taken away stays."""
    members = [
        {"customer_id": "C1", "version": 1, "is_current": False, "customer_tier": "silver"},
        {"customer_id": "C1", "version": 2, "customer_tier": "gold"},
        {"customer_id": "C2", "is_current": False, "customer_tier": "bronze"},
    ]
    rows = customers(mart, [{"order_id": "1"}, {"order_id": "2", "customer_id": "C2"}], members)
    assert column(rows, "is_current") == {("C1", "USD"): True, ("C2", "USD"): False}
    assert column(rows, "customer_tier") == {("C1", "USD"): "gold", ("C2", "USD"): "bronze"}
    assert column(rows, "revenue_orders") == {("C1", "USD"): 1, ("C2", "USD"): 1}


def test_no_category_counts_as_one(mart):
    """Categories are distinct as bound; having none is one more."""
    categories = ("Toys", None, None, "Games")
    orders = [{"order_id": str(n), "category": category} for n, category in enumerate(categories)]
    assert customers(mart, orders)["C1", "USD"]["categories"] == 3


def test_scores_are_fifths_with_ties(mart):
    """A score is 1 + (5 * (rank - 1)) div n: equal values rank equally, and the ranks after them have a gap."""
    amounts = {"A": "10.00", "B": "20.00", "C": "20.00", "D": "20.00", "E": "30.00", "F": "40.00", "G": "50.00"}
    orders = [{"order_id": name, "customer_id": name, "order_amount": amount} for name, amount in amounts.items()]
    rows = customers(mart, orders, amounts)
    # ranks 1, 2, 2, 2, 5, 6, 7 of n = 7
    scores = {"A": 1, "B": 1, "C": 1, "D": 1, "E": 3, "F": 4, "G": 5}
    assert {key[0]: score for key, score in column(rows, "m_score").items()} == scores
    assert set(column(rows, "f_score").values()) == {1}
    assert set(column(rows, "r_score").values()) == {1}


def test_each_score_has_its_measure_and_its_currency(mart):
    """r is by last order, f by revenue orders, m by revenue; only buyers of one currency are ranked, non-buyers not at all."""
    orders = [
        {"order_id": "1", "customer_id": "A", "order_amount": "500.00", "order_date": "2025-01-01"},
        {"order_id": "2", "customer_id": "B", "order_amount": "1.00", "order_date": "2025-01-09"},
        {"order_id": "3", "customer_id": "B", "order_amount": "1.00", "order_date": "2025-01-02"},
        {"order_id": "4", "customer_id": "C", "currency": "EUR"},
        {"order_id": "5", "customer_id": "C", "order_status": "cancelled"},
    ]
    rows = customers(mart, orders, ("A", "B", "C", "D"))
    scores = {key: (row["r_score"], row["f_score"], row["m_score"]) for key, row in rows.items()}
    assert scores == {
        ("A", "USD"): (1, 1, 3),
        ("B", "USD"): (3, 3, 1),
        ("C", "EUR"): (1, 1, 1),
        ("C", "USD"): (None, None, None),
        ("D", "USD"): (None, None, None),
    }


@pytest.mark.parametrize(
    ("orders", "revenue", "segment"),
    [
        (5, "1000.00", "VIP"),
        (4, "1000.00", "High Value"),
        (5, "999.99", "High Value"),
        (3, "500.00", "High Value"),
        (2, "500.00", "Medium Value"),
        (3, "499.99", "Medium Value"),
        (2, "200.00", "Medium Value"),
        (1, "5000.00", "Low Value"),
        (2, "199.99", "Low Value"),
    ],
)
def test_customer_segments(mart, orders, revenue, segment):
    """A segment asks for revenue and revenue orders at once; cancelled orders help with neither."""
    rows = [{"order_id": str(n), "order_amount": "0.00"} for n in range(orders)]
    rows[0]["order_amount"] = revenue
    rows += [{"order_id": f"x{n}", "order_status": "cancelled"} for n in range(5)]
    assert customers(mart, rows)["C1", "USD"]["customer_segment"] == segment


def test_segments_of_the_settings(mart):
    """Names and limits of the segments are settings, best first."""
    settings = Settings(customer_segments={"Whale": (100, 1), "Fish": (10, 1)})
    orders = [{"order_id": c, "customer_id": c, "order_amount": a} for c, a in {"A": "100.00", "B": "10.00", "C": "9.00"}.items()]
    rows = customers(mart, orders, ("A", "B", "C"), settings=settings)
    assert list(column(dict(sorted(rows.items())), "customer_segment").values()) == ["Whale", "Fish", "Low Value"]


@pytest.mark.parametrize(
    ("first", "last", "stage", "recency"),
    [
        ("2025-01-02", "2025-01-02", "New", 29),
        ("2025-02-10", "2025-02-10", "New", 0),
        ("2025-01-01", "2025-01-01", "Active", 30),
        ("2024-01-01", "2025-02-10", "Active", 0),
        ("2024-01-01", "2024-12-31", "At Risk", 31),
        ("2024-01-01", "2024-11-02", "At Risk", 90),
        ("2024-01-01", "2024-11-01", "Inactive", 91),
        ("2024-01-01", "2024-08-04", "Inactive", 180),
        ("2024-01-01", "2024-08-03", "Lost", 181),
    ],
)
def test_lifecycle_stages(mart, first, last, stage, recency):
    """The stage follows from the first and last revenue order as of 2025-01-31; recency is never negative."""
    orders = [
        {"order_id": "1", "order_date": first},
        {"order_id": "2", "order_date": last},
        {"order_id": "3", "order_date": "2023-01-01", "order_status": "cancelled"},
        {"order_id": "4", "order_date": "2025-01-31", "order_status": "cancelled"},
    ]
    row = customers(mart, orders)["C1", "USD"]
    assert (row["lifecycle_stage"], row["recency_days"]) == (stage, recency)


@pytest.mark.parametrize(
    ("birth", "age", "segment"),
    [
        ("2000-02-01", 24, "Gen Z"),
        ("2000-01-31", 25, "Millennial"),
        ("1985-02-01", 39, "Millennial"),
        ("1985-01-31", 40, "Gen X"),
        ("1970-02-01", 54, "Gen X"),
        ("1970-01-31", 55, "Boomer+"),
        ("2030-05-05", 0, "Gen Z"),
        (None, None, None),
    ],
)
def test_age_at_as_of(mart, birth, age, segment):
    """Age is in full years on 2025-01-31, the birthday included; never negative, and unknown without a date of birth."""
    row = customers(mart, [], [{"customer_id": "C1", "date_of_birth": birth}])["C1", "USD"]
    assert (row["age"], row["age_segment"]) == (age, segment)


def test_segment_summary(mart):
    """Each segment that occurs, with its customers (those without orders too), money per customer and share of the currency."""
    orders = [{"order_id": str(n), "customer_id": "A", "order_amount": "200.00"} for n in range(5)]
    orders += [{"order_id": "x", "customer_id": "B", "order_amount": "0.01"}]
    orders += [{"order_id": "y", "customer_id": "B", "currency": "EUR"}]
    orders += [{"order_id": "z", "customer_id": "A", "currency": "GBP", "order_status": "failed"}]
    members = [{"customer_id": "A"}, {"customer_id": "B", "is_current": False}, {"customer_id": "C"}]
    names = ("customers", "revenue_orders", "revenue", "revenue_per_customer", "revenue_share")
    rows = mart("segment_summary", fact_orders=orders, dim_customer=members)
    assert {key: tuple(row[name] for name in names) for key, row in rows.items()} == {
        ("VIP", "USD"): (1, 5, 1000, 1000, 1),
        ("Low Value", "USD"): (2, 1, Decimal("0.01"), Decimal("0.01"), 0),
        ("Low Value", "EUR"): (1, 1, 100, 100, 1),
        ("Low Value", "GBP"): (1, 0, 0, 0, None),
    }
