"""CSV files of records that were set aside: written to be edited in an editor or a spreadsheet, and read back.

Columns of ours begin with an underscore, which no column of a contract does. Text that a spreadsheet would take for a formula
gets a ' in front, which is taken off again.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartbrook.cli.output import harmless, verbatim
from cartbrook.contracts.model import Contract, Contracts
from cartbrook.errors import UsageError

OURS = ("_id", "_batch", "_file", "_line", "_status", "_rules", "_reason", "_raw")


@dataclass(frozen=True, slots=True)
class Edited:
    """A file as it came back.

    Attributes:
        records: By column; `_line` is replaced by the line in this file.
    """

    path: Path
    columns: tuple[str, ...]
    records: list[dict[str, str]]


def write(folder: Path, rows: Sequence[Mapping[str, Any]], contracts: Contracts) -> dict[Path, int]:
    """Write one file for each domain; the number of records by file.

    Raises:
        UsageError: A file is there already: it may hold someone's edits.
    """
    written: dict[Path, int] = {}
    by_domain = {domain: [row for row in rows if row["domain"] == domain] for domain in contracts}
    paths = {domain: folder / f"{domain}.csv" for domain, found in by_domain.items() if found}
    for path in paths.values():
        if path.exists():
            raise UsageError(f"{path} is there already.", hint="It may hold edits: name another folder, or remove it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {(error.strerror or 'not writable').lower()}.") from None
    for domain, path in paths.items():
        with path.open("x", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            names = contracts[domain].names
            writer.writerow([*OURS, *names])
            for row in by_domain[domain]:
                texts = current(row, contracts[domain])
                raw = json.loads(row["record"]).get("_raw", "") if not any(texts.values()) else ""
                ours = (row["quarantine_id"], row["batch_id"], row["source_file"], row["source_line"], row["status"])
                told = (" ".join(row["rules"] or ()), row["reason"], raw)
                writer.writerow([harmless(str(value)) for value in (*ours, *told, *texts.values())])
        written[path] = len(by_domain[domain])
    return written


def read(path: Path) -> Edited:
    """Read an edited file.

    Raises:
        UsageError: It is no such file.
    """
    limit = csv.field_size_limit(2**31 - 1)  # a record is set aside for a field of megabytes, too
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = tuple(reader.fieldnames or ())
            _require_header(path, columns)
            records = []
            for record in reader:
                if None in record or None in record.values():
                    raise UsageError(f"{path}:{reader.line_num}: not as many fields as the header.", hint="Nothing was changed.")
                if not any(record.values()):
                    continue  # a spreadsheet writes empty rows as commas
                records.append({**{name: verbatim(text) for name, text in record.items()}, "_line": str(reader.line_num)})
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or 'cannot be read').lower()}.") from None
    except (csv.Error, UnicodeDecodeError):
        hint = "Save it as CSV in UTF-8, separated by commas. Nothing was changed."
        raise UsageError(f"{path}: this is no CSV file in UTF-8, or a quote in it has no end.", hint=hint) from None
    finally:
        csv.field_size_limit(limit)
    return Edited(path, columns, records)


def _require_header(path: Path, columns: Sequence[str]) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UsageError(f"{path}: the column {twice[0] or '(without a name)'} is there twice.", hint="Nothing was changed.")
    if "_id" not in columns:
        other = next((sign for sign in (";", "\t", "|") if any("_id" in name.split(sign) for name in columns)), None)
        if other is not None or (columns and columns[0].startswith("sep=")):
            raise UsageError(f"{path}: fields must be separated by commas.", hint="Save it as CSV (comma delimited) in UTF-8.")
        raise UsageError(f"{path}: the column _id is missing.", hint="Edit a file that `cartbrook quarantine export` wrote.")


def edits(files: Sequence[Edited], known: Sequence[Mapping[str, Any]], contracts: Contracts) -> dict[str, dict[str, str]]:
    """The records whose text was edited, by id: all columns of the contract.

    Args:
        known: For each record of the files its row of ops.quarantine, with the raw text.

    Raises:
        UsageError: A file names a column that the contract does not have, or a record twice.
    """
    rows = iter(known)
    found: dict[str, dict[str, str]] = {}
    seen: set[str] = set()
    for file in files:
        for record in file.records:
            row = next(rows)
            contract = contracts[row["domain"]]
            for name in file.columns:
                if name not in (*OURS, *contract.names):
                    known_name = name or "without a name"
                    raise UsageError(f"{file.path}: {row['domain']} has no column {known_name}.", hint="Nothing was changed.")
            if row["quarantine_id"] in seen:
                raise UsageError(f"{file.path}:{record['_line']}: a record is named twice.", hint="Nothing was changed.")
            seen.add(row["quarantine_id"])
            before = current(row, contract)
            after = {name: record.get(name, text) for name, text in before.items()}
            if after != before:
                found[row["quarantine_id"]] = after
    return found


def edit(known: Sequence[Mapping[str, Any]], assignments: Sequence[str], contracts: Contracts) -> dict[str, dict[str, str]]:
    """One record with some columns set, as `edits` gives it.

    Raises:
        UsageError: An assignment is not COLUMN=TEXT of a column there is.
    """
    [row] = known
    contract = contracts[row["domain"]]
    texts = current(row, contract)
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if not sign or not contract.has(name):
            raise UsageError(f"--set {name}: {row['domain']} has no such column.", hint=f"One of {', '.join(contract.names)}.")
        texts[name] = text
    return {row["quarantine_id"]: texts}


def current(row: Mapping[str, Any], contract: Contract) -> dict[str, str]:
    """The text of a record as it counts now, by column: as it was edited last, else as delivered; empty where it has none.

    Raises:
        UsageError: It was decided on once, and no live batch holds it now.
    """
    if row["record"] is None:
        raise UsageError(
            f"{row['quarantine_id'][:12]}: no live batch holds this record; nothing was changed.",
            hint="Its batch was undone or superseded. `cartbrook quarantine revoke` takes back what was decided.",
        )
    text = json.loads(row["edited"] or row["record"])
    return {name: text.get(name, "") for name in contract.names}
