"""`cartbrook quality`: scores and rules of a batch, and the trend."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from tests.cli.conftest import run_command
from tests.unit.rule_texts import measure, with_rules

pytestmark = pytest.mark.engine("sail")


def test_a_batch(cartbrook, shop):
    """Scores by domain and by rule group, and every rule, the broken ones first, with what is at risk by currency."""
    report = cartbrook("quality", "TEA_2025_06_02", "-w", shop, "--json").json
    assert (report["batch_id"], report["status"], report["score"]) == ("tea_2025_06_02", "published", "99.38")
    assert {entry["domain"]: entry["score"] for entry in report["domains"]}["orders"] == "97.92"
    assert {entry["group"]: (entry["broken"], entry["failing"]) for entry in report["groups"]}["consistency"] == (1, 1)
    broken = [(rule["rule"], rule["rows_failed"], rule["rows_checked"], rule["share"]) for rule in report["rules"][:3]]
    assert broken == [
        ("order_amount_type", 1, 5, "20.00"),
        ("unknown_customer", 1, 4, "25.00"),
        ("customer_without_orders", 1, 3, "33.33"),
    ]
    assert report["rules"][1]["amounts_at_risk"] == {"EUR": "8.90"}
    assert not any(rule["rows_failed"] for rule in report["rules"][3:])


def test_scores_follow_from_the_rules(cartbrook, shop):
    """Each score can be computed from the rules that are listed: one formula for the batch, a domain and a group."""
    report = cartbrook("quality", "tea_2025_06_02", "-w", shop, "--json").json
    weights = {"CRITICAL": 10, "HIGH": 5, "MEDIUM": 2, "LOW": 1}

    def score(rules) -> str:
        known = [rule for rule in rules if rule["rows_checked"]]
        lost = sum(Decimal(weights[r["severity"]] * r["rows_failed"]) / r["rows_checked"] for r in known)
        return str(round(100 * (1 - lost / sum(weights[r["severity"]] for r in known)), 2))

    assert report["score"] == score(report["rules"])
    for entry in report["domains"]:
        assert entry["score"] == score(rule for rule in report["rules"] if rule["domain"] == entry["domain"])
    for entry in report["groups"]:
        assert entry["score"] == score(rule for rule in report["rules"] if rule["dimension"] == entry["group"])


def test_a_batch_for_people(cartbrook, shop):
    """Tables that read well; rules that nothing broke are counted, and listed with --all."""
    out = cartbrook("quality", "tea_2025_06_02", "-w", shop).out
    assert out.splitlines()[0] == "tea_2025_06_02: published, score 99.38"
    assert "orders.unknown_customer" in out
    assert "8.90 EUR" in out
    assert "and 91 pass (--all lists them)" in out
    everything = cartbrook("quality", "tea_2025_06_02", "--all", "-w", shop).out
    assert "orders.order_outside_hours" in everything
    assert "--all lists them" not in everything


def test_the_trend(cartbrook, shop):
    """Live batches by date, with the change of the score, the scores of their domains and what is set aside."""
    rows = cartbrook("quality", "-w", shop, "--json").json
    assert [(row["batch_id"], row["score"], row["change"], row["set_aside"]) for row in rows] == [
        ("tea_2025_06_02", "99.38", None, 1),
        ("tea_2025_06_03", "99.84", "0.46", 0),
    ]
    assert rows[0]["failing"] == ["orders.order_amount_type", "orders.unknown_customer"]
    lines = cartbrook("quality", "-w", shop).out.splitlines()
    assert (
        lines[0].split() == "batch date score change customers products orders shipping inventory set aside failing rules".split()
    )
    assert "+0.46" in lines[3]


def test_what_is_not_there(cartbrook, shop, tmp_path):
    """An unknown batch is told; a batch that was never counted has no score; an empty workspace has no trend."""
    ended = cartbrook("quality", "tea", "-w", shop)
    assert (ended.code, "There is no batch tea" in ended.err) == (1, True)
    held = cartbrook("quality", "tea_2025_06_04", "-w", shop)
    assert held.out.splitlines() == ["tea_2025_06_04: held, no score"]
    cartbrook("init", tmp_path / "empty")
    assert "no batch yet" in cartbrook("quality", "-w", tmp_path / "empty").out


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A workspace whose orders are measured: a batch with warnings, and one that is rejected."""
    from cartbrook.contracts.load import load_contracts
    from cartbrook.testing.delivery import Delivery, submit

    folder = tmp_path_factory.mktemp("strict") / "shop"
    assert run_command("init", folder).code == 0
    rules = (
        measure(name="turnover", aggregate="sum(order_amount)", mustBeGreaterThan=1000, unit="EUR"),
        measure("reject_batch", name="many", expect="order_amount < 15000", mustBeLessThan=60, unit="percent"),
    )
    (folder / "contracts" / "orders.odcs.yaml").write_text(with_rules(*rules), encoding="utf-8")
    base = {"customer_id": "C1", "product_id": "P1", "order_date": "2025-01-01", "order_status": "pending"}
    amounts = {1: [("20000.00", "EUR"), ("0.50", "USD")], 2: [("20000.00", "EUR")]}
    for day, pairs in amounts.items():
        orders = [{"order_id": f"{day}-{n}", "order_amount": a, "currency": c, **base} for n, (a, c) in enumerate(pairs)]
        submit(folder, Delivery(f"B{day}", dt.date(2025, 1, day), {"orders": orders}), load_contracts())
    return folder, run_command("run", "-w", folder)


def test_warnings_reach_the_person_who_ran_it(strict):
    """Keep-rules that failed are warnings of `run`; a rejected batch names the rule that it broke."""
    _, ended = strict
    first, second = ended.out.splitlines()[:2]
    assert first.startswith("B1: published")
    assert "(warning" not in first  # 20000.50 is more than 1000
    assert second.startswith("B2: rejected, broke orders.many")
    assert "quality B2" in second


def test_money_of_currencies_is_told_apart(cartbrook, strict):
    """Amounts at risk are never added across currencies."""
    folder, _ = strict
    out = cartbrook("quality", "B1", "-w", folder).out
    [line] = [line for line in out.splitlines() if line.startswith("orders.order_amount_remarkable")]
    assert line.endswith("20000.00 EUR, 0.50 USD")
    many = next(line for line in out.splitlines() if line.startswith("orders.many"))
    assert many.split()[-7:] == ["50", "less", "than", "60", "percent", "20000.00", "EUR"]


def test_a_rejected_batch_has_results(cartbrook, strict):
    """Its local rules were counted, the others were not; it is no part of the trend."""
    folder, _ = strict
    report = cartbrook("quality", "B2", "-w", folder, "--json").json
    assert (report["status"], report["rules"][0]["rule"], report["rules"][0]["status"]) == ("rejected", "many", "fail")
    assert {rule["status"] for rule in report["rules"] if rule["scope"] in ("lake", "reference")} == {"not_evaluated"}
    assert [row["batch_id"] for row in cartbrook("quality", "-w", folder, "--json").json] == ["B1"]
