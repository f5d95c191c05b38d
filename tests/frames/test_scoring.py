"""Counting broken rules, and the score of a batch."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

from tests.frames.inline import typed

from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.model import Action, Rule, Scope, Severity
from cartbrook.frames.scoring import TOTAL, RuleResult, Tally, results, score

CONTRACTS = load_contracts()
ORDERS = CONTRACTS["orders"]


def result(severity: str, checked: int, failed: int, status: str = "fail") -> RuleResult:
    """A result of which only these matter."""
    return RuleResult("orders", "rule", severity, "accuracy", checked, failed, Decimal(0), status)


def test_score_by_hand():
    """100 x (1 - sum(w x failed / checked) / sum(w)), w = 10, 5, 2, 1: here 100 x (1 - (10/4 + 5x0 + 2/2 + 1/3) / 18)."""
    rules = [result("CRITICAL", 4, 1), result("HIGH", 7, 0, "pass"), result("MEDIUM", 2, 1, "warn"), result("LOW", 3, 1, "warn")]
    assert score(rules) == Decimal("78.70")


def test_the_score_rounds_half_up():
    """99.995 is 100.00 and 99.985 is 99.99."""
    assert score([result("LOW", 20000, 1)]) == Decimal("100.00")
    assert score([result("LOW", 20000, 3)]) == Decimal("99.99")


def test_what_was_not_evaluated_has_no_weight():
    """Skipped and not evaluated rules count neither as good nor as bad; without any rule there is no score."""
    rules = [result("LOW", 2, 1), result("CRITICAL", 0, 0, "skipped"), result("HIGH", 0, 0, "not_evaluated")]
    assert score(rules) == Decimal("50.00")
    assert score(rules[1:]) is None
    assert score([]) is None


def test_the_ends_of_the_scale():
    """All broken is 0 and nothing broken is 100."""
    assert score([result("HIGH", 3, 3), result("LOW", 3, 3)]) == Decimal("0.00")
    assert score([result("HIGH", 3, 0, "pass")]) == Decimal("100.00")


def rule(name: str, **values) -> Rule:
    """A keep-rule on one record, unless said otherwise."""
    base = Rule(name, "expect", Severity.LOW, Action.KEEP, "accuracy", Scope.RECORD, expect="order_amount > 1")
    return dataclasses.replace(base, **values)


def test_statuses_of_results():
    """Every rule has a result: pass, warn (kept), fail (put aside), skipped (switched off), not_evaluated (nothing seen)."""
    contract = dataclasses.replace(
        ORDERS,
        rules=(
            rule("good"),
            rule("kept"),
            rule("severe", action=Action.QUARANTINE),
            rule("silenced", switch="business_rules_validation"),
            rule("cannot be silenced", action=Action.QUARANTINE, switch="business_rules_validation"),
            rule("needs shipping", scope=Scope.LAKE, needs=("shipping",)),
            rule("sees nothing", scope=Scope.LAKE),
            rule("sees two", scope=Scope.LAKE),
        ),
    )
    tallies = {
        TOTAL: Tally(10, 0, Decimal(0)),
        "kept": Tally(0, 3, Decimal("7.50")),
        "severe": Tally(0, 1, Decimal(1)),
        "silenced": Tally(0, 2, Decimal(5)),
        "cannot be silenced": Tally(0, 2, Decimal(5)),
        "needs shipping": Tally(4, 1, Decimal(1)),
        "sees nothing": Tally(0, 0, Decimal(0)),
        "sees two": Tally(2, 1, Decimal("0.10")),
    }
    found = results(contract, tallies, {"business_rules_validation": False}, ["orders", "customers"])
    assert [(r.rule, r.rows_checked, r.rows_failed, r.amount_at_risk, r.status) for r in found] == [
        ("good", 10, 0, Decimal(0), "pass"),
        ("kept", 10, 3, Decimal("7.50"), "warn"),
        ("severe", 10, 1, Decimal(1), "fail"),
        ("silenced", 0, 0, Decimal(0), "skipped"),
        ("cannot be silenced", 10, 2, Decimal(5), "fail"),
        ("needs shipping", 0, 0, Decimal(0), "not_evaluated"),
        ("sees nothing", 0, 0, Decimal(0), "not_evaluated"),
        ("sees two", 2, 1, Decimal("0.10"), "warn"),
    ]


def test_an_empty_domain_is_not_evaluated():
    """A file without a record breaks nothing, and says nothing good either."""
    assert {r.status for r in results(ORDERS, {TOTAL: Tally(0, 0, Decimal(0))}, {}, ["orders"])} == {"not_evaluated"}


def test_batch_counts(session):
    """Flags and quarantined rules are counted with the money at risk; a parked record is counted once."""
    from cartbrook.frames.schema import QUARANTINE, silver, struct
    from cartbrook.frames.scoring import batch_counts, tallies

    accepted = typed(
        session,
        silver(ORDERS),
        [
            {
                "_record_id": "r1",
                "order_amount": "1.50",
                "_flags": ["small", "payment_method_enumeration:che:que"],
                "_copies": ["r0"],
            },
            {"_record_id": "r2", "order_amount": "2.50", "_flags": ["small"]},
            {"_record_id": "r3", "order_amount": "4.00", "_flags": []},
        ],
    )
    aside = typed(
        session,
        struct(QUARANTINE),
        [
            {"quarantine_id": "r4", "status": "open", "rules": ["order_amount_type", "order_date_type"], "amount": None},
            {"quarantine_id": "r5", "status": "open", "rules": ["order_date_type"], "amount": "10.00"},
            {"quarantine_id": "r3", "status": "parked", "rules": ["unknown_product"], "amount": "4.00"},
        ],
    )
    found = tallies(batch_counts(accepted, aside, ORDERS).toArrow().to_pylist())
    assert found == {
        TOTAL: Tally(5, 0, Decimal(0)),
        "small": Tally(0, 2, Decimal("4.00")),
        "payment_method_enumeration": Tally(0, 1, Decimal("1.50")),
        "order_amount_type": Tally(0, 1, Decimal(0)),
        "order_date_type": Tally(0, 2, Decimal("10.00")),
        "unknown_product": Tally(0, 1, Decimal("4.00")),
    }


def test_cross_table_rules_of_orders(session):
    """Rules on an order see its bound customer and product and its live shipments; NULL passes."""
    from cartbrook.frames.schema import dimension, fact
    from cartbrook.frames.scoring import lake_counts, order_context, tallies

    base = {"customer_sk": "c", "product_sk": "p", "currency": "USD", "order_status": "pending", "order_amount": "120.00"}
    orders = [
        {**base, "order_id": "fine"},
        {**base, "order_id": "a cent off", "order_amount": "120.01"},
        {**base, "order_id": "two cents off", "order_amount": "120.02"},
        {**base, "order_id": "other currency", "order_amount": "9.00", "currency": "EUR"},
        {**base, "order_id": "sent", "order_status": "shipped"},
        {**base, "order_id": "not sent", "order_status": "delivered"},
        {**base, "order_id": "discontinued", "product_sk": "old", "order_amount": "50.00"},
    ]
    customers = [{"customer_id": "C1", "customer_sk": "c", "customer_tier": "premium"}]
    products = [
        {"product_id": "P1", "product_sk": "p", "price": "120.00", "currency": "USD", "discontinued": "false"},
        {"product_id": "P2", "product_sk": "old", "price": "50.00", "currency": "USD", "discontinued": "true"},
    ]
    shipping = [{"order_id": "sent", "shipping_id": number} for number in "12"]
    context = order_context(
        typed(session, fact(ORDERS), orders),
        typed(session, dimension(CONTRACTS["customers"]), customers),
        typed(session, dimension(CONTRACTS["products"]), products),
        typed(session, fact(CONTRACTS["shipping"]), shipping),
    )
    found = tallies(lake_counts(context, ORDERS.rules_of(Scope.LAKE), ORDERS).toArrow().to_pylist())
    assert found == {
        "order_product_discontinued": Tally(7, 1, Decimal("50.00")),
        "order_without_shipment": Tally(7, 1, Decimal("120.00")),
        "order_price_mismatch": Tally(7, 1, Decimal("120.02")),
        "premium_order_small": Tally(7, 2, Decimal("59.00")),
    }


def test_cross_table_rules_of_products_and_customers(session):
    """Stock is compared with the newest snapshot of each warehouse; a customer without orders is told."""
    from cartbrook.frames.schema import dimension, fact
    from cartbrook.frames.scoring import customer_context, lake_counts, product_context, tallies

    products, customers = CONTRACTS["products"], CONTRACTS["customers"]
    rows = [{"product_id": name, "stock_quantity": "5"} for name in ("fits", "differs", "nowhere")]
    stock = [
        {"product_id": "fits", "warehouse_id": "W1", "stock_quantity": "3", "batch_date": "2025-01-02"},
        {"product_id": "fits", "warehouse_id": "W1", "stock_quantity": "99", "batch_date": "2025-01-01"},
        {"product_id": "fits", "warehouse_id": "W2", "stock_quantity": "2", "batch_date": "2025-01-01"},
        {"product_id": "differs", "warehouse_id": "W1", "stock_quantity": "4", "batch_date": "2025-01-02"},
    ]
    context = product_context(typed(session, dimension(products), rows), typed(session, fact(CONTRACTS["inventory"]), stock))
    found = tallies(lake_counts(context, products.rules_of(Scope.LAKE), products).toArrow().to_pylist())
    assert {name: (tally.checked, tally.failed) for name, tally in found.items()} == {
        "product_without_inventory": (3, 1),
        "product_stock_mismatch": (3, 1),
    }
    people = typed(session, dimension(customers), [{"customer_id": "buys"}, {"customer_id": "looks"}])
    orders = typed(session, fact(ORDERS), [{"order_id": "1", "customer_id": "buys"}, {"order_id": "2", "customer_id": "buys"}])
    context = customer_context(people, orders)
    found = tallies(lake_counts(context, customers.rules_of(Scope.LAKE), customers).toArrow().to_pylist())
    assert found["customer_without_orders"] == Tally(2, 1, Decimal(0))
