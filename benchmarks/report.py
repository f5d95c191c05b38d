"""What a part of the harness found: figures beside their limits, for people and as JSON."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT

_PACKAGES = ("cartbrook", "pysail", "pyspark-client", "pyspark", "deltalake", "duckdb", "pyarrow")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        limit: What it may be at most; None where nothing is asked of it.
        unit: ``x`` for a ratio.
    """

    name: str
    value: float | None
    limit: float | None = None
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """Whether it is within its limit."""
        if self.value is None:
            return "not measured"
        if self.limit is None:
            return ""
        return "met" if self.value <= self.limit else "MISSED"

    def __str__(self) -> str:
        """The figure in a line."""
        shown = "-" if self.value is None else f"{self.value:.2f} {self.unit}"
        asked = "" if self.limit is None else f"<= {self.limit:g} {self.unit}"
        return f"  {self.name:<58} {shown:>11}  {asked:<12} {self.verdict}".rstrip()


@dataclass(slots=True)
class Report:
    """One part of the harness.

    Attributes:
        part: Its name.
        figures: What is judged.
        details: What the figures were made from.
        problems: What was wrong, beside figures: a table that differs, say.
        load: Of the machine before the part, as others' work makes times longer.
    """

    part: str
    figures: list[Figure]
    details: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    load: float = 0.0

    def show(self, folder: Path) -> None:
        """Print it, and save it as <part>.json."""
        after = machine_load()
        print(f"\n{self.part}  (load of the machine {self.load} before and {after} after, {os.cpu_count()} cores)")
        for figure in self.figures:
            print(figure)
        for problem in self.problems:
            print(f"  PROBLEM {problem}")
        value = {
            "part": self.part,
            "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
            "packages": {name: found for name in _PACKAGES if (found := _version(name))},
            "commit": _commit(),
            "load": {"before": self.load, "after": after},
            "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in self.figures],
            "problems": self.problems,
            "details": self.details,
        }
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.part}.json"
        path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
        print(f"  saved as {path}")


def machine_load() -> float:
    """Processes that want to run, on average over the last minute."""
    return round(os.getloadavg()[0], 1)


def ratio(numerator: float, denominator: float) -> float:
    """A ratio with two digits."""
    return round(numerator / denominator, 2)


def gigabytes(size: int | None) -> float | None:
    """Bytes in GB (10^9) with two digits."""
    return None if size is None else round(size / 1e9, 2)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that was measured, marked where files have changed since; None outside a clone."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or None
