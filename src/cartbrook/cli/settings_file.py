"""The settings file that `init` writes: every setting with its default, commented out."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from cartbrook.config import FILE_NAME, Settings

_HEAD = """\
# Settings of this cartbrook workspace. Lines that begin with # are the defaults; take the # away to change one.
# An environment variable CARTBROOK_<NAME> goes before what stands here. docs/settings.md tells more.
"""
_ENTRY = re.compile(r"^    (\w+): (.+(?:\n      .+)*)", re.MULTILINE)


def write_settings_file(folder: Path) -> bool:
    """Write cartbrook.yaml unless it is there; returns whether it was written."""
    path = folder / FILE_NAME
    if path.exists():
        return False
    path.write_text(settings_text(), encoding="utf-8")
    return True


def settings_text() -> str:
    """The settings file as text; what each setting means is taken from the docstring of `Settings`."""
    defaults = Settings()
    parts = [_HEAD]
    for name, meaning in descriptions().items():
        parts.append(f"# {meaning}\n# {name}: {_yaml(getattr(defaults, name))}\n")
    return "\n".join(parts)


def descriptions() -> dict[str, str]:
    """What each setting means, in the order of `Settings`."""
    told = {name: " ".join(text.split()).replace("``", "") for name, text in _ENTRY.findall(_indented(Settings.__doc__ or ""))}
    return {field.name: told[field.name] for field in dataclasses.fields(Settings)}


def _indented(doc: str) -> str:
    """The docstring as if it stood in a module: Python 3.13 takes indentation away itself."""
    return inspect.cleandoc(doc)


def _yaml(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_yaml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml(inner) for inner in value) + "]"
    return json.dumps(value)
