"""Runs operations of the pipeline in processes that die: a helper process, spoken to in lines of JSON.

It loads the code once, and forks a child for each operation before any engine is open; the child opens the engine, works, and is
really killed. Nothing in production code knows of it. A request:

    {"workspace": "...", "do": "run" | "undo B" | "rebuild" | "rebuild from_bronze" | "maintain" | "steps B ingest validate",
     "dies": {"at": "cartbrook.lake.ledger.Ledger.publish", "when": "before" | "after", "nth": 1, "inside": "..."},
     "seconds": 0.7}

`dies` names the call at which the child kills itself (counted only inside another call, if one is named); with
"waits": true it does not die there but says so by a file ``reached`` in the workspace and goes on once there is a file ``go``.
`seconds` kills it from outside after that time. The answer is {"status": exit code or -signal, "said": outcomes or error}.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.errors import CartbrookError
from cartbrook.lake import maintenance as upkeep

STORIES = (pipeline.STORY, pipeline.UNDO, pipeline.REBUILD)


def die_at(point: Mapping[str, Any], workspace: Path) -> None:
    """Wrap a function or method so that this process ends, or waits, at one of its calls."""
    holder, name, original = _found(point["at"])
    lock = threading.Lock()
    inside = calls = 0  # several threads may be inside at once

    def entered(by: int) -> None:
        nonlocal inside
        with lock:
            inside += by

    if within := point.get("inside"):
        outer_holder, outer_name, outer = _found(within)

        def enter(*args: Any, **kwargs: Any) -> Any:
            entered(1)
            try:
                return outer(*args, **kwargs)
            finally:
                entered(-1)

        _put(outer_holder, outer_name, outer, enter)
    else:
        entered(1)

    def counted(when: str) -> None:
        nonlocal calls
        with lock:
            if when != point["when"] or not inside:
                return
            calls += 1
            if calls != point.get("nth", 1):
                return
            if not point.get("waits"):
                os.kill(os.getpid(), signal.SIGKILL)
            (workspace / "reached").touch()
            while not (workspace / "go").exists():
                time.sleep(0.01)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        counted("before")
        result = original(*args, **kwargs)
        counted("after")
        return result

    _put(holder, name, original, wrapped)


def _found(path: str) -> tuple[Any, str, Callable[..., Any]]:
    parts = path.split(".")
    for i in range(len(parts) - 1, 0, -1):
        try:
            holder: Any = importlib.import_module(".".join(parts[:i]))
        except ModuleNotFoundError:
            continue
        for part in parts[i:-1]:
            holder = getattr(holder, part)
        return holder, parts[-1], getattr(holder, parts[-1])
    raise LookupError(path)


def _put(holder: Any, name: str, original: Any, wrapped: Any) -> None:
    setattr(holder, name, wrapped)
    for story in STORIES:
        assert isinstance(story, dict)
        story.update({step: wrapped for step, function in story.items() if function is original})


def work(request: Mapping[str, Any]) -> list[str]:
    """Do what is asked; gives what became of it."""
    workspace = Path(request["workspace"])
    if point := request.get("dies"):
        die_at(point, workspace)
    verb, *words = request["do"].split()
    if verb == "maintain":
        upkeep.FEW = 2  # the prepared workspaces have few files
        settings = Settings(stable_seconds=Decimal(0), keep_publications=1, keep_hours=0)
        with pipeline.open_lake(workspace, settings) as lake:
            return [f"{len(pipeline.maintain(lake))} tables"]
    with pipeline.open_lake(workspace, Settings(stable_seconds=Decimal(0))) as lake:
        if verb == "undo":
            return [pipeline.undo(lake, words[0]).status]
        if verb == "rebuild":
            return [pipeline.rebuild(lake, from_bronze="from_bronze" in words).status]
        if verb == "steps":
            for step in words[1:]:
                pipeline.run_step(lake, words[0], step)
            return ["done"]
        return [f"{outcome.status} {outcome.message}" for outcome in pipeline.run(lake)]


def child(request: Mapping[str, Any], out: int) -> None:
    """The forked process: never returns."""
    code, said = 0, ""
    try:
        said = json.dumps(work(request))
    except CartbrookError as error:
        code, said = 1, json.dumps([f"{type(error).__name__}: {error.message}"])
    except BaseException:  # noqa: BLE001 - whatever it is, the test must read it
        code, said = 3, json.dumps([traceback.format_exc()])
    os.write(out, said.encode())
    os._exit(code)


def start(request: Mapping[str, Any]) -> tuple[int, int]:
    """Fork a child for a request: its process id, and the pipe it answers by."""
    reads, writes = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reads)
        child(request, writes)
    os.close(writes)
    return pid, reads


def finish(pid: int, reads: int, seconds: float | None) -> dict[str, Any]:
    """Wait for a child, or kill it after some seconds."""
    if seconds is not None:
        timer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
        timer.start()
        with os.fdopen(reads, "rb") as stream:
            said = stream.read()  # ends with the child; only then is its id free for others
        timer.cancel()
        timer.join()
    else:
        with os.fdopen(reads, "rb") as stream:
            said = stream.read()
    _, status = os.waitpid(pid, 0)
    return {"status": os.waitstatus_to_exitcode(status), "said": json.loads(said) if said else []}


def main() -> None:
    """Answer requests until the input ends. A request with "start" is answered at once, and waited for by "wait"."""
    running: dict[str, tuple[int, int]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            running[request["start"]] = start(request)
            answer: dict[str, Any] = {}
        elif "wait" in request:
            answer = finish(*running.pop(request["wait"]), None)
        else:
            answer = finish(*start(request), request.get("seconds"))
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
