"""A lake with one batch published and another one handed in, processes that die in it, and what must be there in the end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.property.conftest import require_proved
from tests.property.shops import batch, customer, order, product, shipment, stock

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.lake.lake import Lake
from cartbrook.testing import Content, content, differences, submit

SETTINGS = Settings(stable_seconds=Decimal(0))
FIRST = batch(
    1,
    10,
    customers=[customer(), customer("c2"), customer("")],
    products=[product(), product("p2")],
    orders=[order(day="2025-01-10"), order("o9", "c9", day="2025-01-10")],
    shipping=[shipment(), shipment("s9", "o9")],
    inventory=[stock()],
)
SECOND = batch(
    2,
    11,
    customers=[customer(name="Bob"), customer("c9"), customer("c3"), customer("c3"), customer("c3", "Eve")],
    products=[product(price="11.00"), product("p3", price="none")],
    orders=[order("o2", "c2"), order("o3", "c7")],
    shipping=[shipment("s2", "o2"), shipment("s3", "o3")],
    inventory=[stock(quantity="6"), stock("p8")],
)
"""Opens versions, releases what waits, lets others wait, and has rows of every state."""


class Processes:
    """The helper process of driver.py."""

    def __init__(self) -> None:
        driver = Path(__file__).with_name("driver.py")
        self._helper = subprocess.Popen([sys.executable, driver], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.write(json.dumps(request, default=str) + "\n")
        self._helper.stdin.flush()
        line = self._helper.stdout.readline()
        assert line, "the helper process has ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def dies(self, workspace: Path, do: str, at: str, when: str = "before", nth: int = 1, inside: str | None = None) -> None:
        """Let a process do something and die at a call; fails where it did not come by there."""
        point = {"at": at, "when": when, "nth": nth, **({"inside": inside} if inside else {})}
        answer = self.ask(workspace=workspace, do=do, dies=point)
        assert answer["status"] == -9, f"was not killed {when} call {nth} of {at}: {answer}"

    def ends(self, workspace: Path, do: str = "run") -> list[str]:
        """Let a new process do something to its end."""
        answer = self.ask(workspace=workspace, do=do)
        assert answer["status"] == 0, answer
        said: list[str] = answer["said"]
        return said

    def close(self) -> None:
        """End the helper process."""
        assert self._helper.stdin is not None
        self._helper.stdin.close()
        self._helper.wait(timeout=30)
        assert self._helper.stdout is not None
        self._helper.stdout.close()


@dataclass(frozen=True)
class State:
    """Everything about a workspace that a crash must not change."""

    published: Content
    bronze: Content
    batches: tuple[Any, ...]
    files: dict[str, bytes]

    def require(self, found: State) -> None:
        """Assert that another workspace is in the same state."""
        assert differences(self.published, found.published) == []
        assert differences(self.bronze, found.bronze) == []
        assert found.batches == self.batches
        assert found.files == self.files


@dataclass(frozen=True)
class Scene:
    """Prepared workspaces: `before` has the second batch handed in, `after` has it published, `undone` has it undone again."""

    engine: Any
    folder: Path
    before: Path
    after: Path
    undone: Path
    states: dict[str, State]

    def copy(self, workspace: Path, name: str) -> Path:
        """A workspace of a test's own."""
        return shutil.copytree(workspace, self.folder / name)

    def open(self, workspace: Path) -> Any:
        """Its lake, in this process."""
        return pipeline.open_lake(workspace, SETTINGS, engine=self.engine)

    def published(self, workspace: Path) -> Content:
        """What readers see."""
        with self.open(workspace) as lake:
            return content(lake)

    def require(self, workspace: Path, state: str) -> None:
        """Assert that a workspace is as an undisturbed one, of which `audit` has found that all is well."""
        with self.open(workspace) as lake:
            self.states[state].require(state_of(lake))


def state_of(lake: Lake) -> State:
    """The state of a workspace as it is."""
    root = lake.places.root
    bronze: dict[str, Counter[tuple[Any, ...]]] = {}
    for domain in lake.contracts:
        name = f"bronze.{domain}"
        bronze[name] = Counter(tuple(row.items()) for row in lake.tables.arrow(name).to_pylist())
    rows = [
        (row.batch_id, row.revision, row.status, row.score, row.rows_read, row.rows_accepted, row.rows_parked)
        for row in lake.ledger.batches()
    ]
    folders = (lake.places.landing, lake.places.work, lake.places.archive, lake.places.rejected)
    files = {str(path.relative_to(root)): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    return State(content(lake), bronze, tuple(rows), files)


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Starts processes that may die."""
    helper = Processes()
    yield helper
    helper.close()


@pytest.fixture(scope="session")
def scene(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The prepared workspaces."""
    folder = tmp_path_factory.mktemp("faults")
    before = folder / "before"
    with pipeline.open_lake(before, SETTINGS, engine=engine, create=True) as lake:
        pipeline.init(lake)
        submit(before, FIRST, lake.contracts)
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        submit(before, SECOND, lake.contracts)
        states = {"before": state_of(lake)}
    after = shutil.copytree(before, folder / "after")
    with pipeline.open_lake(after, SETTINGS, engine=engine) as lake:
        assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
        states["after"] = state_of(lake)
        require_proved(lake)
    undone = shutil.copytree(after, folder / "undone")
    with pipeline.open_lake(undone, SETTINGS, engine=engine) as lake:
        pipeline.undo(lake, "b2")
        states["undone"] = state_of(lake)
        require_proved(lake)
    return Scene(engine, folder, before, after, undone, states)


@pytest.fixture
def workspace(scene: Scene, request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Path]]:
    """Gives copies of prepared workspaces, and removes them."""
    made: list[Path] = []

    def copy(prepared: Path) -> Path:
        made.append(scene.copy(prepared, f"copy-{abs(hash(request.node.nodeid))}-{len(made)}"))
        return made[-1]

    yield copy
    for path in made:
        shutil.rmtree(path)
