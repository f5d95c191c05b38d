"""Steps and deliveries that come in another order than one would wish."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal

import pytest
from tests.property.shops import batch, customer, order, product

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.errors import BatchNotFound, StepOutOfOrder
from cartbrook.lake import intake
from cartbrook.testing import submit

pytestmark = pytest.mark.slow

SETTINGS = Settings(stable_seconds=Decimal(0))
STEPS = ("ingest", "validate", "history", "facts", "marts", "publish", "archive")
A = batch(1, 10, customers=[customer()], products=[product()], orders=[order()])
B = batch(2, 11, orders=[order("o2")])


@pytest.fixture
def lake(engine, shelf, tmp_path):
    """A new lake."""
    with pipeline.open_lake(shelf(tmp_path / "shop"), SETTINGS, engine=engine) as opened:
        yield opened


def orders(lake) -> list[str]:
    """Order ids of the published facts."""
    rows = lake.published("gold.fact_orders", lake.ledger.newest()).select("order_id").toArrow().to_pylist()
    return sorted(row["order_id"] for row in rows)


def steps(lake, batch_id: str, *names: str) -> None:
    """Run steps of a batch, each alone."""
    for name in names:
        pipeline.run_step(lake, batch_id, name)


def test_another_publication_in_between(lake):
    """A run that was begun before another batch was published builds on nothing of it and says so."""
    submit(lake.places.root, A, lake.contracts)
    submit(lake.places.root, B, lake.contracts)
    steps(lake, "b1", "receive", "ingest", "validate")
    steps(lake, "b2", "receive", *STEPS)
    with pytest.raises(StepOutOfOrder):
        pipeline.run_step(lake, "b1", "history")
    steps(lake, "b1", *STEPS)
    assert orders(lake) == ["o1", "o2"]
    assert all(finding.problem is None for finding in pipeline.prove(lake))


def test_a_step_is_left_out(lake):
    """No step runs, and nothing is published, before the steps it builds on; a batch that was undone comes back by no step."""
    submit(lake.places.root, A, lake.contracts)
    steps(lake, "b1", "receive", "ingest", "validate")
    with pytest.raises(StepOutOfOrder):
        pipeline.run_step(lake, "b1", "publish")
    assert lake.ledger.newest().live == ()
    steps(lake, "b1", *STEPS[2:])
    pipeline.undo(lake, "b1")
    with pytest.raises(BatchNotFound):
        pipeline.run_step(lake, "b1", "validate")
    assert (lake.ledger.newest().live, orders(lake)) == ((), [])


def test_a_newer_delivery_wins_over_a_failed_one(lake, monkeypatch):
    """A revision that failed is set aside when the batch was delivered again; it never comes back over its correction."""
    submit(lake.places.root, A, lake.contracts)
    story = dict(pipeline.STORY)
    with monkeypatch.context() as broken:
        broken.setattr(pipeline, "STORY", {**story, "marts": lambda *_: 1 / 0})
        assert [outcome.status for outcome in pipeline.run(lake)] == ["failed"]
    corrected = batch(1, 10, customers=[customer()], products=[product()], orders=[order(order_amount="77.00")])
    submit(lake.places.root, corrected, lake.contracts)
    assert [(outcome.status, outcome.revision) for outcome in pipeline.run(lake)] == [("published", 2)]
    assert pipeline.run(lake) == []
    amounts = lake.published("gold.fact_orders", lake.ledger.newest()).select("order_amount").toArrow().to_pylist()
    assert [row["order_amount"] for row in amounts] == [Decimal("77.00")]
    assert [(row.revision, row.status) for row in lake.ledger.batches("b1")] == [(1, "failed"), (2, "published")]
    assert json.loads((lake.places.rejected / "b1" / "reason.json").read_text("utf-8"))["revision"] == 1


def test_a_half_claim_does_not_beat_a_new_delivery(lake):
    """What an interrupted claim moved is replaced by the file of the same name that came after it."""
    submit(lake.places.root, A, lake.contracts)
    claimed = lake.places.work_of("b1", 1)
    claimed.mkdir(parents=True)
    for path in (lake.places.landing / "b1").iterdir():
        path.rename(claimed / path.name)
    corrected = batch(1, 10, customers=[customer()], products=[product()], orders=[order(order_amount="77.00")])
    submit(lake.places.root, corrected, lake.contracts)
    assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    amounts = lake.published("gold.fact_orders", lake.ledger.newest()).select("order_amount").toArrow().to_pylist()
    assert [row["order_amount"] for row in amounts] == [Decimal("77.00")]
    assert intake.claimed_folders(lake.places) == []


def test_the_score_does_not_depend_on_failures_before(lake, monkeypatch):
    """A rule that needs orders is not evaluated where only a batch that failed has brought some."""
    submit(lake.places.root, B, lake.contracts)
    with monkeypatch.context() as broken:
        broken.setattr(pipeline, "STORY", {**pipeline.STORY, "marts": lambda *_: 1 / 0})
        pipeline.run(lake)
    shutil.rmtree(lake.places.work / "b2")
    submit(lake.places.root, batch(3, 12, customers=[customer()]), lake.contracts)
    assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
    results = lake.published("ops.quality_results", lake.ledger.newest()).toArrow().to_pylist()
    assert [row["status"] for row in results if row["rule"] == "customer_without_orders"] == ["not_evaluated"]


def test_a_rejected_file_is_published_as_a_rejection(lake):
    """A batch whose file cannot be read changes no table, and a publication says that it was rejected."""
    submit(lake.places.root, A, lake.contracts)
    damaged = next((lake.places.landing / "b1").glob("orders*"))
    damaged.write_text(damaged.read_text("utf-8") + '"open', "utf-8")
    assert [outcome.status for outcome in pipeline.run(lake)] == ["rejected"]
    newest = lake.ledger.newest()
    assert (newest.publish_seq, newest.cause, newest.batch_id, newest.live) == (1, "rejection", "b1", ())
