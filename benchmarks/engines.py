"""(f) The same small batches on both engines: Sail, and Apache Spark on this machine, in turns."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.report import Figure, Report, ratio
from benchmarks.small_batch import deliveries

SPARK_LIMIT = 25.0
"""Seconds that a warm batch may take on local Spark at most: what the usual notebooks take for 20 orders."""
WARM = 12
"""After so many batches an engine is warm. A JVM compiles its own code as it runs: the tenth is far faster than the second."""


def measure(work: Path, rounds: int, python: str, data: Path | None = None) -> Report:
    """Small batches through one open engine of each kind, into one new workspace after another until it is warm.

    Of each round the median batch of the last workspace counts.

    Args:
        python: Of an environment with Apache Spark.
        data: Folder of triggers and files, such as the sample; None for a generated shop.
    """
    found: dict[str, list[dict[str, Any]]] = {"sail": [], "spark": []}
    for number in range(rounds):
        triggers = [str(path) for path in deliveries(work / f"engines-{number}", data, days=4)]
        times = str(-(-WARM // len(triggers)) + 1)
        for engine, interpreter in (("sail", sys.executable), ("spark", python)):
            how: Any = {"python": interpreter, "environment": {"CARTBROOK_ENGINE": engine}}
            ran = processes.module("benchmarks.ours", "turns", str(work / f"engines-{number}-{engine}"), times, *triggers, **how)
            found[engine].append({**ran.told, "process": round(ran.seconds, 2)})
    warm, first = {}, {}
    for name, runs in found.items():
        warm[name] = statistics.median(statistics.median(told["turns"][-1]["seconds"]) for told in runs)
        first[name] = statistics.median(told["open"] + told["turns"][0]["seconds"][0] for told in runs)
    figures = [
        Figure("a warm batch on Sail", round(warm["sail"], 2), unit="s"),
        Figure("a warm batch on local Apache Spark", round(warm["spark"], 2), SPARK_LIMIT, "s"),
        Figure("a warm batch: Spark over Sail", ratio(warm["spark"], warm["sail"])),
        Figure("start of the engine and the first batch on Sail", round(first["sail"], 2), unit="s"),
        Figure("start of the engine and the first batch on Spark", round(first["spark"], 2), unit="s"),
    ]
    return Report("engines", figures, dict(found))
