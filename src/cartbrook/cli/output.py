"""What commands print: tables that read well on a terminal and in a pipe, JSON, and values as text."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Row = Mapping[str, Any]

_MAY_WRAP = 45
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet would take for a formula, or that `harmless` has made one no more."""
_DECIMAL = re.compile(r"-?\d+\.\d+")


def say(text: str = "") -> None:
    """A line on standard output."""
    typer.echo(text)


def note(text: str) -> None:
    """A line on standard error: for people, not for what reads our output."""
    typer.echo(text, err=True)


def is_terminal() -> bool:
    """True if a person looks at standard output."""
    return sys.stdout.isatty()


def plain(value: Any) -> Any:
    """A value as JSON can hold it: times and dates as ISO text (times in UTC), decimals as exact text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, dt.datetime):
        aware = value.tzinfo is not None
        text = (value.astimezone(dt.UTC) if aware else value).replace(tzinfo=None).isoformat()
        return f"{text}Z" if aware else text
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Iterable):
        return [plain(inner) for inner in value]
    return str(value)


def records_of(frame: DataFrame) -> list[dict[str, Any]]:
    """Rows of a small frame as plain values; by Arrow, since `collect` shifts times by the machine's zone."""
    rows: Iterable[dict[str, Any]] = frame.toArrow().to_pylist()
    return [{name: plain(value) for name, value in row.items()} for row in rows]


def say_json(value: Any) -> None:
    """A value as JSON."""
    say(json.dumps(plain(value), indent=2, ensure_ascii=False))


def text(value: Any) -> str:
    """A value as one cell of a table; NULL is empty."""
    if value is None or value == []:
        return ""
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "".join(sign if sign.isprintable() else " " for sign in str(value))


def harmless(text: str) -> str:
    """A text for a CSV file: one that a spreadsheet would run as a formula gets a ' in front."""
    return f"'{text}" if _FORMULA.match(text) else text


def verbatim(text: str) -> str:
    """The text that `harmless` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def say_records(rows: Sequence[Row], columns: Sequence[str] | Mapping[str, str], *, title: str | None = None) -> None:
    """Records as a table; nothing where there are none.

    Args:
        columns: Names of the fields to show, or a mapping of them to headings.
    """
    if rows:
        headings = columns if isinstance(columns, Mapping) else {name: name.replace("_", " ") for name in columns}
        say_table(list(headings.values()), [[row[name] for name in headings] for row in rows], title=title)


def say_table(headings: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """A table: with rich on a terminal, else as columns of plain text that are never cut or wrapped."""
    right = [any(_is_number(row[i]) for row in rows) for i in range(len(headings))]
    cells = [[text(value) for value in row] for row in rows]
    if title:
        say(f"\n{title}")
    if is_terminal():
        _rich_table(headings, cells, right)
        return
    widths = [max(len(heading), *(len(row[i]) for row in cells), 0) for i, heading in enumerate(headings)]
    for row in [list(headings), ["-" * width for width in widths], *cells]:
        parts = (cell.rjust(width) if flush else cell.ljust(width) for cell, width, flush in zip(row, widths, right, strict=True))
        say("  ".join(parts).rstrip())


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return _DECIMAL.fullmatch(value) is not None
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _rich_table(headings: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widest = [max(len(heading), *(len(row[i]) for row in cells), 0) for i, heading in enumerate(headings)]
    least = [min(width, _MAY_WRAP) for width in widest]
    console = Console(highlight=False)
    needed = sum(least) + 3 * len(least) + 2
    if needed > console.width:  # then the terminal wraps lines, and nothing is cut off
        console = Console(highlight=False, width=needed)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, flush, width in zip(headings, right, least, strict=True):
        # Ids and numbers stay whole, so that they can be copied; long sentences give way.
        table.add_column(Text(heading), justify="right" if flush else "left", min_width=width, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
