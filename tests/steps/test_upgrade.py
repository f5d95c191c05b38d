"""A lake whose marts were written by an older release, with other columns."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from deltalake import write_deltalake
from tests.property.shops import batch, customer, order, product, shipment

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.testing import submit

SETTINGS = Settings(stable_seconds=Decimal(0), parallel=2)
FIRST = batch(1, 10, customers=[customer()], products=[product()], orders=[order(day="2025-01-10")], shipping=[shipment()])
SECOND = batch(2, 11, customers=[customer("c2")], orders=[order("o2", "c2", day="2025-01-11")], shipping=[shipment("s2", "o2")])


@pytest.fixture
def old(shelf, engine, tmp_path):
    """The open lake: shipping_performance lacks columns, sales_totals has one more, with values, of a name that marts use."""
    with pipeline.open_lake(shelf(tmp_path / "shop", FIRST), SETTINGS, engine=engine) as lake:
        newest = lake.ledger.newest()
        shipping = lake.tables.arrow("gold.shipping_performance").drop_columns(["dated", "delay_days"])
        totals = lake.tables.arrow("gold.sales_totals")
        totals = totals.append_column("products_sold", totals["orders"])
        assert totals.num_rows
        for name, rows in (("gold.shipping_performance", shipping), ("gold.sales_totals", totals)):
            write_deltalake(str(lake.tables.folder(name)), rows, mode="overwrite", schema_mode="overwrite")
        versions = {name: lake.tables.version(name) for name in newest.table_versions}
        lake.ledger.publish(dataclasses.replace(newest, publish_seq=newest.publish_seq + 1, table_versions=versions))
    with pipeline.open_lake(tmp_path / "shop", SETTINGS, engine=engine) as lake:
        yield lake


def test_marts_get_the_columns_of_a_newer_release_by_a_rebuild(old):
    """A batch says so and writes nothing; what a release has taken away is NULL then, and disturbs nobody."""
    submit(old.places.root, SECOND, old.contracts)
    [outcome] = pipeline.run(old)
    assert outcome.status == "failed"
    assert "gold.shipping_performance is stored with other columns" in outcome.message
    assert "cartbrook rebuild" in outcome.message
    assert pipeline.rebuild(old).status == "rebuilt"
    assert [outcome.status for outcome in pipeline.run(old)] == ["published"]
    assert [finding for finding in pipeline.prove(old) if finding.problem] == []
    assert set(old.tables.arrow("gold.sales_totals")["products_sold"].to_pylist()) == {None}
    [row] = old.tables.arrow("gold.shipping_performance").to_pylist()
    assert (row["shipments"], row["dated"]) == (2, 0)
