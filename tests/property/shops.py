"""Small shops that go wrong in every way there is, and what happens to them: Hypothesis strategies."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from cartbrook.testing import RAGGED, Delivery, Row

DAYS = tuple(dt.date(2025, 1, day) for day in (10, 10, 11, 12, 20))
ORDER_DAYS = ("2025-01-05", "2025-01-10", "2025-01-11", "2025-01-11", "2025-01-15", "2025-02-01")
CREATED = ("", "2025-01-10 09:00:00", "2025-01-10 09:00:00", "2025-01-11 19:00:00")
SAID = (None, "2025-01-10T10:00:00", "2025-01-12T10:00:00")


@dataclass(frozen=True)
class Choice:
    """A decision on one of the records that are set aside when it is taken.

    Attributes:
        kind: fix, release, discard or revoke.
        number: Which of the records that it may be taken on, counted around.
        rows: By domain: for a fix the columns to edit and their text.
    """

    kind: str
    number: int
    rows: Mapping[str, Row]


@dataclass(frozen=True)
class Shop:
    """What happens in one example.

    Attributes:
        script: In order: ("submit", delivery) hands it in and runs; ("undo", delivery) takes its batch out if it is live;
            ("reprocess", delivery) takes its batch in again; ("decide", choice) takes a decision if there is a record for it;
            ("rebuild", None) rebuilds from bronze.
    """

    script: tuple[tuple[str, Any], ...]


def texts(*choices: str) -> st.SearchStrategy[str]:
    """One of some texts; one named often comes often."""
    return st.sampled_from(choices)


CUSTOMER = {
    "customer_id": texts("c1", "c1", "c1", " c1", "c2", "c2", "c3", ""),
    "first_name": texts("Ann", "Ann", "Ann", "Bob", ""),
    "last_name": st.just("Smith"),
    "customer_tier": texts("gold", "gold", "Premium", "odd", ""),
    "last_login": texts("", "2025-01-09 10:00:00", "2025-01-10 10:00:00", "never"),
    "created_timestamp": texts(*CREATED),
}
PRODUCT = {
    "product_id": texts("p1", "p1", "p1", "p2", "p2", "p3", ""),
    "category": texts("Audio", "Audio", "Video", ""),
    "price": texts("10.00", "10.00", "10", "12.50", "-1", "cheap"),
    "currency": texts("USD", "USD", " usd", "EUR"),
    "stock_quantity": texts("5", "7", "", "-2"),
    "discontinued": texts("false", "false", "True"),
    "created_timestamp": texts(*CREATED),
}
ORDER = {
    "order_id": texts("o1", "o1", "o2", "o2", "o3", ""),
    "customer_id": texts("c1", "c1", "c2", "c3", "c9"),
    "product_id": texts("p1", "p1", "p2", "p3", "p9"),
    "order_date": texts(*ORDER_DAYS, "2025-02-30"),
    "order_amount": texts("10.00", "10.00", "10", "12.50", "0", "20000", "many"),
    "currency": texts("USD", "USD", "USD", "EUR", ""),
    "payment_method": texts("Credit Card", "credit_card", "shells"),
    "order_status": texts("shipped", "shipped", "cancelled", "pending", "lost?"),
    "created_timestamp": texts(*CREATED),
}
SHIPMENT = {
    "shipping_id": texts("s1", "s1", "s2", ""),
    "order_id": texts("o1", "o1", "o2", "o3", "o9"),
    "shipping_cost": texts("5.00", "5", "101", "-1"),
    "currency": texts("USD", "USD", "EUR"),
    "estimated_delivery": texts("2025-01-12", ""),
    "actual_delivery": texts("2025-01-11", "2025-01-13", ""),
    "shipping_status": texts("in_transit", "In Transit", "delivered"),
    "created_timestamp": texts(*CREATED),
}
STOCK = {
    "inventory_id": st.just("i1"),
    "product_id": texts("p1", "p1", "p2", "p3", "p9"),
    "warehouse_id": texts("w1", "w1", "w2", ""),
    "stock_quantity": texts("5", "7", "-1", "five"),
    "reserved_quantity": texts("1", "2"),
    "available_quantity": texts("4", "5"),
    "reorder_level": texts("4", "10"),
    "created_timestamp": texts(*CREATED),
}
DOMAINS: Mapping[str, Mapping[str, st.SearchStrategy[str]]] = {
    "customers": CUSTOMER,
    "products": PRODUCT,
    "orders": ORDER,
    "shipping": SHIPMENT,
    "inventory": STOCK,
}
SOUND = {"customer_id": "c1", "product_id": "p1", "order_id": "o1", "shipping_id": "s1", "warehouse_id": "w1"}


@st.composite
def rows(draw: st.DrawFn, domain: str, more: Mapping[str, st.SearchStrategy[str]]) -> list[Row]:
    """The rows of one file: few keys, so that they collide; sometimes one is there twice, sometimes one is no record."""
    row = st.fixed_dictionaries({**DOMAINS[domain], **more})
    found: list[Row] = draw(st.lists(row, min_size=0 if draw(st.integers(0, 9)) == 0 else 1, max_size=5))
    if found and draw(st.integers(0, 2)) == 0:
        found.append(dict(draw(st.sampled_from(found))))
    if found and draw(st.integers(0, 7)) == 0:
        found.append({**found[0], RAGGED: "surplus"})
    return found


@st.composite
def deliveries(
    draw: st.DrawFn,
    batch_id: str,
    more: Mapping[str, Mapping[str, st.SearchStrategy[str]]],
    day: dt.date | None = None,
) -> Delivery:
    """A batch with some of the five domains."""
    domains = draw(st.lists(st.sampled_from(tuple(DOMAINS)), min_size=1, max_size=5, unique=True))
    return Delivery(
        batch_id,
        day or draw(st.sampled_from(DAYS)),
        {domain: draw(rows(domain, more.get(domain, {}))) for domain in sorted(domains)},
        draw(st.sampled_from(SAID)),
        files=draw(st.sampled_from((1, 1, 1, 2))),
    )


@st.composite
def shops(
    draw: st.DrawFn,
    more: Mapping[str, Mapping[str, st.SearchStrategy[str]]] | None = None,
    least: int = 3,
    most: int = 5,
    decided: int = 0,
) -> Shop:
    """Batches in any order, with repetitions, one undone (and perhaps delivered again), one perhaps put in another's place.

    With `decided`, up to so many decisions on records are taken in between, and batches are taken in again.

    Args:
        more: Further columns by domain, for contracts of the shop's own.
    """
    count = draw(st.integers(least, most))
    batches = [draw(deliveries(f"b{number}", more or {})) for number in range(count)]
    # Hypothesis begins with the least there is; an example costs seconds, and those tell nothing.
    assume(sum(len(rows) for batch in batches for rows in batch.rows.values()) >= 4 * count)
    script = [("submit", batch) for batch in draw(st.permutations(batches))]
    undone = draw(st.integers(0, count - 1))
    script.insert(draw(st.integers(undone + 1, count)), ("undo", script[undone][1]))
    for _ in range(draw(st.integers(0, 2))):  # again: unchanged if it is live, a next revision if it was undone
        batch = draw(st.sampled_from(batches))
        first = next(i for i, (_, delivery) in enumerate(script) if delivery is batch)
        script.insert(draw(st.integers(first + 1, len(script))), ("submit", batch))
    if draw(st.integers(0, 2)) == 0:
        old = draw(st.sampled_from(batches))
        new = draw(deliveries(old.batch_id, more or {}, old.batch_date))
        script.append(("submit", dataclasses.replace(new, more={"supersede": True})))
    moves = draw(st.lists(st.one_of(choices(more or {}), st.sampled_from(batches)), max_size=decided)) if decided else []
    steps: list[tuple[str, Any]] = list(script)
    for move in moves:
        at = draw(st.integers(1, len(steps)))
        steps.insert(at, ("decide" if isinstance(move, Choice) else "reprocess", move))
    return Shop(tuple(steps))


@st.composite
def choices(draw: st.DrawFn, more: Mapping[str, Mapping[str, st.SearchStrategy[str]]]) -> Choice:
    """A decision: mostly a fix, by text that may be sound or break rules of its own."""
    kind = draw(st.sampled_from(("fix", "fix", "fix", "discard", "release", "revoke")))
    edits: dict[str, Row] = {}
    for domain, sound in FIXES.items():
        edited = draw(st.fixed_dictionaries({**DOMAINS[domain], **more.get(domain, {})})) if draw(st.booleans()) else sound
        edits[domain] = {**edited, **draw(st.fixed_dictionaries(more.get(domain, {})))}
    return Choice(kind, draw(st.integers(0, 20)), edits)


def shop(*script: tuple[str, Any]) -> Shop:
    """A shop written out."""
    return Shop(script)


def decision(kind: str, number: int = 0, **rows: Row) -> Choice:
    """A decision written out."""
    return Choice(kind, number, rows)


def batch(number: int, day: int, **rows: Sequence[Row]) -> Delivery:
    """Batch ``b<number>`` of a day in January."""
    return Delivery(f"b{number}", dt.date(2025, 1, day), rows)


def customer(key: str = "c1", name: str = "Ann", **more: str) -> Row:
    """A sound customer."""
    return {"customer_id": key, "first_name": name, "last_name": "Smith", **more}


def product(key: str = "p1", price: str = "10.00", **more: str) -> Row:
    """A sound product."""
    return {"product_id": key, "category": "Audio", "price": price, "currency": "USD", **more}


def order(key: str = "o1", customer_id: str = "c1", product_id: str = "p1", day: str = "2025-01-11", **more: str) -> Row:
    """A sound order."""
    found = {"order_id": key, "customer_id": customer_id, "product_id": product_id, "order_date": day}
    return {**found, "order_amount": "10.00", "currency": "USD", "order_status": "shipped", **more}


def shipment(key: str = "s1", order_id: str = "o1", **more: str) -> Row:
    """A sound shipment."""
    return {"shipping_id": key, "order_id": order_id, "shipping_cost": "5.00", "currency": "USD", **more}


def stock(product_id: str = "p1", quantity: str = "5", **more: str) -> Row:
    """A sound count of stock."""
    return {"inventory_id": "i", "product_id": product_id, "warehouse_id": "w1", "stock_quantity": quantity, **more}


FIRST = batch(
    1, 10, customers=[customer(), customer("")], products=[product()], orders=[order("o9", "c9")], shipping=[shipment("s9", "o9")]
)
SECOND = batch(
    2,
    11,
    customers=[customer(name="Bob"), customer("c9"), customer("c9"), customer("c9", "Eve")],
    products=[product(price="11.00"), product("p2", price="none")],
    orders=[order(), order("o2", "c7")],
    shipping=[shipment(), shipment("s2", "o2")],
    inventory=[stock(), stock("p8")],
)
"""Two deliveries with parents that come late, copies, conflicts and records that break rules."""


FIXES: Mapping[str, Row] = {
    "customers": customer(),
    "products": product(),
    "orders": order("o3"),
    "shipping": shipment("s2"),
    "inventory": stock(),
}
"""Sound text for a fix of any record of a domain."""
