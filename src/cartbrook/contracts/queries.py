"""SQL rules: one SELECT that gives one number, or one aggregate; checked against the columns of its tables and written anew.

Imported only where a contract has such a rule: sqlglot takes a quarter of a second to import.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark
from sqlglot.parsers.spark import SparkParser

from cartbrook.contracts.selects import OBJECT, Compiler, given, require_aggregate
from cartbrook.contracts.sql_terms import condition, term
from cartbrook.contracts.sql_types import NULL, NUMBER, WORDS, Names, Refused
from cartbrook.contracts.tables import DOMAIN_OF
from cartbrook.contracts.yaml_marks import clipped, quoted, suggestion

MAX_LENGTH = 8_000
RESULT = "DECIMAL(28, 6)"
"""The type of what a rule measures."""

_PLACEHOLDER = re.compile(r"\$\{\s*(\w*)\s*\}(\s*\.)?")

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it warns of is refused here, with a line and a hint


class _Rules(Spark):
    """Spark's SQL, with every function by the name it is written with."""

    class Parser(SparkParser):
        """Knows no function."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was written.

    Attributes:
        domain: The domain whose records it is about.
        tree: What was read; None where that was not possible.
        tables: The tables it names beside the batch's own records, e.g. ``gold.dim_customer``.
        aggregate: It is one aggregate and no whole SELECT.
        problems: What is wrong with it whatever the columns, each with a hint or None.
    """

    domain: str
    tree: exp.Select | None
    tables: tuple[str, ...] = ()
    aggregate: bool = False
    problems: tuple[tuple[str, str | None], ...] = ()


def parse(text: str, domain: str, column: str | None) -> Query:
    """Read a query.

    Args:
        text: A SELECT in which ``${object}`` or ``${table}`` stands for the records of the batch.
        domain: The domain of the rule.
        column: What ``${property}`` or ``${column}`` stands for; None at the object.
    """
    problems: list[tuple[str, str | None]] = []

    def placed(match: re.Match[str]) -> str:
        if match[1] in ("object", "table"):  # before a point it is the name of a table that was named before
            return f"{domain}." if match[2] else OBJECT
        if match[1] in ("property", "column") and column is not None:
            return f"`{column}`"
        hint = "put the rule under a column" if match[1] in ("property", "column") else "one of ${object}, ${property}"
        problems.append((f"{quoted(match[0])} stands for nothing here", hint))
        return OBJECT

    tree = _select(_PLACEHOLDER.sub(placed, text), problems)
    if tree is None:
        return Query(domain, None, problems=tuple(problems))
    common_names = {cte.alias for cte in tree.find_all(exp.CTE)}
    named = [".".join(part.name for part in table.parts) for table in tree.find_all(exp.Table)]
    tables = tuple(dict.fromkeys(name for name in named if name in DOMAIN_OF))
    known = {OBJECT, *DOMAIN_OF, *common_names}
    problems.extend(_unknown_table(name) for name in named if name not in known)
    if OBJECT not in named and not problems:
        problems.append(("the query does not look at the batch", "FROM ${object}, which stands for its accepted records"))
    return Query(domain, tree, tables, problems=tuple(dict.fromkeys(problems)))


def parse_aggregate(text: str, domain: str, limit: str | None) -> Query:
    """Read an aggregate over the records of a batch.

    Args:
        limit: The condition that the records must fulfil, or None.
    """
    problems: list[tuple[str, str | None]] = []
    tree = _select(f"SELECT {text}\nFROM {OBJECT}{f' WHERE {limit}' if limit else ''}", problems)
    if tree is not None and set(given(tree)) - {"expressions", "from_", "where"}:
        problems.append(("this is more than an aggregate", "sum(…), count(*), 100 * count(…) / count(*)"))
    return Query(domain, tree, aggregate=True, problems=tuple(problems))


def compiled(query: Query, tables: Mapping[str, Mapping[str, str]]) -> str:
    """The query as it is run.

    Args:
        tables: Columns and types of the tables it names, by name; ``object`` is the batch's own records.

    Returns:
        A SELECT of one cell in which `table_mark` stands for each table; of an aggregate an expression over the records.

    Raises:
        Refused: The first thing that is wrong with it.
    """
    assert query.tree is not None
    if query.aggregate:
        return _aggregate(query.tree, tables["object"])
    compiler = Compiler(query.domain, tables)
    sql, outputs, _ = compiler.select(query.tree, None, {}, root=True)
    if len(outputs) != 1:
        raise Refused(f"the query gives {len(outputs)} columns", "one number is compared")
    [(name, kind)] = outputs.items()
    _require_number(kind)
    return f"SELECT TRY_CAST(`{name}` AS {RESULT}) AS `measured` FROM ({sql}) AS `_cell`"  # noqa: S608 - made of checked terms


def compiled_condition(text: str, tables: Mapping[str, Mapping[str, str]], own: str) -> str:
    """A condition of a rule as it is run.

    Args:
        text: As `expressions.read` gives it.
        tables: Columns and their types of all that it may name, by the name before the point.
        own: The one of them that is named without.

    Raises:
        Refused: The first thing that is wrong with it.
    """
    problems: list[tuple[str, str | None]] = []
    tree = _select(f"SELECT 1 FROM {OBJECT} WHERE {text}", problems)  # noqa: S608 - only parsed
    if tree is None or set(given(tree)) - {"expressions", "from_", "where"} or "where" not in given(tree):
        raise Refused(*(problems or [("this is more than a condition", None)])[0])
    found = condition(tree.args["where"].this, Names(tables, own=own))
    if found.aggregated:
        raise Refused("an aggregate in a condition", "implementation: {aggregate: …}")
    return found.sql


def _select(text: str, problems: list[tuple[str, str | None]]) -> exp.Select | None:
    """The one SELECT of a text, or None and a problem."""
    if len(text) > MAX_LENGTH:
        problems.append((f"a query of more than {MAX_LENGTH:,} characters", None))
        return None
    try:
        statements = [tree for tree in sqlglot.parse(text, dialect=_Rules) if tree is not None]
    except sqlglot.errors.SqlglotError as error:
        said = (getattr(error, "errors", None) or [{"description": str(error).splitlines()[0]}])[0]
        what = "a part is missing" if " missing for " in said["description"] else clipped(str(said["description"]))
        near = str(said.get("highlight") or "").strip()
        problems.append((f"not SQL: {what}", f"look at {quoted(clipped(near))}" if near else None))
        return None
    except RecursionError:
        problems.append(("nested too deeply", None))
        return None
    if len(statements) != 1:
        problems.append((f"{len(statements)} statements", "exactly one SELECT"))
    elif not isinstance(statements[0], exp.Select):
        problems.append(("this is no SELECT", "exactly one SELECT, without UNION or the like"))
    else:
        return statements[0]
    return None


def _unknown_table(name: str) -> tuple[str, str | None]:
    if name.startswith("gold."):
        tables = [table for table in DOMAIN_OF if table.startswith("gold.")]
        return f"unknown table {quoted(name)}", f"one of {', '.join(tables)}; marts are computed after the rules"
    return f"unknown table {quoted(name)}", suggestion(
        name, DOMAIN_OF
    ) or "${object}, silver.<domain>, or a dimension or fact of gold"


def _require_number(kind: str) -> None:
    if kind not in (NUMBER, NULL):
        raise Refused(f"the result is {WORDS[kind]}", "a rule compares one number, such as count_if(…)")


def _aggregate(tree: exp.Select, columns: Mapping[str, str]) -> str:
    names = Names({"": columns}, qualified=False)
    where = tree.args.get("where")
    if where is not None:
        names.condition = condition(where.this, names)
    if len(tree.expressions) != 1:
        raise Refused(f"{len(tree.expressions)} values", "one aggregate")
    found = term(tree.expressions[0].unalias(), names)
    require_aggregate(found)
    _require_number(found.kind)
    return f"TRY_CAST({found.sql} AS {RESULT})"
