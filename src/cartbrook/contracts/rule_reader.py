"""Quality entries of a contract as rules: library metrics, SQL queries, and our own vocabulary under `type: custom`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cartbrook.contracts import expressions
from cartbrook.contracts.bounds import OPERATORS, ROWS
from cartbrook.contracts.enumerations import read_enumeration
from cartbrook.contracts.model import Action, Enumeration, Rule, Scope, Severity
from cartbrook.contracts.patterns import check_pattern
from cartbrook.contracts.rules import (
    DIMENSIONS_OF_QUALITY,
    SWITCHES,
    blank,
    custom_properties,
    judge_action,
    read_action,
    unique_rule,
)
from cartbrook.contracts.thresholds import read_thresholds
from cartbrook.contracts.yaml_marks import Spot

if TYPE_CHECKING:
    from cartbrook.contracts.queries import Query

_COMMON = frozenset(
    {
        *("id", "authoritativeDefinitions", "businessImpact", "customProperties", "description", "dimension", "method", "name"),
        *("schedule", "scheduler", "severity", "tags", "type", "unit"),
    }
)
_LIBRARY = _COMMON | {"metric", "arguments", *OPERATORS}
_SQL = _COMMON | {"query", *OPERATORS}
_CUSTOM = _COMMON | {"engine", "implementation", *OPERATORS}
_ARGUMENTS: Mapping[str, frozenset[str]] = {
    "invalidValues": frozenset({"validValues", "pattern"}),
    "missingValues": frozenset({"missingValues"}),
    "nullValues": frozenset(),
    "duplicateValues": frozenset({"properties"}),
    "rowCount": frozenset(),
}
"""Metrics of the standard's library and their arguments."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that an entry writes, for checks that need all columns.

    Attributes:
        rule: The rule it belongs to.
        context: Names of the context that the rule declares.
        is_filter: It limits the rule to some records, and is not what a good record fulfils.
    """

    rule: str
    expression: expressions.Expression
    spot: Spot
    context: tuple[str, ...] = ()
    is_filter: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """SQL of a rule that is compiled once all columns are known.

    Attributes:
        query: A parsed query or aggregate.
    """

    rule: str
    query: Query
    spot: Spot


class RuleReader:
    """Reads the quality entries of one contract.

    Attributes:
        domain: The domain of the rules.
        placed: Every rule read, with where it stands.
        conditions: The conditions of the rules and of their filters.
        measures: Their queries and aggregates.
        unless: The column by whose presence a rule is left out, by rule name.
        actions: Where the action of a rule stands, by rule name.
    """

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.placed: list[tuple[Rule, Spot]] = []
        self.conditions: list[Condition] = []
        self.measures: list[Measure] = []
        self.unless: dict[str, str] = {}
        self.actions: dict[str, Spot] = {}

    def read(self, entries: Spot, column: str | None, kind: str = "") -> Enumeration | None:
        """Read the entries under one `quality`; gives the enumeration if they hold one.

        Args:
            entries: The list.
            column: The column it stands under, or None for the whole object.
            kind: The column's type.
        """
        from cartbrook.contracts import custom_rules  # it adds its rules to a reader

        enumeration = None
        for entry in entries.items():
            parts = entry.mapping()
            name = parts["name"].node.value if "name" in parts else "quality"
            named = entry.within(name if isinstance(name, str) else "quality")
            kinds = ("library", "custom", "text", "sql")
            type_ = parts["type"].choice(kinds, "type of quality") if "type" in parts else "library"
            if not parts or type_ is None or type_ == "text":
                continue  # text is words for people
            if type_ == "custom" and "engine" in parts and parts["engine"].node.value != "cartbrook":
                continue  # meant for another tool
            if type_ == "custom":
                custom_rules.read_custom(self, named, named.mapping(_CUSTOM), column)
            elif type_ == "sql":
                custom_rules.read_sql(self, named, named.mapping(_SQL), column)
            else:
                found = self._library(named, named.mapping(_LIBRARY), column, kind)
                enumeration = found or enumeration
        return enumeration

    def _library(self, entry: Spot, parts: Mapping[str, Spot], column: str | None, kind: str) -> Enumeration | None:
        metric = parts["metric"].choice(_ARGUMENTS, "metric") if "metric" in parts else None
        if metric is None:
            if "metric" not in parts:
                entry.problem("metric is missing", f"one of {', '.join(_ARGUMENTS)}")
            return None
        known = _ARGUMENTS[metric]
        arguments = parts["arguments"].mapping(known) if "arguments" in parts else {}
        if metric == "rowCount":
            self._row_count(entry, parts, column)
        elif metric == "duplicateValues":
            self._unique(entry, parts, arguments, column)
        elif column is None:
            entry.problem(f"{metric} belongs to a column", "put it under quality of the column")
        elif metric == "invalidValues":
            return self._invalid(entry, parts, arguments, column, kind)
        elif metric == "nullValues":
            self.add(entry, parts, blank(f"{column}_null", "null", "completeness", column))
        else:
            rule = blank(f"{column}_missing", "missing", "completeness", column)
            self.add(entry, parts, dataclasses.replace(rule, missing=_missing(entry, arguments)))
        return None

    def _invalid(
        self, entry: Spot, parts: Mapping[str, Spot], arguments: Mapping[str, Spot], column: str, kind: str
    ) -> Enumeration | None:
        if kind not in ("string", ""):
            entry.problem("invalidValues belongs to a column of type string")
            return None
        if ("validValues" in arguments) == ("pattern" in arguments):
            entry.problem("invalidValues needs arguments with either validValues or pattern")
            return None
        if "pattern" in arguments:
            pattern = arguments["pattern"].text()
            if pattern is not None and (wrong := check_pattern(pattern)):
                arguments["pattern"].problem(wrong)
            rule = blank(f"{column}_pattern", "pattern", "conformity", column)
            self.add(entry, parts, dataclasses.replace(rule, pattern=pattern))
            return None
        properties = self.add(entry, parts, blank(f"{column}_enumeration", "enumeration", "conformity", column))
        return read_enumeration(arguments["validValues"], (properties or {}).get("spellings"))

    def _unique(self, entry: Spot, parts: Mapping[str, Spot], arguments: Mapping[str, Spot], column: str | None) -> None:
        columns = tuple(text for text, _ in arguments["properties"].texts()) if "properties" in arguments else ()
        if column is not None and columns:
            arguments["properties"].problem("properties belong to an entry of the object", f"here it is {column} that counts")
        columns = columns if column is None else (column,)
        if not columns:
            entry.problem("duplicateValues needs the columns that no two records share", "arguments: {properties: [order_id]}")
        # Whether these are the key's is not known yet; see `settle_key`.
        self.add(entry, parts, dataclasses.replace(unique_rule(), check="distinct", columns=columns, description=""))

    def _row_count(self, entry: Spot, parts: Mapping[str, Spot], column: str | None) -> None:
        if column is not None:
            entry.problem("rowCount belongs to the object", "put it under quality of the object")
        if "unit" in parts and parts["unit"].choice((ROWS,), "unit of rowCount") is None:
            return
        self.add(entry, parts, blank("row_count", "rows", "completeness", column, Scope.BATCH), unit=ROWS)

    # every entry

    def add(
        self, entry: Spot, parts: Mapping[str, Spot], rule: Rule, *, unit: str = "", context: tuple[str, ...] = ()
    ) -> dict[str, Spot] | None:
        """Complete a rule by what every entry says; None if it has no name, else its custom properties.

        Args:
            unit: What the number of a measuring rule counts.
            context: Names of the context that the rule declares.
        """
        properties = custom_properties(parts, ("action", "switch", "warn", "filter", "spellings"))
        for name in _of_no_use(rule, properties):
            properties[name].problem(f"{name} is of no use here", _WHY[name])
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
            self.actions.setdefault(name, properties["action"])
            judge_action(properties["action"], action, rule)
        if switch is not None and action not in (Action.KEEP, None):
            properties["switch"].problem(f"a rule with action {action} has no switch", "only keep-rules can be switched off")
        fails, warns = read_thresholds(entry, parts, properties, rule, unit, action)
        rule = self._filtered(dataclasses.replace(rule, name=name), properties, context)
        rule = dataclasses.replace(
            rule,
            severity=Severity(severity or Severity.HIGH),
            action=action or Action.KEEP,
            dimension=dimension or rule.dimension,
            fails=fails,
            warns=warns,
            switch=switch,
            description=(description or "").strip() or rule.description,
        )
        self.placed.append((rule, entry))
        return properties

    def _filtered(self, rule: Rule, properties: Mapping[str, Spot], context: tuple[str, ...]) -> Rule:
        """The rule with its filter, and with the measure that follows from it."""
        spot = properties.get("filter")
        text = spot.text() if spot is not None else None
        if spot is None or text is None:
            return dataclasses.replace(rule, measure=rule.measure or plain_measure(rule, None))
        condition = expressions.read(text)
        self.conditions.append(Condition(rule.name, condition, spot, context, is_filter=True))
        reads = tuple(dict.fromkeys((*rule.reads, *condition.columns)))
        measure = rule.measure or plain_measure(rule, condition.sql)
        return dataclasses.replace(rule, filter=condition.sql, reads=reads, measure=measure)


def settle_key(reader: RuleReader, key: tuple[str, ...]) -> list[tuple[Rule, Spot]]:
    """The rules that were read, with the one that names the key as the rule on the key, which does more than count."""
    settled: list[tuple[Rule, Spot]] = []
    for rule, spot in reader.placed:
        if rule.check != "distinct" or sorted(rule.columns) != sorted(key):
            if rule.check == "distinct" and rule.name == unique_rule().name and key:
                what = f"{rule.name} is the rule on the key, which is {', '.join(key)}"
                spot.problem(what, "give a rule on other columns another name")
            settled.append((rule, spot))
            continue
        description = rule.description or unique_rule().description
        on_key = dataclasses.replace(rule, check="unique", columns=(), description=description)
        if on_key.action is Action.KEEP:
            judge_action(reader.actions.get(rule.name, spot), Action.KEEP, on_key)
        if on_key.filter is not None:
            spot.problem("the rule on the key takes no filter", "a key is one for all records")
        settled.append((on_key, spot))
    return settled


_WHY: Mapping[str, str] = {
    "spellings": "only an enumeration (validValues) has spellings",
    "filter": "a query has its own WHERE, and what an enumeration does not list is stored as unknown in any record",
    "switch": "what an enumeration does not list is stored as unknown all the same",
}


def _of_no_use(rule: Rule, properties: Mapping[str, Spot]) -> list[str]:
    useless = {
        "spellings": rule.check != "enumeration",
        "filter": rule.check in ("sql", "enumeration"),
        "switch": rule.check == "enumeration",
    }
    return [name for name, is_useless in useless.items() if is_useless and name in properties]


def plain_measure(rule: Rule, condition: str | None) -> str | None:
    """The aggregate of a rule that needs none to be written: the number of records, or the age of the newest one."""
    if rule.check in ("rows", "trailing"):
        return "count(1)" if condition is None else f"count(CASE WHEN {condition} THEN 1 END)"
    if rule.check == "freshness" and rule.columns:
        days = f"datediff(batch_date, `{rule.columns[0]}`)"
        return f"min({days})" if condition is None else f"min(CASE WHEN {condition} THEN {days} END)"
    return None


def _missing(entry: Spot, arguments: Mapping[str, Spot]) -> tuple[str, ...]:
    """The texts that stand for no value; the empty field does anyway, however the entry says so."""
    if "missingValues" not in arguments:
        entry.problem("missingValues needs the texts that stand for no value", "arguments: {missingValues: [N/A, '-']}")
        return ()
    texts: list[str] = []
    for item in arguments["missingValues"].items():
        value = item.node.value
        if not isinstance(value, str):
            item.problem("a missing value must be text")
        elif value.strip() and not item.is_null:
            texts.append(value.strip())
    return tuple(dict.fromkeys(texts))
