"""The ledger: publications, batches and steps as they are written and read back."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from cartbrook.errors import WorkspaceError
from cartbrook.lake.ledger import SCHEMAS, Ledger, utc_now
from cartbrook.lake.tables import Tables
from cartbrook.types import Batch, BatchRow, LiveBatch, Operation, Publication, StepResult, StepRun

DAY = dt.date(2025, 1, 15)
LIVE = (LiveBatch("B1", 2, 1, DAY), LiveBatch("B2", 1, 2, dt.date(2025, 1, 16)))
ROW = BatchRow(
    "B1", 1, 1, "2025-01-15", "running", started_at="2025-01-15T10:00:00+00:00", content_hash="c", manifest='{"a": "ä"}'
)
PUBLICATION = Publication(1, "batch", "B1", 2, DAY, LIVE, {"gold.fact_orders": 3, "silver.orders": 0}, "rules", "logic", (ROW,))


@pytest.fixture
def ledger(session, lake_dir):
    """A ledger of empty tables."""
    tables = Tables(session, lake_dir, SCHEMAS)
    for name in SCHEMAS:
        tables.create(name)
    return Ledger(tables)


def operation(token: str = "t1", batch_id: str = "B1") -> Operation:
    """A run of revision 1 of a batch."""
    return Operation("batch", (Batch(batch_id, 1, 1, DAY, ()),), PUBLICATION, LIVE, (), token)


def test_without_a_publication_there_is_nothing_to_trust(ledger):
    """An interrupted `init` is told as such."""
    with pytest.raises(WorkspaceError, match="init"):
        ledger.newest()


def test_a_publication_is_read_as_it_was_written(ledger):
    """Live batches, versions and the rows of ops.batches come back whole; the greatest number is the newest."""
    ledger.publish(
        dataclasses.replace(PUBLICATION, publish_seq=2, live=(), as_of=None, batch_id=None, revision=None, batch_rows=())
    )
    ledger.publish(PUBLICATION)
    assert [publication.publish_seq for publication in ledger.publications()] == [2, 1]
    assert ledger.publications()[1] == PUBLICATION
    newest = ledger.newest()
    assert (newest.publish_seq, newest.live, newest.as_of, newest.batch_id) == (2, (), None, None)
    assert len(ledger.publications(most=1)) == 1


def test_a_batch_row_takes_the_place_of_its_own(ledger):
    """Saving goes by batch and revision; ids are found in any case."""
    ledger.save([ROW], new=True)
    ledger.save([dataclasses.replace(ROW, revision=2, status="published", score="99.50", rows_read=3)])
    ledger.save([dataclasses.replace(ROW, status="failed", error="why")])
    first, second = ledger.batches("b1")
    assert (first.status, first.error, first.manifest, first.batch_date) == ("failed", "why", ROW.manifest, "2025-01-15")
    assert (second.status, second.score, second.rows_read, second.rows_accepted) == ("published", "99.50", 3, None)
    assert ledger.batches("B9") == []


def test_times_are_not_shifted(ledger):
    """A time in UTC is the same instant when it is read, whatever the zone of the machine."""
    ledger.save([ROW], new=True)
    [row] = ledger.batches()
    assert row.started_at is not None
    assert dt.datetime.fromisoformat(row.started_at) == dt.datetime(2025, 1, 15, 10, tzinfo=dt.UTC)
    ledger.save([row])  # what was read can be written again
    assert ledger.batches() == [row]


def test_numbers_of_batches(ledger):
    """The first batch has number 1, the next one more than the greatest."""
    assert ledger.next_seq() == 1
    ledger.save([ROW, dataclasses.replace(ROW, batch_id="B7", batch_seq=7)], new=True)
    assert ledger.next_seq() == 8
    assert [row.batch_id for row in ledger.batches()] == ["B1", "B7"]


def test_steps_and_the_versions_they_gave(ledger):
    """A run's last version of each table is trusted; those of another run are not."""
    ledger.record(operation(), [StepRun("ingest", 0.5, StepResult(3, 2)), StepRun("validate", 1.5, versions={"a": 1, "b": 4})])
    ledger.record(operation(), [StepRun("history", 1.0, versions={"a": 2})])
    ledger.record(operation("t2"), [StepRun("facts", 1.0, versions={"a": 9}, error="broke")])
    ledger.record(operation("t3", "B2"), [StepRun("ingest", 1.0)])
    ledger.record(operation(), [])
    assert ledger.versions_by(operation()) == {"a": 2, "b": 4}
    assert ledger.versions_by(operation("t9")) == {}
    steps = ledger.steps("b1", 1)
    assert [(step["step"], step["status"], step["error"]) for step in steps if step["step"] in ("history", "facts")] == [
        ("history", "done", None),
        ("facts", "failed", "broke"),
    ]
    assert {step["step"]: step["table_versions"] for step in steps}["validate"] == {"a": 1, "b": 4}
    [ingest] = [step for step in steps if step["step"] == "ingest"]
    assert (ingest["seconds"], ingest["rows_in"], ingest["rows_out"], ingest["token"]) == (0.5, 3, 2, "t1")


def test_the_clock_is_utc():
    """The ledger's time says its zone, and is now."""
    moment = dt.datetime.fromisoformat(utc_now())
    assert moment.utcoffset() == dt.timedelta(0)
    assert abs((dt.datetime.now(dt.UTC) - moment).total_seconds()) < 60


def test_what_is_remembered_is_what_is_there(ledger):
    """Rows that were written are given back as the table has them, and what another process writes is seen."""
    other = Ledger(ledger._tables)
    score = dataclasses.replace(ROW, status="published", score="99.5", finished_at=utc_now(), warnings=("one",))
    ledger.save([ROW, dataclasses.replace(ROW, batch_id="B2", batch_seq=2)], new=True)
    ledger.save([score])
    assert other.batches() == ledger.batches()
    other.save([dataclasses.replace(score, status="undone")])
    assert [row.status for row in ledger.batches("B1")] == ["undone"]
    assert ledger.next_seq() == 3
    ledger.publish(PUBLICATION)
    assert other.newest() == ledger.newest()
    other.publish(dataclasses.replace(PUBLICATION, publish_seq=2))
    assert (ledger.newest().publish_seq, other.newest().publish_seq) == (2, 2)
