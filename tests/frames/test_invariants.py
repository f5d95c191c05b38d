"""Each broken invariant of histories and bindings is found, and good ones give nothing."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cartbrook.contracts.load import load_contracts

CONTRACTS = load_contracts()
CUSTOMERS, ORDERS = CONTRACTS["customers"], CONTRACTS["orders"]


def typed(session, schema, rows):
    """A frame of a schema from inline rows of texts; arrays are lists of texts, what a row does not say is NULL."""
    kinds = [(field.name, field.dataType.simpleString()) for field in schema.fields]
    lists = {name for name, kind in kinds if kind.startswith("array")}
    arrays = {
        name: pa.array([row.get(name) for row in rows], pa.list_(pa.string()) if name in lists else pa.string())
        for name, _ in kinds
    }
    frame = (
        session.createDataFrame(pa.table(arrays))
        if rows
        else session.sql("SELECT " + ", ".join(f"NULL AS {n}" for n, _ in kinds))
    )
    frame = frame if rows else frame.limit(0)
    return frame.selectExpr(*(name if name in lists else f"CAST({name} AS {kind}) AS {name}" for name, kind in kinds))


def version(number: int, start: int, end: int | None, name: str | None = "a", **values):
    """A version of customer C1 by days of January 2025."""
    until = f"2025-01-{end:02}" if end else None
    row = {"customer_id": "C1", "first_name": name, "version": str(number), "effective_date": f"2025-01-{start:02}"}
    return {**row, "expiry_date": until, "is_current": str(end is None).lower(), "customer_sk": f"C1 {start}", **values}


GOOD = [version(1, 1, 5, "a"), version(2, 5, 9, "b"), version(3, 12, None, "b")]

BROKEN = {
    "overlap": [version(1, 1, 6, "a"), version(2, 5, None, "b")],
    "overlap: two open": [version(1, 1, None, "a"), version(2, 5, None, "b")],
    "end before they start": [version(1, 5, 5)],
    "are current and closed, or open and not current": [version(1, 1, None, is_current="false")],
    "are current and closed, or open and not current: closed": [version(1, 1, 5, is_current="true")],
    "are current and closed, or open and not current: unknown": [version(1, 1, 5, is_current=None)],
    "do not differ": [version(1, 1, 5, "a"), version(2, 5, None, "a", last_login="2025-01-07 00:00:00")],
    "do not differ: in NULL": [version(1, 1, 5, None), version(2, 5, None, None)],
    "are numbered wrongly": [version(2, 1, None)],
    "share a surrogate key": [version(1, 1, 5, "a", customer_sk="x"), version(2, 5, None, "b", customer_sk="x")],
}


@pytest.fixture
def dimension(session):
    """Versions of customers as a frame."""

    def make(rows):
        from cartbrook.frames.schema import dimension

        return typed(session, dimension(CUSTOMERS), rows)

    return make


def test_a_look_without_windows(dimension):
    """Keys of one sound version are not suspicious; whatever is broken is, and so are keys of several versions."""
    from cartbrook.frames.invariants import suspicious_versions

    one = [version(1, 1, None), version(1, 1, 5, customer_id="C2", customer_sk="C2 1")]
    assert suspicious_versions(dimension(one), CUSTOMERS).count() == 0
    assert suspicious_versions(dimension([*one, *one[:1]]), CUSTOMERS).count() > 0
    assert suspicious_versions(dimension([one[0], {**one[1], "customer_sk": one[0]["customer_sk"]}]), CUSTOMERS).count() > 0
    for rows in (GOOD, *BROKEN.values()):
        assert suspicious_versions(dimension(rows), CUSTOMERS).count() > 0, rows


def test_good_versions_give_nothing(dimension):
    """Versions that follow each other, a gap with equal values beside it, and other keys are all well."""
    from cartbrook.frames.invariants import broken_versions

    other = [{**row, "customer_id": "C2", "customer_sk": f"C2 {n}"} for n, row in enumerate(GOOD)]
    assert broken_versions(dimension(GOOD + other), CUSTOMERS).toArrow().to_pylist() == []


@pytest.mark.parametrize("problem", BROKEN)
def test_broken_versions_are_found(dimension, problem):
    """One broken key among good ones is found and named."""
    from cartbrook.frames.invariants import broken_versions

    good = [{**row, "customer_id": "C2", "customer_sk": f"C2 {n}"} for n, row in enumerate(GOOD)]
    found = broken_versions(dimension(BROKEN[problem] + good), CUSTOMERS).toArrow().to_pylist()
    assert [row["problem"] for row in found] == [problem.split(": ")[0]]


def event(day: int, name: str = "a", kind: str = "upsert"):
    """A silver record of customer C1."""
    row = {"customer_id": "C1", "first_name": name, "_kind": kind, "_effective_time": f"2025-01-{day:02}", "_batch_id": "B"}
    return {**row, "_record_id": f"{name}{day}", "_record_hash": name}


COVERED = {
    "all covered": ([event(1, "a"), event(3, "a"), event(5, "b"), event(9, kind="delete"), event(12, "b")], GOOD, 0),
    "outranked records need none": ([event(1, "a"), {**event(1, "0"), "_batch_id": "A"}], GOOD, 0),
    "no version": ([event(10, "b")], GOOD, 1),
    "other values": ([event(1, "z")], GOOD, 1),
    "covered twice": ([event(3, "a")], [*GOOD, version(4, 2, 4, "a", customer_sk="more")], 1),
    "another key": ([{**event(1, "a"), "customer_id": "C9"}], GOOD, 1),
    "before the first": ([event(1, "a"), event(2, "b")], GOOD[1:], 2),
}


@pytest.mark.parametrize("case", COVERED)
def test_each_winning_record_is_covered_once(session, dimension, case):
    """A winning upsert has exactly one version with its tracked values at its time."""
    from cartbrook.frames.invariants import uncovered
    from cartbrook.frames.schema import silver

    records, versions, missing = COVERED[case]
    found = uncovered(typed(session, silver(CUSTOMERS), records), dimension(versions), CUSTOMERS).toArrow().to_pylist()
    assert [row["rows"] for row in found] == ([missing] if missing else [])


PARENTS = {
    "customers": [version(1, 1, None)],
    "products": [{"product_id": "P1", "product_sk": "p1", "version": "1", "effective_date": "2025-01-01"}],
}
RECORD = {
    "order_id": "O1", "customer_id": "C1", "product_id": "P1", "order_date": "2025-01-05", "_kind": "upsert", "_record_id": "r1",
    "_effective_time": "2025-01-05", "_record_hash": "h", "_batch_id": "B",
}  # fmt: skip
FACT = {"order_id": "O1", "record_id": "r1", "customer_sk": "C1 1", "product_sk": "p1"}
BOUND = {
    "good": ([RECORD], [FACT], 0),
    "parked and absent": ([RECORD, {**RECORD, "order_id": "O2", "_record_id": "r2", "product_id": "P9"}], [FACT], 0),
    "missing": ([RECORD], [], 1),
    "too many": ([RECORD], [FACT, {**FACT, "order_id": "O2", "record_id": "r2"}], 1),
    "of a parked record": ([{**RECORD, "product_id": "P9"}], [FACT], 1),
    "of an outranked record": (
        [RECORD, {**RECORD, "_record_id": "r2", "_effective_time": "2025-01-06"}],
        [FACT],
        2,  # one is missing and one is too many
    ),
    "other version": ([RECORD], [{**FACT, "customer_sk": "C1 9"}], 1),
    "no version": ([RECORD], [{**FACT, "product_sk": None}], 1),
    "deleted": ([{**RECORD, "_kind": "delete"}], [FACT], 1),
}


@pytest.mark.parametrize("case", BOUND)
def test_facts_are_what_the_live_records_say(session, case):
    """A fact that is missing, too many, of another record or bound elsewhere is found."""
    from cartbrook.frames.invariants import unbound
    from cartbrook.frames.schema import dimension, fact, silver

    records, facts, wrong = BOUND[case]
    parents = {name: typed(session, dimension(CONTRACTS[name]), rows) for name, rows in PARENTS.items()}
    found = unbound(typed(session, silver(ORDERS), records), typed(session, fact(ORDERS), facts), parents, ORDERS, CONTRACTS)
    assert [row["rows"] for row in found.toArrow().to_pylist()] == ([wrong] if wrong else [])


LOST = {**RECORD, "order_id": "O2", "_record_id": "r2", "product_id": "P9"}
PARKED = {"quarantine_id": "r2", "status": "parked"}
MISPARKED = {
    "good": ([RECORD, LOST], [PARKED], []),
    "other rows do not count": (
        [RECORD, LOST],
        [PARKED, {"quarantine_id": "r1", "status": "released"}, {"quarantine_id": "r7", "status": "open"}],
        [],
    ),
    "no row": ([RECORD, LOST], [], [("miss a parent and are not parked", 1)]),
    "a row that was released": ([RECORD, LOST], [{**PARKED, "status": "released"}], [("miss a parent and are not parked", 1)]),
    "a parent is there": ([RECORD], [{**PARKED, "quarantine_id": "r1"}], [("are parked and miss no parent", 1)]),
    "no record": ([RECORD], [PARKED], [("are parked and miss no parent", 1)]),
}


@pytest.mark.parametrize("case", MISPARKED)
def test_exactly_the_records_without_parents_are_parked(session, case):
    """A record that waits without a row is found, and a row without a record that waits."""
    from cartbrook.frames.invariants import misparked
    from cartbrook.frames.schema import QUARANTINE, dimension, silver, struct

    records, rows, problems = MISPARKED[case]
    parents = {name: typed(session, dimension(CONTRACTS[name]), held) for name, held in PARENTS.items()}
    aside = typed(session, struct(QUARANTINE), rows)
    found = misparked(typed(session, silver(ORDERS), records), aside, parents, ORDERS, CONTRACTS).toArrow().to_pylist()
    assert [(row["problem"], row["rows"]) for row in found] == problems
