"""The rules of the built-in contracts in DuckDB SQL: on how many records each has an outcome, and how many broke it.

Left out are the four rules on the line itself (a line with too many fields, say): DuckDB's reader gives up on such a file.
"""

from __future__ import annotations

from benchmarks.peers.shop_tables import KEYS, sound, type_rules

_EMAIL = r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+"
_PHONE = r"\+?\(?[0-9]([ ()./-]{0,3}[0-9]){5,16}\)?( ?([xX#]|[eE]xt\.?) ?[0-9]{1,6})?"
_ZIP = "[A-Za-z]{0,4}[ -]?[0-9][A-Za-z0-9]{0,9}[ -][A-Za-z0-9]{1,6}|[A-Za-z]{0,4}[ -]?[0-9][A-Za-z0-9]{1,9}"

_REQUIRED = {
    "customers": "customer_id",
    "products": "product_id price currency",
    "orders": "order_id customer_id product_id order_date order_amount currency",
    "shipping": "shipping_id order_id currency",
    "inventory": "product_id warehouse_id",
}
_EXPECTED = {
    "customers": {
        "email_pattern": f"regexp_full_match(email, '{_EMAIL}')",
        "phone_pattern": f"regexp_full_match(phone, '{_PHONE}')",
        "date_of_birth_future": "date_of_birth <= _batch_date",
        "zip_code_pattern": f"regexp_full_match(zip_code, '{_ZIP}')",
        "customer_tier_enumeration": "customer_tier <> 'unknown'",
    },
    "products": {"price_not_positive": "price > 0", "stock_negative": "stock_quantity >= 0"},
    "orders": {
        "order_amount_not_positive": "order_amount > 0",
        "order_amount_remarkable": "order_amount BETWEEN 1 AND 10000",
        "payment_method_enumeration": "payment_method <> 'unknown'",
        "order_status_enumeration": "order_status <> 'unknown'",
        "order_outside_hours": "hour(created_timestamp) >= 8 AND hour(created_timestamp) < 18",
    },
    "shipping": {
        "shipping_cost_negative": "shipping_cost >= 0",
        "shipping_cost_high": "shipping_cost <= 100",
        "shipping_status_enumeration": "shipping_status <> 'unknown'",
    },
    "inventory": {
        "stock_negative": "stock_quantity >= 0",
        "available_mismatch": "available_quantity = stock_quantity - reserved_quantity",
    },
}
_AMOUNTS = {"orders": "order_amount", "shipping": "shipping_cost"}


def of_records(domain: str) -> str:
    """The query of the rules that look at one record of `typed_<domain>`, and of the one on its key."""
    pairs = {
        f"{name}_required": ("true", f"{name} IS NULL AND NOT {_unreadable(domain, name)}") for name in _REQUIRED[domain].split()
    }
    for name in type_rules(domain):
        pairs[f"{name}_type"] = (f"{name} IS NOT NULL OR _bad_{name}", f"_bad_{name}")
    pairs |= {rule: (f"({expected}) IS NOT NULL", f"NOT ({expected})") for rule, expected in _EXPECTED[domain].items()}
    amount = _AMOUNTS.get(domain, "NULL::DECIMAL(18, 2)")
    counts = [
        f"{{'rule': '{rule}', 'rows_checked': count(*) FILTER ({known}), 'rows_failed': count(*) FILTER ({broken}), "
        f"'amount_at_risk': sum({amount}) FILTER ({broken})}}"
        for rule, (known, broken) in pairs.items()
    ]
    key = ", ".join(KEYS[domain])
    return f"""
    SELECT unnest([{", ".join(counts)}], recursive := true) FROM typed_{domain}
    UNION ALL
    SELECT 'duplicate_key', count(*), count(*) - count(DISTINCT hash({key}, _batch_date)), NULL FROM typed_{domain}
    WHERE {sound(domain)}
    """


def _unreadable(domain: str, name: str) -> str:
    return f"_bad_{name}" if name in type_rules(domain) else "false"


def _counted(rule: str, known: str, broken: str, rows: str, amount: str = "NULL") -> str:
    return f"""SELECT '{rule}' AS rule, count(*) FILTER ({known}) AS rows_checked, count(*) FILTER ({broken}) AS rows_failed,
    sum({amount}) FILTER ({broken}) AS amount_at_risk FROM {rows}"""


_ORDERS = """
  (SELECT o.*, p.discontinued, p.price, p.currency AS price_currency, c.customer_tier, s.order_id IS NOT NULL AS has_shipment
  FROM fact_orders o LEFT JOIN dim_customer c USING (customer_sk) LEFT JOIN dim_product p USING (product_sk)
  LEFT JOIN (SELECT DISTINCT order_id FROM fact_shipping) s ON o.order_id = s.order_id)
"""
_STOCK = """
  (SELECT p.product_id, p.stock_quantity, count(i.product_id) AS warehouses, sum(i.stock_quantity) AS stock
  FROM dim_product p LEFT JOIN fact_inventory i USING (product_id) WHERE is_current GROUP BY ALL)
"""
_MISMATCH = "price_currency = currency AND abs(order_amount - price) > 0.01"
_UNSHIPPED = "order_status IN ('shipped', 'delivered', 'completed') AND NOT has_shipment"
ACROSS = {
    "customers": [
        _counted(
            "customer_without_orders",
            "true",
            "customer_id NOT IN (SELECT customer_id FROM fact_orders)",
            "(FROM dim_customer WHERE is_current)",
        )
    ],
    "products": [
        _counted("product_without_inventory", "true", "warehouses = 0", _STOCK),
        _counted("product_stock_mismatch", "true", "warehouses > 0 AND stock <> stock_quantity", _STOCK),
    ],
    "orders": [
        _counted(
            "unknown_customer",
            "true",
            "customer_id NOT IN (SELECT customer_id FROM dim_customer)",
            "silver_orders",
            "order_amount",
        ),
        _counted(
            "unknown_product", "true", "product_id NOT IN (SELECT product_id FROM dim_product)", "silver_orders", "order_amount"
        ),
        _counted("order_product_discontinued", "true", "discontinued", _ORDERS, "order_amount"),
        _counted("order_without_shipment", "true", _UNSHIPPED, _ORDERS, "order_amount"),
        _counted("order_price_mismatch", "true", _MISMATCH, _ORDERS, "order_amount"),
        _counted("premium_order_small", "true", "customer_tier = 'premium' AND order_amount < 100", _ORDERS, "order_amount"),
    ],
    "shipping": [
        _counted(
            "unknown_order", "true", "order_id NOT IN (SELECT order_id FROM fact_orders)", "silver_shipping", "shipping_cost"
        )
    ],
    "inventory": [
        _counted("unknown_product", "true", "product_id NOT IN (SELECT product_id FROM dim_product)", "silver_inventory")
    ],
}
"""The queries of the rules that look at other tables, once facts are made; for one batch, which brought all there is."""
