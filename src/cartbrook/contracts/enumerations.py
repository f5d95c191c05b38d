"""Enumerations as contracts write them: the listed values and their other spellings."""

from __future__ import annotations

from cartbrook.contracts.model import Enumeration
from cartbrook.contracts.yaml_marks import Spot, quoted, suggestion

UNKNOWN = "unknown"
"""What a value that an enumeration does not list is stored as."""


def normalised(value: str) -> str:
    """The form in which values of an enumeration are compared and stored."""
    return value.strip().lower().replace(" ", "_").replace("-", "_")


def read_enumeration(values: Spot, spellings: Spot | None) -> Enumeration:
    """The values at one place with the spellings at another; what cannot be one is a problem there."""
    listed: list[str] = []
    for value, spot in values.texts():
        if value != normalised(value):
            spot.problem(f"no value is ever compared as {quoted(value)}", f'write "{normalised(value)}"')
        elif value == UNKNOWN:
            spot.problem(f'"{UNKNOWN}" is what values get that are not listed', "leave it out")
        elif value in listed:
            spot.problem(f"value {quoted(value)} is listed twice")
        else:
            listed.append(value)
    other: dict[str, str] = {}
    for spelling, spot in spellings.mapping().items() if spellings is not None else []:
        target = spot.text()
        if target is not None and target not in listed:
            spot.problem(f"spelling of {quoted(target)}, which is not a listed value", suggestion(target, listed))
        elif normalised(spelling) in listed:
            spot.problem(f"{quoted(spelling)} is a listed value and a spelling of another")
        elif target is not None:
            other[normalised(spelling)] = target
    return Enumeration(tuple(listed), other)
