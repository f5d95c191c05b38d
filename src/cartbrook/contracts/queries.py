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

from cartbrook.contracts.sql_terms import condition, term
from cartbrook.contracts.sql_types import NULL, NUMBER, WORDS, Names, Refused, Term
from cartbrook.contracts.tables import DOMAIN_OF, table_mark
from cartbrook.contracts.yaml_marks import clipped, quoted, suggestion

MAX_LENGTH = 8_000
RESULT = "DECIMAL(28, 6)"
"""The type of what a rule measures."""

_OBJECT = "__object__"
_PLACEHOLDER = re.compile(r"\$\{\s*(\w*)\s*\}(\s*\.)?")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_SELECT = {"expressions", "from_", "joins", "where", "group", "having", "with_", "distinct"}
_OF_JOIN = {"this", "on", "side", "kind", "pivots"}
_JOINS = ("", "LEFT", "RIGHT", "FULL")
_WORDS_OF_SELECT = {
    "limit": "LIMIT",
    "order": "ORDER BY",
    "windows": "WINDOW",
    "laterals": "LATERAL VIEW",
    "sample": "TABLESAMPLE",
    "hint": "a hint",
}

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
            return f"{domain}." if match[2] else _OBJECT
        if match[1] in ("property", "column") and column is not None:
            return f"`{column}`"
        hint = "put the rule under a column" if match[1] in ("property", "column") else "one of ${object}, ${property}"
        problems.append((f"{quoted(match[0])} stands for nothing here", hint))
        return _OBJECT

    tree = _select(_PLACEHOLDER.sub(placed, text), problems)
    if tree is None:
        return Query(domain, None, problems=tuple(problems))
    common_names = {cte.alias for cte in tree.find_all(exp.CTE)}
    named = [".".join(part.name for part in table.parts) for table in tree.find_all(exp.Table)]
    tables = tuple(dict.fromkeys(name for name in named if name in DOMAIN_OF))
    known = {_OBJECT, *DOMAIN_OF, *common_names}
    problems.extend(_unknown_table(name) for name in named if name not in known)
    if _OBJECT not in named and not problems:
        problems.append(("the query does not look at the batch", "FROM ${object}, which stands for its accepted records"))
    return Query(domain, tree, tables, problems=tuple(dict.fromkeys(problems)))


def parse_aggregate(text: str, domain: str, limit: str | None) -> Query:
    """Read an aggregate over the records of a batch.

    Args:
        limit: The condition that the records must fulfil, or None.
    """
    problems: list[tuple[str, str | None]] = []
    tree = _select(f"SELECT {text}\nFROM {_OBJECT}{f' WHERE {limit}' if limit else ''}", problems)
    if tree is not None and set(_given(tree)) - {"expressions", "from_", "where"}:
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
    compiler = _Compiler(query.domain, tables)
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
    tree = _select(f"SELECT 1 FROM {_OBJECT} WHERE {text}", problems)  # noqa: S608 - only parsed
    if tree is None or set(_given(tree)) - {"expressions", "from_", "where"} or "where" not in _given(tree):
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


def _given(node: exp.Expression) -> list[str]:
    """The parts of a node that are there."""
    return [key for key, value in node.args.items() if value]


def _aggregate(tree: exp.Select, columns: Mapping[str, str]) -> str:
    names = Names({"": columns}, qualified=False)
    where = tree.args.get("where")
    if where is not None:
        names.condition = condition(where.this, names)
    if len(tree.expressions) != 1:
        raise Refused(f"{len(tree.expressions)} values", "one aggregate")
    found = term(tree.expressions[0].unalias(), names)
    _require_aggregate(found)
    _require_number(found.kind)
    return f"TRY_CAST({found.sql} AS {RESULT})"


def _require_aggregate(found: Term) -> None:
    if not found.aggregated:
        raise Refused("this is no aggregate: it gives a value for each record", "count_if(…), sum(…), avg(…), min(…), max(…)")
    if found.bare:
        raise Refused(f"column {found.bare[0].rpartition('.')[2].strip('`')} stands outside of an aggregate", "sum(…), max(…)")


@dataclass(slots=True)
class _Compiler:
    """Compiles SELECTs within SELECTs.

    Attributes:
        domain: The name that ``${object}`` has for those who give it none.
    """

    domain: str
    tables: Mapping[str, Mapping[str, str]]
    unnamed: int = 0

    def select(
        self, tree: exp.Expression, outer: Names | None, known: Mapping[str, Mapping[str, str]], *, root: bool = False
    ) -> tuple[str, dict[str, str], tuple[str, ...]]:
        """A SELECT as it is run, its columns with their kinds, and what it names of the query around it.

        Args:
            outer: The names around a subquery.
            known: Columns of what WITH defines.
            root: It stands for one value: an aggregate over all its rows, as several rows would stop the batch.
        """
        if not isinstance(tree, exp.Select):
            raise Refused("a subquery must be one SELECT", "no UNION or the like")
        for key in _given(tree):
            if key not in _OF_SELECT or (key == "distinct" and (root or tree.args[key].args.get("on"))):
                raise Refused(
                    f"{_WORDS_OF_SELECT.get(key, key.strip('_').upper())} does not belong in a rule", "it looks at all records"
                )
        ctes, known = self._with(tree, known)
        froms, sources = self._from(tree, known)
        names = Names(sources, outer, subquery=lambda inner, around, one: self._inner(inner, around, known, one=one))
        joins = [self._joined(join, names, known) for join in tree.args.get("joins") or ()]
        where = tree.args.get("where")
        conditions = [condition(where.this, names)] if where is not None else []
        if any(part.aggregated for part in conditions):
            raise Refused("an aggregate in WHERE", "HAVING in a subquery")
        groups = [self._group(part, names) for part in (tree.args["group"].expressions if tree.args.get("group") else ())]
        names.grouped = frozenset(part.sql for part in groups)
        having = [condition(tree.args["having"].this, names)] if tree.args.get("having") else []
        outputs = [self._output(part, names, nth) for nth, part in enumerate(tree.expressions, 1)]
        if root and (groups or having):
            raise Refused("GROUP BY or HAVING give any number of rows", "a subquery in FROM, and an aggregate around it")
        if root and len(outputs) == 1:
            _require_aggregate(outputs[0][1])
        elif groups or having or any(found.aggregated for _, found in outputs):
            self._require_grouped([*(found for _, found in outputs), *having], names)
        columns = {name: found.kind for name, found in outputs}
        if len(columns) < len(outputs):
            raise Refused("two columns of a subquery have one name", "AS <name>")
        listed = ", ".join(f"{found.sql} AS `{name}`" for name, found in outputs)
        distinct = "DISTINCT " if tree.args.get("distinct") else ""
        sql = f"{ctes}SELECT {distinct}{listed} FROM {froms}{''.join(joins)}"  # noqa: S608 - made of checked terms
        sql += f" WHERE {conditions[0].sql}" if conditions else ""
        sql += f" GROUP BY {', '.join(part.sql for part in groups)}" if groups else ""
        sql += f" HAVING {having[0].sql}" if having else ""
        return sql, columns, self._of_outer([*conditions, *(found for _, found in outputs)], names)

    def _with(self, tree: exp.Select, known: Mapping[str, Mapping[str, str]]) -> tuple[str, Mapping[str, Mapping[str, str]]]:
        clause = tree.args.get("with_")
        if clause is None:
            return "", known
        if clause.args.get("recursive"):
            raise Refused("WITH RECURSIVE does not belong in a rule")
        parts: list[str] = []
        for cte in clause.expressions:
            name = _plain(cte.args["alias"])
            sql, columns, _ = self.select(cte.this, None, known)
            parts.append(f"`{name}` AS ({sql})")
            known = {**known, name: columns}
        return f"WITH {', '.join(parts)} ", known

    def _from(self, tree: exp.Select, known: Mapping[str, Mapping[str, str]]) -> tuple[str, dict[str, Mapping[str, str]]]:
        if tree.args.get("from_") is None:
            raise Refused("a SELECT without FROM")
        sources: dict[str, Mapping[str, str]] = {}
        return self._source(tree.args["from_"].this, known, sources), sources

    def _source(self, node: exp.Expression, known: Mapping[str, Mapping[str, str]], sources: dict[str, Mapping[str, str]]) -> str:
        """One table, or a subquery in its place, with its name; adds its columns to `sources`."""
        alias = node.args.get("alias")
        given = set(_given(node)) - {"alias", "this", "db"}
        if not isinstance(node, exp.Table | exp.Subquery) or given - {"joins"} or node.args.get("joins"):
            raise Refused(
                f"{quoted(clipped(node.sql()))} is no table of ours", "no samples, versions, functions or values in FROM"
            )
        if isinstance(node, exp.Subquery):
            sql, columns, _ = self.select(node.this, None, known)
            self.unnamed += 1
            place, name = f"({sql})", f"_{self.unnamed}"
        else:
            full = ".".join(part.name for part in node.parts)
            if full in known:
                columns, place, name = dict(known[full]), f"`{full}`", full
            else:
                key = "object" if full == _OBJECT else full
                columns, place = dict(self.tables[key]), table_mark(key)
                name = self.domain if key == "object" else full.rpartition(".")[2]
        name = _plain(alias) if alias is not None else name
        if name in sources:
            raise Refused(f"two tables have the name {quoted(name)}", "AS <another name>")
        sources[name] = columns
        return f"{place} AS `{name}`"

    def _joined(self, join: exp.Join, names: Names, known: Mapping[str, Mapping[str, str]]) -> str:
        side, kind = (str(join.args.get(key) or "").upper() for key in ("side", "kind"))
        if set(_given(join)) - _OF_JOIN or side not in _JOINS or kind not in ("", "INNER", "OUTER") or not join.args.get("on"):
            raise Refused("a join needs ON", "JOIN, LEFT JOIN, RIGHT JOIN or FULL JOIN … ON …")
        assert isinstance(names.tables, dict)
        source = self._source(join.this, known, names.tables)
        matched = condition(join.args["on"], names)
        if matched.aggregated:
            raise Refused("an aggregate in ON")
        return f" {side} JOIN {source} ON {matched.sql}" if side else f" JOIN {source} ON {matched.sql}"

    def _inner(
        self, tree: exp.Expression, around: Names, known: Mapping[str, Mapping[str, str]], *, one: bool
    ) -> tuple[str, list[str], tuple[str, ...]]:
        sql, columns, outer = self.select(tree, around, known, root=one)
        return sql, list(columns.values()), outer

    def _output(self, node: exp.Expression, names: Names, nth: int) -> tuple[str, Term]:
        if isinstance(node, exp.Star):
            raise Refused("SELECT * does not belong in a rule", "name the columns")
        found = term(node.unalias(), names)
        if isinstance(node, exp.Alias):
            return _plain(node), found
        return (node.name if isinstance(node, exp.Column) else f"_{nth}"), found

    def _group(self, node: exp.Expression, names: Names) -> Term:
        found = term(node, names)
        if found.aggregated or not found.bare:
            raise Refused("GROUP BY needs columns", "their names, no numbers")
        return found

    def _require_grouped(self, found: list[Term], names: Names) -> None:
        for part in found:
            loose = [name for name in part.bare if name not in names.grouped]
            if loose:
                column = loose[0].rpartition(".")[2].strip("`")
                raise Refused(f"column {column} stands neither in GROUP BY nor in an aggregate")

    def _of_outer(self, found: list[Term], names: Names) -> tuple[str, ...]:
        """Columns of the query around this one: to that one they are its own."""
        own = tuple(f"`{name}`." for name in names.tables)
        return tuple(
            dict.fromkeys(name for part in found for name in part.bare if not name.removeprefix("CAST(").startswith(own))
        )


def _plain(alias: exp.Expression) -> str:
    """A name that was given, if it is a plain one and says nothing more."""
    if isinstance(alias, exp.TableAlias) and alias.args.get("columns"):
        raise Refused("names of columns behind the name of a table", "AS <name> at each column")
    name = alias.alias if isinstance(alias, exp.Alias) else alias.name
    if not _PLAIN_NAME.fullmatch(name):
        raise Refused(f"the name {quoted(clipped(name))}", "a name is made of A-Z, a-z, 0-9 and _")
    return name
