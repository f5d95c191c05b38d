"""A workspace of files, as a volume would be, and the job that works in it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from tests.bundle.notebooks import JobRun

from cartbrook.contracts.load import load_contracts
from cartbrook.testing import submit

if TYPE_CHECKING:
    from pathlib import Path


class Workspace:
    """A workspace, the runs that were started in it, and what `databricks.sdk` was asked for."""

    def __init__(self, session, root: Path) -> None:
        self.root = root
        self.asked: list[int] = []
        self._session = session

    def submit(self, *deliveries) -> None:
        """Put deliveries into the landing folder."""
        for delivery in deliveries:
            submit(self.root, delivery, load_contracts())

    def run(self, name: str = "cartbrook", **parameters: str) -> JobRun:
        """A run of a job of the bundle."""
        return JobRun(name, self._session, {"workspace": str(self.root), "catalog": "", **parameters}).start()


@pytest.fixture
def workspace(session, tmp_path, monkeypatch):
    """A workspace that the setup job has made."""
    made = Workspace(session, tmp_path / "volume")
    made.root.mkdir()
    (made.root / "cartbrook.yaml").write_text("stable_seconds: 0\n")

    class WorkspaceClient:
        class jobs:  # noqa: N801
            run_now = staticmethod(made.asked.append)

    sdk = ModuleType("databricks.sdk")
    sdk.WorkspaceClient = WorkspaceClient  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "databricks.sdk", sdk)
    assert made.run("setup", predictive_optimization="leave").good
    return made
