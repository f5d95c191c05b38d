"""A large first batch is written range by range, without ranking what is there once: the tables are those of the long way."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from tests.property.shops import batch, customer, order, product, shipment

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.contracts import load
from cartbrook.steps import facts, publish
from cartbrook.testing import content, differences, submit

pytestmark = pytest.mark.slow

SETTINGS = Settings(stable_seconds=Decimal(0))


def built_in(domain: str) -> str:
    """The built-in contract as it is written."""
    return (load.BUILT_IN / f"{domain}.odcs.yaml").read_text("utf-8")


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


# Nobody without a first name is a customer, at first; so all orders wait, also those that come a second time.
STRICT = {"customers": built_in("customers").replace("name: first_name", "name: first_name\n        required: true")}
NAMELESS = batch(
    1,
    10,
    customers=[customer(name="")],
    products=[product()],
    orders=[order(f"o{number}") for number in range(30)],
)
AGAIN = batch(2, 11, orders=[order(f"o{number}", order_amount="12.00") for number in range(10)])


@pytest.fixture
def limits(monkeypatch):
    """`limits(large=...)`: whether what is first counts as large, and is cut into parts of 13 records."""

    def change(*, large):
        monkeypatch.setattr(facts, "FEW", 1 if large else 1_000_000)
        monkeypatch.setattr(facts, "_AT_ONCE", 13)
        monkeypatch.setattr(facts, "_SAMPLED", 2)
        monkeypatch.setattr(publish, "_MANY", 1 if large else 1_000_000)

    return change


@pytest.mark.parametrize("delivery", [CLEAN, ODD], ids=["clean", "odd"])
def test_the_short_way_writes_the_same(engine, shelf, tmp_path, limits, delivery):
    """Facts, parked records, histories and marts are equal, and the large batch was cut."""
    found, commits = {}, {}
    for large in (False, True):
        limits(large=large)
        root = shelf(tmp_path / f"large-{large}")
        with pipeline.open_lake(root, SETTINGS, engine=engine) as lake:
            submit(root, delivery, lake.contracts)
            assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
            assert all(finding.problem is None for finding in pipeline.prove(lake))
            found[large], commits[large] = content(lake), lake.tables.version("gold.fact_orders")
    assert differences(found[False], found[True]) == []
    assert commits == {False: 1, True: 5}
    assert len(found[True]["gold.fact_orders"]) == 60
    assert len(found[True]["ops.quarantine"]) == (0 if delivery is CLEAN else 5)


def test_keys_with_several_records(engine, shelf, tmp_path, limits):
    """Where facts are first made of two batches, as by a rebuild under other contracts, the newer record of an order wins."""
    found = {}
    for large in (False, True):
        limits(large=large)
        root = shelf(tmp_path / f"large-{large}", NAMELESS, AGAIN, contracts=STRICT)
        (root / "contracts" / "customers.odcs.yaml").write_text(built_in("customers"), "utf-8")
        with pipeline.open_lake(root, SETTINGS, engine=engine) as lake:
            assert lake.tables.count("gold.fact_orders") == 0
            assert pipeline.rebuild(lake, from_bronze=True).status == "rebuilt"
            assert all(finding.problem is None for finding in pipeline.prove(lake))
            assert lake.tables.version("gold.fact_orders") == (4 if large else 1)
            found[large] = content(lake)
    assert differences(found[False], found[True]) == []
    amounts = Counter(str(dict(row)["order_amount"]) for row in found[True]["gold.fact_orders"].elements())
    assert amounts == {"10.00": 20, "12.00": 10}
