"""SELECTs of SQL rules, and the SELECTs within them, checked against the columns of their tables and written anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from cartbrook.contracts.sql_terms import condition, term
from cartbrook.contracts.sql_types import Names, Refused, Term
from cartbrook.contracts.tables import table_mark
from cartbrook.contracts.yaml_marks import clipped, quoted

OBJECT = "__object__"
"""Stands for the records of the batch while a query is read."""

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


def given(node: exp.Expression) -> list[str]:
    """The parts of a node that are there."""
    return [key for key, value in node.args.items() if value]


def require_aggregate(found: Term) -> None:
    """Raise Refused unless a term is one value for all records."""
    if not found.aggregated:
        raise Refused("this is no aggregate: it gives a value for each record", "count_if(…), sum(…), avg(…), min(…), max(…)")
    if found.bare:
        raise Refused(f"column {found.bare[0].rpartition('.')[2].strip('`')} stands outside of an aggregate", "sum(…), max(…)")


@dataclass(slots=True)
class Compiler:
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
        for key in given(tree):
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
            require_aggregate(outputs[0][1])
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
        more = set(given(node)) - {"alias", "this", "db", "joins"}
        if not isinstance(node, exp.Table | exp.Subquery) or more or node.args.get("joins"):
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
                key = "object" if full == OBJECT else full
                columns, place = dict(self.tables[key]), table_mark(key)
                name = self.domain if key == "object" else full.rpartition(".")[2]
        name = _plain(alias) if alias is not None else name
        if name in sources:
            raise Refused(f"two tables have the name {quoted(name)}", "AS <another name>")
        sources[name] = columns
        return f"{place} AS `{name}`"

    def _joined(self, join: exp.Join, names: Names, known: Mapping[str, Mapping[str, str]]) -> str:
        side, kind = (str(join.args.get(key) or "").upper() for key in ("side", "kind"))
        if set(given(join)) - _OF_JOIN or side not in _JOINS or kind not in ("", "INNER", "OUTER") or not join.args.get("on"):
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
