"""Facts belong to the dimension version of their event time; and keys whose versions moved are found."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from tests.frames.inline import typed

from cartbrook.contracts.load import load_contracts

CUSTOMERS = load_contracts()["customers"]

VERSIONS = [
    # C1: two versions, a gap, and a third one, closed
    {"customer_id": "C1", "customer_sk": "c1v1", "effective_date": "2025-01-10", "expiry_date": "2025-01-20", "version": "1"},
    {"customer_id": "C1", "customer_sk": "c1v2", "effective_date": "2025-01-20", "expiry_date": "2025-01-25", "version": "2"},
    {"customer_id": "C1", "customer_sk": "c1v3", "effective_date": "2025-02-01", "expiry_date": "2025-02-10", "version": "3"},
    {"customer_id": "C2", "customer_sk": "c2v1", "effective_date": "2025-01-10", "version": "1"},
]
EVENTS = {
    "long before the first": ("C1", "1900-01-01 00:00:00", "c1v1"),
    "at the start": ("C1", "2025-01-10 00:00:00", "c1v1"),
    "inside": ("C1", "2025-01-15 12:00:00", "c1v1"),
    "the last moment": ("C1", "2025-01-19 23:59:59.999999", "c1v1"),
    "exactly at the boundary": ("C1", "2025-01-20 00:00:00", "c1v2"),
    "in the gap": ("C1", "2025-01-28 00:00:00", "c1v2"),
    "after the gap": ("C1", "2025-02-01 00:00:00", "c1v3"),
    "after the close": ("C1", "2100-12-31 23:59:59", "c1v3"),
    "another key": ("C2", "2025-01-28 00:00:00", "c2v1"),
    "unknown key": ("C9", "2025-01-28 00:00:00", None),
    "no key": (None, "2025-01-28 00:00:00", None),
}


@pytest.fixture(scope="module")
def bound(session):
    """The surrogate key that each event is bound to."""
    from cartbrook.frames.binding import bind
    from cartbrook.frames.schema import dimension

    rows = {"event": list(EVENTS), "who": [who for who, *_ in EVENTS.values()], "at": [at for _, at, _ in EVENTS.values()]}
    events = session.createDataFrame(pa.table({name: pa.array(texts, pa.string()) for name, texts in rows.items()}))
    versions = typed(session, dimension(CUSTOMERS), VERSIONS)
    frame = bind(events, versions, CUSTOMERS, ("who",), F.col("at").cast("timestamp"))
    assert frame.columns == ["event", "who", "at", "customer"]
    return [(row["event"], row["sk"]) for row in frame.selectExpr("event", "customer.customer_sk AS sk").toArrow().to_pylist()]


def test_each_event_is_bound_once(bound):
    """No join fans out, and no event is lost."""
    assert sorted(event for event, _ in bound) == sorted(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_binding(bound, event):
    """The last version that starts by the event time, even a closed one, else the first; NULL for an unknown key."""
    assert dict(bound)[event] == EVENTS[event][2]


A, B = "2025-01-10", "2025-02-10"
OPEN = {"customer_sk": "1", "version": "1", "effective_date": A}
LATER = {"customer_sk": "2", "version": "2", "effective_date": B}
# What was, what is, and since when events may be bound otherwise: None for none, "" for any time.
Versions = list[dict[str, str]]
MOVED: dict[str, tuple[Versions, Versions, str | None]] = {
    "same": ([{**OPEN, "last_login": "2025-01-01 00:00:00"}], [{**OPEN, "last_login": "2025-01-02 00:00:00"}], None),
    "tracked change in place": ([{**OPEN, "first_name": "a"}], [{**OPEN, "first_name": "b"}], ""),
    "to NULL": ([{**OPEN, "first_name": "a"}], [OPEN], ""),
    "a later version": ([OPEN], [OPEN, LATER], B),
    "a later version less": ([OPEN, LATER], [OPEN], B),
    "an earlier version": ([{**OPEN, "customer_sk": "2", "effective_date": B}], [OPEN, LATER], ""),
    "the later version alone": ([OPEN, LATER], [OPEN, {**LATER, "first_name": "b"}], B),
    "appeared": ([], [OPEN], ""),
    "vanished": ([OPEN], [], ""),
}


def test_moved(session):
    """Keys move when a version comes, goes, is cut anew or changes in a tracked column; untracked changes move nothing."""
    from cartbrook.frames.binding import moved
    from cartbrook.frames.schema import dimension

    def frame(side):
        versions = {case: (old, new)[side] for case, (old, new, _) in MOVED.items()}
        rows = [{"customer_id": case, **version} for case, of in versions.items() for version in of]
        return typed(session, dimension(CUSTOMERS), rows)

    found = moved(frame(0), frame(1), CUSTOMERS).selectExpr("*", "string(date(_since)) AS day").toArrow().to_pylist()
    due = {case: (bool(old), bool(new), since or None) for case, (old, new, since) in MOVED.items() if since is not None}
    assert {row["customer_id"]: (row["_was"], row["_is"], row["day"]) for row in found} == due
