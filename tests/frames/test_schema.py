"""Contracts become Spark types in one place."""

from __future__ import annotations

import pytest

from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.model import Column, Contract, DeleteMark, stored
from cartbrook.frames import schema

CONTRACTS = load_contracts()

KINDS = {
    "string": "string",
    "integer": "bigint",
    "decimal(12,2)": "decimal(18,2)",
    "decimal(18,3)": "decimal(18,3)",
    "decimal(30,4)": "decimal(30,4)",
    "date": "date",
    "timestamp": "timestamp",
    "boolean": "boolean",
}


@pytest.mark.parametrize("kind", KINDS)
def test_stored_types(kind):
    """Decimals are stored with 18 digits at least; integers as bigint."""
    assert schema.type_of(stored(kind)).simpleString() == KINDS[kind]


def test_struct_reads_types_with_commas():
    """A schema's text may hold decimals and arrays."""
    fields = schema.struct("a decimal(18,2), b array<string>, c array<decimal(9,4)>, d int").fields
    assert [(field.name, field.dataType.simpleString()) for field in fields] == [
        ("a", "decimal(18,2)"),
        ("b", "array<string>"),
        ("c", "array<decimal(9,4)>"),
        ("d", "int"),
    ]


def test_an_unknown_type_is_no_type():
    """A type nobody knows raises instead of becoming text."""
    with pytest.raises(KeyError):
        schema.type_of("varchar")


def test_every_table_of_every_domain():
    """Each domain has bronze and silver; customers and products a dimension, the others a fact."""
    names = {name for contract in CONTRACTS.values() for name in schema.record_tables(contract)}
    assert names == {
        *(f"{layer}.{domain}" for layer in ("bronze", "silver") for domain in CONTRACTS),
        *("gold.dim_customer", "gold.dim_product", "gold.fact_orders", "gold.fact_shipping", "gold.fact_inventory"),
    }


def test_no_table_names_a_column_twice():
    """Names that differ in case alone are one to the engine."""
    for contract in CONTRACTS.values():
        for name, table in schema.record_tables(contract).items():
            assert len({column.lower() for column in table.names}) == len(table.names), name


def test_public_columns_of_gold():
    """Dimensions and fact_orders have the columns that others rely on."""
    dimension = schema.dimension(CONTRACTS["customers"]).names
    assert dimension[-5:] == ["effective_date", "expiry_date", "is_current", "version", "customer_sk"]
    promised = """order_date order_amount currency order_status is_revenue customer_id product_id customer_sk product_sk season
        day_of_week is_weekend time_of_day margin margin_source batch_id"""
    assert set(promised.split()) <= set(schema.fact(CONTRACTS["orders"]).names)


def test_the_mark_that_deletes_is_no_attribute():
    """The delete column is in silver and in no dimension."""
    contract = Contract(
        "products",
        "1",
        (Column("product_id", "string"), Column("op", "string")),
        ("product_id",),
        (),
        delete=DeleteMark("op", ("D",)),
    )
    assert "op" in schema.silver(contract).names
    assert "op" not in schema.dimension(contract).names


def test_stock_is_keyed_by_day():
    """The key of fact_inventory holds the batch date; other facts have the contract's key."""
    assert schema.fact_key(CONTRACTS["inventory"]) == ("product_id", "warehouse_id", "batch_date")
    assert schema.fact_key(CONTRACTS["shipping"]) == CONTRACTS["shipping"].key == ("order_id", "shipping_id")
