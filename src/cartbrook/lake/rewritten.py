"""What changed in a table between two versions, found from the files that its log says went and came."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pyarrow import parquet
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from cartbrook.lake.tables import Tables


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Rows of a table in files that went and came; most of them may be the same rows in other files.

    Attributes:
        before: Rows of the files that are gone; None without such.
        after: Rows of the files that are new; None without such.
        rows: How many both have.
    """

    before: DataFrame | None
    after: DataFrame | None
    rows: int


def rewritten(tables: Tables, name: str, since: int, columns: Sequence[str]) -> Rewritten | None:
    """The rows of the files by which a table's head differs from an earlier version.

    Args:
        columns: Those to read.

    Returns:
        None where its log does not tell: commits are not there any more, its schema changed, or it is partitioned or marks
        deleted rows beside its files.
    """
    if not tables.is_local:
        return None
    folder = tables.folder(name)
    found = _files(folder, since, tables.version(name))
    if found is None:
        return None
    fields = {field.name: field for field in tables.schema(name).fields}
    schema = T.StructType([fields[column] for column in columns])
    gone, new = ([folder / path for path in sorted(paths)] for paths in found)

    def read(files: list[Path]) -> DataFrame | None:
        # Told the schema, since a file may be older than a column.
        paths = [f"file://{file}" for file in files]
        return tables.session.read.schema(schema).parquet(*paths) if paths else None

    return Rewritten(read(gone), read(new), sum(parquet.read_metadata(file).num_rows for file in (*gone, *new)))


def _files(folder: Path, since: int, until: int) -> tuple[set[str], set[str]] | None:
    """The relative paths that went and that came; what did both in between is in neither."""
    gone: set[str] = set()
    new: set[str] = set()
    for version in range(since + 1, until + 1):
        commit = folder / "_delta_log" / f"{version:020d}.json"
        if not commit.exists():
            return None
        for kind, action in _actions(commit.read_text(encoding="utf-8").splitlines()):
            if kind in ("metaData", "protocol") or action.get("partitionValues") or action.get("deletionVector"):
                return None
            path = unquote(action["path"]) if kind in ("add", "remove") else ""
            if kind == "add":
                gone.discard(path) if path in gone else new.add(path)
            elif kind == "remove":
                new.discard(path) if path in new else gone.add(path)
    return gone, new


def _actions(lines: Iterable[str]) -> Iterable[tuple[str, dict[str, Any]]]:
    for line in lines:
        for kind, action in json.loads(line).items():
            if kind in ("add", "remove", "metaData", "protocol"):
                yield kind, action
