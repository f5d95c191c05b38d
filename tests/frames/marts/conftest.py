"""Gold tables of inline rows, and marts as plain Python values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from cartbrook.config import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from cartbrook.lake.session import Session

Row = Mapping[str, Any]

AS_OF = dt.date(2025, 1, 31)
REVENUE = {"pending", "confirmed", "processing", "shipped", "delivered", "completed"}

_KINDS = {"s": pa.string(), "d": pa.date32(), "m": pa.decimal128(18, 2), "b": pa.bool_(), "n": pa.int64(), "v": pa.int32()}
_COLUMNS = {
    "fact_orders": (
        "order_id s, line n, customer_id s, product_id s, order_date d, order_amount m, currency s, order_status s, "
        "is_revenue b, category s, season s, margin M, margin_source s"
    ),
    "dim_customer": "customer_id s, customer_tier s, date_of_birth d, is_current b, version v",
    "dim_product": "product_id s, product_name s, category s, price m, currency s, discontinued b, is_current b, version v",
    "fact_inventory": (
        "product_id s, warehouse_id s, batch_date d, stock_quantity n, reserved_quantity n, available_quantity n, reorder_level n"
    ),
    "fact_shipping": (
        "order_id s, shipping_id s, carrier s, service_type s, origin_warehouse s, currency s, shipping_cost m, "
        "estimated_delivery d, actual_delivery d, shipping_status s"
    ),
}
_DEFAULTS: dict[str, Row] = {
    "fact_orders": {
        "line": 1,
        "customer_id": "C1",
        "product_id": "P1",
        "order_date": "2025-01-10",
        "order_amount": "100.00",
        "currency": "USD",
        "order_status": "completed",
        "category": "Toys",
        "season": "Winter",
        "margin": "30.0000",
        "margin_source": "default_rate",
    },
    "dim_customer": {"customer_tier": "gold", "is_current": True, "version": 1},
    "dim_product": {
        "product_name": "Kite",
        "category": "Toys",
        "price": "100.00",
        "currency": "USD",
        "discontinued": False,
        "is_current": True,
        "version": 1,
    },
    "fact_inventory": {
        "product_id": "P1",
        "warehouse_id": "W1",
        "batch_date": "2025-01-15",
        "stock_quantity": 12,
        "reserved_quantity": 2,
        "available_quantity": 10,
        "reorder_level": 4,
    },
    "fact_shipping": {
        "order_id": "O1",
        "carrier": "UPS",
        "service_type": "Ground",
        "origin_warehouse": "W1",
        "currency": "USD",
        "shipping_cost": "5.00",
        "estimated_delivery": "2025-01-17",
        "actual_delivery": "2025-01-17",
        "shipping_status": "delivered",
    },
}


def complete(table: str, row: Row) -> dict[str, Any]:
    """A row with what it does not say: defaults, and for orders what follows from their status."""
    full = {**_DEFAULTS[table], **row}
    if table == "fact_orders":
        full["is_revenue"] = full["order_status"] in REVENUE
        if not full["is_revenue"]:
            full["margin"] = full["margin_source"] = None
    return full


@dataclass(frozen=True)
class Gold:
    """Builds marts from inline rows; dates and money are written as text."""

    session: Session

    def table(self, name: str, rows: Sequence[Row] = ()) -> DataFrame:
        """A gold table, of the columns that marts read."""
        columns = [entry.split() for entry in _COLUMNS[name].split(", ")]
        full = [complete(name, row) for row in rows or [{}]]  # a session makes no frame of no rows
        arrays = {}
        for column, kind in columns:
            values = [_value(kind, row.get(column)) for row in full]
            arrays[column] = pa.array(values, pa.decimal128(18, 4) if kind == "M" else _KINDS[kind])
        frame = self.session.createDataFrame(pa.table(arrays))
        return frame if rows else frame.limit(0)

    def mart(
        self, name: str, *, as_of: dt.date | None = AS_OF, currency: str = "USD", settings: Settings | None = None, **rows: Any
    ) -> dict[Any, dict[str, Any]]:
        """The rows of a mart by their key, the key's columns left out; checks what holds for every mart.

        Args:
            rows: By gold table the inline rows; a table not named is empty.
        """
        from cartbrook.frames.marts import INTERMEDIATE, MARTS, Mart, MartContext
        from cartbrook.frames.schema import struct

        limits = settings or Settings()
        mart = next(mart for mart in (*MARTS, *INTERMEDIATE) if mart.name == name)
        context = MartContext(as_of, currency, limits.customer_segments, limits.performance_categories)

        def build(one: Mart) -> DataFrame:
            inner = {each.name: each for each in INTERMEDIATE}
            made = {n: build(inner[n]) if n in inner else self.table(n, rows.get(n, ())) for n in one.reads}
            return one.build(made, context)

        built = build(mart).toArrow()
        assert built.column_names == struct(mart.schema).names
        by_key: dict[Any, dict[str, Any]] = {}
        for row in built.to_pylist():
            key = tuple(row.pop(column) for column in mart.key)
            assert None not in key
            assert key not in by_key
            by_key[key if len(key) > 1 else key[0]] = row
        return by_key


def _value(kind: str, value: Any) -> Any:
    if value is None or kind not in "dmM":
        return value
    return dt.date.fromisoformat(str(value)) if kind == "d" else Decimal(str(value))


@pytest.fixture
def gold(session: Session) -> Gold:
    """Builds gold tables and marts from inline rows."""
    return Gold(session)


@pytest.fixture
def mart(gold: Gold) -> Callable[..., dict[Any, dict[str, Any]]]:
    """`Gold.mart`."""
    return gold.mart
