"""Maintenance: fewer files, shorter logs, nothing lost that a kept publication reads."""

from __future__ import annotations

import dataclasses
import shutil
from decimal import Decimal

import pytest
from tests.property.shops import batch, customer, order, product, shipment, stock

from cartbrook import maintenance, pipeline
from cartbrook.config import Settings
from cartbrook.errors import PublicationNotFound
from cartbrook.frames.schema import struct
from cartbrook.lake import maintenance as upkeep
from cartbrook.lake.tables import Tables
from cartbrook.lake.values import fetch
from cartbrook.testing import content, differences, submit

pytestmark = pytest.mark.engine("sail")  # tests/parity has the native commands

NAME = "gold.things"
SETTINGS = Settings(stable_seconds=Decimal(0), maintain_every=0, keep_publications=1, keep_hours=0)


@pytest.fixture
def tables(session, lake_dir):
    """Tables with one empty table; `tables.add(a, b)` appends the numbers from a until b."""

    class Some(Tables):
        def add(self, begin: int, end: int) -> None:
            self.append(NAME, session.range(begin, end).selectExpr("CAST(id AS int) AS n", "array(CAST(id AS string)) AS texts"))

        def held(self, version: int | None = None) -> list[int]:
            return sorted(row["n"] for row in fetch(self.read(NAME, version)))

    made = Some(session, lake_dir, {NAME: struct("n int, texts array<string>")})
    made.create(NAME)
    return made


@pytest.fixture(scope="module")
def shop(engine, tmp_path_factory):
    """A workspace with two batches published."""
    folder = tmp_path_factory.mktemp("maintenance") / "shop"
    with pipeline.open_lake(folder, SETTINGS, engine=engine, create=True) as lake:
        pipeline.init(lake)
        submit(folder, batch(1, 10, customers=[customer()], products=[product()], orders=[order("o9", "c9")]), lake.contracts)
        submit(folder, batch(2, 11, customers=[customer(name="Bob")], orders=[order()], inventory=[stock()]), lake.contracts)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published", "published"]
    return folder


@pytest.fixture
def lake(engine, shop, tmp_path, monkeypatch):
    """Its lake, in which two files are enough to be compacted."""
    monkeypatch.setattr(upkeep, "FEW", 2)
    with pipeline.open_lake(shutil.copytree(shop, tmp_path / "shop"), SETTINGS, engine=engine) as opened:
        yield opened


def test_small_files_become_one_and_large_ones_stay(tables, monkeypatch):
    """Files join while they are no larger than all smaller ones together; the rows and earlier versions stay as they are."""
    monkeypatch.setattr(upkeep, "SMALL", 2_000)
    tables.add(100, 9_000)
    for n in range(5):
        tables.add(n, n + 1)
    before = tables.held()
    large = {action["path"] for action in upkeep._active(tables.delta(NAME)) if action["num_records"] > 100}
    [pile] = upkeep.piles(tables, NAME)
    assert (pile.files, dict(pile.partition)) == (5, {})
    tables.forget_written()
    upkeep.compact(tables, NAME, [pile])
    assert tables.forget_written() == {NAME: tables.version(NAME)}
    assert large < {action["path"] for action in upkeep._active(tables.delta(NAME))}
    assert upkeep.files(tables, NAME) == len(large) + 1
    assert (tables.held(), tables.held(tables.version(NAME) - 1)) == (before, before)
    assert upkeep.piles(tables, NAME) == []


def test_partitions_are_compacted_apart(session, tables):
    """Files of one month become one, also those of no month."""
    location = tables._location(NAME)
    shutil.rmtree(tables.folder(NAME))
    for n in range(0, 8, 2):
        rows = session.sql(f"SELECT n, month FROM VALUES ({n}, '2025-01'), ({n + 1}, NULL) AS t(n, month)")
        rows.write.format("delta").mode("append").partitionBy("month").save(location)
    piles = upkeep.piles(tables, NAME)
    assert sorted((pile.files, pile.partition["month"] or "") for pile in piles) == [(4, ""), (4, "2025-01")]
    upkeep.compact(tables, NAME, piles)
    assert (upkeep.files(tables, NAME), tables.held()) == (2, list(range(8)))


@pytest.mark.parametrize("by_engine", ["merge", "delete"])
def test_an_engine_writes_on(tables, by_engine, session):
    """What delta-rs has compacted is changed by the engine as before."""
    for n in range(4):
        tables.add(n, n + 1)
    upkeep.compact(tables, NAME, upkeep.piles(tables, NAME))
    if by_engine == "delete":
        tables.delete(NAME, {"n": 2})
    else:
        gone = session.sql("SELECT 2 AS n, array('x') AS texts, 'delete' AS _change")
        tables.merge(NAME, gone, ("n",))
    assert tables.held() == [0, 1, 3]


def test_versions_that_are_kept_stay_readable(tables):
    """From a version on each can be read; what only older ones read, and strays, are removed, and the log is cut."""
    for n in range(12):
        tables.add(n, n + 1)
        if n % 3 == 2:
            upkeep.compact(tables, NAME, [upkeep.Pile({}, n, 10**6)])
        if n in (4, 8):
            tables.checkpoint(NAME, 1)
    head = tables.version(NAME)
    oldest = head - 4
    held = {version: tables.held(version) for version in range(oldest, head + 1)}
    stray = tables.folder(NAME) / "part-00000-stray.parquet"
    stray.write_bytes(b"killed before its commit")
    assert upkeep.excess(tables, NAME, oldest, hours=1).files == ()  # dropped a moment ago
    found = upkeep.excess(tables, NAME, oldest, hours=0)
    assert stray in found.files
    assert found.logs
    found.remove()
    assert {version: tables.held(version) for version in range(oldest, head + 1)} == held
    assert all(upkeep.is_readable(tables, NAME, version) for version in held)
    assert not upkeep.is_readable(tables, NAME, 2)
    assert upkeep.excess(tables, NAME, oldest, hours=0) == upkeep.Excess((), (), 0)
    tables.restore(NAME, oldest)
    tables.add(50, 51)
    assert tables.held() == [*held[oldest], 50]


def test_a_table_read_at_its_head_keeps_two_checkpoints(tables):
    """A reader that has listed the log just before finds what it was told."""
    for n in range(9):
        tables.add(n, n + 1)
        tables.checkpoint(NAME, 3)
    upkeep.excess(tables, NAME, None, hours=0).remove()
    names = [path.name for path in (tables.folder(NAME) / "_delta_log").iterdir()]
    assert {int(name[:20]) for name in names} == set(range(6, 10))
    assert {int(name[:20]) for name in names if name.endswith(".crc")} == {8, 9}
    assert tables.held() == list(range(9))


def test_maintenance_changes_no_row(lake):
    """It is published with the same live batches; audit, undo, the next batch and a rebuild go on; old publications are gone."""
    before, newest = content(lake), lake.ledger.newest()
    planned = {done.table: done.files_after for done in pipeline.maintain(lake, dry_run=True)}
    assert lake.ledger.newest() == newest
    done = pipeline.maintain(lake)
    assert {table.table: table.files_after for table in done} == planned
    assert sum(table.files_after for table in done) < sum(table.files_before for table in done)
    assert sum(table.freed for table in done) > 0
    after = lake.ledger.newest()
    assert (after.cause, after.publish_seq, after.live) == ("maintenance", newest.publish_seq + 1, newest.live)
    assert after.table_versions != newest.table_versions
    assert differences(before, content(lake)) == []
    assert [finding for finding in pipeline.prove(lake) if finding.problem] == []
    assert pipeline.prove(lake, publish_seq=after.publish_seq)
    with pytest.raises(PublicationNotFound, match="can no longer be read"):
        pipeline.prove(lake, publish_seq=1)
    pipeline.undo(lake, "b2")
    submit(lake.places.root, batch(3, 12, orders=[order("o3")], shipping=[shipment("s3", "o3")]), lake.contracts)
    assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    seen = content(lake)
    pipeline.rebuild(lake, from_bronze=True)
    assert differences(seen, content(lake)) == []


def test_it_comes_by_itself(lake, monkeypatch):
    """After as many publications as the settings say; where it fails, the batch is published all the same."""
    lake.settings = dataclasses.replace(SETTINGS, maintain_every=4)
    assert not maintenance.is_due(lake)
    submit(lake.places.root, batch(3, 12, orders=[order("o3")]), lake.contracts)
    with monkeypatch.context() as patch:
        patch.setattr(upkeep, "piles", lambda *_: 1 / 0)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    assert lake.ledger.newest().cause == "batch"
    assert maintenance.is_due(lake)
    submit(lake.places.root, batch(4, 13, orders=[order("o4")]), lake.contracts)
    assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    assert lake.ledger.newest().cause == "maintenance"
    assert not maintenance.is_due(lake)
