"""That there are no restatements is told without the engine only where the engine finds none."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from tests.frames.inline import typed

from cartbrook.contracts.load import load_contracts
from cartbrook.frames.changes import INSERT, changes
from cartbrook.frames.restatements import LOOKED_AT, has_any, restatements
from cartbrook.frames.schema import fact, fact_key
from cartbrook.lake.tables import Tables

FIRST = {"product_id": "p1", "warehouse_id": "w1", "batch_date": "2025-01-01"}
CONTRACT = load_contracts()["inventory"]
SIDES: list[dict[str, str] | None] = [
    None,
    *({"batch_id": batch, "record_id": record} for batch, record in itertools.product(("b1", "b2"), ("r1", "r2"))),
]


@pytest.mark.parametrize("delivered", [[], ["b1"], ["b1", "b2"]], ids=len)
def test_none_are_missed(session, lake_dir, delivered):
    """Of each way in which one fact may have changed, gone or come, both ask the same of it."""
    tables = Tables(session, lake_dir, {})
    operation: Any = SimpleNamespace(
        base=SimpleNamespace(publish_seq=1), cause="batch", batches=[None], batch=SimpleNamespace(batch_id="b1")
    )
    told = []
    for old, new in itertools.product(SIDES, SIDES):
        before, now = (rows(session, side) for side in (old, new))
        made = tables.stage(changes(before, now, fact_key(CONTRACT), fact(CONTRACT).names, before=True))
        looked = made.rows_without("_change", INSERT, LOOKED_AT)
        told.append(has_any(looked, delivered))
        assert told[-1] == (restatements(made.frame, CONTRACT, operation, delivered).count() > 0), (old, new)
    assert set(told) == {True, False}


def rows(session, side):
    """One fact, or none."""
    return typed(session, fact(CONTRACT), [] if side is None else [{**FIRST, **side}])
