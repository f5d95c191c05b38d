"""The rival: a bulk batch by hand, in DuckDB and delta-rs, with nothing that the day's work does not need.

    python -m benchmarks.peers.duckdb_deltars TRIGGER LAKE

It makes the same silver tables, dimensions, facts, marts and quality counts as our bulk load, and a copy of the raw text. What it
leaves out (README.md says it in full): lineage by line, hashes of records, books, quarantine, malformed lines, publication, and
all that a second batch would need. The last line is JSON with the seconds of each step.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb
from deltalake import write_deltalake

from benchmarks.peers import shop_marts, shop_rules, shop_tables

DOMAINS = ("customers", "products", "orders", "shipping", "inventory")


class Load:
    """One bulk load.

    Attributes:
        seconds: By step.
    """

    def __init__(self, trigger: Path, lake: Path) -> None:
        value = json.loads(trigger.read_text(encoding="utf-8"))
        self.batch_id, self.day = value["trigger_id"], value["batch_date"]
        self.files = {name.split("_")[0]: trigger.parent / name for name in value["expected_files"]}
        self.lake = lake
        self.seconds: dict[str, float] = {}
        self._begin = time.perf_counter()
        self.connection = duckdb.connect(config={"preserve_insertion_order": False, "temp_directory": str(lake / "spill")})
        self.connection.execute("SET TimeZone = 'UTC'")

    def write(self, table: str, query: str) -> None:
        """Write the rows of a query as a Delta table, a stream of batches at a time."""
        rows = self.connection.sql(query)
        zoned = [
            f'"{name}"::TIMESTAMPTZ AS "{name}"'
            for name, kind in zip(rows.columns, rows.types, strict=True)
            if kind == "TIMESTAMP"
        ]
        chosen = f"SELECT * REPLACE ({', '.join(zoned)}) FROM ({query})" if zoned else query
        write_deltalake(self.lake / table, self.connection.sql(chosen).to_arrow_reader(100_000), mode="overwrite")

    def make(self, table: str, query: str) -> None:
        """A table that later queries read, written as it is made."""
        name = table.rpartition("/")[2]
        self.connection.execute(f"CREATE TABLE {name} AS {query}")
        self.write(table, f"FROM {name}")

    def done(self, step: str) -> None:
        """The clock of a step stops, that of the next one starts."""
        now = time.perf_counter()
        self.seconds[step] = round(now - self._begin, 3)
        self._begin = now

    def raw(self, domain: str) -> str:
        """The query of the raw text of a domain's file."""
        return shop_tables.read(domain, [(self.files[domain], self.batch_id, self.day)])

    def run(self) -> None:
        """All steps."""
        for domain in DOMAINS:
            self.write(f"bronze/{domain}", self.raw(domain))
        self.done("bronze")
        self.connection.execute(
            "CREATE TABLE quality (domain VARCHAR, rule VARCHAR, checked BIGINT, failed BIGINT, amount DECIMAL(38, 2))"
        )
        for domain in DOMAINS:
            self.connection.execute(f"CREATE TABLE typed_{domain} AS {shop_tables.typed(domain, self.raw(domain))}")
            self._count(domain, [shop_rules.of_records(domain)])
            shop_tables.silver(self.connection, domain)
            self.connection.execute(f"DROP TABLE typed_{domain}")
            self.write(f"silver/{domain}", f"FROM silver_{domain}")
        self.done("silver")
        self.make("gold/dim_customer", shop_tables.dimension("customers"))
        self.make("gold/dim_product", shop_tables.dimension("products"))
        self.done("history")
        self.make("gold/fact_orders", shop_tables.fact_orders(batches=1))
        self.make("gold/fact_shipping", shop_tables.fact_shipping(batches=1))
        self.make("gold/fact_inventory", shop_tables.fact_inventory())
        for domain in DOMAINS:
            self._count(domain, shop_rules.ACROSS[domain])
        for domain in DOMAINS:
            self.connection.execute(f"DROP TABLE silver_{domain}")
        self.write("ops/quality_results", f"SELECT '{self.batch_id}' AS batch_id, * FROM quality")
        self.done("facts")
        self.connection.execute(shop_marts.MACROS)
        shop_marts.set_variables(self.connection, self.day)
        self.connection.execute(shop_marts.CUSTOMER_TOTALS)
        for name, query in shop_marts.MARTS.items():
            self.write(f"gold/{name}", query)
        self.done("marts")

    def _count(self, domain: str, queries: list[str]) -> None:
        for query in queries:
            self.connection.execute(f"INSERT INTO quality SELECT '{domain}', * FROM ({query})")


def main() -> None:
    """Load the batch of the trigger given first into the folder given second."""
    trigger, lake = (Path(argument).resolve() for argument in sys.argv[1:3])
    load = Load(trigger, lake)
    load.run()
    print(json.dumps({"steps": load.seconds}))


if __name__ == "__main__":
    main()
