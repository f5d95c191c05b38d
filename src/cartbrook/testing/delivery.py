"""Deliveries from Python rows: CSV files and their trigger, put into the landing folders of a workspace."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cartbrook.contracts.model import Contracts
from cartbrook.lake.places import Places

RAGGED = "_ragged"
"""A row with this name gets its value as one field too many, so that the line is no record."""

Row = Mapping[str, str]
"""Column to text as it is delivered; columns left out are empty."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One batch as a shop would send it.

    Attributes:
        rows: The rows of each delivered domain, in file order. A domain without rows is delivered as a header alone.
        trigger_timestamp: ISO text, or None to leave it out.
        files: Files that the rows of a domain are dealt out to in turn.
        more: Further fields of the trigger, such as ``supersede``.
    """

    batch_id: str
    batch_date: dt.date
    rows: Mapping[str, Sequence[Row]]
    trigger_timestamp: str | None = None
    files: int = 1
    more: Mapping[str, object] = field(default_factory=dict)

    def texts(self, contracts: Contracts) -> dict[str, str]:
        """The CSV text of every file by name."""
        texts: dict[str, str] = {}
        for domain, rows in self.rows.items():
            for number in range(self.files):
                day = self.batch_date + dt.timedelta(days=number)
                part = [row for i, row in enumerate(rows) if i % self.files == number]
                texts[f"{domain}_{day:%Y_%m_%d}.csv"] = _csv(contracts[domain].names, part)
        return texts

    def trigger(self, contracts: Contracts) -> dict[str, object]:
        """The trigger's JSON value."""
        value: dict[str, object] = {
            "trigger_id": self.batch_id,
            "batch_date": self.batch_date.isoformat(),
            "data_files_ready": True,
            "expected_files": sorted(self.texts(contracts)),
            **self.more,
        }
        if self.trigger_timestamp is not None:
            value["trigger_timestamp"] = self.trigger_timestamp
        return value


def submit(workspace: Path, delivery: Delivery, contracts: Contracts) -> Path:
    """Put a delivery into the landing folders, the trigger last; `pipeline.run` takes it from there.

    Returns:
        The trigger's place.
    """
    places = Places(workspace)
    folder = places.landing / delivery.batch_id
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in delivery.texts(contracts).items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    places.triggers.mkdir(parents=True, exist_ok=True)
    part = places.triggers / f".{delivery.batch_id}.part"
    part.write_text(json.dumps(delivery.trigger(contracts)), encoding="utf-8")
    return part.replace(places.triggers / f"{delivery.batch_id}.json")


def _csv(names: Sequence[str], rows: Sequence[Row]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        unknown = set(row) - {*names, RAGGED}
        if unknown:
            raise ValueError(f"the contract has no column {', '.join(sorted(unknown))}")
        writer.writerow([*(row.get(name, "") for name in names), *([row[RAGGED]] if RAGGED in row else [])])
    return out.getvalue()
