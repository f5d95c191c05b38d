"""`cartbrook demo`: a made-up shop from deliveries to KPIs, in a folder of its own."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cartbrook.cli.options import command
from cartbrook.cli.output import say, say_records, say_table
from cartbrook.errors import WorkspaceError

if TYPE_CHECKING:
    from cartbrook.lake.lake import Lake

MARK = ".cartbrook-demo"
"""Tells a folder that `demo` made, and may make anew, from one that it must not touch."""

_MADE = ("deliveries", "landing", "contracts", "lake", "work", "archive", "rejected")
_KPIS = "SELECT currency, orders, revenue_orders, revenue, average_order_value, customers, products, margin FROM gold.kpi_summary"
_BY_DAY = "SELECT day, currency, orders, revenue, cumulative_revenue FROM gold.kpi_daily ORDER BY day, currency"


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where; made anew if a demo made it.", file_okay=False)] = Path(
        "cartbrook-demo"
    ),
    days: Annotated[int, typer.Option(min=2, help="Batches, one a day.")] = 4,
    orders: Annotated[int, typer.Option(min=1, help="Orders on an average day.")] = 60,
    seed: Annotated[int, typer.Option(help="Another seed is another shop.")] = 7,
) -> None:
    """Run a made-up shop of a few days from deliveries to KPIs, and tell where to look next."""
    from cartbrook import pipeline
    from cartbrook.cli.running import told_line
    from cartbrook.cli.settings_file import write_settings_file
    from cartbrook.contracts.trigger import parse_trigger
    from cartbrook.lake import intake
    from cartbrook.shop import ShopPlan, write_deliveries

    started = time.perf_counter()
    _make_room(folder)
    write_settings_file(folder)
    plan = ShopPlan(seed=seed, days=days, orders_per_day=orders, customers=80, products=40, defects=0.03, late=0.03)
    triggers = write_deliveries(plan, folder / "deliveries")
    say(f"A made-up shop of {days} days in {folder.resolve()}")
    with pipeline.open_lake(folder, create=True) as lake:
        pipeline.init(lake)
        for path in triggers:
            intake.submit(lake.places, path, parse_trigger(path.read_bytes(), path.name))
        outcomes = pipeline.run(lake, told=lambda outcome: say(f"  {told_line(outcome)}"))
        _tell(lake, folder)
    say(f"\nDone in {time.perf_counter() - started:.0f} s. Where to look next:")
    batch_id = outcomes[-1].batch_id
    for words in (
        ("status",),
        ("show", batch_id),
        ("quarantine", "list", "--status", "parked"),
        ("query", "SELECT * FROM gold.product_performance ORDER BY revenue DESC LIMIT 5"),
        ("undo", batch_id),
        ("audit",),
    ):
        say(f"  {command(folder, *words)}")
    raise typer.Exit(0 if all(outcome.good for outcome in outcomes) else 1)


def _make_room(folder: Path) -> None:
    """An empty folder with our mark; a demo's own folder is emptied of what a demo makes."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise WorkspaceError(f"{folder.resolve()} is not empty, and no demo made it.", hint="Name a new one: cartbrook demo DIR")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("Made by `cartbrook demo`, which may make it anew.\n", encoding="utf-8")
    for name in _MADE:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            shutil.rmtree(folder / name)


def _tell(lake: Lake, folder: Path) -> None:
    """KPIs, score by batch, and what was set aside."""
    from cartbrook.cli import reports
    from cartbrook.cli.query import rows_of
    from cartbrook.cli.reading import say_money
    from cartbrook.lake.views import Views

    views = Views(lake, lake.ledger.newest())
    for title, statement in (("KPIs (gold.kpi_summary)", _KPIS), ("By day (gold.kpi_daily)", _BY_DAY)):
        answer = views.query(statement)
        say_table([name.replace("_", " ") for name in answer.column_names], rows_of(answer), title=title)
    say_records(
        reports.batches(lake),
        {
            "batch_id": "batch",
            "score": "quality score",
            "rows_read": "read",
            "rows_accepted": "accepted",
            "rows_quarantined": "quarantined",
            "rows_parked": "parked",
            "rows_duplicate": "duplicate",
        },
        title="Batches",
    )
    say_money(reports.status(lake, folder)["quarantine"])
    say(f"planted.json in {folder / 'deliveries'} lists every defect that was put in.")
