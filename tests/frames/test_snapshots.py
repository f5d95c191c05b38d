"""Full snapshots: a key that one does not name is gone from its time on, and what cannot be told is not guessed."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from tests.frames.inline import typed
from tests.frames.test_history import CONTRACT as PARTIAL

from cartbrook.types import Batch

CONTRACT = dataclasses.replace(PARTIAL, snapshot_full=True)

# A snapshot is its day, a letter where there are several, and what it names: key=value, key=? (came and was set aside), ! (a
# record whose key cannot be read). With + in front it is a delivery from before the contract said so, which is no snapshot.
CASES = {
    "absent key is closed": (["10 x=a y=b", "20 x=a"], "x[10,)a y[10,20)b"),
    "absent twice, closed once": (["10 x=a", "20", "30"], "x[10,20)a"),
    "reappears as a new version": (["10 x=a", "20", "30 x=a"], "x[10,20)a x[30,)a"),
    "changes while others go": (["10 x=a y=b", "20 x=c", "30 x=c y=b"], "x[10,20)a x[20,)c y[10,20)b y[30,)b"),
    "late, between": (["10 x=a y=b", "30 x=a y=b", "20 x=a"], "x[10,)a y[10,20)b y[30,)b"),
    "late, before everything": (["20 x=a", "10 y=b"], "x[20,)a y[10,20)b"),
    "came, but was set aside": (["10 x=a", "20 x=?", "30 x=a"], "x[10,)a"),
    "came, was set aside, and is gone": (["10 x=a", "20 x=?", "30"], "x[10,30)a"),
    "a key cannot be read": (["10 x=a y=b", "20 x=a !", "30 x=a"], "x[10,)a y[10,30)b"),
    "two at one time, the greatest counts": (["10 x=a y=b", "20a x=a y=c", "20b x=d"], "x[10,20)a x[20,)d y[10,20)b"),
    "two at one time, a new key in the lesser": (["10 x=a", "20a x=a z=e", "20b x=a"], "x[10,)a"),
    "two at one time, the greatest cannot be read": (["10 x=a y=b", "20a x=a", "20b x=a !"], "x[10,)a y[10,)b"),
    "a delivery that is no snapshot": (["+10 x=a y=b", "20 x=a"], "x[10,)a y[10,20)b"),
    "no snapshot, afterwards": (["10 x=a", "+20 y=b", "30 x=a"], "x[10,)a y[20,30)b"),
    "a delete that is said": (["10 x=a", "20 x=del", "30 x=b"], "x[10,20)a x[30,)b"),
    "nothing but snapshots of nothing": (["10", "20"], ""),
}


def rows(case, snapshots):
    """The silver rows of the snapshots of a case; keys begin with the case."""
    found = []
    for text in snapshots:
        place, *named = text.split()
        day = int(place.strip("+ab"))
        base = {"_effective_time": f"2025-01-{day:02d} 00:00:00", "_batch_id": f"{case}{place}", "_flags": []}
        for key, _, value in (name.partition("=") for name in named if name != "!"):
            kind = {"?": "present", "del": "delete"}.get(value, "upsert")
            found.append({**base, "customer_id": f"{case}|{key}", "name": value, "_kind": kind, "_record_hash": value})
        if not place.startswith("+"):
            found.append({**base, "_kind": "marker", "_flags": ["incomplete"] if "!" in named else []})
    return found


@pytest.mark.parametrize("case", CASES)
def test_history_of_snapshots(session, case):
    """The set of snapshots decides which versions there are, whatever their order of arrival."""
    from cartbrook.frames.history import history
    from cartbrook.frames.schema import silver

    snapshots, expected = CASES[case]
    for order in (snapshots, snapshots[::-1]):
        found = history(typed(session, silver(CONTRACT), rows(case, order)), CONTRACT)
        shown = found.orderBy("customer_id", "version").selectExpr(
            "concat(substring_index(customer_id, '|', -1), '[', day(effective_date), ',', "
            "coalesce(CAST(day(expiry_date) AS string), ''), ')', name) AS shown"
        )
        told = [row["shown"] for row in shown.toArrow().to_pylist()]
        assert " ".join(told) == expected


def test_columns_that_the_contract_has_lost(session):
    """Silver may hold them still; the history of snapshots does without."""
    from cartbrook.frames.history import history
    from cartbrook.frames.schema import silver

    frame = typed(session, silver(CONTRACT), rows("c", ["10 x=a y=b", "20 x=a"]))
    plain, more = (history(some, CONTRACT).orderBy("customer_id") for some in (frame, frame.selectExpr("*", "'old' AS lost")))
    assert more.toArrow().to_pylist() == plain.toArrow().to_pylist()


def test_every_upsert_is_covered(session):
    """`uncovered` knows the implied deletes: a version that a snapshot ends still covers its own record, and no other does."""
    from cartbrook.frames.history import history
    from cartbrook.frames.invariants import broken_versions, uncovered
    from cartbrook.frames.schema import silver

    snapshots = [row | {"_record_id": str(n)} for n, row in enumerate(rows("c", ["10 x=a y=b", "20 x=a", "30 x=a y=b"]))]
    frame = typed(session, silver(CONTRACT), snapshots)
    dimension = history(frame, CONTRACT)
    assert uncovered(frame, dimension, CONTRACT).toArrow().to_pylist() == []
    assert broken_versions(dimension, CONTRACT).toArrow().to_pylist() == []
    less = dimension.where("version = 1")
    assert uncovered(frame, less, CONTRACT).toArrow().to_pylist() == [{"rows": 1}]


def test_presence(session):
    """A snapshot leaves a marker, and a row for each record that was set aside and has a key."""
    from pyspark.sql import functions as F

    from cartbrook.frames.schema import silver
    from cartbrook.frames.snapshots import presence

    batch = Batch("B1", 2, 7, dt.date(2025, 1, 15), (), "2025-01-15 10:00:00")
    absent: list[dict[str, Any]] = [
        {"customer_id": "x", "name": "a", "_record_id": "r1", "_kind": "upsert", "_batch_id": "B1", "_flags": ["odd"]},
        {"customer_id": None, "name": "b", "_record_id": "r2", "_kind": "upsert", "_batch_id": "B1"},
    ]

    def left(*decisions):
        frame = typed(session, silver(CONTRACT), absent)
        decided = F.lit(None).cast("string")
        for row, decision in zip(absent, decisions, strict=False):
            decided = F.when(F.col("_record_id") == row["_record_id"], F.lit(decision)).otherwise(decided)
        found = presence(frame.withColumn("_decision", decided).where(F.lit(bool(decisions))), CONTRACT, batch)
        assert found.schema.simpleString() == silver(CONTRACT).simpleString()
        columns = ("customer_id", "name", "_kind", "_flags", "_batch_id")
        return sorted((tuple(map(str, map(row.get, columns))) for row in found.toArrow().to_pylist()), key=repr)

    present, marker = ("x", "None", "present", "[]", "B1"), ("None", "None", "marker", "[]", "B1")
    assert left(None) == [("None", "None", "marker", "['incomplete']", "B1"), present]
    assert left(None, "discard") == [marker, present]
    assert left("discard", "discard") == [marker, present]
    assert left() == [marker]  # no record at all
