"""Several hundred MB through the data source: at this size a batch over Python's memory would hang the engine without a word."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cartbrook.lake.csv_scan import Limits, scan_file
from cartbrook.lake.landing import read_files
from cartbrook.types import SourceFile

COLUMNS = (
    "order_id,customer_id,product_id,order_date,order_amount,currency,payment_method,shipping_address,order_status,"
    "created_timestamp"
).split(",")
LINES = 1_001  # physical lines of a part: 996 plain records, one over two lines, two ragged ones, one blank line
PARTS = 3_000


def part() -> bytes:
    """1,000 records on 1,001 lines, about 130 KB."""
    plain = [
        b'ORD%05d,%05d,PROD%03d,2025-01-15,%d.50,USD,credit_card,"%d Main ""St"", New York, NY 10001, 3rd floor, ring at the '
        b'second door",pending,2025-01-15 08:30:15' % (n, n % 500, n % 77, n, n)
        for n in range(996)
    ]
    odd = [
        b'ORD00996,1,PROD001,2025-01-15,996.50,USD,credit_card,"two\r\nlines",pending,2025-01-15 08:30:15',
        b"ORD00997,1,PROD001",
        b'ORD00998,1,PROD001,2025-01-15,1.50,USD,credit_card,"a",b,2025-01-15 08:30:15,"more, of it"',
        b",,,",
    ]
    return b"\n".join([*plain, *odd, b""])


@pytest.mark.timeout(60)
def test_several_hundred_mb_reach_a_delta_table(session, tmp_path: Path, lake_dir: Path):
    """Counts, sums, ragged rows and line numbers are right at a size where buffers not owned by Arrow deadlock."""
    block = part()
    path = tmp_path / "orders.csv"
    with path.open("wb") as file:
        file.write(",".join(COLUMNS).encode() + b"\n")
        for _ in range(PARTS // 100):
            file.write(block * 100)
    begin = time.perf_counter()
    scan = scan_file(path)
    scanned = time.perf_counter()
    assert scan.bytes > 380e6
    assert (scan.rows, scan.blank_lines) == (999 * PARTS, PARTS)

    source = SourceFile("orders", "orders.csv", path, scan.sha256, scan.rows)
    table = f"file://{lake_dir}/orders"
    read_files(session, [source], COLUMNS, Limits()).write.format("delta").mode("overwrite").save(table)
    written = time.perf_counter()

    rows = session.read.format("delta").load(table)
    counts = rows.selectExpr(
        "count(*)",
        "count(_defect)",
        "count(_raw)",
        "sum(cast(order_amount as decimal(18,2)))",
        "sum(length(shipping_address))",
        "sum(_source_line)",
        "count(distinct _source_line)",
        "max(_source_line)",
    ).collect()[0]
    plain, ragged = 997 * PARTS, 2 * PARTS
    addresses = len("two\r\nlines") + 996 * len(' Main "St", New York, NY 10001, 3rd floor, ring at the second door')
    addresses += sum(len(str(n)) for n in range(996))
    places = [*range(997), 998, 999]  # of the records in a part of 1,001 lines
    assert tuple(counts)[:3] == (plain + ragged, ragged, ragged)
    assert counts[3] == PARTS * (sum(range(997)) + 997 * 5 / 10)
    assert counts[4] == PARTS * addresses
    assert counts[5] == sum(len(places) * (2 + LINES * n) + sum(places) for n in range(PARTS))
    assert tuple(counts)[6:] == (plain + ragged, 1 + LINES * PARTS - 1)
    wrong = rows.where("_defect is null and (_source_line - 2) % 1001 <> cast(substr(order_id, 4) as int)")
    assert wrong.count() == 0
    print(f"{scan.bytes / 1e6:.0f} MB: scan {scanned - begin:.1f} s, read and write {written - scanned:.1f} s")  # noqa: T201 - measured
