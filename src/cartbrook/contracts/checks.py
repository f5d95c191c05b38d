"""What must hold of a whole contract, and of the contracts together; problems go to the reports of their files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from cartbrook.contracts.conditions import compile_conditions
from cartbrook.contracts.document import Document
from cartbrook.contracts.expressions import CONTEXT, check_names, foreign_columns
from cartbrook.contracts.measures import compile_foreign, compile_own
from cartbrook.contracts.model import DIMENSIONS, Contract, Reference, Rule
from cartbrook.contracts.yaml_marks import Spot, quoted, suggestion

MONEY = "decimal(12,2)"
NEEDED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "customers": {
            "customer_id": "string", "date_of_birth": "date", "customer_tier": "string", "registration_date": "date",
        },
        "products": {
            "product_id": "string", "product_name": "string", "category": "string", "price": MONEY, "currency": "string",
            "discontinued": "boolean",
        },
        "orders": {
            "order_id": "string", "customer_id": "string", "product_id": "string", "order_date": "date", "order_amount": MONEY,
            "currency": "string", "order_status": "string", "created_timestamp": "timestamp",
        },
        "shipping": {
            "order_id": "string", "shipping_id": "string", "carrier": "string", "service_type": "string",
            "origin_warehouse": "string", "shipping_cost": MONEY, "currency": "string", "estimated_delivery": "date",
            "actual_delivery": "date", "shipping_status": "string",
        },
        "inventory": {
            "product_id": "string", "warehouse_id": "string", "stock_quantity": "integer", "reserved_quantity": "integer",
            "available_quantity": "integer", "reorder_level": "integer",
        },
    }
)  # fmt: skip
"""Columns that the built-in figures are computed from. Money may be any decimal that fits decimal(18,2)."""

OPTIONAL: Mapping[str, Mapping[str, str]] = MappingProxyType({"products": {"cost": MONEY}, "orders": {"quantity": "integer"}})
"""Columns that figures use where a contract has them."""

ORDERING = "created_timestamp"
"""The column that the one total order asks where a contract has it (`frames/order.py`)."""

COPIED: Mapping[str, tuple[str, ...]] = MappingProxyType({"products": ("category", "price", "cost")})
"""Attributes that facts copy from the bound version: an untracked change would not open one."""

PARENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "orders": ("customers", "products"),
        "shipping": ("customers", "products", "orders"),
        "inventory": ("customers", "products"),
    }
)
"""The domains that records may wait for; dimensions wait for none."""

BOUND: Mapping[str, tuple[str, ...]] = MappingProxyType({"orders": ("customers", "products"), "inventory": ("products",)})
"""The dimensions whose surrogate keys a fact table holds: its domain must name them."""

_HISTORY = ("effective_date", "expiry_date", "is_current", "version", "customer_sk", "product_sk")
RESERVED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "": ("batch_id", "record_id", "batch_date"),
        "customers": _HISTORY,
        "products": _HISTORY,
        "orders": (
            "customer_sk", "product_sk", "category", "is_revenue", "season", "day_of_week", "is_weekend", "time_of_day", "margin",
            "margin_source",
        ),
        "inventory": ("product_sk", "product"),
    }
)  # fmt: skip
"""Names that our tables add to a domain's columns; under "" those of every domain. Names of the context are reserved as well."""

_RULE_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def is_plain(contract: Contract, name: str) -> bool:
    """True if records without a value in this column mean the same as records of a contract without it.

    So it is for every column that is neither of the key, nor names a parent, nor stands in a setting, nor is one that figures or
    the one total order ask where it is there.
    """
    delete = contract.delete.column if contract.delete else None
    named = {*contract.key, contract.amount, contract.currency, *contract.sequence_by, delete, contract.event_time, ORDERING}
    named |= {column for reference in contract.references for column in reference.columns}
    return name not in named and name not in OPTIONAL.get(contract.domain, ())


def check_contract(document: Document) -> None:
    """Check one contract on its own."""
    contract = document.contract
    if contract is None:
        return
    _check_names(document, contract)
    _check_needed(document, contract)
    _check_settings(document, contract)
    _check_rules(document, contract)
    compile_own(document)
    compile_conditions(document)


def check_together(documents: Mapping[str, Document]) -> None:
    """Check what contracts say of each other.

    Args:
        documents: By domain; those that could not be read are left out of every comparison.
    """
    for document in documents.values():
        contract = document.contract
        for reference in contract.references if contract is not None else ():
            spot = document.places[f"rule {reference.rule}"]
            for own, other in zip(reference.columns, reference.parent_columns, strict=True):
                _compare(spot, document, own, documents[reference.parent], other)
            _require_whole_key(spot, reference, documents[reference.parent].contract)
        for condition in document.rules.conditions:
            for domain, column in foreign_columns(condition.expression, document.rules.domain):
                parent = documents[domain].contract
                if parent is not None and not parent.has(column):
                    condition.spot.problem(f"{domain} has no column {quoted(column)}", suggestion(column, parent.names))
        readable = {domain: other.contract for domain, other in documents.items() if other.contract is not None}
        compile_foreign(document, readable)
        compile_conditions(document, readable)


def _require_whole_key(spot: Spot, reference: Reference, parent: Contract | None) -> None:
    """Versions are found by the whole key of a dimension; columns beside the key have been told by `_compare`."""
    if parent is None or parent.domain not in DIMENSIONS or not set(reference.parent_columns) <= set(parent.key):
        return
    if sorted(reference.parent_columns) != sorted(parent.key):
        named = f"{', '.join(reference.parent_columns)} is named, but the key of {parent.domain} is {', '.join(parent.key)}"
        whole = ", ".join(f"{parent.domain}.{name}" for name in parent.key)
        spot.problem(named, f"to: [{whole}], with as many columns in `from`")


def _compare(spot: Spot, document: Document, own: str, other: Document, name: str) -> None:
    """A reference and the key it names must exist and read alike, else no record would ever find its parent."""
    contract, parent = document.contract, other.contract
    if contract is None or parent is None:
        return
    if not parent.has(name):
        spot.problem(f"{parent.domain} has no column {quoted(name)}", suggestion(name, parent.names))
        return
    if name not in parent.key:
        spot.problem(f"{parent.domain}.{name} is not of the key", f"the key is {', '.join(parent.key) or 'missing'}")
    if not contract.has(own):
        return
    here, there = contract.column(own), parent.column(name)
    if here.type != there.type and own in document.types and name in other.types:
        spot.problem(f"{own} is {here.type}, but {parent.domain}.{name} is {there.type}", "give both one type")
    if here.case != there.case:
        spot.problem(f"{own} has case {here.case}, but {parent.domain}.{name} has case {there.case}", "give both one case")


def _check_names(document: Document, contract: Contract) -> None:
    reserved = {*RESERVED[""], *RESERVED.get(contract.domain, ()), *CONTEXT[contract.domain]}
    for name in contract.names:
        if name.startswith("_") or name.lower() in reserved:
            document.places[name].problem(f"the name {quoted(name)} is reserved", "the tables have a column of this name already")


def _check_needed(document: Document, contract: Contract) -> None:
    here = document.places[""]
    for name, kind in NEEDED[contract.domain].items():
        if contract.has(name):
            _check_kind(document, contract, name, kind)
        else:
            here.problem(f"column {name} ({kind}) is missing; the built-in figures need it", suggestion(name, contract.names))
    for name, kind in OPTIONAL.get(contract.domain, {}).items():
        if contract.has(name):
            _check_kind(document, contract, name, kind)
    for name in COPIED.get(contract.domain, ()):
        if contract.has(name) and not contract.column(name).tracked:
            document.places[name].problem(f"{name} must be tracked: facts copy it", "take tracked: false away")


def _check_kind(document: Document, contract: Contract, name: str, wanted: str) -> None:
    kind, place = contract.column(name).type, document.types.get(name)
    if place is None:
        return  # its type could not be told, which is a problem already
    decimal = _DECIMAL.fullmatch(kind)
    if wanted == MONEY and decimal:
        digits, scale = int(decimal[1]), int(decimal[2])
        if scale > 2 or digits - scale > 16:
            place.problem(f"{name} is {kind}, which does not fit decimal(18,2)", f"physicalType: {MONEY}")
    elif kind != wanted:
        place.problem(f"{name} is {kind}; the built-in figures need {wanted}", f"physicalType: {wanted}")


def _check_settings(document: Document, contract: Contract) -> None:
    settings = document.settings
    _check_column(document, "amount", contract.amount, "decimal")
    _check_column(document, "currency", contract.currency, "string")
    _check_column(document, "event_time", contract.event_time, "date", "timestamp")
    for position, name in enumerate(contract.sequence_by):
        _check_column(document, "sequence_by", name, *(("date", "timestamp") if position == 0 else ()))
    if contract.delete is not None:
        _check_column(document, "delete", contract.delete.column, "string")
        if contract.delete.column in contract.key:
            settings["delete"].problem("delete: the column is of the key", "name a column that says what happened, e.g. op")
    if contract.amount and not contract.currency:
        settings["amount"].problem("amount without currency", "name the column of its currency")
    if contract.currency and not contract.amount:
        settings["currency"].problem("currency without amount", "name the column of the amount")
    if contract.amount and contract.currency in contract.names and not contract.column(contract.currency).required:
        settings["currency"].problem(f"currency: column {contract.currency} must be required", "required: true")
    if len(set(contract.sequence_by)) < len(contract.sequence_by):
        settings["sequence_by"].problem("sequence_by names a column twice")
    if contract.currency in contract.names and contract.column(contract.currency).enumeration is not None:
        what = f"currency: column {contract.currency} has validValues: what they do not list would be money of no currency"
        settings["currency"].problem(what, "a pattern such as EUR|USD at the column, and action: quarantine")
    if contract.snapshot_full and contract.domain not in DIMENSIONS:
        hint = "in other domains what a delivery does not name stays as it is"
        settings["snapshot"].problem("snapshot: full is for customers and products", hint)
    if contract.snapshot_full and contract.sequence_by:
        settings["snapshot"].problem("snapshot: full together with sequence_by", "a full snapshot is ordered by its batch_date")


def _check_column(document: Document, setting: str, name: str | None, *kinds: str) -> None:
    """A setting of the object must name a column, of one of `kinds` if there are any."""
    contract = document.contract
    if contract is None or name is None:
        return
    if not contract.has(name):
        document.settings[setting].problem(f"{setting}: unknown column {quoted(name)}", suggestion(name, contract.names))
    elif kinds and name in document.types and contract.column(name).type.partition("(")[0] not in kinds:
        kind = contract.column(name).type
        document.settings[setting].problem(f"{setting}: column {name} is {kind}, it must be {' or '.join(kinds)}")


def _check_rules(document: Document, contract: Contract) -> None:
    seen: set[str] = set()
    for rule in contract.rules:
        places = [document.places[key] for key in (f"rule {rule.name} again", f"rule {rule.name}", "") if key in document.places]
        if rule.name in seen:
            places[0].problem(f"rule {quoted(rule.name)} stands twice", "names made from columns count: <column>_required, _type")
        elif not _RULE_NAME.fullmatch(rule.name) and rule.check not in ("required", "type"):
            places[0].problem(f"rule {quoted(rule.name)}: a name is made of a-z, 0-9 and _")
        seen.add(rule.name)
        _check_columns(document, contract, rule, places[0])
    for condition in document.rules.conditions:
        names = check_names(condition.expression, contract.domain, contract.names, condition.context)
        for what, hint in (*condition.expression.problems, *names):
            condition.spot.problem(what, hint)
    _check_references(document, contract)


def _check_columns(document: Document, contract: Contract, rule: Rule, place: Spot) -> None:
    """The columns that a rule names must be there, once, and of a type that it can read."""
    if len(set(rule.columns)) < len(rule.columns):
        place.problem(f"rule {quoted(rule.name)} names a column twice")
    for name in rule.columns:
        if not contract.has(name):
            place.problem(f"unknown column {quoted(name)}", suggestion(name, contract.names))
        elif rule.check == "freshness" and name in document.types and contract.column(name).type not in ("date", "timestamp"):
            place.problem(f"freshness: column {name} is {contract.column(name).type}, it must be date or timestamp")


def _check_references(document: Document, contract: Contract) -> None:
    allowed = PARENTS.get(contract.domain, ())
    seen: set[str] = set()
    for reference in contract.references:
        spot = document.places[f"rule {reference.rule}"]
        if reference.parent in seen:
            again = document.places.get(f"rule {reference.rule} again", spot)
            again.problem(f"a second relationship to {reference.parent}", "a record has one parent of a domain")
        seen.add(reference.parent)
        if len(set(reference.columns)) < len(reference.columns):
            spot.problem("a relationship names a column twice")
        for name in reference.columns:
            if not contract.has(name):
                spot.problem(f"a relationship from unknown column {quoted(name)}", suggestion(name, contract.names))
        if reference.parent not in allowed:
            hint = f"only for {', '.join(allowed)}" if allowed else "only orders, shipping and inventory wait for others"
            spot.problem(f"{contract.domain} cannot wait for {reference.parent}", hint)
    for parent in BOUND.get(contract.domain, ()):
        if parent not in seen:
            hint = f"relationships: [{{type: foreignKey, to: {parent}.<key>}}] at the column that names it"
            document.places[""].problem(f"the relationship to {parent} is missing; the built-in figures need it", hint)
