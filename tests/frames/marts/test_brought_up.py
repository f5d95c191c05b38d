"""Marts that are brought up to date from what was published are those that are made of all facts."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from typing import Any

import pyarrow as pa
import pytest
from tests.frames.marts.test_oracle import AS_OF, Row, shop

from cartbrook.config import Settings
from cartbrook.frames.keys import Keys
from cartbrook.frames.marts import INTERMEDIATE, MARTS, MartContext, shipping_performance
from cartbrook.frames.marts.changed import COLUMNS, SIDE, Change, differing, joined, named
from cartbrook.frames.marts.sales_totals import PRODUCT, lost_ends

KEY = ("order_id", "line")
TOGETHER = ("customer_id", "order_id")
INNER = {mart.name: mart for mart in INTERMEDIATE}
SHORT = [mart for mart in (*INTERMEDIATE, *MARTS) if mart.after and mart.follows == "fact_orders"]


def changed(orders: list[Row], seed: int) -> list[Row]:
    """The orders after some lines went, others changed (status, amount, day, customer), and some came."""
    chance = random.Random(seed)
    result: list[Row] = []
    for row in orders:
        fate, other = chance.random(), {}
        if fate < 0.03:
            continue
        if fate < 0.07:
            other = {"order_status": chance.choice(["completed", "cancelled", "returned"])}
        elif fate < 0.09:
            other = {"order_amount": "12.34", "order_date": "2025-03-01", "customer_id": f"C{chance.randrange(17)}"}
        elif fate < 0.11:
            other = {"product_id": f"P{chance.randrange(15)}", "category": "Books"}
        result.append({**row, **other})
    return [*result, {**result[0], "order_id": "new", "customer_id": "C17", "currency": "GBP"}]


@pytest.mark.parametrize("mart", SHORT, ids=lambda mart: mart.name)
@pytest.mark.parametrize("seed", range(2))
def test_both_ways_lead_to_the_same(gold, session, mart, seed):
    """Sums of orders with several lines, customers and products: what was taken away and added is what all facts give."""
    limits = Settings()
    context = MartContext(AS_OF, "USD", limits.customer_segments, limits.performance_categories)
    shops = shop(seed), {**shop(seed), "fact_orders": changed(shop(seed)["fact_orders"], seed)}
    frames = [{name: gold.table(name, rows) for name, rows in tables.items()} for tables in shops]

    def build(one: Any, tables: dict[str, Any]) -> Any:
        return one.build({name: build(INNER[name], tables) if name in INNER else tables[name] for name in one.reads}, context)

    def kept(frame: Any) -> Any:
        return session.createDataFrame(frame.toArrow())

    before, now = (tables["fact_orders"].select(*COLUMNS, "line") for tables in frames)
    columns = (*COLUMNS, "line")
    moved = kept(differing(before, now, KEY, columns))
    rows = moved.toArrow().to_pylist()
    assert {row["_side"] for row in rows} == {-1, 1}
    values = {column: {row[column] for row in rows} for column in TOGETHER}
    few = seed == 0
    touched = kept(named(now, values) if few else joined(now, moved, TOGETHER))
    holder = next(one for one in (*MARTS, *INTERMEDIATE) if one.name == mart.holder)
    published = kept(build(holder, frames[0]))
    ends = kept(lost_ends(moved, kept(build(INNER["sales_totals"], frames[0]))))
    assert ends.count()
    change = Change(moved, touched, KEY, values["customer_id"] if few else None, Keys(ends))
    short = mart.brought_up(published, change, frames[1], context).toArrow().to_pylist()
    long = build(mart, frames[1]).toArrow().to_pylist()
    if mart.pieces:
        pieces = [row for piece in mart.build_in_pieces(frames[1], context) for row in piece.toArrow().to_pylist()]
        assert sorted(map(repr, pieces)) == sorted(map(repr, long))
    assert sorted(map(repr, short)) == sorted(map(repr, long))
    assert sorted(map(repr, long)) != sorted(map(repr, build(mart, frames[0]).toArrow().to_pylist()))
    assert mart.brought_up(published, None, frames[0], context).count() == build(mart, frames[0]).count()


@pytest.mark.parametrize("some_moved", [True, False])
@pytest.mark.parametrize(
    "before", [AS_OF - dt.timedelta(2), AS_OF, AS_OF + dt.timedelta(2)], ids=["later", "same day", "earlier"]
)
def test_shipments_of_unknown_status_arrive_as_time_passes(gold, before, some_moved):
    """Shipments that went, changed or came, and those that are delivered on one of two business dates alone."""
    chance = random.Random(5)
    old = shop(5)["fact_shipping"]
    new = [
        {**row, "shipping_status": chance.choice(["delivered", "unknown"])} if chance.random() < 0.3 else row for row in old[9:]
    ]
    new.append({**old[1], "order_id": "new", "carrier": "Post"})
    then, now = (gold.table("fact_shipping", rows) for rows in (old, new if some_moved else old))
    limits, key = Settings(), ("order_id", "shipping_id")
    past, present = (
        MartContext(day, "USD", limits.customer_segments, limits.performance_categories, as_of_before=before)
        for day in (before, AS_OF)
    )
    mart = shipping_performance.MART
    columns = (*shipping_performance.COLUMNS, *key)
    moved = differing(then.select(*columns), now.select(*columns), key, columns) if some_moved else None
    turned = now.select(*columns).where(shipping_performance.turning(before, AS_OF))
    assert bool(turned.count()) == (before != AS_OF)
    change = Change.of_rows(moved, turned, key)
    published = mart.build({"fact_shipping": then}, past)
    short = mart.brought_up(published, change, {}, present).toArrow().to_pylist()
    long = mart.build({"fact_shipping": now}, present).toArrow().to_pylist()
    assert sorted(map(repr, short)) == sorted(map(repr, long))
    same = sorted(map(repr, long)) == sorted(map(repr, published.toArrow().to_pylist()))
    assert same == (before == AS_OF and not some_moved)
    if some_moved:
        on_the_same_day = dataclasses.replace(present, as_of_before=AS_OF)
        start = mart.build({"fact_shipping": then}, present)
        alone = mart.brought_up(start, Change.of_rows(moved, None, key), {}, on_the_same_day)
        assert sorted(map(repr, alone.toArrow().to_pylist())) == sorted(map(repr, long))


def sold(product: str, day: str, side: int, **more: Any) -> Row:
    """A row that moved."""
    return {"order_id": f"{product} {day} {side}", "product_id": product, "order_date": day, SIDE: side, **more}


def test_all_orders_of_a_product_are_looked_through_only_where_its_first_or_last_went(gold, session):
    """A day that went and came again, one in between, and what is no revenue say nothing about the first and the last day."""
    moved = [
        *(sold("first went", "2025-01-01", -1), sold("first went", "2025-01-02", 1)),
        sold("last went", "2025-01-31", -1),
        *(sold("newer status", "2025-01-31", -1), sold("newer status", "2025-01-31", 1)),
        *(sold("later day", "2025-01-31", -1), sold("later day", "2025-02-03", 1)),
        *(sold("earlier day", "2025-01-31", -1), sold("earlier day", "2025-01-20", 1)),
        sold("between", "2025-01-10", -1),
        sold("came", "2025-02-01", 1),
        sold("new", "2025-02-01", 1),
        sold("cancelled", "2025-01-31", -1, order_status="cancelled"),
        sold("other currency", "2025-01-31", -1, currency="GBP"),
    ]
    names = {row["product_id"] for row in moved} - {"new"}
    kinds = {"grain": PRODUCT, "currency": "USD", "first_order_date": "2025-01-01", "last_order_date": "2025-01-31"}
    rows = [{**kinds, "product_id": name} for name in names] + [{**kinds, "grain": "all", "product_id": ""}]
    published = session.createDataFrame(pa.Table.from_pylist(rows))
    for name in ("first_order_date", "last_order_date"):
        published = published.withColumn(name, published[name].cast("date"))
    sides = gold.table("fact_orders", moved).join(
        session.createDataFrame(pa.Table.from_pylist(moved)).select("order_id", SIDE), "order_id"
    )
    found = lost_ends(sides, published).toArrow()["product_id"].to_pylist()
    assert sorted(found) == ["earlier day", "first went", "last went"]
