"""The bundle's files, as far as can be known without a workspace."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from databricks.bundles.dashboards import Dashboard
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume
from tests.bundle import bundle

from cartbrook import pipeline
from cartbrook.lake.catalog import PUBLISHED
from cartbrook.lake.places import Places

pytestmark = pytest.mark.engine("sail")  # no engine at all: once is enough

KINDS: dict[str, Any] = {"jobs": Job, "schemas": Schema, "volumes": Volume, "dashboards": Dashboard}
TASK_TYPE = re.compile(r"\w+_task")
DYNAMIC = re.compile(r"\{\{([^}]*)\}\}")
STEPS = ["receive", *pipeline.STORY]
JOBS = bundle.resources()["jobs"]
TARGETS = sorted(bundle.bundle()["targets"])


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, named in bundle.resources().items() for name in named], ids=lambda word: word
)
def test_every_field_is_known(kind, name):
    """databricks-bundles takes each resource as it is written; it refuses fields and values that it does not know."""
    KINDS[kind].from_dict(bundle.resources()[kind][name])


def test_an_unknown_field_is_refused():
    """What the test above relies on."""
    with pytest.raises(Exception, match="max_concurent_runs"):
        KINDS["jobs"].from_dict({**JOBS["cartbrook"], "max_concurent_runs": 1})


@pytest.mark.parametrize("target", TARGETS)
def test_every_reference_leads_somewhere(target):
    """Variables, and names and ids of other resources, are there for each target."""
    for named in bundle.resources().values():
        for value in named.values():
            assert "${" not in str(bundle.resolved(value, target))
    assert set(bundle.bundle()["targets"][target].get("variables", {})) <= set(bundle.bundle()["variables"])


def test_two_targets_with_two_catalogs():
    """dev is what one gets without asking; both have the same table names in catalogs of their own."""
    assert TARGETS == ["dev", "prod"]
    assert bundle.bundle()["targets"]["dev"]["default"]
    assert bundle.bundle()["targets"]["dev"].get("mode") is None  # it would rename the schemas
    assert bundle.variables("dev")["catalog"] != bundle.variables("prod")["catalog"]


@pytest.mark.parametrize("name", JOBS)
def test_files_are_there(name):
    """Notebooks, and the dashboard's file, lie where the bundle says, seen from the file that says it."""
    for task in JOBS[name]["tasks"]:
        if "notebook_task" in task:
            assert (bundle.ROOT / "resources" / task["notebook_task"]["notebook_path"]).is_file()
    for dashboard in bundle.resources()["dashboards"].values():
        assert (bundle.ROOT / "resources" / dashboard["file_path"]).is_file()


def problems_of(job) -> list[str]:
    """What is wrong with the graph of a job's tasks."""
    found, known, tasks = [], set(), {task["task_key"]: task for task in job["tasks"]}
    if len(tasks) != len(job["tasks"]):
        found.append("a key twice")
    environments = {environment["environment_key"] for environment in job.get("environments", [])}
    for key, task in tasks.items():
        kinds = [field for field in task if TASK_TYPE.fullmatch(field)]
        if len(kinds) != 1:
            found.append(f"{key}: {len(kinds)} types")
        for dependency in task.get("depends_on", []):
            before = tasks.get(dependency["task_key"])
            if before is None:
                found.append(f"{key}: depends on {dependency['task_key']}, which is not there")
            elif dependency["task_key"] not in known:
                found.append(f"{key}: comes before {dependency['task_key']}, or in a circle")
            if before is not None and ("outcome" in dependency) != ("condition_task" in before):
                found.append(f"{key}: an outcome is for conditions, and they need one")
        if "environment_key" in task and task["environment_key"] not in environments:
            found.append(f"{key}: no environment {task['environment_key']}")
        above = _above(tasks, key)
        for reference in DYNAMIC.findall(str(task)):
            words = reference.split(".")
            if words[0] == "tasks" and words[1] not in above:
                found.append(f"{key}: refers to {words[1]}, which does not run before it")
        known.add(key)
    return found


def _above(tasks, key) -> set[str]:
    direct = [dependency["task_key"] for dependency in tasks[key].get("depends_on", []) if dependency["task_key"] in tasks]
    return {*direct, *(name for one in direct if one != key for name in _above(tasks, one))} if len(tasks) < 50 else set()


@pytest.mark.parametrize("name", JOBS)
def test_the_graph_of_tasks(name):
    """Each task has one type and depends on tasks before it; so there is no circle."""
    assert problems_of(JOBS[name]) == []


def test_wrong_graphs_are_found():
    """What the test above relies on."""
    one, two = {"task_key": "a", "notebook_task": {}}, {"task_key": "b", "notebook_task": {}, "depends_on": [{"task_key": "a"}]}
    assert problems_of({"tasks": [one, two]}) == []
    assert problems_of({"tasks": [two, one]}) == ["b: comes before a, or in a circle"]
    assert problems_of({"tasks": [two]}) == ["b: depends on a, which is not there"]
    assert problems_of({"tasks": [{**one, "run_job_task": {}}]}) == ["a: 2 types"]
    assert problems_of({"tasks": [{**one, "depends_on": [{"task_key": "a", "outcome": "true"}]}]}) != []
    refers = {**two, "depends_on": [], "notebook_task": {"base_parameters": {"x": "{{tasks.a.values.x}}"}}}
    assert problems_of({"tasks": [one, refers]}) == ["b: refers to a, which does not run before it"]


def test_the_job_tells_the_story():
    """Its notebooks are the steps in order, one after another, and then the task that starts another run."""
    tasks = JOBS["cartbrook"]["tasks"]
    notebooks = [Path(task["notebook_task"]["notebook_path"]).stem for task in tasks if "notebook_task" in task]
    assert notebooks == [*STEPS, "again"]
    for before, task in itertools.pairwise(tasks):
        assert [dependency["task_key"] for dependency in task["depends_on"]] == [before["task_key"]]
    assert {task["run_if"] for task in tasks[:-1]} == {"ALL_SUCCESS"}
    assert tasks[-1]["run_if"] == "ALL_DONE"


def test_one_run_at_a_time_and_nothing_lost():
    """What keeps two writers apart, what waits meanwhile, and who is told."""
    job = JOBS["cartbrook"]
    assert job["max_concurrent_runs"] == 1
    assert job["queue"]["enabled"] is True
    assert job["health"]["rules"][0]["metric"] == "RUN_DURATION_SECONDS"
    assert job["email_notifications"]["on_failure"]
    assert all(seconds >= 60 for name, seconds in job["trigger"]["file_arrival"].items() if name.endswith("_seconds"))
    assert [task["run_job_task"]["job_id"] for task in JOBS["net"]["tasks"]] == ["${resources.jobs.cartbrook.id}"]
    assert "schedule" in JOBS["net"]  # a job has one trigger, so the schedule is another job's


def test_the_watched_folder_is_that_of_triggers():
    """The job watches landing/triggers of the workspace that its tasks work in."""
    job = bundle.resolved(JOBS["cartbrook"])
    [workspace] = [parameter["default"] for parameter in job["parameters"] if parameter["name"] == "workspace"]
    assert job["trigger"]["file_arrival"]["url"].rstrip("/") == str(Places(Path(workspace)).triggers)


def test_schemas_are_the_layers():
    """Tables have the layer for a schema; views have one of their own, which the dashboard reads and readers may read."""
    schemas = bundle.resources()["schemas"]
    assert {schema["name"] for schema in schemas.values()} == {"bronze", "silver", "gold", "ops", PUBLISHED}
    assert [name for name, schema in schemas.items() if schema.get("grants")] == [PUBLISHED]
    [dashboard] = bundle.resources()["dashboards"].values()
    assert bundle.resolved(dashboard["dataset_schema"]) == PUBLISHED
