"""What rules on a whole batch do: gates, thresholds, warnings, comparisons with other batches and tables."""

from __future__ import annotations

import dataclasses
import datetime as dt
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from deltalake import DeltaTable
from tests.unit.rule_texts import entry, measure, with_rules

from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts

CONTRACTS = load_contracts()
QUICK = {"stable_seconds": Decimal(0), "parallel": 2}
CUSTOMERS = [{"customer_id": f"C{n}", "created_timestamp": "2025-01-01 08:00:00"} for n in range(3)]
PRODUCTS = [{"product_id": "P1", "price": "10.00", "currency": "EUR", "discontinued": "false"}]


class Shop:
    """A workspace, what its runs said, and its tables as published."""

    def __init__(self, lake) -> None:
        self.lake = lake

    def run(self, day: int, orders: list[dict[str, str]], *, alone: bool = False, **more: list[dict[str, str]]):
        """Run a batch of orders, with customers and products unless they come alone; gives its outcome. Its id sorts by date."""
        from cartbrook import pipeline
        from cartbrook.testing.delivery import Delivery, submit

        rows = {**({} if alone else {"customers": CUSTOMERS, "products": PRODUCTS}), "orders": orders, **more}
        submit(self.lake.places.root, Delivery(f"B{day:02}", dt.date(2025, 1, day), rows), CONTRACTS)
        [outcome] = pipeline.run(self.lake)
        return outcome

    def set(self, **settings: Any) -> None:
        """Change settings for the batches to come."""
        self.lake.settings = dataclasses.replace(self.lake.settings, **settings)

    def table(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """Published rows with these values."""
        version = self.lake.ledger.newest().table_versions[name]
        path = str(self.lake.places.lake / name.replace(".", "/"))
        rows: list[dict[str, Any]] = DeltaTable(path, version=version).to_pyarrow_table().to_pylist()
        return [row for row in rows if all(row[key] == value for key, value in where.items())]

    def result(self, rule: str, batch: str = "B01") -> dict[str, Any]:
        """The result of one rule on orders."""
        [row] = self.table("ops.quality_results", rule=rule, batch_id=batch, domain="orders")
        return row


def order(key: object, **values: str) -> dict[str, str]:
    """A good order."""
    good = {"customer_id": "C1", "product_id": "P1", "order_date": "2025-01-01", "order_amount": "10.00", "currency": "EUR"}
    return {"order_id": str(key), **good, "order_status": "pending", "created_timestamp": "2025-01-01 09:00:00", **values}


@pytest.fixture
def shop(shelf, tmp_path, engine):
    """`shop(*rules, **settings)`: a workspace whose contract of orders has these rules, too."""
    from cartbrook import pipeline

    with ExitStack() as stack:

        def opened(*at_object, column=(), **settings) -> Shop:
            root = shelf(tmp_path / "shop")
            (root / "contracts" / "orders.odcs.yaml").write_text(with_rules(*at_object, column=column), encoding="utf-8")
            return Shop(stack.enter_context(pipeline.open_lake(root, Settings(**{**QUICK, **settings}), engine=engine)))

        yield opened


def test_every_rule_of_a_delivered_domain_has_a_row(shop):
    """Zeros included, with action and scope, also of rules that could not be evaluated; undelivered domains have none.

    Keep-rules that fail are warnings: they reach the person who ran the batch and ops.batches, beside what is odd about files;
    plain warnings do not. Of money at risk in several currencies there is no sum; the map tells each.
    """
    shop = shop(
        entry(metric="rowCount", mustBeGreaterThan=0),
        measure(name="turnover", aggregate="sum(order_amount)", mustBeGreaterThan=1000, unit="EUR"),
        measure(name="cheap", expect="order_amount > 10"),
        column=(entry(metric="nullValues", mustBeLessThan=50, unit="percent"),),
    )
    outcome = shop.run(1, [order(1), order(2)], products=[])
    assert outcome.status == "published"
    assert outcome.warnings == (
        "products_2025_01_01.csv holds no records",
        "orders.shipping_address_null failed: 100, must be less than 50 percent",
        "orders.turnover failed: 20, must be more than 1000 EUR",
    )
    [row] = shop.lake.ledger.batches("B01")
    assert row.warnings == outcome.warnings
    assert shop.lake.ledger.newest().batch_rows[0].warnings == outcome.warnings
    assert shop.result("cheap")["status"] == "warn"
    found = {(row["domain"], row["rule"]) for row in shop.table("ops.quality_results")}
    wanted = {(d, rule.name) for d in ("customers", "products", "orders") for rule in shop.lake.contracts[d].rules}
    assert found == wanted
    count = shop.result("row_count")
    assert (count["action"], count["scope"], count["status"], count["measured"]) == ("keep", "batch", "pass", Decimal(2))
    assert (count["rows_checked"], count["rows_failed"], count["expected"]) == (1, 0, "more than 0 rows")
    assert (count["amount_at_risk"], count["currency"], count["amounts_at_risk"]) == (Decimal(0), None, [])
    shipped = shop.result("order_without_shipment")
    assert (shipped["status"], shipped["rows_checked"], shipped["measured"]) == ("not_evaluated", 0, None)

    orders = [order(3, order_amount="20000"), order(4, order_amount="0.50", currency="USD"), order(5, order_amount="0.25")]
    shop.run(2, [*orders, order(6, customer_id="C9")])
    row = shop.result("order_amount_remarkable", "B02")
    assert (row["rows_checked"], row["rows_failed"], row["amount_at_risk"], row["currency"]) == (4, 3, None, None)
    assert dict(row["amounts_at_risk"]) == {"EUR": Decimal("20000.25"), "USD": Decimal("0.50")}
    parked = shop.result("unknown_customer", "B02")
    assert (parked["amount_at_risk"], parked["currency"], parked["scope"]) == (Decimal("10.00"), "EUR", "reference")


def test_a_domain_that_came_without_a_record_is_missing(shop):
    """A file with nothing but a header brings no input: what looks at its domain is not evaluated, never passed or broken.

    The greatest amount of no order is unknown, too, and rejects nothing.
    """
    joined = "FROM ${object} o JOIN gold.dim_customer c ON c.customer_id = o.customer_id"
    largest = entry(
        "reject_batch", type="sql", name="largest", query="SELECT max(order_amount) FROM ${object}", mustBeLessThan=99
    )
    shop = shop(entry(type="sql", name="known", query=f"SELECT count(*) {joined}", mustBe=0), largest)
    assert shop.run(1, [order(1)], customers=[]).status == "published"
    assert (shop.result("known")["status"], shop.result("largest")["status"]) == ("not_evaluated", "pass")
    assert shop.run(2, [], shipping=[]).status == "published"
    assert shop.result("largest", "B02")["status"] == "not_evaluated"
    [row] = shop.table("ops.quality_results", rule="customer_without_orders", batch_id="B02")
    assert row["status"] == "warn"  # the order of the first batch is one, of one customer
    assert (row["rows_checked"], row["rows_failed"]) == (3, 2)


SMALL = measure("reject_batch", name="small", expect="order_amount >= 5", mustBeLessThan=50, unit="percent")


def test_a_batch_is_rejected_at_the_threshold(shop):
    """One of three below 5 is let through, and its record stays; two of four are half, and the batch is rejected."""
    shop = shop(SMALL, entry(metric="rowCount", mustBeGreaterThan=0))
    assert shop.run(1, [order(1, order_amount="2"), order(2), order(3)]).status == "published"
    assert len(shop.table("gold.fact_orders")) == 3
    assert (shop.result("small")["status"], shop.result("small")["rows_failed"]) == ("pass", 1)
    outcome = shop.run(2, [order(4, order_amount="2"), order(5, order_amount="2"), order(6), order(7)])
    assert (outcome.status, "broke orders.small" in outcome.message) == ("rejected", True)
    assert len(shop.table("gold.fact_orders")) == 3
    told = shop.result("small", "B02")
    assert (told["status"], told["measured"], told["expected"]) == ("fail", Decimal(50), "less than 50 percent")
    assert shop.result("row_count", "B02")["status"] == "pass"
    assert shop.result("order_price_mismatch", "B02")["status"] == "not_evaluated"
    assert shop.table("ops.quarantine", batch_id="B02") == []
    rules = [rule for d in ("customers", "products", "orders") for rule in shop.lake.contracts[d].rules]
    assert len(shop.table("ops.quality_results", batch_id="B02")) == len(rules)


STRICT = (
    entry("reject_batch", metric="rowCount", name="count", mustBeGreaterThan=2),
    measure("reject_batch", name="sum", aggregate="sum(order_amount)", mustBeGreaterThan=20),
    measure("reject_batch", name="freshness", freshness="order_date", mustBeLessOrEqualTo=0, filter="order_id <> '1'"),
    entry("reject_batch", type="sql", name="query", query="SELECT max(order_amount) FROM ${object}", mustBeGreaterThan=10),
    entry(
        "reject_batch",
        metric="duplicateValues",
        name="uniqueness",
        mustBe=0,
        arguments={"properties": ["customer_id", "currency"]},
    ),
)


def test_numbers_that_reject(shop, monkeypatch):
    """A number of the batch that is not as it must be rejects it, whatever its kind, from the first batch on.

    Where the engine fails over the rules it is told of which domain.
    """
    shop = shop(*STRICT)
    outcome = shop.run(2, [order(1), order(2)])
    names = ("count", "sum", "freshness", "query", "uniqueness")
    assert outcome.status == "rejected"
    assert {name for name in names if f"orders.{name}" in outcome.message} == set(names)
    assert {name: shop.result(name, "B02")["status"] for name in names} == dict.fromkeys(names, "fail")
    monkeypatch.setattr("cartbrook.frames.counting.batch_counts", lambda *_: 1 / 0)
    outcome = shop.run(3, [order(1)], alone=True)
    assert (outcome.status, "ZeroDivisionError, rules of orders (run with --debug" in outcome.message) == ("failed", True)


def test_the_score_gate_asks_local_rules_only(shop):
    """A batch whose cross-table rules are broken passes a gate that its own rules pass; below it is rejected with its score.

    Below `score_warning` a batch is published all the same, and told; that asks local rules only, too.
    """
    limit = Decimal("99.5")
    shop = shop(score_gate=limit, score_warning=limit)
    assert shop.run(1, [order(1, order_amount="11")]).warnings == ()  # a price mismatch
    assert Decimal(shop.lake.ledger.batches("B01")[0].score) < limit
    outcome = shop.run(2, [order(2, order_amount="-1"), order(3)])
    [row] = shop.lake.ledger.batches("B02")
    assert (outcome.status, row.status) == ("rejected", "rejected")
    assert f"its score {row.score} is below the gate 99.5" in outcome.message
    shop.set(score_gate=None)
    outcome = shop.run(3, [order(2, order_amount="-1"), order(3)])
    [warning] = outcome.warnings
    assert (outcome.status, warning.endswith("is below score_warning 99.5")) == ("published", True)


def test_the_quarantine_gate(shop):
    """2 of 10 records quarantined are a share of 0.2, which is not above 0.2."""
    shop = shop()
    orders = [order(n, **({"order_amount": "-1"} if n < 2 else {})) for n in range(6)]
    for gate in ("0", "0.19"):
        shop.set(quarantine_gate=Decimal(gate))
        outcome = shop.run(1, orders)
        assert outcome.status == "rejected"
        assert f"2 of 10 records are quarantined, more than the share {gate} of quarantine_gate" in outcome.message
    shop.set(quarantine_gate=Decimal("0.2"))
    assert shop.run(1, orders).status == "published"


def test_weights_from_settings(shop):
    """Where HIGH and LOW have no weight, an amount below 0 and customers without orders cost nothing."""
    shop = shop(severity_weights={"CRITICAL": Decimal(1), "HIGH": Decimal(0), "MEDIUM": Decimal(1), "LOW": Decimal(0)})
    assert shop.run(1, [order(1, order_amount="-1"), order(2)]).score == "100.00"


USUAL = (
    measure(name="usual", trailing=3, mustBeBetween=[50, 200], warn={"mustBeBetween": [80, 120]}),
    measure(name="usual_turnover", trailing=5, aggregate="sum(order_amount)", mustBeBetween=[50, 200]),
)


def test_batches_are_compared_with_those_before_them(shop):
    """By date, whatever the order of arrival; three before it are enough, and only the nearest N count."""
    shop = shop(*USUAL)
    for day, count in {1: 40, 5: 4, 6: 4, 7: 4}.items():
        shop.run(day, [order(f"{day}-{n}") for n in range(count)], alone=day > 1)
    assert {day: shop.result("usual", f"B0{day}")["status"] for day in (1, 5, 6)} == dict.fromkeys((1, 5, 6), "not_evaluated")
    seventh = shop.result("usual", "B07")
    assert (seventh["status"], seventh["measured"]) == ("fail", Decimal(25))  # of a mean of 16
    eighth = shop.run(8, [order(f"8-{n}") for n in range(5)], alone=True)
    assert (shop.result("usual", "B08")["measured"], shop.result("usual", "B08")["status"]) == (Decimal(125), "warn")
    turnover = shop.result("usual_turnover", "B08")
    assert (turnover["status"], turnover["measured"]) == ("fail", Decimal("38.461538"))  # of a mean of 13 orders
    assert eighth.warnings == ("orders.usual_turnover failed: 38.461538, must be between 50 and 200 percent",)
    shop.run(4, [order("4-1")], alone=True)  # late: only the first day is before it
    assert shop.result("usual", "B04")["status"] == "not_evaluated"


def test_batches_without_the_domain_are_not_compared(shop):
    """What did not deliver orders is no batch of orders; one that delivered a file without records is."""
    from cartbrook import pipeline
    from cartbrook.testing.delivery import Delivery, submit

    shop = shop(*USUAL)
    for day, count in {1: 4, 2: 4, 3: 0}.items():
        shop.run(day, [order(f"{day}-{n}") for n in range(count)], alone=day > 1)
    submit(shop.lake.places.root, Delivery("B04", dt.date(2025, 1, 4), {"customers": CUSTOMERS}), CONTRACTS)
    pipeline.run(shop.lake)
    assert shop.table("ops.quality_results", batch_id="B04", domain="orders") == []
    shop.run(5, [order(f"5-{n}") for n in range(4)], alone=True)
    found = shop.result("usual", "B05")
    assert (found["status"], found["measured"]) == ("warn", Decimal(150))
    assert shop.result("usual_turnover", "B05")["status"] == "not_evaluated"  # no sum on the third day: two are left


JOINED = "SELECT count(*) FROM ${object} o LEFT JOIN gold.dim_customer c ON c.customer_id = o.customer_id AND c.is_current "
CROSS = (
    entry(type="sql", name="no_tier", query=f"{JOINED} WHERE c.customer_tier IS NULL", mustBe=0),
    entry(
        type="sql",
        name="seen_before",
        query="SELECT 100 * count_if(s.order_id IS NOT NULL) / count(*) FROM ${object} o LEFT JOIN silver.orders s "
        "ON s.order_id = o.order_id AND s.batch_date < o.batch_date",
        mustBeLessThan=50,
        unit="percent",
    ),
    entry(
        type="sql",
        name="shipped",
        query="SELECT count(*) FROM ${object} o JOIN gold.fact_shipping s ON s.order_id = o.order_id",
        mustBeGreaterThan=0,
    ),
)


def test_queries_on_other_tables(shop):
    """They see gold as the batch leaves it and all live records; without any record of a domain they are not evaluated."""
    shop = shop(*CROSS)
    shop.run(1, [order(1), order(2)])
    told = {name: (shop.result(name)["status"], shop.result(name)["scope"]) for name in ("no_tier", "seen_before", "shipped")}
    assert told == {"no_tier": ("fail", "lake"), "seen_before": ("pass", "lake"), "shipped": ("not_evaluated", "lake")}
    assert shop.result("no_tier")["measured"] == Decimal(2)  # the customers are delivered without a tier
    gold = [{**row, "customer_tier": "gold"} for row in CUSTOMERS]
    shop.run(
        2, [order(2), order(3), order(4)], customers=gold, shipping=[{"order_id": "3", "shipping_id": "S1", "currency": "EUR"}]
    )
    again = {name: (shop.result(name, "B02")["status"], shop.result(name, "B02")["measured"]) for name in told}
    assert again == {
        "no_tier": ("pass", Decimal(0)),
        "seen_before": ("pass", Decimal("33.333333")),
        "shipped": ("pass", Decimal(1)),
    }


def test_a_step_alone_counts_the_same(shop):
    """Validated and counted as tasks of a job, a batch has the same results."""
    from cartbrook import pipeline
    from cartbrook.testing.delivery import Delivery, submit

    rules = (measure(name="turnover", aggregate="sum(order_amount)", mustBeGreaterThan=1000), *CROSS)
    shop = shop(*rules)
    rows = {"customers": CUSTOMERS, "products": PRODUCTS, "orders": [order(1), order(2, order_amount="x")]}
    submit(shop.lake.places.root, Delivery("B01", dt.date(2025, 1, 1), rows), CONTRACTS)
    for step in ("receive", *pipeline.STORY):
        pipeline.run_step(shop.lake, "B01", step)
    assert shop.result("turnover")["status"] == "fail"
    assert shop.result("order_amount_type")["rows_failed"] == 1
    assert shop.lake.ledger.batches("B01")[0].warnings == (
        "orders.turnover failed: 10, must be more than 1000",
        "orders.no_tier failed: 1, must be 0",
    )
