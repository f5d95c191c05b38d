"""Conditions of rules: which names an SQL text uses, and whether both engines will read it alike.

Not a parser: the engines are. What is found here is what would otherwise be found in the middle of a batch: unknown names,
unbalanced brackets, and constructs that differ between engines, from one run to the next, or that stop a batch at one odd record.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cartbrook.contracts.yaml_marks import clipped, quoted, suggestion


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule of scope LAKE may look at beside its own domain.

    Attributes:
        domain: The domain it is made from; without any record of it the rule is not evaluated.
        fields: Names after the point; None means every column of `domain`, empty means that it is itself a number.
    """

    domain: str
    fields: tuple[str, ...] | None = ()


CONTEXT: Mapping[str, Mapping[str, Context]] = MappingProxyType(
    {
        "customers": {"orders": Context("orders")},
        "products": {"inventory": Context("inventory", ("stock_quantity", "warehouses"))},
        "orders": {
            "customer": Context("customers", None),
            "product": Context("products", None),
            "shipments": Context("shipping"),
        },
        "shipping": {},
        "inventory": {},
    }
)
"""By domain: ``customer.<column>`` and ``product.<column>`` of the bound versions, ``shipments`` and ``orders`` as numbers of
live records, ``inventory.stock_quantity`` as the sum and ``inventory.warehouses`` as the number of the newest snapshots."""

BATCH_DATE = "batch_date"
"""The one name beside the columns that rules of scope RECORD may use."""

MAX_LENGTH = 2_000

_KEYWORDS = frozenset(
    {
        *("and", "or", "not", "in", "is", "null", "true", "false", "between", "like", "case", "when", "then", "else", "end"),
        *("distinct", "from", "as"),
    }
)
_TYPE_LITERALS = frozenset({"date", "timestamp"})
_QUERIES = frozenset({"select", "exists", "over"})
FUNCTIONS = frozenset(
    {
        *("abs", "cast", "try_cast", "coalesce", "nullif", "ifnull", "nvl", "if", "greatest", "least", "round", "floor", "ceil"),
        *("sign", "length", "char_length", "lower", "upper", "trim", "ltrim", "rtrim", "concat", "substring", "substr", "left"),
        *("right", "replace", "startswith", "endswith", "contains", "year", "quarter", "month", "day", "dayofmonth", "dayofweek"),
        *("hour", "minute", "second", "datediff", "date_add", "date_sub", "add_months", "last_day", "date_trunc"),
    }
)
"""Functions that give the same on every engine and in every run: no clock, no chance, no aggregate, no window, no Java."""

INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "to_date": "try_cast(… AS date), which gives NULL where there is no date",
        **dict.fromkeys(("now", "current_date", "current_timestamp", "curdate"), "batch_date, which is the same in every run"),
    }
)
"""What to write in place of functions that many know: they stop a batch at one odd value, or ask the clock."""

_COUNTED = frozenset({"date_add", "date_sub", "add_months", "left", "right", "substring", "substr", "round"})
"""Functions whose arguments from the second on must be int in Spark, where our integers are bigint."""
_PLACES = frozenset({"left", "right", "substring", "substr"})
"""Those of them that count characters: engines differ below zero."""

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
  | (?P<string>'(?:[^']|'')*')
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?![0-9A-Za-z_.]))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]+`)
  | (?P<comment>--|/\*)
  | (?P<symbol><=>|<>|<=|>=|!=|==|\|\||[-+*/%=<>(),.])
    """,
    re.VERBOSE,
)
_WRONG = {
    "'": "a quote is not closed",
    "`": "a backtick is not closed",
    '"': 'texts stand in single quotes, not in "',
    ";": "; does not belong in a condition",
}


@dataclass(frozen=True, slots=True)
class Expression:
    """What an SQL condition is made of.

    Attributes:
        names: Each column it names, once, in order: ``("price",)`` or ``("product", "price")``.
        problems: What is wrong with it, each with a hint or None.
        sql: The text as every engine reads it alike.
    """

    names: tuple[tuple[str, ...], ...]
    problems: tuple[tuple[str, str | None], ...]
    sql: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names without a context."""
        return tuple(name[0] for name in self.names if len(name) == 1)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind == "name" and not self.text.startswith("`") else ""


def read(sql: str) -> Expression:
    """Find the names in an SQL condition and what is wrong with it.

    Args:
        sql: A boolean condition as Spark's `expr` takes it.

    Returns:
        The names, whether or not they exist, and the problems; never raises.
    """
    if len(sql) > MAX_LENGTH:
        return Expression((), ((f"a condition of more than {MAX_LENGTH:,} characters", None),))
    problems: list[tuple[str, str | None]] = []
    tokens = _tokens(sql, problems)
    _check_brackets(tokens, problems)
    names = _names(tokens, problems)
    _check_divisions(tokens, problems)
    _check_counts(tokens, problems)
    if not tokens and not problems:
        problems.append(("an empty condition", None))
    return Expression(tuple(dict.fromkeys(names)), tuple(dict.fromkeys(problems)), _portable(sql))


def quote(text: str) -> str | None:
    """A text as a literal that engines read alike, or None: Sail takes '' for the end of one text and the start of another."""
    if "\\" in text or ("'" in text and '"' in text):
        return None
    return f'"{text}"' if "'" in text else f"'{text}'"


def _portable(sql: str) -> str:
    """The text with what engines read differently, or what stops a batch at one odd value, written in another way."""

    def rewritten(match: re.Match[str]) -> str:
        text = match.group()
        if match.lastgroup == "string":
            return quote(text[1:-1].replace("''", "'")) or text
        return "try_cast" if match.lastgroup == "name" and text.lower() == "cast" else text

    return _TOKEN.sub(rewritten, sql).strip()


def _tokens(sql: str, problems: list[tuple[str, str | None]]) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            if sql[at].isdigit():
                problems.append((f"{quoted(sql[at : at + 20])} is no plain number", "write decimals out: 0.01, not 1e-2"))
            else:
                problems.append((_WRONG.get(sql[at], f"unexpected {quoted(sql[at])}"), None))
            break
        at = match.end()
        if match.lastgroup == "comment":
            problems.append(("comments do not belong in a condition", "write a # comment in the YAML"))
            break
        if match.lastgroup == "string" and "\\" in match.group():
            problems.append(("a backslash in a text means different things to different engines", None))
        elif match.lastgroup == "string" and quote(match.group()[1:-1].replace("''", "'")) is None:
            problems.append(("a text with both kinds of quotes means different things to different engines", None))
        if match.lastgroup != "blank":
            tokens.append(_Token(match.lastgroup, match.group()))
    return tokens


def _check_brackets(tokens: list[_Token], problems: list[tuple[str, str | None]]) -> None:
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            break
    if depth and not problems:  # a text that could not be read to its end says nothing about its brackets
        problems.append(("a closing bracket too many" if depth < 0 else "a bracket is not closed", None))


def _names(tokens: list[_Token], problems: list[tuple[str, str | None]]) -> list[tuple[str, ...]]:
    names: list[tuple[str, ...]] = []
    end = _Token("end", "")
    at = 0
    while at < len(tokens):
        before, token = tokens[at - 1] if at else end, tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else end
        at += 1
        called = after.text == "("
        if token.kind != "name" or before.word == "as" or (called and token.word in FUNCTIONS):
            continue
        if token.word in _QUERIES and (called or token.word == "select"):
            problems.append((f"{token.word} does not belong in a condition", "look at other tables through `context`"))
        elif token.word == "interval" and (after.kind in ("string", "number")):
            problems.append(("engines differ on intervals", "date_add(date, days), add_months(date, months)"))
        elif token.word in _KEYWORDS or (token.word in _TYPE_LITERALS and after.kind == "string"):
            continue
        elif called:
            hint = (
                INSTEAD.get(token.word)
                or suggestion(token.text, FUNCTIONS)
                or "only functions that are the same on every engine and in every run"
            )
            problems.append((f"unknown function {quoted(token.text)}", hint))
        else:
            parts = [token.text.strip("`")]
            while at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].kind == "name":
                parts.append(tokens[at + 1].text.strip("`"))
                at += 2
            names.append(tuple(parts))
    return names


def _check_divisions(tokens: list[_Token], problems: list[tuple[str, str | None]]) -> None:
    """A division by zero raises on every engine, and one record would stop its batch."""
    for token, divisor in itertools.pairwise([*tokens, _Token("end", "")]):
        safe = divisor.word == "nullif" or (divisor.kind == "number" and divisor.text.strip("0."))
        if token.text in ("/", "%") and not safe:
            problems.append((f"a division ({token.text}) by what may be 0 stops the batch", "nullif(…, 0) behind it"))


def _check_counts(tokens: list[_Token], problems: list[tuple[str, str | None]]) -> None:
    """Numbers of days, months, characters and digits must be plain ones, or of type int."""
    open_calls: list[tuple[str, bool]] = []  # the functions around a token, and whether it stands behind a comma in them
    for before, token in itertools.pairwise([_Token("start", ""), *tokens]):
        if token.text == "(":
            open_calls.append((before.word, False))
        elif token.text == ")" and open_calls:
            open_calls.pop()
        elif token.text == "," and open_calls:
            open_calls[-1] = (open_calls[-1][0], True)
        elif open_calls and open_calls[-1][1] and open_calls[-1][0] in _COUNTED:
            function = open_calls[-1][0]
            if token.kind == "name" and token.word not in FUNCTIONS:
                what = f"{function} by {quoted(token.text)}: Spark takes no bigint there"
                problems.append((what, "a plain number" if function == "round" else f"cast({clipped(token.text)} AS int)"))
            elif token.text == "-" and function in _PLACES:
                problems.append((f"engines differ on {function} with a number below 0", None))


def check_names(
    expression: Expression, domain: str, columns: tuple[str, ...], context: tuple[str, ...]
) -> list[tuple[str, str | None]]:
    """What is wrong with the names a condition uses, as far as one contract can tell.

    Args:
        expression: The condition.
        domain: The domain of the rule.
        columns: Columns of the domain.
        context: Names of the context that the rule declares; none for scope RECORD.

    Returns:
        Problems, each with a hint or None. Columns of other domains are judged by `foreign_columns`.
    """
    known = (*columns, *context) if context else (*columns, BATCH_DATE)
    problems: list[tuple[str, str | None]] = []
    for name in expression.names:
        first, rest = name[0], ".".join(name[1:])
        declared = CONTEXT[domain].get(first) if first in context else None
        if declared is not None:
            if declared.fields == () and rest:
                problems.append((f"{first} is a number and has no columns", f'write "{first}"'))
            elif declared.fields != () and not rest:
                problems.append((f"{first} is not a value", f"write {first}.<column>"))
            elif declared.fields and rest not in declared.fields:
                problems.append((f"unknown column {quoted('.'.join(name))}", f"one of {', '.join(declared.fields)}"))
        elif first in CONTEXT[domain] and first not in columns:
            problems.append((f"the condition looks at {first} without saying so", f"add context: [{first}] beside expect"))
        elif rest:
            problems.append((f"unknown context {quoted(first)}", suggestion(first, CONTEXT[domain])))
        elif first not in known:
            hint = "rules with a context see no batch_date" if first == BATCH_DATE else suggestion(first, known)
            problems.append((f"unknown column {quoted(clipped(first))}", hint))
    return problems


def foreign_columns(expression: Expression, domain: str) -> list[tuple[str, str]]:
    """The columns of other domains that a condition names, as (domain, column)."""
    found: list[tuple[str, str]] = []
    for name in expression.names:
        context = CONTEXT[domain].get(name[0])
        if context is not None and context.fields is None and len(name) > 1:
            found.append((context.domain, ".".join(name[1:])))
    return found
