"""A workspace with two batches, a held and a refused trigger; and the command, called in this process."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cartbrook.cli.app import call

EXAMPLE = Path(__file__).parents[2] / "examples" / "tea-shop"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


Command = Callable[..., Ended]


def run_command(*words: str | Path) -> Ended:
    """Run `cartbrook` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = call([str(word) for word in words])
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def cartbrook() -> Command:
    """`cartbrook("run", "-w", folder)`."""
    return run_command


@pytest.fixture(scope="session")
def first_run() -> list[Ended]:
    """Filled by `shop`: how its run ended."""
    return []


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, first_run: list[Ended]) -> Path:
    """The tea shop of examples/ after both days, in a folder that engines stumble over."""
    folder = tmp_path_factory.mktemp("cli") / "Müller Shop"
    assert run_command("init", folder).code == 0
    assert run_command("submit", *sorted(EXAMPLE.glob("trigger_*.json")), "-w", folder).code == 0
    trigger = json.loads((EXAMPLE / "trigger_2025_06_03.json").read_text("utf-8"))
    trigger |= {"trigger_id": "tea_2025_06_04", "batch_date": "2025-06-04", "data_files_ready": False}
    triggers = folder / "landing" / "triggers"
    (triggers / "tea_2025_06_04.json").write_text(json.dumps(trigger), "utf-8")
    (triggers / "torn.json").write_text('{"trigger_id": "torn", ', "utf-8")
    first_run.append(run_command("run", "-w", folder))
    return folder


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without a batch, to be copied."""
    folder = tmp_path_factory.mktemp("blank") / "shop"
    assert run_command("init", folder).code == 0
    return folder
