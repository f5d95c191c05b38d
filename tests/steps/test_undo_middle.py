"""Undo of the middle one of five overlapping batches ends in the tables of the four others, whatever it carried."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.property.conftest import require_proved
from tests.property.shops import batch, customer, order, product, shipment, stock

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.testing import content, differences, submit

pytestmark = pytest.mark.slow

SETTINGS = Settings(stable_seconds=Decimal(0))

# All name the same few keys. The middle one changes what is tracked, corrects orders, and brings parents that others wait for.
FIRST = batch(
    1, 10, customers=[customer(), customer("c2")], products=[product()], orders=[order(day="2025-01-10")], inventory=[stock()]
)
SECOND = batch(
    2,
    12,
    customers=[customer(name="Bob")],
    orders=[order("o2", customer_id="c3", day="2025-01-12"), order("o3", product_id="p3")],
    shipping=[shipment(), shipment("s2", "o4")],
)
MIDDLE = batch(
    3,
    14,
    customers=[customer(name="Cid"), customer("c3")],
    products=[product(price="12.50"), product("p3")],
    orders=[
        order(day="2025-01-14", order_status="cancelled"),
        order("o4", day="2025-01-14"),
        {**order("o5"), "order_amount": "x"},
    ],
    shipping=[shipment(shipping_cost="7.00")],
    inventory=[stock(quantity="3"), stock("p3")],
)
FOURTH = batch(4, 16, customers=[customer(name="Cid", last_login="2025-01-15 10:00:00")], products=[product(price="13.00")])
FIFTH = batch(5, 18, orders=[order("o4", day="2025-01-17", order_status="delivered"), order("o6", product_id="p3")])
ALL = (FIRST, SECOND, MIDDLE, FOURTH, FIFTH)


@pytest.fixture(scope="module")
def others(engine, shelf, tmp_path_factory):
    """What readers see where the middle one has never come."""
    root = shelf(tmp_path_factory.mktemp("others") / "four", FIRST, SECOND, FOURTH, FIFTH)
    with pipeline.open_lake(root, SETTINGS, engine=engine) as lake:
        return content(lake)


@pytest.mark.parametrize("order_of_arrival", [(0, 1, 2, 3, 4), (2, 4, 0, 3, 1)], ids=["in order", "out of order"])
def test_undo_of_the_middle_one(engine, shelf, others, tmp_path, order_of_arrival):
    """All of gold, silver and the quarantine are as if the middle batch had never come; and it can come again."""
    root = shelf(tmp_path / "five", *(ALL[number] for number in order_of_arrival))
    with pipeline.open_lake(root, SETTINGS, engine=engine) as lake:
        with_it = content(lake)
        assert differences(others, with_it) != []
        assert pipeline.undo(lake, "b3").status == "undone"
        assert differences(others, content(lake)) == []
        submit(lake.places.root, MIDDLE, lake.contracts)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        assert differences(with_it, content(lake)) == []
        require_proved(lake)
