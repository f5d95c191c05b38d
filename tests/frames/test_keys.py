"""How the values of a key are cut into ranges, and ranges into parts."""

from __future__ import annotations

import pyarrow as pa
import pytest

CASES = {
    "many values": ([f"o{number:04}" for number in range(1000)], 4, 5, [250, 250, 250, 250], 4),
    "fewer values than parts": (["a", "b", "c"], 2, 4, [1, 2], 1),
    "one value": (["a"], 3, 4, [0, 1], 0),
    "one range": ([f"o{number:04}" for number in range(100)], 1, 4, [100], 3),
    "no value": ([], 3, 4, [0], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_ranges_hold_each_value_once(session, case):
    """Every value is in one range, ranges hold about as many, and their cuts, in order, lie inside of them."""
    from cartbrook.frames.keys import ranges

    values, number, parts, expected, most = CASES[case]
    frame = session.createDataFrame(pa.table({"k": pa.array(values, pa.string())}), "k string")
    found = ranges("k", values[::-1], number, parts)
    held = [sorted(row["k"] for row in frame.where(one.condition).toArrow().to_pylist()) for one in found]
    assert [len(some) for some in held] == expected
    assert [value for some in held for value in some] == sorted(values)
    assert max(len(one.cuts) for one in found) == most
    for one, some in zip(found, held, strict=True):
        assert list(one.cuts) == sorted(set(one.cuts))
        assert all(some[0] <= cut <= some[-1] for cut in one.cuts)
