"""The trigger: a small JSON file that says which batch is ready and what belongs to it."""

from __future__ import annotations

import codecs
import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from cartbrook.contracts.model import DOMAINS
from cartbrook.contracts.yaml_marks import quoted, suggestion
from cartbrook.errors import TriggerRefused

MAX_BYTES = 1 << 20
SWITCHES = ("file_count_validation", "schema_validation", "business_rules_validation")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FILE = re.compile(r"[^/\\:\x00-\x1f]{1,200}\.csv", re.IGNORECASE)
_DATED = re.compile(r"([a-z]+)_\d{4}_\d{2}_\d{2}\.csv", re.IGNORECASE)
_DAY = re.compile(r"_(\d{4})_(\d{2})_(\d{2})\.csv$", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 200  # bytes; file systems take 255, and a copy in the making has a longer name
_TAKEN = (*DOMAINS, "triggers")  # the other folders of landing/
_FILE_KEYS = ("name", "domain", "rows", "sha256", "control_total", "encoding")


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A file that a trigger announces, with what it declares of it (None where it does not).

    Attributes:
        encoding: As Python names it; it goes before the contract's.
    """

    name: str
    domain: str
    rows: int | None = None
    sha256: str | None = None
    control_total: Decimal | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a trigger says.

    Attributes:
        trigger_id: Becomes the batch_id.
        trigger_timestamp: ISO text in UTC, or None.
        switches: `data_quality_checks`: keep-rules of a group are skipped where False.
        supersede: It takes the place of the live batch of its id although its content differs.
    """

    trigger_id: str
    batch_date: dt.date
    data_files_ready: bool
    files: tuple[ExpectedFile, ...]
    trigger_timestamp: str | None = None
    switches: Mapping[str, bool] = field(default_factory=dict)
    supersede: bool = False


def parse_trigger(raw: bytes, name: str) -> Trigger:
    """Read a trigger.

    Args:
        raw: Content of the file.
        name: Its name, for messages.

    Raises:
        TriggerRefused: It is not what it must be; nothing it names has been opened.
    """
    value = _json(raw, name)
    trigger_id = value.get("trigger_id")
    if not isinstance(trigger_id, str) or not _ID.fullmatch(trigger_id):
        raise _refused(name, "bad_trigger_id", "trigger_id must be 1 to 100 letters, digits, '.', '_' or '-'")
    if trigger_id.lower() in _TAKEN:
        raise _refused(name, "bad_trigger_id", f"trigger_id must not be the name of a landing folder ({', '.join(_TAKEN)})")
    ready = value.get("data_files_ready")
    if not isinstance(ready, bool):
        raise _refused(name, "bad_trigger", "data_files_ready must be true or false")
    return Trigger(
        trigger_id=trigger_id,
        batch_date=_date(value.get("batch_date"), name),
        data_files_ready=ready,
        files=_files(value.get("expected_files"), value.get("files"), name),
        trigger_timestamp=_timestamp(value.get("trigger_timestamp"), name),
        switches=_switches(value.get("data_quality_checks"), name),
        supersede=value.get("supersede") is True,
    )


def told_by_name(file: str) -> tuple[str | None, dt.date | None]:
    """The domain and the day that the name of a file tells; None where it does not."""
    dated, day = _DATED.fullmatch(file), _DAY.search(file)
    domain = dated[1].lower() if dated else None
    try:
        date = dt.date(int(day[1]), int(day[2]), int(day[3])) if day else None
    except ValueError:
        date = None
    return domain if domain in DOMAINS else None, date if date and 1900 <= date.year <= 2100 else None


def _json(raw: bytes, name: str) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise _refused(name, "trigger_too_large", f"a trigger has at most {MAX_BYTES} bytes")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise _refused(name, "duplicate_key", "a name stands twice in one object")
        return dict(pairs)

    def no_constant(_: str) -> None:
        raise ValueError

    try:
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise _refused(f"{name}:{line}" if line else name, "not_json", "this is not complete JSON") from None
    if not isinstance(value, dict):
        raise _refused(name, "not_an_object", "a trigger is a JSON object")
    return value


def _date(value: Any, name: str) -> dt.date:
    try:
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            raise ValueError
        date = dt.date.fromisoformat(value)
        if not 1900 <= date.year <= 2100:
            raise ValueError
        return date
    except ValueError:
        raise _refused(name, "bad_batch_date", "batch_date must be a day such as 2025-01-15") from None


def _timestamp(value: Any, name: str) -> str | None:
    if value is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        moment = moment.astimezone(dt.UTC)
        if not 1900 <= moment.year <= 2100:
            raise ValueError
        return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    except (ValueError, TypeError, OverflowError):
        raise _refused(name, "bad_trigger_timestamp", "trigger_timestamp must be such as 2025-01-15T10:00:00Z") from None


def _switches(value: Any, name: str) -> dict[str, bool]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(flag, bool) for flag in value.values()):
        raise _refused(name, "bad_switch", "data_quality_checks maps names to true or false")
    return {switch: value[switch] for switch in SWITCHES if switch in value}


def _files(expected: Any, declared: Any, name: str) -> tuple[ExpectedFile, ...]:
    if not isinstance(expected, list) or not expected or not all(isinstance(entry, str) for entry in expected):
        raise _refused(name, "no_files", "expected_files must be a list of file names")
    if declared is not None and (
        not isinstance(declared, list)
        or not all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in declared)
    ):
        raise _refused(name, "bad_manifest", "files must be a list of objects with a name")
    for key in (key for entry in declared or () for key in entry if key not in _FILE_KEYS):
        plain = key.encode("ascii", "backslashreplace").decode("ascii")
        raise _refused(name, "bad_manifest", f"files has an unknown key {quoted(plain)}", hint=suggestion(plain, _FILE_KEYS))
    details: dict[str, Mapping[str, Any]] = {entry["name"]: entry for entry in declared or ()}
    if len(details) < len(declared or ()):
        raise _refused(name, "bad_manifest", "files names a file twice")
    names: Sequence[str] = [*expected, *(extra for extra in details if extra not in expected)]
    for i, file in enumerate(names):
        if not _is_plain(file):
            raise _refused(name, "unsafe_name", f"file {i + 1} is not a plain name ending in .csv", hint="Names hold no folders.")
    if len({file.lower() for file in names}) < len(names):
        raise _refused(name, "duplicate_file", "a file is named twice")
    return tuple(_file(file, details.get(file, {}), name) for file in names)


def _is_plain(file: str) -> bool:
    """True for a name that leads nowhere and that every file system, terminal and table can hold."""
    if not _FILE.fullmatch(file) or file.startswith(".") or ".." in file:
        return False
    return file.isprintable() and len(file.encode()) <= _LONGEST_NAME


def _file(file: str, details: Mapping[str, Any], name: str) -> ExpectedFile:
    match = _DATED.fullmatch(file)
    domain = details.get("domain", match[1].lower() if match else None)
    if domain not in DOMAINS:
        hint = f"Names are <domain>_YYYY_MM_DD.csv with one of {', '.join(DOMAINS)}, or declare files[].domain."
        raise _refused(name, "unknown_domain", f"{file}: no domain is known by that name", hint=hint)
    rows, digest, total = details.get("rows"), details.get("sha256"), details.get("control_total")
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 0):
        raise _refused(name, "bad_manifest", f"{file}: rows must be a whole number")
    if digest is not None and (not isinstance(digest, str) or not _SHA256.fullmatch(digest.lower())):
        raise _refused(name, "bad_manifest", f"{file}: sha256 must be 64 hexadecimal digits")
    encoding = _encoding(details.get("encoding"), file, name)
    return ExpectedFile(file, domain, rows, digest.lower() if digest else None, _total(total, file, name), encoding)


def _encoding(value: Any, file: str, name: str) -> str | None:
    if value is None:
        return None
    try:
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError
        "".encode(value)  # raises for codecs that are no encodings of text
        return codecs.lookup(value).name
    except (LookupError, ValueError):
        hint = "Name it as Python does, e.g. utf-8, cp1252, utf-16."
        raise _refused(name, "bad_manifest", f"{file}: encoding is unknown", hint=hint) from None


def _total(total: Any, file: str, name: str) -> Decimal | None:
    if total is None:
        return None
    try:
        value = Decimal(str(total))
        if isinstance(total, bool) or not value.is_finite():
            raise InvalidOperation
        return value
    except InvalidOperation:
        raise _refused(name, "bad_manifest", f"{file}: control_total must be a number") from None


def _refused(name: str, code: str, message: str, *, hint: str | None = None) -> TriggerRefused:
    return TriggerRefused(code, f"{name}: {message}.", hint=hint)
