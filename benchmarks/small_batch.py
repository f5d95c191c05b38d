"""Latency of a small batch, warm and cold, beside a floor that runs in the same minute.

    python benchmarks/small_batch.py [--data FOLDER] [--floor "python floor.py"] [--rounds N] [--json FILE]

Warm: batches of about 20 orders through one open lake, each from claim to archive; the median of all but the first. Cold: the
command `cartbrook run` of one batch in a new process. The floor is `benchmarks/floor.py`, or the command given with --floor; it
must end with a line of JSON that has `later` and `process`. Rounds alternate with the floor, so both meet the same noise.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cartbrook import pipeline
from cartbrook.contracts.trigger import parse_trigger
from cartbrook.lake import intake
from cartbrook.lake.places import Places
from cartbrook.shop import ShopPlan, write_deliveries
from cartbrook.types import Outcome

FLOOR = f"{shlex.quote(sys.executable)} {shlex.quote(str(Path(__file__).parent / 'floor.py'))}"
"""The command of our own floor."""


def deliveries(folder: Path, data: Path | None, days: int) -> list[Path]:
    """Triggers of small batches: those in `data`, or of a generated shop of 20 orders a day."""
    if data is not None:
        return sorted(data.glob("trigger*.json"))
    plan = ShopPlan(seed=7, days=days, orders_per_day=20, customers=20, products=20, defects=0.0, late=0.0, repeated=0.0)
    return write_deliveries(plan, folder)


def submit(workspace: Path, trigger: Path) -> None:
    """Put a batch into a workspace."""
    intake.submit(Places(workspace), trigger, parse_trigger(trigger.read_bytes(), trigger.name))


def warm(folder: Path, triggers: list[Path]) -> tuple[list[float], dict[str, float]]:
    """Seconds of each batch through one open lake, and the seconds of the last one's steps."""
    seconds: list[float] = []
    outcomes: list[Outcome] = []
    workspace = folder / "warm"
    with pipeline.open_lake(workspace, create=True) as lake:
        pipeline.init(lake)
        for trigger in triggers:
            submit(workspace, trigger)
            begin = time.perf_counter()
            outcomes = pipeline.run(lake)
            seconds.append(time.perf_counter() - begin)
            if [outcome.status for outcome in outcomes] != ["published"]:
                raise SystemExit(f"a batch was not published: {outcomes}")
        last = outcomes[0]
        steps = lake.ledger.steps(last.batch_id, last.revision or 1)
    return seconds, {str(row["step"]): round(float(row["seconds"]), 3) for row in steps}


def cold(folder: Path, triggers: list[Path]) -> float:
    """Seconds of `cartbrook run` of one batch as a whole process."""
    workspace = folder / "cold"
    if not workspace.exists():
        with pipeline.open_lake(workspace, create=True) as lake:
            pipeline.init(lake)
    copy = folder / "cold-run"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(workspace, copy)
    submit(copy, triggers[0])
    begin = time.perf_counter()
    command = [sys.executable, "-m", "cartbrook", "run", "--workspace", str(copy)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"})
    return time.perf_counter() - begin


def floor(command: list[str], turns: int) -> dict[str, float]:
    """The figures of the floor script."""
    printed = subprocess.run([*command, str(turns)], check=True, capture_output=True, text=True).stdout
    figures: dict[str, float] = json.loads(printed.strip().splitlines()[-1])
    return figures


@dataclasses.dataclass(frozen=True)
class Round:
    """One round of measurements, in seconds."""

    warm: float
    cold: float
    floor_later: float
    floor_process: float


def measure(rounds: int, floor_command: list[str], data: Path | None = None) -> dict[str, Any]:
    """Rounds of warm, cold and floor in turns; ratios are the median over them.

    Args:
        data: Folder of triggers and files; None for a generated shop.
    """
    found: list[Round] = []
    steps: dict[str, float] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="small-batch-") as name:
            folder = Path(name)
            triggers = deliveries(folder / "shop", data, days=6)
            turns = floor(floor_command, 5)
            seconds, steps = warm(folder, triggers)
            two_turns = floor(floor_command, 2)
            found.append(Round(statistics.median(seconds[1:]), cold(folder, triggers), turns["later"], two_turns["process"]))
    return {
        "rounds": [dataclasses.asdict(entry) for entry in found],
        "warm_over_floor": round(statistics.median(entry.warm / entry.floor_later for entry in found), 2),
        "cold_over_floor": round(statistics.median(entry.cold / entry.floor_process for entry in found), 2),
        "steps_of_last_batch": steps,
    }


def main() -> None:
    """Measure and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of triggers and files (default: a generated shop)")
    parser.add_argument("--floor", default=FLOOR)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to save the figures")
    chosen = parser.parse_args()
    text = json.dumps(measure(chosen.rounds, shlex.split(chosen.floor), chosen.data), indent=2)
    print(text)
    if chosen.json:
        chosen.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
