"""The books find every record that is lost, doubled or not delivered, and money that is not what was delivered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.frames.inline import typed

from cartbrook.contracts.load import load_contracts

ORDERS = load_contracts()["orders"]
DELIVERED: list[dict[str, Any]] = [
    *({"_record_id": f"r{n}", "order_amount": f"{n}.00", "currency": "usd"} for n in range(1, 7)),
    {"_record_id": "r7", "order_amount": "abc", "currency": "USD"},
]
ACCEPTED: list[dict[str, Any]] = [
    {"_record_id": "r1", "order_amount": "1.00", "_copies": ["r2"]},
    {"_record_id": "r3", "order_amount": "3.00"},
    {"_record_id": "r4", "order_amount": "4.00"},
]
ASIDE: list[dict[str, Any]] = [
    {"quarantine_id": "r3", "status": "parked", "amount": "3.00"},
    {"quarantine_id": "r4", "status": "released", "amount": "4.00"},
    {"quarantine_id": "r5", "status": "open", "amount": "5.00", "copies": ["r6"]},
    {"quarantine_id": "r7", "status": "open", "amount": None},
]
# r2 is a copy of r1 and r6 of r5: equal as typed values, so the money of a copy is that of its original
EQUAL = [{**row, "order_amount": {"r2": "1.00", "r6": "5.00"}.get(row["_record_id"], row["order_amount"])} for row in DELIVERED]


@pytest.fixture
def entries(session):
    """The books of the records above, changed as said: rows, delivered and booked money by file and state."""

    def run(delivered=EQUAL, accepted=ACCEPTED, aside=ASIDE):
        from cartbrook.frames import books
        from cartbrook.frames.schema import QUARANTINE, bronze, silver, struct

        frame = books.entries(
            typed(session, bronze(ORDERS), [{"_batch_seq": "1", "_source_file": "f.csv", **row} for row in delivered]),
            typed(session, silver(ORDERS), [{"_batch_seq": "1", "_kind": "upsert", **row} for row in accepted]),
            typed(session, struct(QUARANTINE), [{"batch_seq": "1", **row} for row in aside]),
            ORDERS,
        )
        return {
            (row["source_file"], row["state"]): (row["rows"], row["delivered"], row["booked"], row["unpriced"], row["currency"])
            for row in frame.toArrow().to_pylist()
        }

    return run


def money(rows: int, delivered: str, booked: str | None = None, unpriced: int = 0):
    """An entry in USD; what is booked is what was delivered unless said otherwise."""
    return rows, Decimal(delivered), Decimal(booked or delivered), unpriced, "USD"


def test_good_books(entries):
    """Each record is in one state; released records count as accepted, and what has no price is counted."""
    assert entries() == {
        ("f.csv", "accepted"): money(2, "5.00"),
        ("f.csv", "parked"): money(1, "3.00"),
        ("f.csv", "duplicate"): money(2, "6.00"),
        ("f.csv", "quarantined"): money(2, "5.00", unpriced=1),
    }


def test_a_lost_record(entries):
    """A delivered record in no state is lost, with its money."""
    found = entries(accepted=ACCEPTED[:1] + ACCEPTED[2:], aside=ASIDE[1:])
    assert found["f.csv", "lost"] == money(1, "3.00", "0")


def test_a_lost_copy(entries):
    """A duplicate nobody recorded is lost."""
    assert entries(accepted=[{**ACCEPTED[0], "_copies": None}, *ACCEPTED[1:]])["f.csv", "lost"] == money(1, "1.00", "0")


def test_a_record_counted_twice(entries):
    """A record both accepted and quarantined is counted twice."""
    found = entries(aside=[*ASIDE, {"quarantine_id": "r1", "status": "open", "amount": "1.00"}])
    assert found["f.csv", "counted twice"][:2] == (1, Decimal("1.00"))


def test_a_copy_counted_twice(entries):
    """A record that is a copy of two others is counted twice."""
    assert ("f.csv", "counted twice") in entries(accepted=[*ACCEPTED[:2], {**ACCEPTED[2], "_copies": ["r2"]}])


def test_a_record_nobody_delivered(entries):
    """A record in silver that is not in bronze has no file."""
    found = entries(accepted=[*ACCEPTED, {"_record_id": "r99", "order_amount": "9.00"}])
    assert [key for key in found if key[0] is None] == [(None, "accepted")]


def test_money_that_differs(entries):
    """An amount that is held otherwise than delivered shows in the state's money."""
    found = entries(accepted=[*ACCEPTED[:2], {**ACCEPTED[2], "order_amount": "4.01"}])
    assert found["f.csv", "accepted"] == money(2, "5.00", "5.01")


def test_sums_tell_every_fault(session):
    """Rows and mark of a file are the same on both sides only if each record is held once, with its own money and file."""
    from cartbrook.frames import books
    from cartbrook.frames.schema import bronze, silver

    held: list[dict[str, str | None]] = [{"_record_id": f"r{n}", "order_amount": f"{n}.00"} for n in range(1, 5)]
    faults: dict[str, list[dict[str, str | None]]] = {
        "good": held,
        "lost": held[1:],
        "another": [{**held[0], "_record_id": "r9"}, *held[1:]],
        "twice for another": [held[1], *held[1:]],
        "money moved": [{**held[0], "order_amount": "2.00"}, {**held[1], "order_amount": "1.00"}, *held[2:]],
        "money gone": [{**held[0], "order_amount": None}, *held[1:]],
    }
    raw = [{**row, "order_amount": f" {str(row['order_amount']).rstrip('0')}0"} for row in held]
    delivered = [{"_batch_seq": "1", "_source_file": name, **row} for name in faults for row in raw]
    kept = [{"_batch_seq": "1", "_kind": "upsert", "_source_file": name, **row} for name, rows in faults.items() for row in rows]
    frames = typed(session, bronze(ORDERS), delivered), typed(session, silver(ORDERS), kept)
    sums = {(row["side"], row["source_file"]): row for row in books.sums(*frames, ORDERS).toArrow().to_pylist()}
    sides = [[(sums[side, name]["rows"], sums[side, name]["mark"]) for name in faults] for side in (books.DELIVERED, books.HELD)]
    assert [one == other for one, other in zip(*sides, strict=True)] == [True, False, False, False, False, False]
    assert sums[books.HELD, "money moved"]["money"] == Decimal(10)


DECIDED: list[dict[str, Any]] = [
    {"quarantine_id": "r5", "status": "corrected", "decision": "fix", "amount": "5.00", "copies": ["r6"]},
    {"quarantine_id": "r7", "status": "discarded", "decision": "discard", "amount": None},
]


def test_decided_records(entries):
    """A corrected record is booked as it was delivered, whatever silver holds of it now; so is one that waits, and its copies."""
    corrected = {"_record_id": "r5", "order_amount": "50.00"}
    found = entries(accepted=[*ACCEPTED, corrected], aside=[*ASIDE[:2], *DECIDED])
    assert found == {
        ("f.csv", "accepted"): money(2, "5.00"),
        ("f.csv", "parked"): money(1, "3.00"),
        ("f.csv", "duplicate"): money(2, "6.00"),
        ("f.csv", "corrected"): money(1, "5.00"),
        ("f.csv", "discarded"): money(1, "0.00", unpriced=1),
    }
    waits = {**DECIDED[0], "status": "parked"}
    found = entries(accepted=[*ACCEPTED, corrected], aside=[*ASIDE[:2], waits, DECIDED[1]])
    assert found["f.csv", "parked"] == money(2, "8.00")


def test_a_corrected_record_without_its_record(entries):
    """A record that ops.quarantine calls corrected, or parked by a decision, and silver does not hold, is lost."""
    for status in ("corrected", "parked"):
        found = entries(aside=[*ASIDE[:2], {**DECIDED[0], "status": status}, DECIDED[1]])
        assert found["f.csv", "lost"][0] == 1
