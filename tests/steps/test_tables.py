"""The only writer of tables: what it refuses, what it sets itself, and the way back."""

from __future__ import annotations

import datetime as dt
import os

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from cartbrook import pipeline
from cartbrook.errors import SchemaMismatch
from cartbrook.frames.schema import struct
from cartbrook.lake.fit import Difference
from cartbrook.lake.literals import literal, quoted
from cartbrook.lake.tables import FILE_BYTES, Tables
from cartbrook.lake.values import fetch

SCHEMA = struct("k string, n int, money decimal(18,2), texts array<string>, seq int")
NAME = "gold.things"


@pytest.fixture
def tables(session, lake_dir):
    """Tables with one empty table of the schema above."""
    made = Tables(session, lake_dir, {NAME: SCHEMA}, parallel=2)
    made.create(NAME)
    return made


@pytest.fixture
def frame(session):
    """Rows of (k, n, seq) with further columns, as the table wants them."""

    def make(*rows, more=""):
        values = ", ".join("(" + ", ".join("NULL" if v is None else repr(v) for v in row) + ")" for row in rows)
        return session.sql(
            "SELECT CAST(k AS string) AS k, CAST(n AS int) AS n, CAST(n AS decimal(18,2)) AS money, array(k) AS texts, "
            f"CAST(seq AS int) AS seq {more} FROM VALUES {values} AS t(k, n, seq)"
        )

    return make


def rows(tables, version=None):
    """(k, n, seq) of all rows."""
    return sorted(((row["k"], row["n"], row["seq"]) for row in fetch(tables.read(NAME, version))), key=repr)


@pytest.mark.parametrize("value", ["B-1", "a", "TRG_20250116_001", "x.y", "9" * 100])
def test_literal_of_an_id(value):
    """Ids become quoted texts."""
    assert literal(value) == f"'{value}'"


@pytest.mark.parametrize(
    "value", ["", "o'b", "a b", "a;--", "a\\", "-a", ".a", "a\n", "a\n'", "ä", "1" * 101, "a/b", "'", '"', "a\u0000", "a\u2019"]
)
def test_literal_refuses_any_other_text(value):
    """A text that is no id never becomes a part of a statement."""
    with pytest.raises(ValueError, match="no id"):
        literal(value)


def test_literals_of_numbers_and_days():
    """Integers and dates are written plainly; a boolean is no integer here."""
    assert (literal(-5), literal(dt.date(2025, 1, 15))) == ("-5", "DATE '2025-01-15'")
    with pytest.raises(ValueError, match="boolean"):
        literal(True)


@pytest.mark.parametrize("name", ["", "a b", "a`", "1a", "a-b", "a.b", "ä", "a\n", "`a`"])
def test_quoted_refuses_what_is_no_name(name):
    """An identifier is letters, digits and underscores."""
    assert quoted("_batch_seq") == "`_batch_seq`"
    with pytest.raises(ValueError, match="not a column name"):
        quoted(name)


WRITES = {
    "append": lambda tables, frame: tables.append(NAME, frame),
    "overwrite": lambda tables, frame: tables.overwrite(NAME, frame),
    "replace": lambda tables, frame: tables.replace(NAME, frame, {"seq": 1}),
    "merge": lambda tables, frame: tables.merge(NAME, frame.selectExpr("*", "'upsert' AS _change"), ("k",)),
}
UNFIT = {
    "wrong type": (["CAST(n AS string) AS n"], "n is string and not int"),
    "another scale": (["CAST(money AS decimal(18,3)) AS money"], "money is decimal(18,3) and not decimal(18,2)"),
    "missing": ([], "n is missing"),
    "extra": (["n", "1 AS surplus"], "surplus is not a column of it"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("case", UNFIT)
def test_rows_that_do_not_fit_are_refused(tables, frame, write, case):
    """A wrong type, a missing and an extra column are named, and nothing is written."""
    expressions, message = UNFIT[case]
    column = "money" if case == "another scale" else "n"
    kept = [name for name in SCHEMA.names if name != column]
    unfit = frame(("a", 1, 1)).selectExpr(*kept, *expressions)
    with pytest.raises(SchemaMismatch) as caught:
        WRITES[write](tables, unfit)
    assert message in caught.value.message
    assert tables.version(NAME) == 0


@pytest.mark.parametrize("write", WRITES)
def test_the_order_of_columns_does_not_matter(tables, frame, write):
    """Columns are written by name."""
    shuffled = frame(("a", 5, 1)).select("seq", "texts", "money", "n", "k")
    WRITES[write](tables, shuffled)
    [row] = fetch(tables.read(NAME))
    assert (row["k"], row["n"], str(row["money"]), row["texts"], row["seq"]) == ("a", 5, "5.00", ["a"], 1)


def test_a_slice_is_set_by_the_writer(tables, frame):
    """Rows given for another slice land in the one that is replaced, and others stay as they are."""
    tables.replace(NAME, frame(("a", 1, None), ("b", 2, None)), {"seq": 1})
    tables.replace(NAME, frame(("c", 3, None)), {"seq": 2})
    assert tables.replace(NAME, frame(("d", 4, 2)), {"seq": 1}) == 1
    assert rows(tables) == [("c", 3, 2), ("d", 4, 1)]


def test_replacing_a_slice_again_changes_nothing(tables, frame):
    """The same slice twice is the same table."""
    for _ in range(2):
        tables.replace(NAME, frame(("a", 1, None)), {"seq": 1})
    assert rows(tables) == [("a", 1, 1)]


def test_deleting_a_slice(tables, frame):
    """One slice goes; an empty one makes no commit."""
    tables.append(NAME, frame(("a", 1, 1), ("b", 2, 2)))
    tables.delete(NAME, {"seq": 1})
    version = tables.version(NAME)
    tables.delete(NAME, {"seq": 9})
    assert (rows(tables), tables.version(NAME)) == ([("b", 2, 2)], version)


@pytest.mark.parametrize("many", [0, 20_000])
@pytest.mark.parametrize("key", [("k",), ("seq", "k")])
def test_merge_brings_changes(tables, frame, monkeypatch, many, key):
    """Inserts, updates and deletes, by the keys of few rows or by the engine's MERGE; a delete of what is not there is none."""
    monkeypatch.setattr("cartbrook.lake.tables._MANY", many)
    tables.append(NAME, frame(("it's", 1, 1), ("b", 2, 1), ("c", 3, 1)))
    kinds = "CASE WHEN k LIKE 'it%' THEN 'update' WHEN k = 'd' THEN 'insert' ELSE 'delete' END AS _change"
    changed = frame(("it's", None, 1), ("b", 0, 1), ("d", 4, 2), ("e", 5, 2)).selectExpr("*", "0 AS _before", kinds)
    tables.merge(NAME, changed, key)
    assert sorted(rows(tables)) == [("c", 3, 1), ("d", 4, 2), ("it's", None, 1)]
    assert tables.forget_written() == {NAME: tables.version(NAME)}


def test_files_stay_small(session, lake_dir):
    """A change of rows in several files leaves several: one large file would be rewritten for each row from then on."""
    tables = Tables(session, lake_dir, {NAME: struct("k string, hash string")})
    tables.create(NAME)
    rows = session.range(150_000).selectExpr("lpad(string(id), 6, '0') AS k", "sha2(string(id), 256) AS hash")
    tables.insert(NAME, rows, ("k",))
    files = len(tables.delta(NAME).file_uris())
    changed = rows.where("k LIKE '%0000'").selectExpr("k", "'x' AS hash", "'update' AS _change")
    tables.merge(NAME, changed, ("k",))
    kept = [size for size in pa.table(tables.delta(NAME).get_add_actions())["size_bytes"].to_pylist() if size > FILE_BYTES]
    assert files > 2
    assert kept == []
    assert (tables.count(NAME), tables.read(NAME).where("hash = 'x'").count()) == (150_000, 15)


@pytest.mark.parametrize("way", ["merged", "inserted", "inserted in parts"])
def test_many_rows_are_written_in_the_order_of_their_key(session, engine, lake_dir, way):
    """Statistics tell the few files where a key may lie, although the rows came in another order."""
    with pipeline.open_lake(lake_dir / "workspace", create=True, engine=engine) as lake:
        loses_order = lake.tables.loses_order
    tables = Tables(session, lake_dir, {NAME: struct("k string, hash string")}, loses_order=loses_order)
    tables.create(NAME)
    count = 150_000
    shuffled = f"lpad(string(id * 7919 % {count}), 6, '0') AS k"
    rows = session.range(count).selectExpr(shuffled, "sha2(string(id), 256) AS hash")
    if way == "merged":
        tables.merge(NAME, rows.selectExpr("*", "'insert' AS _change"), ("k",))
    else:
        tables.insert(NAME, rows, ("k",), [f"{cut:06}" for cut in range(10_000, count, 10_000)] if "parts" in way else [])
    spans = pa.table(tables.delta(NAME).get_add_actions(flatten=True)).select(["min.k", "max.k"]).to_pylist()
    held = [sum(span["min.k"] <= f"{key:06}" <= span["max.k"] for span in spans) for key in range(0, count, 1_000)]
    assert len(spans) > 2
    threads = os.cpu_count() or 1  # each leaves files behind that lie in two of its parts
    assert max(held) <= (1 + threads if "parts" in way else 2)
    if loses_order and threads > 1:
        names = [uri.rpartition("/")[2] for uri in tables.delta(NAME).file_uris()]
        writers = {name.split("-", 2)[2] for name in names}  # part-<number>-<writer>
        assert (len(writers) > 1) == ("parts" in way)
    assert tables.count(NAME) == count


def test_merge_without_changes_makes_no_commit(tables, frame):
    """No row to change leaves the head where it is published."""
    tables.merge(NAME, frame(("a", 1, 1)).where("false").selectExpr("*", "'insert' AS _change"), ("k",))
    assert tables.version(NAME) == 0
    assert tables.forget_written() == {}


def test_merge_of_inserts_alone(tables, frame):
    """New rows alone are appended, with the schema looked at as ever."""
    tables.merge(NAME, frame(("a", 1, 1), ("b", 2, 1)).selectExpr("*", "'insert' AS _change"), ("k",))
    assert rows(tables) == [("a", 1, 1), ("b", 2, 1)]


def test_what_was_written_is_noted_once(tables, frame):
    """`forget_written` gives the versions of this process's writes, then forgets them."""
    tables.append(NAME, frame(("a", 1, 1)))
    tables.append(NAME, frame(("b", 1, 1)))
    assert tables.forget_written() == {NAME: 2}
    assert tables.forget_written() == {}


def test_restore_goes_back_and_on(tables, frame):
    """The head holds what a version held, under a new version; a restore to the head does nothing."""
    tables.append(NAME, frame(("a", 1, 1)))
    tables.append(NAME, frame(("b", 2, 2)))
    assert tables.restore(NAME, 1) == 3
    assert rows(tables) == [("a", 1, 1)]
    assert rows(tables, 2) == [("a", 1, 1), ("b", 2, 2)]
    assert tables.restore(NAME, 3) == 3
    tables.append(NAME, frame(("c", 3, 3)))
    assert rows(tables) == [("a", 1, 1), ("c", 3, 3)]


WIDER = struct("k string, cost decimal(18,2), n int, money decimal(18,2), texts array<string>, seq int, more array<string>")
MORE = ("CAST(n AS decimal(18,2)) AS cost", "array(k) AS more")


@pytest.fixture
def wider(tables, session, lake_dir, frame):
    """The same table, with a row, declared with two more columns; and frames that fit these."""
    tables.append(NAME, frame(("a", 1, 1)))
    return Tables(session, lake_dir, {NAME: WIDER}, parallel=2), lambda *rows: frame(*rows).selectExpr("*", *MORE)


@pytest.mark.parametrize("write", [*WRITES, "exact"])
def test_a_table_that_is_not_as_declared_is_not_written(wider, write):
    """Rows of the declared columns are refused until the table has them, too."""
    tables, frame = wider
    writes = {**WRITES, "exact": lambda tables, rows: tables.overwrite(NAME, rows, exact=True)}
    with pytest.raises(SchemaMismatch, match="cost, more"):
        writes[write](tables, frame(("a", 1, 1)))
    assert tables.version(NAME) == 1
    tables.add_columns(NAME)
    writes[write](tables, frame(("a", 5, 1)))
    assert 5 in [row["cost"] for row in fetch(tables.read(NAME))]


def test_added_columns(wider):
    """One commit; old rows are NULL there, older versions stay readable, and every kind of write goes on."""
    tables, frame = wider
    assert tables.difference(NAME) == Difference(("cost", "more"), (), {})
    tables.add_columns(NAME)
    tables.add_columns(NAME)
    assert tables.forget_written() == {NAME: 2}
    assert tables.difference(NAME) == Difference((), (), {})
    [row] = fetch(tables.read(NAME))
    assert (row["k"], row["n"], row["cost"], row["more"]) == ("a", 1, None, None)
    assert "cost" not in tables.read(NAME, 1).columns
    assert rows(tables, 1) == [("a", 1, 1)]
    tables.append(NAME, frame(("b", 2, 1)))
    tables.merge(NAME, frame(("a", 3, 1), ("c", 4, 1)).selectExpr("*", "'upsert' AS _change"), ("k",))
    tables.replace(NAME, frame(("d", 6, None)), {"seq": 2})
    assert sorted((row["k"], int(row["cost"]), row["more"]) for row in fetch(tables.read(NAME))) == [
        ("a", 3, ["a"]),
        ("b", 2, ["b"]),
        ("c", 4, ["c"]),
        ("d", 6, ["d"]),
    ]


def test_a_restore_takes_added_columns_away(wider):
    """The schema goes back with the rows, and that is noticed before anything is written."""
    tables, frame = wider
    tables.add_columns(NAME)
    tables.append(NAME, frame(("b", 2, 1)))
    tables.restore(NAME, 1)
    assert tables.difference(NAME).missing == ("cost", "more")
    with pytest.raises(SchemaMismatch):
        tables.append(NAME, frame(("b", 2, 1)))
    tables.add_columns(NAME)
    tables.append(NAME, frame(("b", 2, 1)))
    assert rows(tables) == [("a", 1, 1), ("b", 2, 1)]


def test_what_else_a_table_may_differ_in(tables, session, lake_dir, frame):
    """Other types are told, and nothing is written."""
    narrow = Tables(session, lake_dir, {NAME: struct("k string, n bigint, money decimal(18,2), seq int")})
    assert narrow.difference(NAME) == Difference((), ("texts",), {"n": ("int", "bigint")})
    with pytest.raises(SchemaMismatch, match="say: n"):
        narrow.append(NAME, frame(("a", 1, 1)).selectExpr("k", "CAST(n AS bigint) AS n", "money", "seq"))
    assert tables.version(NAME) == 0


def test_columns_that_are_declared_no_more(tables, session, lake_dir, frame):
    """They are NULL from then on, however rows are written; rows that were read from the table keep what they hold there."""
    tables.append(NAME, frame(("a", 1, 1)))
    narrow = Tables(session, lake_dir, {NAME: struct("k string, n int, money decimal(18,2), seq int")})
    narrow.append(NAME, frame(("b", 1, 1)).drop("texts"))
    narrow.replace(NAME, frame(("c", 2, 2)).drop("texts"), {"seq": 2})
    changed = frame(("b", 5, 1), ("d", 4, 4)).drop("texts").withColumn("_change", F.lit("upsert"))
    narrow.merge(NAME, changed, ("k",))
    narrow.append(NAME, narrow.read(NAME).where("k = 'a'").withColumn("k", F.lit("e")))
    held = {row["k"]: (row["n"], row["texts"]) for row in fetch(tables.read(NAME))}
    assert held == {"a": (1, ["a"]), "b": (5, None), "c": (2, None), "d": (4, None), "e": (1, ["a"])}
    assert narrow.filled(NAME, ("texts", "money")) == ("texts", "money")
    with pytest.raises(SchemaMismatch, match="other is not a column of it"):
        narrow.append(NAME, frame(("f", 1, 1)).withColumn("other", F.lit(1)))


def test_creating_again_changes_nothing(tables, frame):
    """`create` leaves a table that is there."""
    tables.append(NAME, frame(("a", 1, 1)))
    tables.create(NAME)
    assert (rows(tables), tables.version(NAME)) == ([("a", 1, 1)], 1)
    assert tables.heads([NAME]) == {NAME: 1}


def test_reading_slices(tables, frame):
    """`where` takes one integer, several, or none."""
    tables.append(NAME, frame(("a", 1, 1), ("b", 2, 2), ("c", 3, 3)))
    for where, kept in [
        ({"seq": 2}, "b"),
        ({"seq": [1, 3]}, "ac"),
        ({"seq": []}, ""),
        ({"seq": [2]}, "b"),
        ({"seq": 2, "n": 1}, ""),
    ]:
        assert "".join(sorted(row["k"] for row in fetch(tables.read(NAME, where=where)))) == kept


def test_staging(tables, frame, lake_dir):
    """A staged frame knows its rows and is read again; an empty one keeps its schema; all are cleared together."""
    once = tables.stage(frame(("a", 1, 1), ("b", 2, 1)))
    none = tables.stage(frame(("a", 1, 1)).where("false"))
    assert (once.rows, none.rows, once.values("k")) == (2, 0, {"a", "b"})
    assert len(fetch(once.frame)) == 2
    assert fetch(none.frame) == []
    assert [(f.name, f.dataType.simpleString()) for f in none.frame.schema.fields] == [
        (f.name, f.dataType.simpleString()) for f in SCHEMA.fields
    ]
    assert tables.is_empty(none.frame)
    assert not tables.is_empty(once.frame)
    tables.clear_staging()
    tables.clear_staging()
    assert not (lake_dir / "_staging").exists()


def test_rows_of_python_values(tables):
    """Numbers and texts are taken as they are and cast by the engine, NULL included."""
    given = struct("n int, money decimal(18,2), day date, t timestamp, x string")
    made = tables.rows({"n": [1, None], "money": ["0.10", None], "day": ["2025-01-15", None], "t": ["2025-01-15 10:00:00", None],
                        "x": ["a", None]}, given)  # fmt: skip
    first, second = fetch(made)
    assert (str(first["money"]), first["day"], first["t"].isoformat()) == (
        "0.10",
        dt.date(2025, 1, 15),
        "2025-01-15T10:00:00+00:00",
    )
    assert set(second.values()) == {None}


def test_each_keeps_order_and_raises_the_first_error(tables):
    """Results come in the order of the items; all calls end before the first error is raised."""
    assert tables.each(lambda n: n * n, [3, 1, 2]) == [9, 1, 4]
    done = []

    def call(item):
        if item < 2:
            raise ValueError(item)
        done.append(item)

    with pytest.raises(ValueError, match="0"):
        tables.each(call, range(5))
    assert sorted(done) == [2, 3, 4]


def test_checkpoints_hide_no_version(tables, frame, lake_dir):
    """A long log gets a checkpoint, and every version before it can still be read."""
    log = lake_dir / "gold" / "things" / "_delta_log"
    for number in range(12):
        tables.append(NAME, frame(("a", number, 1)))
    tables.checkpoint(NAME, every=20)
    assert list(log.glob("*checkpoint*")) == []
    tables.checkpoint(NAME, every=12)
    assert [path.name for path in log.glob("*checkpoint*")] == ["00000000000000000012.checkpoint.parquet"]
    tables.append(NAME, frame(("a", 12, 1)))
    tables.checkpoint(NAME, every=12)
    assert len(list(log.glob("*checkpoint*"))) == 1
    assert [tables.read(NAME, version).count() for version in range(14)] == list(range(14))


def test_a_table_that_was_emptied_or_restored_tells_whether_it_holds_rows(tables, frame):
    """By its log where the newest commit added rows, else by a query: an empty table, a delete, a restore of each."""
    assert not tables.holds_rows(NAME)
    tables.append(NAME, frame(("a", 1, 1)))
    assert tables.holds_rows(NAME)
    tables.delete(NAME, {"seq": 1})
    assert not tables.holds_rows(NAME)
    tables.restore(NAME, 1)
    assert tables.holds_rows(NAME)
    tables.restore(NAME, 0)
    assert not tables.holds_rows(NAME)
