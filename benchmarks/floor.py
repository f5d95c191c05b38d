"""The floor of a small batch: what about 25 table writes cost on the engine, with no pipeline around them.

Five appends, five slices merged, fifteen small tables overwritten, on 20-row tables. Prints JSON: seconds to a session, median
seconds of a later turn, seconds of the whole process.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

BEGIN = time.perf_counter()

from cartbrook.lake.session import Session, open_engine  # noqa: E402 - the start is measured, too


def turn(session: Session, lake: Path, number: int) -> float:
    """Write one batch's worth of tables; returns its seconds."""
    begin = time.perf_counter()
    rows = session.sql(f"SELECT id AS key, id * 2 AS value, {number} AS batch FROM range(20)")
    for i in range(5):
        rows.write.format("delta").mode("append").save(f"file://{lake}/bronze{i}")
    for i in range(5):
        place = f"file://{lake}/merged{i}"
        if number == 0:
            rows.write.format("delta").save(place)
        rows.createOrReplaceTempView("floor_source")
        session.sql(
            f"MERGE INTO delta.`{place}` t USING floor_source s ON t.key = s.key "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        ).collect()
    for i in range(15):
        rows.groupBy("value").count().write.format("delta").mode("overwrite").save(f"file://{lake}/small{i}")
    return time.perf_counter() - begin


def main() -> None:
    """Run the turns given as the first argument (5)."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="floor-") as folder, open_engine("sail") as engine:
        session = time.perf_counter() - BEGIN
        seconds = [turn(engine.session, Path(folder), number) for number in range(turns)]
    figures = {"session": session, "later": statistics.median(seconds[1:] or seconds), "process": time.perf_counter() - BEGIN}
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
