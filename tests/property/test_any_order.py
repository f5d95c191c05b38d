"""Any order of batches, any repetition, one undone: the same tables, equal to a rebuild and to the specification."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence

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
CHILDREN = batch(2, 11, orders=[order(), order("o2", "c2")], shipping=[shipment(), shipment("s2", "o2")], inventory=[stock()])
# The newest record of o1 waits for a customer, so that the older one stays; its other orders alone are in another currency.
CORRECTION = batch(
    3, 12, orders=[order(customer_id="c7"), *(order(key, currency="EUR") for key in ("e1", "e2"))], shipping=[shipment("s7")]
)
ORPHANS = batch(
    2,
    11,
    orders=[order(), order("o6", "c6", "p6")],
    shipping=[shipment(), shipment("s6", "o6")],
    inventory=[stock(), stock("p6")],
)
PARENTS_LATE = batch(9, 20, customers=[customer("c6")], products=[product("p6")])
# All of one day and of the same keys; c5 is there twice, in conflict, ragged and without a key.
OVERLAP = [
    batch(1, 10, customers=[customer(), customer("c5"), {**customer("c5"), RAGGED: "x"}, customer("")], products=[product()]),
    batch(
        2,
        10,
        customers=[customer(name="Bob"), *(customer("c5", name) for name in ("Ann", "Ann", "Bob", "Bob"))],
        products=[product(price="11.00")],
        orders=[order(day="2025-01-10")],
    ),
    batch(3, 10, customers=[customer(name="Cid")], products=[product(price="12.00")], inventory=[stock()]),
]
# A customer who is Ann, nobody, Ann, and logs in meanwhile; a price that changes between an order's day and the next price.
DAYS = {
    10: batch(1, 10, customers=[customer(last_login="2025-01-01 00:00:00")], products=[product(price="10.00")]),
    20: batch(
        2,
        20,
        customers=[customer(last_login="")],
        products=[product(price="20.00")],
        orders=[order(day="2025-01-16")],
        inventory=[stock()],
    ),
    15: batch(3, 15, customers=[customer(last_login="2025-01-03 00:00:00")], products=[product(price="15.00")]),
    12: batch(4, 12, customers=[customer(name="")], products=[product(price="10.00")]),
    11: batch(5, 11, customers=[customer(name="Bob")]),
}


def corrected(day: int, **rows: Sequence[Row]) -> Delivery:
    """A delivery that takes the place of batch b1."""
    return Delivery("b1", dt.date(2025, 1, day), rows, more={"supersede": True})


# What happens in one lake, told op by op; the specification is asked after each, so a script may go through several cases.
CASES: dict[str, Shop] = {
    "parents are undone, come again, and are replaced": shop(
        ("submit", FAMILY),
        ("submit", CHILDREN),
        ("submit", CORRECTION),
        ("submit", batch(4, 11, customers=[customer("c7")])),
        ("undo", FAMILY),  # orders and their shipments wait again
        ("submit", FAMILY),
        ("submit", CHILDREN),  # unchanged
        ("undo", CORRECTION),  # the only orders in euros go, and the older record of o1 counts again
        ("submit", corrected(10, customers=[customer()])),  # drops a domain
        ("submit", corrected(12, products=[product()])),  # of another day
    ),
    "children come first, and nothing is left": shop(
        ("submit", ORPHANS),
        ("submit", FAMILY),  # earlier than the children
        ("submit", PARENTS_LATE),  # later than theirs
        ("rebuild", None),
        ("undo", ORPHANS),
        ("undo", FAMILY),
        ("undo", PARENTS_LATE),
    ),
    "three batches of one day, the middle one undone, the greatest undone": shop(
        ("submit", OVERLAP[2]),
        ("submit", OVERLAP[1]),
        ("submit", OVERLAP[0]),
        ("undo", OVERLAP[1]),
        ("submit", OVERLAP[1]),
        ("undo", OVERLAP[2]),
        ("submit", OVERLAP[2]),
    ),
    "late days cut versions anew, and an order moves to another one and back": shop(
        *(("submit", DAYS[day]) for day in (10, 20, 15, 12, 11)), ("undo", DAYS[11]), ("undo", DAYS[15])
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_nasty_case(workshop, case):
    """What was thought out beforehand ends in the tables of a rebuild and of the specification."""
    workshop.holds(CASES[case], thought_out=True)


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
def test_any_order(workshop):
    """Random small shops end in the tables of the straight way, of a rebuild and of the specification.

    People fix, release, discard and revoke in between, and batches are taken in again.
    """

    @seed(SEED)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(shops(most=4, decided=4))
    def holds(example: Shop) -> None:
        workshop.holds(example)

    holds()


@pytest.mark.slow
def test_any_order_with_deletes(workshop, built_in):
    """The same holds where records may delete their key, in every domain."""
    contracts = {domain: with_deletes(built_in(domain)) for domain in DELETES}

    @seed(SEED)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(shops(DELETES, most=4, decided=2))
    def holds(example: Shop) -> None:
        workshop.holds(example, "deletes", contracts)

    holds()


def of_snapshots(built_in) -> dict[str, str]:
    """Contracts under which customers and products come as full snapshots; a customer's record may delete it as well."""
    snapshot = "{property: snapshot, value: full}"
    customers = with_setting(with_deletes(built_in("customers")), snapshot)
    return {"customers": customers, "products": with_setting(built_in("products"), snapshot)}


@pytest.mark.slow
def test_any_order_with_snapshots(workshop, built_in):
    """The same holds where customers and products come as full snapshots, with decisions in between."""

    @seed(SEED)
    @settings(max_examples=EXAMPLES, phases=PHASES, database=None)
    @given(shops({"customers": OP}, most=4, decided=3))
    def holds(example: Shop) -> None:
        workshop.holds(example, "snapshots", of_snapshots(built_in))

    holds()


TWO = [batch(1, 10, customers=[customer(), customer("c2", "Bob")]), batch(2, 11, customers=[customer()], orders=[order()])]
SAME_DAY = [batch(1, 10, customers=[customer(name="Bob"), customer("c3")]), batch(2, 10, customers=[customer()])]
UNREADABLE = batch(2, 11, customers=[customer(), customer("")])
SNAPSHOTS: dict[str, Shop] = {
    "a key that is not named is gone, comes back with an undo, and goes by a late snapshot": shop(
        ("submit", TWO[0]),
        ("submit", TWO[1]),
        ("undo", TWO[1]),
        ("submit", batch(3, 20, customers=[customer(), customer("c2", "Bob")])),
        ("submit", TWO[1]),  # late, between the others
        ("submit", Delivery("b2", dt.date(2025, 1, 15), {"customers": [customer("c2")]}, more={"supersede": True})),
        ("reprocess", TWO[0]),
    ),
    "two of one day, the lesser last, the greater undone: a key that only the lesser names is there": shop(
        ("submit", SAME_DAY[1]), ("submit", SAME_DAY[0]), ("undo", SAME_DAY[1])
    ),
    "a record that was set aside is there": shop(
        ("submit", TWO[0]),
        ("submit", UNREADABLE),  # a key that cannot be read ends nothing until it is discarded
        ("decide", decision("discard")),
        ("undo", UNREADABLE),
        ("submit", batch(3, 11, customers=[customer(), customer("c2", last_login="never")])),
        ("decide", decision("fix", customers=customer("c3"))),  # it is another key
        ("decide", decision("revoke")),
        ("decide", decision("fix", customers=customer("c2", "Cid"))),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", SNAPSHOTS)
def test_a_nasty_snapshot(workshop, built_in, case):
    """What was thought out beforehand of snapshots ends like any other path."""
    workshop.holds(SNAPSHOTS[case], "snapshots", of_snapshots(built_in), thought_out=True)


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
def test_split_otherwise(workshop, built_in):
    """With `sequence_by`, dimensions are equal even where the same records came in other batches, some of them twice."""
    contracts = {"customers": in_sequence(built_in("customers"))}

    @seed(SEED)
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
