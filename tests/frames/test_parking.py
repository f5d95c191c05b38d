"""Parked is derived: what begins to wait, waits for something else, or is released."""

from __future__ import annotations

import json

import pyarrow as pa
from tests.frames.inline import typed

from cartbrook.contracts.load import load_contracts

CONTRACTS = load_contracts()
ORDERS = CONTRACTS["orders"]


def aside(session, rows):
    """Rows of ops.quarantine; `id` is the quarantine_id."""
    from cartbrook.frames.schema import QUARANTINE, struct

    return typed(session, struct(QUARANTINE), [{"domain": "orders", "quarantine_id": row["id"], **row} for row in rows])


def test_what_waits(session):
    """Records with missing parents become rows of the quarantine, with money and severity but without their raw text."""
    from cartbrook.frames.parking import parked
    from cartbrook.frames.schema import QUARANTINE, silver, struct

    rows = [
        {"_record_id": "r1", "_batch_id": "B1", "_source_file": "f.csv", "_source_line": "3", "order_amount": "9.50",
         "currency": "USD", "customer_id": "C1", "product_id": "P9",
         "_flags": ["unknown_product"]},
        {"_record_id": "r2", "_flags": []},
    ]  # fmt: skip
    resolved = typed(session, silver(ORDERS), rows).withColumnRenamed("_flags", "_missing")
    found = parked(resolved, ORDERS)
    assert found.columns == [name for name in struct(QUARANTINE).names if name != "record"]
    [row] = found.toArrow().to_pylist()
    assert (row["quarantine_id"], row["status"], row["rules"], row["severity"]) == ("r1", "parked", ["unknown_product"], "HIGH")
    assert (str(row["amount"]), row["currency"], row["source_line"]) == ("9.50", "USD", 3)
    assert row["reason"] == 'waits for product_id "P9"'


def test_movements(session):
    """Only what changes is told: beginnings, changed reasons, relapses and releases; the untouched and the unchanged are not."""
    from cartbrook.frames.parking import movements

    waiting = aside(
        session,
        [
            {"id": "begins", "status": "parked", "rules": ["unknown_product"]},
            {"id": "same", "status": "parked", "rules": ["unknown_product"]},
            {"id": "other reason", "status": "parked", "rules": ["unknown_customer"]},
            {"id": "waits again", "status": "parked", "rules": ["unknown_product"]},
        ],
    ).drop("record")
    known = aside(
        session,
        [
            {"id": "same", "status": "parked", "rules": ["unknown_product"], "record": "{}"},
            {"id": "other reason", "status": "parked", "rules": ["unknown_product"], "record": "text of it"},
            {"id": "waits again", "status": "released", "rules": ["unknown_product"], "record": "text", "resolved_by": "B1"},
            {"id": "parent came", "status": "parked", "rules": ["unknown_product"], "record": "text"},
            {"id": "not looked at", "status": "parked", "rules": ["unknown_product"], "record": "text"},
            {"id": "stays released", "status": "released", "rules": ["unknown_product"], "record": "text", "resolved_by": "B1"},
        ],
    )
    touched = ["begins", "same", "other reason", "waits again", "parent came", "stays released", "never waited"]
    frame = movements(waiting, session.createDataFrame(pa.table({"quarantine_id": touched})), known, CONTRACTS, "B2")
    found = {row["quarantine_id"]: row for row in frame.toArrow().to_pylist()}
    assert {key: (row["status"], row["rules"], row["resolved_by"], row["record"]) for key, row in found.items()} == {
        "begins": ("parked", ["unknown_product"], None, None),
        "other reason": ("parked", ["unknown_customer"], None, "text of it"),
        "waits again": ("parked", ["unknown_product"], None, "text"),
        "parent came": ("released", ["unknown_product"], "B2", "text"),
    }


def test_raw_texts(session):
    """The raw text of a record that begins to wait is its bronze row as JSON."""
    from cartbrook.frames.parking import raw_texts
    from cartbrook.frames.schema import bronze

    frame = typed(session, bronze(ORDERS), [{"_record_id": "r1", "order_id": "O1", "order_amount": " 1 "}])
    [row] = raw_texts(frame, ORDERS).toArrow().to_pylist()
    assert row["quarantine_id"] == "r1"
    assert json.loads(row["record"]) == {**dict.fromkeys(ORDERS.names, ""), "order_id": "O1", "order_amount": " 1 "}
