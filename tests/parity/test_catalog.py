"""The Databricks job on tables in a catalog: Spark's own stands in for Unity Catalog, with Delta's SQL for the rest."""

from __future__ import annotations

import sys
from decimal import Decimal
from types import ModuleType

import pytest
from tests.bundle.notebooks import JobRun
from tests.property.shops import batch, customer, order, product, shipment, stock

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts
from cartbrook.lake.catalog import PUBLISHED
from cartbrook.testing import content, differences, submit

pytestmark = [pytest.mark.engine("spark"), pytest.mark.slow]

CATALOG = "spark_catalog"
SCHEMAS = ("bronze", "silver", "gold", "ops", PUBLISHED)
SHOP = batch(
    1,
    10,
    customers=[customer(), customer("")],
    products=[product(), product("p2", price="none")],
    orders=[order(), order("o9", "c9")],
    shipping=[shipment()],
    inventory=[stock()],
)


@pytest.fixture
def catalog(session, tmp_path):
    """The schemas, as the bundle makes them."""
    for name in SCHEMAS:
        session.sql(f"CREATE SCHEMA {CATALOG}.{name} LOCATION 'file://{tmp_path}/warehouse/{name}'").collect()
    yield CATALOG
    for name in SCHEMAS:
        session.sql(f"DROP SCHEMA {CATALOG}.{name} CASCADE").collect()


def test_the_job_in_a_catalog(engine, session, catalog, tmp_path, monkeypatch):
    """Notebooks that name a catalog end in the tables of a folder; views show what is published; abandoned work is restored."""
    monkeypatch.setitem(sys.modules, "databricks.sdk", ModuleType("databricks.sdk"))
    volume, straight = tmp_path / "volume", tmp_path / "straight"
    volume.mkdir()
    (volume / "cartbrook.yaml").write_text("stable_seconds: 0\n")
    given = {"workspace": str(volume), "catalog": catalog}
    assert JobRun("setup", session, {**given, "predictive_optimization": "leave"}).start().errors == {}
    submit(volume, SHOP, load_contracts())

    with monkeypatch.context() as broken:
        broken.setitem(pipeline.STORY, "publish", lambda *_: 1 / 0)
        failed = JobRun("cartbrook", session, given).start()
    assert failed.states["publish"] == "failed"
    count = f"SELECT count(*) AS n FROM {catalog}.{{}}.fact_orders"
    assert session.sql(count.format("gold")).toArrow().to_pylist() == [{"n": 1}]
    assert session.sql(count.format(PUBLISHED)).toArrow().to_pylist() == [{"n": 0}], "a reader sees what is not published"
    assert failed.start().errors == {}
    assert failed.values["publish"]["views"] == 21
    assert session.sql(count.format(PUBLISHED)).toArrow().to_pylist() == [{"n": 1}]

    settings = Settings(stable_seconds=Decimal(0))
    with pipeline.open_lake(straight, settings, engine=engine, create=True) as lake:
        pipeline.init(lake)
        submit(straight, SHOP, lake.contracts)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        expected = content(lake)
    with pipeline.open_lake(volume, Settings(stable_seconds=Decimal(0), catalog=catalog), engine=engine) as lake:
        assert differences(expected, content(lake)) == []
        newest = lake.ledger.newest()
        lake.tables.overwrite("gold.kpi_daily", lake.tables.read("gold.kpi_daily").limit(0))
        assert lake.settle(newest.table_versions).keys() == {"gold.kpi_daily"}
        assert differences(expected, content(lake)) == []
    kept = session.sql(f"SHOW TBLPROPERTIES {catalog}.gold.kpi_daily ('delta.deletedFileRetentionDuration')").toArrow()
    assert kept["value"].to_pylist() == ["interval 365 days"]
