"""Deliveries of any size: one bulk batch and the small ones that follow it, as CSV files and triggers, from a seed.

DuckDB makes them, as plain Python would need minutes for millions of rows; `cartbrook.shop` stays the shop that looks alive. Each
value is a hash of the seed, the row's number and the column, so that rows can be made alone and in any order.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass
from pathlib import Path

import duckdb

DAYS = 730
"""The orders of a bulk lie in so many days, the last of them its batch_date."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much to deliver.

    Attributes:
        orders: Orders of the bulk; customers are a tenth of them, shipments as many as orders.
        defects: Share of the bulk's orders that are delivered wrong: unreadable, for nothing, of an unknown customer or product.
        last_day: batch_date of the bulk; each small batch is a day later than the one before.
    """

    orders: int
    seed: int = 7
    defects: float = 0.0
    last_day: dt.date = dt.date(2025, 6, 30)

    @property
    def customers(self) -> int:
        """Customers of the bulk."""
        return max(self.orders // 10, 100)

    @property
    def products(self) -> int:
        """Products of the bulk, each in one warehouse: 20,000, fewer only in small lakes."""
        return max(100, min(20_000, self.orders // 20))


# Ids are text as shops have it; orders are numbered in the order of time, buyers and products are whoever comes.
_MACROS = """
-- Hashed twice: one hash of neighbouring numbers shows them in its low digits.
CREATE MACRO chance(n, nth, upto) AS (hash(hash(n * 64 + nth) + getvariable('seed')) % upto::UBIGINT)::BIGINT;
CREATE MACRO unit(n, nth) AS chance(n, nth, 1000000) / 1000000.0;
CREATE MACRO pick(n, nth, options) AS options[1 + chance(n, nth, len(options))];
CREATE MACRO order_key(n) AS 'ORD' || lpad(n::VARCHAR, 9, '0');
CREATE MACRO customer_key(n) AS 'C' || lpad(n::VARCHAR, 8, '0');
CREATE MACRO product_key(n) AS 'P' || lpad(n::VARCHAR, 6, '0');
CREATE MACRO clock(n, nth, first, hours) AS
  lpad((first + chance(n, nth, hours))::VARCHAR, 2, '0') || ':' || lpad(chance(n, nth + 1, 60)::VARCHAR, 2, '0')
  || ':' || lpad(chance(n, nth + 2, 60)::VARCHAR, 2, '0');
CREATE MACRO cents(n) AS (500 + 29500 * pow(unit(n, 40), 2.5))::BIGINT;
CREATE MACRO money(c) AS (c // 100)::VARCHAR || '.' || lpad((c % 100)::VARCHAR, 2, '0');
CREATE MACRO shop_currency(product) AS CASE WHEN product % 20 = 0 THEN 'EUR' ELSE 'USD' END;
CREATE MACRO street(n, nth) AS (1 + chance(n, nth, 999))::VARCHAR || ' '
  || pick(n, nth + 1, ['Oak Ave', 'Main St', 'Pine St', 'Elm Rd', 'Maple Dr', 'Cedar Ln', 'Lake View', 'Hill St'])
  || ', ' || pick(n, nth + 2, ['New York, NY 10001', 'Chicago, IL 60601', 'Austin, TX 78701', 'Denver, CO 80201']);
"""

# `numbers` holds (n, day): the number of an order or a member, and the day of its record.
_ORDERS = """
SELECT order_key(n) AS order_id,
  CASE WHEN fault = 2 THEN 'C-gone-' || n ELSE customer_key(customer) END AS customer_id,
  CASE WHEN fault = 3 THEN 'P-gone-' || n ELSE product_key(product) END AS product_id,
  day::VARCHAR AS order_date,
  CASE fault WHEN 0 THEN 'n/a' WHEN 1 THEN '0.00' ELSE money(cents(product)) END AS order_amount,
  shop_currency(product) AS currency,
  pick(n, 3, ['credit_card', 'credit_card', 'Credit Card', 'paypal', 'debit_card', 'apple_pay', 'bank_transfer'])
    AS payment_method,
  street(n, 4) AS shipping_address,
  CASE WHEN getvariable('today') - day < 5 THEN pick(n, 7, ['pending', 'confirmed', 'processing', 'shipped'])
    ELSE pick(n, 7, ['delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered', 'delivered',
      'completed', 'completed', 'completed', 'completed', 'shipped', 'cancelled', 'returned', 'refunded']) END AS order_status,
  day::VARCHAR || ' ' || clock(n, 8, 6, 16) AS created_timestamp
FROM (SELECT n, day,
    1 + (pow(unit(n, 1), 1.5) * getvariable('customers'))::BIGINT % getvariable('customers') AS customer,
    1 + (pow(unit(n, 2), 2.0) * getvariable('products'))::BIGINT % getvariable('products') AS product,
    CASE WHEN unit(n, 50) < getvariable('defects') THEN chance(n, 51, 4) ELSE 9 END AS fault FROM numbers)
"""
_SHIPPING = """
SELECT 'SHP' || lpad(n::VARCHAR, 9, '0') AS shipping_id, order_key(n) AS order_id,
  'TRK' || lpad(chance(n, 20, 1000000000)::VARCHAR, 10, '0') AS tracking_number,
  pick(n, 21, ['UPS', 'FedEx', 'DHL', 'USPS']) AS carrier, pick(n, 22, ['Standard', 'Ground', 'Express']) AS service_type,
  'WH00' || (1 + chance(n, 23, 5))::VARCHAR AS origin_warehouse, street(n, 4) AS destination_address,
  money(399 + chance(n, 24, 3600)) AS shipping_cost,
  shop_currency(1 + (pow(unit(n, 2), 2.0) * getvariable('products'))::BIGINT % getvariable('products')) AS currency,
  (day + 3)::VARCHAR AS estimated_delivery,
  CASE WHEN getvariable('today') - day >= 8 THEN (day + 1 + chance(n, 25, 6)::INT)::VARCHAR END AS actual_delivery,
  CASE WHEN getvariable('today') - day >= 8 THEN 'delivered' ELSE pick(n, 26, ['pending', 'shipped', 'in_transit']) END
    AS shipping_status,
  '1.' || chance(n, 27, 1000)::VARCHAR AS package_weight, '30x20x10' AS package_dimensions,
  money(1000 + chance(n, 28, 50000)) AS insurance_value, day::VARCHAR || ' ' || clock(n, 29, 8, 10) AS created_timestamp
FROM numbers
"""
_CUSTOMERS = """
SELECT customer_key(n) AS customer_id,
  pick(n, 1, ['John', 'Sarah', 'Michael', 'Emily', 'David', 'Anna', 'Robert', 'Laura', 'James', 'Nina']) AS first_name,
  pick(n, 2, ['Smith', 'Johnson', 'Brown', 'Davis', 'Wilson', 'Moore', 'Taylor', 'Clark', 'Lewis', 'Walker']) AS last_name,
  'customer' || n || '@example.com' AS email, '555-01' || lpad(chance(n, 3, 100)::VARCHAR, 2, '0') AS phone,
  (DATE '1945-01-01' + chance(n, 4, 21000)::INT)::VARCHAR AS date_of_birth,
  (getvariable('today') - 731 - chance(n, 5, 900)::INT)::VARCHAR AS registration_date,
  (1 + chance(n, 6 + getvariable('change'), 999))::VARCHAR || ' Main St' AS address,
  pick(n, 7, ['New York', 'Chicago', 'Austin', 'Denver']) AS city, pick(n, 7, ['NY', 'IL', 'TX', 'CO']) AS state,
  pick(n, 7, ['10001', '60601', '78701', '80201']) AS zip_code, 'USA' AS country,
  pick(n, 8, ['standard', 'standard', 'standard', 'bronze', 'silver', 'gold', 'platinum', 'premium']) AS customer_tier,
  (day - 1)::VARCHAR || ' ' || clock(n, 9, 7, 15) AS last_login, day::VARCHAR || ' ' || clock(n, 12, 8, 9) AS created_timestamp
FROM numbers
"""
_PRODUCTS = """
SELECT product_key(n) AS product_id,
  pick(n, 1, ['Classic', 'Compact', 'Folding', 'Modern', 'Robust', 'Smart', 'Travel', 'Wireless']) || ' '
    || pick(n, 2, ['Headphones', 'Kettle', 'Backpack', 'Office Chair', 'Hoodie', 'Puzzle', 'Tent', 'Keyboard']) AS product_name,
  pick(n, 3, ['Electronics', 'Clothing', 'Home & Kitchen', 'Furniture', 'Books', 'Sports', 'Beauty', 'Toys']) AS category,
  'Line ' || (1 + chance(n, 4, 30)) AS subcategory, pick(n, 5, ['Alderway', 'Brightfen', 'Cobbleton', 'Dunmoor']) AS brand,
  money(cents(n) + 100 * getvariable('change')) AS price, shop_currency(n) AS currency,
  (50 + chance(n, 6, 400))::VARCHAR AS stock_quantity, '0.' || (1 + chance(n, 7, 999)) AS weight_kg,
  '20x15x8' AS dimensions_cm, pick(n, 8, ['Black', 'White', 'Blue', 'Green']) AS color,
  pick(n, 9, ['Plastic', 'Cotton', 'Steel', 'Oak']) AS material, 'Made with care, "to last"' AS description,
  (getvariable('today') - 731 - chance(n, 10, 900)::INT)::VARCHAR AS launch_date,
  CASE WHEN chance(n, 11, 200) = 0 THEN 'true' ELSE 'false' END AS discontinued,
  day::VARCHAR || ' ' || clock(n, 12, 8, 9) AS created_timestamp
FROM numbers
"""
_INVENTORY = """
SELECT 'INV' || lpad(n::VARCHAR, 6, '0') AS inventory_id, product_key(n) AS product_id,
  'WH00' || (1 + chance(n, 20, 5)) AS warehouse_id, 'Warehouse ' || (1 + chance(n, 20, 5)) AS warehouse_name,
  'A' || chance(n, 21, 9) || '-B' || chance(n, 22, 9) AS location, stock::VARCHAR AS stock_quantity, reserved::VARCHAR AS
  reserved_quantity, (stock - reserved)::VARCHAR AS available_quantity, (20 + chance(n, 23, 150))::VARCHAR AS reorder_level,
  (day - 1 - chance(n, 24, 20)::INT)::VARCHAR AS last_restocked, (day - 1)::VARCHAR AS last_audit,
  day::VARCHAR || ' ' || clock(n, 25, 8, 9) AS created_timestamp
FROM (SELECT n, day, (50 + chance(n, 6, 400))::BIGINT AS stock, chance(n, 26, 50)::BIGINT AS reserved FROM numbers)
"""
RECORDS = {"customers": _CUSTOMERS, "products": _PRODUCTS, "orders": _ORDERS, "shipping": _SHIPPING, "inventory": _INVENTORY}
"""The query of each domain over `numbers`."""


def deliver(size: Size, folder: Path, batches: int = 0) -> list[Path]:
    """Write the bulk batch and the small ones that follow it.

    A small batch has 18 new orders of customers and products that are there, 2 older orders with a newer status, the shipments of
    the new ones, 2 customers and 2 products that changed, and the stock of 5 products.

    Returns:
        The triggers, that of the bulk first.
    """
    with duckdb.connect() as connection:
        connection.execute(_MACROS)
        for name in ("seed", "customers", "products", "defects"):
            connection.execute(f"SET VARIABLE {name} = {getattr(size, name)}")
        triggers = [_bulk(connection, size, folder)]
        triggers += [_small(connection, size, folder, number) for number in range(1, batches + 1)]
    return triggers


def _bulk(connection: duckdb.DuckDBPyConnection, size: Size, folder: Path) -> Path:
    first = size.last_day - dt.timedelta(days=DAYS - 1)
    counts = {"customers": size.customers, "products": size.products, "inventory": size.products}
    numbers = {domain: f"SELECT range + 1 AS n, {_date(size.last_day)} AS day FROM range({n})" for domain, n in counts.items()}
    spread = f"{_date(first)} + (range * {DAYS} // {max(size.orders, 1)})::INT AS day"
    numbers |= dict.fromkeys(("orders", "shipping"), f"SELECT range + 1 AS n, {spread} FROM range({size.orders})")
    return _write(connection, folder, "bulk", size.last_day, numbers, change=0)


def _small(connection: duckdb.DuckDBPyConnection, size: Size, folder: Path, number: int) -> Path:
    day = size.last_day + dt.timedelta(days=number)
    chosen = random.Random(f"{size.seed}/{number}")
    fresh = [size.orders + 18 * (number - 1) + n for n in range(1, 19)]
    numbers = {
        "orders": _listed(fresh, day),
        "shipping": _listed(fresh, day),
        "customers": _listed(chosen.sample(range(1, size.customers + 1), 2), day),
        "products": _listed(changed := chosen.sample(range(1, size.products + 1), 2), day),
        "inventory": _listed(sorted({*changed, *chosen.sample(range(1, size.products + 1), 3)}), day),
    }
    if size.orders:  # orders of the bulk's last month, so they are in another place of the lake than the fresh ones
        first = size.last_day - dt.timedelta(days=DAYS - 1)
        again = sorted({size.orders - chosen.randrange(1 + size.orders // 25) for _ in range(2)})
        days = [f"({n}, {_date(first)} + {(n - 1) * DAYS // size.orders})" for n in again]
        numbers["orders"] += f" UNION ALL FROM (VALUES {', '.join(days)}) AS v(n, day)"
    return _write(connection, folder, f"small-{number:04d}", day, numbers, change=number)


def _listed(numbers: list[int], day: dt.date) -> str:
    return f"SELECT unnest({numbers}) AS n, {_date(day)} AS day"


def _date(day: dt.date) -> str:
    return f"DATE '{day}'"


def _write(
    connection: duckdb.DuckDBPyConnection, folder: Path, name: str, day: dt.date, numbers: dict[str, str], *, change: int
) -> Path:
    """One batch: its files beside its trigger, in a folder of its own."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    connection.execute(f"SET VARIABLE today = {_date(day)}")
    connection.execute(f"SET VARIABLE change = {change}")
    files = []
    for domain, query in RECORDS.items():
        files.append(f"{domain}_{day:%Y_%m_%d}.csv")
        rows = f"WITH numbers AS ({numbers[domain]}) {query}"
        connection.execute(f"COPY ({rows}) TO '{place / files[-1]}' (HEADER, NULL '')")
    trigger = place / "trigger.json"
    value = {"trigger_id": name, "batch_date": f"{day}", "data_files_ready": True, "expected_files": files}
    trigger.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return trigger
