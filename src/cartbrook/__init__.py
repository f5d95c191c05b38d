"""cartbrook: an event-driven e-commerce lakehouse pipeline on Delta Lake.

A trigger announces a batch of files; the batch flows bronze -> silver -> gold, keeps its history, and ends in facts, dimensions
and KPI tables, with every delivered record accounted for. `cartbrook --help` is the way in; CONTRIBUTING.md draws the layers.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("cartbrook")
