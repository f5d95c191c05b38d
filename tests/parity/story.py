"""A shop's whole story in two halves, told on either engine; and every row that it leaves, read without an engine.

Both engines in one process do not go together (the token of a local Spark makes the client of Sail wait for minutes), so Sail
tells its part in a process of its own: `python story.py WORKSPACE HALF...`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from cartbrook.config import Settings
from cartbrook.shop import KINDS, ShopPlan, write_deliveries
from cartbrook.testing import Delivery

SAMPLE = Path(__file__).parents[3] / "shared" / "data" / "sample"
SETTINGS = Settings(stable_seconds=Decimal(0), parallel=2, reporting_currency="USD")
ORDER = {"product_id": "p1", "order_date": "2025-01-11", "order_amount": "10.00", "currency": "USD", "order_status": "shipped"}
PLAN = ShopPlan(
    seed=11,
    days=3,
    orders_per_day=50,
    customers=60,
    products=50,
    warehouses=1,
    currencies=("USD", "EUR"),
    defects=dict.fromkeys(KINDS, 0.05),
    late=0.1,
    repeated=0.05,
    changed=0.2,
)
"""Every kind of defect is in it (test_story.py makes sure), and records that come late, again and changed."""
SMALL = Delivery(
    "b1",
    dt.date(2025, 1, 10),
    {
        "customers": [{"customer_id": "c1", "first_name": "Ann", "last_name": "Smith"}, {"first_name": "Nobody"}],
        "products": [
            {"product_id": "p1", "category": "Audio", "price": "10.00", "currency": "USD"},
            {"product_id": "p2", "price": "none", "currency": "USD"},
        ],
        "orders": [{**ORDER, "order_id": "o1", "customer_id": "c1"}, {**ORDER, "order_id": "o9", "customer_id": "c9"}],
        "shipping": [{"shipping_id": "s1", "order_id": "o1", "shipping_cost": "5.00", "currency": "USD"}],
        "inventory": [{"inventory_id": "i", "product_id": "p1", "warehouse_id": "w1", "stock_quantity": "5"}],
    },
)
TIMES = frozenset({"started_at", "finished_at", "published_at", "recorded_at", "decided_at", "seconds"})
TOLD_APART = TIMES | {"error", "token", "table_versions", "ordinal"}
"""What may differ: times, texts of errors, the random name of a run, how many commits an engine makes of no rows, and the place
of a step among those that were recorded at once, which is a matter of time."""


def tell(lake: Any, half: str) -> None:
    """One half of the story: `first` or `second`."""
    from cartbrook import pipeline

    pipeline.init(lake)
    triggers = write_deliveries(PLAN, lake.places.root / "deliveries")
    first, late, newest = triggers
    if half == "first":
        deliver(lake, first, "published")
        deliver(lake, newest, "published")
        decide(lake, "orders", "order_amount_type", "fix", {"order_amount": "12.50"})
    else:
        deliver(lake, late, "published")  # its day is before that of the batch that is there
        deliver(lake, newest, "unchanged")  # it comes again
        decide(lake, "customers", "duplicate_key", "discard")
        assert pipeline.undo(lake, batch_id(first)).status == "undone"
        assert [finding for finding in pipeline.prove(lake) if finding.problem] == []


def deliver(lake: Any, trigger: Path, status: str) -> None:
    """Hand in a batch and run it."""
    from cartbrook import pipeline
    from cartbrook.contracts.trigger import parse_trigger
    from cartbrook.lake import intake

    intake.submit(lake.places, trigger, parse_trigger(trigger.read_bytes(), trigger.name))
    outcomes = pipeline.run(lake)
    assert [outcome.status for outcome in outcomes] == [status], outcomes


def batch_id(trigger: Path) -> str:
    """The id of a trigger's batch."""
    return str(json.loads(trigger.read_text("utf-8"))["trigger_id"])


def decide(lake: Any, domain: str, rule: str, kind: str, edits: Mapping[str, str] | None = None) -> None:
    """Take a decision on an open record of the newest batch that broke a rule."""
    from cartbrook import pipeline
    from cartbrook.types import Decision

    rows = [row for row in published(lake.places.lake)["ops.quarantine"] if row["status"] == "open" and row["domain"] == domain]
    row = max((row for row in rows if rule in row["rules"]), key=lambda row: (row["batch_id"], row["quarantine_id"]))
    text = None
    if edits is not None:
        held = json.loads(row["record"])
        text = {name: held.get(name) or "" for name in lake.contracts[domain].names} | dict(edits)
    [decided] = pipeline.decide(lake, [Decision(row["quarantine_id"], kind, text)], confirmed=True)
    assert decided.after != "open"


def small(lake: Any) -> None:
    """One batch of a few rows, some of them unsound."""
    from cartbrook import pipeline
    from cartbrook.testing import submit

    pipeline.init(lake)
    submit(lake.places.root, SMALL, lake.contracts)
    outcomes = pipeline.run(lake)
    assert [outcome.status for outcome in outcomes] == ["published"], outcomes


def sample(lake: Any) -> None:
    """Both batches of the sample."""
    from cartbrook import pipeline

    pipeline.init(lake)
    for trigger in sorted(SAMPLE.glob("trigger_*.json")):
        deliver(lake, trigger, "published")


HALVES: Mapping[str, Callable[[Any], None]] = {
    "first": lambda lake: tell(lake, "first"),
    "second": lambda lake: tell(lake, "second"),
    "sample": sample,
    "small": small,
}


def on_engine(engine: Any, workspace: Path, *halves: str) -> None:
    """Tell halves of the story in a workspace."""
    from cartbrook import pipeline

    workspace.mkdir(parents=True, exist_ok=True)
    with pipeline.open_lake(workspace, SETTINGS, engine=engine, create=True) as lake:
        for half in halves:
            HALVES[half](lake)


def on_sail(workspace: Path, *halves: str) -> None:
    """The same in a process of its own, on Sail."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-W", "ignore", __file__, str(workspace), *halves]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def published(lake: Path, *left_out: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table of bronze, silver, gold and ops, as readers see them, read by deltalake alone."""
    heads = [path.parent for path in sorted(lake.glob("*/*/_delta_log")) if f"{path.parts[-3]}.{path.parts[-2]}" not in left_out]
    publications = DeltaTable(str(lake / "ops/publications")).to_pyarrow_table().to_pylist()
    versions = dict(max(publications, key=lambda row: row["publish_seq"])["table_versions"])
    tables = {}
    for path in heads:
        name = f"{path.parent.name}.{path.name}"
        rows = DeltaTable(str(path), version=versions.get(name)).to_pyarrow_table().to_pylist()
        tables[name] = [
            {column: _plain(column, value) for column, value in row.items() if column not in TOLD_APART} for row in rows
        ]
    return tables


def differences(ours: Mapping[str, list[dict[str, Any]]], theirs: Mapping[str, list[dict[str, Any]]], most: int = 2) -> list[str]:
    """Where two lakes differ, by table; rows are compared whole, whatever their order."""
    found = [f"only in one of them: {name}" for name in sorted(ours.keys() ^ theirs.keys())]
    for name in sorted(ours.keys() & theirs.keys()):
        left, right = (sorted(repr(sorted(row.items())) for row in rows[name]) for rows in (ours, theirs))
        if left != right:
            only = [[row for row in one if row not in other][:most] for one, other in ((left, right), (right, left))]
            found.append(f"{name}: {len(left)} and {len(right)} rows; only ours {only[0]}; only theirs {only[1]}")
    return found


def _plain(column: str, value: Any) -> Any:
    if column == "batch_rows":  # JSON of rows of ops.batches
        return [{key: word for key, word in row.items() if key not in TOLD_APART} for row in json.loads(value)]
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return sorted(value) if value and isinstance(value, list) and isinstance(value[0], tuple) else value  # a map has no order


if __name__ == "__main__":
    from cartbrook.lake.session import open_engine

    with open_engine("sail") as opened:
        on_engine(opened, Path(sys.argv[1]), *sys.argv[2:])
