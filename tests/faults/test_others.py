"""Other processes and a failing machine: a second runner, foreign writes, an archive out of order, a full disk."""

from __future__ import annotations

import errno
import time

import pytest

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
        ("gold.fact_orders", "facts"),  # written by this run before
        ("gold.dim_customer", "validate"),  # about to be written by it
        ("silver.orders", "validate"),
        ("gold.kpi_daily", "history"),
        ("ops.quarantine", "marts"),
    ],
)
def test_a_foreign_write_after_a_step(scene, workspace, monkeypatch, table, step):
    """Rows that someone else writes to a pinned table while a batch runs are never published, and the next run restores."""
    shop = workspace(scene.before)
    original = pipeline.STORY[step]

    def disturbed(lake, operation):
        result = original(lake, operation)
        own = lake.tables.forget_written()
        schema = lake.tables.schema(table)
        rows = lake.tables.rows({name: [None] for name in schema.names}, schema)
        rows.write.format("delta").mode("append").save(lake.tables._location(table))
        lake.tables.written.update(own)
        return result

    with scene.open(shop) as lake:
        with monkeypatch.context() as patch:
            patch.setitem(pipeline.STORY, step, disturbed)
            (outcome,) = pipeline.run(lake)
        assert outcome.status == "failed"
        assert table in outcome.message
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
        (outcome,) = pipeline.run(lake)
        assert (outcome.batch_id, outcome.status) == ("b2", "failed")
        assert differences(scene.states["after"].published, content(lake)) == []
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
            (outcome,) = pipeline.run(lake)
        assert calls >= nth
        assert outcome.status == "failed"
        assert "No space left on device" in outcome.message
        assert differences(scene.states["before"].published, content(lake)) == []
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    scene.require(shop, "after")
