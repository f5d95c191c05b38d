"""The days of the shop: who registers, what changes, what is ordered, and what of it is delivered when."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

from cartbrook.shop.catalogue import Product, launch
from cartbrook.shop.defects import Planter
from cartbrook.shop.model import COLUMNS, Delivery, Planted, Row, ShopPlan, file_name
from cartbrook.shop.orders import Order, OrderBook
from cartbrook.shop.people import PAYMENTS, Customer, register

WEEKDAYS = (0.88, 0.86, 0.90, 0.94, 1.10, 1.24, 1.08)
"""How busy Monday to Sunday are; 1 on average."""

MONTHS = (0.90, 0.86, 0.94, 0.96, 0.98, 0.97, 0.92, 0.93, 0.98, 1.02, 1.24, 1.30)
"""How busy January to December are; 1 on average."""


def generate(plan: ShopPlan) -> Iterator[Delivery]:
    """The deliveries of a shop, one a day, made as they are asked for.

    Args:
        plan: What to deliver. Without late, repeated and changed records each order and parcel still moves on by itself.

    Yields:
        One delivery a day. Parents come on or before the day of their children, unless a defect says otherwise.

    Note:
        Defects have a stream of chance of their own: without them the same plan delivers the same records.
    """
    shop = Shop(plan)
    planter = Planter(plan, shop.relic)
    for number in range(plan.days):
        day = plan.first_day + dt.timedelta(days=number)
        rows = shop.live(day)
        files: dict[str, list[Row]] = {}
        planted: list[Planted] = []
        rows["customers"] += planter.late_parents()
        for domain in COLUMNS:
            files[domain], found = planter.plant(domain, rows.pop(domain), day)
            planted += found
        yield Delivery(_trigger(plan, day, number), files, tuple(planted))


class Shop:
    """The shop as it is on a day, without any defect.

    Attributes:
        relic: The product that was discontinued before the first day; it never changes.
    """

    def __init__(self, plan: ShopPlan) -> None:
        self.plan = plan
        self.rng = random.Random(plan.seed)
        self.last = plan.last_day.toordinal()
        self.customers: list[Customer] = []
        self.products: list[Product] = []
        self.buyers: dict[str, list[Customer]] = {currency: [] for currency in plan.currencies}
        self.loyalty: dict[str, list[float]] = {currency: [] for currency in plan.currencies}
        self.book = OrderBook(self.last, self.rng)
        self.repeats = Repeats(plan.repeated, self.last, self.rng)
        self.belated: dict[int, list[tuple[str, Row]]] = {}
        self.waiting: set[str] = set()
        for number in range(plan.products):
            currency = plan.currencies[number % len(plan.currencies)]
            self.products.append(launch(number + 1, plan.first_day, currency, self.rng))
        self.relic = self.products[-1]
        self.relic.discontinued = True
        appeal = sum(product.appeal for product in self.products)
        self.demand = plan.orders_per_day / plan.warehouses / appeal
        for product in self.products:
            product.fill(plan.warehouses, self.demand * product.appeal, plan.first_day, self.rng)

    def live(self, day: dt.date) -> dict[str, list[Row]]:
        """Let one day pass, and tell what is delivered at its end."""
        today = day.toordinal()
        fresh: dict[str, list[Row]] = {"customers": self._people(day, today)}
        changed = self._range(day, today)
        self.book.open_day(today)
        self._sell(day, today)
        for product in self.products:
            product.restock(day, self.rng)
        fresh["products"] = [product.row(day, self.rng) for product in changed]
        fresh["orders"], fresh["shipping"] = self.book.orders, self.book.parcels
        self.book.orders, self.book.parcels = [], []
        for domain, rows in fresh.items():
            rows.extend(self.repeats.exchange(domain, rows, today))
        fresh["inventory"] = [
            row for number, product in enumerate(self.products, start=1) for row in product.inventory(day, number, self.rng)
        ]
        return fresh

    def _people(self, day: dt.date, today: int) -> list[Row]:
        """Registrations and changes; on the first day everyone."""
        plan, rng = self.plan, self.rng
        rows: list[Row] = []
        for key, row in self.belated.pop(today, ()):
            self.waiting.discard(key)
            rows.append(row)
        settled = {row[0] for row in rows}
        for customer in rng.sample(self.customers, _some(plan.changed * len(self.customers), rng)):
            if customer.id in self.waiting or customer.id in settled:
                continue
            customer.change(rng)
            row = customer.row(day, rng)
            if today < self.last and rng.random() < plan.late:
                self.waiting.add(customer.id)
                self.belated.setdefault(min(today + rng.randrange(1, 4), self.last), []).append((customer.id, row))
            else:
                rows.append(row)
        first = not self.customers
        weights = [1 / (1 + place) for place in range(len(plan.currencies))]
        for number in range(plan.customers if first else _some(plan.customers / 100, rng)):
            spread = first and number < len(plan.currencies)
            currency = plan.currencies[number] if spread else rng.choices(plan.currencies, weights)[0]
            registered = day - dt.timedelta(days=rng.randrange(1, 1200)) if first else day
            customer = register(len(self.customers) + 1, registered, currency, rng)
            self.customers.append(customer)
            self.buyers[currency].append(customer)
            known = self.loyalty[currency]
            known.append((known[-1] if known else 0.0) + customer.loyalty)
            rows.append(customer.row(day, rng))
        return rows

    def _range(self, day: dt.date, today: int) -> list[Product]:
        """The products to deliver: those that change today, what takes their place; on the first day all."""
        if today == self.plan.first_day.toordinal():
            return list(self.products)
        rng = self.rng
        active = [product for product in self.products if not product.discontinued]
        changed = rng.sample(active, _some(self.plan.changed * len(active), rng))
        for product in list(changed):
            if rng.random() < 0.05:
                product.discontinued = True
                successor = launch(len(self.products) + 1, day, product.currency, rng)
                successor.launched = str(day)
                successor.appeal = product.appeal
                successor.fill(self.plan.warehouses, self.demand * product.appeal, day, rng)
                self.products.append(successor)
                changed.append(successor)
            else:
                product.change(rng)
        return changed

    def _sell(self, day: dt.date, today: int) -> None:
        """Take the day's orders: loyal customers buy more often, liked products sell more often."""
        rng, plan, book = self.rng, self.plan, self.book
        random_, warehouses, late = rng.random, plan.warehouses, plan.late if today < self.last else 0.0
        count = _some(plan.orders_per_day * WEEKDAYS[day.weekday()] * MONTHS[day.month - 1] * rng.uniform(0.92, 1.08), rng)
        seconds = sorted(
            28_800 + int((random_() + random_()) * 18_000) if random_() < 0.96 else 64_800 + int(random_() * 14_400)
            for _ in range(count)
        )
        date, times, prefix = str(day), _times(), f"O{day:%Y%m%d}"
        deliver, payments = book.deliver, len(PAYMENTS)
        for number, (second, (customer, product)) in enumerate(zip(seconds, self._baskets(count), strict=True), start=1):
            chance = random_()
            status = "pending" if chance < 0.35 else "confirmed" if chance < 0.6 else "processing" if chance < 0.85 else "shipped"
            detail = int(random_() * 1_000_000)
            payment = customer.payment if detail % 10 < 8 else PAYMENTS[detail // 10 % payments]
            at = detail % warehouses
            product.reserved[at] += 1
            order = Order(
                (
                    f"{prefix}{number:05d}", customer.id, product.id, date, product.price, product.currency, payment,
                    customer.destination, status, f"{date} {times[second]}",
                ),
                product,
                at,
            )  # fmt: skip
            if late and random_() < late:
                book.arrive_late(order, today)
            else:
                deliver(order, today)

    def _baskets(self, count: int) -> list[tuple[Customer, Product]]:
        """Who buys what: `count` pairs, each within one currency, in the order they come to mind."""
        rng, currencies = self.rng, self.plan.currencies
        shares = list(accumulate(self.loyalty[currency][-1] for currency in currencies))
        split = [0] * len(currencies)
        for at in rng.choices(range(len(currencies)), cum_weights=shares, k=count) if len(currencies) > 1 else [0] * count:
            split[at] += 1
        pairs: list[tuple[Customer, Product]] = []
        for currency, orders in zip(currencies, split, strict=True):
            wares = [product for product in self.products if product.currency == currency and not product.discontinued]
            appeal = list(accumulate(product.appeal for product in wares))
            who = rng.choices(self.buyers[currency], cum_weights=self.loyalty[currency], k=orders)
            pairs += zip(who, rng.choices(wares, cum_weights=appeal, k=orders), strict=True)
        if len(currencies) > 1:
            rng.shuffle(pairs)
        return pairs


class Repeats:
    """Records that come again, unchanged, some days later, unless a newer one of their key came in between."""

    def __init__(self, share: float, last: int, rng: random.Random) -> None:
        self.share = share
        self.last = last
        self.rng = rng
        self.pending: dict[str, dict[str, tuple[int, Row]]] = {}

    def exchange(self, domain: str, rows: list[Row], today: int) -> list[Row]:
        """The records to repeat today; some of today's are put by for later days.

        Args:
            domain: Customers, products, orders or shipping: their first column is unique within the shop.
            rows: What is delivered today for its own sake.
            today: The day's ordinal.
        """
        if not self.share:
            return []
        pending = self.pending.setdefault(domain, {})
        due: list[Row] = []
        if pending:
            newer = {row[0] for row in rows}
            for key in [key for key, (day, _) in pending.items() if key in newer or day == today]:
                _, row = pending.pop(key)
                if key not in newer:
                    due.append(row)
        if today < self.last:
            for row in self.rng.sample(rows, _some(self.share * len(rows), self.rng)):
                pending[row[0]] = (min(today + self.rng.randrange(1, 4), self.last), row)
        return due


def _trigger(plan: ShopPlan, day: dt.date, number: int) -> dict[str, object]:
    return {
        "trigger_id": f"shop{plan.seed}_{day:%Y%m%d}",
        "trigger_timestamp": f"{day}T22:30:00Z",
        "batch_date": str(day),
        "client_name": "A made-up shop",
        "data_files_ready": True,
        "expected_files": [file_name(domain, day) for domain in COLUMNS],
        "source_system": "cartbrook generate",
        "processing_priority": "normal",
        "metadata": {"seed": plan.seed, "day": number + 1, "days": plan.days},
    }


def _some(expected: float, rng: random.Random) -> int:
    """A whole number that is `expected` on average: 2.3 becomes 2, or 3 in three of ten cases."""
    return int(expected + rng.random())


@cache
def _times() -> tuple[str, ...]:
    """The text of each second of a day."""
    return tuple(f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}" for second in range(86_400))
