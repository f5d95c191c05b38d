"""Facts about functions that frames/ is built on. Those without a mark hold on every engine."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest


def one(session, expression: str):
    """The value of an expression."""
    return session.sql(f"SELECT {expression} AS v").toArrow().to_pylist()[0]["v"]


LENIENT = {
    "try_cast('12.345' AS decimal(18,2))": Decimal("12.35"),
    "try_cast('2025' AS date)": dt.date(2025, 1, 1),
    "try_cast('2025-01-15 08:30:15' AS date)": dt.date(2025, 1, 15),
    "try_cast('yes' AS boolean)": True,
    "try_cast('n' AS boolean)": False,
    "try_cast('1' AS boolean)": True,
    "unix_timestamp(try_cast('2025-01-15 08:30:15+01:00' AS timestamp))": 1736926215,
    "try_cast('08:30:15' AS timestamp) IS NOT NULL": True,
}


@pytest.mark.parametrize("expression", LENIENT)
def test_casts_are_lenient(session, expression):
    """A cast rounds, guesses and shifts; so a pattern precedes every cast in frames/casting.py."""
    assert one(session, expression) == LENIENT[expression]


def test_to_json_drops_null_fields_of_structs(session):
    """A struct loses its empty fields; so `raw_record` makes a map with '' in their place."""
    assert one(session, "to_json(named_struct('a', 'x', 'b', CAST(NULL AS string)))") == '{"a":"x"}'
    assert one(session, "to_json(map('a', 'x', 'b', ''))") == '{"a":"x","b":""}'


def test_concat_ws_skips_null(session):
    """NULL and a missing text would be one; so `fingerprint` writes NULL as U+0000 first."""
    assert one(session, "concat_ws('-', 'a', CAST(NULL AS string), 'b')") == "a-b"


def test_texts_compare_by_bytes(session):
    """'B' is less than 'a': the order of batch ids and hashes is the same on every machine."""
    assert one(session, "'B' < 'a' AND 'Z' < 'a' AND 'a' < 'ä'") is True


def test_a_day_is_numbered_from_sunday(session):
    """dayofweek says 1 on a Sunday; so `fact_orders.day_of_week` is turned to ISO."""
    assert one(session, "dayofweek(DATE '2025-01-19')") == 1


def test_sums_of_money_are_exact(session):
    """A sum of decimals is a decimal of more digits and exact, never a float."""
    assert one(
        session, "(SELECT sum(CAST(x AS decimal(18,2))) FROM VALUES ('0.10'), ('0.20'), ('9999999999999999.70') AS t(x))"
    ) == Decimal("10000000000000000.00")


def test_sort_order_of_null_is_as_written(session):
    """`desc_nulls_last` puts NULL last: NULL is least in the one total order."""
    rows = session.sql("SELECT x FROM VALUES (1), (NULL), (2) AS t(x) ORDER BY x DESC NULLS LAST").toArrow().to_pylist()
    assert [row["x"] for row in rows] == [2, 1, None]


MADE = ("array('b')", "array_compact(array('b', CAST(NULL AS string)))", "CAST(array('b') AS array<string>)")


@pytest.mark.parametrize("made", MADE)
def test_arrays_made_differently_unite(session, made):
    """Arrays that differ in whether their texts may be NULL unite, also with NULL: accepted, rejected and parked rows do."""
    none = "CASE WHEN false THEN array('') END"
    frame = session.sql("SELECT array('a') AS v").unionByName(session.sql(f"SELECT {made} AS v"))
    found = frame.unionByName(session.sql(f"SELECT {none} AS v")).unionByName(
        session.sql("SELECT CAST(NULL AS array<string>) AS v")
    )
    assert sorted(map(str, found.toArrow()["v"].to_pylist())) == ["None", "None", "['a']", "['b']"]


def test_keys_that_statistics_show_to_be_one(session, lake_dir):
    """Repeated and sampled keys are found also where all rows of a table have the same: a hash of it alone panics Sail."""
    from cartbrook.frames.keys import repeated, sampled

    rows = session.sql("SELECT 'c1' AS a, 'x' AS b, n FROM VALUES (1), (2), (3) AS t(n)")
    rows.coalesce(1).write.format("delta").save(f"file://{lake_dir}/same")
    same = session.read.format("delta").load(f"file://{lake_dir}/same")
    assert repeated(same, ("a", "b")).count() == 1
    assert repeated(same, ("a", "n")).count() == 0
    assert sampled(same, "a", 1).toArrow().to_pylist() == [{"a": "c1"}]
