"""The command line: parse, call the pipeline, show, exit code. `--help` imports no engine."""

from __future__ import annotations

from cartbrook.cli.app import main

__all__ = ["main"]
