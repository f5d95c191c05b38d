"""Results stay right at size: our gold equals DuckDB SQL over the delivered CSV files, row by row, and `audit` finds nothing.

The SQL is that of the rival (peers/), which shares no code with the pipeline. For a lake of one batch the quality counts are
compared, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from deltalake import DeltaTable

from benchmarks.peers import shop_marts, shop_rules, shop_tables

OURS_ALONE = ("record_id",)
"""Columns of facts that only the pipeline has."""
LINE_RULES = ("ragged_row", "nul_byte", "field_too_long", "too_many_line_breaks")
"""Rules that only a reader of lines can judge."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A table that is not what the files say.

    Attributes:
        missing: Rows that the SQL gives and the table lacks.
        unexpected: Rows of the table that the SQL does not give.
        examples: A few of both.
    """

    table: str
    missing: int
    unexpected: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The difference in a line."""
        shown = "".join(f"\n    {example}" for example in self.examples)
        return f"{self.table}: {self.missing} rows missing, {self.unexpected} unexpected{shown}"


def published_versions(lake: Path) -> dict[str, int]:
    """The versions of all tables that readers trust."""
    rows = DeltaTable(lake / "ops" / "publications").to_pyarrow_table(columns=["publish_seq", "table_versions"]).to_pylist()
    return dict(max(rows, key=lambda row: row["publish_seq"])["table_versions"])


def differences(lake: Path, triggers: Sequence[Path]) -> list[Difference]:
    """Where the published gold of a lake is not what the files of its live batches say.

    Args:
        lake: The folder of our tables.
        triggers: Those of the live batches, with their files beside them; none of them twice.
    """
    with duckdb.connect(config={"temp_directory": str(lake.parent / "spill")}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        _expect(connection, triggers)
        versions = published_versions(lake)
        tables = ["dim_customer", "dim_product", "fact_orders", "fact_shipping", "fact_inventory"]
        queries = {table: f"FROM {table}" for table in tables} | dict(shop_marts.MARTS)
        found = []
        for table, query in queries.items():
            name = f"gold.{table}"
            dataset = DeltaTable(lake / "gold" / table, version=versions[name]).to_pyarrow_dataset()
            connection.register("ours", dataset)
            found += _compared(connection, name, query)
            connection.unregister("ours")
        if len(triggers) == 1:
            dataset = DeltaTable(lake / "ops" / "quality_results", version=versions["ops.quality_results"]).to_pyarrow_dataset()
            connection.register("ours", dataset)
            found += _quality(connection)
    return found


def _expect(connection: duckdb.DuckDBPyConnection, triggers: Sequence[Path]) -> None:
    """Make what the tables should hold out of the files."""
    batches = [(json.loads(trigger.read_text(encoding="utf-8")), trigger.parent) for trigger in triggers]
    for domain in shop_tables.KEYS:
        files = [
            (folder / name, value["trigger_id"], value["batch_date"])
            for value, folder in batches
            for name in value["expected_files"]
            if name.startswith(f"{domain}_")
        ]
        connection.execute(f"CREATE TABLE typed_{domain} AS {shop_tables.typed(domain, shop_tables.read(domain, files))}")
        shop_tables.silver(connection, domain)
    connection.execute(f"CREATE TABLE dim_customer AS {shop_tables.dimension('customers')}")
    connection.execute(f"CREATE TABLE dim_product AS {shop_tables.dimension('products')}")
    connection.execute(f"CREATE TABLE fact_orders AS {shop_tables.fact_orders(batches=len(batches))}")
    connection.execute(f"CREATE TABLE fact_shipping AS {shop_tables.fact_shipping(batches=len(batches))}")
    connection.execute(f"CREATE TABLE fact_inventory AS {shop_tables.fact_inventory()}")
    connection.execute(shop_marts.MACROS)
    shop_marts.set_variables(connection, max(value["batch_date"] for value, _ in batches))
    connection.execute(shop_marts.CUSTOMER_TOTALS)


def _compared(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> list[Difference]:
    theirs = connection.sql(query)
    mine = [column for column in connection.sql("FROM ours").columns if column not in OURS_ALONE]
    if sorted(mine) != sorted(theirs.columns):
        return [Difference(name, 0, 0, (f"columns are {mine}, and not {theirs.columns}",))]
    types = dict(zip(theirs.columns, theirs.types, strict=True))
    columns = ", ".join(f'"{column}"::{types[column]} AS "{column}"' for column in mine)
    names = ", ".join(f'"{column}"' for column in mine)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS SELECT {columns} FROM ours")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE expected AS SELECT {names} FROM ({query})")
    return _differing(connection, name)


def _quality(connection: duckdb.DuckDBPyConnection) -> list[Difference]:
    """Checked and failed records of each rule; an amount at risk is that of all currencies."""
    parts = [
        f"SELECT '{domain}' AS domain, rule, rows_checked, rows_failed FROM ({query})"
        for domain in shop_tables.KEYS
        for query in [shop_rules.of_records(domain), *shop_rules.ACROSS[domain]]
    ]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE expected AS {' UNION ALL '.join(parts)}")
    left_out = ", ".join(f"'{rule}'" for rule in LINE_RULES)
    counted = f"SELECT domain, rule, rows_checked, rows_failed FROM ours WHERE rule NOT IN ({left_out})"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE found AS {counted}")
    return _differing(connection, "ops.quality_results")


def _differing(connection: duckdb.DuckDBPyConnection, name: str) -> list[Difference]:
    counts, examples = [], []
    for one, other, word in (("expected", "found", "missing"), ("found", "expected", "unexpected")):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE gone AS (FROM {one} EXCEPT ALL FROM {other})")
        counts.append(int(connection.execute("SELECT count(*) FROM gone").fetchall()[0][0]))
        rows = connection.sql("FROM gone ORDER BY ALL LIMIT 3")
        examples += [f"{word}: {dict(zip(rows.columns, row, strict=True))}" for row in rows.fetchall()]
    return [Difference(name, counts[0], counts[1], tuple(examples))] if any(counts) else []
