"""The made-up shop: deterministic, consistent where no defect was asked for, and exact about those it planted."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartbrook.errors import ConfigError
from cartbrook.shop import COLUMNS, KINDS, OUTCOMES, Delivery, ShopPlan, generate, write_deliveries

CLEAN = ShopPlan(days=12, defects=0, currencies=("USD", "EUR"), late=0.1, repeated=0.05, changed=0.1)
SPOILED = ShopPlan(days=4, orders_per_day=120, customers=150, products=60, defects=0.3, late=0.05, repeated=0.05, changed=0.4)


def records(delivery: Delivery, domain: str) -> Iterator[dict[str, str]]:
    """The rows of a domain by column name."""
    return (dict(zip(COLUMNS[domain], row, strict=True)) for row in delivery.files[domain])


def read(path: Path) -> list[list[str]]:
    """The lines of a CSV file as the csv module reads them; a blank line is an empty list."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_same_plan_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs of a plan write identical files, another seed writes others."""
    contents = []
    for name, plan in (("one", SPOILED), ("two", SPOILED), ("three", ShopPlan(seed=8, days=4))):
        write_deliveries(plan, tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_bytes_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """Processes with other hash seeds write the same bytes."""
    program = "import sys, pathlib; from cartbrook.shop import *; write_deliveries(ShopPlan(days=3), pathlib.Path(sys.argv[1]))"
    digests = set()
    for seed in ("1", "2"):
        folder = tmp_path / seed
        subprocess.run([sys.executable, "-c", program, str(folder)], env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
        digests.add(hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest())
    assert len(digests) == 1


def test_files_of_a_day(tmp_path: Path) -> None:
    """Each day has five files with the header of its domain, and a trigger that names them."""
    triggers = write_deliveries(ShopPlan(days=2, first_day=dt.date(2024, 2, 29)), tmp_path, declare=True)
    assert [path.name for path in triggers] == ["trigger_2024_02_29.json", "trigger_2024_03_01.json"]
    trigger = json.loads(triggers[0].read_text())
    assert trigger["batch_date"] == "2024-02-29"
    assert trigger["expected_files"] == [f"{domain}_2024_02_29.csv" for domain in COLUMNS]
    for declared in trigger["files"]:
        data = (tmp_path / declared["name"]).read_bytes()
        lines = read(tmp_path / declared["name"])
        assert tuple(lines[0]) == COLUMNS[declared["domain"]]
        assert declared["sha256"] == hashlib.sha256(data).hexdigest()
        assert declared["rows"] == sum(1 for line in lines[1:] if line)
        assert data.endswith(b"\n")


def test_every_kind_is_planted_where_it_says(tmp_path: Path) -> None:
    """planted.json names, for every kind and domain, the very lines of the files that hold the defects."""
    write_deliveries(SPOILED, tmp_path)
    planted = json.loads((tmp_path / "planted.json").read_text())
    assert {(one["kind"], one["domain"]) for one in planted} == {(kind, domain) for kind in KINDS for domain in KINDS[kind]}
    assert len({(one["file"], one["line"]) for one in planted}) == len(planted)
    for one in planted:
        raw = (tmp_path / one["file"]).read_bytes().split(b"\n")[one["line"] - 1]
        lines = read(tmp_path / one["file"])
        row = lines[one["line"] - 1]
        assert all(text in [field.strip() for field in row] for text in one["key"])
        shows = {
            "blank_line": raw == b"",
            "nul_byte": b"\0" in raw,
            "ragged_row": len(row) != len(COLUMNS[one["domain"]]),
            "odd_enumeration": "on the moon" in row,
            "remarkable_amount": "12000.00" in row,
            "bad_amount": bool({"abc", "NaN", "-5", "0", "1,234.50", "12.345"} & set(row)),
            "bad_date": bool({"2010-02-30", "01/12/2010"} & set(row)),
            "padded_key": any(field != field.strip() for field in row),
            "missing_key": "" in one["key"],
            "duplicate_exact": lines.count(row) == 2,
        }
        assert shows.get(one["kind"], True), one


def test_planted_counts_are_exact() -> None:
    """Ragged rows, NULs and blank lines in the files are as many as were planted, and no other record is damaged."""
    for delivery in generate(SPOILED):
        for domain, rows in delivery.files.items():
            counts = Counter(one.kind for one in delivery.planted if one.domain == domain)
            assert sum(not row for row in rows) == counts["blank_line"]
            assert sum(bool(row) and len(row) != len(COLUMNS[domain]) for row in rows) == counts["ragged_row"]
            assert sum("\0" in "".join(row) for row in rows) == counts["nul_byte"]
        assert delivery.defects == Counter(one.kind for one in delivery.planted)


def test_share_of_defects() -> None:
    """The planted share of each kind is the one asked for, of the records of its domain."""
    plan = ShopPlan(days=5, orders_per_day=2_000, customers=200, defects={"price_mismatch": 0.03, "odd_email": 0.1})
    rows, planted = 0, Counter[str]()
    for delivery in generate(plan):
        rows += len(delivery.files["orders"])
        planted.update(delivery.defects)
    assert set(planted) == {"price_mismatch", "odd_email"}
    assert planted["price_mismatch"] / rows == pytest.approx(0.03, rel=0.05)


def test_defects_leave_the_rest_alone() -> None:
    """Without its planted lines an order file holds the orders it would hold without defects."""
    clean = ShopPlan(days=4, defects=0, orders_per_day=120, customers=150, products=60, late=0.05, repeated=0.05, changed=0.4)
    for spoiled, whole in zip(generate(SPOILED), generate(clean), strict=True):
        bad = {one.line for one in spoiled.planted if one.domain == "orders"}
        rest = [row for line, row in enumerate(spoiled.files["orders"], start=2) if line not in bad]
        assert [row[:6] for row in rest] == [row[:6] for row in whole.files["orders"]]


def test_late_parents_come_one_batch_later() -> None:
    """The customer of each late_parent order is missing on its day and delivered with the next batch."""
    deliveries = list(generate(ShopPlan(days=3, orders_per_day=100, defects={"late_parent": 0.05})))
    seen: set[str] = set()
    for delivery, following in zip(deliveries, [*deliveries[1:], None], strict=True):
        orders = {row[0]: row[1] for row in delivery.files["orders"]}
        missing = {orders[one.key[0]] for one in delivery.planted}
        seen |= {row[0] for row in delivery.files["customers"]}
        assert not missing & seen
        assert bool(missing) == (following is not None)
        assert following is None or missing <= {row[0] for row in following.files["customers"]}


def test_clean_shop_has_no_orphans() -> None:
    """Without defects every parent comes on or before the day of its children, and each key once a file."""
    customers: set[str] = set()
    products: set[str] = set()
    orders: set[str] = set()
    for delivery in generate(CLEAN):
        assert delivery.defects == {}
        for domain, key in (("customers", 0), ("products", 0), ("orders", 0), ("shipping", 1), ("inventory", 0)):
            keys = [row[key] for row in delivery.files[domain]]
            assert len(keys) == len(set(keys)), domain
        customers |= {row[0] for row in delivery.files["customers"]}
        products |= {row[0] for row in delivery.files["products"]}
        orders |= {row[0] for row in delivery.files["orders"]}
        assert {row[1] for row in delivery.files["orders"]} <= customers
        assert {row[2] for row in delivery.files["orders"]} <= products
        assert {row[1] for row in delivery.files["shipping"]} <= orders
        assert {row[1] for row in delivery.files["inventory"]} == products
        assert all(row[3] <= str(delivery.batch_date) for row in delivery.files["orders"])


def test_amounts_are_the_prices_of_their_day() -> None:
    """Each order costs what its product cost on its order date, in its currency, however late it is delivered."""
    prices: dict[str, list[tuple[str, str, str]]] = {}
    late = 0
    for delivery in generate(CLEAN):
        for product in records(delivery, "products"):
            version = (str(delivery.batch_date), product["price"], product["currency"])
            prices.setdefault(product["product_id"], []).append(version)
        for order in records(delivery, "orders"):
            versions = [version for version in prices[order["product_id"]] if version[0] <= order["order_date"]]
            assert (order["order_amount"], order["currency"]) == versions[-1][1:]
            assert 1 <= float(order["order_amount"]) <= 10_000
            late += order["order_date"] < str(delivery.batch_date)
    assert late
    assert any(len({price for _, price, _ in versions}) > 1 for versions in prices.values())


def test_orders_move_on_and_are_shipped_once() -> None:
    """Orders go through their statuses; whatever is shipped, delivered or completed has exactly one shipment by then."""
    shipments: dict[str, str] = {}
    statuses: dict[str, list[str]] = {}
    for delivery in generate(ShopPlan(days=20, defects=0, repeated=0)):
        for parcel in records(delivery, "shipping"):
            assert shipments.setdefault(parcel["order_id"], parcel["shipping_id"]) == parcel["shipping_id"]
            assert float(parcel["shipping_cost"]) <= 100
        for order in records(delivery, "orders"):
            statuses.setdefault(order["order_id"], []).append(order["order_status"])
            if order["order_status"] in ("shipped", "delivered", "completed"):
                assert order["order_id"] in shipments
    ends = Counter(path[-1] for path in statuses.values())
    assert {"shipped", "delivered", "completed", "cancelled"} <= set(ends)
    assert all(len(path) == len(set(path)) for path in statuses.values())


def test_stock_adds_up() -> None:
    """Available is stock less reserved, nothing is negative, and a delivered product has the stock of its warehouses."""
    for delivery in generate(ShopPlan(days=10, defects=0, repeated=0, orders_per_day=400)):
        stock: Counter[str] = Counter()
        for line in records(delivery, "inventory"):
            units, reserved = int(line["stock_quantity"]), int(line["reserved_quantity"])
            assert int(line["available_quantity"]) == units - reserved
            assert min(units, reserved, units - reserved) >= 0
            stock[line["product_id"]] += units
        assert all(int(product["stock_quantity"]) == stock[product["product_id"]] for product in records(delivery, "products"))


def test_later_days_deliver_only_what_changed_or_repeats() -> None:
    """Day one delivers everyone; later, without changes and repeats, only new customers come."""
    deliveries = list(generate(ShopPlan(days=5, customers=500, defects=0, changed=0, repeated=0)))
    assert len(deliveries[0].files["customers"]) == 500
    known = {row[0] for row in deliveries[0].files["customers"]}
    for delivery in deliveries[1:]:
        assert delivery.files["products"] == []
        assert len(delivery.files["customers"]) < 10
        assert not known & {row[0] for row in delivery.files["customers"]}


def test_repeated_records_are_unchanged() -> None:
    """A record that comes again is the newest of its key, field for field."""
    newest: dict[str, tuple[str, ...]] = {}
    repeats = 0
    for delivery in generate(ShopPlan(days=10, defects=0, changed=0, repeated=0.1)):
        for row in delivery.files["orders"]:
            if newest.get(row[0], row)[8] == row[8] and row[0] in newest:
                assert newest[row[0]] == row
                repeats += 1
            newest[row[0]] = row
    assert repeats > 20


def test_some_customers_are_loyal() -> None:
    """A tenth of the customers places far more than a tenth of the orders."""
    (delivery,) = generate(ShopPlan(days=1, customers=500, orders_per_day=5_000, defects=0))
    counts = sorted(Counter(row[1] for row in delivery.files["orders"]).values(), reverse=True)
    assert sum(counts[:50]) > 0.3 * sum(counts)
    in_hours = sum("08" <= row[9][11:13] < "18" for row in delivery.files["orders"])
    assert in_hours > 0.9 * len(delivery.files["orders"])


def test_every_kind_has_an_outcome() -> None:
    """What becomes of a kind is said for each of them."""
    assert set(OUTCOMES) == set(KINDS)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"days": 0}, "days"),
        ({"orders_per_day": -1}, "orders_per_day"),
        ({"customers": 0}, "customers"),
        ({"products": 1}, "products"),
        ({"warehouses": 0}, "warehouses"),
        ({"currencies": ()}, "currencies"),
        ({"currencies": ("usd",)}, "currencies"),
        ({"late": 1.5}, "late"),
        ({"repeated": float("nan")}, "repeated"),
        ({"changed": -0.1}, "changed"),
        ({"defects": 2.0}, "defects"),
        ({"defects": {"bad_amount": 0.7, "bad_date": 0.7}}, "defects"),
        ({"first_day": dt.date(2100, 12, 31)}, "first_day"),
    ],
)
def test_unusable_plans_are_refused(wrong: dict[str, object], field: str) -> None:
    """A plan that cannot be delivered is refused, naming the field and giving a hint."""
    with pytest.raises(ConfigError, match=rf"ShopPlan\.{field}") as caught:
        ShopPlan(**wrong)  # type: ignore[arg-type]
    assert caught.value.hint


def test_misspelt_kind_gets_a_hint() -> None:
    """A kind nobody knows is refused with the nearest one."""
    with pytest.raises(ConfigError) as caught:
        ShopPlan(defects={"bad_ammount": 0.1})
    assert caught.value.hint == 'did you mean "bad_amount"?'
