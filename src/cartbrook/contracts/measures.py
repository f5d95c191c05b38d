"""SQL of rules, compiled once the columns of its tables are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from cartbrook.contracts.document import Document
from cartbrook.contracts.model import Contract
from cartbrook.contracts.rule_reader import Measure
from cartbrook.contracts.tables import DOMAIN_OF, columns_of, object_columns


def compile_own(document: Document) -> None:
    """Compile what looks at the contract's own columns; what is wrong with any SQL by itself is told here, too."""
    for measure in document.rules.measures:
        for what, hint in measure.query.problems:
            measure.spot.problem(what, hint)
    _compile(document, [measure for measure in document.rules.measures if not measure.query.tables], {})


def compile_foreign(document: Document, contracts: Mapping[str, Contract]) -> None:
    """Compile what looks at other tables; left alone where the contract of one could not be read."""
    readable = [
        measure
        for measure in document.rules.measures
        if measure.query.tables and all(DOMAIN_OF[table] in contracts for table in measure.query.tables)
    ]
    _compile(document, readable, contracts)


def _compile(document: Document, measures: list[Measure], contracts: Mapping[str, Contract]) -> None:
    contract = document.contract
    sound = [measure for measure in measures if not measure.query.problems]
    if contract is None or not sound:
        return
    from cartbrook.contracts import queries
    from cartbrook.contracts.sql_types import Refused

    compiled: dict[str, str] = {}
    for measure in sound:
        tables = {"object": object_columns(contract)}
        tables |= {table: columns_of(table, contracts[DOMAIN_OF[table]]) for table in measure.query.tables}
        try:
            compiled[measure.rule] = queries.compiled(measure.query, tables)
        except Refused as refused:
            measure.spot.problem(refused.what, refused.hint)
        except RecursionError:
            measure.spot.problem("nested too deeply")
    rules = tuple(
        dataclasses.replace(rule, measure=compiled[rule.name]) if rule.measures and rule.name in compiled else rule
        for rule in contract.rules
    )
    document.contract = dataclasses.replace(contract, rules=rules)
