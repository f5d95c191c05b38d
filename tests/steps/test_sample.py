"""Two batches of the shape of the sample, from trigger to gold, in both orders and again; and the sample if it is there."""

from __future__ import annotations

import csv
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts

CONTRACTS = load_contracts()
SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "sample"
QUICK = Settings(stable_seconds=Decimal(0), parallel=2)
DAYS = ("2025-01-15", "2025-01-16")


def shop_of(day: str) -> dict[str, list[dict[str, str]]]:
    """A day of a small shop: the same four customers, other products and orders; the second day in other spellings."""
    second = day == DAYS[1]
    prefix, written = ("P0", f"{day} 09:30:00") if second else ("PROD", f"{day} 08:30:15")
    orders = [
        {
            "order_id": f"{'2' if second else 'ORD'}{n:03}",
            "customer_id": f"100{n % 4}",
            "product_id": f"{prefix}{n % 5}",
            "order_date": day,
            "order_amount": f"{10 * (n % 5) + 20}.{50 if second else '00'}",
            "currency": "USD",
            "payment_method": "Credit Card" if second else "credit_card",
            "shipping_address": '1 Main St, "Old" Town',
            "order_status": "completed",
            "created_timestamp": written,
        }
        for n in range(8)
    ]
    return {
        "customers": [
            {
                "customer_id": f"100{n}",
                "first_name": f"Ann{n}",
                "email": f"ann{n}@shop.example",
                "phone": "555-0101",
                "zip_code": "02139",
                "customer_tier": "gold",
                "date_of_birth": "1990-05-01",
                "last_login": f"{day} 07:00:00",
                "created_timestamp": written,
            }
            for n in range(4)
        ],
        "products": [
            {
                "product_id": f"{prefix}{n}",
                "product_name": f"Thing {n}",
                "category": "Things",
                "price": f"{10 * n + 20}.00",
                "currency": "USD",
                "stock_quantity": "7",
                "discontinued": "False" if second else "false",
                "created_timestamp": written,
            }
            for n in range(5)
        ],
        "orders": orders,
        # the numbers of shipments and stock rows begin anew each day, as in the sample
        "shipping": [
            {
                "shipping_id": f"SHIP{n:03}",
                "order_id": order["order_id"],
                "shipping_cost": "9.99",
                "currency": "USD",
                "shipping_status": "delivered",
                "estimated_delivery": "2025-01-18",
                "actual_delivery": "2025-01-18",
            }
            for n, order in enumerate(orders)
        ],
        "inventory": [
            {
                "inventory_id": f"INV{n:03}",
                "product_id": f"{prefix}{n}",
                "warehouse_id": "WH001",
                "stock_quantity": "7",
                "reserved_quantity": "2",
                "available_quantity": "5",
                "reorder_level": "3",
            }
            for n in range(5)
        ],
    }


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """A folder of triggers and files in the shape of the sample."""
    folder = tmp_path_factory.mktemp("sample")
    for day in DAYS:
        dated = day.replace("-", "_")
        for domain, rows in shop_of(day).items():
            with (folder / f"{domain}_{dated}.csv").open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, CONTRACTS[domain].names, restval="")
                writer.writeheader()
                writer.writerows(rows)
        trigger = {
            "trigger_id": f"TRG_{day.replace('-', '')}_001",
            "batch_date": day,
            "client_name": "A shop",
            "data_files_ready": True,
            "expected_files": [
                f"{domain}_{dated}.csv" for domain in ("orders", "customers", "products", "inventory", "shipping")
            ],
            "trigger_timestamp": f"{day}T08:00:00Z",
            "processing_notes": "none",
            "data_quality_checks": {"file_count_validation": True, "schema_validation": True, "business_rules_validation": True},
        }
        (folder / f"trigger_{dated}.json").write_text(json.dumps(trigger), encoding="utf-8")
    return folder


class Lived:
    """A workspace and what each run of it said."""

    def __init__(self, lake):
        self.lake = lake
        self.root: Path = lake.places.root

    def submit(self, sample: Path, *days: str) -> list[tuple[str, str]]:
        """Submit the triggers of some days together and run; returns (batch, status)."""
        from cartbrook import pipeline
        from cartbrook.contracts.trigger import parse_trigger
        from cartbrook.lake import intake

        for day in days:
            path = sample / f"trigger_{day.replace('-', '_')}.json"
            intake.submit(self.lake.places, path, parse_trigger(path.read_bytes(), path.name))
        return [(outcome.batch_id, outcome.status) for outcome in pipeline.run(self.lake)]

    def table(self, name: str) -> Any:
        """The rows of a published table; of bronze at its head."""
        newest = self.lake.ledger.newest()
        path = str(self.root / "lake" / name.replace(".", "/"))
        return DeltaTable(path, version=newest.table_versions.get(name)).to_pyarrow_table().to_pylist()

    def tables(self, prefix: str) -> dict[str, list[str]]:
        """All published tables of a layer, as comparable rows; the number of a batch depends on arrival and is left out."""
        names = [name for name in self.lake.ledger.newest().table_versions if name.startswith(prefix)]
        drop = ("_batch_seq", "batch_seq")
        return {
            name: sorted(repr(sorted((k, v) for k, v in row.items() if k not in drop)) for row in self.table(name))
            for name in names
        }


@pytest.fixture(scope="module")
def live(engine, tmp_path_factory):
    """Makes initialised workspaces; all are closed at the end of the module."""
    from contextlib import ExitStack

    from cartbrook import pipeline

    with ExitStack() as stack:

        def make() -> Lived:
            root = tmp_path_factory.mktemp("shop")
            lake = stack.enter_context(pipeline.open_lake(root, QUICK, engine=engine, create=True))
            pipeline.init(lake)
            return Lived(lake)

        yield make


@pytest.fixture(scope="module", params=["ours", "the sample"])
def sample(request):
    """Our own fixtures, and the sample where the shared folder is beside the repository."""
    if request.param == "ours":
        return request.getfixturevalue("ours")
    if not SAMPLE.is_dir():
        pytest.skip("the sample is no part of the project")
    return SAMPLE


@pytest.fixture(scope="module")
def forward(live, sample):
    """Both batches, the first one first."""
    lived = live()
    assert [status for _, status in lived.submit(sample, *DAYS)] == ["published", "published"]
    return lived


DUE = {
    "ours": {"orders": 16, "revenue": "584.00", "customers": 4, "products": 10, "records": 60, "mismatches": 8},
    "the sample": {"orders": 40, "revenue": "6402.30", "customers": 20, "products": 30, "records": 180, "mismatches": 20},
}


@pytest.fixture
def due(sample):
    """The figures that must come out."""
    return DUE["the sample" if sample == SAMPLE else "ours"]


def test_the_key_figures(forward, due):
    """Orders, revenue, customers and products of both batches together."""
    [summary] = forward.table("gold.kpi_summary")
    assert (summary["orders"], str(summary["revenue"])) == (due["orders"], due["revenue"])
    assert (summary["customers"], summary["products"]) == (due["customers"], due["products"])
    assert summary["as_of"].isoformat() == DAYS[1]
    assert len(forward.table("gold.fact_orders")) == due["orders"]


def test_nothing_tracked_changed(forward, sample, due):
    """Customers came twice with another last_login only: one version each, all current, with the newest login."""
    versions = forward.table("gold.dim_customer")
    assert len(versions) == len({row["customer_id"] for row in versions}) == due["customers"]
    assert all(row["is_current"] and row["version"] == 1 and row["expiry_date"] is None for row in versions)
    assert {row["effective_date"].date().isoformat() for row in versions} == {DAYS[0]}
    with (sample / f"customers_{DAYS[1].replace('-', '_')}.csv").open(newline="", encoding="utf-8") as stream:
        newest = {row["customer_id"]: row["last_login"] for row in csv.DictReader(stream)}
    assert {row["customer_id"]: f"{row['last_login']:%Y-%m-%d %H:%M:%S}" for row in versions} == newest
    assert len(forward.table("gold.dim_product")) == due["products"]


def test_every_record_is_in_bronze_silver_and_the_archive(forward, due):
    """The same records lie in each layer, and the files in the archive as they came."""
    for layer in ("bronze", "silver"):
        assert sum(len(forward.table(f"{layer}.{domain}")) for domain in CONTRACTS) == due["records"]
    archived = list((forward.root / "archive").rglob("*.csv"))
    lines = 0
    for path in archived:
        with path.open(newline="", encoding="utf-8") as stream:
            lines += sum(1 for _ in csv.reader(stream)) - 1
    assert (len(archived), lines) == (10, due["records"])
    assert not [path for folder in ("landing", "work") for path in (forward.root / folder).rglob("*") if path.is_file()]


def test_price_mismatches_are_told_and_nothing_is_rejected(forward, due):
    """The second batch reports its price mismatches as MEDIUM; no record of it is put aside."""
    results = [row for row in forward.table("ops.quality_results") if row["rule"] == "order_price_mismatch"]
    told = {row["batch_id"]: (row["rows_failed"], row["severity"], row["status"]) for row in results}
    assert told["TRG_20250116_001"] == (due["mismatches"], "MEDIUM", "warn")
    assert [row for row in forward.table("ops.quarantine") if row["batch_id"] == "TRG_20250116_001"] == []
    [row] = forward.lake.ledger.batches("TRG_20250116_001")
    assert (row.status, row.rows_quarantined, row.rows_parked, row.rows_accepted) == ("published", 0, 0, row.rows_read)


def test_the_other_order_ends_in_the_same_tables(forward, live, sample):
    """The second batch before the first: the same gold, silver and quarantine."""
    other = live()
    assert other.submit(sample, DAYS[1]) == [("TRG_20250116_001", "published")]
    assert [status for _, status in other.submit(sample, DAYS[0])] == ["published"]
    for layer in ("gold.", "silver.", "ops.quarantine"):
        expected, found = forward.tables(layer), other.tables(layer)
        for name, rows in expected.items():
            assert found[name] == rows, name


def test_the_audit_proves_it(forward):
    """Books, histories and bindings hold in the published tables."""
    from cartbrook import pipeline

    assert [finding for finding in pipeline.prove(forward.lake) if finding.problem] == []


def test_the_same_again_changes_nothing(forward, sample):
    """A run without triggers does nothing; the same triggers again are told as already processed, and no table gets a version."""
    before = forward.lake.ledger.newest()
    heads = forward.lake.tables.heads(forward.lake.pinned)
    assert forward.submit(sample) == []
    assert [status for _, status in forward.submit(sample, *DAYS)] == ["unchanged", "unchanged"]
    assert forward.lake.ledger.newest() == before
    assert forward.lake.tables.heads(forward.lake.pinned) == heads


def test_the_workspace_can_be_moved(forward, live, engine, tmp_path):
    """Tables name no place: a copy under a name with a blank and an umlaut is the same lake and can be gone on with."""
    from cartbrook import pipeline

    root = shutil.copytree(forward.root, tmp_path / "Müller Shop")
    with pipeline.open_lake(root, QUICK, engine=engine) as lake:
        moved = Lived(lake)
        assert moved.table("gold.kpi_summary") == forward.table("gold.kpi_summary")
        assert pipeline.undo(lake, "TRG_20250116_001").status == "undone"
        assert moved.table("gold.kpi_summary")[0]["as_of"].isoformat() == DAYS[0]
