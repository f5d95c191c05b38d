"""Other processes and a failing machine: a second runner, foreign writes, an archive out of order, a full disk."""

from __future__ import annotations

import errno
import time

import pytest
from pyspark.sql import functions as F

from cartbrook import pipeline
from cartbrook.errors import WorkspaceLocked
from cartbrook.lake.tables import Tables
from cartbrook.testing import content, differences

pytestmark = [pytest.mark.slow, pytest.mark.engine("sail")]


def test_two_runners(scene, processes, workspace):
    """While one process works, another one leaves with WorkspaceLocked and changes nothing; the first ends well."""
    shop = workspace(scene.before)
    waits = {"at": "cartbrook.steps.facts.run", "when": "before", "waits": True}
    processes.ask(start="first", workspace=shop, do="run", dies=waits)
    deadline = time.monotonic() + 60
    while not (shop / "reached").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    with scene.open(shop) as lake:
        for call in (pipeline.run, pipeline.rebuild, lambda lake: pipeline.undo(lake, "b1")):
            with pytest.raises(WorkspaceLocked) as caught:
                call(lake)
            assert caught.value.retryable
    second = processes.ask(workspace=shop, do="run")
    assert second["status"] == 1
    assert second["said"][0].startswith("WorkspaceLocked")
    (shop / "go").touch()
    first = processes.ask(wait="first")
    assert first == {"status": 0, "said": ["published b2: published"]}
    scene.require(shop, "after")


@pytest.mark.parametrize(
    ("table", "step"),
    [
        ("gold.fact_orders", "marts"),  # written by this run before
        ("gold.dim_customer", "history"),  # about to be written by it
        ("silver.orders", "history"),
        ("gold.kpi_daily", "facts"),
        ("ops.quarantine", "publish"),
    ],
)
def test_a_foreign_write_between_two_steps(scene, workspace, monkeypatch, table, step):
    """Rows that someone else writes to a pinned table while a batch runs are never published, and the next run restores."""
    shop = workspace(scene.before)
    original = pipeline.STORY[step]

    def disturbed(lake, operation):
        published = lake.published(table, operation.base)
        rows = lake.tables.rows({name: [None] for name in published.columns}, lake.tables.schema(table))
        rows.write.format("delta").mode("append").save(lake.tables._location(table))
        return original(lake, operation)

    with scene.open(shop) as lake:
        with monkeypatch.context() as patch:
            patch.setitem(pipeline.STORY, step, disturbed)
            pipeline.run(lake)
        pipeline.run(lake)
    scene.require(shop, "after")


def test_a_foreign_write_is_told(scene, workspace, monkeypatch):
    """A head that moved under a run fails the batch with the table's name, and readers keep the last state."""
    shop = workspace(scene.before)
    original = pipeline.STORY["publish"]

    def disturbed(lake, operation):
        rows = lake.tables.read("gold.fact_orders").withColumn("order_id", F.lit("foreign"))
        rows.write.format("delta").mode("append").save(lake.tables._location("gold.fact_orders"))
        return original(lake, operation)

    with scene.open(shop) as lake:
        with monkeypatch.context() as patch:
            patch.setitem(pipeline.STORY, "publish", disturbed)
            (outcome,) = pipeline.run(lake)
        assert outcome.status == "failed"
        assert "gold.fact_orders" in outcome.message
        assert lake.ledger.batches("b2")[-1].status == "failed"
        assert differences(scene.states["before"].published, content(lake)) == []
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    scene.require(shop, "after")


def test_an_archive_out_of_order(scene, workspace):
    """A batch whose files cannot be archived is published and says so; the next run with a working archive moves them."""
    shop = workspace(scene.before)
    obstacle = shop / "archive" / "b2"
    obstacle.write_text("a file in the place of the folder")
    with scene.open(shop) as lake:
        (outcome,) = pipeline.run(lake)
        assert outcome.status == "failed"
        assert outcome.message.startswith("published, but not archived")
        assert differences(scene.states["after"].published, content(lake)) == []
        assert lake.ledger.batches("b2")[-1].status == "published"
        obstacle.unlink()
        assert pipeline.run(lake) == []
    scene.require(shop, "after")


def test_an_archive_that_stays_out_of_order(scene, workspace):
    """While the archive does not work, other batches go on."""
    shop = workspace(scene.before)
    obstacle = shop / "archive" / "b2"
    obstacle.write_text("a file in the place of the folder")
    with scene.open(shop) as lake:
        pipeline.run(lake)
        pipeline.run(lake)
        assert pipeline.undo(lake, "b1").status == "undone"


@pytest.mark.parametrize(("method", "nth"), [("merge", 2), ("stage", 4), ("overwrite", 3), ("_note", 7)])
def test_a_full_disk(scene, workspace, monkeypatch, method, nth):
    """A write that fails for want of room fails the batch cleanly, readers keep the last state, and a rerun finishes."""
    shop = workspace(scene.before)
    original = getattr(Tables, method)
    calls = 0

    def full(self, *args, **kwargs):
        nonlocal calls
        calls += 1
        if calls >= nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, *args, **kwargs)

    with scene.open(shop) as lake:
        with monkeypatch.context() as patch:
            patch.setattr(Tables, method, full)
            outcomes = pipeline.run(lake) if method != "merge" else _run_until_full(lake)
        assert calls >= nth
        assert [outcome.status for outcome in outcomes] in (["failed"], [])
        assert differences(scene.states["before"].published, content(lake)) == []
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    scene.require(shop, "after")


def _run_until_full(lake):
    """With `merge` failing, the ledger itself cannot be written either, so that the failure is the caller's."""
    try:
        return pipeline.run(lake)
    except OSError:
        return []
