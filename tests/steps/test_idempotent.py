"""Each step alone, for one batch, and again: the same tables as one run of all of them."""

from __future__ import annotations

import shutil
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from tests.property.shops import FIRST, SECOND

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.errors import BatchNotFound
from cartbrook.testing import content, differences, submit

pytestmark = pytest.mark.slow

SETTINGS = Settings(stable_seconds=Decimal(0))
STEPS = ("ingest", "validate", "history", "facts", "marts", "publish", "archive")


@pytest.fixture(scope="module")
def waiting(engine, shelf, tmp_path_factory):
    """A workspace with one batch published and another one handed in."""
    folder = shelf(tmp_path_factory.mktemp("steps") / "waiting", FIRST)
    with pipeline.open_lake(folder, SETTINGS, engine=engine) as lake:
        submit(folder, SECOND, lake.contracts)
    return folder


@pytest.fixture(scope="module")
def whole(engine, waiting, tmp_path_factory):
    """What one run of all steps leaves."""
    folder = shutil.copytree(waiting, tmp_path_factory.mktemp("steps") / "whole")
    with pipeline.open_lake(folder, SETTINGS, engine=engine) as lake:
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        return everything(lake)


@pytest.fixture
def lake(engine, waiting, tmp_path):
    """The lake of a workspace with a batch that waits."""
    with pipeline.open_lake(shutil.copytree(waiting, tmp_path / "shop"), SETTINGS, engine=engine) as opened:
        yield opened


def everything(lake) -> dict[str, Counter[Any]]:
    """What readers see, and bronze."""
    bronze = {f"bronze.{domain}": lake.tables.read(f"bronze.{domain}").toArrow().to_pylist() for domain in lake.contracts}
    return {**content(lake), **{name: Counter(tuple(row.items()) for row in rows) for name, rows in bronze.items()}}


def heads(lake) -> dict[str, int]:
    """The versions of all tables."""
    return dict(lake.tables.heads((*lake.tables_all(), "ops.publications")))


def test_each_step_twice(lake, whole):
    """Steps run one by one, as tasks of a job do, and each twice in a row, end like one run."""
    pipeline.run_step(lake, "b2", "receive")
    for step in STEPS:
        pipeline.run_step(lake, "b2", step)
        pipeline.run_step(lake, "b2", step)
    assert differences(whole, everything(lake)) == []
    assert lake.ledger.newest().publish_seq == 2
    assert list((lake.places.archive / "b2" / "1").iterdir())
    assert repeated_results(lake) == []


def test_back_to_a_step(lake, whole):
    """Going back to a step after those behind it have run, and on from there, ends like one run.

    To the first, then to the second, and so on: what a step left when it was gone back to is what its tables hold in the end.
    """
    for name in ("receive", *STEPS[:5], *(name for first in range(5) for name in STEPS[first:5]), *STEPS[5:]):
        pipeline.run_step(lake, "b2", name)
    assert differences(whole, everything(lake)) == []
    assert repeated_results(lake) == []


def repeated_results(lake):
    """Rules of a batch that were recorded more than once; that there are results is seen, too."""
    columns = ("batch_seq", "revision", "domain", "rule")
    rows = lake.tables.read("ops.quality_results").select(*columns).toArrow().to_pylist()
    assert {row["batch_seq"] for row in rows} == {1, 2}
    counted = Counter(tuple(row.values()) for row in rows)
    return [row for row, times in counted.items() if times > 1]


def test_a_second_run_does_nothing(lake, whole):
    """Where nothing waits a run makes no commit and no publication; a batch that is handed in again is told to be unchanged."""
    pipeline.run(lake)
    before = heads(lake)
    assert pipeline.run(lake) == []
    assert heads(lake) == before
    submit(lake.places.root, SECOND, lake.contracts)
    assert [outcome.status for outcome in pipeline.run(lake)] == ["unchanged"]
    assert heads(lake) == before
    assert differences(whole, everything(lake)) == []


def test_a_step_of_no_batch(lake):
    """A step of a batch that nobody received is refused."""
    with pytest.raises(BatchNotFound):
        pipeline.run_step(lake, "b2", "ingest")
    with pytest.raises(BatchNotFound):
        pipeline.run_step(lake, "b7", "receive")
