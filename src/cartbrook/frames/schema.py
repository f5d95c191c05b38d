"""The one place where contracts become Spark types, and the schemas of the tables that hold records."""

from __future__ import annotations

import re

from pyspark.sql import types as T

from cartbrook.contracts.model import DIMENSIONS, FACTS, Contract, stored
from cartbrook.contracts.tables import FACT_ADDITIONS, FACT_ORIGIN, VALIDITY, attributes, surrogate_key

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
    "resolved_by string, copies array<string>, decision string, edited string, decided_by string, unchecked array<string>"
)

QUARANTINE_EVENTS = (
    "event_seq bigint, quarantine_id string, batch_id string, domain string, decision string, edited string, note string, "
    "decided_by string, decided_at timestamp"
)
"""What people decided on records; rows are only ever added. `event_seq` is the publication they came with."""

RESTATEMENTS = (
    "publish_seq bigint, cause string, batch_id string, fact string, key string, change string, columns array<string>, "
    "old string, new string"
)
"""Facts that an operation changed although no newer record said so; rows are only ever added."""

QUALITY_RESULTS = (
    "batch_seq int, batch_id string, revision int, domain string, rule string, severity string, action string, dimension string, "
    "scope string, rows_checked bigint, rows_failed bigint, measured decimal(28,6), expected string, "
    "amount_at_risk decimal(18,2), currency string, amounts_at_risk map<string,decimal(18,2)>, status string"
)


def struct(columns: str) -> T.StructType:
    """A schema from ``name type, name type``; types as in `type_of`."""
    pairs = [part.strip().split(" ", 1) for part in re.split(r",\s", columns)]  # within a type no blank follows a comma
    return T.StructType([T.StructField(name, type_of(kind), True) for name, kind in pairs])


def type_of(kind: str) -> T.DataType:
    """The Spark type of a contract's type, or of the few more that our own tables use."""
    if kind.startswith("array<"):
        return T.ArrayType(type_of(kind[6:-1]))
    if kind.startswith("map<string,"):
        return T.MapType(T.StringType(), type_of(kind[11:-1]))
    if match := _DECIMAL.fullmatch(kind):
        return T.DecimalType(int(match[1]), int(match[2]))
    return _SIMPLE[kind]


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


def dimension(contract: Contract) -> T.StructType:
    """A version table: attributes, validity, version number and surrogate key."""
    kept = [field for field in typed_columns(contract).fields if field.name in attributes(contract)]
    validity = struct(f"{VALIDITY}, {surrogate_key(contract.domain)} string")
    return T.StructType([*kept, *validity.fields])


def fact(contract: Contract) -> T.StructType:
    """A fact table: the columns of its winning records, what is bound and derived, and the batch and record it came from."""
    kept = [field for field in typed_columns(contract).fields if field.name in attributes(contract)]
    derived = FACT_ADDITIONS.get(contract.domain)
    more = struct(derived).fields if derived else []
    return T.StructType([*kept, *more, *struct(FACT_ORIGIN).fields])


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
