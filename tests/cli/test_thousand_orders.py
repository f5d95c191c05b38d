"""A batch of a thousand orders with ten kinds of defects in known numbers: each is counted, and nothing else is touched."""

from __future__ import annotations

import csv
import json
from collections import Counter
from decimal import Decimal

import pytest

from cartbrook.contracts.load import load_contracts

pytestmark = [pytest.mark.engine("sail"), pytest.mark.slow]

HEADER = (
    *("order_id", "customer_id", "product_id", "order_date", "order_amount", "currency", "payment_method", "shipping_address"),
    *("order_status", "created_timestamp"),
)
SOUND = ("C1", "P1", "2025-03-01", "20.00", "USD", "paypal", "1 Main St, Springfield", "confirmed", "2025-03-01 10:00:00")

# What is changed in an order of each kind, the rule it breaks, and its state; numbers differ, so that no two can be mixed up.
KINDS = {
    "amount that is no number": (2, {"order_amount": "abc"}, "order_amount_type", "quarantined"),
    "amount of nothing": (3, {"order_amount": "0.00"}, "order_amount_not_positive", "quarantined"),
    "no such day": (4, {"order_date": "2025-02-30"}, "order_date_type", "quarantined"),
    "no customer": (5, {"customer_id": " "}, "customer_id_required", "quarantined"),
    "line with a field too many": (6, {"": "surplus"}, "ragged_row", "quarantined"),
    "customer nobody knows": (7, {"customer_id": "C9"}, "unknown_customer", "parked"),
    "product nobody knows": (8, {"product_id": "P9"}, "unknown_product", "parked"),
    "remarkable amount": (9, {"order_amount": "20000.00"}, "order_amount_remarkable", "accepted"),
    "payment nobody listed": (10, {"payment_method": "shells"}, "payment_method_enumeration", "accepted"),
    "conflicting duplicate": (11, {}, "duplicate_key", "quarantined"),
}
COPIES = 12


def orders() -> list[list[str]]:
    """The thousand lines: each kind in its number, then sound ones; twelve of these once more."""
    lines: list[list[str]] = []
    for kind, (count, changed, _, _) in KINDS.items():
        for number in range(count):
            row = dict(zip(HEADER, (f"{kind} {number}", *SOUND), strict=True)) | changed
            lines.append(list(row.values()))
            if kind == "conflicting duplicate":
                lines.append([*lines[-1][:4], "21.00", *lines[-1][5:]])
    sound = [[f"sound {number}", *SOUND] for number in range(1000 - len(lines) - COPIES)]
    return [*lines, *sound, *sound[:COPIES]]


@pytest.fixture(scope="module")
def shop(cartbrook, tmp_path_factory):
    """A workspace after the batch."""
    folder = tmp_path_factory.mktemp("thousand")
    files = {
        "customers_2025_03_01.csv": [["C1", "2025-01-01"]],
        "products_2025_03_01.csv": [["P1", "20.00", "USD"]],
        "orders_2025_03_01.csv": orders(),
    }
    contracts = load_contracts()
    for name, rows in files.items():
        names = contracts[name.split("_")[0]].names
        few = {"customers": ("customer_id", "registration_date"), "products": ("product_id", "price", "currency")}
        known = few.get(name.split("_")[0], HEADER)
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(names)
            for row in rows:
                texts = dict(zip(known, row, strict=False))
                writer.writerow([*(texts.get(column, "") for column in names), *row[len(known) :]])
    trigger = {"trigger_id": "t", "batch_date": "2025-03-01", "data_files_ready": True, "expected_files": sorted(files)}
    (folder / "t.json").write_text(json.dumps(trigger), "utf-8")
    shop = folder / "shop"
    assert cartbrook("init", shop).code == 0
    assert cartbrook("submit", folder / "t.json", "-w", shop).code == 0
    assert cartbrook("run", "-w", shop).code == 0
    return shop


def expected(state: str) -> int:
    """How many orders end in a state."""
    return sum(count for count, _, _, found in KINDS.values() if found == state)


def test_each_kind_is_counted_exactly(cartbrook, shop):
    """Every rule of the orders has failed as often as its kind was planted; all others not once."""
    answer = cartbrook("query", "SELECT rule, rows_failed FROM ops.quality_results WHERE domain = 'orders'", "-w", shop, "--json")
    failed = {row["rule"]: row["rows_failed"] for row in answer.json}
    planted = {rule: count for count, _, rule, _ in KINDS.values()}
    planted["order_amount_remarkable"] += KINDS["amount of nothing"][0]  # it is below 1, too
    # Orders of 20,000 and of 21 do not cost what their product does: the remarkable ones, and some that won a conflict.
    mismatches = failed.pop("order_price_mismatch")
    assert {rule: count for rule, count in failed.items() if count} == planted
    assert mismatches == KINDS["remarkable amount"][0] + _conflicts_won_by_21(cartbrook, shop)


def _conflicts_won_by_21(cartbrook, shop) -> int:
    rows = cartbrook("query", "SELECT count(*) AS n FROM gold.fact_orders WHERE order_amount = 21.00", "-w", shop, "--json").json
    return int(rows[0]["n"])


def test_the_rest_is_published(cartbrook, shop):
    """Each order that was not set aside is in gold, once and with its amount, and the revenue is the sum of them."""
    rows = cartbrook("query", "SELECT order_id, order_amount FROM gold.fact_orders", "-w", shop, "--json").json
    due: dict[str, set[str]] = {}
    aside = tuple(kind for kind, (_, _, _, state) in KINDS.items() if state != "accepted" and kind != "conflicting duplicate")
    for line in orders():
        if not line[0].startswith(aside):
            due.setdefault(line[0], set()).add(line[4])
    assert len(rows) == len(due) == 1000 - expected("quarantined") - expected("parked") - COPIES
    assert [row for row in rows if row["order_amount"] not in due.pop(row["order_id"])] == []
    [kpi] = cartbrook("query", "SELECT orders, revenue FROM gold.kpi_summary", "-w", shop, "--json").json
    assert (kpi["orders"], Decimal(kpi["revenue"])) == (len(rows), sum(Decimal(row["order_amount"]) for row in rows))


def test_the_books_balance(cartbrook, shop):
    """A thousand lines, each in one state, proved from the tables alone."""
    books = cartbrook("show", "t", "-w", shop, "--json").json["books"]
    states: Counter[str] = Counter()
    for entry in books:
        if entry["domain"] == "orders":
            states[entry["state"]] += entry["rows"]
    assert states == {
        "accepted": 1000 - expected("quarantined") - expected("parked") - COPIES,
        "quarantined": expected("quarantined"),
        "parked": expected("parked"),
        "duplicate": COPIES,
    }
    assert states.total() == 1000
    assert cartbrook("audit", "-w", shop).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_record_says_why(cartbrook, shop, kind):
    """What was set aside names its file, its line and the rule; the lines are those it was planted in."""
    count, _, rule, state = KINDS[kind]
    planted = {n: line for n, line in enumerate(orders(), 2) if line[0].startswith(kind)}
    if state == "accepted":
        flagged = cartbrook("query", "SELECT order_id, _flags FROM silver.orders", "-w", shop, "--json").json
        held = {row["order_id"] for row in flagged if any(flag.split(":")[0] == rule for flag in row["_flags"])}
        assert held == {line[0] for line in planted.values()}
        return
    rows = cartbrook("quarantine", "list", "--rule", rule, "--limit", "100", "-w", shop, "--json").json
    assert {(row["source_file"], row["status"]) for row in rows} == {
        ("orders_2025_03_01.csv", {"quarantined": "open", "parked": "parked"}[state])
    }
    assert all(rule in row["rules"] and row["reason"] for row in rows)
    lines = [row["source_line"] for row in rows]
    if kind == "conflicting duplicate":  # one of two; which one is not told by the lines
        assert sorted(planted[line][0] for line in lines) == sorted({line[0] for line in planted.values()})
    else:
        assert sorted(lines) == list(planted)
    assert len(lines) == count
