"""Whether stored tables and rows to be written are what is declared: an append of the engine does not check it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pyspark.sql import types as T

Kinds = Mapping[str, str]
"""Types by column, in Spark's words."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a stored table differs from the declared one, by column.

    Attributes:
        missing: Declared columns that the table does not have.
        surplus: Columns of the table that are not declared.
        changed: The stored and the declared type of those that are of another type.
    """

    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    changed: Mapping[str, tuple[str, str]]


def difference(stored: T.StructType, declared: T.StructType) -> Difference:
    """What is stored, compared with what is declared; the order of columns does not matter."""
    # Through Spark's types, since only these are written alike everywhere.
    has, due = kinds(stored), kinds(declared)
    changed = {column: (has[column], due[column]) for column in due if column in has and has[column] != due[column]}
    missing = tuple(column for column in due if column not in has)
    return Difference(missing, tuple(column for column in has if column not in due), changed)


def misfits(given: Kinds, declared: Kinds, allowed: Collection[str], set_here: Collection[str]) -> list[str]:
    """What is wrong with rows for a table.

    Args:
        given: The columns of the rows.
        allowed: Further columns that they may have.
        set_here: Declared columns that whoever writes sets itself.
    """
    wrong = [f"{column} is missing" for column in declared if column not in given and column not in set_here]
    wrong += [f"{column} is not a column of it" for column in given if column not in declared and column not in allowed]
    due = {column: kind for column, kind in declared.items() if column in given and column not in set_here}
    return wrong + [f"{column} is {given[column]} and not {kind}" for column, kind in due.items() if given[column] != kind]


def kinds(schema: T.StructType) -> dict[str, str]:
    """The types of a schema by column."""
    return {field.name: field.dataType.simpleString() for field in schema.fields}
