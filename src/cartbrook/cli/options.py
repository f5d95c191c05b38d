"""Options that many commands share."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

Workspace = Annotated[Path, typer.Option("--workspace", "-w", metavar="DIR", help="The workspace.", file_okay=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs; field names are stable.")]

HERE = Path()


def command(workspace: Path, *words: str) -> str:
    """A cartbrook command that can be pasted into a shell in the current folder."""
    place = () if workspace.resolve() == Path.cwd() else ("-w", str(workspace))
    return shlex.join(("cartbrook", *words, *place))
