"""Files that are missing, grow, break off or are not as declared: what waits, what is held, and how it goes on."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import Counter

import pytest
from tests.cli.desk import CONTRACTS, Desk, line, named, orders, parents, sheet

pytestmark = pytest.mark.engine("sail")

ORDERS = named("orders")
GOOD = sheet("orders", line("orders", order_id="O1"), line("orders", order_id="O2", order_amount="5.25")).encode()
TORN = GOOD[:-30]
DECLARED: dict[str, tuple[dict[str, object], str]] = {
    "rows": ({"rows": 2}, f"{ORDERS}: its last line breaks off, and the trigger declares 2 records."),
    "fewer": ({"rows": 3}, f"{ORDERS}: 2 records, and the trigger declares 3."),
    "sha256": ({"sha256": hashlib.sha256(GOOD).hexdigest()}, f"{ORDERS}: its sha256 is not the one the trigger declares."),
    "total": ({"control_total": "15.25"}, f"{ORDERS}: its amounts are not the control_total that is declared."),
}


@pytest.fixture
def desk(cartbrook, blank, tmp_path):
    """A workspace of its own."""
    return Desk(cartbrook, shutil.copytree(blank, tmp_path / "shop"))


def all_five():
    """A line of each domain."""
    return {named(domain): sheet(domain, line(domain)).encode() for domain in CONTRACTS}


def counts(desk):
    """Records in bronze and silver of all domains."""
    tables = [f"{layer}.{domain}" for layer in ("bronze", "silver") for domain in CONTRACTS]
    rows = desk.query(" UNION ALL ".join(f"SELECT '{table}' AS t FROM {table}" for table in tables))
    return Counter(row["t"] for row in rows)


def test_what_is_not_as_declared_is_held_until_it_is(desk):
    """A cut file is held by each declaration with nothing of it published; corrected under the same trigger it goes on."""
    desk.put("base", parents())
    for case, (said, _) in DECLARED.items():
        desk.put(case, {ORDERS: TORN}, files=[{"name": ORDERS, **said}])
    desk.run()
    assert desk.code == 1
    assert desk.told["base"].startswith("published, ")
    for case, (_, message) in DECLARED.items():
        assert desk.told[case] == f"held: {message}"
        assert desk.revisions(case) == ["held"]
        assert desk.report("show", case)["books"] == []
    assert desk.files("landing") == {f"{case}/{ORDERS}" for case in DECLARED} | {f"triggers/{case}.json" for case in DECLARED}
    assert desk.query("SELECT count(*) AS n FROM silver.orders") == [{"n": 0}]
    assert desk.report("quarantine", "list") == []

    whole = GOOD + line("orders", order_id="O3").encode()
    for case in DECLARED:
        desk.land({ORDERS: whole if case == "fewer" else GOOD}, case)
    desk.run()
    assert desk.code == 0
    for case in DECLARED:
        assert desk.told[case].startswith("published, ")
        assert desk.revisions(case) == ["published"]
        assert desk.books(case) == {"accepted": 3 if case == "fewer" else 2}
    assert desk.files("landing") == set()


def test_a_total_of_nothing_is_held(desk):
    """A control_total is enforced: where a domain has no amounts, it cannot be, and that is said."""
    desk.put("b1", parents(), files=[{"name": named("customers"), "control_total": 0}])
    assert desk.run() == {
        "b1": f"held: {named('customers')}: a control_total is declared, and the contract of customers names no amount to sum up."
    }


def test_a_missing_file_is_waited_for(desk):
    """While one of five files is missing none is loaded; when it comes, all are."""
    files = all_five()
    late = files.pop(named("shipping"))
    desk.land(files, "five")
    desk.trigger("five", [*files, named("shipping")])
    for _ in range(2):
        assert desk.run() == {"five": f"waits for {named('shipping')}"}
        assert desk.code == 1
        assert desk.revisions("five") == ["received"]
        assert counts(desk) == {}
    assert desk.report("status")["triggers"] == ["five"]
    desk.land({named("shipping"): late}, "five")
    assert desk.run()["five"].startswith("published, ")
    assert desk.books("five") == {"accepted": 5}


def test_waiting_ends(desk):
    """After file_wait_minutes the batch fails by name of the file, its other files lie aside, and a new delivery goes on."""
    files = all_five()
    late = files.pop(named("orders"))
    desk.land(files, "five")
    desk.trigger("five", [*files, ORDERS])
    desk.run()
    desk.settle("stable_seconds: 0", "file_wait_minutes: 0")
    desk.put("other", parents())
    desk.run()
    assert desk.code == 1
    assert desk.told["five"] == f"refused, waits for {ORDERS}, longer than 0 minutes."
    assert desk.told["other"].startswith("published, ")
    assert (desk.revisions("five"), desk.row("five")["error"]) == (
        ["failed"],
        f"five: waits for {ORDERS}, longer than 0 minutes.",
    )
    assert desk.reason("five")["code"] == "missing_file"
    assert {f"five/{name}" for name in files} <= desk.files("rejected")
    assert counts(desk) == {f"{layer}.{domain}": 1 for layer in ("bronze", "silver") for domain in ("customers", "products")}
    desk.put("five", {**files, ORDERS: late})
    assert ", revision 2, " in desk.run()["five"]
    assert desk.revisions("five") == ["failed", "published"]


def test_a_growing_file_is_waited_for(desk):
    """A file that changes while it is looked at is not taken; when it is still, it is taken whole."""
    desk.settle("stable_seconds: 0.3")
    desk.land(parents(), "customers")
    (desk.root / "landing" / "customers" / named("products")).rename(desk.root / "landing" / named("products"))
    desk.trigger("grows", parents())
    growing = desk.root / "landing" / "customers" / named("customers")
    stop = threading.Event()

    def grow():
        number = 0
        while not stop.wait(0.02):
            number += 1
            with growing.open("a", encoding="utf-8") as stream:
                stream.write(line("customers", customer_id=f"G{number}") + "\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        assert desk.run() == {"grows": f"{named('customers')} still grows"}
        assert (desk.code, desk.revisions("grows")) == (1, ["received"])
    finally:
        stop.set()
        writer.join()
    due = len(growing.read_text("utf-8").splitlines())  # the header is one, the product another
    assert desk.run()["grows"].startswith("published, ")
    assert desk.books("grows") == {"accepted": due}


def test_a_file_that_never_stands_still(desk):
    """Growing on past file_wait_minutes it is refused as such."""
    desk.settle("stable_seconds: 0.1", "file_wait_minutes: 0")
    desk.land({ORDERS: sheet("orders", *orders("1")).encode()}, "orders")
    desk.trigger("grows", [ORDERS])
    growing = desk.root / "landing" / "orders" / ORDERS
    stop = threading.Event()

    def grow():
        while not stop.wait(0.01):
            growing.touch()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        assert desk.run() == {"grows": f"refused, {ORDERS} still grows, longer than 0 minutes."}
    finally:
        stop.set()
        writer.join()
    assert desk.reason("grows")["code"] == "growing_file"
    assert growing.is_file()  # it may be another trigger's


def test_parents_come_later(desk):
    """Orders of an unknown customer, an unknown product or both wait, and each is released by the batch that ends its waiting."""
    lines = [
        line("orders", order_id="A", customer_id="C2"),
        line("orders", order_id="B", product_id="P2"),
        line("orders", order_id="C", customer_id="C2", product_id="P2"),
        line("orders", order_id="D"),
    ]
    desk.put("orders-first", {ORDERS: sheet("orders", *lines).encode(), **parents()})
    desk.put(
        "customer",
        {named("customers"): sheet("customers", line("customers", customer_id="C2")).encode()},
        batch_date="2025-01-11",
    )
    desk.run()
    assert desk.told["orders-first"].startswith("published, ")
    assert "3 accepted, 3 parked" in desk.told["orders-first"]
    waiting = desk.aside("orders-first")
    assert {place: (row["status"], row["rules"], row["reason"]) for place, row in waiting.items()} == {
        3: ("parked", ["unknown_product"], 'waits for product_id "P2"'),
        4: ("parked", ["unknown_product"], 'waits for product_id "P2"'),
    }
    assert desk.query("SELECT order_id FROM gold.fact_orders ORDER BY 1") == [{"order_id": "A"}, {"order_id": "D"}]
    desk.put(
        "product", {named("products"): sheet("products", line("products", product_id="P2")).encode()}, batch_date="2025-01-12"
    )
    desk.run()
    assert desk.aside("orders-first") == {}
    released = {row["source_line"]: row["resolved_by"] for row in desk.report("quarantine", "list", "--status", "released")}
    assert released == {2: "customer", 3: "product", 4: "product"}
    facts = desk.query("SELECT order_id, batch_id, order_date FROM gold.fact_orders ORDER BY 1")
    assert facts == [{"order_id": key, "batch_id": "orders-first", "order_date": "2025-01-10"} for key in "ABCD"]
    assert desk.call("audit").code == 0
