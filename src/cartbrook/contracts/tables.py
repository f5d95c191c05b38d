"""The columns that tables of records add to those of contracts, and what SQL rules may see of each table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cartbrook.contracts.model import DIMENSIONS, DOMAINS, FACTS, Contract

VALIDITY = "effective_date timestamp, expiry_date timestamp, is_current boolean, version int"
"""What every dimension adds, beside its surrogate key."""

FACT_ADDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "orders": (
            "customer_sk string, product_sk string, category string, is_revenue boolean, season string, day_of_week int, "
            "is_weekend boolean, time_of_day string, margin decimal(18,4), margin_source string"
        ),
        "inventory": "batch_date date, product_sk string",
    }
)
"""What is bound and derived, by domain."""

FACT_ORIGIN = "batch_id string, record_id string"
"""The batch and record that a fact came from."""

BATCH_DATE = "batch_date"
"""The date of the batch, which conditions and queries may name beside the columns."""

_SILVER = f"batch_id string, {BATCH_DATE} date"

DOMAIN_OF: Mapping[str, str] = MappingProxyType(
    {
        **{f"silver.{domain}": domain for domain in DOMAINS},
        **{f"gold.{table}": domain for domain, table in {**DIMENSIONS, **FACTS}.items()},
    }
)
"""Tables that SQL rules may read, and the domain each is made of. Marts are not among them: they are computed after the rules."""


def table_mark(name: str) -> str:
    """What stands for a table in a compiled query; ``object`` for the batch's own records."""
    return f"`cartbrook:{name}`"


def surrogate_key(domain: str) -> str:
    """Name of a dimension's surrogate key: customer_sk, product_sk."""
    return f"{DIMENSIONS[domain].removeprefix('dim_')}_sk"


def attributes(contract: Contract) -> tuple[str, ...]:
    """Columns that gold keeps: all of the contract's but the mark that deletes."""
    return tuple(name for name in contract.names if contract.delete is None or name != contract.delete.column)


def columns_of(table: str, contract: Contract) -> dict[str, str]:
    """The columns that SQL rules see in a table, with their types.

    Args:
        table: One of DOMAIN_OF.
        contract: The contract of its domain.
    """
    if table.startswith("silver."):
        return object_columns(contract) | _parsed(_SILVER)
    kept = {name: contract.column(name).type for name in attributes(contract)}
    if contract.domain in DIMENSIONS:
        return kept | _parsed(f"{VALIDITY}, {surrogate_key(contract.domain)} string")
    additions = FACT_ADDITIONS.get(contract.domain)
    return kept | (_parsed(additions) if additions else {}) | _parsed(FACT_ORIGIN)


def object_columns(contract: Contract) -> dict[str, str]:
    """The columns of the batch's own records, with their types."""
    return {column.name: column.type for column in contract.columns} | {BATCH_DATE: "date"}


def _parsed(columns: str) -> dict[str, str]:
    return {name: kind for name, _, kind in (part.strip().partition(" ") for part in columns.replace("(18,4)", "").split(","))}
