"""Facts about sessions and processes that lake/session.py and lake/ledger.py are built on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

pytestmark = pytest.mark.engine("sail")


def run(program: str, seconds: int = 60) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, ended after `seconds`."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=seconds, check=False)


def test_a_collected_server_stops_serving():
    """A server nobody references is gone; so Engine holds it, else the client would retry for minutes and look hung."""
    done = run(
        """
import gc, socket, time
from pysail.spark import SparkConnectServer
server = SparkConnectServer(port=0)
server.start(background=True)
port = server.listening_address[1]
socket.create_connection(("127.0.0.1", port), timeout=5).close()
del server
gc.collect()
for _ in range(50):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        print("gone")
        break
    time.sleep(0.1)
"""
    )
    assert done.stdout.split() == ["gone"], done.stderr[-2000:]


@pytest.mark.parametrize("end", ["engine.close()", "engine.close(); engine.close()", "sys.exit(3)"])
def test_a_process_ends(end):
    """A process that closed its engine (session first, then server) ends at once, and one that forgot to ends, too."""
    opened = "import sys; from cartbrook.lake.session import open_engine; engine = open_engine()"
    done = run(f"{opened}; engine.session.sql('SELECT 1').toArrow(); {end}")
    assert done.returncode == (3 if "exit" in end else 0), done.stderr[-2000:]


def test_two_engines_one_after_the_other():
    """A process may open a second engine after the first is closed, as a watcher or a test run does."""
    done = run(
        """
from cartbrook.lake.session import open_engine
for number in (1, 2):
    with open_engine() as engine:
        print(engine.session.sql(f"SELECT {number} AS n").toArrow().to_pylist())
"""
    )
    assert done.stdout.split("\n")[:2] == ["[{'n': 1}]", "[{'n': 2}]"], done.stderr[-2000:]


def test_collect_shifts_timestamps_and_arrow_does_not(session):
    """`collect` gives the machine's local time even in a UTC session; so rows are fetched through Arrow, with their zone."""
    frame = session.sql("SELECT TIMESTAMP '2025-01-15 00:00:00' AS t")
    assert frame.collect()[0]["t"].isoformat() == "2025-01-15T05:30:00"  # the suite runs in Asia/Kolkata
    assert frame.toArrow().to_pylist()[0]["t"].isoformat() == "2025-01-15T00:00:00+00:00"


def test_times_given_as_text_are_not_shifted(session):
    """A text cast by the engine is UTC; so `Tables.rows` takes times as text."""
    frame = session.createDataFrame(pa.table({"t": ["2025-01-15 00:00:00"]})).selectExpr(
        "unix_timestamp(CAST(t AS timestamp)) AS s"
    )
    assert frame.toArrow().to_pylist() == [{"s": 1736899200}]


def test_a_reused_view_name_changes_earlier_frames(session):
    """Frames resolve anew at each action; so `Tables.merge` gives each view a name of its own."""
    session.sql("SELECT 1 AS n").createOrReplaceTempView("fact_reused")
    frame = session.sql("SELECT n FROM fact_reused")
    session.sql("SELECT 2 AS n").createOrReplaceTempView("fact_reused")
    try:
        assert frame.toArrow().to_pylist() == [{"n": 2}]
    finally:
        session.catalog.dropTempView("fact_reused")


def test_arrow_shares_numpys_memory_unless_copied():
    """`pa.array` of NumPy borrows its buffer, which deadlocks Sail at volume; so csv_scan adds 0 to make Arrow own a copy."""
    numbers = np.arange(1_000)
    borrowed, owned = pa.array(numbers), pc.add(pa.array(numbers), 0)
    place = numbers.__array_interface__["data"][0]
    assert borrowed.buffers()[1].address == place
    assert owned.buffers()[1].address != place


def test_lines_of_a_file_belong_to_arrow(tmp_path, monkeypatch):
    """The line numbers that csv_scan yields do not lie in NumPy's memory, wherever it made them."""
    from cartbrook.lake import csv_scan

    borrowed = []
    array = pa.array

    def spy(values, *args, **kwargs):
        made = array(values, *args, **kwargs)
        if isinstance(values, np.ndarray):
            borrowed.append(made.buffers()[1].address)
        return made

    monkeypatch.setattr(pa, "array", spy)
    path = tmp_path / "x.csv"
    path.write_text("a\n" + "1\n" * 1_000)
    batches = list(csv_scan.read_batches(path, columns=("a",)))
    assert borrowed
    assert {batch.column("_source_line").buffers()[1].address for batch in batches}.isdisjoint(borrowed)
