"""The bundle as files say it: resources by kind and name, with the variables of a target put in."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "databricks.yml"
REFERENCE = re.compile(r"\$\{([\w.]+)\}")

Resources = dict[str, dict[str, dict[str, Any]]]


@cache
def bundle() -> dict[str, Any]:
    """What databricks.yml says."""
    value: dict[str, Any] = yaml.safe_load(BUNDLE.read_text("utf-8"))
    return value


def files() -> list[Path]:
    """The files it includes."""
    return sorted(path for pattern in bundle()["include"] for path in ROOT.glob(pattern))


def resources() -> Resources:
    """All resources as they are written."""
    found: Resources = {}
    for path in files():
        for kind, named in yaml.safe_load(path.read_text("utf-8"))["resources"].items():
            for name, value in named.items():
                assert name not in found.get(kind, {}), f"{kind}.{name} is there twice"
                found.setdefault(kind, {})[name] = value
    return found


def variables(target: str) -> dict[str, str]:
    """The values that a target has for variables; one without gets a word of its own."""
    declared = {name: value.get("default", f"<{name}>") for name, value in bundle()["variables"].items()}
    return {**declared, **bundle()["targets"][target].get("variables", {})}


def resolved(value: Any, target: str = "dev") -> Any:
    """A value with the references of the bundle put in; one that leads nowhere raises KeyError."""
    if isinstance(value, dict):
        return {key: resolved(inner, target) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner, target) for inner in value]
    if not isinstance(value, str):
        return value
    return REFERENCE.sub(lambda match: _looked_up(match[1], target), value)


def _looked_up(name: str, target: str) -> str:
    kind, *rest = name.split(".")
    if kind == "var":
        return variables(target)[rest[0]]
    if kind == "bundle":
        return {"target": target, "name": str(bundle()["bundle"]["name"])}[rest[0]]
    assert kind == "resources", f"unknown reference {name}"
    group, resource, field = rest
    found = resources()[group][resource]
    return f"<id of {group} {resource}>" if field == "id" else str(resolved(found[field], target))
