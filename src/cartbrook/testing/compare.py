"""The published tables of a lake as plain values, without what depends on the path that led there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from cartbrook.lake.lake import Lake

Content = Mapping[str, Counter[tuple[Any, ...]]]
"""Rows of tables by name; each row a tuple of (column, value), with how often it is there."""

PATH_DEPENDENT = frozenset({"_batch_seq", "_revision", "batch_seq", "revision"})
"""Columns that say how the lake came to where it is, not where it is."""

NOT_COMPARED = ("ops.quality_results", "ops.quarantine_events", "ops.restatements")


def content(lake: Lake, tables: Collection[str] | None = None) -> Content:
    """What readers see in the pinned tables now.

    Two lakes with the same live batches have the same content whatever happened before: silver, gold and the current quarantine
    (released records are left out), without quality results, the log of decisions, sequence numbers and revisions.

    Args:
        tables: Names of the tables to read; None for all that can be compared.
    """
    newest = lake.ledger.newest()
    names = [name for name in lake.pinned if name not in NOT_COMPARED] if tables is None else list(tables)

    def rows(name: str) -> Counter[tuple[Any, ...]]:
        table = lake.tables.arrow(name, newest.table_versions[name])
        kept = [column for column in table.column_names if column not in PATH_DEPENDENT]
        return Counter(
            tuple((column, _frozen(row[column])) for column in kept)
            for row in table.to_pylist()
            if name != "ops.quarantine" or row["status"] != "released"
        )

    return dict(zip(names, lake.tables.each(rows, names), strict=True))


def differences(expected: Content, found: Content, most: int = 3) -> list[str]:
    """Where two contents differ, one line a table; the empty list if they are equal.

    Args:
        most: Rows shown of each kind and table.
    """
    lines: list[str] = []
    for name in sorted({*expected, *found}):
        missing = expected.get(name, Counter()) - found.get(name, Counter())
        surplus = found.get(name, Counter()) - expected.get(name, Counter())
        if missing or surplus:
            lines.append(f"{name}: missing {_shown(missing, most)}; surplus {_shown(surplus, most)}")
    return lines


def _shown(rows: Counter[tuple[Any, ...]], most: int) -> str:
    texts = sorted(str({column: value for column, value in row if value is not None}) for row in rows.elements())
    return f"{len(texts)} rows {texts[:most]}" if texts else "none"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
