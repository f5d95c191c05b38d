"""What rules that look beyond their batch see: facts and versions with the rows of other tables beside them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.contracts.tables import BATCH_DATE, surrogate_key


def order_context(orders: DataFrame, dim_customer: DataFrame, dim_product: DataFrame, shipping: DataFrame) -> DataFrame:
    """Facts of delivered orders with `customer` and `product` (the bound versions) and `shipments` (live ones)."""
    shipments = (
        shipping.join(orders.select("order_id"), "order_id", "left_semi").groupBy("order_id").agg(F.count(F.lit(1)).alias("_n"))
    )
    return (
        orders.join(_version(dim_customer, "customers"), "customer_sk", "left")
        .join(_version(dim_product, "products"), "product_sk", "left")
        .join(shipments, "order_id", "left")
        .withColumn("shipments", F.coalesce("_n", F.lit(0)))
    )


def product_context(products: DataFrame, inventory: DataFrame) -> DataFrame:
    """Current versions of delivered products with `inventory`: warehouses and stock_quantity of their newest snapshots."""
    newest = inventory.join(products.select("product_id"), "product_id", "left_semi")
    newest = newest.groupBy("product_id", "warehouse_id").agg(F.max_by("stock_quantity", "batch_date").alias("stock"))
    stock = newest.groupBy("product_id").agg(F.count(F.lit(1)).alias("_n"), F.sum("stock").alias("_stock"))
    held = F.struct(F.coalesce("_n", F.lit(0)).alias("warehouses"), F.col("_stock").alias("stock_quantity"))
    return products.join(stock, "product_id", "left").withColumn("inventory", held)


def customer_context(customers: DataFrame, orders: DataFrame) -> DataFrame:
    """Current versions of delivered customers with `orders`: the number of their live orders."""
    counts = (
        orders.join(customers.select("customer_id"), "customer_id", "left_semi")
        .groupBy("customer_id")
        .agg(F.count(F.lit(1)).alias("_n"))
    )
    return customers.join(counts, "customer_id", "left").withColumn("orders", F.coalesce("_n", F.lit(0)))


def records_for_queries(silver: DataFrame, contract: Contract) -> DataFrame:
    """Records of a silver table as queries of rules see them: the contract's columns, batch_id and batch_date; no deletes."""
    upserts = silver.where("_kind = 'upsert'")
    return upserts.select(*contract.names, F.col("_batch_id").alias("batch_id"), F.col("_batch_date").alias(BATCH_DATE))


def _version(dimension: DataFrame, domain: str) -> DataFrame:
    key = surrogate_key(domain)
    return dimension.select(key, F.struct(*dimension.columns).alias(key.removesuffix("_sk")))
