"""What an audit must be able to read, and what it must find."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from tests.property.shops import batch, customer, order, product

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.steps.audit import audit
from cartbrook.testing import submit
from cartbrook.types import Batch, Decision, LiveBatch, Publication, SourceFile

SETTINGS = Settings(stable_seconds=Decimal(0))
DAY = dt.date(2025, 1, 15)
LIVE = tuple(LiveBatch(f"b{number}", 1 + number % 3, number, DAY) for number in range(1, 1001))


def publication(live, versions=None) -> Publication:
    """A publication of some live batches."""
    return Publication(7, "batch", "b1", 1, DAY, live, versions or {}, "rules", "logic")


@pytest.mark.parametrize("live", [LIVE, LIVE[:1], ()], ids=["1000", "1", "none"])
def test_the_live_pairs_are_told_from_others(session, live):
    """Any number of live batches; the other revisions of a batch are not live, nor is a pair that reads alike."""
    from cartbrook.steps.audit import _is_live

    pairs = [(entry.batch_seq, revision) for entry in LIVE for revision in (1, 2, 3)] + [(11, 1), (1, 11)]
    seqs, revisions = zip(*pairs, strict=True)
    rows = session.createDataFrame(
        pa.table({"_batch_seq": pa.array(seqs, pa.int32()), "_revision": pa.array(revisions, pa.int32())})
    )
    found = {(row["_batch_seq"], row["_revision"]) for row in rows.where(_is_live(publication(live))).toArrow().to_pylist()}
    assert found == {(entry.batch_seq, entry.revision) for entry in live}


def test_record_ids_of_200_files(session):
    """A domain may come in any number of files; each record's id is that of its own file."""
    from cartbrook.frames.casting import fingerprint
    from cartbrook.steps.ingest import _identified

    files = [SourceFile("orders", f"f{n}.csv", Path(f"f{n}.csv"), f"sha{n}", 1, 0) for n in range(200)]
    made = Batch("b1", 1, 1, DAY, tuple(files))
    rows = session.createDataFrame(pa.table({"_source_file": [file.name for file in files], "_source_line": [2] * 200}))
    digest = F.regexp_replace("_source_file", "f([0-9]+).csv", "sha$1")
    due = fingerprint(F.lit("b1"), F.lit("orders"), F.col("_source_file"), digest, F.lit("2"))
    found = _identified(rows, made, files).select("_record_id", due.alias("due")).toArrow().to_pylist()
    assert all(row["_record_id"] == row["due"] for row in found)
    assert len({row["_record_id"] for row in found}) == 200


def test_1000_live_batches_are_published(engine, lake_dir):
    """The ledger keeps and reads a publication of a thousand live batches."""
    with pipeline.open_lake(lake_dir, SETTINGS, engine=engine, create=True) as lake:
        pipeline.init(lake)
        lake.ledger.publish(publication(LIVE, lake.ledger.newest().table_versions))
        newest = lake.ledger.newest()
        assert set(newest.live) == set(LIVE)
        problems = {finding.check for finding in audit(lake, newest) if finding.problem}
        assert problems == {"figures"}  # one row is due as soon as there is a business date


@pytest.fixture(scope="module")
def parked(engine, tmp_path_factory):
    """A workspace with an order that waits for its customer."""
    folder = tmp_path_factory.mktemp("audit") / "shop"
    with pipeline.open_lake(folder, SETTINGS, engine=engine, create=True) as lake:
        pipeline.init(lake)
        orders = [order(), order("o2", "c9")]
        submit(folder, batch(1, 10, customers=[customer()], products=[product()], orders=orders), lake.contracts)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    return folder


def test_a_missing_parked_row_is_found(engine, parked, tmp_path):
    """The books balance without it, but the record waits and nobody would see it."""
    with pipeline.open_lake(shutil.copytree(parked, tmp_path / "shop"), SETTINGS, engine=engine) as lake:
        newest = lake.ledger.newest()
        assert {finding.problem for finding in audit(lake, newest)} == {None}
        lake.tables.delete("ops.quarantine", {"status": "parked"})
        versions = {**newest.table_versions, "ops.quarantine": lake.tables.version("ops.quarantine")}
        found = audit(lake, dataclasses.replace(newest, table_versions=versions))
    problems = {finding.check: finding.problem for finding in found if finding.problem}
    assert problems == {"binding of fact_orders": "1 records miss a parent and are not parked"}


def test_a_record_that_is_in_no_table_is_found(engine, parked, tmp_path):
    """Gone from bronze and from what became of it: the books are those of the file as it was received."""
    with pipeline.open_lake(shutil.copytree(parked, tmp_path / "shop"), SETTINGS, engine=engine) as lake:
        newest = lake.ledger.newest()
        [row] = lake.ledger.batches("b1")
        for table in ("bronze.products", "silver.products"):
            lake.tables.delete(table, {"_batch_seq": row.batch_seq})
        versions = {**newest.table_versions, "silver.products": lake.tables.version("silver.products")}
        found = audit(lake, dataclasses.replace(newest, table_versions=versions), "b1")
    [problem] = [finding.problem for finding in found if finding.problem]
    assert problem == "1 delivered record is in no table"


CORRUPTIONS = {
    "gold.fact_orders": ("order_amount", "cast(99 as decimal(18,2))", "binding of fact_orders"),
    "gold.kpi_summary": ("revenue", "cast(1 as decimal(18,2))", "figures"),
    "gold.dim_customer": ("customer_sk", "'zz'", "history in dim_customer"),
    "ops.quarantine": ("status", "'discarded'", "decisions"),
    "ops.quarantine_events": ("edited", "'{}'", "decisions"),
}


@pytest.fixture(scope="module")
def decided(engine, tmp_path_factory):
    """A workspace with an order that a person put right."""
    folder = tmp_path_factory.mktemp("audit") / "shop"
    with pipeline.open_lake(folder, SETTINGS, engine=engine, create=True) as lake:
        pipeline.init(lake)
        orders = [order(), order("o2", order_amount="abc")]
        submit(folder, batch(1, 10, customers=[customer()], products=[product()], orders=orders), lake.contracts)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        [row] = lake.published("ops.quarantine", lake.ledger.newest()).toArrow().to_pylist()
        text = {**dict.fromkeys(lake.contracts["orders"].names, ""), **order("o2")}
        pipeline.decide(lake, [Decision(row["quarantine_id"], "fix", text)])
        assert {finding.problem for finding in audit(lake, lake.ledger.newest())} == {None}
    return folder


@pytest.mark.parametrize("table", CORRUPTIONS)
def test_a_changed_value_is_found(engine, decided, tmp_path, table):
    """Whoever writes past cartbrook and lets it look published is told where."""
    column, value, check = CORRUPTIONS[table]
    with pipeline.open_lake(shutil.copytree(decided, tmp_path / "shop"), SETTINGS, engine=engine) as lake:
        newest = lake.ledger.newest()
        changed = lake.tables.read(table).withColumn(column, F.expr(value))
        lake.tables.overwrite(table, lake.tables.stage(changed).frame)
        versions = {**newest.table_versions, table: lake.tables.version(table)}
        found = audit(lake, dataclasses.replace(newest, table_versions=versions))
    assert check in {finding.check for finding in found if finding.problem}


def test_figures_of_many_orders_are_proved(engine, decided, monkeypatch):
    """From many orders on, marts are made in pieces, and proved by these."""
    monkeypatch.setattr("cartbrook.steps.audit.FEW_ORDERS", 0)
    with pipeline.open_lake(decided, SETTINGS, engine=engine) as lake:
        newest = lake.ledger.newest()
        assert {finding.problem for finding in audit(lake, newest)} == {None}
        emptied = {**newest.table_versions, "gold.sales_totals": 0}
        found = audit(lake, dataclasses.replace(newest, table_versions=emptied))
    assert "figures" in {finding.check for finding in found if finding.problem}


def test_a_table_that_cannot_be_read_is_a_finding(engine, decided, tmp_path):
    """A data file is gone: the other proofs go on."""
    with pipeline.open_lake(shutil.copytree(decided, tmp_path / "shop"), SETTINGS, engine=engine) as lake:
        for path in (lake.places.root / "lake/gold/dim_product").glob("*.parquet"):
            path.unlink()
        found = audit(lake, lake.ledger.newest())
    problems = {finding.check: finding.problem for finding in found}
    assert "cannot be read" in str(problems["history in dim_product"])
    assert problems["history in dim_customer"] is None
