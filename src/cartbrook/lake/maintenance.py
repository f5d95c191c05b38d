"""Maintenance of tables: small files become larger ones, logs are cut, and what no kept version needs is removed.

No row changes. What a run rewrites follows the small files that came since the last one, not the table: a file is taken along
only while it is no larger than all smaller ones together, so each row is rewritten a few times in its life (docs/decisions/0020).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, PostCommitHookProperties
from deltalake.exceptions import DeltaError

from cartbrook.lake.literals import literal, quoted
from cartbrook.lake.tables import FILE_BYTES, Tables

LARGEST = FILE_BYTES
"""No more bytes than these become one file: a row that changes rewrites it."""
SMALL = 2**20
"""Files of fewer bytes are taken along whatever the others are."""
FEW = 4
"""Fewer files are left as they are."""

_LOG_ENTRY = re.compile(r"(\d{20})\.")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


@dataclass(frozen=True, slots=True)
class Pile:
    """Small files of one partition that become one.

    Attributes:
        partition: Partition columns and values; empty for a table without.
        files: How many they are.
        size: Their bytes.
    """

    partition: Mapping[str, str | None]
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Excess:
    """What of a table is no longer needed.

    Attributes:
        files: Data files that no kept version reads.
        logs: Entries of the log before the checkpoint that the oldest kept version is read from, and past checksums.
        size: Bytes of both.
    """

    files: tuple[Path, ...]
    logs: tuple[Path, ...]
    size: int

    def remove(self) -> None:
        """Remove it. Killed in it, the rest is found again."""
        for path in (*self.files, *self.logs):
            path.unlink(missing_ok=True)


def files(tables: Tables, name: str) -> int:
    """How many data files a table's head has."""
    return len(_active(tables.delta(name)))


def piles(tables: Tables, name: str) -> list[Pile]:
    """The files of a table's head that are worth to become fewer."""
    sizes: dict[tuple[tuple[str, str | None], ...], list[int]] = {}
    for action in _active(tables.delta(name)):
        partition = tuple((column[10:], _text(value)) for column, value in action.items() if column.startswith("partition."))
        sizes.setdefault(partition, []).append(action["size_bytes"])
    found = [Pile(dict(partition), *_smallest(of_it)) for partition, of_it in sizes.items()]
    return [pile for pile in found if pile.files >= FEW]


def compact(tables: Tables, name: str, wanted: Sequence[Pile], *, native: bool = False) -> None:
    """Write piles as one file each, in a commit each.

    Args:
        native: By the engine's own OPTIMIZE.
    """
    for pile in wanted:
        tables.change(name, partial(_optimize, tables, pile) if native else partial(_rewrite, tables, name, pile))


def excess(tables: Tables, name: str, oldest: int | None, hours: int) -> Excess:
    """What is not needed to read a table from a version on.

    Args:
        oldest: The oldest version that must stay readable; None for a table that is read at its head alone.
        hours: Files stay for as long after they were dropped, for readers that began before. Logs are cut at once: who has
            opened a version does not need its log again.
    """
    folder = tables.folder(name)
    table = tables.delta(name)
    needed = _needed(folder, table if oldest is None else tables.delta(name, oldest), oldest)
    dropped = table.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False, full=True)
    gone = [folder / path for path in dropped if _file(path) not in needed and (folder / path).exists()]
    logs = _old_logs(folder / "_delta_log", oldest)
    return Excess(tuple(gone), tuple(logs), sum(path.stat().st_size for path in (*gone, *logs)))


def vacuum(tables: Tables, name: str, hours: float) -> None:
    """Remove files by the engine's own VACUUM, those dropped longer ago than some hours."""
    conf = tables.session.conf
    conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    conf.set("spark.databricks.delta.vacuum.logging.enabled", "false")  # its commits would move heads that are published
    tables.change(
        name, lambda location: tables.session.sql(f"VACUUM delta.`{location}` RETAIN {math.ceil(hours)} HOURS").collect()
    )


def is_readable(tables: Tables, name: str, version: int) -> bool:
    """True if the log and all files of a version are there."""
    try:
        table = tables.delta(name, version)
    except DeltaError:
        return False
    folder = tables.folder(name)
    present = {file for _, _, names in os.walk(folder) for file in names}
    return all(_file(action["path"]) in present for action in _active(table))


def _active(table: DeltaTable) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    return actions


def _file(path: str) -> str:
    """A data file's name, which is unique in a table; its path may be escaped in one place and not in another."""
    return path.rpartition("/")[2]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _smallest(sizes: Sequence[int]) -> tuple[int, int]:
    """How many of the smallest files become one, and their bytes."""
    count = total = 0
    for size in sorted(sizes):
        if size > max(total, SMALL) or total + size > LARGEST:
            break
        count, total = count + 1, total + size
    return count, total


def _rewrite(tables: Tables, name: str, pile: Pile, _location: str) -> None:
    filters = [(column, "=", value or "") for column, value in pile.partition.items()]
    tables.delta(name).optimize.compact(filters or None, target_size=pile.size, post_commithook_properties=_NO_HOOKS)


def _optimize(tables: Tables, pile: Pile, location: str) -> None:
    conf = tables.session.conf
    conf.set("spark.databricks.delta.optimize.minFileSize", str(pile.size + 1))
    conf.set("spark.databricks.delta.optimize.maxFileSize", str(max(pile.size, SMALL)))
    parts = [
        f"{quoted(c)} IS NULL" if value is None else f"{quoted(c)} = {literal(value)}" for c, value in pile.partition.items()
    ]
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    tables.session.sql(f"OPTIMIZE delta.`{location}`{where}").collect()


def _needed(folder: Path, table: DeltaTable, oldest: int | None) -> set[str]:
    """Names of the files that a version reads, and of all that were added after it."""
    names = {_file(action["path"]) for action in _active(table)}
    for commit in (folder / "_delta_log").glob("*.json"):
        if oldest is not None and commit.stem.isdigit() and int(commit.stem) > oldest:
            with commit.open(encoding="utf-8") as lines:
                adds = (json.loads(line).get("add") for line in lines)
                names |= {_file(add["path"]) for add in adds if add}
    return names


def _old_logs(log: Path, oldest: int | None) -> list[Path]:
    """Entries before the checkpoint that the oldest version is read from; without one, two checkpoints stay.

    And checksums of versions that are past: they are optional, and each read lists them.
    """
    entries = {entry.name: int(match[1]) for entry in os.scandir(log) if (match := _LOG_ENTRY.match(entry.name))}
    checkpoints = sorted(int(match[1]) for name in entries if (match := _CHECKPOINT.fullmatch(name)))
    kept = checkpoints[-2:-1] if oldest is None else [version for version in checkpoints if version <= oldest][-1:]
    least = kept[0] if kept else 0
    past = max(entries.values()) - 1
    return [log / name for name, version in entries.items() if version < (past if name.endswith(".crc") else least)]
