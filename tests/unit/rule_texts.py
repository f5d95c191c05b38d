"""Contracts of orders with rules of a shop in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cartbrook.contracts.load import load_contracts, parse_contract
from cartbrook.contracts.model import Contract, Rule

ORDERS = (Path(load_contracts.__code__.co_filename).parent / "domains" / "orders.odcs.yaml").read_text(encoding="utf-8")
AT_OBJECT = "    quality:\n"
AT_COLUMN = "      - name: shipping_address\n        description: Where it goes, as text.\n"


def entry(action: str = "keep", /, **values: Any) -> dict[str, Any]:
    """A quality entry: what is named as a custom property (filter, warn, switch, spellings) becomes one."""
    custom: dict[str, Any] = {"action": action}
    custom |= {name: values.pop(name) for name in ("filter", "warn", "switch", "spellings") if name in values}
    properties = [{"property": name, "value": value} for name, value in custom.items()]
    return {"severity": "MEDIUM", "customProperties": properties, **values}


def measure(action: str = "keep", /, unit: str | None = None, **values: Any) -> dict[str, Any]:
    """An entry of our own vocabulary; what is no property of every entry belongs to its implementation."""
    common = {name: values.pop(name) for name in ("name", "filter", "warn", "dimension", "severity") if name in values}
    more = {"unit": unit} if unit else {}
    return entry(action, type="custom", engine="cartbrook", implementation=values, **common, **more)


def with_rules(*at_object: dict[str, Any], column: tuple[dict[str, Any], ...] = ()) -> str:
    """The built-in contract of orders with entries at the object, one a line, and at the column shipping_address."""
    text = ORDERS.replace(AT_OBJECT, AT_OBJECT + "".join(f"      - {json.dumps(rule)}\n" for rule in at_object), 1)
    if column:
        entries = "".join(f"          - {json.dumps(rule)}\n" for rule in column)
        text = text.replace(AT_COLUMN, f"{AT_COLUMN}        quality:\n{entries}", 1)
    return text


def parsed(*at_object: dict[str, Any], column: tuple[dict[str, Any], ...] = ()) -> Contract:
    """The contract of these rules."""
    return parse_contract(with_rules(*at_object, column=column), "orders.odcs.yaml")


def rule_of(*at_object: dict[str, Any], column: tuple[dict[str, Any], ...] = ()) -> Rule:
    """The one rule that these entries add."""
    known = {rule.name for rule in load_contracts()["orders"].rules}
    [added] = [rule for rule in parsed(*at_object, column=column).rules if rule.name not in known]
    return added
