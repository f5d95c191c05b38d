"""The harness: `python -m benchmarks PART [options]`; README.md tells what each part measures."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import bulk, engines, growth, small_batch
from benchmarks.processes import ROOT
from benchmarks.report import Figure, Report, machine_load

Parts = dict[str, Callable[[argparse.Namespace, Path], Report]]


def small(chosen: argparse.Namespace, _: Path) -> Report:
    """(a) A 20-row batch, warm and cold, beside the floor."""
    found = small_batch.measure(chosen.rounds, shlex.split(chosen.floor), chosen.data)
    figures = [
        Figure("warm: a batch through an open lake over the floor's later turn", found["warm_over_floor"], 2.5),
        Figure("cold: `cartbrook run` as a process over the floor's two turns", found["cold_over_floor"], 2.5),
    ]
    return Report("small", figures, found)


def load(chosen: argparse.Namespace, work: Path) -> Report:
    """(b) Bulk loads beside the rival, verified."""
    grounds = [_ground(chosen, work, orders) for orders in chosen.orders if orders]
    return bulk.measure(grounds, chosen.loads, check=not chosen.no_verify, spark=chosen.spark)


def lakes(chosen: argparse.Namespace, work: Path) -> Report:
    """(c), (e) A 20-row batch and its undo on lakes of several sizes."""
    grounds = [_ground(chosen, work, orders) for orders in sorted({0, *chosen.orders})]
    return growth.batches(grounds, chosen.rounds, reuse=chosen.part == "all", check=not chosen.no_verify)


def many(chosen: argparse.Namespace, work: Path) -> Report:
    """(d) Hundreds of tiny batches."""
    return growth.many(bulk.ground(work / "many", 0, batches=chosen.batches), shlex.split(chosen.floor))


def both(chosen: argparse.Namespace, work: Path) -> Report:
    """(f) Small batches on Sail and on local Apache Spark."""
    python = chosen.spark or str(ROOT / ".venv-spark" / "bin" / "python")
    return engines.measure(work, chosen.rounds, python, chosen.data)


PARTS: Parts = {"small": small, "bulk": load, "growth": lakes, "many": many, "engines": both}


def _ground(chosen: argparse.Namespace, work: Path, orders: int) -> bulk.Ground:
    return bulk.ground(work, orders, batches=chosen.rounds * growth.IN_A_ROW, seed=chosen.seed, defects=chosen.defects)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", choices=(*PARTS, "all"), nargs="?", default="all")
    parser.add_argument("--orders", type=_number, nargs="+", default=[1_000_000, 5_000_000], help="sizes of lakes (1M 5M)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of small batches (3)")
    parser.add_argument("--loads", type=int, default=1, help="bulk loads of each size, ours and the rival's in turns (1)")
    parser.add_argument("--batches", type=int, default=500, help="tiny batches of part many (500)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--defects", type=float, default=0.0, help="share of orders that are delivered wrong (0)")
    parser.add_argument("--no-verify", action="store_true", help="do not compare our tables with SQL over the files, nor audit")
    parser.add_argument("--spark", metavar="PYTHON", help="load the smallest size on Apache Spark, too: .venv-spark/bin/python")
    parser.add_argument("--floor", default=small_batch.FLOOR, help="another floor script")
    parser.add_argument(
        "--data", type=Path, help="parts small and engines: folder of triggers and files (default: a generated shop)"
    )
    parser.add_argument("--work", type=Path, help="where files and lakes stay (default: a temporary folder); 5M need 10 GB")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results", help="where <part>.json is saved")
    return parser


def _number(text: str) -> int:
    """5M, 100k or 2000."""
    units = {"k": 1_000, "M": 1_000_000}
    return int(text[:-1]) * units[text[-1]] if text[-1:] in units else int(text)


@contextlib.contextmanager
def _workplace(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        yield chosen.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


def main() -> None:
    """Run a part, or all of them."""
    chosen = _options().parse_args()
    problems: list[str] = []
    with _workplace(chosen.work) as work:
        for name in PARTS if chosen.part == "all" else [chosen.part]:
            load_before = machine_load()
            report = PARTS[name](chosen, work)
            report.load = load_before
            report.show(chosen.results)
            problems += report.problems
    if problems:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
