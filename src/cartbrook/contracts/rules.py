"""The rules that follow from a contract by themselves, and what every entry of a rule has in common."""

from __future__ import annotations

from collections.abc import Mapping

from cartbrook.contracts.model import Action, Column, Rule, Scope, Severity
from cartbrook.contracts.yaml_marks import Spot, quoted, suggestion

DIMENSIONS_OF_QUALITY = ("accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness")
SWITCHES = ("schema_validation", "business_rules_validation")
"""Switches of a trigger's `data_quality_checks` that rules may listen to."""

_CONFLICT = "Two different rows with one key in one batch; the greatest stays."
_STRUCTURE = {
    "ragged_row": "The line has as many fields as the header.",
    "nul_byte": "No field holds a control character that no text holds (NUL or U+001F).",
    "field_too_long": "No field is longer than max_field_bytes.",
    "too_many_line_breaks": "No field holds more line breaks than max_line_breaks.",
}


def structure_rules() -> list[Rule]:
    """The rules on the line itself, the same in every domain."""
    return [_derived(name, "structure", None, "conformity", text) for name, text in _STRUCTURE.items()]


def column_rules(column: Column) -> list[Rule]:
    """The rules that a column's `required` and type stand for."""
    rules = []
    if column.required:
        text = f"{column.name} is never empty."
        rules.append(_derived(f"{column.name}_required", "required", column.name, "completeness", text))
    if column.type != "string":
        text = f"{column.name} has the form of {column.type}."
        rules.append(_derived(f"{column.name}_type", "type", column.name, "conformity", text))
    return rules


def unique_rule() -> Rule:
    """The rule on conflicting duplicates, for contracts that do not spell it out."""
    return Rule("duplicate_key", "unique", Severity.HIGH, Action.QUARANTINE, "uniqueness", Scope.BATCH, description=_CONFLICT)


def blank(name: str, check: str, dimension: str, column: str | None, scope: Scope = Scope.RECORD) -> Rule:
    """A rule that its entry completes."""
    return Rule(name, check, Severity.HIGH, Action.KEEP, dimension, scope, column)


def _derived(name: str, check: str, column: str | None, dimension: str, description: str) -> Rule:
    return Rule(name, check, Severity.HIGH, Action.QUARANTINE, dimension, Scope.RECORD, column, description=description)


def custom_properties(spots: Mapping[str, Spot], known: tuple[str, ...]) -> dict[str, Spot]:
    """The values under `customProperties` by name; those that name another vendor are not ours to judge."""
    found: dict[str, Spot] = {}
    for item in spots["customProperties"].items() if "customProperties" in spots else []:
        parts = item.mapping({"id", "property", "value", "description", "vendor"})
        name = parts["property"].text() if "property" in parts else None
        if name is None or ("vendor" in parts and parts["vendor"].text() != "cartbrook"):
            if name is None and "property" not in parts:
                item.problem("a custom property needs `property` and `value`")
        elif name not in known:
            parts["property"].problem(f"unknown custom property {quoted(name)}", suggestion(name, known))
        elif name in found:
            parts["property"].problem(f"custom property {quoted(name)} stands twice")
        elif "value" not in parts:
            item.problem(f"custom property {quoted(name)} has no value")
        else:
            value = parts["value"]
            found[name] = Spot(value.node, value.report, value.path, name)
    return found


def read_action(entry: Spot, properties: Mapping[str, Spot]) -> Action | None:
    """The custom property `action`, or None and a problem."""
    if "action" not in properties:
        entry.problem("custom property action is missing", f"one of {', '.join(Action)}")
        return None
    text = properties["action"].choice(list(Action), "action")
    return Action(text) if text else None


def judge_action(spot: Spot, action: Action, rule: Rule) -> None:
    """Note it where a rule may not do what its entry says."""
    if rule.scope is Scope.LAKE and action is not Action.KEEP:
        what = f"a rule that looks beyond its batch may only keep, not {action}"
        spot.problem(what, "else the order of arrival would decide what is accepted")
    elif action is Action.PARK:
        spot.problem("only references park", "quarantine sets the row aside, keep reports it")
    elif rule.measures and action is Action.QUARANTINE:
        spot.problem("a rule on the batch as a whole sets no row aside", "keep reports it, reject_batch refuses the batch")
    elif rule.check == "unique" and action is Action.KEEP:
        spot.problem("of two rows with one key one must go", "quarantine or reject_batch")
