"""What may become part of an SQL statement where no arguments are taken: MERGE and DELETE of engines, predicates of delta-rs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

INSERT, DELETE = "insert", "delete"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BETWEEN = "\x1f"
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


def merge_statement(target: str, source: str, columns: Sequence[str], key: Sequence[str], kinds: Collection[str]) -> str:
    """A MERGE of rows that say in `_change` what they are for.

    Args:
        columns: All columns of the target.
        kinds: What `_change` is among the rows: insert, update, upsert (not known which) or delete.
    """
    matched = " AND ".join(f"t.{quoted(column)} = s.{quoted(column)}" for column in key)
    updates = ", ".join(f"{quoted(column)} = s.{quoted(column)}" for column in columns if column not in key)
    names = ", ".join(quoted(column) for column in columns)
    values = ", ".join(f"s.{quoted(column)}" for column in columns)
    clauses = [f"WHEN MATCHED THEN UPDATE SET {updates}"]
    if DELETE in kinds:
        clauses.insert(0, f"WHEN MATCHED AND s._change = '{DELETE}' THEN DELETE")
    if set(kinds) - {"update", DELETE}:
        clauses.append(f"WHEN NOT MATCHED AND s._change <> '{DELETE}' THEN INSERT ({names}) VALUES ({values})")
    return f"MERGE INTO {target} t USING {source} s ON {matched} {' '.join(clauses)}"


def key_predicate(keys: Sequence[Mapping[str, object]]) -> str:
    """The condition that a row has one of these keys, for delta-rs, whose literals follow the SQL standard.

    Args:
        keys: Values by column, the same columns in each, none of them NULL.
    """
    names = list(keys[0])
    listed = [f"{quoted_twice(name)} IN ({_list({_standard(key[name]) for key in keys})})" for name in names]
    if len(names) > 1:  # as one text: a long chain of OR is compared with each row one by one
        whole = ", ".join(part for name in names for part in (f"'{_BETWEEN}'", f"CAST({quoted_twice(name)} AS VARCHAR)"))
        listed.append(f"concat({whole}) IN ({_list({_standard(_text(key)) for key in keys})})")
    return " AND ".join(listed)


def _text(key: Mapping[str, object]) -> str:
    return "".join(f"{_BETWEEN}{value}" for value in key.values())


def _list(literals: Iterable[str]) -> str:
    return ", ".join(sorted(literals))


def quoted_twice(name: str) -> str:
    """A column name as an identifier of the SQL standard."""
    return f'"{quoted(name)[1:-1]}"'


def _standard(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    raise TypeError(f"a column of {type(value).__name__} is no key")
