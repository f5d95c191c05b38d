"""What a table's Delta log tells, without the engine: its newest version, what that commit added, and how many rows there are."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable

Mark = tuple[int, int]
"""Version and time of a head."""

_COMMIT = re.compile(r"[0-9]{20}\.json")
_HINT = "_last_checkpoint"
"""Names the newest checkpoint. With it, Sail 0.7.2 cannot read any version older than that checkpoint."""


def head(folder: Path) -> int:
    """The newest version of the table in a folder."""
    return max(int(entry.name[:20]) for entry in os.scandir(folder / "_delta_log") if _COMMIT.fullmatch(entry.name))


def mark(folder: Path) -> Mark:
    """What tells a head from every other; that of a folder which was copied back is another one, too."""
    version = head(folder)
    return version, _commit(folder, version).stat().st_mtime_ns


def grown(folder: Path) -> int:
    """Commits since the last checkpoint, or since the table was made."""
    names = [entry.name for entry in os.scandir(folder / "_delta_log")]
    newest = max(int(name[:20]) for name in names if _COMMIT.fullmatch(name))
    return newest - max((int(name[:20]) for name in names if ".checkpoint" in name), default=0)


def drop_hint(folder: Path) -> None:
    """Remove the file that names the newest checkpoint."""
    (folder / "_delta_log" / _HINT).unlink(missing_ok=True)


def rows_added(folder: Path) -> int:
    """Rows that the newest commit added."""
    adds = (json.loads(line).get("add") for line in _commit(folder, head(folder)).read_text(encoding="utf-8").splitlines())
    return sum(int(json.loads(add.get("stats") or "{}").get("numRecords", 0)) for add in adds if add)


def rows_of(table: DeltaTable) -> int:
    """Rows of a table as it was opened."""
    added = pa.table(table.get_add_actions(flatten=True))
    return sum(rows or 0 for rows in added["num_records"].to_pylist()) if added.num_rows else 0


def _commit(folder: Path, version: int) -> Path:
    return folder / "_delta_log" / f"{version:020d}.json"
