"""Rules under `type: custom, engine: cartbrook` and `type: sql`: conditions, and numbers measured over a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cartbrook.contracts import expressions
from cartbrook.contracts.bounds import OPERATORS, PERCENT
from cartbrook.contracts.model import DOMAINS, Rule, Scope
from cartbrook.contracts.rule_reader import Condition, Measure, RuleReader
from cartbrook.contracts.rules import blank
from cartbrook.contracts.tables import DOMAIN_OF
from cartbrook.contracts.yaml_marks import Spot, quoted, suggestion

_KINDS = ("expect", "aggregate", "freshness", "trailing")
_OF_EXPECT = ("context", "unless_column")
_IMPLEMENTATION = frozenset({*_KINDS, *_OF_EXPECT, *OPERATORS})
_FEWEST, _MOST = 3, 366
"""With how many batches a batch may be compared."""

Parts = Mapping[str, Spot]


def read_custom(reader: RuleReader, entry: Spot, parts: Parts, column: str | None) -> None:
    """Read one entry of our own vocabulary."""
    for name in OPERATORS:
        if name in parts:
            what = f"{name} stands beside implementation, where the standard knows no operator"
            parts[name].problem(what, f"implementation: {{…, {name}: …}}")
    if "engine" not in parts:
        entry.problem("engine is missing", "engine: cartbrook")
    implementation = parts["implementation"].mapping(_IMPLEMENTATION) if "implementation" in parts else {}
    kinds = [kind for kind in _KINDS if kind in implementation]
    if not kinds:
        entry.problem("implementation: {expect: <condition>} is missing", f"or one of {', '.join(_KINDS[1:])}")
        return
    if len(kinds) > 1 and kinds != ["aggregate", "trailing"]:
        entry.problem(f"implementation holds {' and '.join(kinds)}", "one of them makes a rule; trailing may have an aggregate")
        return
    for name in _OF_EXPECT if kinds != ["expect"] else ():
        if name in implementation:
            implementation[name].problem(f"{name} belongs to expect", "leave it out")
    whole = {key: part for key, part in parts.items() if key not in OPERATORS} | implementation
    read = {"expect": _expect, "freshness": _freshness, "aggregate": _aggregate, "trailing": _trailing}
    read[kinds[-1]](reader, entry, whole, column)


def read_sql(reader: RuleReader, entry: Spot, parts: Parts, column: str | None) -> None:
    """Read one entry that holds a query."""
    from cartbrook.contracts import queries  # sqlglot is slow to import: only where a contract needs it

    text = parts["query"].text() if "query" in parts else None
    if text is None:
        if "query" not in parts:
            entry.problem("query is missing", "query: SELECT … FROM ${object}")
        return
    query = queries.parse(text, reader.domain, column)
    domains = {DOMAIN_OF[table] for table in query.tables} - {reader.domain}
    rule = dataclasses.replace(
        blank("", "sql", "accuracy", column, Scope.LAKE if query.tables else Scope.BATCH),
        measure=text,
        tables=query.tables,
        needs=tuple(domain for domain in DOMAINS if domain in domains),
    )
    if reader.add(entry, parts, rule, unit=_unit(parts)) is not None:
        reader.measures.append(Measure(reader.placed[-1][0].name, query, parts["query"]))


def _expect(reader: RuleReader, entry: Spot, parts: Parts, column: str | None) -> None:
    text = parts["expect"].text()
    if text is None:
        return
    context = _context(reader.domain, parts["context"]) if "context" in parts else ()
    needs = {expressions.CONTEXT[reader.domain][name].domain for name in context}
    expression = expressions.read(text)
    rule = dataclasses.replace(
        blank("", "expect", "accuracy", column, Scope.LAKE if "context" in parts else Scope.RECORD),
        expect=expression.sql,
        reads=expression.columns,
        needs=tuple(domain for domain in DOMAINS if domain in needs),
    )
    if reader.add(entry, parts, rule, context=context) is None:
        return
    name = reader.placed[-1][0].name
    reader.conditions.append(Condition(name, expression, parts["expect"], context))
    unless = parts["unless_column"].text() if "unless_column" in parts else None
    if unless is not None:
        reader.unless[name] = unless


def _freshness(reader: RuleReader, entry: Spot, parts: Parts, column: str | None) -> None:
    name = parts["freshness"].text()
    if name is not None:
        rule = dataclasses.replace(blank("", "freshness", "timeliness", column, Scope.BATCH), columns=(name,))
        reader.add(entry, parts, rule, unit=_unit(parts, "days"))


def _aggregate(reader: RuleReader, entry: Spot, parts: Parts, column: str | None) -> None:
    _measured(reader, entry, parts, blank("", "aggregate", "accuracy", column, Scope.BATCH), _unit(parts))


def _trailing(reader: RuleReader, entry: Spot, parts: Parts, column: str | None) -> None:
    text = parts["trailing"].text() or ""
    batches = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
    if not _FEWEST <= batches <= _MOST:
        what = f"trailing must be a number of batches from {_FEWEST} to {_MOST}"
        parts["trailing"].problem(what, "fewer do not tell what is usual")
    rule = dataclasses.replace(blank("", "trailing", "consistency", column, Scope.LAKE), trailing=batches)
    _measured(reader, entry, parts, rule, _unit(parts, PERCENT))


def _measured(reader: RuleReader, entry: Spot, parts: Parts, rule: Rule, unit: str) -> None:
    """Add a rule that measures the aggregate it names, or else the number of records."""
    text = parts["aggregate"].text() if "aggregate" in parts else None
    if "aggregate" in parts and text is None:
        return
    properties = reader.add(entry, parts, dataclasses.replace(rule, measure=text), unit=unit)
    if text is not None and properties is not None:
        from cartbrook.contracts import queries  # as in `read_sql`

        condition = properties["filter"].node.value if "filter" in properties else None
        query = queries.parse_aggregate(text, reader.domain, condition if isinstance(condition, str) else None)
        reader.measures.append(Measure(reader.placed[-1][0].name, query, parts["aggregate"]))


def _context(domain: str, spot: Spot) -> tuple[str, ...]:
    known, found = expressions.CONTEXT[domain], []
    for name, place in spot.texts():
        if name in known:
            found.append(name)
        else:
            hint = suggestion(name, known) if known else f"rules of {domain} look at their own columns only"
            place.problem(f"unknown context {quoted(name)}", hint)
    return tuple(found)


def _unit(parts: Parts, fixed: str | None = None) -> str:
    """The word behind a measured number."""
    text = parts["unit"].text() if "unit" in parts else None
    if fixed is not None and text is not None and text != fixed:
        parts["unit"].problem(f"the unit of this rule is {fixed}", "leave it out")
    return fixed or text or ""
