"""A large first batch is written range by range, without ranking what is there once: the tables are those of the long way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.property.shops import batch, customer, order, product, shipment

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.steps import facts, publish
from cartbrook.testing import content, differences, submit

pytestmark = pytest.mark.slow

SETTINGS = Settings(stable_seconds=Decimal(0))
CLEAN = batch(
    1,
    10,
    customers=[customer(f"c{number}") for number in range(5)],
    products=[product(f"p{number}") for number in range(3)],
    orders=[order(f"o{number}", f"c{number % 5}", f"p{number % 3}") for number in range(60)],
    shipping=[shipment(f"s{number}", f"o{number}") for number in range(60)],
)
# Two orders without a parent and a shipment of one of them wait; a second record of an order and of a shipment is quarantined.
ODD = batch(
    1,
    10,
    customers=[*CLEAN.rows["customers"], customer("c1", customer_tier="gold", registration_date="2025-01-02")],
    products=CLEAN.rows["products"],
    orders=[*CLEAN.rows["orders"], order("o60", "nobody"), order("o61", "c1", "nothing"), order("o3", "c2", "p2")],
    shipping=[*CLEAN.rows["shipping"], shipment("s60", "o60"), shipment("s61", "o7"), shipment("s3", "o3")],
)


@pytest.fixture
def published(engine, shelf, tmp_path, monkeypatch):
    """`published(delivery, large=...)`: what a lake holds after a first batch, and the number of writes of fact_orders."""

    def publish_first(delivery, *, large):
        monkeypatch.setattr(facts, "FEW", 1 if large else 1_000_000)
        monkeypatch.setattr(facts, "_AT_ONCE", 13)
        monkeypatch.setattr(facts, "_SAMPLED", 2)
        monkeypatch.setattr(publish, "_MANY", 1 if large else 1_000_000)
        root = shelf(tmp_path / f"large-{large}")
        with pipeline.open_lake(root, SETTINGS, engine=engine) as lake:
            submit(root, delivery, lake.contracts)
            assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
            assert all(finding.problem is None for finding in pipeline.prove(lake))
            return content(lake), lake.tables.version("gold.fact_orders")

    return publish_first


@pytest.mark.parametrize("delivery", [CLEAN, ODD], ids=["clean", "odd"])
def test_the_short_way_writes_the_same(published, delivery):
    """Facts, parked records, histories and marts are equal, and the large batch was cut."""
    long, commits = published(delivery, large=False)
    short, cut = published(delivery, large=True)
    assert differences(long, short) == []
    assert commits == 1
    assert cut == 5
    assert len(list(short["gold.fact_orders"])) == 60
    assert len(list(short["ops.quarantine"])) == (0 if delivery is CLEAN else 5)
