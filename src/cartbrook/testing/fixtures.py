"""A pytest plugin: one engine for all tests of a process, and workspaces that are ready at once.

Use it by ``pytest_plugins = ["cartbrook.testing.fixtures"]`` in the top conftest.py of your tests.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.lake.session import Engine, open_engine


@pytest.fixture(scope="session")
def cartbrook_engine() -> Iterator[Engine]:
    """The default engine, open as long as the test process lives."""
    with open_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def cartbrook_empty_workspace(cartbrook_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after `init`, with the built-in contracts; copy it, do not work in it."""
    folder = tmp_path_factory.mktemp("cartbrook")
    with pipeline.open_lake(folder, Settings(stable_seconds=Decimal(0)), engine=cartbrook_engine, create=True) as lake:
        pipeline.init(lake)
    return folder


@pytest.fixture
def cartbrook_workspace(cartbrook_empty_workspace: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Gives a new empty workspace of a name, below the test's temporary folder."""

    def make(name: str = "shop") -> Path:
        return shutil.copytree(cartbrook_empty_workspace, tmp_path / name)

    return make
