from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from cartbrook.frames.marts import reporting_currency

CUSTOMERS = [{"customer_id": "C1"}, {"customer_id": "C2"}]


def summary(mart, orders, **more):
    """kpi_summary of some orders."""
    return mart("kpi_summary", fact_orders=orders, **more)


def test_all_figures_of_a_currency(mart):
    """Orders count in any status; revenue, its average, buyers and products only where the status is revenue."""
    rows = summary(
        mart,
        [
            {"order_id": "1", "order_amount": "10.00", "customer_id": "C1", "product_id": "P1", "margin": "3.0000"},
            {"order_id": "2", "order_amount": "20.01", "customer_id": "C2", "product_id": "P1", "margin": "6.0030"},
            {"order_id": "3", "order_amount": "40.00", "customer_id": "C3", "product_id": "P2", "order_status": "cancelled"},
            {"order_id": "4", "order_amount": "80.00", "customer_id": "C3", "product_id": "P3", "order_status": "returned"},
            {"order_id": "5", "order_amount": "80.00", "customer_id": "C3", "product_id": "P3", "order_status": "refunded"},
            {"order_id": "6", "order_amount": "80.00", "customer_id": "C3", "product_id": "P3", "order_status": "failed"},
        ],
        dim_customer=CUSTOMERS,
        dim_product=[{"product_id": "P1"}],
    )
    assert rows == {
        "USD": {
            "as_of": dt.date(2025, 1, 31),
            "orders": 6,
            "revenue_orders": 2,
            "revenue": Decimal("30.01"),
            "average_order_value": Decimal("15.01"),
            "cancelled_orders": 1,
            "returned_orders": 2,
            "customers": 2,
            "products": 1,
            "buying_customers": 2,
            "products_sold": 1,
            "new_customers": 2,
            "returning_customers": 0,
            "margin": Decimal("9.00"),
            "margin_source": "default_rate",
        }
    }


def test_currencies_are_never_added(mart):
    """Each currency has its own row; the members of the dimensions are the same in each."""
    rows = summary(
        mart, [{"order_id": "1"}, {"order_id": "2", "currency": "EUR", "order_amount": "7.00"}], dim_customer=CUSTOMERS
    )
    assert {currency: (row["orders"], row["revenue"], row["customers"]) for currency, row in rows.items()} == {
        "USD": (1, Decimal("100.00"), 2),
        "EUR": (1, Decimal("7.00"), 2),
    }


def test_lines_of_an_order_are_one_order(mart):
    """With several lines per order, orders are distinct order ids, and money and products are those of all lines."""
    lines = [{"order_id": "1", "line": 1, "product_id": "P1"}, {"order_id": "1", "line": 2, "product_id": "P2"}]
    lines += [{"order_id": "2", "line": n, "order_status": "cancelled"} for n in (1, 2)]
    lines += [{"order_id": "3", "line": n, "order_status": "returned"} for n in (1, 2)]
    row = summary(mart, lines)["USD"]
    assert (row["orders"], row["revenue_orders"], row["cancelled_orders"], row["returned_orders"]) == (3, 1, 1, 1)
    assert (row["revenue"], row["average_order_value"], row["margin"]) == (Decimal(200), Decimal(200), Decimal(60))
    assert (row["products_sold"], row["buying_customers"]) == (2, 1)


def test_no_orders_give_one_row_in_the_reporting_currency(mart):
    """While there are no orders there is one row: counts and sums 0, quotients, margin and its source NULL."""
    rows = summary(mart, [], currency="CHF", dim_customer=CUSTOMERS)
    assert list(rows) == ["CHF"]
    row = rows["CHF"]
    assert (row["as_of"], row["customers"], row["products"]) == (dt.date(2025, 1, 31), 2, 0)
    assert {row[name] for name in ("average_order_value", "margin", "margin_source")} == {None}
    assert {row[name] for name in ("orders", "revenue_orders", "revenue", "cancelled_orders", "returned_orders")} == {0}
    assert {row[name] for name in ("buying_customers", "products_sold", "new_customers", "returning_customers")} == {0}


def test_currency_of_orders_only_is_no_reason_for_the_reporting_currency(mart):
    """Once there are orders, only their currencies have rows, even if the setting names another."""
    assert list(summary(mart, [{"order_id": "1", "currency": "EUR"}], currency="CHF")) == ["EUR"]


def test_no_revenue_orders(mart):
    """A currency without revenue orders has revenue 0, and no average, margin or margin source."""
    row = summary(mart, [{"order_id": "1", "order_status": "cancelled"}])["USD"]
    assert (row["orders"], row["revenue_orders"], row["revenue"]) == (1, 0, 0)
    assert (row["average_order_value"], row["margin"], row["margin_source"]) == (None, None, None)
    assert (row["buying_customers"], row["products_sold"]) == (0, 0)


def test_only_current_members_count(mart):
    """Customers and products are current dimension rows: no older version, nothing that was taken away."""
    customers = [
        {"customer_id": "C1", "version": 1, "is_current": False},
        {"customer_id": "C1", "version": 2},
        {"customer_id": "C2", "is_current": False},
    ]
    products = [{"product_id": "P1"}, {"product_id": "P2", "is_current": False}, {"product_id": "P3", "currency": "EUR"}]
    row = summary(mart, [], dim_customer=customers, dim_product=products)["USD"]
    assert (row["customers"], row["products"]) == (1, 2)


@pytest.mark.parametrize(
    ("orders", "new", "returning"),
    [
        ([("2025-01-02", "completed", "USD")], 1, 0),
        ([("2025-01-01", "completed", "USD")], 0, 0),
        ([("2025-01-01", "completed", "USD"), ("2025-01-02", "completed", "USD")], 0, 1),
        ([("2025-01-05", "completed", "USD"), ("2025-01-20", "completed", "USD")], 1, 0),
        ([("2024-06-01", "completed", "EUR"), ("2025-01-20", "completed", "USD")], 0, 1),
        ([("2024-06-01", "cancelled", "USD"), ("2025-01-20", "completed", "USD")], 1, 0),
        ([("2024-06-01", "completed", "USD"), ("2025-01-20", "cancelled", "USD")], 0, 0),
        ([("2025-03-01", "completed", "USD")], 1, 0),
    ],
    ids=["inside", "day 30", "before and inside", "twice inside", "first abroad", "first cancelled", "now cancelled", "future"],
)
def test_new_and_returning_customers(mart, orders, new, returning):
    """Buyers after as_of - 30 days are new if their first revenue order ever, in any currency, is so too, else returning."""
    rows = [
        {"order_id": str(n), "order_date": date, "order_status": status, "currency": currency}
        for n, (date, status, currency) in enumerate(orders)
    ]
    row = summary(mart, rows)["USD"]
    assert (row["new_customers"], row["returning_customers"]) == (new, returning)


@pytest.mark.parametrize(
    ("margins", "expected"),
    [
        (["0.0049"], "0.00"),
        (["0.0050"], "0.01"),
        (["-0.0050"], "-0.01"),
        (["0.0025", "0.0025"], "0.01"),
        (["1.0049", "1.0049"], "2.01"),
        (["-2.6750"], "-2.68"),
    ],
)
def test_margins_are_summed_and_rounded_once(mart, margins, expected):
    """Margins of four digits are added first, then rounded half-up, away from zero."""
    row = summary(mart, [{"order_id": str(n), "margin": margin} for n, margin in enumerate(margins)])["USD"]
    assert row["margin"] == Decimal(expected)


def test_margin_source_of_several_is_mixed(mart):
    """One source is named; two are `mixed`, in that currency only; orders that are no revenue have none."""
    rows = summary(
        mart,
        [
            {"order_id": "1", "margin_source": "cost"},
            {"order_id": "2", "margin_source": "default_rate"},
            {"order_id": "3", "margin_source": "cost", "currency": "EUR"},
            {"order_id": "4", "order_status": "cancelled", "currency": "EUR"},
        ],
    )
    assert {currency: row["margin_source"] for currency, row in rows.items()} == {"USD": "mixed", "EUR": "cost"}


@pytest.mark.parametrize(
    ("orders", "currency"),
    [
        ([], "USD"),
        ([("1", "CHF"), ("2", "EUR"), ("3", "EUR")], "EUR"),
        ([("1", "USD"), ("2", "EUR")], "EUR"),
        ([("1", "USD"), ("1", "USD"), ("2", "EUR"), ("3", "EUR"), ("1", "USD")], "EUR"),
    ],
    ids=["none", "most", "tie", "lines"],
)
def test_reporting_currency(mart, orders, currency):
    """It is the currency with most distinct orders of any status, ties alphabetical; USD without orders."""
    rows = [{"order_id": order, "line": n, "currency": code, "order_status": "failed"} for n, (order, code) in enumerate(orders)]
    totals = mart("sales_totals", fact_orders=rows)
    found = [{"currency": key[-1], **row} for key, row in totals.items() if key[0] == "all"]
    assert reporting_currency(found) == currency


def test_money_is_exact(mart):
    """Averages are never computed as floating point: the largest sums keep their cents, and 1.005 is rounded up."""
    rows = summary(
        mart,
        [
            {"order_id": "1", "order_amount": "9007199254740993.01"},
            {"order_id": "2", "order_amount": "1.00", "currency": "EUR"},
            {"order_id": "3", "order_amount": "1.01", "currency": "EUR"},
        ],
    )
    averages = {currency: row["average_order_value"] for currency, row in rows.items()}
    assert averages == {"USD": Decimal("9007199254740993.01"), "EUR": Decimal("1.01")}
