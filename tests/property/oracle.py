"""What spec/truth.md and spec/history.md say of some deliveries, in plain Python and with nothing of the pipeline.

Only the contracts are shared: they are data. Written to be read beside the specification, not to be quick.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cartbrook.contracts.model import Column, Contract, Contracts
from cartbrook.testing import Delivery
from cartbrook.types import Decision

WRONG = object()
"""Stands for a text that is not of its type."""

POSITIVE = {"orders": "order_amount", "products": "price"}
NOT_NEGATIVE = {"products": "stock_quantity", "inventory": "stock_quantity", "shipping": "shipping_cost"}


@dataclass(frozen=True)
class Record:
    """A delivered line that is a record, or is not (`sound`)."""

    delivery: Delivery
    record_id: str
    place: tuple[str, int]
    values: dict[str, Any]
    sound: bool
    kind: str
    effective: dt.datetime
    digest: str
    order: tuple[Any, ...]


@dataclass(frozen=True)
class Version:
    """A row of a dimension."""

    key: tuple[Any, ...]
    start: dt.datetime
    end: dt.datetime | None
    number: int
    values: dict[str, Any]

    @property
    def surrogate(self) -> str:
        """Its surrogate key."""
        return digest([*(str(part) for part in self.key), iso(self.start)])


class Expected:
    """The tables that must come of some live deliveries.

    Attributes:
        silver: Record ids that pass their own rules, by domain.
        open: Record ids in quarantine.
        discarded, corrected: Record ids that a person decided on; corrected ones wait for no parent.
        parked: Record id -> names of the references that are missing.
        dimensions: Versions by domain.
        orders: order_id -> (record_id, customer_sk, product_sk); shipping: key -> record_id;
            inventory: (product_id, warehouse_id, batch_date) -> (record_id, product_sk).
    """

    def __init__(self, live: Iterable[Delivery], contracts: Contracts, decisions: Mapping[str, Decision] | None = None) -> None:
        self.silver: dict[str, set[str]] = {}
        self.open: set[str] = set()
        self.discarded: set[str] = set()
        self.corrected: set[str] = set()
        self._decisions = decisions or {}
        self.parked: dict[str, tuple[str, ...]] = {}
        self.dimensions: dict[str, list[Version]] = {}
        live = list(live)
        kept = {domain: self._accepted(live, contracts, contracts[domain]) for domain in contracts}
        versions: dict[str, dict[tuple[Any, ...], list[Version]]] = {}
        for domain in ("customers", "products"):
            markers = self._markers(live, contracts, contracts[domain], kept[domain]) if contracts[domain].snapshot_full else []
            histories = {
                key: history(records, contracts[domain], markers, key)
                for key, records in by_key(kept[domain], contracts[domain]).items()
            }
            versions[domain] = {key: found for key, found in histories.items() if found}
            self.dimensions[domain] = [version for found in versions[domain].values() for version in found]

        def key_of(record: Record, column: str) -> tuple[Any, ...]:
            return (record.values[column],)

        self.orders: dict[str, tuple[str, str, str]] = {}
        needs = {"unknown_customer": ("customers", "customer_id"), "unknown_product": ("products", "product_id")}
        for (order_id,), records in by_key(kept["orders"], contracts["orders"]).items():
            won = self._winner(records, {r: (versions[d], c) for r, (d, c) in needs.items()}, key_of)
            if won is not None:
                day = won.values["order_date"]
                event = at(day) if isinstance(day, dt.date) else at(won.delivery.batch_date)
                bound = [bind(versions[d][key_of(won, c)], event).surrogate for d, c in needs.values()]
                self.orders[order_id] = (won.record_id, bound[0], bound[1])

        self.shipping: dict[tuple[Any, ...], str] = {}
        known_orders = {(order_id,): None for order_id in self.orders}
        for key, records in by_key(kept["shipping"], contracts["shipping"]).items():
            won = self._winner(records, {"unknown_order": (known_orders, "order_id")}, key_of)
            if won is not None:
                self.shipping[key] = won.record_id

        self.inventory: dict[tuple[Any, ...], tuple[str, str]] = {}
        days: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
        for key, records in by_key(kept["inventory"], contracts["inventory"]).items():
            for record in records:
                days[(*key, record.delivery.batch_date)].append(record)
        for key, records in days.items():
            won = self._winner(records, {"unknown_product": (versions["products"], "product_id")}, key_of)
            if won is not None:
                bound_to = bind(versions["products"][key_of(won, "product_id")], at(won.delivery.batch_date))
                self.inventory[key] = (won.record_id, bound_to.surrogate)

    def _accepted(self, live: list[Delivery], contracts: Contracts, contract: Contract) -> list[Record]:
        """The records that pass their own rules; copies are dropped and losers of conflicts quarantined, within a batch.

        What a person decided on is what was decided, whatever became of it by itself; for all others nothing is changed by that.
        """
        accepted: list[Record] = []
        for delivery in live:
            instants: dict[tuple[Any, ...], dict[str, Record]] = defaultdict(dict)
            delivered = sorted(records_of(delivery, contracts, contract.domain), key=lambda record: record.place)
            for record in delivered:
                if record.sound:
                    instant = (*(record.values[name] for name in contract.key), record.effective)
                    instants[instant].setdefault(record.digest, record)
                elif record.record_id not in self._decisions:
                    self.open.add(record.record_id)
            for rivals in instants.values():
                winner = max(rivals.values(), key=lambda record: record.order)
                undecided = [record for record in rivals.values() if record.record_id not in self._decisions]
                accepted += [record for record in undecided if record is winner]
                self.open |= {record.record_id for record in undecided if record is not winner}
            accepted += [again for record in delivered if (again := self._decided(record, contract)) is not None]
        self.silver[contract.domain] = {record.record_id for record in accepted}
        return accepted

    def _decided(self, record: Record, contract: Contract) -> Record | None:
        """The record that a person's decision makes of one, None where there is none."""
        decision = self._decisions.get(record.record_id)
        if decision is None:
            return None
        if decision.kind == "discard":
            self.discarded.add(record.record_id)
            return None
        again = as_decided(record, decision, contract)
        (self.corrected if again.sound else self.open).add(record.record_id)
        return again if again.sound else None

    def _markers(self, live: list[Delivery], contracts: Contracts, contract: Contract, accepted: list[Record]) -> list[Marker]:
        """The snapshots that count, one for each day at most."""
        held = {record.record_id: record for record in accepted}
        greatest: dict[dt.date, Delivery] = {}
        for delivery in live:
            if contract.domain in delivery.rows:
                rival = greatest.get(delivery.batch_date)
                if rival is None or _said(rival) < _said(delivery):
                    greatest[delivery.batch_date] = delivery
        markers: list[Marker] = []
        for day, delivery in greatest.items():
            named: set[tuple[Any, ...]] = set()
            complete = True
            for record in records_of(delivery, contracts, contract.domain):
                decision = self._decisions.get(record.record_id)
                now = held.get(record.record_id) or (as_decided(record, decision, contract) if decision else record)
                key = tuple(now.values[name] for name in contract.key)
                if all(part is not None and part is not WRONG for part in key):
                    named.add(key)
                elif record.record_id in self.open:
                    complete = False
            markers.append(Marker(at(day), delivery.batch_id, frozenset(named), complete))
        return sorted(markers, key=lambda marker: marker.time)

    def _winner(self, records: list[Record], needs: dict[str, tuple[Any, str]], key_of: Any) -> Record | None:
        """The greatest record whose parents are known, None where that is a delete; the others without parents are parked."""
        running = []
        for record in records:
            missing = tuple(rule for rule, (known, column) in needs.items() if key_of(record, column) not in known)
            if missing and record.kind == "upsert":
                self.parked[record.record_id] = missing
                self.corrected.discard(record.record_id)
            else:
                running.append(record)
        won = max(running, key=lambda record: record.order, default=None)
        return won if won is not None and won.kind == "upsert" else None


@dataclass(frozen=True)
class Marker:
    """A full snapshot: when, of which batch, the keys it names in whatever state, and whether all of them can be read."""

    time: dt.datetime
    batch_id: str
    named: frozenset[tuple[Any, ...]]
    complete: bool


def _said(delivery: Delivery) -> tuple[Any, ...]:
    """What the one order compares of two snapshots of one day."""
    return (delivery.trigger_timestamp is not None, delivery.trigger_timestamp or "", delivery.batch_id)


def history(
    records: list[Record], contract: Contract, markers: Iterable[Marker] = (), of_key: tuple[Any, ...] = ()
) -> list[Version]:
    """The versions of one key."""
    events: dict[dt.datetime, Record] = {}
    counts = {marker.time: marker.batch_id for marker in markers}
    for record in records:
        if counts.get(record.effective, record.delivery.batch_id) != record.delivery.batch_id:
            continue  # of a snapshot that another one outranks
        held = events.get(record.effective)
        if held is None or record.order > held.order:
            events[record.effective] = record
    for marker in markers:
        if marker.complete and of_key not in marker.named:
            events[marker.time] = dataclasses.replace(records[0], kind="delete", effective=marker.time)
    runs: list[list[Record]] = []

    def state(record: Record) -> Any:
        return "gone" if record.kind == "delete" else tuple(record.values[name] for name in contract.tracked)

    for _, record in sorted(events.items(), key=lambda item: item[0]):
        if runs and state(runs[-1][0]) == state(record):
            runs[-1].append(record)
        else:
            runs.append([record])
    versions: list[Version] = []
    for i, run in enumerate(runs):
        if run[0].kind == "upsert":
            end = runs[i + 1][0].effective if i + 1 < len(runs) else None
            key = tuple(run[0].values[name] for name in contract.key)
            versions.append(Version(key, run[0].effective, end, len(versions) + 1, run[-1].values))
    return versions


def bind(versions: list[Version], event: dt.datetime) -> Version:
    """The last version that starts at or before the event, even a closed one, else the first."""
    begun = [version for version in versions if version.start <= event]
    return begun[-1] if begun else versions[0]


def by_key(records: list[Record], contract: Contract) -> dict[tuple[Any, ...], list[Record]]:
    """Records by business key."""
    found: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for record in records:
        found[tuple(record.values[name] for name in contract.key)].append(record)
    return found


def records_of(delivery: Delivery, contracts: Contracts, domain: str) -> Iterable[Record]:
    """Every delivered line of one domain."""
    contract = contracts[domain]
    for name, text in delivery.texts(contracts).items():
        if not name.startswith(f"{domain}_"):
            continue
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        lines = list(csv.reader(io.StringIO(text, newline="")))
        for number, fields in enumerate(lines[1:], start=2):
            record_id = digest([delivery.batch_id, domain, name, sha256, str(number)])
            yield judged(delivery, contract, record_id, (name, number), dict(zip(lines[0], fields, strict=False)), len(fields))


def as_decided(record: Record, decision: Decision, contract: Contract) -> Record:
    """A record with the text that a fix gives it; with its own for any other decision."""
    if decision.edited is None:
        return record
    texts = dict(decision.edited)
    return judged(record.delivery, contract, record.record_id, record.place, texts, len(contract.columns))


def judged(
    delivery: Delivery, contract: Contract, record_id: str, place: tuple[str, int], texts: dict[str, str], width: int
) -> Record:
    """One line with its typed values and whether it passes its own rules."""
    values = {column.name: typed(column, texts.get(column.name, "")) for column in contract.columns}
    deletes = False
    if contract.delete is not None:
        mark = values[contract.delete.column]
        deletes = mark is not None and mark.lower() in [value.lower() for value in contract.delete.values]
    sound = width == len(contract.columns) and WRONG not in values.values()
    for column in contract.columns:
        needed = column.name in contract.key or column.name in contract.sequence_by[:1]
        if values[column.name] is None and (needed or (column.required and not deletes)):
            sound = False
    if sound and (name := POSITIVE.get(contract.domain)):
        sound = values[name] is None or values[name] > 0
    if sound and (name := NOT_NEGATIVE.get(contract.domain)):
        sound = values[name] is None or values[name] >= 0
    effective = values[contract.sequence_by[0]] if contract.sequence_by else delivery.batch_date
    if not sound:
        effective = delivery.batch_date
    effective = at(effective)
    said = dt.datetime.fromisoformat(delivery.trigger_timestamp) if delivery.trigger_timestamp else None
    hashed = digest([canonical(column, values[column.name]) for column in contract.columns]) if sound else ""
    rest = [values[name] for name in contract.sequence_by[1:]] if sound else []
    order = [effective, *rest, values["created_timestamp"] if sound else None, said, deletes, delivery.batch_id, hashed]
    ranked = tuple((value is not None, value) if value is not None else (False,) for value in order)
    return Record(delivery, record_id, place, values, sound, "delete" if deletes else "upsert", effective, hashed, ranked)


def typed(column: Column, text: str) -> Any:
    """A delivered text as a value; None where it is empty."""
    text = text.strip(" \t\r\n\v\f") if column.trim else text
    text = {"upper": text.upper(), "lower": text.lower()}.get(column.case, text)
    if text == "":
        return None
    if column.enumeration is not None:
        form = re.sub("[ -]", "_", text.lower())
        return column.enumeration.spellings.get(form, form if form in column.enumeration.values else "unknown")
    if column.type == "string":
        return text
    try:
        if match := re.fullmatch(r"decimal\((\d+), *(\d+)\)", column.type):
            whole, scale = int(match[1]) - int(match[2]), int(match[2])
            fits = re.fullmatch(rf"[+-]?[0-9]{{1,{whole}}}(\.[0-9]{{1,{scale}}})?", text)
            return Decimal(text).quantize(Decimal(1).scaleb(-scale)) if fits else WRONG
        if column.type == "integer":
            return int(text) if re.fullmatch("[+-]?[0-9]{1,18}", text) else WRONG
        if column.type == "boolean":
            return {"true": True, "false": False}.get(text.lower(), WRONG)
        if column.type == "date":
            return dt.date.fromisoformat(text) if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else WRONG
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return WRONG


def canonical(column: Column, value: Any) -> str:
    """A value as the text that is hashed."""
    if value is None:
        return "\u0000"
    if column.type == "timestamp":
        return iso(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def digest(texts: list[str]) -> str:
    """sha256 of texts joined by U+001F."""
    return hashlib.sha256("\u001f".join(texts).encode()).hexdigest()


def iso(moment: dt.datetime) -> str:
    """A time as surrogate keys and hashes write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def at(day: dt.date | dt.datetime) -> dt.datetime:
    """A date as its first moment."""
    return day if isinstance(day, dt.datetime) else dt.datetime.combine(day, dt.time())
