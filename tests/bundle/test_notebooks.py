"""The job's notebooks, run in order as scripts: they end in the tables that `cartbrook run` makes."""

from __future__ import annotations

import ast
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.bundle import bundle
from tests.bundle.notebooks import CELL, SOURCE
from tests.property.shops import FIRST, SECOND, batch, customer

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.errors import BatchRejected
from cartbrook.testing import content, differences, submit

NOTEBOOKS = sorted((bundle.ROOT / "notebooks").glob("*.py"))
SETTINGS = Settings(stable_seconds=Decimal(0))


@pytest.fixture(scope="module")
def straight(engine, tmp_path_factory):
    """The tables after `cartbrook run` of both deliveries."""
    folder = tmp_path_factory.mktemp("straight") / "shop"
    with pipeline.open_lake(folder, SETTINGS, engine=engine, create=True) as lake:
        pipeline.init(lake)
        submit(folder, FIRST, lake.contracts)
        submit(folder, SECOND, lake.contracts)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published", "published"]
        return content(lake)


@pytest.fixture
def tables(engine, workspace):
    """Gives what readers see in the workspace."""

    def read():
        with pipeline.open_lake(workspace.root, engine=engine) as lake:
            return content(lake)

    return read


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_in_source_format(path):
    """Each is Python that Databricks takes for a notebook, thin, and every cell stands for itself."""
    text = path.read_text("utf-8")
    assert text.startswith(SOURCE)
    cells = text.split(CELL)
    assert len(cells) >= 3
    for cell in cells:
        ast.parse(cell)
    assert sum(len(cell.splitlines()) for cell in cells) < 50


@pytest.mark.slow
def test_two_runs_end_like_cartbrook_run(workspace, tables, straight):
    """One run a batch, the first by date first; while one waits another run is asked for, then no more."""
    workspace.submit(SECOND, FIRST)
    first = workspace.run()
    assert first.errors == {}
    assert first.values["receive"] == {"found": "true", "batch_id": "b1", "left": []}
    assert first.values["publish"]["rows_out"] > 0
    assert workspace.asked == [4711]
    second = workspace.run()
    assert second.good
    assert second.values["receive"]["batch_id"] == "b2"
    assert workspace.asked == [4711]
    assert differences(straight, tables()) == []
    assert (workspace.root / "archive" / "b2" / "1" / "trigger.json").is_file()


@pytest.mark.slow
def test_a_repaired_run_goes_on_with_its_batch(workspace, tables, straight, monkeypatch):
    """Where a task failed the next batch goes first, and a repair ends the first one in the same tables."""
    workspace.submit(FIRST, SECOND)
    with monkeypatch.context() as broken:
        broken.setitem(pipeline.STORY, "facts", lambda *_: 1 / 0)
        failed = workspace.run()
    assert failed.states["history"] == "success"
    assert failed.states["facts"] == "failed"
    assert failed.states["archive"] == "upstream_failed"
    assert failed.states["again"] == "failed"
    assert not failed.good
    assert workspace.asked == [4711]
    assert workspace.run().values["receive"]["batch_id"] == "b2"  # published in between: b1 has to go back to ingest
    assert failed.start().good
    assert failed.states["facts"] == "success"
    assert differences(straight, tables()) == []


@pytest.mark.slow
def test_a_run_goes_on_with_what_another_left(workspace, tables, straight, monkeypatch):
    """Nobody repairs the run: the next one that finds no new trigger takes the batch up."""
    workspace.submit(FIRST)
    with monkeypatch.context() as broken:
        broken.setitem(pipeline.STORY, "marts", lambda *_: 1 / 0)
        assert not workspace.run().good
    assert workspace.asked == []
    workspace.submit(SECOND)
    assert workspace.run().values["receive"]["batch_id"] == "b2"
    assert workspace.run().values["receive"]["batch_id"] == "b1"
    assert differences(straight, tables()) == []


def test_what_waits_does_not_start_runs(workspace):
    """A trigger that is not ready stays, no step runs, and no other run is asked for: it would find the same."""
    workspace.submit(replace(batch(1, 10, customers=[customer()]), more={"data_files_ready": False}))
    run = workspace.run()
    assert run.good
    assert run.values["receive"] == {"found": "false", "batch_id": "", "left": ["b1.json"]}
    assert {state for task, state in run.states.items() if task in pipeline.STORY} == {"excluded"}
    assert workspace.asked == []


def test_a_rejected_batch_fails_its_run(workspace, engine):
    """Its run fails, so that people are told; the rejection is published, and the next trigger has its run."""
    (workspace.root / "cartbrook.yaml").write_text("stable_seconds: 0\nquarantine_gate: 0.4\n")
    workspace.submit(batch(1, 10, customers=[customer(""), customer("")]), SECOND)
    run = workspace.run()
    assert isinstance(run.errors["validate"], BatchRejected)
    assert not run.good
    assert workspace.asked == [4711]
    with pipeline.open_lake(workspace.root, engine=engine) as lake:
        assert [row.status for row in lake.ledger.batches("b1")] == ["rejected"]
        assert lake.ledger.newest().cause == "rejection"


def test_a_held_batch_goes_back_and_waits(workspace, engine):
    """A batch whose file is not what its trigger declares is back in landing, and starts no other run."""
    declared = {"files": [{"name": "customers_2025_01_10.csv", "domain": "customers", "rows": 7}]}
    workspace.submit(replace(batch(1, 10, customers=[customer()]), more=declared))
    run = workspace.run()
    assert run.values["receive"]["left"] == ["b1.json"]
    assert workspace.asked == []
    with pipeline.open_lake(workspace.root, engine=engine) as lake:
        assert [row.status for row in lake.ledger.batches("b1")] == ["held"]
