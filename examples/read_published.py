"""Read published tables without cartbrook: `python read_published.py WORKSPACE` (needs deltalake, pyarrow and duckdb)."""

from __future__ import annotations

import sys

import duckdb
from deltalake import DeltaTable

lake = f"{sys.argv[1]}/lake"

# Heads move while a batch runs. What may be trusted are the versions that the newest publication names.
publications = DeltaTable(f"{lake}/ops/publications").to_pyarrow_table().to_pylist()
newest = max(publications, key=lambda row: row["publish_seq"])
versions = dict(newest["table_versions"])
print(f"publication {newest['publish_seq']}, as of {newest['as_of']}, {len(newest['live'])} live batches")

orders = DeltaTable(f"{lake}/gold/fact_orders", version=versions["gold.fact_orders"]).to_pyarrow_dataset()
customers = DeltaTable(f"{lake}/gold/dim_customer", version=versions["gold.dim_customer"]).to_pyarrow_dataset()
connection = duckdb.connect()
connection.register("fact_orders", orders)
connection.register("dim_customer", customers)
question = """
    SELECT c.city, count(*) AS orders, sum(o.order_amount) AS revenue
    FROM fact_orders o JOIN dim_customer c USING (customer_sk)
    WHERE o.is_revenue GROUP BY c.city ORDER BY revenue DESC
"""
for city, count, revenue in connection.execute(question).fetchall():
    print(f"{city:12} {count:3} {revenue:10}")
