"""Our pipeline as a process that tells its seconds, for the harness.

    python -m benchmarks.ours init WORKSPACE
    python -m benchmarks.ours run WORKSPACE TRIGGER...     one open lake, one batch after another
    python -m benchmarks.ours turns WORKSPACES TIMES TRIGGER...     the same in so many new workspaces, one after another
    python -m benchmarks.ours undo WORKSPACE BATCH_ID...
    python -m benchmarks.ours audit WORKSPACE

The last line is JSON: seconds of each batch, of its steps, and of the way to an open lake.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

BEGIN = time.perf_counter()

from benchmarks.small_batch import submit  # noqa: E402
from cartbrook import pipeline  # noqa: E402 - the start is measured, too
from cartbrook.lake.lake import Lake  # noqa: E402


def run(lake: Lake, workspace: Path, triggers: list[Path]) -> dict[str, Any]:
    """Batches, each from claim to archive. A trigger that waits already is not put there again."""
    seconds, steps = [], []
    for trigger in triggers:
        submit(workspace, trigger)
        begin = time.perf_counter()
        outcomes = pipeline.run(lake)
        seconds.append(round(time.perf_counter() - begin, 4))
        if [outcome.status for outcome in outcomes] != ["published"]:
            raise SystemExit(f"a batch was not published: {outcomes}")
        steps.append(_steps(lake, outcomes[0].batch_id, outcomes[0].revision or 1))
    return {"seconds": seconds, "steps": steps}


def turns(folder: Path, times: int, triggers: list[Path]) -> dict[str, Any]:
    """The same batches again and again on one open engine, each time into a new workspace: what `run` tells, of each turn."""
    with contextlib.ExitStack() as stack:
        engine = None
        opened, told = 0.0, []
        for number in range(times):
            workspace = folder / str(number)
            lake = stack.enter_context(pipeline.open_lake(workspace, create=True, engine=engine))
            engine = lake.engine
            opened = opened or round(time.perf_counter() - BEGIN, 3)
            pipeline.init(lake)
            told.append(run(lake, workspace, triggers))
    return {"open": opened, "turns": told}


def waiting(lake: Lake) -> dict[str, Any]:
    """All batches that wait."""
    outcomes = pipeline.run(lake)
    if not outcomes or any(outcome.status != "published" for outcome in outcomes):
        raise SystemExit(f"a batch was not published: {outcomes}")
    return {"steps": [_steps(lake, outcome.batch_id, outcome.revision or 1) for outcome in outcomes]}


def undo(lake: Lake, batch_ids: list[str]) -> dict[str, Any]:
    """Undo batches one after another."""
    seconds = []
    for batch_id in batch_ids:
        begin = time.perf_counter()
        pipeline.undo(lake, batch_id)
        seconds.append(round(time.perf_counter() - begin, 4))
    return {"seconds": seconds}


def audit(lake: Lake) -> dict[str, Any]:
    """Every proof over the published tables."""
    findings = pipeline.prove(lake)
    return {"proofs": len(findings), "problems": [f"{found.check}: {found.problem}" for found in findings if found.problem]}


def _steps(lake: Lake, batch_id: str, revision: int) -> dict[str, float]:
    return {str(row["step"]): round(float(row["seconds"]), 3) for row in lake.ledger.steps(batch_id, revision)}


def main() -> None:
    """Do what the first argument says."""
    task, workspace, rest = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    if task == "turns":
        print(json.dumps(turns(workspace, int(rest[0]), [Path(name) for name in rest[1:]])))
        return
    with pipeline.open_lake(workspace, create=task == "init") as lake:
        opened = round(time.perf_counter() - BEGIN, 3)
        told: dict[str, Any] = {}
        if task == "init":
            pipeline.init(lake)
        elif task == "run":
            told = run(lake, workspace, [Path(name) for name in rest])
        elif task == "waiting":
            told = waiting(lake)
        elif task == "undo":
            told = undo(lake, rest)
        elif task == "run-and-undo":
            told = run(lake, workspace, [Path(name) for name in rest])
            last = json.loads(Path(rest[-1]).read_text(encoding="utf-8"))["trigger_id"]
            told["undo"] = undo(lake, [last])["seconds"][0]
        else:
            told = audit(lake)
    print(json.dumps({"open": opened, **told}))


if __name__ == "__main__":
    main()
