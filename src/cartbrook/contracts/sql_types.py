"""Terms: what SQL of rules is made of, each with its type and with the text that Sail and Spark evaluate alike."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from cartbrook.contracts.expressions import quote
from cartbrook.contracts.yaml_marks import clipped, quoted, suggestion

EXACT = "DECIMAL(28, 10)"
"""The type in which quotients, and numbers of different scales, meet."""

NUMBER, TEXT, DATE, TIMESTAMP, BOOLEAN, NULL = "number", "text", "date", "timestamp", "boolean", "null"
MOMENTS = (DATE, TIMESTAMP)
WORDS = {NUMBER: "a number", TEXT: "text", DATE: "a date", TIMESTAMP: "a timestamp", BOOLEAN: "a condition", NULL: "NULL"}

_PLAIN = re.compile(r"[0-9]{1,18}(\.[0-9]{1,10})?")
_KINDS = {
    "decimal": NUMBER,
    "integer": NUMBER,
    "int": NUMBER,
    "bigint": NUMBER,
    "string": TEXT,
    "date": DATE,
    "timestamp": TIMESTAMP,
}

_DIGITS = {"integer": 18, "int": 18, "bigint": 19}
"""Whole numbers become decimals: one engine wraps where 64 bits overflow."""
_BESIDE = {
    (TEXT, NUMBER): "try_cast(… AS decimal(18,2)) makes a number of it",
    (NUMBER, TEXT): "cast(… AS string) makes text of it",
    (TEXT, DATE): "try_cast(… AS date) makes a date of it",
}


class Refused(Exception):
    """Something that SQL of a rule may not hold, and perhaps what to write instead."""

    def __init__(self, what: str, hint: str | None = None) -> None:
        self.what = what
        self.hint = hint
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Term:
    """A part of an expression as it will be run.

    Attributes:
        aggregated: It holds an aggregate.
        bare: Columns that it names outside of any aggregate.
        is_integer: A literal without a point.
    """

    kind: str
    sql: str
    aggregated: bool = False
    bare: tuple[str, ...] = ()
    is_integer: bool = False


@dataclass(slots=True)
class Names:
    """The tables that an expression may name columns of.

    Attributes:
        tables: Columns and their types (as contracts name them), by the name of the table in the query.
        outer: The names around a subquery.
        qualified: Columns are written with their table.
        grouped: What GROUP BY lists, as it will be run.
        subquery: Compiles a subquery, of one row if it stands for a value; gives its text and the kinds of its columns. None
            where subqueries do not belong.
        condition: A condition that every aggregate is limited to.
        own: The one table whose columns stand without its name; columns of others need theirs.
    """

    tables: Mapping[str, Mapping[str, str]]
    outer: Names | None = None
    qualified: bool = True
    grouped: frozenset[str] = field(default_factory=frozenset)
    subquery: Callable[[exp.Expression, Names, bool], tuple[str, Sequence[str], tuple[str, ...]]] | None = None
    condition: Term | None = None
    own: str = ""

    def column(self, node: exp.Column) -> Term:
        """A column by its name, with or without its table."""
        table, name = node.table or self.own, node.name
        holding = [key for key, columns in self.tables.items() if name in columns and table in ("", key)]
        if len(holding) > 1:
            raise Refused(f"column {quoted(name)} is in {' and '.join(holding)}", f"{holding[0]}.{name}")
        if not holding:
            if self.outer is not None and self._is_outer(table, name):
                return self.outer.column(node)
            raise self._unknown(table, name)
        kind = self.tables[holding[0]][name].partition("(")[0]
        sql = f"`{holding[0]}`.`{name}`" if self.qualified and holding[0] != self.own else f"`{name}`"
        if kind in _DIGITS:
            sql = f"CAST({sql} AS DECIMAL({_DIGITS[kind]}, 0))"
        return Term(_KINDS.get(kind, kind), sql, bare=(sql,))

    def _is_outer(self, table: str, name: str) -> bool:
        assert self.outer is not None
        known = any(name in columns and table in ("", key) for key, columns in self.outer.tables.items())
        return known or (self.outer.outer is not None and self.outer._is_outer(table, name))  # noqa: SLF001

    def _unknown(self, table: str, name: str) -> Refused:
        if table and table not in self.tables:
            return Refused(f"unknown table {quoted(table)}", suggestion(table, self.tables))
        known = sorted({column for key, columns in self.tables.items() if table in ("", key) for column in columns})
        return Refused(f"unknown column {quoted(clipped(f'{table}.{name}' if table else name))}", suggestion(name, known))


def literal(node: exp.Literal) -> Term:
    """A plain number, or a text that engines read alike."""
    text = str(node.this)
    if not node.is_string:
        if not _PLAIN.fullmatch(text):
            raise Refused(f"{quoted(text)} is no plain number", "write decimals out: 0.01, not 1e-2")
        return Term(NUMBER, text, is_integer="." not in text)
    literal = quote(text) if "`" not in text and text.isprintable() else None
    if literal is None:
        raise Refused("a text with a backslash, a backtick or both kinds of quotes means different things to different engines")
    return Term(TEXT, literal)


def moment_of(part: Term) -> Term:
    """A text beside a date or timestamp as one of them."""
    text = part.sql[1:-1]
    return moment(text, DATE if len(text) == 10 else TIMESTAMP)


def moment(text: str, kind: str) -> Term:
    """A date or timestamp as it is written."""
    form = "%Y-%m-%d" if kind == DATE else "%Y-%m-%d %H:%M:%S"
    try:
        read = dt.datetime.strptime(text, form).strftime(form)  # noqa: DTZ007 - only its form is looked at
    except ValueError:
        read = ""
    if read != text:
        raise Refused(f"{quoted(text)} is no {kind}", "2025-01-31" if kind == DATE else "2025-01-31 08:30:00")
    return Term(kind, f"{kind.upper()} '{text}'")


def require_alike(left: Term, right: Term) -> None:
    """Refuse to compare what is of different kinds: engines would cast, and stop at what cannot be."""
    if NULL in (left.kind, right.kind) or left.kind == right.kind or {left.kind, right.kind} == set(MOMENTS):
        return
    raise Refused(f"{WORDS[left.kind]} is compared with {WORDS[right.kind]}", "try_cast(… AS …) brings them together")


def common(values: Sequence[Term]) -> str:
    """The kind that some values share."""
    for value in values[1:]:
        require_alike(values[0], value)
    return next((value.kind for value in values if value.kind != NULL), NULL)


def quotient(left: Term, right: Term) -> Term:
    """A division; NULL by 0."""
    pattern = f"TRY_CAST((CAST({{}} AS DOUBLE) / NULLIF(CAST({{}} AS DOUBLE), 0)) AS {EXACT})"
    return joined(NUMBER, pattern, left, right)


def of(part: Term, *kinds: str) -> Term:
    """The term, if it is of one of these kinds."""
    if part.kind not in kinds and part.kind != NULL:
        hint = "compare it: … > 0, … = 'x'" if kinds[0] == BOOLEAN else _BESIDE.get((part.kind, kinds[0]))
        raise Refused(f"{WORDS[part.kind]} stands where {WORDS[kinds[0]]} is needed", hint)
    return part


def joined(kind: str, pattern: str, *parts: Term) -> Term:
    """A term of several, by a pattern with `{}` for each."""
    bare = tuple(dict.fromkeys(name for part in parts for name in part.bare))
    return Term(kind, pattern.format(*(part.sql for part in parts)), any(part.aggregated for part in parts), bare)
