"""Full snapshots on their way through the pipeline: one that lacks too much waits for a person."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.property.conftest import require_proved
from tests.property.shops import batch, customer, order, product
from tests.property.test_any_order import with_setting

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.contracts import conditions
from cartbrook.errors import SnapshotShrinks
from cartbrook.testing import submit
from cartbrook.types import Decision

pytestmark = pytest.mark.slow

MANY = [customer(f"c{number}") for number in range(1, 41)]
FIRST = batch(1, 10, customers=MANY, products=[product()])


@pytest.fixture
def lake(engine, shelf, tmp_path):
    """A lake whose customers come as full snapshots, after one of forty."""
    built_in = (conditions.BUILT_IN / "customers.odcs.yaml").read_text(encoding="utf-8")
    snapshot = with_setting(built_in, "{property: snapshot, value: full}")
    root = shelf(tmp_path / "shop", FIRST, contracts={"customers": snapshot})
    with pipeline.open_lake(root, Settings(stable_seconds=Decimal(0)), engine=engine) as opened:
        yield opened


def run(lake, *batches, confirmed=()) -> list[str]:
    """Hand batches in and run; what became of each."""
    for each in batches:
        submit(lake.places.root, each, lake.contracts)
    return [outcome.status for outcome in pipeline.run(lake, confirmed)]


def current(lake) -> int:
    """Customers that are there."""
    return int(lake.published("gold.dim_customer", lake.ledger.newest()).where("is_current").count())


def test_a_snapshot_that_shrinks_is_held(lake):
    """Beyond the limit nothing is published until it is confirmed; the batch then goes on with the same revision.

    A few keys less, as many as the setting allows, or a delivery of other domains: nothing is asked. A file without any record
    would end every history, and is never taken at its word.
    """
    assert run(lake, batch(2, 11, customers=MANY[:30])) == ["published"]
    assert run(lake, batch(3, 12, orders=[order()])) == ["published"]
    assert run(lake, batch(4, 13, customers=MANY[:21])) == ["published"]
    before = lake.ledger.newest().publish_seq
    assert run(lake, batch(5, 14, customers=MANY[:10])) == ["held"]
    [row] = lake.ledger.batches("b5")
    assert (row.status, row.revision) == ("held", 1)
    assert "lacks 11 of 21" in (row.error or "")
    assert run(lake) == ["held"]
    assert (lake.ledger.newest().publish_seq, current(lake)) == (before, 21)
    assert run(lake, confirmed=["b5"]) == ["published"]
    assert current(lake) == 10
    # Taken in again it is confirmed already: its own closings are no news.
    assert pipeline.reprocess(lake, "b5").status == "published"
    assert current(lake) == 10
    assert run(lake, batch(6, 15, customers=[])) == ["held"]
    assert current(lake) == 10
    assert run(lake, confirmed=["b6"]) == ["published"]
    assert current(lake) == 0
    require_proved(lake)


def test_a_torn_snapshot_ends_nothing(lake):
    """While the key of a record cannot be read no key is told to be absent; once it is discarded they are, under the guard.

    Where taking the batch in again would end too much, the live revision stays and nothing waits in landing.
    """
    torn = [*MANY[:20], customer("")]
    assert run(lake, batch(2, 11, customers=torn)) == ["published"]
    assert lake.contracts["customers"].column("customer_id").required
    assert current(lake) == 40
    [row] = lake.published("ops.quarantine", lake.ledger.newest()).toArrow().to_pylist()
    discard = [Decision(row["quarantine_id"], "discard")]
    with pytest.raises(SnapshotShrinks, match="lacks 20 of 40"):
        pipeline.decide(lake, discard)
    assert current(lake) == 40
    [decided] = pipeline.decide(lake, discard, confirmed=True)
    assert (decided.after, current(lake)) == ("discarded", 20)
    assert run(lake, batch(3, 12, customers=MANY)) == ["published"]
    assert pipeline.undo(lake, "b2").status == "undone"
    outcome = pipeline.reprocess(lake, "b2")
    assert (outcome.status, "lacks 20 of 40" in outcome.message) == ("failed", True)
    assert run(lake) == []
    assert current(lake) == 40
    assert [row.status for row in lake.ledger.batches("b2")] == ["undone", "failed"]
    assert pipeline.reprocess(lake, "b2", confirmed=True).status == "published"
    require_proved(lake)


def test_a_snapshot_that_shrinks_is_held_step_by_step(lake):
    """A step alone gives the batch back to landing, too, and a confirmed run goes on with it."""
    submit(lake.places.root, batch(2, 11, customers=MANY[:20]), lake.contracts)
    for step in ("receive", "ingest", "validate"):
        pipeline.run_step(lake, "b2", step)
    with pytest.raises(SnapshotShrinks):
        pipeline.run_step(lake, "b2", "history")
    assert [(row.status, row.revision) for row in lake.ledger.batches("b2")] == [("held", 1)]
    assert (lake.places.triggers / "b2.json").is_file()
    assert run(lake, confirmed=["b2"]) == ["published"]
    assert current(lake) == 20
    require_proved(lake)
