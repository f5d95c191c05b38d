"""`cartbrook query`: SQL over the published tables."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cartbrook.cli.options import HERE, Json, Workspace
from cartbrook.cli.output import harmless, plain, say, say_json, say_table, text
from cartbrook.errors import QueryError

if TYPE_CHECKING:
    from pyarrow import Table


class Format(StrEnum):
    """How the answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def query(
    statement: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT; tables by names such as gold.kpi_daily.")],
    workspace: Workspace = HERE,
    format: Annotated[Format, typer.Option(help="table, json (decimals and times as text) or csv.")] = Format.TABLE,
    as_json: Json = False,
) -> None:
    """Answer one SELECT from the published tables (bronze.* and the ledger in ops.* as they are now)."""
    from cartbrook import pipeline
    from cartbrook.lake.views import Views

    with pipeline.open_lake(workspace) as lake:
        answer = Views(lake, lake.ledger.newest()).query(statement)
    names, rows = list(answer.column_names), rows_of(answer)
    if as_json or format is Format.JSON:
        _require_names(names)
        say_json([dict(zip(names, row, strict=True)) for row in rows])
    elif format is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow([_harmless(name) for name in names])
        writer.writerows([[_harmless(value) for value in row] for row in rows])
    else:
        say_table(names, rows)
        say(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")


def rows_of(answer: Table) -> list[tuple[Any, ...]]:
    """The rows of an answer; columns may share names."""
    columns = [column.to_pylist(maps_as_pydicts="lossy") for column in answer.columns]
    return list(zip(*columns, strict=True))


def _harmless(value: Any) -> Any:
    """A CSV cell; text that a spreadsheet would take for a formula gets a ' in front. Numbers stay as they are."""
    if isinstance(value, str):
        return harmless(value)
    value = plain(value)
    return text(value) if isinstance(value, bool | list | dict) else value


def _require_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise QueryError(f"Two columns are called {twice[0]}.", hint="Give one another name by AS.")
