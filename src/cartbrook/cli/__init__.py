"""The command line: parse, call the pipeline, show, exit code. Engines are imported by the commands that need one, not by `--help`."""

from __future__ import annotations

from cartbrook.cli.app import main

__all__ = ["main"]
