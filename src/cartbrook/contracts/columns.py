"""The columns of a contract: types, keys, forms."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field

from cartbrook.contracts.model import DIMENSIONS, Column
from cartbrook.contracts.rule_reader import RuleReader
from cartbrook.contracts.rules import custom_properties
from cartbrook.contracts.yaml_marks import Spot, quoted, suggestion

LOGICAL = {"string": "string", "integer": "integer", "date": "date", "timestamp": "timestamp", "boolean": "boolean"}
"""physicalType -> logicalType; decimals are `number`."""

_KEYS = frozenset(
    {
        *("id", "name", "physicalType", "physicalName", "logicalType", "description", "businessName", "deprecated", "synonyms"),
        *("authoritativeDefinitions", "tags", "customProperties", "quality", "relationships", "primaryKey", "primaryKeyPosition"),
        *("required", "partitioned", "partitionKeyPosition", "classification", "encryptedName", "semanticType", "examples"),
        *("transformSourceObjects", "transformLogic", "transformDescription", "criticalDataElement"),
    }
)
_ELSEWHERE = {
    "unique": "primaryKey says what is unique",
    "enum": "list the values in quality, metric invalidValues, arguments.validValues",
    "logicalTypeOptions": "limits and patterns are quality entries; a date's format is the custom property `format`",
    "items": "a CSV file has no lists",
    "properties": "a CSV file has no nested columns",
}
"""Keys that the standard knows and that would promise what is not done."""
_CUSTOM = ("tracked", "case", "format", "trim")
_ALIASES = {
    **dict.fromkeys(("int", "long", "bigint", "smallint"), "integer"),
    **dict.fromkeys(("number", "numeric", "float", "double"), "decimal(18,2)"),
    **dict.fromkeys(("varchar", "char", "text"), "string"),
    "datetime": "timestamp",
}
_DECIMAL = re.compile(r"decimal\(([0-9]{1,3}),([0-9]{1,3})\)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DIRECTIVE = re.compile(r"%.?", re.DOTALL)


@dataclass(slots=True)
class Property:
    """One column while it is read.

    Attributes:
        column: What it says of itself; `finished` adds what follows from its place in the contract.
        spot: The whole entry.
        parts: Its values by key.
        custom: Its custom properties.
        type_spot: Where its type stands; None if the type could not be told, so that nothing follows from it.
    """

    column: Column
    spot: Spot
    parts: dict[str, Spot]
    custom: dict[str, Spot] = field(default_factory=dict)
    type_spot: Spot | None = None
    is_key: bool = False
    position: int | None = None


def read_columns(here: Spot, parts: dict[str, Spot], rules: RuleReader) -> list[Property]:
    """Read `properties` of the object at `here`; their quality entries go to `rules`."""
    found: list[Property] = []
    seen: dict[str, int] = {}
    for spot in parts["properties"].items() if "properties" in parts else []:
        raw = spot.mapping()
        name = raw["name"].text() if "name" in raw else None
        if name is None:
            if "name" not in raw:
                spot.problem("a column has no name")
            continue
        named = spot.within(name if len(name) <= 60 else name[:59] + "…")
        for key in [key for key in raw if key in _ELSEWHERE]:
            Spot(raw[key].node, spot.report, named.path).problem(f"{key} is not read here", _ELSEWHERE[key])
        mapping = named.mapping(_KEYS | frozenset(_ELSEWHERE))
        if not _NAME.fullmatch(name):
            mapping["name"].problem("a column's name is made of A-Z, a-z, 0-9 and _, and begins with no digit")
        if name.lower() in seen:
            mapping["name"].problem(f"column {quoted(name)} stands twice, first on line {seen[name.lower()]}")
            continue
        seen[name.lower()] = spot.line
        found.append(_property(named, mapping, name, rules))
    if not found:
        here.problem("properties (the columns) are missing")
    return found


def _property(spot: Spot, parts: dict[str, Spot], name: str, rules: RuleReader) -> Property:
    custom = custom_properties(parts, _CUSTOM)
    kind = _type(spot, parts)
    enumeration = rules.read(parts["quality"], name, kind or "") if "quality" in parts else None
    column = Column(
        name=name,
        type=kind or "string",
        required=bool(parts["required"].flag()) if "required" in parts else False,
        case=_case(custom, kind),
        tracked=_tracked(custom, rules.domain),
        enumeration=enumeration,
        format=_format(custom, kind),
        description=(parts["description"].text() or "").strip() if "description" in parts else "",
    )
    is_key = bool(parts["primaryKey"].flag()) if "primaryKey" in parts else False
    type_spot = (parts.get("physicalType") or parts.get("logicalType")) if kind else None
    return Property(column, spot, parts, custom, type_spot, is_key, _position(parts, is_key))


def _position(parts: dict[str, Spot], is_key: bool) -> int | None:
    if "primaryKeyPosition" not in parts:
        return None
    text = parts["primaryKeyPosition"].text() or ""
    if text == "-1":  # the standard's way to say: none
        return None
    if not is_key:
        parts["primaryKeyPosition"].problem("primaryKeyPosition without primaryKey: true")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def _tracked(custom: dict[str, Spot], domain: str) -> bool:
    if "tracked" not in custom:
        return True
    if domain not in DIMENSIONS:
        custom["tracked"].problem("only customers and products have a history to track", "leave it out")
    return custom["tracked"].flag() is not False


def _case(custom: dict[str, Spot], kind: str | None) -> str:
    case = custom["case"].choice(("keep", "upper", "lower"), "case") if "case" in custom else None
    if case in ("upper", "lower") and kind not in ("string", None):
        custom["case"].problem("only text has a case")
    return case or "keep"


def _type(spot: Spot, parts: dict[str, Spot]) -> str | None:
    """The column's type, or None and a problem."""
    place = parts.get("physicalType") or parts.get("logicalType")
    if place is None:
        spot.problem("physicalType is missing", f"one of {', '.join(LOGICAL)}, decimal(18,2)")
        return None
    text = place.text()
    if text is None:
        return None
    kind = "".join(text.split())
    decimal = _DECIMAL.fullmatch(kind)
    if decimal and not 0 <= int(decimal[2]) < int(decimal[1]) <= 38:
        place.problem(f"{kind} is no decimal", "decimal(digits in all, digits after the point), at most 38 in all")
        return None
    if not decimal and kind not in LOGICAL:
        place.problem(f"unknown type {quoted(text)}", _meant(kind))
        return None
    logical = parts.get("logicalType")
    wanted = "number" if decimal else LOGICAL[kind]
    if logical is not None and logical.node.value != wanted:
        logical.problem(f"logicalType of {kind} must be {wanted}")
    return kind


def _meant(kind: str) -> str | None:
    word = kind.lower().split("(")[0]
    if word in _ALIASES:
        return f'did you mean "{_ALIASES[word]}"?'
    hint = suggestion(word, [*LOGICAL, "decimal"])
    return hint.replace("decimal", "decimal(18,2)") if hint else None


def _format(custom: dict[str, Spot], kind: str | None) -> str | None:
    if "format" not in custom:
        return None
    spot, text = custom["format"], custom["format"].text()
    if text is None:
        return None
    if kind not in ("date", "timestamp", None):
        spot.problem("only dates and timestamps have a format")
        return None
    directives = _DIRECTIVE.findall(text)
    day, time = {"%Y", "%m", "%d"}, {"%H", "%M", "%S"}
    allowed = day if kind == "date" else day | time
    if set(directives) - allowed:
        wrong = min(set(directives) - allowed)
        spot.problem(f"unknown directive {quoted(wrong)} in format", f"one of {', '.join(sorted(allowed))}")
    elif len(directives) != len(set(directives)):
        spot.problem("a directive stands twice in format")
    elif not day <= set(directives) or (kind == "timestamp" and not {"%H", "%M"} <= set(directives)):
        spot.problem(f"format of a {kind} must hold %Y, %m, %d{' and %H, %M, perhaps %S' if kind == 'timestamp' else ''}")
    else:
        return text
    return None


def finished(item: Property, trimmed: bool, sequencing: bool) -> Column:
    """The column with what follows from its place: `trimmed` by its role, and required for `sequencing`, which NULL cannot do."""
    column = item.column
    trimmed = trimmed or column.type != "string" or column.enumeration is not None
    trim = item.custom["trim"].flag() if "trim" in item.custom else None
    if trim is False and trimmed:
        what = "keys, references, currencies, enumerations and typed columns are always trimmed"
        item.custom["trim"].problem(what, "leave it out")
    default = trimmed or column.case != "keep"
    return dataclasses.replace(column, trim=default if trim is None else trim, required=column.required or sequencing)


def read_key(here: Spot, properties: list[Property]) -> tuple[str, ...]:
    """The names of the key columns in the order of their positions."""
    keys = [item for item in properties if item.is_key]
    if not keys and properties:
        here.problem("the key is missing", "primaryKey: true at the columns that identify a record")
    positions = [item.position for item in keys]
    if any(positions) and sorted(position or 0 for position in positions) != list(range(1, len(keys) + 1)):
        keys[0].spot.problem(f"primaryKeyPosition of the {len(keys)} key columns must count from 1 without a gap")
        return tuple(item.column.name for item in keys)
    for item in keys:
        if not item.column.required:
            item.spot.problem("a key column must be required", "required: true")
        if "tracked" in item.custom and not item.column.tracked:
            item.custom["tracked"].problem("a key column cannot be untracked", "leave it out")
    return tuple(item.column.name for item in sorted(keys, key=lambda item: item.position or 0))
