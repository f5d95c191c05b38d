"""What a changed contract means for a shop that lives with the old one: breaking, a rebuild, or nothing to worry about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cartbrook.contracts.checks import is_plain
from cartbrook.contracts.model import DIMENSIONS, DOMAINS, Action, Column, Contract, Enumeration, Reference, Rule, stored


class Kind(StrEnum):
    """What a change asks for. Worst first."""

    BREAKING = "breaking"
    """Deliveries that passed before are rejected or quarantined, lose a value, or the tables cannot follow."""
    REBUILD = "rebuild"
    """Gold means something else: `cartbrook rebuild` computes it anew."""
    COMPATIBLE = "compatible"
    """The next run goes on with it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two contracts.

    Attributes:
        place: What of the contract it concerns, e.g. ``columns.gift``, ``rules.order_small``, ``key``.
        what: What was and what is, and why it is of its kind.
    """

    kind: Kind
    domain: str
    place: str
    what: str


_SETTINGS = ("amount", "currency", "event_time", "sequence_by", "delete", "snapshot_full")
_DERIVED = ("structure", "required", "type")
"""Checks of rules that follow from columns, and are told with these."""
_STRICTNESS = (Action.KEEP, Action.PARK, Action.QUARANTINE, Action.REJECT_BATCH)
_WORDS = {"expect": "condition", "needs": "domains it looks at", "snapshot_full": "snapshot: full"}
_MILD = ("severity", "switch", "dimension", "description")
"""What of a rule can change without another record being set aside."""
_RUN = ("expect_run", "filter_run")
"""How engines are told what a rule says."""
_AGAIN = "earlier records follow with `rebuild --from-bronze`"


def diff(old: Mapping[str, Contract], new: Mapping[str, Contract]) -> list[Change]:
    """The changes from one set of contracts to another, by domain and the worst first in each.

    Args:
        old: Contracts by domain.
        new: Those that shall take their place, of the same domains.
    """
    changes: list[Change] = []
    for domain in DOMAINS:
        if domain in old:
            found = [Change(kind, domain, place, what) for kind, place, what in _changes(old[domain], new[domain])]
            changes += sorted(found, key=lambda change: list(Kind).index(change.kind))
    return changes


_Found = Iterator[tuple[Kind, str, str]]


def _changes(old: Contract, new: Contract) -> _Found:
    if old.key != new.key:
        yield Kind.BREAKING, "key", f"{_told(old.key)} -> {_told(new.key)}; records that are there have the old one"
    yield from _columns(old, new)
    yield from _references(old, new)
    for name in _SETTINGS:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Kind.REBUILD, f"settings.{name.removesuffix('_full')}", f"{_told(before)} -> {_told(after)}"
    if old.encoding != new.encoding:
        what = f"{old.encoding} -> {new.encoding}; files of the old one are refused or misread"
        yield Kind.BREAKING, "settings.encoding", what
    yield from _rules(old, new)
    if old.version != new.version:
        yield Kind.COMPATIBLE, "version", f"{_told(old.version)} -> {_told(new.version)}"


def _columns(old: Contract, new: Contract) -> _Found:
    for column in old.columns:
        place = f"columns.{column.name}"
        if new.has(column.name):
            for kind, what in _column(column, new.column(column.name), new.domain):
                yield kind, place, what
        else:
            yield Kind.BREAKING, place, "taken away; tables keep a column that has values"
    for column in new.columns:
        if not old.has(column.name):
            yield from _new_column(column, new)
    both = [name for name in old.names if new.has(name)]
    if both != [name for name in new.names if old.has(name)]:
        yield Kind.REBUILD, "columns", "in another order, which the hash of a record follows"


def _new_column(column: Column, new: Contract) -> _Found:
    tracked = " tracked" if column.name in new.tracked and new.domain in DIMENSIONS else ""
    place, what = f"columns.{column.name}", f"new{tracked} {column.type}"
    if column.name in new.key:
        what = f"{what} of the key"
    elif column.required:
        what = f"{what}, required"
    elif not is_plain(new, column.name):
        yield Kind.REBUILD, place, "figures, settings or references ask it"
    yield Kind.BREAKING, place, f"{what}; files without it are refused from now on"


def _column(old: Column, new: Column, domain: str) -> Iterator[tuple[Kind, str]]:
    if old.type != new.type:
        yield _type(old.type, new.type)
    if old.required != new.required:
        required = (Kind.BREAKING, "now required: records without it are quarantined")
        yield required if new.required else (Kind.COMPATIBLE, "no longer required")
    if old.format != new.format:
        yield Kind.BREAKING, f"format {_told(old.format)} -> {_told(new.format)}; other forms are quarantined"
    if old.tracked != new.tracked and domain in DIMENSIONS:
        yield Kind.REBUILD, "now tracked" if new.tracked else "no longer tracked"
    if old.case != new.case:
        yield Kind.REBUILD, f"case {old.case} -> {new.case}; {_AGAIN}"
    if old.trim != new.trim and old.type == new.type:
        yield Kind.REBUILD, f"{'now' if new.trim else 'no longer'} trimmed; {_AGAIN}"
    yield from _values(old.enumeration, new.enumeration)
    if old.description != new.description:
        yield Kind.COMPATIBLE, "described in other words"


def _type(old: str, new: str) -> tuple[Kind, str]:
    what = f"type {old} -> {new}"
    if stored(old) != stored(new):
        return Kind.BREAKING, f"{what}; tables keep their types"
    before, after = (int(kind.removeprefix("decimal(").partition(",")[0]) for kind in (old, new))  # their scales are equal
    if before > after:
        return Kind.BREAKING, f"{what}; larger numbers are quarantined"
    return Kind.REBUILD, what


def _values(old: Enumeration | None, new: Enumeration | None) -> Iterator[tuple[Kind, str]]:
    if new is None:
        if old is not None:
            yield Kind.REBUILD, f"any value is stored as it comes, not one of a list; {_AGAIN}"
        return
    if old is None:
        yield Kind.BREAKING, f"only {_told(new.values)} are stored as they come, others as unknown"
        return
    for value in (*old.values, *(spelling for spelling in old.spellings if spelling not in old.values)):
        before, after = _meaning(old, value), _meaning(new, value)
        if after is None:
            yield Kind.BREAKING, f"value {value} is no longer listed: it is stored as unknown"
        elif after != before:
            yield Kind.REBUILD, f"value {value} now means {after}, not {before}; {_AGAIN}"
    for value in (*new.values, *new.spellings):
        if _meaning(old, value) is None:
            yield Kind.COMPATIBLE, f"value {value} is listed{'' if value in new.values else f' as {new.spellings[value]}'}"


def _meaning(enumeration: Enumeration, value: str) -> str | None:
    return value if value in enumeration.values else enumeration.spellings.get(value)


def _references(old: Contract, new: Contract) -> _Found:
    before, after = _by_parent(old), _by_parent(new)
    for parent in DOMAINS:
        place = f"references.{parent}"
        if before.get(parent) == after.get(parent):
            continue
        if parent not in after:
            yield Kind.REBUILD, place, "taken away: records no longer wait for one"
        elif parent not in before:
            yield Kind.REBUILD, place, f"new by {_pairs(after[parent])}: records wait for one"
        else:
            yield Kind.REBUILD, place, f"{_pairs(before[parent])} -> {_pairs(after[parent])}"


def _by_parent(contract: Contract) -> dict[str, list[tuple[str, str]]]:
    return {reference.parent: _pairing(reference) for reference in contract.references}


def _pairing(reference: Reference) -> list[tuple[str, str]]:
    """Its columns with those of the parent; a contract read alone has them in the order they were written."""
    return sorted(zip(reference.columns, reference.parent_columns, strict=True))


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return ", ".join(f"{own} = {theirs}" for own, theirs in pairs)


def _rules(old: Contract, new: Contract) -> _Found:
    before = {rule.name: rule for rule in old.rules if rule.check not in _DERIVED}
    after = {rule.name: rule for rule in new.rules if rule.check not in _DERIVED}
    gone = [rule for name, rule in before.items() if name not in after]
    for name, rule in after.items():
        place = f"rules.{name}"
        former = next((other for other in gone if _judges(other) == _judges(rule)), None)
        if name in before:
            for kind, what in _rule(before[name], rule):
                yield kind, place, what
        elif former is not None:
            gone.remove(former)
            yield Kind.COMPATIBLE, place, f"was called {former.name}"
            for kind, what in _rule(former, rule):
                yield kind, place, what
        elif rule.check != "reference":  # told with the reference
            kind = Kind.COMPATIBLE if rule.action is Action.KEEP else Kind.BREAKING
            yield kind, place, f"new, {rule.severity} {rule.action}"
    for rule in gone:
        if rule.check != "reference":
            yield Kind.COMPATIBLE, f"rules.{rule.name}", f"taken away, was {rule.severity} {rule.action}"


def _judges(rule: Rule) -> tuple[Any, ...]:
    """What a rule looks at, whatever it is called and costs."""
    mild = ("name", "action", *_RUN, *_MILD)
    return tuple(getattr(rule, field.name) for field in dataclasses.fields(rule) if field.name not in mild)


def _rule(old: Rule, new: Rule) -> Iterator[tuple[Kind, str]]:
    """The changes of one rule; a field that is not known here counts as one that sets records aside."""
    for field in dataclasses.fields(Rule):
        name = field.name
        before, after = getattr(old, name), getattr(new, name)
        if name in ("name", *_RUN) or before == after or (new.check == "reference" and name not in ("severity", "dimension")):
            continue
        if name == "description":
            yield Kind.COMPATIBLE, "described in other words"
            continue
        if name == "action":
            stricter = _STRICTNESS.index(new.action) > _STRICTNESS.index(old.action)
            # below its threshold a rule that rejects keeps the records that break it
            stricter = stricter or (old.action is Action.REJECT_BATCH and old.fails is not None and new.action is not Action.KEEP)
        elif name in ("fails", "warns"):  # thresholds set no record aside
            was, now = old.limits[0], new.limits[0]
            looser = was is not None and now is not None and was.implies(now)
            stricter = name == "fails" and new.action is Action.REJECT_BATCH and not looser
        else:
            stricter = name not in _MILD and new.action is not Action.KEEP
        yield Kind.BREAKING if stricter else Kind.COMPATIBLE, f"{_WORDS.get(name, name)} {_told(before)} -> {_told(after)}"


def _told(value: object) -> str:
    """A value of a contract in words."""
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return " ".join(_told(getattr(value, field.name)) for field in dataclasses.fields(value))
    return " ".join(str(value).split())
