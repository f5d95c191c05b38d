"""From CSV text to silver, dimensions and facts in DuckDB SQL; what the rival writes and `verify` compares with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

COLUMNS: Mapping[str, str] = {
    "customers": "customer_id:key first_name last_name email phone date_of_birth:date registration_date:date address city state "
    "zip_code country customer_tier:enum last_login:timestamp created_timestamp:timestamp",
    "products": "product_id:key product_name category subcategory brand price:decimal(18,2) currency:upper stock_quantity:bigint "
    "weight_kg:decimal(18,3) dimensions_cm color material description launch_date:date discontinued:boolean "
    "created_timestamp:timestamp",
    "orders": "order_id:key customer_id:key product_id:key order_date:date order_amount:decimal(18,2) currency:upper "
    "payment_method:enum shipping_address order_status:enum created_timestamp:timestamp",
    "shipping": "shipping_id:key order_id:key tracking_number carrier service_type origin_warehouse destination_address "
    "shipping_cost:decimal(18,2) currency:upper estimated_delivery:date actual_delivery:date shipping_status:enum "
    "package_weight:decimal(18,3) package_dimensions insurance_value:decimal(18,2) created_timestamp:timestamp",
    "inventory": "inventory_id product_id:key warehouse_id:key warehouse_name location stock_quantity:bigint "
    "reserved_quantity:bigint available_quantity:bigint reorder_level:bigint last_restocked:date last_audit:date "
    "created_timestamp:timestamp",
}
KEYS = {
    "customers": ["customer_id"],
    "products": ["product_id"],
    "orders": ["order_id"],
    "shipping": ["order_id", "shipping_id"],
    "inventory": ["product_id", "warehouse_id"],
}
_ENUMS = {
    "customer_tier": "bronze silver gold platinum premium standard",
    "payment_method": "credit_card debit_card paypal apple_pay google_pay bank_transfer cash_on_delivery gift_card",
    "order_status": "pending confirmed processing shipped delivered completed cancelled returned refunded failed",
    "shipping_status": "pending processing label_created shipped in_transit out_for_delivery delivered returned lost cancelled",
}
_UNTRACKED = {"customers": ("last_login", "created_timestamp"), "products": ("stock_quantity", "created_timestamp")}
_SOUND = {
    "customers": "customer_id IS NOT NULL",
    "products": "product_id IS NOT NULL AND price > 0 AND currency IS NOT NULL AND coalesce(stock_quantity, 0) >= 0",
    "orders": "order_id IS NOT NULL AND customer_id IS NOT NULL AND product_id IS NOT NULL AND order_date IS NOT NULL "
    "AND order_amount > 0 AND currency IS NOT NULL",
    "shipping": "order_id IS NOT NULL AND shipping_id IS NOT NULL AND currency IS NOT NULL AND coalesce(shipping_cost, 0) >= 0",
    "inventory": "product_id IS NOT NULL AND warehouse_id IS NOT NULL AND coalesce(stock_quantity, 0) >= 0",
}


def columns(domain: str) -> dict[str, str]:
    """Columns of a domain with their kinds: text, key, upper, enum, or a type of DuckDB."""
    pairs = (entry.partition(":") for entry in COLUMNS[domain].split())
    return {name: kind or "text" for name, _, kind in pairs}


def read(domain: str, files: Iterable[tuple[Path, str, str]]) -> str:
    """The query of the raw text of some files: (file, batch id, batch date)."""
    names = ", ".join(f"'{name}': 'VARCHAR'" for name in columns(domain))
    return " UNION ALL ".join(
        f"SELECT *, '{batch_id}' AS _batch_id, DATE '{day}' AS _batch_date FROM read_csv('{file}', header = true, delim = ',', "
        f"""quote = '"', escape = '"', columns = {{{names}}})"""
        for file, batch_id, day in files
    )


def typed(domain: str, raw: str) -> str:
    """Typed columns of raw ones; `_bad` counts the texts that are not of their type, `_bad_<column>` says which."""
    values, bad = [], []
    for name, kind in columns(domain).items():
        if kind == "text":
            values.append(f"nullif({name}, '') AS {name}")
        elif kind == "key":
            values.append(f"nullif(trim({name}), '') AS {name}")
        elif kind == "upper":
            values.append(f"nullif(upper(trim({name})), '') AS {name}")
        elif kind == "enum":
            known = ", ".join(f"'{value}'" for value in _ENUMS[name].split())
            form = f"replace(replace(lower(trim({name})), ' ', '_'), '-', '_')"
            spelt = f"CASE {form} WHEN 'canceled' THEN 'cancelled' ELSE {form} END" if name == "order_status" else form
            value = f"CASE WHEN {spelt} IN ({known}) THEN {spelt} ELSE 'unknown' END"
            values.append(f"CASE WHEN nullif(trim({name}), '') IS NOT NULL THEN {value} END AS {name}")
        else:
            values.append(f"TRY_CAST(trim({name}) AS {kind}) AS {name}")
            bad.append(f"(nullif(trim(r.{name}), '') IS NOT NULL AND TRY_CAST(trim(r.{name}) AS {kind}) IS NULL) AS _bad_{name}")
    return f"SELECT {', '.join([*values, *bad])}, _batch_id, _batch_date FROM ({raw}) r"


def sound(domain: str) -> str:
    """The condition under which a typed record is not quarantined."""
    return " AND ".join([_SOUND[domain], *(f"NOT _bad_{name}" for name in type_rules(domain))])


def type_rules(domain: str) -> list[str]:
    """Columns that a text may not fit."""
    return [name for name, kind in columns(domain).items() if kind not in ("text", "key", "upper", "enum")]


def silver(connection: duckdb.DuckDBPyConnection, domain: str) -> None:
    """Make `silver_<domain>` of `typed_<domain>`: sound records, of several of one key in one batch the newest."""
    names, key = ", ".join([*columns(domain), "_batch_id", "_batch_date"]), ", ".join([*KEYS[domain], "_batch_date"])
    rows = f"SELECT {names} FROM typed_{domain} WHERE {sound(domain)}"
    # Nearly all keys come once, and a window over all rows costs much more than counting the keys.
    connection.execute(f"CREATE TABLE repeated AS SELECT {key} FROM ({rows}) GROUP BY ALL HAVING count(*) > 1")
    if connection.execute("SELECT count(*) FROM repeated").fetchall()[0][0]:
        newest = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY created_timestamp DESC NULLS LAST) = 1"
        rows = f"{rows} AND ({key}) NOT IN (FROM repeated) UNION ALL {rows} AND ({key}) IN (FROM repeated) {newest}"
    connection.execute("DROP TABLE repeated")
    connection.execute(f"CREATE TABLE silver_{domain} AS {rows}")


def dimension(domain: str) -> str:
    """The versions of customers or products: one for each run of records whose tracked columns are equal."""
    [key] = KEYS[domain]
    tracked = ", ".join(name for name in columns(domain) if name != key and name not in _UNTRACKED[domain])
    attributes = ", ".join(columns(domain))
    return f"""
    WITH marked AS (
      SELECT *, lag(row({tracked})) OVER by_time IS DISTINCT FROM row({tracked}) AS starts
      FROM silver_{domain} WINDOW by_time AS (PARTITION BY {key} ORDER BY _batch_date)
    ), runs AS (
      SELECT *, sum(starts::INT) OVER (PARTITION BY {key} ORDER BY _batch_date) AS version FROM marked
    ), versions AS (
      SELECT *, min(_batch_date) OVER run::TIMESTAMP AS effective_date FROM runs
      WINDOW run AS (PARTITION BY {key}, version)
      QUALIFY row_number() OVER (PARTITION BY {key}, version ORDER BY _batch_date DESC) = 1
    ), spans AS (
      SELECT *, lead(effective_date) OVER (PARTITION BY {key} ORDER BY effective_date) AS expiry_date FROM versions
    )
    SELECT {attributes}, effective_date, expiry_date, expiry_date IS NULL AS is_current, version::INT AS version,
      sha256({key} || chr(31) || strftime(effective_date, '%Y-%m-%dT%H:%M:%S.%fZ')) AS {key.removesuffix("_id")}_sk
    FROM spans
    """


def _spans(table: str, key: str, *extra: str) -> str:
    """Versions with the days they are bound on; the first one is valid for all days before it."""
    surrogate = key.removesuffix("_id") + "_sk"
    return f"""SELECT {", ".join([key, surrogate, *extra])},
      CASE WHEN version = 1 THEN DATE '1800-01-01' ELSE effective_date::DATE END AS _from,
      coalesce(lead(effective_date::DATE) OVER (PARTITION BY {key} ORDER BY effective_date), DATE '2200-01-01') AS _until
      FROM {table}"""


def newest(rows: str, domain: str) -> str:
    """The greatest record of each key over all batches."""
    key = ", ".join(KEYS[domain])
    return f"({rows}) QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY _batch_date DESC, created_timestamp DESC) = 1"


def fact_orders(*, batches: int) -> str:
    """Orders of known customers and products, bound to the versions of their day; of several records the newest."""
    names = ", ".join(f"o.{name}" for name in columns("orders"))
    bound = f"""
    SELECT {names}, c.customer_sk, p.product_sk, p.category, _batch_id, _batch_date,
      o.order_status IN ('pending', 'confirmed', 'processing', 'shipped', 'delivered', 'completed') AS _revenue
    FROM silver_orders o
    JOIN ({_spans("dim_customer", "customer_id")}) c
      ON o.customer_id = c.customer_id AND o.order_date >= c._from AND o.order_date < c._until
    JOIN ({_spans("dim_product", "product_id", "category")}) p
      ON o.product_id = p.product_id AND o.order_date >= p._from AND o.order_date < p._until
    """
    chosen = bound if batches == 1 else f"SELECT * FROM {newest(bound, 'orders')}"
    plain = ", ".join(columns("orders"))
    return f"""
    SELECT {plain}, customer_sk, product_sk, category, coalesce(_revenue, false) AS is_revenue,
      CASE WHEN month(order_date) IN (12, 1, 2) THEN 'Winter' WHEN month(order_date) < 6 THEN 'Spring'
        WHEN month(order_date) < 9 THEN 'Summer' ELSE 'Fall' END AS season,
      isodow(order_date)::INT AS day_of_week, isodow(order_date) IN (6, 7) AS is_weekend,
      CASE WHEN hour(created_timestamp) < 6 THEN 'Early Morning' WHEN hour(created_timestamp) < 12 THEN 'Morning'
        WHEN hour(created_timestamp) < 18 THEN 'Afternoon' WHEN created_timestamp IS NOT NULL THEN 'Evening' END AS time_of_day,
      CASE WHEN _revenue THEN (order_amount * 0.3000::DECIMAL(5, 4))::DECIMAL(18, 4) END AS margin,
      CASE WHEN _revenue THEN 'default_rate' END AS margin_source, _batch_id AS batch_id
    FROM ({chosen})
    """


def fact_shipping(*, batches: int) -> str:
    """Shipments of orders that are facts."""
    rows = "SELECT * FROM silver_shipping WHERE order_id IN (SELECT order_id FROM fact_orders)"
    chosen = rows if batches == 1 else f"SELECT * FROM {newest(rows, 'shipping')}"
    return f"SELECT {', '.join(columns('shipping'))}, _batch_id AS batch_id FROM ({chosen})"


def fact_inventory() -> str:
    """Stock of known products, one row for each product, warehouse and batch date."""
    names = ", ".join(f"i.{name}" for name in columns("inventory"))
    return f"""
    SELECT {names}, _batch_date AS batch_date, p.product_sk, _batch_id AS batch_id FROM silver_inventory i
    JOIN ({_spans("dim_product", "product_id")}) p
      ON i.product_id = p.product_id AND _batch_date >= p._from AND _batch_date < p._until
    """
