"""Counting: what was checked, what broke a rule with how much money, and what a batch measures."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from tests.frames.inline import typed
from tests.unit.rule_texts import entry, measure, parsed

from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.model import LOCAL, Contract, DeleteMark, Scope

CONTRACTS = load_contracts()
ORDERS = CONTRACTS["orders"]
SILVER = {"_kind": "upsert", "_batch_date": "2025-01-20", "_batch_seq": "7", "_batch_id": "B7", "_flags": []}
GOOD = {**SILVER, "customer_id": "C1", "product_id": "P1", "order_date": "2025-01-15", "order_amount": "10.00", "currency": "EUR"}


def count(session, contract: Contract, accepted: list[dict[str, Any]], aside: list[dict[str, Any]] | None = None):
    """What is counted of a contract's local rules and references, by rule."""
    from cartbrook.frames.counting import aside_counts, batch_counts, tallies
    from cartbrook.frames.schema import QUARANTINE, silver, struct

    rules = [rule for rule in contract.rules if rule.scope is not Scope.LAKE]
    counted = batch_counts(typed(session, silver(contract), accepted), contract, rules)
    rows = counted.toArrow().to_pylist()
    if aside:
        references = [reference.rule for reference in contract.references]
        rows += aside_counts(typed(session, struct(QUARANTINE), aside), references).toArrow().to_pylist()
    return tallies(rows, contract, rules)


def test_what_was_checked(session):
    """A value that is missing was not judged by rules on it; one that is there was, whatever it says."""
    rows = [
        {**GOOD, "order_id": "1", "payment_method": "paypal", "created_timestamp": "2025-01-15 09:00:00"},
        {**GOOD, "order_id": "2", "payment_method": "unknown", "_flags": ["payment_method_enumeration:che:que"]},
        {**GOOD, "order_id": "3"},
    ]
    found = count(session, ORDERS, rows)
    checked = {name: tally.checked for name, tally in found.items()}
    assert checked["ragged_row"] == checked["order_id_required"] == checked["duplicate_key"] == checked["unknown_customer"] == 3
    assert checked["order_amount_remarkable"] == 3
    assert checked["payment_method_enumeration"] == 2
    assert checked["created_timestamp_type"] == checked["order_outside_hours"] == 1
    assert (found["payment_method_enumeration"].failed, dict(found["payment_method_enumeration"].amounts)) == (
        1,
        {"EUR": Decimal("10.00")},
    )


def test_money_of_currencies_is_kept_apart(session):
    """Each currency has its own sum; a record without one, or with a text that is none, counts as unknown."""
    small = [{**GOOD, "order_id": str(n), "_flags": ["order_amount_remarkable"]} for n in range(4)]
    rows = [small[0], {**small[1], "currency": "USD", "order_amount": "0.50"}, {**small[2], "order_amount": "2.50"}]
    aside = [
        {"domain": "orders", "status": "open", "rules": ["order_amount_remarkable"], "currency": currency, "amount": "1.00"}
        for currency in ("EUR", None, "12 Some Street, Springfield")
    ]
    found = count(session, ORDERS, rows, aside)["order_amount_remarkable"]
    assert (found.checked, found.failed) == (6, 6)
    assert found.amounts == {"EUR": Decimal("13.50"), "USD": Decimal("0.50"), "unknown": Decimal("2.00")}


def test_records_that_were_set_aside_are_counted(session):
    """Open ones were checked by all rules but those they list; parked ones are in silver, and only what they broke is added."""
    accepted = [{**GOOD, "order_id": "1"}, {**GOOD, "order_id": "2", "order_amount": "4.00"}]
    base = {"domain": "orders", "status": "open", "currency": "EUR"}
    aside = [
        {**base, "rules": ["order_amount_type", "order_date_type"], "unchecked": ["order_amount_remarkable", "unknown_customer"]},
        {**base, "rules": ["order_date_type"], "amount": "10.00", "unchecked": ["unknown_customer"]},
        {**base, "status": "parked", "rules": ["unknown_customer"], "amount": "4.00"},
        {**base, "domain": "shipping", "rules": ["order_date_type"], "amount": "99.00"},
    ]
    found = count(session, ORDERS, accepted, aside[:3])
    told = {name: (tally.checked, tally.failed, dict(tally.amounts)) for name, tally in found.items()}
    assert told["order_date_type"] == (4, 2, {"EUR": Decimal("10.00")})
    assert told["order_amount_type"] == (4, 1, {})
    assert told["order_amount_remarkable"] == (3, 0, {})
    assert told["unknown_customer"] == (2, 1, {"EUR": Decimal("4.00")})


def test_records_of_other_domains_are_told_apart(session):
    """One count of the quarantine serves all domains."""
    from cartbrook.frames.counting import aside_counts
    from cartbrook.frames.schema import QUARANTINE, struct

    rows = [
        {"domain": name, "status": "open", "rules": ["duplicate_key"], "unchecked": []}
        for name in ("orders", "orders", "products")
    ]
    counted = aside_counts(typed(session, struct(QUARANTINE), rows), ["unknown_customer"]).toArrow().to_pylist()
    assert sorted((row["domain"], row["rule"], row["counts"]) for row in counted) == [
        ("orders", "#open", [2, 0]),
        ("orders", "duplicate_key", [0, 2]),
        ("products", "#open", [1, 0]),
        ("products", "duplicate_key", [0, 1]),
    ]


def test_a_filter_limits_what_is_checked(session):
    """Only records that fulfil it count; where it is NULL they do not."""
    contract = parsed(
        measure(name="small", expect="order_amount < 5", filter="order_status = 'completed'"),
        entry(metric="rowCount", name="done", mustBe=1, filter="order_status = 'completed'"),
        measure(name="turnover", aggregate="sum(order_amount)", mustBe=1, filter="order_status = 'completed'"),
    )
    rows: list[dict[str, Any]] = [
        {**GOOD, "order_id": "1", "order_status": "completed"},
        {**GOOD, "order_id": "2", "order_status": "pending"},
        {**GOOD, "order_id": "3", "order_status": None},
    ]
    found = count(session, contract, rows)
    assert found["small"].checked == 1
    assert (found["done"].measured, found["turnover"].measured) == ({None: Decimal(1)}, {None: Decimal(10)})


def test_what_a_batch_measures(session):
    """Aggregates over the accepted records; NULL where there is nothing to measure, 0 where nothing is counted."""
    rules = (
        entry(metric="rowCount", mustBe=1),
        measure(name="turnover", aggregate="sum(order_amount)", mustBe=1),
        measure(name="mean", aggregate="avg(order_amount)", mustBe=1),
        measure(name="ratio", aggregate="count_if(currency = 'EUR') / count(*)", mustBe=1),
        measure(name="fresh", freshness="order_date", mustBe=1),
        measure(name="recent", freshness="created_timestamp", mustBe=1, filter="currency = 'EUR'"),
    )
    names = ("row_count", "turnover", "mean", "ratio", "fresh", "recent")
    rows = [
        {**GOOD, "order_id": "1", "created_timestamp": "2025-01-17 23:59:59"},
        {**GOOD, "order_id": "2", "order_amount": "0.01", "order_date": "2025-01-18", "currency": "USD"},
        {**GOOD, "order_id": "3", "order_date": "2025-01-02"},
    ]
    found = count(session, parsed(*rules), rows)
    told = {name: str(found[name].measured[None]) for name in names}
    assert told == {
        "row_count": "3.000000",
        "turnover": "20.010000",
        "mean": "6.670000",
        "ratio": "0.666667",
        "fresh": "2.000000",
        "recent": "3.000000",
    }
    nothing = count(session, parsed(*rules), [])
    assert {name: nothing[name].measured[None] for name in names} == {**dict.fromkeys(names), "row_count": 0}
    assert nothing["order_amount_type"].checked == 0


def test_deletes_are_records_but_no_part_of_what_is_measured(session):
    """A delete has its key alone: rules on other columns that must be there say nothing of it, and sums leave it out."""
    contract = parsed(entry(metric="rowCount", mustBe=1), column=(entry(metric="nullValues", mustBe=0),))
    marked = dataclasses.replace(contract, delete=DeleteMark("payment_method", ("D",)))
    rows = [{**GOOD, "order_id": "1"}, {**SILVER, "order_id": "2", "_kind": "delete"}]
    found = count(session, marked, rows)
    assert found["row_count"].measured == {None: Decimal(1)}
    assert found["order_id_required"].checked == 2
    assert (
        found["order_amount_required"].checked == found["shipping_address_null"].checked == found["unknown_customer"].checked == 1
    )


def test_what_trailing_rules_compare(session):
    """A number for each batch that brought records, for the batch itself even without any, and one for a batch without."""
    from cartbrook.frames.counting import NO_RECORDS, tallies, trailing_counts
    from cartbrook.frames.schema import silver

    contract = parsed(
        measure(name="usual_count", trailing=5, mustBeBetween=[50, 200]),
        measure(name="usual_turnover", trailing=5, aggregate="sum(order_amount)", mustBeBetween=[50, 200]),
    )
    rules = [rule for rule in contract.rules if rule.check == "trailing"]
    rows = [{**GOOD, "order_id": str(n), "_batch_seq": str(seq)} for n, seq in enumerate([1, 1, 3])]
    counted = trailing_counts(typed(session, silver(contract), rows), rules, 4)
    found = tallies(counted.toArrow().to_pylist(), contract, rules)
    assert found["usual_count"].measured == {1: 2, 3: 1, 4: 0, NO_RECORDS: 0}
    assert found["usual_turnover"].measured == {1: 20, 3: 10, 4: None, NO_RECORDS: None}


def test_cross_table_rules_of_orders(session):
    """Rules on an order see its bound customer and product and its live shipments; NULL passes and was not checked."""
    from cartbrook.frames.contexts import order_context
    from cartbrook.frames.counting import lake_counts, tallies
    from cartbrook.frames.schema import dimension, fact

    base = {"customer_sk": "c", "product_sk": "p", "currency": "USD", "order_status": "pending", "order_amount": "120.00"}
    orders = [
        {**base, "order_id": "fine"},
        {**base, "order_id": "a cent off", "order_amount": "120.01"},
        {**base, "order_id": "two cents off", "order_amount": "120.02"},
        {**base, "order_id": "other currency", "order_amount": "9.00", "currency": "EUR"},
        {**base, "order_id": "sent", "order_status": "shipped"},
        {**base, "order_id": "not sent", "order_status": "delivered"},
        {**base, "order_id": "no status", "order_status": None},
        {**base, "order_id": "discontinued", "product_sk": "old", "order_amount": "50.00"},
    ]
    customers = [{"customer_id": "C1", "customer_sk": "c", "customer_tier": "premium"}]
    products = [
        {"product_id": "P1", "product_sk": "p", "price": "120.00", "currency": "USD", "discontinued": "false"},
        {"product_id": "P2", "product_sk": "old", "price": "50.00", "currency": "USD", "discontinued": "true"},
    ]
    shipping = [{"order_id": "sent", "shipping_id": number} for number in "12"]
    filtered = parsed(
        measure(name="filtered", expect="product.PRICE > 100", context=["product"], filter="order_status = 'pending'")
    )
    rules = filtered.rules_of(Scope.LAKE)
    context = order_context(
        typed(session, fact(ORDERS), orders),
        typed(session, dimension(CONTRACTS["customers"]), customers),
        typed(session, dimension(CONTRACTS["products"]), products),
        typed(session, fact(CONTRACTS["shipping"]), shipping),
        rules,
    )
    found = tallies(lake_counts(context, rules, filtered).toArrow().to_pylist(), filtered, rules)
    assert {name: (tally.checked, tally.failed, dict(tally.amounts)) for name, tally in found.items()} == {
        "order_product_discontinued": (8, 1, {"USD": Decimal("50.00")}),
        "order_without_shipment": (7, 1, {"USD": Decimal("120.00")}),
        "order_price_mismatch": (8, 1, {"USD": Decimal("120.02")}),
        "premium_order_small": (8, 2, {"USD": Decimal("50.00"), "EUR": Decimal("9.00")}),
        "filtered": (5, 1, {"USD": Decimal("50.00")}),
    }


def test_cross_table_rules_of_products_and_customers(session):
    """Stock is compared with the newest snapshot of each warehouse; a customer without orders is told."""
    from cartbrook.frames.contexts import customer_context, product_context
    from cartbrook.frames.counting import lake_counts, tallies
    from cartbrook.frames.schema import dimension, fact

    products, customers = CONTRACTS["products"], CONTRACTS["customers"]
    rows = [{"product_id": name, "stock_quantity": "5"} for name in ("fits", "differs", "nowhere")]
    stock = [
        {"product_id": "fits", "warehouse_id": "W1", "stock_quantity": "3", "batch_date": "2025-01-02"},
        {"product_id": "fits", "warehouse_id": "W1", "stock_quantity": "99", "batch_date": "2025-01-01"},
        {"product_id": "fits", "warehouse_id": "W2", "stock_quantity": "2", "batch_date": "2025-01-01"},
        {"product_id": "differs", "warehouse_id": "W1", "stock_quantity": "4", "batch_date": "2025-01-02"},
    ]
    context = product_context(typed(session, dimension(products), rows), typed(session, fact(CONTRACTS["inventory"]), stock))
    rules = products.rules_of(Scope.LAKE)
    found = tallies(lake_counts(context, rules, products).toArrow().to_pylist(), products, rules)
    assert {name: (tally.checked, tally.failed) for name, tally in found.items()} == {
        "product_without_inventory": (3, 1),
        "product_stock_mismatch": (3, 1),
    }
    people = typed(session, dimension(customers), [{"customer_id": "buys"}, {"customer_id": "looks"}])
    orders = typed(session, fact(ORDERS), [{"order_id": "1", "customer_id": "buys"}, {"order_id": "2", "customer_id": "buys"}])
    rules = customers.rules_of(Scope.LAKE)
    counted = lake_counts(customer_context(people, orders), rules, customers)
    found = tallies(counted.toArrow().to_pylist(), customers, rules)
    assert (found["customer_without_orders"].checked, found["customer_without_orders"].failed) == (2, 1)


@pytest.mark.parametrize("domain", CONTRACTS)
def test_the_built_in_rules_are_counted_in_one_plan(session, domain):
    """Each domain's counts are one frame, which `tallies` finds every rule in."""
    contract = CONTRACTS[domain]
    found = count(session, contract, [])
    assert set(found) == {rule.name for rule in contract.rules if rule.scope is not Scope.LAKE}
    assert {rule.name for rule in contract.rules_of(*LOCAL)} <= set(found)
