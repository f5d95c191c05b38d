"""The whole story on Sail and on Spark: the same rows in every table, and each goes on with a lake of the other."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.parity import story

from cartbrook.shop import KINDS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def on_sail(tmp_path_factory):
    """Workspaces after each half, both on Sail."""
    first, second = (tmp_path_factory.mktemp("sail") / half for half in ("first", "second"))
    story.on_sail(first, "first")
    shutil.copytree(first, second)
    story.on_sail(second, "second")
    return first, second


def test_the_story_has_everything(on_sail):
    """Every kind of defect was planted, and records of every state are there: parked, open, corrected, discarded, released."""
    planted = json.loads((on_sail[0] / "deliveries" / "planted.json").read_text("utf-8"))
    assert {one["kind"] for one in planted} == set(KINDS)
    half, end = (story.published(folder / "lake") for folder in on_sail)
    states = {row["status"] for rows in (half, end) for row in rows["ops.quarantine"]}
    assert states == {"open", "parked", "released", "corrected", "discarded"}
    assert {row["is_current"] for row in half["gold.dim_product"]} == {True, False}
    assert {row["status"] for row in end["ops.batches"]} == {"published", "undone"}


@pytest.mark.engine("spark")
def test_sail_goes_on_with_a_lake_of_spark(engine, on_sail, tmp_path):
    """The first half on Spark gives the same rows, and with it Sail ends in the same tables."""
    ours = tmp_path / "ours"
    story.on_engine(engine, ours, "first")
    assert story.differences(story.published(ours / "lake"), story.published(on_sail[0] / "lake")) == []
    story.on_sail(ours, "second")
    assert story.differences(story.published(ours / "lake"), story.published(on_sail[1] / "lake")) == []


@pytest.mark.engine("spark")
def test_spark_goes_on_with_a_lake_of_sail(engine, on_sail, tmp_path):
    """The first half on Sail and the second on Spark end in the same tables, too."""
    mixed = shutil.copytree(on_sail[0], tmp_path / "mixed")
    story.on_engine(engine, mixed, "second")
    assert story.differences(story.published(mixed / "lake"), story.published(on_sail[1] / "lake")) == []


@pytest.mark.long
@pytest.mark.engine("spark")
def test_the_sample_on_spark(engine, tmp_path):
    """The sample, where it is present, gives the same tables."""
    if not story.SAMPLE.is_dir():
        pytest.skip("the sample is no part of the repository")
    story.on_engine(engine, tmp_path / "ours", "sample")
    story.on_sail(tmp_path / "theirs", "sample")
    assert story.differences(story.published(tmp_path / "ours/lake"), story.published(tmp_path / "theirs/lake")) == []
