"""Conditions of a shop's own contracts, compiled once all columns are known; those that are built in run as they are written.

What the built-in contract of the domain says word for word, over columns of the same types, is not compiled either: a copy of it
costs nothing, and its rules stay what they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from cartbrook.contracts.document import Document, read_document
from cartbrook.contracts.expressions import CONTEXT, check_names
from cartbrook.contracts.model import Contract, Rule
from cartbrook.contracts.rule_reader import Condition, plain_measure
from cartbrook.contracts.tables import attributes, object_columns

BUILT_IN = Path(__file__).parent / "domains"
SUFFIX = ".odcs.yaml"

_OWN = "object"
_NUMBERS: Mapping[str, str] = {"stock_quantity": "bigint", "warehouses": "integer"}
"""Types of the numbers that a context has; a sum may be longer than what it is made of."""

Tables = Mapping[str, Mapping[str, str]]


def compile_conditions(document: Document, contracts: Mapping[str, Contract] | None = None) -> None:
    """Compile the conditions and filters of a contract, and tell what is wrong with them.

    Args:
        contracts: Those of all domains that could be read, for conditions with a context; None for all other conditions.
    """
    contract = document.contract
    if contract is None or document.built_in:
        return
    found: dict[tuple[str, bool], str] = {}
    for condition in document.rules.conditions:
        tables = _tables(condition, contract, contracts)
        if (
            tables is None
            or not _is_sound(condition, contract, tables, document.types)
            or _is_built_in(condition, contract.domain, tables)
        ):
            continue
        sql = _compiled(condition, tables)
        if sql is not None:
            found[condition.rule, condition.is_filter] = sql
    if found:
        written = {measure.rule for measure in document.rules.measures}
        rules = tuple(
            _with(rule, found.get((rule.name, False)), found.get((rule.name, True)), plain=rule.name not in written)
            for rule in contract.rules
        )
        document.contract = dataclasses.replace(contract, rules=rules)


def _tables(condition: Condition, contract: Contract, contracts: Mapping[str, Contract] | None) -> Tables | None:
    """What a condition may name, by table; None if it is not to be compiled now."""
    if not condition.context:
        return {_OWN: object_columns(contract)} if contracts is None else None
    if contracts is None:
        return None
    own = {name: contract.column(name).type for name in attributes(contract)}
    tables: dict[str, Mapping[str, str]] = {_OWN: own}
    for name in condition.context:
        context = CONTEXT[contract.domain][name]
        if context.domain not in contracts:
            return None
        if context.fields == ():
            own[name] = "integer"
        elif context.fields is not None:
            tables[name] = {field: _NUMBERS[field] for field in context.fields}
        else:
            other = contracts[context.domain]
            tables[name] = {column: other.column(column).type for column in attributes(other)}
    return tables


def _is_sound(condition: Condition, contract: Contract, tables: Tables, types: Collection[str]) -> bool:
    """False where something is wrong that has been told already, be it the type of a column."""
    untold = [name for name in condition.expression.columns if contract.has(name) and name not in types]
    if (
        untold
        or condition.expression.problems
        or check_names(condition.expression, contract.domain, contract.names, condition.context)
    ):
        return False
    return all(name[-1] in tables[name[0]] for name in condition.expression.names if len(name) > 1 and name[0] in tables)


def _compiled(condition: Condition, tables: Tables) -> str | None:
    from cartbrook.contracts import queries  # sqlglot is slow to import: only where a contract needs it
    from cartbrook.contracts.sql_types import Refused

    try:
        return queries.compiled_condition(condition.expression.sql, tables, _OWN)
    except Refused as refused:
        condition.spot.problem(refused.what, refused.hint)
    except RecursionError:
        condition.spot.problem("nested too deeply")
    return None


def _with(rule: Rule, expect: str | None, limit: str | None, *, plain: bool) -> Rule:
    """The rule with its conditions as they are run; `plain` if it names no aggregate, so that its filter makes its measure."""
    if expect is None and limit is None:
        return rule
    measure = plain_measure(rule, limit) if plain and limit is not None else rule.measure
    return dataclasses.replace(rule, expect_run=expect or rule.expect_run, filter_run=limit or rule.filter_run, measure=measure)


def _is_built_in(condition: Condition, domain: str, tables: Tables) -> bool:
    known = _built_in(domain)
    wanted = known.get(condition.expression.sql)
    return wanted is not None and wanted == _types(condition, tables)


@cache
def _built_in(domain: str) -> dict[str, tuple[str, ...]]:
    """The built-in conditions of a domain, with the types of what they name."""
    path = BUILT_IN / f"{domain}{SUFFIX}"
    documents = {domain: read_document(path.read_text(encoding="utf-8"), path.name)}
    for other in {context.domain for context in CONTEXT[domain].values()}:
        path = BUILT_IN / f"{other}{SUFFIX}"
        documents[other] = read_document(path.read_text(encoding="utf-8"), path.name)
    contracts = {name: document.contract for name, document in documents.items() if document.contract is not None}
    found: dict[str, tuple[str, ...]] = {}
    for condition in documents[domain].rules.conditions:
        tables = _tables(condition, contracts[domain], contracts if condition.context else None)
        assert tables is not None
        found[condition.expression.sql] = _types(condition, tables)
    return found


def _types(condition: Condition, tables: Tables) -> tuple[str, ...]:
    names = condition.expression.names
    return tuple(tables.get(name[0] if len(name) > 1 else _OWN, {}).get(name[-1], "") for name in names)
