"""Facts: parents resolved, one winner for each key, and what an order derives."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from tests.frames.inline import typed

from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.model import Column, DeleteMark

CONTRACTS = load_contracts()
PLACES = {
    "customers": [{"customer_id": "C1", "customer_sk": "c1", "effective_date": "2025-01-01", "version": "1"}],
    "products": [
        {"product_id": "P1", "product_sk": "p1v1", "category": "Toys", "price": "10", "effective_date": "2025-01-01",
         "expiry_date": "2025-02-01", "version": "1"},
        {"product_id": "P1", "product_sk": "p1v2", "category": "Games", "price": "12", "effective_date": "2025-02-01",
         "version": "2"},
    ],
    "orders": [{"order_id": "O1"}],
}  # fmt: skip
ORDER = {
    "customer_id": "C1",
    "product_id": "P1",
    "order_date": "2025-01-15",
    "order_amount": "100.00",
    "currency": "USD",
    "order_status": "completed",
    "created_timestamp": "2025-01-15 09:00:00",
    "_kind": "upsert",
    "_batch_id": "B1",
    "_batch_date": "2025-01-15",
    "_effective_time": "2025-01-15 00:00:00",
    "_record_hash": "h",
}


@pytest.fixture
def build(session):
    """`facts` of inline records by key, and the rules that the others break by record id."""

    def run(domain, rows, *, contracts=CONTRACTS, parents=PLACES, hemisphere="north", rate="0.30", rates=None):
        from cartbrook.frames.facts import FactSettings, facts, resolve
        from cartbrook.frames.schema import dimension, fact, fact_key, silver

        contract = contracts[domain]
        made = {"customers": dimension, "products": dimension, "orders": fact}
        tables = {name: typed(session, make(contracts[name]), parents[name]) for name, make in made.items()}
        named = [{"_record_id": f"r{number}", **row} for number, row in enumerate(rows)]
        resolved = resolve(typed(session, silver(contract), named), contract, tables, contracts)
        missing = {row["_record_id"]: row["_missing"] for row in resolved.select("_record_id", "_missing").toArrow().to_pylist()}
        assert len(missing) == len(rows)
        settings = FactSettings(hemisphere, Decimal(rate), rates or {})
        found = facts(resolved, contract, contracts, settings)
        assert found.columns == fact(contract).names
        by_key = {tuple(str(row[name]) for name in fact_key(contract)): row for row in found.toArrow().to_pylist()}
        return by_key, {record: rules for record, rules in missing.items() if rules}

    return run


def order(**values):
    """An order that resolves, with some other values."""
    return {**ORDER, "order_id": "O1", **values}


def test_an_order_carries_its_versions(build):
    """An order is bound to the versions of its day, with the category of that version."""
    found, missing = build("orders", [order(), order(order_id="O2", order_date="2025-02-01")])
    assert missing == {}
    assert (found["O1",]["customer_sk"], found["O1",]["product_sk"], found["O1",]["category"]) == ("c1", "p1v1", "Toys")
    assert (found["O2",]["product_sk"], found["O2",]["category"]) == ("p1v2", "Games")
    assert (found["O1",]["batch_id"], found["O1",]["record_id"]) == ("B1", "r0")


def test_unknown_parents_are_named_and_make_no_fact(build):
    """A record names every reference it misses, and is in no fact."""
    found, missing = build("orders", [order(customer_id="C9", product_id="P9"), order(order_id="O2", product_id="P9")])
    assert found == {}
    assert missing == {"r0": ["unknown_customer", "unknown_product"], "r1": ["unknown_product"]}


def test_an_unresolved_newer_record_does_not_win(build):
    """An older record that resolves stays the fact until the parent of the newer one comes."""
    newer = order(product_id="P9", order_amount="7.00", _effective_time="2025-01-16 00:00:00")
    found, missing = build("orders", [order(), newer])
    assert found["O1",]["order_amount"] == Decimal("100.00")
    assert missing == {"r1": ["unknown_product"]}


def test_the_greatest_record_is_the_fact_as_a_whole(build):
    """Nothing of an outranked record is mixed in, not even where the winner is empty."""
    newer = order(order_amount="7.00", order_status=None, _effective_time="2025-01-16 00:00:00", _batch_id="B2")
    for rows in ([order(), newer], [newer, order()]):
        found, _ = build("orders", rows)
        row = found["O1",]
        assert (row["order_amount"], row["order_status"], row["batch_id"]) == (Decimal("7.00"), None, "B2")


def test_a_winning_delete_removes_the_fact(build):
    """A delete needs no parents; it wins over what is older and loses to what is newer."""
    orders = CONTRACTS["orders"]
    marked = dataclasses.replace(orders, columns=(*orders.columns, Column("op", "string")), delete=DeleteMark("op", ("D",)))
    contracts = {**CONTRACTS, "orders": marked}
    gone = order(customer_id=None, product_id=None, order_date=None, _kind="delete", _effective_time="2025-01-16 00:00:00")
    assert build("orders", [order(), gone], contracts=contracts) == ({}, {})
    later = order(_effective_time="2025-01-17 00:00:00")
    found, _ = build("orders", [order(), gone, later], contracts=contracts)
    assert found["O1",]["record_id"] == "r2"


STATUSES: dict[str | None, bool] = {
    **dict.fromkeys(("pending", "confirmed", "processing", "shipped", "delivered", "completed"), True),
    **dict.fromkeys(("cancelled", "returned", "refunded", "failed", "unknown", None), False),
}


def test_what_is_revenue(build):
    """Six statuses are revenue; the others, unknown and an empty one are not, and have no margin."""
    found, _ = build("orders", [order(order_id=str(status), order_status=status) for status in STATUSES])
    assert {key[0]: row["is_revenue"] for key, row in found.items()} == {str(status): due for status, due in STATUSES.items()}
    for row in found.values():
        assert (row["margin"] is not None, row["margin_source"] is not None) == (row["is_revenue"], row["is_revenue"])


def test_margin_sources(build):
    """Margin comes from the bound version's cost times units, else from the category's rate, else from the default rate."""
    found, _ = build("orders", [order(), order(order_id="O2", order_date="2025-02-01")], rates={"Games": Decimal("0.5")})
    assert (found["O1",]["margin"], found["O1",]["margin_source"]) == (Decimal("30.0000"), "default_rate")
    assert (found["O2",]["margin"], found["O2",]["margin_source"]) == (Decimal("50.0000"), "category_rate")

    products, orders = CONTRACTS["products"], CONTRACTS["orders"]
    costed = {
        **CONTRACTS,
        "products": dataclasses.replace(products, columns=(*products.columns, Column("cost", "decimal(12,2)"))),
    }
    first = {**PLACES["products"][0], "cost": "33.33", "currency": "USD"}
    parents = {**PLACES, "products": [first, PLACES["products"][1]]}
    rows = [order(quantity="2"), order(order_id="O2", order_date="2025-02-01", quantity="2")]
    found, _ = build("orders", rows, contracts=costed, parents=parents)
    assert (found["O1",]["margin"], found["O1",]["margin_source"]) == (Decimal("66.6700"), "cost")  # a single unit
    assert found["O2",]["margin_source"] == "default_rate"  # that version knows no cost
    counted = {**costed, "orders": dataclasses.replace(orders, columns=(*orders.columns, Column("quantity", "integer")))}
    found, _ = build("orders", rows, contracts=counted, parents=parents)
    assert (found["O1",]["margin"], found["O1",]["margin_source"]) == (Decimal("33.3400"), "cost")


COSTED = {
    **CONTRACTS,
    "products": dataclasses.replace(
        CONTRACTS["products"], columns=(*CONTRACTS["products"].columns, Column("cost", "decimal(12,2)"))
    ),
    "orders": dataclasses.replace(
        CONTRACTS["orders"], columns=(*CONTRACTS["orders"].columns, Column("quantity", "integer"))
    ),
}  # fmt: skip
COSTS = {
    "same currency": ("USD", "2", "80.0000", "cost"),
    "another currency": ("JPY", "2", "30.0000", "default_rate"),
    "no currency": (None, "2", "30.0000", "default_rate"),
    "unknown units": ("USD", None, "30.0000", "default_rate"),
}


@pytest.mark.parametrize("case", COSTS)
def test_a_cost_counts_in_the_currency_of_the_order_and_for_known_units(build, case):
    """Money of two currencies is never subtracted, and unknown units are not NULL margin: the rate applies."""
    currency, units, margin, source = COSTS[case]
    parents = {**PLACES, "products": [{**PLACES["products"][0], "cost": "10", "currency": currency}]}
    found, _ = build("orders", [order(quantity=units)], contracts=COSTED, parents=parents)
    assert (found["O1",]["margin"], found["O1",]["margin_source"]) == (Decimal(margin), source)


def test_rates_of_200_categories(build):
    """Any number of categories may have a rate."""
    rates = {f"c{number:03}": Decimal("0.1") for number in range(199)} | {"Games": Decimal("0.5")}
    found, _ = build("orders", [order(), order(order_id="O2", order_date="2025-02-01")], rates=rates)
    assert (found["O1",]["margin"], found["O1",]["margin_source"]) == (Decimal("30.0000"), "default_rate")
    assert (found["O2",]["margin"], found["O2",]["margin_source"]) == (Decimal("50.0000"), "category_rate")


def test_small_margins_keep_four_digits(build):
    """A margin is rounded once, in a mart: the fact keeps four digits."""
    found, _ = build("orders", [order(order_amount="0.01")], rate="0.3333")
    assert found["O1",]["margin"] == Decimal("0.0033")


SEASONS = ("Winter", "Winter", *("Spring",) * 3, *("Summer",) * 3, *("Fall",) * 3, "Winter")


@pytest.mark.parametrize(("hemisphere", "shift"), [("north", 0), ("south", 6)])
def test_seasons(session, hemisphere, shift):
    """Seasons begin with December, March, June and September; the south is six months apart."""
    from cartbrook.frames.facts import season

    months = session.createDataFrame(pa.table({"m": list(range(1, 13))}))
    found = {row["m"]: row["s"] for row in months.select("m", season(F.col("m"), hemisphere).alias("s")).toArrow().to_pylist()}
    assert found == {month: SEASONS[(month - 1 + shift) % 12] for month in range(1, 13)}


def test_days_of_the_week(build):
    """Days are numbered as ISO does, Monday 1 to Sunday 7; the last two are the weekend."""
    found, _ = build("orders", [order(order_id=str(day), order_date=f"2025-01-{day:02}") for day in range(13, 20)])
    assert [found[str(day),]["day_of_week"] for day in range(13, 20)] == [1, 2, 3, 4, 5, 6, 7]
    assert [found[str(day),]["is_weekend"] for day in range(13, 20)] == [False] * 5 + [True] * 2


TIMES = {
    "00:00:00": "Early Morning",
    "05:59:59": "Early Morning",
    "06:00:00": "Morning",
    "11:59:59": "Morning",
    "12:00:00": "Afternoon",
    "17:59:59": "Afternoon",
    "18:00:00": "Evening",
    "23:59:59": "Evening",
    None: None,
}


def test_times_of_day(build):
    """The hour of creation decides: before 6, 12, 18, and after; none without a time."""
    rows = [order(order_id=str(time), created_timestamp=time and f"2025-01-15 {time}") for time in TIMES]
    found, _ = build("orders", rows)
    assert {key[0]: row["time_of_day"] for key, row in found.items()} == {str(time): name for time, name in TIMES.items()}


def test_stock_is_kept_by_day_and_bound_at_its_batch(build):
    """Inventory has one row for each product, warehouse and batch date, bound at that date."""
    base = {"product_id": "P1", "warehouse_id": "W1", "_kind": "upsert", "_record_hash": "h"}
    days = [{**base, "_batch_date": day, "_effective_time": day, "_batch_id": day} for day in ("2025-01-15", "2025-02-15")]
    again = {**days[1], "_batch_id": "z", "stock_quantity": "9"}
    found, missing = build("inventory", [*days, again, {**days[0], "product_id": "P9"}])
    assert {key: row["product_sk"] for key, row in found.items()} == {
        ("P1", "W1", "2025-01-15"): "p1v1",
        ("P1", "W1", "2025-02-15"): "p1v2",
    }
    assert found["P1", "W1", "2025-02-15"]["stock_quantity"] == 9
    assert missing == {"r3": ["unknown_product"]}


def test_shipments_wait_for_their_order(build):
    """A shipment resolves where fact_orders holds its order, once, however many shipments there are."""
    base = {"_kind": "upsert", "_record_hash": "h", "_batch_id": "B1", "_effective_time": "2025-01-15"}
    rows = [{**base, "order_id": "O1", "shipping_id": ship} for ship in ("S1", "S2")]
    found, missing = build("shipping", [*rows, {**base, "order_id": "O9", "shipping_id": "S1"}])
    assert sorted(found) == [("O1", "S1"), ("O1", "S2")]
    assert missing == {"r2": ["unknown_order"]}
