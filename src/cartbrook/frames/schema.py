"""The one place where contracts become Spark types, and the schemas of the tables that hold records."""

from __future__ import annotations

import re

from pyspark.sql import types as T

from cartbrook.contracts.model import DIMENSIONS, FACTS, Contract

_SIMPLE: dict[str, T.DataType] = {
    "string": T.StringType(),
    "integer": T.LongType(),
    "bigint": T.LongType(),
    "int": T.IntegerType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
    "double": T.DoubleType(),
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")

BRONZE_LINEAGE = (
    "_record_id string, _batch_seq int, _batch_id string, _revision int, _source_file string, _source_line bigint, "
    "_rescued string, _raw string, _defect string"
)
"""Beside the columns as text: where a record came from, extra columns as JSON, the text of a line that is no record."""

SILVER_LINEAGE = (
    "_record_id string, _batch_seq int, _batch_id string, _revision int, _batch_date date, _trigger_timestamp timestamp, "
    "_source_file string, _source_line bigint, _record_hash string, _kind string, _effective_time timestamp, "
    "_flags array<string>, _copies array<string>"
)
"""Beside the typed columns: lineage, what the one total order compares, keep-rules broken, and record ids of exact duplicates."""

QUARANTINE = (
    "quarantine_id string, batch_seq int, batch_id string, revision int, domain string, source_file string, source_line bigint, "
    "record string, rules array<string>, severity string, reason string, amount decimal(18,2), currency string, status string, "
    "resolved_by string, copies array<string>, decision string, edited string, decided_by string"
)

QUARANTINE_EVENTS = (
    "event_seq bigint, quarantine_id string, batch_id string, domain string, decision string, edited string, note string, "
    "decided_by string, decided_at timestamp"
)
"""What people decided on records; rows are only ever added. `event_seq` is the publication they came with."""

QUALITY_RESULTS = (
    "batch_seq int, batch_id string, revision int, domain string, rule string, severity string, dimension string, "
    "rows_checked bigint, rows_failed bigint, amount_at_risk decimal(18,2), status string"
)

ORDER_ADDITIONS = (
    "customer_sk string, product_sk string, category string, is_revenue boolean, season string, day_of_week int, "
    "is_weekend boolean, time_of_day string, margin decimal(18,4), margin_source string"
)


def struct(columns: str) -> T.StructType:
    """A schema from ``name type, name type``; types as in `type_of`."""
    pairs = [part.strip().split(" ", 1) for part in re.split(r",(?![^(]*\))", columns)]
    return T.StructType([T.StructField(name, type_of(kind), True) for name, kind in pairs])


def type_of(kind: str) -> T.DataType:
    """The Spark type of a contract's type, or of the few more that our own tables use."""
    if kind.startswith("array<"):
        return T.ArrayType(type_of(kind[6:-1]))
    if match := _DECIMAL.fullmatch(kind):
        return T.DecimalType(int(match[1]), int(match[2]))
    return _SIMPLE[kind]


def stored(kind: str) -> str:
    """The type a contract's type is stored in: decimals get 18 digits at least, so that sums and later contracts fit."""
    match = _DECIMAL.fullmatch(kind)
    return f"decimal({max(18, int(match[1]))},{match[2]})" if match else kind


def typed_columns(contract: Contract) -> T.StructType:
    """The contract's columns in their stored types."""
    return T.StructType([T.StructField(column.name, type_of(stored(column.type)), True) for column in contract.columns])


def bronze(contract: Contract) -> T.StructType:
    """All columns as delivered (text) and their lineage."""
    text = T.StructType([T.StructField(name, T.StringType(), True) for name in contract.names])
    return T.StructType([*text.fields, *struct(BRONZE_LINEAGE).fields])


def silver(contract: Contract) -> T.StructType:
    """Typed columns, lineage, and what the one total order compares."""
    return T.StructType([*typed_columns(contract).fields, *struct(SILVER_LINEAGE).fields])


def attributes(contract: Contract) -> tuple[str, ...]:
    """Columns that a dimension keeps: all of the contract's but the mark that deletes."""
    return tuple(name for name in contract.names if contract.delete is None or name != contract.delete.column)


def dimension(contract: Contract) -> T.StructType:
    """A version table: attributes, validity, version number and surrogate key."""
    kept = [field for field in typed_columns(contract).fields if field.name in attributes(contract)]
    validity = struct(
        "effective_date timestamp, expiry_date timestamp, is_current boolean, version int, "
        f"{surrogate_key(contract.domain)} string"
    )
    return T.StructType([*kept, *validity.fields])


def fact(contract: Contract) -> T.StructType:
    """A fact table: the columns of its winning records, what is bound and derived, and the batch and record it came from."""
    kept = [field for field in typed_columns(contract).fields if field.name in attributes(contract)]
    derived = {"orders": ORDER_ADDITIONS, "inventory": "batch_date date, product_sk string"}.get(contract.domain)
    more = struct(derived).fields if derived else []
    return T.StructType([*kept, *more, *struct("batch_id string, record_id string").fields])


def surrogate_key(domain: str) -> str:
    """Name of a dimension's surrogate key: customer_sk, product_sk."""
    return f"{DIMENSIONS[domain].removeprefix('dim_')}_sk"


def fact_key(contract: Contract) -> tuple[str, ...]:
    """The columns that identify a row of a fact table; stock is kept by day."""
    return (*contract.key, "batch_date") if contract.domain == "inventory" else contract.key


def record_tables(contract: Contract) -> dict[str, T.StructType]:
    """The tables that a domain fills, by full name."""
    tables = {f"bronze.{contract.domain}": bronze(contract), f"silver.{contract.domain}": silver(contract)}
    if contract.domain in DIMENSIONS:
        tables[f"gold.{DIMENSIONS[contract.domain]}"] = dimension(contract)
    if contract.domain in FACTS:
        tables[f"gold.{FACTS[contract.domain]}"] = fact(contract)
    return tables
