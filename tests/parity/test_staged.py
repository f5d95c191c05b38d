"""What is evaluated once is read with the schema that it was written with, and committed as the engine would."""

from __future__ import annotations

import pytest
from pyspark.sql import types as T

from cartbrook.errors import SchemaMismatch
from cartbrook.frames.schema import struct
from cartbrook.lake import tables as tables_module
from cartbrook.lake.tables import Tables

FRAME = """SELECT 1 AS n, '2025-01-01' AS text, DATE'2025-01-02' AS day, CAST('1.50' AS DECIMAL(18,2)) AS money,
  array('a') AS texts, TIMESTAMP'2025-01-03 04:05:06' AS moment, map('EUR', CAST(2 AS DECIMAL(9,1))) AS by_currency"""


@pytest.mark.parametrize("rows", [1, 0])
def test_the_schema_stays(session, lake_dir, rows):
    """Of rows and of none; a text that looks like a day stays a text."""
    frame = session.sql(FRAME).limit(rows)
    staged = Tables(session, lake_dir, {}).stage(frame)
    assert staged.rows == rows
    found = staged.frame
    assert [(name, found.schema[name].dataType.simpleString()) for name in found.columns] == frame.dtypes
    assert found.toArrow().to_pylist() == frame.toArrow().to_pylist()


def test_columns_that_a_table_has_not_are_refused(session, lake_dir):
    """delta-rs would leave them out; the engine does not, and rows that are taken for exact are not looked at before."""
    tables = Tables(session, lake_dir, {"ops.t": struct("n int, text string")})
    tables.create("ops.t")
    tables.append("ops.t", session.sql("SELECT 1 AS n, 'a' AS text"))
    tables.expects_few = True
    with pytest.raises(SchemaMismatch, match="columns that the table has not: more"):
        tables.overwrite("ops.t", session.sql("SELECT 2 AS n, 'b' AS text, 3 AS more"), exact=True)
    assert tables.read("ops.t").toArrow().to_pylist() == [{"n": 1, "text": "a"}]


SCHEMA = struct(
    "n int, text string, day date, money decimal(18,2), texts array<string>, moment timestamp,"
    " by_currency map<string,decimal(9,1)>"
)
NOTHING = f"SELECT {', '.join(f'CAST(NULL AS {field.dataType.simpleString()}) AS {field.name}' for field in SCHEMA)}"
TIMES = ("1969-12-31 23:59:59.5", "1815-06-18 11:35:00", "2999-12-31 23:59:59.999999")


@pytest.mark.parametrize("mode", ["append", "overwrite"])
@pytest.mark.parametrize("rows", [0, 1, 5, 6])
def test_few_rows_are_committed_by_delta_rs(session, lake_dir, monkeypatch, mode, rows):
    """The table is the one that the engine's own commit makes, up to the number of rows that are few."""
    monkeypatch.setattr(tables_module, "_MANY", 6)
    kept = {"ops.by_engine": SCHEMA, "ops.by_hand": SCHEMA}
    wider = Tables(session, lake_dir, dict.fromkeys(kept, T.StructType([*SCHEMA, T.StructField("lost", T.DateType())])))
    tables = Tables(session, lake_dir, kept)
    selects = [*(FRAME.replace("2025-01-03 04:05:06", time) for time in TIMES), NOTHING, FRAME, NOTHING]
    frame = session.sql(" UNION ALL ".join(selects[:rows]) if rows else f"SELECT * FROM ({FRAME}) WHERE n > 1")
    for name, few in (("ops.by_engine", False), ("ops.by_hand", True)):
        wider.create(name)
        tables.expects_few = few
        tables.append(name, session.sql(FRAME))
        (tables.append if mode == "append" else tables.overwrite)(name, frame)
    found = {name: tables.read(name).toArrow().to_pylist() for name in kept}
    assert len(found["ops.by_hand"]) == rows + (mode == "append")
    assert sorted(map(repr, found["ops.by_hand"])) == sorted(map(repr, found["ops.by_engine"]))
    if rows:
        by = {name: tables.delta(name).history(1)[0].get("engineInfo", "") for name in kept}
        assert by["ops.by_hand"].startswith("delta-rs") == (rows < 6)
        assert not by["ops.by_engine"].startswith("delta-rs")
