"""Quality entries of a contract as rules, and the rules that follow from columns by themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cartbrook.contracts import expressions
from cartbrook.contracts.model import DOMAINS, Action, Column, Enumeration, Rule, Scope, Severity
from cartbrook.contracts.patterns import check_pattern
from cartbrook.contracts.yaml_marks import Spot, quoted, suggestion

DIMENSIONS_OF_QUALITY = ("accuracy", "completeness", "conformity", "consistency", "coverage", "timeliness", "uniqueness")
SWITCHES = ("schema_validation", "business_rules_validation")
"""Switches of a trigger's `data_quality_checks` that rules may listen to."""
UNKNOWN = "unknown"
"""What a value that an enumeration does not list is stored as."""

_COMMON = frozenset(
    {
        *("id", "authoritativeDefinitions", "businessImpact", "customProperties", "description", "dimension", "method", "name"),
        *("schedule", "scheduler", "severity", "tags", "type", "unit"),
    }
)
_LIBRARY = _COMMON | {"metric", "arguments", "mustBe"}
_CUSTOM = _COMMON | {"engine", "implementation"}
_METRICS = ("invalidValues", "duplicateValues")
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


_CONFLICT = "Two different rows with one key in one batch; the greatest stays."


def _blank(name: str, check: str, dimension: str, column: str | None) -> Rule:
    """A rule of scope RECORD that its entry completes."""
    return Rule(name, check, Severity.HIGH, Action.KEEP, dimension, Scope.RECORD, column)


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


class RuleReader:
    """Reads the quality entries of one contract.

    Attributes:
        domain: The domain of the rules.
        placed: Every rule read, with where it stands.
        expectations: The conditions among them, by rule name, for checks that need all columns.
        contexts: Names of the context that a rule declares, by rule name.
        keys_claimed: The columns that `duplicateValues` names, with their places.
    """

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.placed: list[tuple[Rule, Spot]] = []
        self.expectations: dict[str, tuple[expressions.Expression, Spot]] = {}
        self.contexts: dict[str, tuple[str, ...]] = {}
        self.unless: dict[str, str] = {}
        self.keys_claimed: list[tuple[tuple[str, ...], Spot]] = []

    def read(self, entries: Spot, column: str | None, kind: str = "") -> Enumeration | None:
        """Read the entries under one `quality`; gives the enumeration if they hold one.

        Args:
            entries: The list.
            column: The column it stands under, or None for the whole object.
            kind: The column's type.
        """
        enumeration = None
        for entry in entries.items():
            parts = entry.mapping()
            name = parts["name"].node.value if "name" in parts else "quality"
            named = entry.within(name if isinstance(name, str) else "quality")
            kinds = ("library", "custom", "text", "sql")
            type_ = parts["type"].choice(kinds, "type of quality") if "type" in parts else "library"
            if not parts or type_ is None or type_ == "text":
                continue  # text is words for people
            if type_ == "sql":
                named.problem(
                    "quality of type sql is not evaluated", "type: custom, engine: cartbrook, implementation: {expect: …}"
                )
            elif type_ == "custom" and "engine" in parts and parts["engine"].node.value != "cartbrook":
                continue  # meant for another tool
            elif type_ == "custom":
                self._expectation(named, named.mapping(_CUSTOM), column)
            else:
                found = self._library(named, named.mapping(_LIBRARY), column, kind)
                enumeration = found or enumeration
        return enumeration

    def _library(self, entry: Spot, parts: Mapping[str, Spot], column: str | None, kind: str) -> Enumeration | None:
        metric = parts["metric"].choice(_METRICS, "metric") if "metric" in parts else None
        if metric is None:
            if "metric" not in parts:
                entry.problem("metric is missing", f"one of {', '.join(_METRICS)}")
            return None
        if "mustBe" not in parts or parts["mustBe"].node.value != "0":
            entry.problem("mustBe: 0 is missing", "each failing row is counted; what it costs is its severity")
        arguments = parts["arguments"].mapping({"validValues", "pattern", "properties"}) if "arguments" in parts else {}
        if metric == "duplicateValues":
            self._unique(entry, parts, arguments, column)
            return None
        if column is None or kind not in ("string", ""):
            entry.problem("invalidValues belongs to a column of type string")
            return None
        if ("validValues" in arguments) == ("pattern" in arguments):
            entry.problem("invalidValues needs arguments with either validValues or pattern")
            return None
        if "pattern" in arguments:
            pattern = arguments["pattern"].text()
            if pattern is not None and (wrong := check_pattern(pattern)):
                arguments["pattern"].problem(wrong)
            rule = _blank(f"{column}_pattern", "pattern", "conformity", column)
            self._add(entry, parts, dataclasses.replace(rule, pattern=pattern))
            return None
        properties = self._add(entry, parts, _blank(f"{column}_enumeration", "enumeration", "conformity", column))
        return _enumeration(arguments["validValues"], (properties or {}).get("spellings"))

    def _unique(self, entry: Spot, parts: Mapping[str, Spot], arguments: Mapping[str, Spot], column: str | None) -> None:
        if column is not None:
            columns: tuple[str, ...] = (column,)
        else:
            columns = tuple(text for text, _ in arguments["properties"].texts()) if "properties" in arguments else ()
        self.keys_claimed.append((columns, entry))
        self._add(entry, parts, unique_rule())

    def _expectation(self, entry: Spot, parts: Mapping[str, Spot], column: str | None) -> None:
        if "engine" not in parts:
            entry.problem("engine is missing", "engine: cartbrook")
        known = {"expect", "context", "unless_column"}
        implementation = parts["implementation"].mapping(known) if "implementation" in parts else {}
        expect = implementation["expect"].text() if "expect" in implementation else None
        if expect is None:
            if "expect" not in implementation:
                entry.problem("implementation: {expect: <condition>} is missing")
            return
        context = self._context(implementation["context"]) if "context" in implementation else ()
        needs = {expressions.CONTEXT[self.domain][name].domain for name in context}
        rule = dataclasses.replace(
            _blank("", "expect", "accuracy", column),
            scope=Scope.LAKE if "context" in implementation else Scope.RECORD,
            expect=expect,
            needs=tuple(domain for domain in DOMAINS if domain in needs),
        )
        if self._add(entry, parts, rule) is None:
            return
        name = self.placed[-1][0].name
        self.expectations[name] = (expressions.read(expect), implementation["expect"])
        self.contexts[name] = context
        unless = implementation["unless_column"].text() if "unless_column" in implementation else None
        if unless is not None:
            self.unless[name] = unless

    def _context(self, spot: Spot) -> tuple[str, ...]:
        known, found = expressions.CONTEXT[self.domain], []
        for name, place in spot.texts():
            if name in known:
                found.append(name)
            else:
                hint = suggestion(name, known) if known else f"rules of {self.domain} look at their own columns only"
                place.problem(f"unknown context {quoted(name)}", hint)
        return tuple(found)

    def _add(self, entry: Spot, parts: Mapping[str, Spot], rule: Rule) -> dict[str, Spot] | None:
        """Complete a rule by what every entry says; None if it has no name, else its custom properties."""
        properties = custom_properties(parts, ("action", "switch", *(("spellings",) if rule.check == "enumeration" else ())))
        name = (parts["name"].text() if "name" in parts else None) or rule.name
        if not name:
            entry.problem("name is missing")
            return None
        if "severity" not in parts:
            entry.problem("severity is missing", f"one of {', '.join(Severity)}")
        severity = parts["severity"].choice(list(Severity), "severity") if "severity" in parts else None
        dimension = parts["dimension"].choice(DIMENSIONS_OF_QUALITY, "dimension") if "dimension" in parts else None
        description = parts["description"].text() if "description" in parts else None
        action = read_action(entry, properties)
        switch = properties["switch"].choice(SWITCHES, "switch") if "switch" in properties else None
        if action is not None:
            _judge_action(properties["action"], action, rule)
        if switch is not None and action not in (Action.KEEP, None):
            properties["switch"].problem(f"a rule with action {action} has no switch", "only keep-rules can be switched off")
        rule = dataclasses.replace(
            rule,
            name=name,
            severity=Severity(severity or Severity.HIGH),
            action=action or Action.KEEP,
            dimension=dimension or rule.dimension,
            switch=switch,
            description=(description or "").strip() or rule.description,
        )
        self.placed.append((rule, entry))
        return properties


def read_action(entry: Spot, properties: Mapping[str, Spot]) -> Action | None:
    """The custom property `action`, or None and a problem."""
    if "action" not in properties:
        entry.problem("custom property action is missing", f"one of {', '.join(Action)}")
        return None
    text = properties["action"].choice(list(Action), "action")
    return Action(text) if text else None


def _judge_action(spot: Spot, action: Action, rule: Rule) -> None:
    if rule.scope is Scope.LAKE and action is not Action.KEEP:
        what = f"a rule that looks beyond its batch may only keep, not {action}"
        spot.problem(what, "else the order of arrival would decide what is accepted")
    elif action is Action.PARK:
        spot.problem("only references park", "quarantine sets the row aside, keep reports it")
    elif rule.check == "unique" and action is Action.KEEP:
        spot.problem("of two rows with one key one must go", "quarantine or reject_batch")


def normalised(value: str) -> str:
    """The form in which values of an enumeration are compared and stored."""
    return value.strip().lower().replace(" ", "_").replace("-", "_")


def _enumeration(values: Spot, spellings: Spot | None) -> Enumeration:
    listed: list[str] = []
    for value, spot in values.texts():
        if value != normalised(value):
            spot.problem(f"no value is ever compared as {quoted(value)}", f'write "{normalised(value)}"')
        elif value == UNKNOWN:
            spot.problem(f'"{UNKNOWN}" is what values get that are not listed', "leave it out")
        elif value in listed:
            spot.problem(f"value {quoted(value)} is listed twice")
        else:
            listed.append(value)
    other: dict[str, str] = {}
    for spelling, spot in spellings.mapping().items() if spellings is not None else []:
        target = spot.text()
        if target is not None and target not in listed:
            spot.problem(f"spelling of {quoted(target)}, which is not a listed value", suggestion(target, listed))
        elif normalised(spelling) in listed:
            spot.problem(f"{quoted(spelling)} is a listed value and a spelling of another")
        elif target is not None:
            other[normalised(spelling)] = target
    return Enumeration(tuple(listed), other)
