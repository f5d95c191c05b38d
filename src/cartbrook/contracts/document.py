"""A document of the Open Data Contract Standard as a contract: what is read, and what is wrong on its own."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

from cartbrook.contracts.columns import Property, finished, read_columns, read_key
from cartbrook.contracts.model import DOMAINS, Action, Column, Contract, DeleteMark, Reference, Rule, Scope, Severity
from cartbrook.contracts.rule_reader import RuleReader, settle_key
from cartbrook.contracts.rules import (
    DIMENSIONS_OF_QUALITY,
    column_rules,
    custom_properties,
    read_action,
    structure_rules,
    unique_rule,
)
from cartbrook.contracts.yaml_marks import Report, Spot, compose, quoted, suggestion

API_VERSIONS = ("v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0")

_ROOT = frozenset(
    {
        *("apiVersion", "kind", "id", "name", "version", "status", "tenant", "domain", "dataProduct", "description", "schema"),
        *("servers", "support", "price", "team", "roles", "context", "slaDefaultElement", "slaProperties", "tags"),
        *("authoritativeDefinitions", "customProperties", "contractCreatedTs"),
    }
)
_OBJECT = frozenset(
    {
        *("id", "name", "physicalType", "physicalName", "logicalType", "description", "businessName", "deprecated", "synonyms"),
        *("authoritativeDefinitions", "tags", "customProperties", "quality", "relationships", "dataGranularityDescription"),
        *("properties", "context"),
    }
)
_OBJECT_CUSTOM = ("amount", "currency", "sequence_by", "delete", "snapshot", "event_time", "encoding")
_RELATIONSHIP = frozenset({"id", "type", "from", "to", "customProperties"})


@dataclass(slots=True)
class Document:
    """One file while it is read.

    Attributes:
        contract: What could be read of it, even with problems; None where not so much as the domain could.
        places: Where the parts stand: the object as "", columns and rules by name.
        settings: Places of the object's custom properties.
        rules: The reader of its rules, which knows their conditions.
        built_in: It comes with cartbrook, and its conditions have been tested on every engine.
    """

    report: Report
    contract: Contract | None = None
    places: dict[str, Spot] = field(default_factory=dict)
    types: dict[str, Spot] = field(default_factory=dict)
    settings: dict[str, Spot] = field(default_factory=dict)
    rules: RuleReader = field(default_factory=lambda: RuleReader(""))
    built_in: bool = False


def read_document(text: str, source: str) -> Document:
    """Read one contract; problems are in its report, never raised."""
    report = Report(source)
    document = Document(report)
    root = compose(text, report)
    if root is None:
        return document
    parts = root.mapping(_ROOT)
    for key in ("apiVersion", "kind", "id", "version", "schema"):
        if key not in parts:
            root.problem(f"{key} is missing")
    if "apiVersion" in parts:
        parts["apiVersion"].choice(API_VERSIONS, "apiVersion")
    if "kind" in parts:
        parts["kind"].choice(("DataContract",), "kind")
    for item in parts["customProperties"].items() if "customProperties" in parts else []:
        named = item.mapping({"id", "property", "value", "description", "vendor"}).get("property")
        if named is not None and named.text() in _OBJECT_CUSTOM:  # others may be of other tools
            named.problem(f"{named.text()} is not read beside the schema", "customProperties of the object, under schema")
    objects = parts["schema"].within("schema").items() if "schema" in parts else []
    if "schema" in parts and len(objects) != 1:
        parts["schema"].problem("schema must hold one object, the domain")
    if objects:
        version = parts["version"].text() if "version" in parts else None
        _read_object(document, objects[0], version or "")
    return document


def _read_object(document: Document, spot: Spot, version: str) -> None:
    parts = spot.mapping(_OBJECT)
    if "name" not in parts:
        spot.problem("name is missing", f"one of {', '.join(DOMAINS)}")
        return
    domain = parts["name"].choice(DOMAINS, "domain")
    if domain is None:
        return
    here = spot.within(domain)
    parts = {key: Spot(part.node, part.report, here.path, part.key) for key, part in parts.items()}
    document.places[""] = here
    document.rules = RuleReader(domain)
    settings = document.settings = custom_properties(parts, _OBJECT_CUSTOM)

    properties = read_columns(here, parts, document.rules)
    for item in properties:
        document.places[item.column.name] = item.parts["name"]
        if item.type_spot is not None:
            document.types[item.column.name] = item.type_spot
    currency = _setting(settings, "currency")
    sequence_by = tuple(text for text, _ in settings["sequence_by"].texts()) if "sequence_by" in settings else ()
    delete = _delete(settings)
    key = read_key(here, properties)
    if "quality" in parts:
        document.rules.read(parts["quality"], None)
    references, reference_rules = _references(parts, properties)

    referring = {name for reference in references for name in reference.columns}
    trimmed = {*key, *referring, currency, delete.column if delete else None}
    columns = tuple(finished(item, item.column.name in trimmed, item.column.name in sequence_by) for item in properties)
    document.contract = Contract(
        domain=domain,
        version=version,
        columns=columns,
        key=key,
        rules=tuple(_ordered(document, columns, key, reference_rules)),
        references=tuple(references),
        amount=_setting(settings, "amount"),
        currency=currency,
        sequence_by=sequence_by,
        delete=delete,
        snapshot_full=_snapshot(settings),
        event_time=_setting(settings, "event_time"),
        encoding=_encoding(settings),
        source=document.report.source,
    )


def _references(parts: dict[str, Spot], properties: list[Property]) -> tuple[list[Reference], list[tuple[Rule, Spot]]]:
    references: list[Reference] = []
    rules: list[tuple[Rule, Spot]] = []
    places = [(item.parts["relationships"], item.column.name) for item in properties if "relationships" in item.parts]
    if "relationships" in parts:
        places.append((parts["relationships"], ""))
    for place, column in places:
        for spot in place.items():
            item = spot.mapping(_RELATIONSHIP)
            if "type" in item:
                item["type"].choice(("foreignKey",), "type of relationship")
            if "to" not in item or (not column and "from" not in item):
                spot.problem("a relationship needs `to`" + ("" if column else " and `from`"))
                continue
            targets = [text.partition(".") for text, _ in item["to"].texts()]
            parents = {parent for parent, _, _ in targets}
            sources = tuple(text.rpartition(".")[2] for text, _ in item["from"].texts()) if not column else (column,)
            if len(parents) != 1 or not all(name for _, _, name in targets) or len(sources) != len(targets):
                item["to"].problem("`to` must name columns of one domain, as many as `from`", "to: customers.customer_id")
                continue
            parent = parents.pop()
            if parent not in DOMAINS:
                item["to"].problem(f"unknown domain {quoted(parent)}", suggestion(parent, DOMAINS))
                continue
            rule = _reference_rule(spot, item, parent, sources[0])
            rules.append((rule, item["to"]))
            references.append(Reference(rule.name, sources, parent, tuple(name for _, _, name in targets)))
    return references, rules


def _reference_rule(spot: Spot, item: dict[str, Spot], parent: str, column: str) -> Rule:
    properties = custom_properties(item, ("rule", "severity", "action", "dimension"))
    singular = parent.removesuffix("s") if parent in ("customers", "products", "orders") else parent
    name = properties["rule"].text() if "rule" in properties else None
    severity = properties["severity"].choice(list(Severity), "severity") if "severity" in properties else None
    dimension = properties["dimension"].choice(DIMENSIONS_OF_QUALITY, "dimension") if "dimension" in properties else None
    action = (read_action(spot, properties) if "action" in properties else None) or Action.PARK
    if action is not Action.PARK:
        what = f"a reference may only park, not {action.value}"
        properties["action"].problem(what, "the record waits, so that the order of arrival does not decide")
    return Rule(
        name=name or f"unknown_{singular}",
        check="reference",
        severity=Severity(severity or Severity.HIGH),
        action=action,
        dimension=dimension or "consistency",
        scope=Scope.REFERENCE,
        column=column,
        needs=(),
        description=f"{column} names a record of {parent}.",
    )


def _ordered(
    document: Document, columns: tuple[Column, ...], key: tuple[str, ...], references: list[tuple[Rule, Spot]]
) -> list[Rule]:
    """All rules in the order they are reported: the line, each column, the record, the batch, references, the lake."""
    reader, names = document.rules, {column.name for column in columns}
    settled = settle_key(reader, key)
    placed = [(rule, spot) for rule, spot in settled if reader.unless.get(rule.name) not in names]
    written = [rule for rule, _ in placed]
    rules = structure_rules()
    for column in columns:
        rules += column_rules(column)
        rules += [rule for rule in written if rule.column == column.name and rule.scope is Scope.RECORD]
    rules += [rule for rule in written if rule.column is None and rule.scope is Scope.RECORD]
    rules += [] if any(rule.check == "unique" for rule in written) else [unique_rule()]
    rules += [rule for rule in written if rule.scope is Scope.BATCH]
    rules += [rule for rule, _ in references]
    rules += [rule for rule in written if rule.scope is Scope.LAKE]
    for rule, spot in [*placed, *references]:
        if f"rule {rule.name}" not in document.places:
            document.places[f"rule {rule.name}"] = spot
        else:
            document.places[f"rule {rule.name} again"] = spot
    return rules


def _setting(settings: dict[str, Spot], name: str) -> str | None:
    return settings[name].text() if name in settings else None


def _delete(settings: dict[str, Spot]) -> DeleteMark | None:
    if "delete" not in settings:
        return None
    parts = settings["delete"].mapping({"column", "values"})
    column = parts["column"].text() if "column" in parts else None
    values = tuple(text for text, _ in parts["values"].texts()) if "values" in parts else ()
    if column is None or not values:
        settings["delete"].problem("delete needs a column and values", "value: {column: op, values: [D, delete]}")
        return None
    return DeleteMark(column, values)


def _snapshot(settings: dict[str, Spot]) -> bool:
    return "snapshot" in settings and settings["snapshot"].choice(("full", "partial"), "snapshot") == "full"


def _encoding(settings: dict[str, Spot]) -> str:
    name = _setting(settings, "encoding")
    if name is None:
        return "utf-8"
    try:
        codec = codecs.lookup(name).name
        "".encode(codec)  # raises for codecs that are no encodings of text
        return codec
    except (LookupError, ValueError):
        settings["encoding"].problem(f"unknown encoding {quoted(name)}", "utf-8, utf-16, latin-1, cp1252, …")
        return "utf-8"
