"""A job run as Databricks would: its tasks by their conditions, each notebook as a script with a stand-in for dbutils."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bundle import bundle

SOURCE = "# Databricks notebook source\n"
CELL = "\n# COMMAND ----------\n"
_DYNAMIC = re.compile(r"\{\{([\w.]+)\}\}")


class Widgets:
    """`dbutils.widgets` in a job: parameters go before the defaults of the notebook."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = given
        self._declared: dict[str, str] = {}

    def text(self, name: str, default: str) -> None:
        """Declare a widget."""
        self._declared[name] = default

    def get(self, name: str) -> str:
        """Its value; one that was not declared is an error, as there."""
        return {**self._declared, **{key: value for key, value in self._given.items() if key in self._declared}}[name]


class TaskValues:
    """`dbutils.jobs.taskValues` of one task of a run."""

    def __init__(self, run: JobRun, task: str) -> None:
        self._run = run
        self._task = task

    def set(self, key: str, value: object) -> None:
        """Give a value to the tasks behind; it must go through JSON, and be small."""
        text = json.dumps(value)
        assert len(text) <= 48 * 1024
        self._run.values.setdefault(self._task, {})[key] = json.loads(text)

    def get(self, taskKey: str, key: str, default: object = None, debugValue: object = None) -> Any:  # noqa: N803
        """A value of a task before."""
        del debugValue  # for notebooks outside of jobs
        return self._run.values.get(taskKey, {}).get(key, default)


class Jobs:
    """`dbutils.jobs`."""

    def __init__(self, values: TaskValues) -> None:
        self.taskValues = values


class Dbutils:
    """What notebooks use of `dbutils`, and nothing else."""

    def __init__(self, run: JobRun, task: str, given: dict[str, str]) -> None:
        self.widgets = Widgets(given)
        self.jobs = Jobs(TaskValues(run, task))


@dataclass
class JobRun:
    """One run of a job of the bundle.

    Attributes:
        parameters: Values in the place of the job's defaults.
        states: What became of each task: success, failed, excluded or upstream_failed.
        values: What tasks gave to those behind them.
        errors: Why a task failed.
    """

    name: str
    session: Any
    parameters: dict[str, str]
    states: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    def start(self) -> JobRun:
        """Run every task that has not succeeded: all of them the first time, the others when the run is repaired."""
        job = bundle.resolved(bundle.resources()["jobs"][self.name])
        given = {**{parameter["name"]: parameter["default"] for parameter in job["parameters"]}, **self.parameters}
        self.errors = {}
        done = [key for key, state in self.states.items() if state == "success"]
        for task in job["tasks"]:
            key = task["task_key"]
            if key not in done:
                self.states[key] = self._due(task) or self._run(task, given)
        return self

    @property
    def good(self) -> bool:
        """True if the run counts as one that succeeded: what nothing depends on decides."""
        return self.states[list(self.states)[-1]] in ("success", "excluded")

    def _due(self, task: dict[str, Any]) -> str | None:
        """None if a task is to run, else the state of one that does not."""
        before = task.get("depends_on", [])
        if task.get("run_if", "ALL_SUCCESS") == "ALL_DONE" or not before:
            return None
        states = [self.states[dependency["task_key"]] for dependency in before]
        if any(state in ("failed", "upstream_failed") for state in states):
            return "upstream_failed"
        met = all(
            "outcome" not in dependency or self.values[dependency["task_key"]]["outcome"] == dependency["outcome"]
            for dependency in before
        )
        return None if met and set(states) == {"success"} else "excluded"

    def _run(self, task: dict[str, Any], given: dict[str, str]) -> str:
        key = task["task_key"]
        if "condition_task" in task:
            condition = task["condition_task"]
            assert condition["op"] == "EQUAL_TO"
            equal = self._filled(condition["left"]) == self._filled(condition["right"])
            self.values[key] = {"outcome": "true" if equal else "false"}
            return "success"
        path = bundle.ROOT / "resources" / task["notebook_task"]["notebook_path"]
        base = task["notebook_task"].get("base_parameters", {})
        dbutils = Dbutils(self, key, {**given, **{name: self._filled(text) for name, text in base.items()}})
        try:
            execute(path, spark=self.session, dbutils=dbutils)
        except Exception as error:  # noqa: BLE001 - a task that failed
            self.errors[key] = error
            return "failed"
        return "success"

    def _filled(self, text: str) -> str:
        """A parameter with dynamic values put in; what has no value stays as it is written, as there."""

        def value(match: re.Match[str]) -> str:
            words = match[1].split(".")
            if words == ["job", "id"]:
                return "4711"
            if words[0] == "tasks" and words[2] == "result_state":
                return self.states[words[1]]
            return str(self.values.get(words[1], {}).get(words[3], match[0]))

        return _DYNAMIC.sub(value, text)


def execute(path: Path, **names: Any) -> None:
    """Run a notebook from its first cell to its last."""
    text = path.read_text("utf-8")
    assert text.startswith(SOURCE)
    exec(compile(text, str(path), "exec"), {"__name__": "__main__", **names})  # its cells share their names
