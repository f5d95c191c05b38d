"""SCD Type 2: every case of the history rules, whatever order the records come in, and the one total order of records."""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

import pytest

from cartbrook.contracts.model import Column, Contract

CONTRACT = Contract(
    domain="customers",
    version="1.0.0",
    columns=(
        Column("customer_id", "string", required=True),
        Column("name", "string"),
        Column("score", "integer", tracked=False),
        Column("seen", "timestamp", tracked=False),
        Column("created_timestamp", "timestamp", tracked=False),
    ),
    key=("customer_id",),
    rules=(),
)

CASES = {
    "new key": ("a@10", "[10,)a"),
    "several changes in one batch": ("a@10 b@20 del@30 c@40", "[10,20)a [20,30)b [40,)c"),
    "late, before everything": ("a@10 b@5", "[5,10)b [10,)a"),
    "late, inside a closed version": ("a@10 c@20 b@15", "[10,15)a [15,20)b [20,)c"),
    "late delete inside a version": ("a@10 b@30 del@20", "[10,20)a [30,)b"),
    "delete arrives before its insert": ("del@20 x@10", "[10,20)x"),
    "re-insert after delete": ("del@20 x@30", "[30,)x"),
    "only a delete": ("del@20", ""),
    "deletes in a row": ("a@10 del@20 del@30 b@40", "[10,20)a [40,)b"),
    "no-op repeat": ("a@10 a@20", "[10,)a"),
    "late event inside a no-op run": ("A@5 A@10 A@15 C@20 B@12", "[5,12)A [12,15)B [15,20)A [20,)C"),
    "earlier no-op": ("a@10 b@20 a@5 a@15", "[5,20)a [20,)b"),
    "untracked-only change": ("n:100@10 n:200@20 n:300@30", "[10,)n:300"),
    "closed run keeps its last untracked value": ("alice:39@39 alice:41@41 bob@42", "[39,42)alice:41 [42,)bob"),
    "untracked value that becomes NULL": ("n:100@10 n@20", "[10,)n"),
    "exact duplicate, same or later batch": ("a@10 a@10", "[10,)a"),
    "tie, upsert and delete": ("a@10 del@10", ""),
    "tie after a version": ("a@10 b@20 del@20", "[10,20)a"),
    "change to and from NULL": ("1@10 -@20 1@30", "[10,20)1 [20,30)- [30,)1"),
    "empty text is not NULL": ("-@10 ''@20", "[10,20)- [20,)''"),
    "A -> B -> A": ("A@10 B@20 A@30", "[10,20)A [20,30)B [30,)A"),
    "same value on both sides of a gap": ("a@10 del@20 a@30", "[10,20)a [30,)a"),
    "case is a change": ("a@10 A@20", "[10,20)a [20,)A"),
}

EVENT = re.compile(r"([^:@]+)(?::(\d+))?@(\d+)")


def sql(value: object) -> str:
    """A literal of a text, a number or NULL."""
    return "NULL" if value is None else str(value) if isinstance(value, int) else f"'{value}'"


def text(value: str) -> str | None:
    """A name of the notation: ``-`` is NULL and ``''`` the empty text."""
    return {"-": None, "''": ""}.get(value, value)


def records(session, rows):
    """Silver records: (key, name, score, day, kind) in the order given."""
    values = ", ".join("(" + ", ".join(map(sql, row)) + ")" for row in rows)
    return session.sql(
        f"""SELECT customer_id, CAST(name AS string) AS name, CAST(score AS bigint) AS score,
            CAST(NULL AS timestamp) AS seen, CAST(NULL AS timestamp) AS created_timestamp,
            CAST(date_add(DATE '2025-01-01', day) AS timestamp) AS _effective_time, kind AS _kind,
            CAST(NULL AS timestamp) AS _trigger_timestamp, 'B' AS _batch_id,
            concat(coalesce(name, '-'), coalesce(CAST(score AS string), '')) AS _record_hash
            FROM VALUES {values} AS t(customer_id, name, score, day, kind)"""
    )


def told(version) -> str:
    """A version in the notation of the cases."""
    name = "-" if version["name"] is None else version["name"] or "''"
    score = "" if version["score"] is None else f":{version['score']}"
    end = "" if version["until"] is None else version["until"]
    return f"[{version['since']},{end}){name}{score}"


@pytest.fixture(scope="module")
def versions(session):
    """The versions of every case in every permutation of its events, computed at once: by case, one text for each permutation."""
    from cartbrook.frames.history import history

    rows = []
    for case, (events, _) in CASES.items():
        for number, order in enumerate(itertools.permutations(events.split())):
            for event in order:
                [(name, score, day)] = EVENT.findall(event)
                kind = "delete" if name == "del" else "upsert"
                rows.append((f"{case}#{number}", text(name), int(score) if score else None, int(day), kind))
    frame = history(records(session, rows), CONTRACT).selectExpr(
        "*",
        "datediff(effective_date, DATE '2025-01-01') AS since",
        "datediff(expiry_date, DATE '2025-01-01') AS until",
    )
    found: dict[str, list[Any]] = {key: [] for key, *_ in rows}
    for version in sorted(frame.toArrow().to_pylist(), key=lambda row: row["since"]):
        found[version["customer_id"]].append(version)
    return found


@pytest.mark.parametrize("case", CASES)
def test_history_of_a_set_of_records(versions, case):
    """The set of records alone decides which versions there are, in every order of arrival."""
    by_order = {key: " ".join(map(told, rows)) for key, rows in versions.items() if key.split("#")[0] == case}
    assert set(by_order.values()) == {CASES[case][1]}
    assert len(by_order) >= len(set(CASES[case][0].split()))


def test_versions_are_numbered_flagged_and_keyed(versions):
    """Versions count from 1 by key, the open one is current, and the surrogate key is sha256 of key and ISO start."""
    import hashlib

    first, second, third = versions["several changes in one batch#0"]
    assert [(v["version"], v["is_current"]) for v in (first, second, third)] == [(1, False), (2, False), (3, True)]
    text_of_key = "several changes in one batch#0\u001f2025-01-11T00:00:00.000000Z"
    assert first["customer_sk"] == hashlib.sha256(text_of_key.encode()).hexdigest()


def test_keys_with_one_record_need_no_windows(session):
    """Where no key has two records, the short way gives the same versions."""
    from cartbrook.frames.history import history

    rows = [("a", "Ann", 1, 10, "upsert"), ("b", None, None, 20, "upsert"), ("c", "Cy", 3, 30, "delete")]
    ways = [history(records(session, rows), CONTRACT, unique=unique) for unique in (False, True)]
    long, short = (sorted(way.toArrow().to_pylist(), key=lambda row: row["customer_id"]) for way in ways)
    assert [row["customer_id"] for row in long] == ["a", "b"]
    assert long == short
    assert ways[0].schema.simpleString() == ways[1].schema.simpleString()


LEVELS = ("_effective_time", "seen", "created_timestamp", "_trigger_timestamp", "_kind", "_batch_id", "_record_hash")
LOW = ("'2025-01-01'", "'2025-01-01 10:00:00'", "'2025-01-01 10:00:00'", "'2025-01-01 10:00:00'", "'upsert'", "'B'", "'aa'")
HIGH = ("'2025-01-02'", "'2025-01-01 10:00:01'", "'2025-01-01 10:00:01'", "'2025-01-01 10:00:01'", "'delete'", "'a'", "'ab'")


@pytest.fixture(scope="module")
def tie_winners(session):
    """For each level of the order the record that wins; it is greater there and less in everything that comes after."""
    from cartbrook.frames.order import winners

    ordered = dataclasses.replace(CONTRACT, sequence_by=("start", "seen"))
    rows = []
    for level, name in enumerate(LEVELS):
        great = [*LOW[:level], HIGH[level], *LOW[level + 1 :]]
        less = [*LOW[: level + 1], *HIGH[level + 1 :]]
        null = [*LOW[:level], "NULL", *HIGH[level + 1 :]]
        pairs = [("great first", [great, less]), ("great last", [less, great])]
        if level < 4:
            pairs += [("NULL first", [null, [*LOW[: level + 1], *LOW[level + 1 :]]]), ("NULL last", [[*LOW], null])]
        for label, both in pairs:
            for values in both:
                won = values is great or (values is not null and "NULL" in label)
                rows.append(f"('{name}, {label}', {'true' if won else 'false'}, {', '.join(values)})")
    casts = ", ".join(f"CAST({name} AS timestamp) AS {name}" for name in LEVELS[:4])
    frame = session.sql(
        f"SELECT customer_id, due, {casts}, {', '.join(LEVELS[4:])} FROM VALUES {', '.join(rows)} "
        f"AS t(customer_id, due, {', '.join(LEVELS)})"
    )
    return {row["customer_id"]: row["due"] for row in winners(frame, ["customer_id"], ordered).toArrow().to_pylist()}


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_of_the_order_outranks_those_after_it(tie_winners, level):
    """The record that is greater at a level wins although it is less at every later one, and NULL is least."""
    decided = {case: due for case, due in tie_winners.items() if case.split(",")[0] == level}
    assert len(decided) in (2, 4)
    assert set(decided.values()) == {True}


def test_sequence_time_decides_over_later_batches(session):
    """With `sequence_by` the effective time comes from the data, so a record of a later batch may be an earlier event."""
    from cartbrook.frames.history import history

    # day is the effective time; the order of the rows stands for the order of the batches
    rows = [("k", "second", None, 20, "upsert"), ("k", "first", None, 10, "upsert")]
    found = history(records(session, rows), CONTRACT).orderBy("version").toArrow().to_pylist()
    assert [row["name"] for row in found] == ["first", "second"]
