from __future__ import annotations

import datetime as dt
from decimal import Decimal


def day(number: int) -> dt.date:
    """A day of January 2025."""
    return dt.date(2025, 1, number)


def daily(mart, orders, until: int, **more):
    """kpi_daily by day and currency."""
    return mart("kpi_daily", fact_orders=orders, as_of=day(until), **more)


def test_all_figures_of_a_day(mart):
    """A day counts its distinct orders, revenue orders, revenue, their average, buyers, new buyers, and the revenue so far."""
    rows = daily(
        mart,
        [
            {"order_id": "1", "order_date": "2025-01-01", "order_amount": "10.00"},
            {"order_id": "2", "order_date": "2025-01-02", "order_amount": "20.00"},
            {"order_id": "2", "order_date": "2025-01-02", "order_amount": "0.01", "line": 2},
            {"order_id": "3", "order_date": "2025-01-02", "order_amount": "30.00", "customer_id": "C2"},
            {"order_id": "4", "order_date": "2025-01-02", "order_amount": "99.00", "customer_id": "C3", "order_status": "failed"},
        ],
        until=2,
    )
    assert rows == {
        (day(1), "USD"): {
            "orders": 1,
            "revenue_orders": 1,
            "revenue": Decimal("10.00"),
            "average_order_value": Decimal("10.00"),
            "buying_customers": 1,
            "new_customers": 1,
            "cumulative_revenue": Decimal("10.00"),
        },
        (day(2), "USD"): {
            "orders": 3,
            "revenue_orders": 2,
            "revenue": Decimal("50.01"),
            "average_order_value": Decimal("25.01"),
            "buying_customers": 2,
            "new_customers": 1,
            "cumulative_revenue": Decimal("60.01"),
        },
    }


def test_days_without_orders_are_zeros(mart):
    """Days between and after the orders, up to as_of, are there with zeros, no average, and the revenue so far."""
    rows = daily(mart, [{"order_id": "1", "order_date": "2025-01-01"}, {"order_id": "2", "order_date": "2025-01-03"}], until=5)
    assert [key[0].day for key in sorted(rows)] == [1, 2, 3, 4, 5]
    assert rows[day(4), "USD"] == {
        "orders": 0,
        "revenue_orders": 0,
        "revenue": Decimal(0),
        "average_order_value": None,
        "buying_customers": 0,
        "new_customers": 0,
        "cumulative_revenue": Decimal(200),
    }
    assert [rows[key]["cumulative_revenue"] for key in sorted(rows)] == [100, 100, 200, 200, 200]


def test_calendar_reaches_orders_after_as_of(mart):
    """The calendar ends with the last order if that is later than as_of, and such orders count."""
    orders = [{"order_id": "1", "order_date": "2025-01-02"}, {"order_id": "2", "order_date": "2025-01-04"}]
    rows = daily(mart, orders, until=1)
    assert {key[0].day: row["revenue"] for key, row in rows.items()} == {2: 100, 3: 0, 4: 100}


def test_calendar_spans_orders_of_any_status(mart):
    """The first and the last order of the calendar may be cancelled ones; their days have orders but no revenue."""
    orders = [
        {"order_id": "1", "order_date": "2025-01-01", "order_status": "cancelled"},
        {"order_id": "2", "order_date": "2025-01-02"},
        {"order_id": "3", "order_date": "2025-01-03", "order_status": "cancelled"},
    ]
    rows = daily(mart, orders, until=2)
    assert {key[0].day: (row["orders"], row["revenue_orders"], row["new_customers"]) for key, row in rows.items()} == {
        1: (1, 0, 0),
        2: (1, 1, 1),
        3: (1, 0, 0),
    }


def test_each_currency_has_its_calendar(mart):
    """A currency begins with its own first order and has its own running total; first orders ever are over all currencies."""
    orders = [
        {"order_id": "1", "order_date": "2025-01-01"},
        {"order_id": "2", "order_date": "2025-01-02", "currency": "EUR", "order_amount": "5.00"},
        {"order_id": "3", "order_date": "2025-01-02", "currency": "EUR", "order_amount": "5.00", "customer_id": "C2"},
    ]
    rows = daily(mart, orders, until=2)
    assert {key: (row["cumulative_revenue"], row["new_customers"]) for key, row in rows.items()} == {
        (day(1), "USD"): (100, 1),
        (day(2), "USD"): (100, 0),
        (day(2), "EUR"): (10, 1),
    }


def test_orders_without_a_date_are_on_no_day(mart):
    """An order without a date, should a contract allow one, gives no row."""
    assert len(daily(mart, [{"order_id": "1", "order_date": None}, {"order_id": "2", "order_date": "2025-01-01"}], until=1)) == 1
    assert daily(mart, [{"order_id": "1", "order_date": None}], until=1) == {}
