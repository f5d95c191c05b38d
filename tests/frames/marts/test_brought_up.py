"""Marts that are brought up to date from what was published are those that are made of all facts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.frames.marts.test_oracle import AS_OF, Row, shop

from cartbrook.config import Settings
from cartbrook.frames.marts import INTERMEDIATE, MARTS, MartContext
from cartbrook.frames.marts.changed import COLUMNS, Change, differing, joined, named

KEY = ("order_id", "line")
TOGETHER = ("customer_id", "product_id", "order_id")
INNER = {mart.name: mart for mart in INTERMEDIATE}
SHORT = [mart for mart in (*INTERMEDIATE, *MARTS) if mart.after]


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
    change = Change(moved, touched, KEY, values if few else None)
    short = mart.brought_up(published, change, frames[1], context).toArrow().to_pylist()
    long = build(mart, frames[1]).toArrow().to_pylist()
    if mart.pieces:
        pieces = [row for piece in mart.build_in_pieces(frames[1], context) for row in piece.toArrow().to_pylist()]
        assert sorted(map(repr, pieces)) == sorted(map(repr, long))
    assert sorted(map(repr, short)) == sorted(map(repr, long))
    assert sorted(map(repr, long)) != sorted(map(repr, build(mart, frames[0]).toArrow().to_pylist()))
    assert mart.brought_up(published, None, frames[0], context).count() == build(mart, frames[0]).count()
