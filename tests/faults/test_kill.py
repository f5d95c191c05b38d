"""Processes killed at any point: readers keep a published state, and the next run ends as if nothing had happened."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from tests.property.conftest import require_proved

from cartbrook import pipeline
from cartbrook.contracts.load import load_contracts
from cartbrook.testing import differences

pytestmark = [pytest.mark.slow, pytest.mark.engine("sail")]

STEP = "cartbrook.steps.{0}.run".format
PUBLISH = "cartbrook.lake.ledger.Ledger.publish"
SAVE = "cartbrook.lake.ledger.Ledger.save"
RECORD = "cartbrook.lake.ledger.Ledger.record"
NOTE = "cartbrook.lake.tables.Tables._note"
STAGE = "cartbrook.lake.tables.Tables.stage"
RESTORE = "cartbrook.lake.tables.Tables.restore"
CLAIM, ARCHIVE = "cartbrook.lake.intake.claim", "cartbrook.lake.intake.archive"
MOVED, SHIFTED = "pathlib.Path.replace", "shutil.move"

AFTER_STEPS = ("ingest", "validate", "history", "facts", "marts", "publish", "archive")
PUBLISHED = {"publish", "archive"}

RUN_POINTS = {
    "as the publication is about to be committed": (PUBLISH, "before", 1, None, False),
    "between the publication and ops.batches": (PUBLISH, "after", 1, None, True),
    "in the middle of validate, before the first write is noted": (NOTE, "before", 1, STEP("validate"), False),
    "in the middle of history, one dimension merged": (NOTE, "after", 1, STEP("history"), False),
    "in the middle of facts": (NOTE, "after", 2, STEP("facts"), False),
    "in the middle of marts": (NOTE, "after", 4, STEP("marts"), False),
    "in the middle of the archive, two files moved": (SHIFTED, "after", 2, ARCHIVE, True),
    "in the archive, all files but the trigger moved": (SHIFTED, "before", 6, ARCHIVE, True),
}

CHAIN = [
    (MOVED, "after", 2, CLAIM),
    (MOVED, "after", 2, CLAIM),
    (CLAIM, "after", 1, None),
    (SAVE, "before", 1, None),
    (SAVE, "after", 1, None),
    (NOTE, "after", 3, STEP("ingest")),
    (NOTE, "after", 4, STEP("validate")),
    (RESTORE, "after", 2, None),
    (RECORD, "after", 1, None),
    (STAGE, "after", 3, STEP("facts")),
]
"""Deaths of one batch, each process beginning with what the one before it left."""

UNDO_POINTS = {
    "after withdraw": (STEP("withdraw"), "after", 1, None, False),
    "in the middle of facts": (NOTE, "after", 1, STEP("facts"), False),
    "between the publication and ops.batches": (PUBLISH, "after", 1, None, True),
}
REBUILD_POINTS = {
    "after one batch was validated anew": (STEP("validate"), "after", 1, None),
    "after marts": (STEP("marts"), "after", 1, None),
    "between the publication and the ledger": (PUBLISH, "after", 1, None),
}
MAINTAIN_POINTS = {
    "two tables compacted": (NOTE, "after", 2, None),
    "between the publication and the ledger's tables": (PUBLISH, "after", 1, None),
    "some files removed": ("pathlib.Path.unlink", "after", 3, "cartbrook.lake.maintenance.Excess.remove"),
}
EVOLVE_POINTS = {
    "one table altered": (NOTE, "after", 1, "cartbrook.lake.lake.Lake.evolve", False),
    "all tables altered": ("cartbrook.lake.lake.Lake.evolve", "after", 1, None, False),
    "as the publication is about to be committed": (PUBLISH, "before", 1, None, False),
    "after the publication": (PUBLISH, "after", 1, None, True),
}


def test_killed_after_each_step(scene, processes, workspace):
    """Processes killed one after another, each behind the next step, leave what readers see alone; one more ends well."""
    assert tuple(pipeline.STORY) == AFTER_STEPS
    shop = workspace(scene.before)
    for step in AFTER_STEPS:
        if step == "archive":  # a batch that was published is archived before anything else, not by the story
            shop = workspace(scene.before)
        processes.dies(shop, "run", STEP(step), "after")
        seen = scene.states["after" if step in PUBLISHED else "before"].published
        assert differences(seen, scene.published(shop)) == []
    processes.ends(shop)
    scene.require(shop, "after")


@pytest.mark.parametrize("point", RUN_POINTS)
def test_killed_in_between(scene, processes, workspace, point):
    """The same in the middle of a step, around the one commit that counts, and while files are moved."""
    *call, published = RUN_POINTS[point]
    shop = workspace(scene.before)
    processes.dies(shop, "run", *call)
    assert differences(scene.states["after" if published else "before"].published, scene.published(shop)) == []
    processes.ends(shop)
    scene.require(shop, "after")


def test_killed_again_and_again(scene, processes, workspace):
    """One batch whose process dies ten times, each time a little further on, ends like an undisturbed one."""
    shop = workspace(scene.before)
    for call in CHAIN:
        processes.dies(shop, "run", *call)
    processes.ends(shop)
    scene.require(shop, "after")


@pytest.mark.parametrize("point", UNDO_POINTS)
def test_killed_in_an_undo(scene, processes, workspace, point):
    """An undo that died is not there until its publication, and can then be asked for again."""
    *call, published = UNDO_POINTS[point]
    shop = workspace(scene.after)
    processes.dies(shop, "undo b2", *call)
    assert differences(scene.states["undone" if published else "after"].published, scene.published(shop)) == []
    assert processes.ends(shop) == []
    if not published:
        scene.require(shop, "after")
        assert processes.ends(shop, "undo b2") == ["undone"]
    scene.require(shop, "undone")


@pytest.mark.parametrize("point", REBUILD_POINTS)
def test_killed_in_a_rebuild(scene, processes, workspace, point):
    """A rebuild that died changes nothing for readers, nor for the batch that runs after it."""
    shop = workspace(scene.before)
    processes.dies(shop, "rebuild from_bronze", *REBUILD_POINTS[point])
    assert differences(scene.states["before"].published, scene.published(shop)) == []
    processes.ends(shop)
    scene.require(shop, "after")


@pytest.mark.parametrize("point", MAINTAIN_POINTS)
def test_killed_in_maintenance(scene, processes, workspace, point):
    """Maintenance that died changes nothing that is read; a batch runs after it, and maintenance after that ends."""
    shop = workspace(scene.before)
    processes.dies(shop, "maintain", *MAINTAIN_POINTS[point])
    assert differences(scene.states["before"].published, scene.published(shop)) == []
    processes.ends(shop)
    processes.ends(shop, "maintain")
    scene.require(shop, "after")


@pytest.mark.parametrize("point", EVOLVE_POINTS)
def test_killed_while_columns_come(scene, processes, workspace, point):
    """A run that died while it added a new column left readers alone; the next one adds it, and nothing else changes."""
    *call, published = EVOLVE_POINTS[point]
    shop = workspace(scene.after)
    gain(shop, "products", "origin")
    processes.dies(shop, "run", *call)
    assert ("origin" in shown(scene.published(shop))) == published
    assert processes.ends(shop) == []
    found = scene.published(shop)
    assert "origin" in shown(found)
    old = {table: Counter(tuple(p for p in row if p[0] != "origin") for row in rows.elements()) for table, rows in found.items()}
    assert differences(scene.states["after"].published, old) == []
    if not published:
        with scene.open(shop) as lake:
            require_proved(lake)


def gain(workspace, domain: str, column: str) -> None:
    """Give a shop's contract a new column of text."""
    text = (Path(load_contracts.__code__.co_filename).parent / "domains" / f"{domain}.odcs.yaml").read_text("utf-8")
    head, _, tail = text.partition("    properties:\n")
    folder = workspace / "contracts"
    folder.mkdir(exist_ok=True)
    new = f"    properties:\n      - name: {column}\n        physicalType: string\n"
    (folder / f"{domain}.odcs.yaml").write_text(f"{head}{new}{tail}", "utf-8")


def shown(found) -> set[str]:
    """The columns that readers see in the dimension of products."""
    return {name for row in found["gold.dim_product"] for name, _ in row}


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_time(scene, processes, workspace, seed):
    """Unchanged processes killed from outside at random times, several in a row, lose and double nothing."""
    chance = random.Random(seed)
    shop = workspace(scene.before)
    for _ in range(4):
        answer = processes.ask(workspace=shop, do="run", seconds=chance.uniform(0.1, 2.0))
        assert answer["status"] in (0, -9), answer
    processes.ends(shop)
    scene.require(shop, "after")


def test_a_job_killed_between_its_tasks(scene, processes, workspace):
    """Steps run one by one go on where a killed process stopped, also when the step that died runs again."""
    shop = workspace(scene.before)
    processes.ends(shop, "steps b2 receive ingest validate")
    processes.dies(shop, "steps b2 history", NOTE, "after", 1)
    processes.ends(shop, "steps b2 history facts")
    processes.dies(shop, "steps b2 marts publish", PUBLISH, "after", 1)
    processes.ends(shop, "steps b2 publish archive")
    processes.ends(shop)
    scene.require(shop, "after")
