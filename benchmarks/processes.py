"""Running a command as a process of its own: how long it took, and the most memory that it and its children held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
"""Where the code is; the place to run our modules from."""

_EVERY = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a process.

    Attributes:
        seconds: From its start to its end.
        peak_bytes: The most memory of it and its children at one time; None where the system has no /proc.
        told: The JSON in its last line.
    """

    seconds: float
    peak_bytes: int | None
    told: dict[str, Any]


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
    """Run a command whose last line is JSON.

    Raises:
        SystemExit: It failed; with the end of what it said.
    """
    begin = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        printed, complained = process.communicate()
        seconds = time.perf_counter() - begin
        watch.stop()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{complained[-4000:]}")
    return Ran(seconds, watch.peak, json.loads(printed.strip().splitlines()[-1]))


def module(name: str, *arguments: str, python: str = sys.executable, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a module of ours."""
    return run([python, "-m", name, *arguments], environment)


class _Watch(threading.Thread):
    """Adds up the resident memory of a process and its descendants, many times a second.

    Pages that they share count once for each of them, so that the sum is rather too high than too low.
    """

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.peak: int | None = None
        self._root = root
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until it is stopped."""
        while not self._ended.wait(_EVERY):
            held = _held(self._root)
            if held:
                self.peak = max(self.peak or 0, held)

    def stop(self) -> None:
        """The process has ended."""
        self._ended.set()
        self.join()


def _held(root: int) -> int:
    """Bytes of a process and its descendants now; 0 where nothing can be seen. The highest mark of the root is never missed."""
    resident: dict[int, int] = {}
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(folder.name)], resident[int(folder.name)] = int(fields[1]), int(fields[21]) * _PAGE
    if root not in resident:
        return 0
    family, before = {root}, 0
    while len(family) > before:
        before = len(family)
        family |= {process for process, parent in parents.items() if parent in family}
    return max(_highest(root), resident[root]) + sum(resident[process] for process in family if process != root)


def _highest(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
