"""(b) Bulk load: one batch of millions of orders, trigger to all marts, beside the rival on the same files."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import data, processes, verify
from benchmarks.report import Figure, Report, gigabytes, ratio
from benchmarks.small_batch import submit

RIVAL_LIMIT, MEMORY_LIMIT, GROWTH_LIMIT = 1.5, 3.0, 5.5
"""Times the rival's seconds and GB, asked of 5 M orders; and 5 M orders in times 1 M."""
ASKED = 5_000_000


@dataclass(frozen=True, slots=True)
class Ground:
    """The files of one size and the lakes that are made of them.

    Attributes:
        batches: Small batches that can follow the bulk.
    """

    size: data.Size
    folder: Path
    batches: int

    @property
    def workspace(self) -> Path:
        """Our workspace."""
        return self.folder / "workspace"

    def triggers(self) -> list[Path]:
        """The triggers, the bulk's first; the files are made if they are not there yet."""
        mark = self.folder / "made.json"
        wanted = {**asdict(self.size), "last_day": f"{self.size.last_day}", "batches": self.batches}
        if not mark.exists() or json.loads(mark.read_text(encoding="utf-8")) != wanted:
            shutil.rmtree(self.folder, ignore_errors=True)
            data.deliver(self.size, self.folder / "files", self.batches)
            mark.write_text(json.dumps(wanted), encoding="utf-8")
        names = ["bulk", *(f"small-{number:04d}" for number in range(1, self.batches + 1))]
        return [self.folder / "files" / name / "trigger.json" for name in names]

    def load(self, python: str | None = None, engine: str | None = None) -> processes.Ran:
        """Load the bulk into a new workspace; what is measured begins with the trigger and its files in landing."""
        trigger = self.triggers()[0]
        shutil.rmtree(self.workspace, ignore_errors=True)
        how: dict[str, Any] = {"python": python} if python else {}
        if engine:
            how["environment"] = {"CARTBROOK_ENGINE": engine}
        processes.module("benchmarks.ours", "init", str(self.workspace), **how)
        submit(self.workspace, trigger)
        return processes.module("benchmarks.ours", "waiting", str(self.workspace), **how)

    def rival(self) -> processes.Ran:
        """Let the rival load the bulk."""
        lake = self.folder / "rival"
        shutil.rmtree(lake, ignore_errors=True)
        return processes.module("benchmarks.peers.duckdb_deltars", str(self.triggers()[0]), str(lake))

    def problems(self, triggers: Sequence[Path]) -> list[str]:
        """What is wrong with our lake, if these batches are live in it."""
        found = [str(difference) for difference in verify.differences(self.workspace / "lake", triggers)]
        return found + list(processes.module("benchmarks.ours", "audit", str(self.workspace)).told["problems"])


def ground(work: Path, orders: int, *, batches: int = 0, seed: int = 7, defects: float = 0.0) -> Ground:
    """The ground of one size below a folder of work."""
    return Ground(data.Size(orders, seed, defects), work / f"orders-{orders}", batches)


def measure(grounds: Sequence[Ground], rounds: int, *, check: bool = True, spark: str | None = None) -> Report:
    """Load each size, ours and the rival in turns.

    Args:
        check: Verify our lakes, too.
        spark: Python of an environment with Apache Spark, to load the smallest size with that engine as well.
    """
    details: dict[str, Any] = {"rounds": rounds, "sizes": {}}
    report = Report("bulk", [], details)
    seconds: dict[int, float] = {}
    for one in grounds:
        orders, asked = one.size.orders, one.size.orders >= ASKED
        ours, theirs = [], []
        for _ in range(rounds):
            theirs.append(one.rival())
            ours.append(one.load())
        seconds[orders] = statistics.median(ran.seconds for ran in ours)
        peaks = {"ours": _peak(ours), "rival": _peak(theirs)}
        details["sizes"][orders] = {
            "ours": [{"seconds": round(ran.seconds, 2), "open": ran.told["open"], "steps": ran.told["steps"][0]} for ran in ours],
            "rival": [{"seconds": round(ran.seconds, 2), "steps": ran.told["steps"]} for ran in theirs],
            "peak_bytes": peaks,
        }
        over = statistics.median(mine.seconds / other.seconds for mine, other in zip(ours, theirs, strict=True))
        report.figures += [
            Figure(f"{orders:,} orders: ours", round(seconds[orders], 1), unit="s"),
            Figure(f"{orders:,} orders: rival", round(statistics.median(ran.seconds for ran in theirs), 1), unit="s"),
            Figure(f"{orders:,} orders: ours over DuckDB + delta-rs", round(over, 2), RIVAL_LIMIT if asked else None),
            Figure(f"{orders:,} orders: our peak memory", gigabytes(peaks["ours"]), MEMORY_LIMIT if asked else None, "GB"),
            Figure(f"{orders:,} orders: the rival's peak memory", gigabytes(peaks["rival"]), unit="GB"),
        ]
        if check:
            report.problems += [f"{orders:,} orders: {problem}" for problem in one.problems(one.triggers()[:1])]
    if 1_000_000 in seconds and ASKED in seconds:
        report.figures.append(Figure("5 M orders over 1 M", ratio(seconds[ASKED], seconds[1_000_000]), GROWTH_LIMIT))
    if spark:
        _on_spark(grounds[0], spark, seconds, report)
    return report


def _on_spark(one: Ground, python: str, seconds: dict[int, float], report: Report) -> None:
    apart = Ground(one.size, one.folder.with_name(f"{one.folder.name}-spark"), one.batches)
    ran = apart.load(python, "spark")
    orders = one.size.orders
    report.details["sizes"][orders]["spark"] = {"seconds": round(ran.seconds, 2), "steps": ran.told["steps"][0]}
    report.figures += [
        Figure(f"{orders:,} orders: our code on Apache Spark over Sail", ratio(ran.seconds, seconds[orders])),
        Figure(f"{orders:,} orders: peak memory on Apache Spark", gigabytes(ran.peak_bytes), unit="GB"),
    ]


def _peak(runs: Sequence[processes.Ran]) -> int | None:
    return max((ran.peak_bytes for ran in runs if ran.peak_bytes is not None), default=None)
