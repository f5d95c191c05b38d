"""Published tables are plain Delta tables: they open outside our code, with the same figures."""

from __future__ import annotations

import json
from decimal import Decimal

import duckdb
import pytest
from deltalake import DeltaTable

from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts

CONTRACTS = load_contracts()
BASE = {"customer_id": "C1", "product_id": "P1", "currency": "USD", "order_status": "completed"}
ORDERS = [
    {
        **BASE,
        "order_id": f"O{n}",
        "order_date": f"2025-01-{10 + n:02}",
        "order_amount": amount,
        "created_timestamp": "2025-01-10 23:30:00",
    }
    for n, amount in enumerate(("10.10", "20.20", "0.03"))
]
ROWS = {
    "customers": [{"customer_id": "C1", "first_name": "Zoë"}],
    "products": [{"product_id": "P1", "category": "Toys", "price": "10.10", "currency": "USD"}],
    "orders": ORDERS,
}


@pytest.fixture(scope="module")
def shop(engine, tmp_path_factory):
    """A workspace with one published batch, after which a head has moved on by an unpublished write."""
    from cartbrook import pipeline

    root = tmp_path_factory.mktemp("shop")
    settings = Settings(stable_seconds=Decimal(0), parallel=2)
    with pipeline.open_lake(root, settings, engine=engine, create=True) as lake:
        pipeline.init(lake)
        folder = root / "landing" / "B1"
        folder.mkdir()
        for domain, rows in ROWS.items():
            names = CONTRACTS[domain].names
            lines = [",".join(names), *(",".join(row.get(name, "") for name in names) for row in rows)]
            (folder / f"{domain}_2025_01_15.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        trigger = {
            "trigger_id": "B1",
            "batch_date": "2025-01-15",
            "data_files_ready": True,
            "expected_files": [f"{domain}_2025_01_15.csv" for domain in ROWS],
        }
        (root / "landing" / "triggers" / "B1.json").write_text(json.dumps(trigger), encoding="utf-8")
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        lake.tables.append("gold.fact_orders", lake.tables.read("gold.fact_orders"))
    return root


@pytest.fixture(scope="module")
def versions(shop):
    """The versions that the newest publication names."""
    publications = DeltaTable(str(shop / "lake" / "ops" / "publications")).to_pyarrow_table().to_pylist()
    return dict(max(publications, key=lambda row: row["publish_seq"])["table_versions"])


@pytest.fixture(scope="module")
def published(shop, versions):
    """Opens a published table with deltalake alone."""

    def open_table(name: str):
        return DeltaTable(str(shop / "lake" / name.replace(".", "/")), version=versions[name]).to_pyarrow_table()

    return open_table


def test_every_published_table_opens(published, versions):
    """deltalake reads every table a publication names, at its version."""
    rows = {name: published(name).num_rows for name in versions}
    assert (rows["gold.fact_orders"], rows["silver.orders"], rows["gold.dim_customer"], rows["ops.quarantine"]) == (3, 3, 1, 0)


def test_the_head_is_not_what_readers_trust(shop, published):
    """An unpublished write is at the head and not in the published version."""
    head = DeltaTable(str(shop / "lake" / "gold" / "fact_orders")).to_pyarrow_table()
    assert (head.num_rows, published("gold.fact_orders").num_rows) == (6, 3)


def test_duckdb_gives_the_same_figures(published):
    """DuckDB sums the orders to what kpi_summary says, without a rounded cent."""
    with duckdb.connect() as connection:
        connection.register("fact_orders", published("gold.fact_orders"))
        connection.register("kpi_summary", published("gold.kpi_summary"))
        query = "SELECT (SELECT sum(order_amount) FROM fact_orders), revenue, orders, CAST(as_of AS varchar) FROM kpi_summary"
        assert connection.execute(query).fetchall() == [(Decimal("30.33"), Decimal("30.33"), 3, "2025-01-15")]


def test_duckdb_reads_types_as_they_are(published):
    """Money is a decimal, dates are dates, times carry UTC, texts keep their letters."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("orders", published("gold.fact_orders"))
        connection.register("customers", published("gold.dim_customer"))
        kinds = "typeof(order_amount), typeof(order_date), typeof(created_timestamp), CAST(created_timestamp AS varchar)"
        [row] = connection.execute(f"SELECT DISTINCT {kinds} FROM orders").fetchall()
        assert row == ("DECIMAL(18,2)", "DATE", "TIMESTAMP WITH TIME ZONE", "2025-01-10 23:30:00+00")
        assert connection.execute("SELECT first_name, is_current FROM customers").fetchall() == [("Zoë", True)]


def test_readers_need_no_new_features(shop):
    """Tables ask for the oldest reader protocol, so that any Delta reader opens them."""
    tables = [path.parent for path in (shop / "lake").rglob("_delta_log")]
    assert len(tables) > 25
    assert {DeltaTable(str(table)).protocol().min_reader_version for table in tables} == {1}
