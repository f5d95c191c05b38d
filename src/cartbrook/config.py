"""Settings: one frozen value, made from defaults < cartbrook.yaml < CARTBROOK_* < command line.

The only module that reads the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from cartbrook.errors import ConfigError

FILE_NAME = "cartbrook.yaml"
ENGINES = ("sail", "spark")
_given: dict[str, str | None] = {}
_WEIGHTS = {"CRITICAL": 10, "HIGH": 5, "MEDIUM": 2, "LOW": 1}


def _limits(**values: tuple[int, int]) -> dict[str, tuple[int, int]]:
    return {name.replace("_", " "): pair for name, pair in values.items()}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a shop may set. Names are the keys of cartbrook.yaml; CARTBROOK_<NAME> overrides single values.

    Attributes:
        engine: ``sail`` (in-process, no JVM) or ``spark``.
        master: Of engine ``spark``: ``local[*]``, a cluster ``spark://host:port``, or a Spark Connect server ``sc://host:port``.
        spark_conf: Spark's own settings by name, for engine ``spark``; they go before those that cartbrook makes.
        catalog: Catalog that holds the tables by name (Unity Catalog); None keeps them as folders in the workspace.
        retention_days: How long the tables of a catalog keep the log and files of old versions.
        timezone: Zone of timestamps in files that carry no ``Z``.
        hemisphere: ``north`` or ``south``: which months are winter.
        reporting_currency: Currency of customers without orders; None takes the one with most orders.
        default_margin_rate: Share of the amount that counts as margin where no cost is known.
        category_margin_rates: The same by product category.
        customer_segments: Segment -> (least revenue, least revenue orders), best first.
        performance_categories: Product category of performance -> (least revenue, least revenue orders), best first.
        severity_weights: What a broken rule costs in a score, by severity; those not named keep their weight.
        score_gate: A batch scoring below is rejected; None switches the gate off.
        score_warning: A batch scoring below is published with a warning; None gives none.
        quarantine_gate: A batch of whose records a larger share (0.2) is quarantined is rejected; None switches the gate off.
        max_days_ahead: A batch_date further past as_of is held until confirmed.
        max_snapshot_shrink: A full snapshot that lacks a larger share of the keys that are there is held until confirmed.
        max_days_parked: Records that wait longer for their parents, in days of business, are told by `status` and `run`.
        file_wait_minutes: How long a trigger waits for files that are not there.
        stable_seconds: A file not handed in by `submit` must not have changed for this long.
        max_file_bytes: Larger files are refused.
        max_field_bytes: Records with a larger field are quarantined.
        max_line_breaks: Records with a field of more line breaks are quarantined.
        max_columns: Files whose header names more columns are refused.
        parallel: Tables written at a time.
        prune_from: Rows of a table from which on it is read only where the keys of a small batch lie.
        maintain_every: After so many publications `run` compacts tables and removes what is not needed any more; 0 is never.
        keep_publications: So many of the newest publications stay readable by `audit --publication`.
        keep_hours: Files that were dropped stay for as long, for readers that began before; 168 at most.
    """

    engine: str = "sail"
    master: str = "local[*]"
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    catalog: str | None = None
    retention_days: int = 365
    timezone: str = "UTC"
    hemisphere: str = "north"
    reporting_currency: str | None = None
    default_margin_rate: Decimal = Decimal("0.30")
    category_margin_rates: Mapping[str, Decimal] = field(default_factory=dict)
    customer_segments: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: _limits(VIP=(1000, 5), High_Value=(500, 3), Medium_Value=(200, 2))
    )
    performance_categories: Mapping[str, tuple[int, int]] = field(
        default_factory=lambda: _limits(Star=(5000, 20), High_Performer=(2000, 10), Medium_Performer=(500, 5))
    )
    severity_weights: Mapping[str, Decimal] = field(
        default_factory=lambda: {name: Decimal(weight) for name, weight in _WEIGHTS.items()}
    )
    score_gate: Decimal | None = None
    score_warning: Decimal | None = None
    quarantine_gate: Decimal | None = None
    max_days_ahead: int = 400
    max_snapshot_shrink: Decimal = Decimal("0.30")
    max_days_parked: int = 14
    file_wait_minutes: Decimal = Decimal(60)
    stable_seconds: Decimal = Decimal(1)
    max_file_bytes: int = 5 * 2**30
    max_field_bytes: int = 2**20
    max_line_breaks: int = 100
    max_columns: int = 2_000
    parallel: int = 4
    prune_from: int = 100_000
    maintain_every: int = 10
    keep_publications: int = 50
    keep_hours: int = 168

    def gold_hash(self) -> str:
        """Hash of the settings that change figures in gold; a part of the logic hash."""
        names = (
            "timezone",
            "hemisphere",
            "reporting_currency",
            "default_margin_rate",
            "category_margin_rates",
            "customer_segments",
            "performance_categories",
        )
        values = {name: getattr(self, name) for name in names}
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def load_settings(workspace: Path, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings in force for a workspace.

    Args:
        workspace: Folder that may hold cartbrook.yaml.
        overrides: Values of the command line; None values are taken as not given.

    Raises:
        ConfigError: A name is unknown or a value is of no use; says where it came from.
    """
    values: dict[str, Any] = {}
    path = workspace / FILE_NAME
    if path.exists():
        values |= _checked(_read(path), FILE_NAME)
    names = {f.name for f in dataclasses.fields(Settings)}
    environment = {key[10:].lower(): value for key, value in os.environ.items() if key.startswith("CARTBROOK_")}
    values |= _checked({key: yaml.safe_load(text) for key, text in environment.items() if key in names}, "environment")
    given = {**_given, **(overrides or {})}
    values |= _checked({key: value for key, value in given.items() if value is not None}, "command line")
    return Settings(**values)


def command_line(**values: str | None) -> None:
    """Settings that options of the command line give to all that this process loads; None is not given."""
    _given.clear()
    _given.update(values)


def user_name() -> str:
    """Who works here, for the ledger; ``unknown`` where the system does not say."""
    return os.environ.get("USER") or os.environ.get("USERNAME") or "unknown"


def environment(**defaults: str) -> None:
    """Set environment variables that libraries read when they start, keeping what the user has set."""
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def java_homes() -> list[Path]:
    """Where the user says that Java is."""
    home = os.environ.get("JAVA_HOME")
    return [Path(home)] if home else []


def _read(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path.name}{where}: this is not YAML.", hint="See docs/settings.md for an example.") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path.name}: expected `name: value` lines.")
    return value


def _checked(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    known = {f.name: f for f in dataclasses.fields(Settings)}
    result: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            raise ConfigError(f"{source}: unknown setting {name!r}.", hint=f"Did you mean {close[0]!r}?" if close else None)
        try:
            result[name] = _convert(str(known[name].type), value)
            if name == "severity_weights":
                result[name] = {**Settings().severity_weights, **result[name]}
        except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
            raise ConfigError(f"{source}: setting {name!r} has no usable value.", hint=f"It is {known[name].type}.") from error
    _check_choices(result, source)
    return result


def _convert(kind: str, value: Any) -> Any:
    if kind.endswith("| None") and value is None:
        return None
    kind = kind.removesuffix(" | None")
    if kind == "int":
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError(value)
        return int(value)
    if kind == "Decimal":
        number = Decimal(str(value))
        if not number.is_finite():
            raise ValueError(value)
        return number
    if kind == "Mapping[str, str]":
        return {str(name): str(word).lower() if isinstance(word, bool) else str(word) for name, word in value.items()}
    if kind == "Mapping[str, Decimal]":
        return {str(name): Decimal(str(rate)) for name, rate in value.items()}
    if kind == "Mapping[str, tuple[int, int]]":
        return {str(name): (int(low), int(count)) for name, (low, count) in value.items()}
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _check_choices(values: Mapping[str, Any], source: str) -> None:
    for name, choices in {"engine": ENGINES, "hemisphere": ("north", "south")}.items():
        if name in values and values[name] not in choices:
            raise ConfigError(f"{source}: setting {name!r} is {values[name]!r}.", hint=f"Choose one of {', '.join(choices)}.")
    if "timezone" in values:
        try:
            ZoneInfo(values["timezone"])
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(f"{source}: unknown time zone {values['timezone']!r}.", hint="Such as Europe/Berlin.") from error
    for name in ("parallel", "retention_days", "max_file_bytes", "max_field_bytes", "max_columns", "keep_publications"):
        if values.get(name, 1) < 1:
            raise ConfigError(f"{source}: setting {name!r} must be 1 or more.")
    if values.get("maintain_every", 0) < 0:
        raise ConfigError(f"{source}: setting 'maintain_every' must be 0 or more.")
    ranges = {"score_gate": 100, "score_warning": 100, "quarantine_gate": 1, "max_snapshot_shrink": 1, "keep_hours": 168}
    for name, most in ranges.items():
        value = values.get(name)
        if value is not None and not 0 <= value <= most:
            raise ConfigError(f"{source}: setting {name!r} is {value}.", hint=f"It is a number from 0 to {most}.")
    weights = values.get("severity_weights", {})
    if set(weights) - set(_WEIGHTS) or any(not weight.is_finite() or weight < 0 for weight in weights.values()):
        hint = f"A number from 0 on for each of {', '.join(_WEIGHTS)}."
        raise ConfigError(f"{source}: setting 'severity_weights' has no usable value.", hint=hint)
