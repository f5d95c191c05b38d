"""What a MERGE has to do so that a table holds what was computed."""

from __future__ import annotations

import pytest

ROWS = {
    "same": ("'s', 1, 'x'", "'s', 1, 'x'", None),
    "same NULLs": ("'n', NULL, NULL", "'n', NULL, NULL", None),
    "changed": ("'c', 1, 'x'", "'c', 2, 'x'", "update"),
    "to NULL": ("'t', 1, 'x'", "'t', NULL, 'x'", "update"),
    "from NULL": ("'f', 1, NULL", "'f', 1, 'x'", "update"),
    "to the empty text": ("'e', 1, NULL", "'e', 1, ''", "update"),
    "new": (None, "'a', 1, 'x'", "insert"),
    "new, all NULL": (None, "'b', NULL, NULL", "insert"),
    "gone": ("'g', 1, 'x'", None, "delete"),
    "gone, all NULL": ("'h', NULL, NULL", None, "delete"),
}


def frame(session, rows):
    """A table of key, number and text."""
    values = ", ".join(f"({row})" for row in rows if row)
    return session.sql(f"SELECT key, CAST(n AS int) AS n, CAST(t AS string) AS t FROM VALUES {values} AS v(key, n, t)")


def test_changes(session):
    """Inserts, updates (a NULL is a value like any other) and deletes; no row for what is as it must be."""
    from cartbrook.frames.changes import changes

    current, computed = (frame(session, [row[side] for row in ROWS.values()]) for side in (0, 1))
    found = {row["key"]: row for row in changes(current, computed, ["key"], ["key", "n", "t"]).toArrow().to_pylist()}
    due = {(new or old or "")[1]: change for old, new, change in ROWS.values() if change}
    assert {key: row["_change"] for key, row in found.items()} == due
    assert (found["t"]["n"], found["t"]["t"]) == (None, "x")
    assert list(found["a"]) == ["key", "n", "t", "_change"]


@pytest.mark.parametrize(("everything", "kept"), [(True, ["a", "b"]), (False, ["a"])])
def test_within(session, everything, kept):
    """Only touched keys are kept, once each, and all of them where everything is touched."""
    from cartbrook.frames.keys import Keys, keys_of, within

    records = session.sql("SELECT * FROM VALUES ('a', 1), ('b', 2) AS v(key, n)")
    touched = keys_of(session.sql("SELECT 'a' AS key, 1 AS n"), session.sql("SELECT 'a' AS key"), key=["key"])
    found = within(records, None if everything else Keys(touched), ["key"])
    assert sorted(row["key"] for row in found.toArrow().to_pylist()) == kept


@pytest.mark.parametrize("values", [["a"], ["it's"], ["a", "b"], [f"k{i}" for i in range(90)]])
def test_within_few(session, values):
    """Keys that were looked up find the same rows as a join with them."""
    from cartbrook.frames.keys import Keys, within

    records = session.sql("SELECT concat('k', cast(id AS string)) AS key FROM range(60) UNION ALL VALUES ('a'), (\"it's\")")
    touched = session.createDataFrame([(value,) for value in values], "key string")
    joined, looked_up = (within(records, keys, ["key"]) for keys in (Keys(touched), Keys(touched, {"key": values})))
    assert sorted(looked_up.toArrow()["key"].to_pylist()) == sorted(joined.toArrow()["key"].to_pylist())


def test_changes_of_200_columns(session):
    """A table may be wide, its columns NULL, and never NULL on one side alone."""
    from cartbrook.frames.changes import changes

    names = [f"c{number:03}" for number in range(200)]
    held = ", ".join(f"CAST(if(key = 'c', NULL, 1) AS int) AS {name}" for name in names)
    current = session.sql(f"SELECT key, {held} FROM VALUES ('a'), ('b'), ('c') AS v(key)")
    computed = session.sql(f"SELECT key, {held} FROM VALUES ('a'), ('b'), ('c') AS v(key)")
    computed = computed.selectExpr("key", *names[:-1], "if(key = 'b', 2, c199) AS c199")
    never_null = session.sql("SELECT key, " + ", ".join(f"1 AS {name}" for name in names) + " FROM VALUES ('a') AS v(key)")
    columns = ["key", *names]
    assert [(row["key"], row["c199"]) for row in changes(current, computed, ["key"], columns).toArrow().to_pylist()] == [("b", 2)]
    assert changes(current.where("key = 'a'"), never_null, ["key"], columns).toArrow().to_pylist() == []
