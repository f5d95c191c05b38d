"""Workspaces in which some batches are published, made once and copied: a copy takes milliseconds, a batch seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.testing import Delivery, submit

Shelf = Callable[..., Path]
SETTINGS = Settings(stable_seconds=Decimal(0))


@pytest.fixture(scope="session")
def shelf(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """`shelf(root, *batches, contracts={domain: text})`: a workspace at `root`, with these batches published in this order."""
    made: dict[str, Path] = {}

    def prepare(batches: tuple[Delivery, ...], contracts: Mapping[str, str]) -> Path:
        key = repr((batches, contracts))
        if key not in made:
            root = tmp_path_factory.mktemp("shelf") / "shop"
            if batches:
                shutil.copytree(prepare(batches[:-1], contracts), root)
            else:
                (root / "contracts").mkdir(parents=True)
                for domain, text in contracts.items():
                    (root / "contracts" / f"{domain}.odcs.yaml").write_text(text, encoding="utf-8")
            with pipeline.open_lake(root, SETTINGS, engine=engine, create=not batches) as lake:
                if batches:
                    submit(root, batches[-1], lake.contracts)
                    assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
                else:
                    pipeline.init(lake)
            made[key] = root
        return made[key]

    def take(root: Path, *batches: Delivery, contracts: Mapping[str, str] | None = None) -> Path:
        return shutil.copytree(prepare(batches, contracts or {}), root)

    return take
