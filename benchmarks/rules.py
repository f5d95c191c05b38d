"""What 20 rules cost on a large batch: validation and quality results with them, over the same without any.

    python benchmarks/rules.py [--orders N] [--rounds N] [--json FILE]

The orders are made by the engine from a seed, straight into bronze, so that files and ingest are no part of it. "None" is a
contract with the rules that columns, the key and references bring along; "twenty" adds conditions, patterns, shares of NULL and
aggregates. Rounds alternate between the two, so both meet the same noise; the ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import datetime as dt
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook import pipeline, runner, scorecard
from cartbrook.contracts.load import load_contracts, parse_contract
from cartbrook.contracts.model import Contract
from cartbrook.lake.lake import Lake
from cartbrook.steps import validate
from cartbrook.types import Batch, Operation, SourceFile

DAY = dt.date(2025, 1, 15)
SEED = 7
CONDITIONS = {
    "amount_is_positive": "order_amount > 0",
    "amount_is_usual": "order_amount BETWEEN 1 AND 15000",
    "amount_is_no_test": "order_amount <> 99.99",
    "not_in_the_future": "order_date <= batch_date",
    "not_too_old": "datediff(batch_date, order_date) <= 30",
    "created_on_its_day": "try_cast(created_timestamp AS date) = order_date",
    "in_opening_hours": "hour(created_timestamp) BETWEEN 6 AND 22",
    "status_suits_payment": "NOT (order_status = 'completed' AND payment_method IS NULL)",
    "cash_is_small": "payment_method <> 'cash_on_delivery' OR order_amount < 5000",
    "address_is_long_enough": "length(trim(shipping_address)) >= 8",
    "known_currency": "currency IN ('EUR', 'USD', 'GBP')",
    "ids_differ": "customer_id <> product_id",
}
PATTERNS = {"order_id": "O[0-9]{1,12}", "customer_id": "C[0-9]{1,8}", "product_id": "P[0-9]{1,8}"}
SHARES = {"payment_method": 25, "shipping_address": 5}
AGGREGATES: dict[str, tuple[str, dict[str, Any]]] = {
    "mean_amount": ("avg(order_amount)", {"mustBeBetween": [1000, 20000]}),
    "share_of_euros": ("100 * count_if(currency = 'EUR') / count(*)", {"mustBeGreaterThan": 10}),
    "largest_amount": ("max(order_amount)", {"mustBeLessThan": 1000000}),
}


def contracts() -> tuple[Contract, Contract]:
    """The contract of orders without rules of its own, and with twenty."""
    source = Path(load_contracts.__code__.co_filename).parent / "domains" / "orders.odcs.yaml"
    document = yaml.safe_load(source.read_text(encoding="utf-8"))
    [orders] = document["schema"]
    del orders["quality"]
    for column in orders["properties"]:
        column.pop("quality", None)
    plain = parse_contract(yaml.safe_dump(document), "none")
    more: dict[str, Any] = copy.deepcopy(document)
    [orders] = more["schema"]
    kept = {"severity": "MEDIUM", "customProperties": [{"property": "action", "value": "keep"}]}
    custom = {"type": "custom", "engine": "cartbrook", **kept}
    orders["quality"] = [{"name": name, **custom, "implementation": {"expect": sql}} for name, sql in CONDITIONS.items()]
    orders["quality"] += [
        {"name": name, **custom, "implementation": dict(bounds, aggregate=sql)} for name, (sql, bounds) in AGGREGATES.items()
    ]
    for column in orders["properties"]:
        name, rules = column["name"], []
        if name in PATTERNS:
            rules.append({"metric": "invalidValues", "arguments": {"pattern": PATTERNS[name]}, "mustBe": 0, **kept})
        if name in SHARES:
            rules.append({"metric": "nullValues", "mustBeLessThan": SHARES[name], "unit": "percent", **kept})
        if rules:
            column["quality"] = rules
    twenty = parse_contract(json.dumps(more), "twenty")  # JSON is YAML without aliases
    if len(twenty.rules) - len(plain.rules) != 20:
        raise SystemExit(f"{len(twenty.rules) - len(plain.rules)} rules, not 20")
    return plain, twenty


def orders(lake: Lake, count: int, batch: Batch) -> DataFrame:
    """Raw orders from the seed: one in a thousand has an amount that is none, one in ten no payment method."""

    def chance(nth: int, of: int) -> Any:
        return F.abs(F.xxhash64(F.col("id"), F.lit(SEED), F.lit(nth))) % of

    day = F.lit(DAY.isoformat())
    hour = F.lpad((chance(6, 20) + 3).cast("string"), 2, "0")
    amount = (chance(1, 2_000_000) / 100).cast("decimal(12,2)").cast("string")
    columns = {
        "order_id": F.concat(F.lit("O"), F.col("id").cast("string")),
        "customer_id": F.concat(F.lit("C"), chance(2, 200_000).cast("string")),
        "product_id": F.concat(F.lit("P"), chance(3, 5_000).cast("string")),
        "order_date": day,
        "order_amount": F.when(chance(4, 1000) == 0, F.lit("n/a")).otherwise(amount),
        "currency": F.element_at(F.array(*map(F.lit, ("EUR", "USD", "GBP"))), (chance(5, 3) + 1).cast("int")),
        "payment_method": F.when(chance(7, 10) != 0, F.lit("paypal")),
        "shipping_address": F.concat(chance(8, 400).cast("string"), F.lit(" Main Street, Springfield")),
        "order_status": F.lit("completed"),
        "created_timestamp": F.concat(day, F.lit(" "), hour, F.lit(":30:00")),
        "_record_id": F.sha2(F.col("id").cast("string"), 256),
        "_batch_id": F.lit(batch.batch_id),
        "_source_file": F.lit("orders.csv"),
        "_source_line": F.col("id") + 2,
        **{name: F.lit(None).cast("string") for name in ("_rescued", "_raw", "_defect")},
    }
    rows = lake.tables.session.range(count)
    return rows.select(*(value.alias(name) for name, value in columns.items()))


def measure(lake: Lake, operation: Operation, contract: Contract) -> tuple[float, float]:
    """Seconds of validation and of the quality results under one contract."""
    assert operation.batch is not None
    lake.contracts = {**lake.contracts, "orders": contract}
    begin = time.perf_counter()
    validate.run(lake, operation)
    between = time.perf_counter()
    results = scorecard.results(lake, operation.batch, operation.live)
    end = time.perf_counter()
    if not any(result.rows_failed for result in results):
        raise SystemExit("nothing was found")
    lake.tables.clear_staging()
    return between - begin, end - between


def main() -> None:
    """Measure and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to save the figures")
    chosen = parser.parse_args()
    file = SourceFile("orders", "orders.csv", Path("orders.csv"), "0" * 64, rows=chosen.orders)
    batch = Batch("big", 1, 1, DAY, (file,))
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="rules-") as name, pipeline.open_lake(Path(name), create=True) as lake:
        pipeline.init(lake)
        lake.tables.replace("bronze.orders", orders(lake, chosen.orders, batch), {"_batch_seq": 1, "_revision": 1}, held=False)
        # Each run finds the slices of the one before it, as a step that runs again does.
        operation = dataclasses.replace(runner.operation(lake, "batch", lake.ledger.newest(), batch), stepwise=True)
        plain, twenty = contracts()
        measure(lake, operation, plain)  # the first one warms up
        for _ in range(chosen.rounds):
            none, some = measure(lake, operation, plain), measure(lake, operation, twenty)
            rounds.append(
                {
                    "validate_none": round(none[0], 2),
                    "results_none": round(none[1], 2),
                    "validate_twenty": round(some[0], 2),
                    "results_twenty": round(some[1], 2),
                    "ratio": round(sum(some) / sum(none), 2),
                }
            )
    figures = {"orders": chosen.orders, "rounds": rounds, "ratio": statistics.median(entry["ratio"] for entry in rounds)}
    text = json.dumps(figures, indent=2)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
