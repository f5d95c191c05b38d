"""From text to types. A pattern precedes every cast: engines cast 2025 to a date, round 12.345 and read full-width digits."""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

from cartbrook.contracts.model import Column as ContractColumn
from cartbrook.contracts.model import Contract, stored

BLANKS = " \t\r\n\v\f"
UNIT_SEPARATOR = "\u001f"
NULL_TEXT = "\u0000"
UNKNOWN = "unknown"

_YEAR = "(19[0-9][0-9]|20[0-9][0-9]|2100)"
_DATE = _YEAR + "-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIMESTAMP = rf"{_DATE}[ T]{_TIME}(\.[0-9]{{1,6}})?Z?"
_DIRECTIVES = {"%Y": "[0-9]{4}", "%m": "[0-9]{2}", "%d": "[0-9]{2}", "%H": "[0-9]{2}", "%M": "[0-9]{2}", "%S": "[0-9]{2}"}


def clean(column: ContractColumn, raw: Column) -> Column:
    """The text that is matched and cast: blanks and case as the contract says, the empty text as NULL."""
    text = F.btrim(raw, F.lit(BLANKS)) if column.trim else raw
    if column.case != "keep":
        text = F.upper(text) if column.case == "upper" else F.lower(text)
    return F.when(text != "", text)


def cast(column: ContractColumn, text: Column, timezone: str = "UTC") -> Column:
    """A cleaned text in its stored type; NULL where the text has not exactly the form of the type (spec: lexical forms)."""
    if column.enumeration is not None:
        return _enumerated(column, text)
    kind = column.type
    if kind == "string":
        return text
    if kind.startswith("decimal"):
        digits, scale = (int(part) for part in re.findall(r"\d+", kind))
        fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
        return _matched(text, rf"[+-]?[0-9]{{1,{digits - scale}}}{fraction}").try_cast(stored(kind))
    if kind == "integer":
        return _matched(text, "[+-]?[0-9]{1,18}").try_cast("bigint")
    if kind == "boolean":
        return F.when(F.lower(text) == "true", F.lit(True)).when(F.lower(text) == "false", F.lit(False))
    iso = _to_iso(text, column.format) if column.format else text
    if kind == "date":
        return _matched(iso, _DATE).try_cast("date")
    local = F.regexp_replace(_matched(iso, _TIMESTAMP), "[TZ]", " ")
    moment = F.btrim(local).try_cast("timestamp")
    if timezone == "UTC":
        return moment
    return F.when(iso.endswith("Z"), moment).otherwise(F.to_utc_timestamp(moment, timezone))


def normalised(text: Column) -> Column:
    """How spellings of enumerated values are compared: lower case, blanks and hyphens as ``_``."""
    return F.regexp_replace(F.lower(text), "[ -]", "_")


def record_hash(contract: Contract) -> Column:
    """sha256 of the typed columns in contract order: the last word of the one total order, and what exact duplicates share."""
    return fingerprint(*(canonical(column) for column in contract.columns))


def fingerprint(*texts: Column) -> Column:
    """sha256 hex of texts joined by U+001F, with NULL as U+0000."""
    return F.sha2(joined(*texts), 256)


def joined(*texts: Column) -> Column:
    """Texts joined by U+001F, with NULL as U+0000: neither the empty text nor a missing one."""
    # By nvl: Sail makes CASE of coalesce, and takes a third longer for a hash then.
    return F.concat_ws(UNIT_SEPARATOR, *(F.nvl(text, F.lit(NULL_TEXT)) for text in texts))


def canonical(column: ContractColumn, value: Column | None = None) -> Column:
    """A typed column, or a value of its type, as the one text that every engine gives for it."""
    value = F.col(column.name) if value is None else value
    if column.type == "timestamp":
        return iso_timestamp(value)
    return value.cast("string")


def iso_timestamp(value: Column) -> Column:
    """A timestamp of the years 1 to 9999 as ``2025-01-15T00:00:00.000000Z``."""
    text = value.cast("string")  # 2025-01-15 00:00:00[.fraction]; for date_format Sail takes several times as long
    fraction = F.rpad(F.substring(text, 21, 6), 6, "0")
    return F.concat(F.substring(text, 1, 10), F.lit("T"), F.substring(text, 12, 8), F.lit("."), fraction, F.lit("Z"))


def _matched(text: Column, pattern: str) -> Column:
    return F.when(text.rlike(f"^(?:{pattern})$"), text)


def _enumerated(column: ContractColumn, text: Column) -> Column:
    assert column.enumeration is not None
    values, form = column.enumeration.values, normalised(text)
    # Most records have a value as it is listed; what follows is computed for the others alone, if it is one chain.
    known = F.when(text.isin(*values), text).when(form.isin(*values), form)
    for spelling, value in column.enumeration.spellings.items():
        known = known.when(form == spelling, F.lit(value))
    return known.when(text.isNotNull(), F.lit(UNKNOWN))


def _to_iso(text: Column, form: str) -> Column:
    """A text of a strptime form rearranged to ISO; NULL where it has another form."""
    parts = re.split(r"(%[YmdHMS])", form)
    pattern = "".join(f"({_DIRECTIVES[part]})" if part in _DIRECTIVES else re.escape(part) for part in parts)
    order = [part for part in parts if part in _DIRECTIVES]
    matched = _matched(text, pattern)

    def piece(directive: str) -> Column:
        return F.regexp_extract(matched, f"^{pattern}$", order.index(directive) + 1) if directive in order else F.lit("00")

    day = F.concat_ws("-", piece("%Y"), piece("%m"), piece("%d"))
    if not {"%H", "%M", "%S"} & set(order):
        return F.when(matched.isNotNull(), day)
    return F.when(matched.isNotNull(), F.concat_ws(" ", day, F.concat_ws(":", piece("%H"), piece("%M"), piece("%S"))))
