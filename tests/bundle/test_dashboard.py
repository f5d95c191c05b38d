"""The AI/BI dashboard: its file hangs together, and its queries run on our tables and find what widgets show."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.bundle import bundle

from cartbrook import pipeline
from cartbrook.contracts.trigger import parse_trigger
from cartbrook.lake import intake
from cartbrook.lake.ledger import SCHEMAS
from cartbrook.shop import ShopPlan, write_deliveries

[PATH] = (bundle.ROOT / "dashboards").glob("*.lvdash.json")
DASHBOARD: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
QUERIES = {dataset["name"]: "".join(dataset["queryLines"]) for dataset in DASHBOARD["datasets"]}
WIDGETS = [(page["name"], entry["widget"], entry["position"]) for page in DASHBOARD["pages"] for entry in page["layout"]]
# As in dashboards that Databricks exported; another version of a widget has other fields.
VERSIONS = {"counter": 2, "bar": 3, "line": 3, "table": 1, "filter-single-select": 2}
EXPRESSION = re.compile(r"(?:SUM\()?`(\w+)`\)?|COUNT_IF\(`associative_filter_predicate_group`\)")
PLAN = ShopPlan(seed=3, days=1, orders_per_day=30, customers=20, products=10, defects=0.1)


def fields_of(widget):
    """Data set, name and expression of each field that a widget asks for."""
    for query in widget.get("queries", []):
        for field in query["query"]["fields"]:
            yield query["query"]["datasetName"], field["name"], field["expression"]


def shown(encoding):
    """The names of fields that are shown, wherever they stand in an encoding."""
    if isinstance(encoding, dict):
        own = [encoding["fieldName"]] if "fieldName" in encoding else []
        return own + [name for value in encoding.values() for name in shown(value)]
    return [name for value in encoding for name in shown(value)] if isinstance(encoding, list) else []


@pytest.fixture(scope="module")
def columns(engine, tmp_path_factory):
    """The columns and number of rows of each query's answer, over a made-up shop as the views of a catalog would show it."""
    root = tmp_path_factory.mktemp("dashboard") / "shop"
    [trigger] = write_deliveries(PLAN, tmp_path_factory.mktemp("deliveries"))
    with pipeline.open_lake(root, engine=engine, create=True) as lake:
        pipeline.init(lake)
        intake.submit(lake.places, trigger, parse_trigger(trigger.read_bytes(), trigger.name))
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        newest = lake.ledger.newest()
        names = [name for name in (*lake.pinned, *SCHEMAS) if not name.startswith("silver.")]
        views = {name.split(".")[1]: name for name in names}
        assert len(views) == len(names), "two tables of one name would be one view"
        for view, name in views.items():
            frame = lake.published(name, newest) if name in lake.pinned else lake.tables.read(name)
            frame.createOrReplaceTempView(view)
        try:
            answers = {name: lake.tables.session.sql(query).toArrow() for name, query in QUERIES.items()}
        finally:
            for view in views:
                lake.tables.session.catalog.dropTempView(view)
    return {name: (answer.column_names, answer.num_rows) for name, answer in answers.items()}


@pytest.mark.parametrize("dataset", QUERIES)
def test_queries_find_something(columns, dataset):
    """Each query runs on published tables, and a shop of one day has rows for it."""
    assert columns[dataset][1] > 0


@pytest.mark.parametrize("widget", [widget for _, widget, _ in WIDGETS], ids=lambda widget: widget["name"])
def test_widgets_show_columns_of_their_queries(columns, widget):
    """What a widget asks for is a column of its data set, and what it shows is something it asks for."""
    asked = set()
    for dataset, name, expression in fields_of(widget):
        match = EXPRESSION.fullmatch(expression)
        assert match, expression
        assert match[1] is None or match[1] in columns[dataset][0]
        asked.add(name)
    found = shown(widget.get("spec", {}).get("encodings", {}))
    assert set(found) <= asked
    assert bool(found) == ("spec" in widget)


@pytest.mark.engine("sail")
def test_widgets_are_of_known_kinds_and_places():
    """Names are unique, kinds have the version that goes with them, and no widget lies on another or beside the grid of six."""
    names = [widget["name"] for _, widget, _ in WIDGETS]
    assert len(set(names)) == len(names)
    taken: set[tuple[str, int, int]] = set()
    for page, widget, place in WIDGETS:
        if "spec" in widget:
            assert widget["spec"]["version"] == VERSIONS[widget["spec"]["widgetType"]]
        cells = {
            (page, x, y)
            for x in range(place["x"], place["x"] + place["width"])
            for y in range(place["y"], place["y"] + place["height"])
        }
        assert all(x < 6 for _, x, _ in cells)
        assert not cells & taken
        taken |= cells


@pytest.mark.engine("sail")
def test_money_keeps_its_currency():
    """Every query that sums or shows money has the currency beside it."""
    money = {"revenue", "margin", "amount", "shipping_cost", "cumulative_revenue"}
    for name, query in QUERIES.items():
        words = set(re.findall(r"\w+", query))
        assert not words & money or "currency" in words, name
