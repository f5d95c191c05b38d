"""The life of orders: placed, shipped, delivered, now and then cancelled or returned; and their parcels."""

from __future__ import annotations

import datetime as dt
import random
from functools import lru_cache

from cartbrook.shop.catalogue import RATES, Product, warehouse_id
from cartbrook.shop.model import Row

SERVICES = (("Standard", 4, 6.9), ("Ground", 3, 7.9), ("Priority", 2, 11.9), ("Express", 1, 17.9))
"""Name, days in transit, and what it costs in dollars before weight."""

CARRIERS = ("FedEx", "UPS", "DHL", "USPS")


class Order:
    """An order under way.

    Attributes:
        row: Its line as last delivered, or as it will be.
        product, warehouse: What was ordered, and where it is reserved.
        parcel: The line of its shipment, once shipped.
        slack: Days the parcel takes beyond (or before) its estimate.
    """

    __slots__ = ("parcel", "product", "row", "slack", "warehouse")

    def __init__(self, row: Row, product: Product, warehouse: int) -> None:
        self.row = row
        self.product = product
        self.warehouse = warehouse
        self.parcel: Row | None = None
        self.slack = 0


class OrderBook:
    """Moves orders on, day by day; holds only those that will still change.

    Args:
        last: Ordinal of the last day; what would happen later is forgotten.
    """

    def __init__(self, last: int, rng: random.Random) -> None:
        self.last = last
        self.rng = rng
        self.updates: dict[int, list[Order]] = {}
        self.arrivals: dict[int, list[Order]] = {}
        self.orders: list[Row] = []
        self.parcels: list[Row] = []

    def open_day(self, today: int) -> None:
        """Start the lines of a day: the orders that arrive late, and those whose status changes."""
        self.orders, self.parcels = [], []
        for order in self.arrivals.pop(today, ()):
            self.deliver(order, today)
        for order in self.updates.pop(today, ()):
            self.advance(order, today)

    def arrive_late(self, order: Order, today: int) -> None:
        """Keep a new order back for one to three days, at most until the last one."""
        self.arrivals.setdefault(min(today + 1 + int(self.rng.random() * 3), self.last), []).append(order)

    def deliver(self, order: Order, today: int) -> None:
        """Put a new order into the day's lines, with its parcel if it is shipped already."""
        self.orders.append(order.row)
        if order.row[8] == "shipped":
            self.ship(order, today)
        else:
            self.schedule(order, today + 1 + int(self.rng.random() * 2))

    def schedule(self, order: Order, day: int) -> None:
        """Look at the order again on that day."""
        if day <= self.last:
            bucket = self.updates.get(day)
            if bucket is None:
                self.updates[day] = [order]
            else:
                bucket.append(order)

    def advance(self, order: Order, today: int) -> None:
        """Give the order its next status and put it into the day's lines."""
        status = order.row[8]
        chance = self.rng.random()
        at = order.warehouse
        if status == "shipped":
            status = "delivered"
            self._update_parcel(order, "delivered", str(dt.date.fromordinal(today)))
            if chance < 0.4:
                self.schedule(order, today + 5 + int(chance * 20))
        elif status == "delivered":
            status = "returned" if chance < 0.15 else "completed"
            if status == "returned":
                order.product.stock[at] += 1
                self._update_parcel(order, "returned", None)
                self.schedule(order, today + 2)
        elif status == "returned":
            status = "refunded"
        elif chance < 0.05:
            status = "failed" if status == "pending" and chance < 0.015 else "cancelled"
            order.product.reserved[at] -= 1
        elif chance < 0.2 and status != "processing":
            status = "processing"
            self.schedule(order, today + 1)
        else:
            status = "shipped"
            self.ship(order, today)
        order.row = (*order.row[:8], status, order.row[9])
        self.orders.append(order.row)

    def ship(self, order: Order, today: int) -> None:
        """Take the unit out of the warehouse, and put its parcel into the day's lines."""
        order_id, _, _, _, amount, currency, _, destination, _, _ = order.row
        chance = int(self.rng.random() * 1_000_000)
        service, transit, cost = SERVICES[chance % 4]
        product, at = order.product, order.warehouse
        product.stock[at] -= 1
        product.reserved[at] -= 1
        order.slack = (0, 0, 0, 0, 0, 0, 0, 1, 2, -1)[chance // 4 % 10]
        fee = (cost + min(product.weight, 40.0) * 0.45) * RATES.get(currency, 1.0)
        second = 28_800 + chance % 36_000
        date = _iso(today)
        order.parcel = (
            f"S{order_id[1:]}", order_id, f"TRK{order_id[3:]}{chance % 97:02d}", CARRIERS[chance // 40 % 4], service,
            warehouse_id(at), destination, f"{min(fee, 99.9):.2f}", currency, _iso(today + transit), "",
            "in_transit" if chance & 4096 else "shipped", f"{product.weight:g}", product.dimensions, amount,
            f"{date} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}",
        )  # fmt: skip
        self.parcels.append(order.parcel)
        self.schedule(order, today + max(1, transit + order.slack))

    def _update_parcel(self, order: Order, status: str, delivered: str | None) -> None:
        parcel = order.parcel
        if parcel is not None:
            order.parcel = (*parcel[:10], parcel[10] if delivered is None else delivered, status, *parcel[12:])
            self.parcels.append(order.parcel)


@lru_cache(maxsize=64)
def _iso(ordinal: int) -> str:
    return str(dt.date.fromordinal(ordinal))
