"""SQL expressions of rules, read into terms that Sail and Spark evaluate alike, or refused.

An expression is never handed on as it was written. Each part is checked for its type and written anew: integers as decimals (one
engine wraps at their overflow), divisions by way of doubles and to ten digits (engines keep other numbers of digits of a decimal
quotient), casts as try_cast (one odd value would stop the batch). What is not known here is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlglot import exp

from cartbrook.contracts.expressions import INSTEAD
from cartbrook.contracts.sql_types import (
    BOOLEAN,
    DATE,
    EXACT,
    MOMENTS,
    NULL,
    NUMBER,
    TEXT,
    TIMESTAMP,
    WORDS,
    Names,
    Refused,
    Term,
    common,
    joined,
    literal,
    moment,
    moment_of,
    of,
    quotient,
    require_alike,
)
from cartbrook.contracts.yaml_marks import clipped, quoted, suggestion

AGGREGATES = ("count", "count_if", "sum", "avg", "min", "max")

_SCALARS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("abs", "floor", "ceil", "sign"), ("n", NUMBER)),
        **dict.fromkeys(("length", "char_length"), ("t", NUMBER)),
        **dict.fromkeys(("lower", "upper", "trim", "ltrim", "rtrim"), ("t", TEXT)),
        **dict.fromkeys(("startswith", "endswith", "contains"), ("tt", BOOLEAN)),
        **dict.fromkeys(("left", "right"), ("tc", TEXT)),
        **dict.fromkeys(("substring", "substr"), ("tcC", TEXT)),
        "replace": ("ttt", TEXT),
        "round": ("nC", NUMBER),
        **dict.fromkeys(("year", "quarter", "month", "day", "dayofmonth", "dayofweek"), ("m", NUMBER)),
        **dict.fromkeys(("hour", "minute", "second"), ("s", NUMBER)),
        "datediff": ("mm", NUMBER),
        **dict.fromkeys(("date_add", "date_sub", "add_months"), ("mi", DATE)),
        "last_day": ("m", DATE),
        "date_trunc": ("um", TIMESTAMP),
    }
)
"""Scalar functions: what they take and what they give. n number, t text, m date or timestamp, s timestamp, i a number of
days or months, c a plain whole number, u a unit of time; a capital one may be left out."""

_ALIKE = ("coalesce", "ifnull", "nvl", "nullif", "greatest", "least")
_COMPARISONS: Mapping[type[exp.Expression], str] = MappingProxyType(
    {exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.NullSafeEQ: "<=>"}
)
_FURTHEST: Mapping[str, int] = MappingProxyType({"date_add": 100_000, "date_sub": 100_000, "add_months": 3_000})
"""How many days or months a date may be moved by: beyond it is NULL, as engines stop where dates end."""
_UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
_ARITHMETIC: Mapping[type[exp.Expression], str] = MappingProxyType({exp.Add: "+", exp.Sub: "-", exp.Mul: "*"})
_UNHEEDED: Mapping[type[exp.Expression], tuple[str, ...]] = MappingProxyType(
    {exp.Cast: ("format", "action", "default"), exp.Between: ("symmetric",), exp.Is: ("negate",), exp.In: ("is_global", "field")}
)
_CASTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("INT", "BIGINT", "SMALLINT", "TINYINT"), ("BIGINT", NUMBER)),
        "DECIMAL": ("DECIMAL", NUMBER),
        **dict.fromkeys(("TEXT", "VARCHAR"), ("STRING", TEXT)),
        "DATE": ("DATE", DATE),
        **dict.fromkeys(("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ"), ("TIMESTAMP", TIMESTAMP)),
    }
)
_CASTABLE = {(NUMBER, NUMBER), (NUMBER, TEXT), (TEXT, NUMBER), (TEXT, DATE), (TEXT, TEXT), (DATE, DATE), (DATE, TEXT)}
_CASTABLE |= {(DATE, TIMESTAMP), (TIMESTAMP, DATE), (TIMESTAMP, TIMESTAMP), (BOOLEAN, NUMBER)}


def term(node: Any, names: Names) -> Term:
    """An expression as a term.

    Raises:
        Refused: It holds something that engines differ on, that can stop a batch, or that is not there.
    """
    found = _term(node, names)
    return Term(found.kind, found.sql, found.aggregated) if found.sql in names.grouped else found


def condition(node: exp.Expression, names: Names) -> Term:
    """An expression that must be a condition."""
    return of(term(node, names), BOOLEAN, NULL)


def _term(node: Any, names: Names) -> Term:  # noqa: C901, PLR0912 - one line for each part of SQL that is known
    _require_no_more(node)
    if isinstance(node, exp.Column):
        if isinstance(node.this, exp.Star) or node.args.get("db"):
            raise Refused(f"{quoted(node.sql())} does not belong in a rule", "name the columns")
        return names.column(node)
    if isinstance(node, exp.Literal):
        return literal(node)
    if isinstance(node, exp.Boolean):
        return Term(BOOLEAN, "TRUE" if node.this else "FALSE")
    if isinstance(node, exp.Null):
        return Term(NULL, "NULL")
    if isinstance(node, exp.Paren):
        return term(node.this, names)
    if isinstance(node, exp.And | exp.Or):
        word = "AND" if isinstance(node, exp.And) else "OR"
        return joined(BOOLEAN, f"({{}} {word} {{}})", condition(node.this, names), condition(node.expression, names))
    if isinstance(node, exp.Not):
        return joined(BOOLEAN, "(NOT {})", condition(node.this, names))
    if type(node) in _COMPARISONS:
        return _compared(f"({{}} {_COMPARISONS[type(node)]} {{}})", term(node.this, names), term(node.expression, names))
    if isinstance(node, exp.NullSafeNEQ):
        return _compared("(NOT ({} <=> {}))", term(node.this, names), term(node.expression, names))
    if isinstance(node, exp.Between):
        parts = [term(part, names) for part in (node.this, node.args["low"], node.args["high"])]
        return _compared("({} BETWEEN {} AND {})", *parts)
    if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null | exp.Boolean):
        tested = term(node.this, names)
        if isinstance(node.expression, exp.Boolean):
            of(tested, BOOLEAN, NULL)
        return joined(BOOLEAN, f"({{}} IS {_term(node.expression, names).sql})", tested)
    if isinstance(node, exp.In) and not node.args.get("unnest"):
        return _in(node, names)
    if isinstance(node, exp.Like):
        pattern = of(term(node.expression, names), TEXT)
        if not isinstance(node.expression, exp.Literal):
            raise Refused("LIKE needs a plain text behind it")
        written = "(NOT ({} LIKE {}))" if node.args.get("negate") else "({} LIKE {})"
        return joined(BOOLEAN, written, of(term(node.this, names), TEXT), pattern)
    if type(node) in _ARITHMETIC:
        return joined(NUMBER, f"({{}} {_ARITHMETIC[type(node)]} {{}})", *_numbers(node, names))
    if isinstance(node, exp.Div):
        left, right = _numbers(node, names)
        return quotient(left, right)
    if isinstance(node, exp.Mod):
        return joined(NUMBER, "({} % NULLIF({}, 0))", *_numbers(node, names))
    if isinstance(node, exp.Neg):
        return joined(NUMBER, "(- {})", of(term(node.this, names), NUMBER, NULL))
    if isinstance(node, exp.DPipe):
        return joined(TEXT, "concat({}, {})", *(of(term(part, names), TEXT, NULL) for part in (node.this, node.expression)))
    if isinstance(node, exp.If) and node.args.get("false") is None:
        raise Refused("if takes 3 values", "if(condition, value, other)")
    if isinstance(node, exp.Case | exp.If):
        return _case(node, names)
    if isinstance(node, exp.Cast):
        return _cast(node, names)
    if isinstance(node, exp.Filter):
        limit = condition(node.expression.this, names)
        if limit.aggregated:
            raise Refused("an aggregate inside FILTER (WHERE …)")
        return _call(node.this, names, limit)
    if isinstance(node, exp.Exists | exp.Subquery) and names.subquery is not None and not node.args.get("alias"):
        is_value = isinstance(node, exp.Subquery)
        sql, kinds, outer = names.subquery(node.this, names, is_value)
        if not is_value:
            return Term(BOOLEAN, f"EXISTS ({sql})", bare=outer)
        if len(kinds) != 1:
            raise Refused("a subquery in an expression needs one column")
        return Term(kinds[0], f"({sql})", bare=outer)
    return _call(node, names, None)


def _require_no_more(node: Any) -> None:
    """Refuse what would be left out in silence, as it is no part of what is written anew."""
    for kind, unknown in _UNHEEDED.items():
        given = [name for name in unknown if isinstance(node, kind) and node.args.get(name)]
        if given:
            raise Refused(f"{given[0].upper()} does not belong in a {node.key}")


def _numbers(node: exp.Binary, names: Names) -> tuple[Term, Term]:
    """Both sides of an operation on numbers."""
    sides = (term(node.this, names), term(node.expression, names))
    for side in sides:
        if side.kind in MOMENTS:
            raise Refused(f"engines differ on {WORDS[side.kind]} in a sum", "datediff(later, earlier), date_add(date, days)")
        of(side, NUMBER, NULL)
    return sides


def _in(node: exp.In, names: Names) -> Term:
    tested = term(node.this, names)
    if node.args.get("query") is not None:
        if names.subquery is None:
            raise Refused("a subquery does not belong here")
        sql, kinds, outer = names.subquery(node.args["query"].this, names, False)
        if len(kinds) != 1:
            raise Refused("a subquery behind IN needs one column")
        require_alike(tested, Term(kinds[0], ""))
        return Term(BOOLEAN, f"({tested.sql} IN ({sql}))", tested.aggregated, (*tested.bare, *outer))
    listed = [term(part, names) for part in node.expressions]
    if not listed:
        raise Refused("IN needs values", "IN ('a', 'b')")
    return _compared(f"({{}} IN ({', '.join('{}' for _ in listed)}))", tested, *listed)


def _compared(pattern: str, *parts: Term) -> Term:
    """A comparison; texts beside a date or timestamp are read as one here, so that none can stop a batch."""
    parts = _as_moments(parts)
    for part in parts[1:]:
        require_alike(parts[0], part)
    return joined(BOOLEAN, pattern, *parts)


def _as_moments(parts: Sequence[Term]) -> tuple[Term, ...]:
    """Values of which texts beside a date or timestamp are read as one."""
    beside = any(part.kind in MOMENTS for part in parts)
    return tuple(moment_of(part) if beside and part.kind == TEXT and not part.bare else part for part in parts)


def _case(node: exp.Expression, names: Names) -> Term:
    """CASE and if(); branches of numbers are brought to one scale, which Sail does not do."""
    branches = node.args["ifs"] if isinstance(node, exp.Case) else [node]
    tested = term(node.this, names) if isinstance(node, exp.Case) and node.this is not None else None
    conditions, values = [], []
    for branch in branches:
        value = branch.args["true"]
        if tested is None:
            conditions.append(condition(branch.this, names))
        else:
            conditions.append(_compared("({} = {})", tested, term(branch.this, names)))
        values.append(term(value, names))
    default = node.args.get("default") if isinstance(node, exp.Case) else node.args.get("false")
    if default is not None:
        values.append(term(default, names))
    values = list(_as_moments(values))
    kind = common(values)
    if kind == NUMBER and not all(value.is_integer or value.kind == NULL for value in values):
        values = [joined(NUMBER, f"TRY_CAST({{}} AS {EXACT})", value) for value in values]
    whens = " ".join("WHEN {} THEN {}" for _ in conditions)
    ordered = [part for pair in zip(conditions, values, strict=False) for part in pair]
    otherwise = values[len(conditions) :]
    return joined(kind, f"(CASE {whens}{' ELSE {}' if otherwise else ''} END)", *ordered, *otherwise)


def _cast(node: exp.Cast, names: Names) -> Term:
    target = node.args["to"]
    name = target.this.value if isinstance(target.this, exp.DataType.Type) else str(target.this)
    if name not in _CASTS:
        hint = "decimal(18,2)" if name in ("DOUBLE", "FLOAT") else "int, bigint, decimal(p,s), string, date, timestamp"
        raise Refused(f"a cast to {name.lower()} differs between engines", hint)
    engine_type, kind = _CASTS[name]
    if isinstance(node.this, exp.Literal) and node.this.is_string and kind in MOMENTS:
        return moment(str(node.this.this), kind)
    if name == "DECIMAL":
        digits = [int(part.name) for part in target.expressions]
        if len(digits) != 2 or not 0 <= digits[1] <= digits[0] <= 38:
            raise Refused("a cast to decimal needs its digits", "decimal(18,2)")
        engine_type = f"DECIMAL({digits[0]}, {digits[1]})"
    part = term(node.this, names)
    if part.kind != NULL and (part.kind, kind) not in _CASTABLE:
        raise Refused(f"engines differ on {WORDS[part.kind]} as {WORDS[kind]}")
    return joined(kind, f"TRY_CAST({{}} AS {engine_type})", part)


def _call(node: Any, names: Names, limit: Term | None) -> Term:
    """A function, by its name as it is written."""
    name, arguments = _called(node)
    if name in AGGREGATES:
        return _aggregate(name, arguments, names, limit)
    if isinstance(node, exp.Concat) and all(isinstance(part, exp.Literal) for part in node.expressions):
        raise Refused("engines differ on two quotes in a text", 'a text with a quote in it stands in ": "O\'Brien"')
    if limit is not None or name is None:
        what = node.key.upper() if isinstance(node, exp.Expression) else "this"
        hint = "batch_date" if what.startswith("CURRENT") else "rules know no window, no order, no clock and no chance"
        raise Refused(f"{what} does not belong in a rule", hint)
    if name in _ALIKE:
        values = [term(argument, names) for argument in arguments]
        if len(values) < 2 or (name not in ("coalesce", "greatest", "least") and len(values) != 2):
            raise Refused(f"{name} takes two values")
        values = list(_as_moments(values))
        return joined(common(values), f"{name}({', '.join('{}' for _ in values)})", *values)
    if name == "concat":
        texts = [of(term(argument, names), TEXT, NULL) for argument in arguments]
        return joined(TEXT, f"concat({', '.join('{}' for _ in texts)})", *texts)
    if name == "if" and len(arguments) == 3:
        return _case(exp.If(this=arguments[0], true=arguments[1], false=arguments[2]), names)
    if name not in _SCALARS:
        known = (*AGGREGATES, *_SCALARS, *_ALIKE, "concat", "if")
        hint = INSTEAD.get(name) or suggestion(name, known) or "only functions that are the same on every engine and in every run"
        raise Refused(f"unknown function {quoted(clipped(name))}", hint)
    wanted, result = _SCALARS[name]
    if not sum(letter.islower() for letter in wanted) <= len(arguments) <= len(wanted):
        raise Refused(f"{name} takes {len(wanted)} value{'s' if len(wanted) > 1 else ''}")
    parts = [_argument(name, letter.lower(), argument, names) for letter, argument in zip(wanted, arguments, strict=False)]
    return joined(result, f"{name}({', '.join('{}' for _ in parts)})", *parts)


def _called(node: Any) -> tuple[str | None, list[exp.Expression]]:
    """The name and arguments of a function, also of those that sqlglot has syntax of its own for."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower(), list(node.expressions)
    if isinstance(node, exp.Substring):
        return "substring", [part for part in (node.this, node.args.get("start"), node.args.get("length")) if part is not None]
    if isinstance(node, exp.Trim) and not any(node.args.get(key) for key in ("position", "expression", "collation")):
        return "trim", [node.this]
    if isinstance(node, exp.Floor | exp.Ceil) and not any(node.args.get(key) for key in ("decimals", "to")):
        return node.key, [node.this]
    return None, []


def _argument(function: str, letter: str, node: exp.Expression, names: Names) -> Term:
    if letter == "u":
        unit = str(node.this).lower() if isinstance(node, exp.Literal) and node.is_string else ""
        if unit not in _UNITS:
            raise Refused(f"{function} needs a unit of time", ", ".join(f"'{known}'" for known in _UNITS))
        return Term(TEXT, f"'{unit}'")
    part = term(node, names)
    if letter == "c":
        if not part.is_integer:
            raise Refused(f"{function} needs a plain number", "such as 2")
        return part
    if letter == "i":
        most = _FURTHEST[function]
        if part.is_integer and int(part.sql) <= most:
            return part
        within = f"(CASE WHEN {{0}} BETWEEN -{most} AND {most} THEN TRY_CAST({{0}} AS INT) END)"
        return joined(NUMBER, within, of(part, NUMBER, NULL))
    if letter in "ms" and part.kind == TEXT and not part.bare:
        part = moment_of(part)
    wanted = {"n": (NUMBER,), "t": (TEXT,), "m": MOMENTS, "s": (TIMESTAMP,)}[letter]
    return of(part, *wanted, NULL)


def _aggregate(name: str, arguments: list[exp.Expression], names: Names, limit: Term | None) -> Term:
    """An aggregate; what it is limited to becomes a CASE, since Sail does not heed every FILTER."""
    limits = [part for part in (names.condition, limit) if part is not None]
    if len(arguments) != 1:
        raise Refused(f"{name} takes one value", "count(*)" if name == "count" else None)
    [argument] = arguments
    distinct = isinstance(argument, exp.Distinct)
    if distinct and (name != "count" or len(argument.expressions) != 1):
        raise Refused("DISTINCT counts one column only", "count(DISTINCT order_id)")
    if isinstance(argument, exp.Star):
        if name != "count":
            raise Refused(f"{name} takes one value")
        value = Term(NUMBER, "1")
    else:
        value = term(argument.expressions[0] if distinct else argument, names)
    if value.aggregated or any(part.aggregated for part in limits):
        raise Refused("an aggregate of an aggregate", "a subquery in FROM")
    if name == "count_if":
        limits, value = [*limits, of(value, BOOLEAN, NULL)], Term(NUMBER, "1")
    elif name in ("sum", "avg"):
        of(value, NUMBER, NULL)
    elif name in ("min", "max"):
        of(value, NUMBER, TEXT, *MOMENTS, NULL)
    sql = value.sql
    if limits:
        sql = f"CASE WHEN {' AND '.join(part.sql for part in limits)} THEN {sql} END"
    if name == "avg":
        return Term(NUMBER, quotient(Term(NUMBER, f"sum({sql})"), Term(NUMBER, f"count({sql})")).sql, aggregated=True)
    kind = value.kind if name in ("min", "max") else NUMBER
    function = "count" if name == "count_if" else name
    return Term(kind, f"{function}({'DISTINCT ' if distinct else ''}{sql})", aggregated=True)
