"""Decisions of people on records that were set aside: what they change, and that nothing loses one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from decimal import Decimal

import pytest
from tests.property.conftest import require_proved
from tests.property.shops import batch, customer, order, product, shipment

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.contracts import conditions
from cartbrook.errors import DecisionRefused
from cartbrook.testing import RAGGED, content, differences, submit
from cartbrook.types import Decision

pytestmark = pytest.mark.slow

SETTINGS = Settings(stable_seconds=Decimal(0))
FAMILY = batch(1, 10, customers=[customer(), customer("c2")], products=[product()])
BAD = {**order("o2"), "order_amount": "abc"}
ORDERS = batch(
    2, 11, orders=[order(), BAD, {**order("o3", customer_id="c9"), "order_amount": "7.00"}, {**order("o4"), RAGGED: "x"}]
)


@pytest.fixture
def lake(engine, shelf, tmp_path):
    """A lake with a family, and a batch of a good order, one whose amount cannot be read, one that waits, one that is ragged."""
    with pipeline.open_lake(shelf(tmp_path / "shop", FAMILY, ORDERS), SETTINGS, engine=engine) as opened:
        yield opened


def deliver(lake, *batches) -> None:
    """Hand batches in and run them."""
    for each in batches:
        submit(lake.places.root, each, lake.contracts)
    outcomes = pipeline.run(lake)
    assert [outcome.status for outcome in outcomes] == ["published"] * len(batches), outcomes


def rows(lake, name):
    """The published rows of a table."""
    return lake.tables.arrow(name, lake.ledger.newest().table_versions[name]).to_pylist()


def aside(lake):
    """Rows of ops.quarantine by line."""
    return {row["source_line"]: row for row in rows(lake, "ops.quarantine")}


def states(lake) -> dict[int, str]:
    """Status by line."""
    return {line: row["status"] for line, row in sorted(aside(lake).items())}


def fix(lake, line: int, **edited: str):
    """Fix the record of a line: its text as delivered, with some columns edited."""
    row = aside(lake)[line]
    text = json.loads(row["edited"] or row["record"])
    text = {name: value for name, value in text.items() if name in lake.contracts[row["domain"]].names}
    [decided] = pipeline.decide(lake, [Decision(row["quarantine_id"], "fix", {**text, **edited})])
    return decided


def take(lake, kind: str, *lines: int):
    """Take one decision on the records of some lines."""
    ids = [aside(lake)[line]["quarantine_id"] for line in lines]
    return pipeline.decide(lake, [Decision(id_, kind) for id_ in ids])


def amounts(lake) -> dict[str, tuple[Decimal, str]]:
    """Amount and batch of the published orders."""
    return {row["order_id"]: (row["order_amount"], row["batch_id"]) for row in rows(lake, "gold.fact_orders")}


def test_a_fix_reaches_gold_under_its_own_batch(lake):
    """A fixed record becomes a fact of the batch that delivered it, the books say corrected, and the publication is one.

    A misspelt customer is put right, and the order waits no longer; a line that was no record becomes one column by column.
    """
    before = lake.ledger.newest()
    decided = fix(lake, 3, order_amount="8.00")
    newest = lake.ledger.newest()
    assert (decided.before, decided.after, decided.batch_id) == ("open", "corrected", "b2")
    assert amounts(lake)["o2"] == (Decimal("8.00"), "b2")
    assert (newest.publish_seq, newest.cause, newest.batch_id, newest.as_of) == (
        before.publish_seq + 1,
        "decision",
        "b2",
        before.as_of,
    )
    row = aside(lake)[3]
    assert json.loads(row["record"])["order_amount"] == "abc"
    assert (row["rules"], row["status"], row["decision"]) == (["order_amount_type"], "corrected", "fix")
    [published] = lake.ledger.batches("b2")
    counts = (published.rows_accepted, published.rows_corrected, published.rows_quarantined, published.rows_parked)
    assert counts == (1, 1, 1, 1)
    decided = fix(lake, 4, customer_id="c2")
    assert (decided.before, decided.after) == ("parked", "corrected")
    assert [row["customer_id"] for row in rows(lake, "gold.fact_orders") if row["order_id"] == "o3"] == ["c2"]
    assert fix(lake, 5, **order("o4")).after == "corrected"
    assert sorted(amounts(lake)) == ["o1", "o2", "o3", "o4"]
    require_proved(lake)


def test_a_fix_that_is_not_enough(lake):
    """A record that breaks a rule after the fix stays, with the new reason, and can be fixed again."""
    decided = fix(lake, 3, order_amount="-8.00")
    broken = ("order_amount_not_positive", "order_amount_remarkable")
    assert (decided.after, decided.rules) == ("open", broken)
    row = aside(lake)[3]
    assert (tuple(row["rules"]), json.loads(row["edited"])["order_amount"]) == (broken, "-8.00")
    assert fix(lake, 3, order_amount="8.00").after == "corrected"
    assert fix(lake, 3, order_amount="9.00").after == "corrected"
    assert amounts(lake)["o2"][0] == Decimal("9.00")
    require_proved(lake)


def test_a_fix_may_make_it_wait(lake):
    """A fixed record whose customer is unknown is parked, and corrected once the customer comes; with nothing left of waiting."""
    decided = fix(lake, 3, order_amount="8.00", customer_id="c8")
    assert (decided.after, decided.rules) == ("parked", ("order_amount_type", "unknown_customer"))
    deliver(lake, batch(3, 12, customers=[customer("c8")]))
    waited = aside(lake)[3]
    assert waited["status"] == "corrected"
    pipeline.undo(lake, "b3")
    assert states(lake)[3] == "parked"
    deliver(lake, batch(3, 12, customers=[customer("c8")]))
    pipeline.decide(lake, [Decision(waited["quarantine_id"], "revoke")])
    fix(lake, 3, order_amount="8.00", customer_id="c8")
    again = aside(lake)[3]
    assert {**again, "resolved_by": None} == {**waited, "resolved_by": None}
    require_proved(lake)


def test_discard_and_revoke(lake):
    """A discarded record counts for nothing but the books, is never released, and comes back by revoking."""
    decided = take(lake, "discard", 3, 4)
    assert [each.after for each in decided] == ["discarded", "discarded"]
    deliver(lake, batch(3, 12, customers=[customer("c9")]))
    assert states(lake) == {3: "discarded", 4: "discarded", 5: "open"}
    assert sorted(amounts(lake)) == ["o1"]
    decided = take(lake, "revoke", 3, 4)
    assert [each.after for each in decided] == ["open", "accepted"]
    assert sorted(amounts(lake)) == ["o1", "o3"]
    require_proved(lake)


def test_decisions_survive_undo_and_redelivery(lake):
    """An undone batch takes its records along; delivered again, the decisions on them are still in force.

    While it is undone a record cannot be fixed, but what was decided can be revoked, and is not there afterwards.
    """
    id_ = aside(lake)[3]["quarantine_id"]
    fix(lake, 3, order_amount="8.00")
    take(lake, "discard", 5)
    before = content(lake)
    pipeline.undo(lake, "b2")
    assert states(lake) == {}
    with pytest.raises(DecisionRefused, match="no live batch holds it"):
        pipeline.decide(lake, [Decision(id_, "fix", {})])
    deliver(lake, ORDERS)
    assert differences(before, content(lake)) == []
    pipeline.rebuild(lake, from_bronze=True)
    assert differences(before, content(lake)) == []
    pipeline.undo(lake, "b2")
    [decided] = pipeline.decide(lake, [Decision(id_, "revoke")])
    assert (decided.before, decided.after) == (None, None)
    deliver(lake, ORDERS)
    assert states(lake) == {3: "open", 4: "parked", 5: "discarded"}
    require_proved(lake)


def test_losers_of_a_conflict_and_their_copies(lake):
    """The loser of a conflict stays out until it is fixed; its copies stay duplicates, and each record is counted once."""
    conflict = batch(
        3, 12, orders=[order("o7"), {**order("o7"), "order_amount": "11.00"}, {**order("o7"), "order_amount": "11.00"}]
    )
    deliver(lake, conflict)
    [loser] = [row for row in rows(lake, "ops.quarantine") if row["batch_id"] == "b3"]
    assert loser["rules"] == ["duplicate_key"]
    [released] = pipeline.decide(lake, [Decision(loser["quarantine_id"], "release")])
    assert released.after == "corrected"
    winner = amounts(lake)["o7"]
    edited = {**json.loads(loser["record"]), "order_id": "o8"}
    [fixed] = pipeline.decide(lake, [Decision(loser["quarantine_id"], "fix", edited)])
    assert fixed.after == "corrected"
    assert amounts(lake)["o7"] == winner
    assert amounts(lake)["o8"][0] == {Decimal("10.00"): Decimal("11.00"), Decimal("11.00"): Decimal("10.00")}[winner[0]]
    require_proved(lake)


def test_refused_decisions(lake):
    """Nothing is recorded if one of the decisions cannot be taken; the message names each."""
    ids = {line: row["quarantine_id"] for line, row in aside(lake).items()}
    before = lake.ledger.newest().publish_seq
    with pytest.raises(DecisionRefused) as caught:
        pipeline.decide(
            lake,
            [
                Decision(ids[3], "discard"),
                Decision(ids[3], "discard"),
                Decision(ids[4], "release"),
                Decision(ids[5], "revoke"),
                Decision("0" * 64, "fix", {}),
            ],
        )
    text = str(caught.value)
    assert "4 decisions cannot be taken" in text
    assert f"{ids[3][:12]}: named twice" in text
    assert "it is parked; only an open record can be released" in text
    assert "nobody has decided on it" in text
    assert "no such record is set aside" in text
    assert lake.ledger.newest().publish_seq == before
    assert rows(lake, "ops.quarantine_events") == []


def test_a_fixed_parent_brings_its_children(lake):
    """A product whose price was fixed becomes a version, and what waited for it is released."""
    deliver(
        lake,
        batch(
            3, 12, products=[product("p2", price="cheap")], orders=[order("o9", product_id="p2")], shipping=[shipment("s9", "o9")]
        ),
    )
    parked = {row["domain"]: row for row in rows(lake, "ops.quarantine") if row["batch_id"] == "b3"}
    assert {domain: row["status"] for domain, row in parked.items()} == {
        "products": "open",
        "orders": "parked",
        "shipping": "parked",
    }
    edited = {**json.loads(parked["products"]["record"]), "price": "3.00"}
    pipeline.decide(lake, [Decision(parked["products"]["quarantine_id"], "fix", edited)])
    found = {row["domain"]: row["status"] for row in rows(lake, "ops.quarantine") if row["batch_id"] == "b3"}
    assert found == {"products": "corrected", "orders": "released", "shipping": "released"}
    [version] = [row for row in rows(lake, "gold.dim_product") if row["product_id"] == "p2"]
    assert (version["price"], version["effective_date"].date()) == (Decimal("3.00"), dt.date(2025, 1, 12))
    require_proved(lake)


def test_release_under_a_relaxed_contract(lake, engine):
    """Where the contract was relaxed, release lets a record in as it was edited, and reads its batch anew."""
    text = (conditions.BUILT_IN / "orders.odcs.yaml").read_text(encoding="utf-8")
    relaxed = text.replace("expect: order_amount > 0", "expect: order_amount > -100")
    assert relaxed != text
    assert fix(lake, 3, order_amount="-8.00").after == "open"
    assert fix(lake, 5, **{**order("o4"), "order_amount": "-9.00"}).after == "open"
    (lake.places.contracts / "orders.odcs.yaml").write_text(relaxed)
    with pipeline.open_lake(lake.places.root, SETTINGS, engine=engine) as changed:
        [released] = take(changed, "release", 5)
        assert (released.after, released.rules) == ("corrected", ("ragged_row",))
        assert json.loads(aside(changed)[5]["edited"])["order_amount"] == "-9.00"
        # The fix of line 3 is in force and passes now.
        assert states(changed) == {3: "corrected", 4: "parked", 5: "corrected"}
        assert (amounts(changed)["o2"][0], amounts(changed)["o4"][0]) == (Decimal("-8.00"), Decimal("-9.00"))
        require_proved(changed)


def test_a_decision_on_a_record_that_was_superseded(lake):
    """Its batch is live, and the corrected file has other records: revoking tells that this one is not there."""
    id_ = aside(lake)[3]["quarantine_id"]
    fix(lake, 3, order_amount="8.00")
    corrected = dataclasses.replace(batch(2, 11, orders=[order(), BAD]), more={"supersede": True})
    submit(lake.places.root, corrected, lake.contracts)
    assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    [decided] = pipeline.decide(lake, [Decision(id_, "revoke")])
    assert (decided.before, decided.after) == (None, None)
    require_proved(lake)
