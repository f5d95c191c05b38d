"""What may become part of an SQL statement where the engine takes no arguments: MERGE, DELETE."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

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
