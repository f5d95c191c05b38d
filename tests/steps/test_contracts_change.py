"""A shop changes its contracts after `init`: what tables take on, and what is refused."""

from __future__ import annotations

import csv
import dataclasses
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from deltalake import DeltaTable

from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts, parse_contract
from cartbrook.errors import ContractError

if TYPE_CHECKING:
    from cartbrook.lake.lake import Lake

QUICK = Settings(stable_seconds=Decimal(0), parallel=2)
BUILT_IN = load_contracts()
COST = "      - name: cost\n        physicalType: decimal(12,2)\n"
BRAND = "      - name: brand\n"


def text_of(domain: str) -> str:
    """The built-in contract as it is written."""
    import cartbrook.contracts.load as module

    return (module._BUILT_IN / f"{domain}.odcs.yaml").read_text(encoding="utf-8")


@pytest.fixture
def shop(tmp_path, engine):
    """A workspace after `init`; gives a function that opens it with changed contracts of products."""
    from cartbrook import pipeline

    with pipeline.open_lake(tmp_path, QUICK, engine=engine, create=True) as lake:
        pipeline.init(lake)

    def opened(*edits: tuple[str, str]):
        text = text_of("products")
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new, 1)
        folder = tmp_path / "contracts"
        folder.mkdir(exist_ok=True)
        (folder / "products.odcs.yaml").write_text(text, encoding="utf-8")
        return pipeline.open_lake(tmp_path, QUICK, engine=engine)

    return opened


def deliver(lake, day: str, **more: str) -> None:
    """Put a batch of one product into landing."""
    from cartbrook.contracts.trigger import parse_trigger
    from cartbrook.lake import intake

    folder = lake.places.root / "outbox" / day
    folder.mkdir(parents=True)
    row = {"product_id": "P1", "product_name": "Thing", "category": "Things", "price": "10.00", "currency": "USD", **more}
    name = f"products_{day.replace('-', '_')}.csv"
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, lake.contracts["products"].names, restval="")
        writer.writeheader()
        writer.writerow(row)
    trigger = {"trigger_id": f"B-{day}", "batch_date": day, "data_files_ready": True, "expected_files": [name]}
    path = folder / "trigger.json"
    path.write_text(json.dumps(trigger), encoding="utf-8")
    intake.submit(lake.places, path, parse_trigger(path.read_bytes(), path.name))


def evolving(lake, operation):
    """`evolve` as a step of an operation."""
    from cartbrook.types import StepResult

    del operation
    lake.evolve()
    return StepResult()


def columns(lake, name: str) -> list[str]:
    """The columns of a table's head."""
    return [field.name for field in DeltaTable(str(lake.places.lake / name.replace(".", "/"))).schema().fields]


def test_nothing_changes_where_nothing_changed(shop):
    """Tables of every kind, the ledger's included, are stored as they are declared."""
    with shop() as lake:
        assert lake.evolve() == ()


def test_a_new_column_reaches_every_table_of_its_domain(shop):
    """The tables that hold it are altered once, and named."""
    with shop((BRAND, COST + BRAND)) as lake:
        assert sorted(lake.evolve()) == ["bronze.products", "gold.dim_product", "silver.products"]
        assert all("cost" in columns(lake, name) for name in ("bronze.products", "gold.dim_product", "silver.products"))
        assert lake.evolve() == ()


def test_settling_before_it_is_published_takes_it_away(shop):
    """So it belongs into an operation, after `settle` and before `publish`; bronze is never settled."""
    with shop((BRAND, COST + BRAND)) as lake:
        lake.evolve()
        assert sorted(lake.settle(lake.ledger.newest().table_versions)) == ["gold.dim_product", "silver.products"]
        assert sorted(lake.evolve()) == ["gold.dim_product", "silver.products"]


def test_a_batch_before_and_a_batch_after(shop):
    """As a step of a rebuild it is recorded and published with the rest; the next batch brings values."""
    from cartbrook import pipeline, runner

    with shop() as lake:
        deliver(lake, "2025-01-15")
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        before = lake.ledger.newest()
    with shop((BRAND, COST + BRAND)) as lake:
        with lake.exclusive():
            operation = runner.operation(lake, "rebuild", before)
            runner.carry(lake, operation, {"evolve": evolving, **pipeline.REBUILD})
        newest = lake.ledger.newest()
        [old] = lake.published("gold.dim_product", newest).toArrow().to_pylist()
        assert (old["product_id"], old["cost"]) == ("P1", None)
        assert "cost" not in lake.published("gold.dim_product", before).columns
        deliver(lake, "2025-01-16", cost="4.00")
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        versions = lake.published("gold.dim_product", lake.ledger.newest()).toArrow().to_pylist()
        assert sorted((row["version"], row["cost"]) for row in versions) == [(1, None), (2, Decimal("4.00"))]
        assert [finding for finding in pipeline.prove(lake) if finding.problem] == []


def test_an_empty_lake_needs_no_rebuild(shop):
    """Where nothing is live, evolve and publish are all there is to do."""
    from cartbrook import pipeline, runner
    from cartbrook.steps import publish

    with shop((BRAND, COST + BRAND)) as lake:
        with lake.exclusive():
            operation = runner.operation(lake, "rebuild", lake.ledger.newest())
            runner.carry(lake, operation, {"evolve": evolving, "publish": publish.run})
        assert lake.ledger.newest().logic_hash == lake.logic_hash
        deliver(lake, "2025-01-16", cost="4.00")
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (
            ("physicalType: decimal(18,3)", "physicalType: decimal(18,2)"),
            "silver.products: column weight_kg is stored as decimal(18,3), but the contract says decimal(18,2)",
        ),
        (("- name: material", "- name: stuff"), "bronze.products: column material is stored, but the contract has none"),
    ],
)
def test_other_changes_are_refused(shop, edit, problem):
    """Table and column are named, and no table is touched, not even by a column that could be added."""
    with shop((BRAND, COST + BRAND), edit) as lake:
        before = lake.tables.heads(lake.tables_all())
        with pytest.raises(ContractError) as caught:
            lake.evolve()
        assert problem in caught.value.problems
        assert caught.value.hint
        assert lake.tables.heads(lake.tables_all()) == before


def test_a_new_column_cannot_join_the_key_of_records(shop):
    """Records that are there would have no key; an empty lake takes it on."""
    from cartbrook import pipeline

    key = "        required: true\n        primaryKey: true\n        primaryKeyPosition: 2\n"
    edits = ((BRAND, "      - name: variant\n        physicalType: string\n" + key + BRAND),
             ("{properties: [product_id]}", "{properties: [product_id, variant]}"))  # fmt: skip
    text = text_of("products")
    for old, new in edits:
        text = text.replace(old, new, 1)
    with shop() as lake:
        deliver(lake, "2025-01-15")
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        contracts = {**BUILT_IN, "products": parse_contract(text, "products.odcs.yaml")}
        changed = dataclasses.replace(lake, contracts=contracts)
        changed.tables._schemas = {**lake.tables._schemas, **pipeline.schemas(contracts)}
        with pytest.raises(ContractError, match="variant is new and of the key"):
            changed.evolve()


@pytest.mark.parametrize(("currencies", "due"), [(["EUR", None, None], "EUR"), ([None], "USD"), ([], "USD")])
def test_the_reporting_currency_is_never_none(session, lake_dir, currencies, due):
    """Orders without a currency, as an amount-less contract allows them, do not decide."""
    from cartbrook.frames.schema import fact
    from cartbrook.lake.tables import Tables
    from cartbrook.steps.marts import _currency

    name, schema = "gold.fact_orders", fact(BUILT_IN["orders"])
    tables = Tables(session, lake_dir, {name: schema})
    tables.create(name)
    if currencies:
        values = {field.name: [None] * len(currencies) for field in schema.fields}
        tables.record(name, {**values, "order_id": [str(n) for n in range(len(currencies))], "currency": currencies})
    lake = cast("Lake", SimpleNamespace(tables=tables, settings=Settings()))
    assert _currency(lake) == due
