"""What rules that look beyond their batch see: facts and versions with the rows of other tables beside them."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule
from cartbrook.contracts.tables import BATCH_DATE, surrogate_key


def order_context(
    orders: DataFrame, dim_customer: DataFrame, dim_product: DataFrame, shipping: DataFrame, rules: Sequence[Rule]
) -> DataFrame:
    """Facts of delivered orders with `customer` and `product` (the bound versions) and `shipments`, as rules name them.

    Args:
        shipping: Facts of the shipments of these orders at least.
        rules: What will look at the rows; of a version only columns that they name are there.
    """
    said = " ".join(text.lower() for rule in rules for text in (rule.good, rule.applies) if text)
    rows = orders
    if "shipments" in said:
        # The smaller side first: an engine that knows no sizes holds the left one in memory.
        shipments = shipping.groupBy("order_id").agg(F.count(F.lit(1)).alias("_n"))
        rows = shipments.join(orders, "order_id", "right").withColumn("shipments", F.coalesce("_n", F.lit(0)))
    for dimension, domain in ((dim_customer, "customers"), (dim_product, "products")):
        key = surrogate_key(domain)
        entity = key.removesuffix("_sk")
        named = [column for column in dimension.columns if column.lower() in said]
        if entity in said:
            version = dimension.select(F.col(key).alias("_sk"), F.struct(*(named or [key])).alias(entity))
            rows = version.join(rows, F.col("_sk") == rows[key], "right").drop("_sk")
    return rows


def product_context(products: DataFrame, inventory: DataFrame) -> DataFrame:
    """Current versions of delivered products with `inventory`: warehouses and stock_quantity of their newest snapshots.

    Args:
        inventory: Facts of the stock of these products at least.
    """
    newest = inventory.groupBy("product_id", "warehouse_id").agg(F.max_by("stock_quantity", "batch_date").alias("stock"))
    stock = newest.groupBy("product_id").agg(F.count(F.lit(1)).alias("_n"), F.sum("stock").alias("_stock"))
    held = F.struct(F.coalesce("_n", F.lit(0)).alias("warehouses"), F.col("_stock").alias("stock_quantity"))
    return products.join(stock, "product_id", "left").withColumn("inventory", held)


def customer_context(customers: DataFrame, orders: DataFrame) -> DataFrame:
    """Current versions of delivered customers with `orders`: the number of their live orders.

    Args:
        orders: Facts of the orders of these customers at least.
    """
    counts = orders.groupBy("customer_id").agg(F.count(F.lit(1)).alias("_n"))
    return customers.join(counts, "customer_id", "left").withColumn("orders", F.coalesce("_n", F.lit(0)))


def records_for_queries(silver: DataFrame, contract: Contract) -> DataFrame:
    """Records of a silver table as queries of rules see them: the contract's columns, batch_id and batch_date; no deletes."""
    upserts = silver.where("_kind = 'upsert'")
    return upserts.select(*contract.names, F.col("_batch_id").alias("batch_id"), F.col("_batch_date").alias(BATCH_DATE))
