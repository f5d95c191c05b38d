"""Any order of batches, any repetition, one undone: the same tables, equal to a rebuild and to the specification."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from tests.property.shops import Shop, batch, customer, decision, order, product, shipment, shop, shops, stock

from cartbrook.testing import RAGGED, Delivery, Row, differences

# A night may take more, or others: PROPERTY_EXAMPLES=200 PROPERTY_SEED=7 pytest tests/property
EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "1"))
SEED = int(os.environ.get("PROPERTY_SEED", "0"))
# An example takes seconds and is small as it is; shrinking one would take minutes.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]

FAMILY = batch(1, 10, customers=[customer(), customer("c2")], products=[product(), product("p2")])
OVERLAP = [
    batch(1, 10, customers=[customer(name="Ann")], products=[product(price="10.00")]),
    batch(2, 10, customers=[customer(name="Bob")], products=[product(price="11.00")], orders=[order(day="2025-01-10")]),
    batch(3, 10, customers=[customer(name="Cid")], products=[product(price="12.00")], inventory=[stock()]),
]
CHILDREN = batch(2, 11, orders=[order(), order("o2", "c2")], shipping=[shipment(), shipment("s2", "o2")], inventory=[stock()])

CASES: dict[str, Shop] = {
    "the middle of three batches of one day is undone": shop(
        ("submit", OVERLAP[2]), ("submit", OVERLAP[1]), ("submit", OVERLAP[0]), ("undo", OVERLAP[1])
    ),
    "the greatest of three batches of one day is undone and comes again": shop(
        *(("submit", part) for part in OVERLAP), ("undo", OVERLAP[2]), ("submit", OVERLAP[2])
    ),
    "parents are undone, so that orders and their shipments wait again": shop(
        ("submit", FAMILY), ("submit", CHILDREN), ("undo", FAMILY)
    ),
    "parents are undone and come again": shop(
        ("submit", FAMILY), ("submit", CHILDREN), ("undo", FAMILY), ("submit", FAMILY), ("submit", CHILDREN)
    ),
    "parents come last and earlier than their children": shop(("submit", CHILDREN), ("submit", FAMILY)),
    "a parent comes in a batch that is later than its children": shop(
        ("submit", CHILDREN), ("submit", batch(9, 20, customers=[customer(), customer("c2")], products=[product()]))
    ),
    "a late price cuts a version anew, and the order moves to it": shop(
        ("submit", batch(1, 10, customers=[customer()], products=[product(price="10.00")])),
        ("submit", batch(2, 20, products=[product(price="20.00")], orders=[order(day="2025-01-16")], inventory=[stock()])),
        ("submit", batch(3, 15, products=[product(price="15.00")])),
        ("submit", batch(4, 12, products=[product(price="10.00")])),
    ),
    "the late price is undone, and the order moves back": shop(
        ("submit", batch(1, 10, customers=[customer()], products=[product(price="10.00")])),
        ("submit", batch(3, 15, products=[product(price="15.00")])),
        ("submit", batch(2, 20, products=[product(price="20.00")], orders=[order(day="2025-01-16")])),
        ("undo", batch(3, 15)),
    ),
    "the newest record of an order waits, so that an older one stays; then its customer comes": shop(
        ("submit", FAMILY),
        ("submit", CHILDREN),
        ("submit", batch(3, 12, orders=[order(customer_id="c7")], shipping=[shipment("s7")])),
        ("submit", batch(4, 11, customers=[customer("c7")])),
        ("undo", batch(1, 10)),
    ),
    "A, B, A with NULL between, and untracked columns that change alone": shop(
        ("submit", batch(3, 13, customers=[customer(name="Ann", last_login="2025-01-03 00:00:00")])),
        ("submit", batch(1, 10, customers=[customer(name="Ann", last_login="2025-01-01 00:00:00")])),
        ("submit", batch(2, 12, customers=[customer(name="")])),
        ("submit", batch(4, 14, customers=[customer(name="Ann", last_login="")])),
        ("submit", batch(5, 11, customers=[customer(name="Bob")])),
        ("undo", batch(5, 11)),
    ),
    "copies and conflicts of one key in a batch, and the same record in the next": shop(
        ("submit", batch(2, 10, customers=[customer(), customer(), customer(name="Bob"), customer(name="Bob")])),
        ("submit", batch(1, 10, customers=[customer(), {**customer(), RAGGED: "x"}, customer(key="")])),
        ("undo", batch(2, 10)),
    ),
    "another revision takes a batch's place and drops a domain": shop(
        ("submit", FAMILY),
        ("submit", CHILDREN),
        ("submit", Delivery("b1", dt.date(2025, 1, 10), {"customers": [customer()]}, more={"supersede": True})),
        ("submit", Delivery("b1", dt.date(2025, 1, 12), {"products": [product()]}, more={"supersede": True})),
    ),
    "nothing is left": shop(("submit", CHILDREN), ("submit", FAMILY), ("undo", CHILDREN), ("undo", FAMILY)),
    "the only batch with orders in another currency is undone": shop(
        ("submit", FAMILY),
        ("submit", batch(2, 11, orders=[order()])),
        ("submit", batch(3, 11, orders=[order("o2", currency="EUR"), order("o3", currency="EUR")])),
        ("undo", batch(3, 11)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_nasty_case(workshop, case):
    """What was thought out beforehand ends in the tables of a rebuild and of the specification."""
    workshop.holds(CASES[case], straight=False)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_any_order(workshop, part):
    """Random small shops end in the tables of the straight way, of a rebuild and of the specification."""

    @seed(SEED * 1000 + part)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(shops())
    def holds(example: Shop) -> None:
        workshop.holds(example)

    holds()


OP = {"op": st.sampled_from(["", "", "U", "D", "delete"])}
DELETES = {"customers": OP, "products": OP, "orders": OP, "shipping": OP, "inventory": OP}


def with_setting(text: str, setting: str) -> str:
    """A contract with one more custom property of its object."""
    line = f"      - {setting}\n"
    if "\n    customProperties:\n" in text:
        return text.replace("\n    customProperties:\n", f"\n    customProperties:\n{line}", 1)
    return text.replace("    properties:\n", f"    customProperties:\n{line}    properties:\n", 1)


def with_deletes(text: str) -> str:
    """A contract with a column that deletes."""
    text = text.replace("    properties:\n", "    properties:\n      - name: op\n        physicalType: string\n", 1)
    return with_setting(text, "{property: delete, value: {column: op, values: [D, delete]}}")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_any_order_with_deletes(workshop, built_in, part):
    """The same holds where records may delete their key, in every domain."""
    contracts = {domain: with_deletes(built_in(domain)) for domain in DELETES}

    @seed(SEED * 1000 + 100 + part)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(shops(DELETES, most=4))
    def holds(example: Shop) -> None:
        workshop.holds(example, "deletes", contracts)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_any_order_with_decisions(workshop, part):
    """The same holds where people fix, release, discard and revoke in between, and batches are taken in again."""

    @seed(SEED * 1000 + 300 + part)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(shops(most=4, decided=4))
    def holds(example: Shop) -> None:
        workshop.holds(example)

    holds()


def of_snapshots(built_in) -> dict[str, str]:
    """Contracts under which customers and products come as full snapshots; a customer's record may delete it as well."""
    snapshot = "{property: snapshot, value: full}"
    customers = with_setting(with_deletes(built_in("customers")), snapshot)
    return {"customers": customers, "products": with_setting(built_in("products"), snapshot)}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(1))
def test_any_order_with_snapshots(workshop, built_in, part):
    """The same holds where customers and products come as full snapshots, with decisions in between."""

    @seed(SEED * 1000 + 400 + part)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(shops({"customers": OP}, most=4, decided=3))
    def holds(example: Shop) -> None:
        workshop.holds(example, "snapshots", of_snapshots(built_in))

    holds()


TWO = [batch(1, 10, customers=[customer(), customer("c2", "Bob")]), batch(2, 11, customers=[customer()], orders=[order()])]
SNAPSHOTS: dict[str, Shop] = {
    "a key that is not named is gone, and comes back where the snapshot is undone": shop(
        ("submit", TWO[0]), ("submit", TWO[1]), ("undo", TWO[1])
    ),
    "a late snapshot between": shop(
        ("submit", TWO[0]), ("submit", batch(3, 20, customers=[customer(), customer("c2", "Bob")])), ("submit", TWO[1])
    ),
    "two of one day, the greater undone: a key that only the lesser names is there": shop(
        ("submit", batch(1, 10, customers=[customer(), customer("c3")])),
        ("submit", batch(2, 10, customers=[customer()])),
        ("undo", batch(2, 10)),
    ),
    "two of one day, the lesser last": shop(
        ("submit", batch(2, 10, customers=[customer()])),
        ("submit", batch(1, 10, customers=[customer(name="Bob"), customer("c3")])),
    ),
    "a key that cannot be read ends nothing until it is discarded": shop(
        ("submit", TWO[0]),
        ("submit", batch(2, 11, customers=[customer(), customer("")])),
        ("decide", decision("discard")),
    ),
    "a record that was set aside is there; fixed, it is another key": shop(
        ("submit", TWO[0]),
        ("submit", batch(2, 11, customers=[customer(), customer("c2", last_login="never")])),
        ("decide", decision("fix", customers=customer("c3"))),
        ("decide", decision("revoke")),
        ("decide", decision("fix", customers=customer("c2", "Cid"))),
    ),
    "a snapshot takes the place of another day's": shop(
        ("submit", TWO[0]),
        ("submit", TWO[1]),
        ("submit", Delivery("b2", dt.date(2025, 1, 15), {"customers": [customer("c2")]}, more={"supersede": True})),
        ("reprocess", TWO[0]),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", SNAPSHOTS)
def test_a_nasty_snapshot(workshop, built_in, case):
    """What was thought out beforehand of snapshots ends like any other path."""
    workshop.holds(SNAPSHOTS[case], "snapshots", of_snapshots(built_in), straight=False)


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["c1", "c1", "c2"]),
        st.sampled_from(["Ann", "Ann", "Bob", ""]),
        st.integers(1, 28),
    ),
    min_size=5,
    max_size=12,
    unique_by=lambda change: (change[0], change[2]),
)


def in_sequence(text: str) -> str:
    """The contract of customers with a column that orders the records in the place of batch_date."""
    column = "      - name: changed_at\n        physicalType: timestamp\n"
    untracked = "        customProperties:\n          - {property: tracked, value: false}\n"
    text = text.replace("    properties:\n", f"    properties:\n{column}{untracked}", 1)
    sequence = "    customProperties:\n      - {property: sequence_by, value: [changed_at]}\n"
    return text.replace("    quality:\n", f"{sequence}    quality:\n", 1)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_split_otherwise(workshop, built_in, part):
    """With `sequence_by`, dimensions are equal even where the same records came in other batches, some of them twice."""
    contracts = {"customers": in_sequence(built_in("customers"))}

    @seed(SEED * 1000 + 200 + part)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(CHANGES, st.data())
    def holds(changes: list[tuple[str, str, int]], data: st.DataObject) -> None:
        rows = [customer(key, name, changed_at=f"2025-01-{day:02d} 12:00:00") for key, name, day in changes]

        def split() -> Shop:
            parts: list[list[Row]] = [[], [], []]
            for row in rows:
                for number in data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=2, unique=True)):
                    parts[number].append(row)
            days = data.draw(st.permutations([10, 11, 12]))
            return shop(*(("submit", batch(i, days[i], customers=part)) for i, part in enumerate(parts)))

        one, other = (workshop.dimensions(split(), "in sequence", contracts) for _ in range(2))
        assert differences(one, other) == []

    holds()
