"""What a small batch costs in a lake that has grown: (c) by orders, (d) by batches, (e) and what its undo costs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import processes
from benchmarks.bulk import ASKED, Ground
from benchmarks.report import Figure, Report, ratio
from benchmarks.small_batch import floor
from cartbrook.config import Settings

LAKE_LIMIT, MANY_LIMIT, UNDO_LIMIT = 2.0, 1.3, 3.0
"""On the greatest lake over the empty one, the last of many batches over the 10th, the undo of a batch over a batch."""

MANY = 500
"""The number of batches that MANY_LIMIT is asked of."""

IN_A_ROW = 4
"""Batches of a round; the first of them warms up, and the last is undone again."""

_TURN = Settings().maintain_every
"""So many batches stand for the 10th and for the last: one whole turn of maintenance, since their seconds are a saw."""


def batches(grounds: Sequence[Ground], rounds: int, *, reuse: bool = False, check: bool = True) -> Report:
    """(c) and (e): small batches on lakes of several sizes in turns, and the undo of the last one of each round.

    Args:
        grounds: From the smallest to the greatest, each with `rounds` x IN_A_ROW small batches.
        reuse: Go on with lakes that are there, of which no small batch is live.
        check: Verify the greatest lake in the end.
    """
    seconds: dict[int, list[float]] = {}
    undone: dict[int, list[float]] = {}
    steps: dict[int, dict[str, float]] = {}
    peaks: dict[int, int | None] = {}
    for one in grounds:
        one.triggers()
        if not (reuse and one.workspace.exists()):
            one.load()
    for number in range(rounds):
        for one in grounds:
            orders = one.size.orders
            ran = _run(one, [1 + number * IN_A_ROW + n for n in range(IN_A_ROW)], "run-and-undo")
            seconds.setdefault(orders, []).append(statistics.median(ran.told["seconds"][1:]))
            undone.setdefault(orders, []).append(ran.told["undo"])
            steps[orders], peaks[orders] = ran.told["steps"][-1], ran.peak_bytes
    report = Report(
        "growth", [], {"rounds": rounds, "batch": seconds, "undo": undone, "steps_of_last": steps, "peak_bytes": peaks}
    )
    smallest = grounds[0].size.orders
    for orders, measured in seconds.items():
        report.figures.append(Figure(f"{orders:,} orders: a 20-row batch", round(statistics.median(measured), 3), unit="s"))
    for orders in list(seconds)[1:]:
        limit = LAKE_LIMIT if orders >= ASKED else None
        over = _ratio(seconds[orders], seconds[smallest])
        report.figures.append(Figure(f"a 20-row batch on {orders:,} orders over {smallest:,}", over, limit))
    for orders, measured in seconds.items():
        over = _ratio(undone[orders], measured)
        limit = UNDO_LIMIT if orders >= ASKED else None
        report.figures.append(Figure(f"{orders:,} orders: undo of a 20-row batch over the batch", over, limit))
    if check:
        last = grounds[-1]
        report.problems += last.problems(_live(last, rounds))
    return report


def many(one: Ground, floor_command: list[str]) -> Report:
    """(d): as many tiny batches as the ground has, one after another; those around the 10th against the last."""
    if one.batches < 3 * _TURN:
        raise SystemExit(f"--batches must be {3 * _TURN} at least")
    one.load()
    first, last = 10 + _TURN // 2, one.batches
    spans = [(1, first), (first + 1, last - _TURN - 1), (last - _TURN, last)]
    seconds: list[float] = []
    floors: list[float] = []
    taken: list[float] = []
    for begin, end in spans:
        measured = end in (first, last)
        before = floor(floor_command, 5)["later"] if measured else 0.0
        told = _run(one, list(range(begin, end + 1)), "run").told["seconds"]
        if measured:
            floors.append((before + floor(floor_command, 5)["later"]) / 2)
            taken.append(statistics.fmean(told[-_TURN:]))
        seconds += told
    details: dict[str, Any] = {"seconds": seconds, "floor": floors}
    # Minutes lie between the two, in which the machine becomes faster or slower: that is what the floor beside each is for.
    over = ratio(taken[1] / floors[1], taken[0] / floors[0])
    limit = MANY_LIMIT if last >= MANY else None
    figures = [
        Figure(f"a batch of {_TURN} around the 10th (the floor beside it {floors[0]:.2f} s)", round(taken[0], 3), unit="s"),
        Figure(f"a batch of the last {_TURN} (the floor beside it {floors[1]:.2f} s)", round(taken[1], 3), unit="s"),
        Figure("the last over those around the 10th, as they took", ratio(taken[1], taken[0]), limit),
        Figure("the last over those around the 10th, each over the floor beside it", over, limit),
    ]
    return Report("many", figures, details)


def _run(one: Ground, numbers: list[int], task: str) -> processes.Ran:
    triggers = one.triggers()
    return processes.module("benchmarks.ours", task, str(one.workspace), *(str(triggers[number]) for number in numbers))


def _live(one: Ground, rounds: int) -> list[Path]:
    """Triggers of the batches that are live after the rounds."""
    triggers = one.triggers()
    return [triggers[0], *(triggers[n] for n in range(1, rounds * IN_A_ROW + 1) if n % IN_A_ROW)]


def _ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median over rounds of the ratio in one round."""
    return round(statistics.median(a / b for a, b in zip(numerators, denominators, strict=True)), 2)
