"""What is evaluated once is read with the schema that it was written with."""

from __future__ import annotations

import pytest

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
