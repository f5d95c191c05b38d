"""What may become part of an SQL statement where no arguments are taken: MERGE and DELETE of engines, predicates of delta-rs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def literal(value: int | str | dt.date) -> str:
    """An SQL literal of an integer, a date, or a validated id; nothing else ever becomes part of a statement.

    Raises:
        ValueError: The text is not of the form of an id.
    """
    if isinstance(value, bool):
        raise ValueError("no literal for a boolean")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return f"DATE '{value.isoformat()}'"
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("this text is no id and must not become a literal")
    return f"'{value}'"


def quoted(name: str) -> str:
    """A column name as an identifier.

    Raises:
        ValueError: It is not a plain name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a column name")
    return f"`{name}`"


def predicate(where: Mapping[str, int | str]) -> str:
    """The condition that columns have these values."""
    return " AND ".join(f"{quoted(column)} = {literal(value)}" for column, value in where.items())


def key_predicate(keys: Sequence[Mapping[str, object]]) -> str:
    """The condition that a row has one of these keys, for delta-rs, whose literals follow the SQL standard.

    Args:
        keys: Values by column, the same columns in each, none of them NULL.
    """
    names = list(keys[0])
    if len(names) == 1:
        return f"{quoted_twice(names[0])} IN ({', '.join(_standard(key[names[0]]) for key in keys)})"
    # The first column alone finds the files; halved again and again, as a long chain of OR is too deep to be parsed.
    firsts = sorted({_standard(key[names[0]]) for key in keys})
    whole = [" AND ".join(f"{quoted_twice(name)} = {_standard(key[name])}" for name in names) for key in keys]
    return f"{quoted_twice(names[0])} IN ({', '.join(firsts)}) AND {_either(whole)}"


def quoted_twice(name: str) -> str:
    """A column name as an identifier of the SQL standard."""
    return f'"{quoted(name)[1:-1]}"'


def _either(conditions: Sequence[str]) -> str:
    if len(conditions) == 1:
        return f"({conditions[0]})"
    half = len(conditions) // 2
    return f"({_either(conditions[:half])} OR {_either(conditions[half:])})"


def _standard(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    raise TypeError(f"a column of {type(value).__name__} is no key")
