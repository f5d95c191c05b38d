"""Few rows are worked on without compiled plans, many with them."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable
from tests.parity import story

from cartbrook.lake import spark
from cartbrook.lake.session import _for_few
from cartbrook.lake.spark import FOR_FEW, FOR_MANY, MANY

pytestmark = pytest.mark.engine("spark")


def test_plans_are_compiled_for_many_rows(session):
    """A session begins with few; it goes with what is expected, there and back."""
    engine = _for_few(session, {})
    assert in_force(session) == FOR_FEW
    engine.expect(lambda: MANY)
    assert in_force(session) == FOR_MANY
    engine.expect(lambda: MANY - 1)
    assert in_force(session) == FOR_FEW


def test_what_the_user_has_set_stays(session):
    """A setting of the user is not touched, the other goes on to change."""
    [*ours, theirs] = FOR_FEW
    session.conf.set(theirs, FOR_MANY[theirs])
    expected = {name: FOR_FEW[name] for name in ours} | {theirs: FOR_MANY[theirs]}
    try:
        engine = _for_few(session, {theirs: FOR_MANY[theirs]})
        assert in_force(session) == expected
        engine.expect(lambda: MANY)
        engine.expect(lambda: 0)
        assert in_force(session) == expected
    finally:
        _for_few(session, {})  # for the tests after this one


@pytest.mark.long
@pytest.mark.slow
def test_a_batch_as_if_it_were_large(engine, tmp_path, monkeypatch):
    """Compiled and committed by Spark, a batch gives the tables of Sail; the pipeline itself tells the engine how large it is."""
    assert in_force(engine.session) == FOR_FEW
    with monkeypatch.context() as patched:
        patched.setattr(spark, "MANY", 0)
        story.on_engine(engine, tmp_path / "ours", "small")
    try:
        assert in_force(engine.session) == FOR_MANY
        for name in ("bronze/orders", "silver/orders", "gold/fact_orders", "gold/kpi_summary"):
            [newest] = DeltaTable(str(tmp_path / "ours" / "lake" / name)).history(1)
            assert newest["engineInfo"].startswith("Apache-Spark"), name
    finally:
        engine.expect(lambda: 0)
    story.on_sail(tmp_path / "theirs", "small")
    ours, theirs = (story.published(tmp_path / name / "lake") for name in ("ours", "theirs"))
    assert story.differences(ours, theirs) == []


def in_force(session):
    """The settings that change, as they are now."""
    return {name: session.conf.get(name) for name in FOR_FEW}
