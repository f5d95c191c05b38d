"""Deliveries as files: five CSV files and a trigger a day, and a list of what was planted in them."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from cartbrook.shop.days import generate
from cartbrook.shop.model import COLUMNS, Row, ShopPlan, file_name


def write_deliveries(plan: ShopPlan, folder: Path, *, declare: bool = False) -> list[Path]:
    """Write all deliveries of a plan into a folder, ready for `cartbrook submit`.

    Args:
        plan: What to deliver.
        folder: Made if it does not exist; files of the same names are replaced.
        declare: Let each trigger say how many rows its files have and what their sha256 is.

    Returns:
        The triggers, in the order of their days. Beside them lie ``<domain>_YYYY_MM_DD.csv`` and ``planted.json``, which lists
        every planted defect with its batch, kind, domain, file, line and key.
    """
    folder.mkdir(parents=True, exist_ok=True)
    triggers = []
    with (folder / "planted.json").open("w", encoding="utf-8", newline="\n") as planted:
        separator = "[\n"
        for delivery in generate(plan):
            day = delivery.batch_date
            for domain, rows in delivery.files.items():
                _write_csv(folder / file_name(domain, day), COLUMNS[domain], rows)
            trigger = dict(delivery.trigger)
            if declare:
                trigger["files"] = [
                    _declared(folder / file_name(domain, day), domain, delivery.files[domain]) for domain in COLUMNS
                ]
            path = folder / f"trigger_{day:%Y_%m_%d}.json"
            path.write_text(json.dumps(trigger, indent=2) + "\n", encoding="utf-8", newline="\n")
            triggers.append(path)
            for one in delivery.planted:
                planted.write(separator + json.dumps({"batch_id": trigger["trigger_id"], **asdict(one)}))
                separator = ",\n"
        planted.write("[]\n" if separator == "[\n" else "\n]\n")
    return triggers


def _write_csv(path: Path, header: Row, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _declared(path: Path, domain: str, rows: list[Row]) -> dict[str, object]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "domain": domain, "rows": sum(1 for row in rows if row), "sha256": digest}
