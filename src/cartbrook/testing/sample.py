"""Rows that a contract accepts, from a seed."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Mapping, Sequence

from cartbrook.contracts.model import Column, Contract

_EPOCH = dt.datetime(2025, 1, 1, 9, 0, 0, tzinfo=dt.UTC)


def sample_rows(
    contract: Contract, count: int, seed: int = 0, choices: Mapping[str, Sequence[str]] | None = None
) -> list[dict[str, str]]:
    """Rows with different keys that pass every rule about single columns that cartbrook's own contracts have.

    Args:
        contract: What the rows are of.
        count: How many.
        seed: The same seed gives the same rows.
        choices: The texts that some columns take, e.g. the keys of parents; for rules of the shop's own, too.
    """
    chance = random.Random(f"{contract.domain} {seed}")
    return [{column.name: _text(column, contract, i, chance, choices or {}) for column in contract.columns} for i in range(count)]


def _text(column: Column, contract: Contract, number: int, chance: random.Random, choices: Mapping[str, Sequence[str]]) -> str:
    if column.name in choices:
        return chance.choice(choices[column.name])
    if contract.delete is not None and column.name == contract.delete.column:
        return ""
    if column.name in contract.key and column.type == "string":
        return f"{column.name.upper().replace('_', '')}{number:06d}"
    if column.enumeration is not None:
        return chance.choice(column.enumeration.values)
    moment = _EPOCH + dt.timedelta(days=chance.randrange(28), seconds=chance.randrange(8 * 3600))
    if column.type in ("date", "timestamp"):
        return moment.strftime(column.format or ("%Y-%m-%d" if column.type == "date" else "%Y-%m-%d %H:%M:%S"))
    if column.type == "integer":
        return str(chance.randrange(100))
    if column.type == "boolean":
        return chance.choice(("true", "false"))
    if match := re.fullmatch(r"decimal\(\d+, *(\d+)\)", column.type):
        return f"{chance.randrange(1, 100)}.{'5' * int(match[1])}".rstrip(".")
    return _word(column.name, chance)


def _word(name: str, chance: random.Random) -> str:
    """A text for a column of text; a few names have forms that the built-in contracts look at."""
    forms = {"currency": "USD", "email": f"someone{chance.randrange(1000)}@example.com", "phone": "555-0101", "zip_code": "10001"}
    return forms.get(name, f"{name.replace('_', ' ')} {chance.choice('ABCDEFGH')}")
