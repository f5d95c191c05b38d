"""The Databricks job on tables in a catalog: Spark's own stands in for Unity Catalog, with Delta's SQL for the rest."""

from __future__ import annotations

import sys
from decimal import Decimal
from types import ModuleType

import pytest
from tests.bundle.notebooks import JobRun
from tests.parity import story

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts
from cartbrook.lake.catalog import PUBLISHED
from cartbrook.lake.ledger import SCHEMAS as LEDGER
from cartbrook.testing import submit

pytestmark = [pytest.mark.engine("spark"), pytest.mark.slow, pytest.mark.long]

CATALOG = "spark_catalog"
SCHEMAS = ("bronze", "silver", "gold", "ops", PUBLISHED)


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
    volume, straight, warehouse = (tmp_path / name for name in ("volume", "straight", "warehouse"))
    volume.mkdir()
    (volume / "cartbrook.yaml").write_text("stable_seconds: 0\nreporting_currency: USD\n")  # as story.SETTINGS
    given = {"workspace": str(volume), "catalog": catalog}
    assert JobRun("setup", session, {**given, "predictive_optimization": "leave"}).start().errors == {}
    submit(volume, story.SMALL, load_contracts())

    with monkeypatch.context() as broken:
        broken.setitem(pipeline.STORY, "publish", lambda *_: 1 / 0)
        failed = JobRun("cartbrook", session, given).start()
    assert failed.states["publish"] == "failed"
    count = f"SELECT count(*) AS n FROM {catalog}.{{}}.fact_orders"
    assert session.sql(count.format("gold")).toArrow().to_pylist() == [{"n": 1}]
    assert session.sql(count.format(PUBLISHED)).toArrow().to_pylist() == [{"n": 0}], "a reader sees what is not published"
    assert failed.start().errors == {}
    shown = [name for name in {**pipeline.schemas(load_contracts()), **LEDGER} if name.startswith(("gold.", "ops."))]
    assert failed.values["publish"]["views"] == len(shown)
    assert session.sql(count.format(PUBLISHED)).toArrow().to_pylist() == [{"n": 1}]

    # The tables are folders in the end, which deltalake can read without an engine; those of a path come from Sail.
    story.on_sail(straight, "small")
    assert (
        story.differences(story.published(warehouse, "ops.step_runs"), story.published(straight / "lake", "ops.step_runs")) == []
    )
    with pipeline.open_lake(volume, Settings(stable_seconds=Decimal(0), catalog=catalog), engine=engine) as lake:
        newest = lake.ledger.newest()
        lake.tables.overwrite("gold.kpi_daily", lake.tables.read("gold.kpi_daily").limit(0))
        assert lake.tables.is_empty(lake.tables.read("gold.kpi_daily"))
        assert lake.settle(newest.table_versions).keys() == {"gold.kpi_daily"}
        assert not lake.tables.is_empty(lake.tables.read("gold.kpi_daily"))
    kept = session.sql(f"SHOW TBLPROPERTIES {catalog}.gold.kpi_daily ('delta.deletedFileRetentionDuration')").toArrow()
    assert kept["value"].to_pylist() == ["interval 365 days"]
