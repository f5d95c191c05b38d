"""The native OPTIMIZE and VACUUM of Spark, as maintenance uses them."""

from __future__ import annotations

import pytest

from cartbrook.frames.schema import struct
from cartbrook.lake import maintenance as upkeep
from cartbrook.lake.tables import Tables

pytestmark = [pytest.mark.engine("spark"), pytest.mark.long]

NAME = "gold.things"


def test_optimize_and_vacuum(session, lake_dir):
    """Piles become one file each, also that of no month; files go that are no longer read; VACUUM moves no head."""
    tables = Tables(session, lake_dir, {NAME: struct("n int, month string")})
    location = tables._location(NAME)
    for n in range(0, 8, 2):
        rows = session.sql(f"SELECT n, month FROM VALUES ({n}, '2025-01'), ({n + 1}, NULL) AS t(n, month)")
        rows.write.format("delta").mode("append").partitionBy("month").save(location)
    piles = upkeep.piles(tables, NAME)
    assert sorted((pile.files, pile.partition["month"] or "") for pile in piles) == [(4, ""), (4, "2025-01")]
    upkeep.compact(tables, NAME, piles, native=True)
    assert upkeep.files(tables, NAME) == 2
    head = tables.version(NAME)
    assert upkeep.is_readable(tables, NAME, head - 2)
    upkeep.vacuum(tables, NAME, 0)
    assert tables.version(NAME) == head
    assert upkeep.is_readable(tables, NAME, head)
    assert not upkeep.is_readable(tables, NAME, head - 2)
    assert sorted(row["n"] for row in tables.read(NAME).toArrow().to_pylist()) == list(range(8))
