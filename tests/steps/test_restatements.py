"""ops.restatements tells which published facts a late batch, an undo or another revision moved, with old and new values."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from tests.property.shops import batch, customer, order, product, shipment

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.testing import submit

pytestmark = pytest.mark.slow

FIRST = batch(1, 10, customers=[customer()], products=[product(price="10.00"), product("p2")], orders=[order(day="2025-01-15")])
NEWER = batch(2, 16, orders=[order(day="2025-01-15", order_status="delivered"), order("o2")], shipping=[shipment("s2", "o2")])
LATE = batch(3, 12, products=[product(price="12.00")])
SAME = batch(4, 17, products=[product("p2")])


@pytest.mark.parametrize("prune_from", [0, 100_000], ids=["keys looked up", "keys joined"])
def test_what_is_restated(engine, tmp_path, prune_from):
    """A newer record is no restatement; a fact bound to another version, one that goes, and one that falls back are."""
    settings = Settings(stable_seconds=Decimal(0), prune_from=prune_from)
    with pipeline.open_lake(tmp_path / "shop", settings, engine=engine, create=True) as lake:
        pipeline.init(lake)

        def restated(publish_seq):
            table = lake.published("ops.restatements", lake.ledger.newest()).where(f"publish_seq = {publish_seq}")
            rows = table.select("cause", "batch_id", "fact", "key", "change", "columns", "old", "new").toArrow().to_pylist()
            return {(row["fact"], *json.loads(row["key"]).values()): row for row in rows}

        for delivery in (FIRST, NEWER, LATE, SAME):
            submit(lake.places.root, delivery, lake.contracts)
            assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        assert [restated(seq) for seq in (1, 2, 4)] == [{}, {}, {}]
        late = restated(3)
        assert list(late) == [("fact_orders", "o1")]
        row = late["fact_orders", "o1"]
        assert (row["cause"], row["batch_id"], row["change"]) == ("batch", "b3", "rebound")
        assert row["columns"] == ["product_sk"]
        assert json.loads(row["old"])["product_sk"] != json.loads(row["new"])["product_sk"]

        pipeline.undo(lake, "b2")
        undone = restated(5)
        assert {key: row["change"] for key, row in undone.items()} == {
            ("fact_orders", "o1"): "restated",
            ("fact_orders", "o2"): "gone",
            ("fact_shipping", "o2", "s2"): "gone",
        }
        back = undone["fact_orders", "o1"]
        assert (json.loads(back["old"])["order_status"], json.loads(back["new"])["order_status"]) == ("delivered", "shipped")
        assert undone["fact_orders", "o2"]["new"] is None
