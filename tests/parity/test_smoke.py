"""A small story on the engine under test and on Sail: the same published tables, and each goes on with a lake of the other.

Both engines in one process do not go together (the token of a local Spark makes the client of Sail wait for minutes), so Sail
runs this file as a program of its own.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts

if TYPE_CHECKING:
    from cartbrook.lake.session import Engine

Row = Mapping[str, str]

_DEFAULTS: dict[str, Row] = {
    "customers": {
        "customer_tier": "gold",
        "date_of_birth": "1990-05-01",
        "zip_code": "02139",
        "last_login": "2025-01-01 07:00:00",
    },
    "products": {"category": "Toys", "currency": "USD", "stock_quantity": "5", "discontinued": "False", "weight_kg": "0.125"},
    "orders": {
        "currency": "usd",
        "order_status": "Completed",
        "payment_method": "Credit Card",
        "created_timestamp": "2025-01-01T09:30:00Z",
    },
    "shipping": {"carrier": "UPS", "currency": "USD", "shipping_cost": "5.5", "shipping_status": "delivered"},
    "inventory": {"stock_quantity": "5", "reserved_quantity": "1", "available_quantity": "4", "reorder_level": "2"},
}
STORY: dict[str, dict[str, Sequence[Row]]] = {
    "2025-01-01": {
        "customers": [{"customer_id": "C1", "email": "not an address"}, {"customer_id": " C2 ", "customer_tier": "Diamond"}],
        "products": [
            {"product_id": "P1", "price": "10.00", "stock_quantity": "5"},
            {"product_id": "P2", "price": "20", "color": 'a "quoted"\ntwo-line colour'},
        ],
        "orders": [
            {"order_id": "O1", "customer_id": "C1", "product_id": "P1", "order_date": "2025-01-01", "order_amount": "10.00"},
            {"order_id": "O2", "customer_id": "C2", "product_id": "P2", "order_date": "2024-12-31", "order_amount": "20.00"},
            {"order_id": "O3", "customer_id": "C1", "product_id": "P1", "order_date": "2025-02-30", "order_amount": "12.345"},
            {"order_id": "O4", "customer_id": "C1", "product_id": "P3", "order_date": "2025-01-01", "order_amount": "0.01"},
            {"order_id": "O4", "customer_id": "C1", "product_id": "P3", "order_date": "2025-01-01", "order_amount": "0.01"},
        ],
        "shipping": [
            {"order_id": "O2", "shipping_id": "S1", "actual_delivery": "2025-01-02", "estimated_delivery": "2025-01-01"}
        ],
        "inventory": [{"product_id": "P1", "warehouse_id": "W1"}, {"product_id": "P3", "warehouse_id": "W1"}],
    },
    "2025-01-02": {
        "customers": [{"customer_id": "C1", "email": "not an address", "last_login": "2025-01-02 07:00:00"}],
        "products": [{"product_id": "P1", "price": "12.00"}, {"product_id": "P3", "price": "0.01"}],
        "orders": [
            {"order_id": "O1", "customer_id": "C1", "product_id": "P1", "order_date": "2025-01-01", "order_amount": "10.00"},
            {"order_id": "O5", "customer_id": "C2", "product_id": "P1", "order_date": "2025-01-02", "order_amount": "12.00"},
            {"order_id": "O6", "customer_id": "C1", "product_id": "P1", "order_date": "2025-01-02", "order_amount": "1"},
            {"order_id": "O6", "customer_id": "C1", "product_id": "P1", "order_date": "2025-01-02", "order_amount": "2"},
        ],
    },
}
FIRST, SECOND = STORY


def deliver(workspace: Path, day: str) -> None:
    """Put the files and the trigger of a batch into the landing folders."""
    contracts = load_contracts()
    folder = workspace / "landing" / f"B-{day}"
    folder.mkdir(parents=True)
    names = []
    for domain, rows in STORY[day].items():
        path = folder / f"{domain}_{day.replace('-', '_')}.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, contracts[domain].names, restval="")
            writer.writeheader()
            writer.writerows({**_DEFAULTS[domain], **row} for row in rows)
        names.append(path.name)
    trigger = {"trigger_id": f"B-{day}", "batch_date": day, "data_files_ready": True, "expected_files": names}
    (workspace / "landing" / "triggers").mkdir(parents=True, exist_ok=True)
    (workspace / "landing" / "triggers" / f"B-{day}.json").write_text(json.dumps(trigger), encoding="utf-8")


def tell(engine: Engine, workspace: Path, *days: str) -> list[str]:
    """Run batches one after another and audit the lake; returns their statuses."""
    from cartbrook import pipeline

    settings = Settings(stable_seconds=Decimal(0), parallel=2)
    workspace.mkdir(exist_ok=True)
    statuses = []
    with pipeline.open_lake(workspace, settings, engine=engine, create=True) as lake:
        pipeline.init(lake)
        for day in days:
            deliver(workspace, day)
            outcomes = pipeline.run(lake)
            assert [outcome.message for outcome in outcomes if not outcome.good] == []
            statuses += [outcome.status for outcome in outcomes]
        if SECOND in days:
            assert [finding for finding in pipeline.prove(lake) if finding.problem] == []
    return statuses


def tell_on_sail(workspace: Path, *days: str) -> None:
    """The same in a process of its own, on Sail."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    command = [sys.executable, "-W", "ignore", __file__, str(workspace), *days]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def published(workspace: Path) -> dict[str, Any]:
    """All published tables as sorted rows, read by deltalake alone; no times of the run are in them."""
    lake = workspace / "lake"
    newest = max(DeltaTable(str(lake / "ops/publications")).to_pyarrow_table().to_pylist(), key=lambda row: row["publish_seq"])
    tables: dict[str, Any] = {"live": newest["live"], "as_of": newest["as_of"], "logic_hash": newest["logic_hash"]}
    for name, version in newest["table_versions"]:
        rows = DeltaTable(str(lake / name.replace(".", "/")), version=version).to_pyarrow_table().to_pylist()
        tables[name] = sorted((sorted(row.items()) for row in rows), key=repr)
    return tables


def assert_same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """The same tables with the same rows, told one by one."""
    assert ours.keys() == theirs.keys()
    for name, rows in ours.items():
        assert rows == theirs[name], name


@pytest.fixture(scope="module")
def first_here(engine, tmp_path_factory):
    """A workspace with the first batch, by the engine under test."""
    workspace = tmp_path_factory.mktemp("here")
    assert tell(engine, workspace, FIRST) == ["published"]
    return workspace


@pytest.fixture(scope="module")
def first_on_sail(tmp_path_factory):
    """A workspace with the first batch, by Sail."""
    workspace = tmp_path_factory.mktemp("sail")
    tell_on_sail(workspace, FIRST)
    return workspace


@pytest.fixture(scope="module")
def both_on_sail(first_on_sail, tmp_path_factory):
    """What is published after both batches by Sail."""
    workspace = shutil.copytree(first_on_sail, tmp_path_factory.mktemp("sail") / "both")
    tell_on_sail(workspace, SECOND)
    return published(workspace)


@pytest.fixture(scope="module")
def both(engine, first_on_sail, tmp_path_factory):
    """What is published after both batches, the first by Sail and the second by the engine under test."""
    workspace = shutil.copytree(first_on_sail, tmp_path_factory.mktemp("here") / "both")
    assert tell(engine, workspace, SECOND) == ["published"]
    return published(workspace)


def test_the_story_ends_as_it_must(both):
    """A bad row is quarantined, a parked order and stock are released, a new price opens a version, a conflict has a winner."""
    tables = {name: [dict(row) for row in rows] for name, rows in both.items() if "." in name}
    orders = {row["order_id"]: row for row in tables["gold.fact_orders"]}
    assert {key: str(row["order_amount"]) for key, row in orders.items()} == {
        "O1": "10.00",
        "O2": "20.00",
        "O4": "0.01",
        "O5": "12.00",
        "O6": "2.00",
    }
    products = [(row["product_id"], str(row["price"]), row["version"], row["is_current"]) for row in tables["gold.dim_product"]]
    assert sorted(products) == [
        ("P1", "10.00", 1, False),
        ("P1", "12.00", 2, True),
        ("P2", "20.00", 1, True),
        ("P3", "0.01", 1, True),
    ]
    aside = [(row["domain"], row["status"], tuple(row["rules"])) for row in tables["ops.quarantine"]]
    assert sorted(aside) == [
        ("inventory", "released", ("unknown_product",)),
        ("orders", "open", ("duplicate_key",)),
        ("orders", "open", ("order_date_type", "order_amount_type")),
        ("orders", "released", ("unknown_product",)),
    ]
    assert [str(row["revenue"]) for row in tables["gold.kpi_summary"]] == ["44.01"]


@pytest.mark.engine("spark")
def test_both_engines_publish_the_same_tables(first_here, first_on_sail):
    """Silver, gold, the quarantine and the quality results are the same row by row."""
    assert_same(published(first_here), published(first_on_sail))


@pytest.mark.engine("spark")
def test_a_lake_of_sail_is_continued(both, both_on_sail):
    """The first batch on Sail and the second on the engine under test end like both on Sail."""
    assert_same(both, both_on_sail)


@pytest.mark.engine("spark")
def test_sail_continues_our_lake(first_here, both_on_sail, tmp_path):
    """The first batch on the engine under test and the second on Sail end like both on Sail."""
    workspace = shutil.copytree(first_here, tmp_path / "shop")
    tell_on_sail(workspace, SECOND)
    assert_same(published(workspace), both_on_sail)


if __name__ == "__main__":
    from cartbrook.lake.session import open_engine

    with open_engine("sail") as opened:
        tell(opened, Path(sys.argv[1]), *sys.argv[2:])
