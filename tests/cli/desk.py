"""A workspace that deliveries reach byte by byte, and what the command line then tells of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cartbrook.contracts.load import load_contracts

CONTRACTS = load_contracts()
STATES = ("accepted", "quarantined", "parked", "duplicate", "corrected", "discarded")

_SOUND = {
    "customers": {"customer_id": "C1"},
    "products": {"product_id": "P1", "price": "10.00", "currency": "EUR"},
    "orders": {
        "order_id": "O1",
        "customer_id": "C1",
        "product_id": "P1",
        "order_date": "2025-01-10",
        "order_amount": "10.00",
        "currency": "EUR",
    },
    "shipping": {"shipping_id": "S1", "order_id": "O1", "shipping_cost": "5.00", "currency": "EUR"},
    "inventory": {"inventory_id": "I1", "product_id": "P1", "warehouse_id": "W1", "stock_quantity": "5"},
}


def named(domain: str, day: int = 10) -> str:
    """The name of a file."""
    return f"{domain}_2025_01_{day:02}.csv"


def line(domain: str, **fields: str) -> str:
    """A sound line but for the fields given, which are put in as they are, quotes and all."""
    assert not fields.keys() - set(CONTRACTS[domain].names)
    return ",".join(str({**_SOUND[domain], **fields}.get(name, "")) for name in CONTRACTS[domain].names)


def orders(ids: Iterable[str], **fields: str) -> list[str]:
    """Lines of orders of these ids."""
    return [line("orders", order_id=key, **fields) for key in ids]


def quoted(text: str) -> str:
    """A field in quotes."""
    return '"' + text.replace('"', '""') + '"'


def header(domain: str) -> str:
    """The line of column names."""
    return ",".join(CONTRACTS[domain].names)


def sheet(domain: str, *lines: str) -> str:
    """A file: the header and some lines."""
    return "\n".join([header(domain), *lines, ""])


def parents() -> dict[str, bytes]:
    """Customer C1 and product P1."""
    return {named(domain): sheet(domain, line(domain)).encode() for domain in ("customers", "products")}


def keyed(texts: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """For each column and each of its texts an order with that text, quoted, under a key that names column and place."""
    pairs = [(column, place, text) for column, values in texts.items() for place, text in enumerate(values)]
    return {f"{c}-{place}": line("orders", **{"order_id": f"{c}-{place}", c: quoted(text)}) for c, place, text in pairs}


def due(texts: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, str, Any]]:
    """Column, text and what the text is due, by the key of `keyed`."""
    triples = [(column, *pair) for column, values in texts.items() for pair in values.items()]
    return dict(zip(keyed(texts), triples, strict=True))


class Desk:
    """A workspace, and the command as its user sees it.

    Args:
        command: `cartbrook(...)` of conftest.
        root: A workspace.
        settings: Lines for its settings file.

    Attributes:
        told: What the last `run` printed of each batch or trigger, by name.
        code: Its exit code.
    """

    def __init__(self, command: Callable[..., Any], root: Path, *settings: str) -> None:
        self._command = command
        self.root = root
        self.told: dict[str, str] = {}
        self.code = 0
        self.settle("stable_seconds: 0", *settings)

    def settle(self, *settings: str) -> None:
        """Write the settings file anew."""
        (self.root / "cartbrook.yaml").write_text("\n".join([*settings, ""]), "utf-8")

    def land(self, contents: Mapping[str, bytes], folder: str) -> None:
        """Put files below landing/."""
        place = self.root / "landing" / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (place / name).write_bytes(content)

    def trigger(self, batch_id: str, names: Iterable[str], **said: Any) -> None:
        """Put a trigger into landing/triggers; a field that is None is left out."""
        value = {"trigger_id": batch_id, "batch_date": "2025-01-10", "data_files_ready": True, "expected_files": list(names)}
        kept = {name: field for name, field in {**value, **said}.items() if field is not None}
        self.land({f"{batch_id}.json": json.dumps(kept).encode()}, "triggers")

    def put(self, batch_id: str, contents: Mapping[str, bytes], **said: Any) -> None:
        """Put files and then their trigger."""
        self.land(contents, batch_id)
        self.trigger(batch_id, contents, **said)

    def call(self, *words: str) -> Any:
        """Run a command; whatever it tells, it shows no traceback and no replacement character."""
        ended = self._command(*words, "-w", self.root)
        for text in (ended.out, ended.err):
            assert "Traceback" not in text
            assert "\ufffd" not in text
        return ended

    def run(self) -> Mapping[str, str]:
        """`cartbrook run`: a line for each batch or trigger, by name."""
        ended = self.call("run")
        assert ended.err == ""
        lines = [text.split(": ", 1) for text in ended.out.splitlines() if not text.startswith(("Next: ", "nothing to do"))]
        assert len({name for name, _ in lines}) == len(lines)
        self.told, self.code = dict(lines), ended.code
        self.report.cache_clear()
        return self.told

    @cache  # noqa: B019 - a desk lives as long as its module; `run` clears it
    def report(self, *words: str) -> Any:
        """What a command tells as JSON."""
        ended = self.call(*words, "--json")
        assert ended.code == 0, ended.err
        return ended.json

    def query(self, statement: str) -> Any:
        """The rows of an answer."""
        return self.report("query", statement)

    def revisions(self, batch_id: str) -> list[str]:
        """The status of each revision of a batch."""
        return [row["status"] for row in self.report("batches") if row["batch_id"] == batch_id]

    def row(self, batch_id: str) -> dict[str, Any]:
        """The row of ops.batches of the newest revision."""
        rows: list[dict[str, Any]] = [row for row in self.report("batches") if row["batch_id"] == batch_id]
        return rows[-1]

    def aside(self, batch_id: str, file: str | None = None) -> dict[int, dict[str, Any]]:
        """The quarantined and parked records of a batch, or of one file of it, by line; `record` is the record as delivered."""
        rows = [
            row
            for row in self.report("quarantine", "list", "--raw", "--limit", "100000")
            if row["batch_id"] == batch_id and row["source_file"] == (file or row["source_file"]) and row["status"] != "released"
        ]
        found = {row["source_line"]: {**row, "record": json.loads(row["record"])} for row in rows}
        assert len(found) == len(rows), "name the file: lines are those of several"
        return found

    def books(self, batch_id: str) -> Counter[str]:
        """Records by state. They are those that were delivered, file by file, and those that `run` and `batches` tell."""
        report = self.report("show", batch_id)
        states: Counter[str] = Counter()
        by_file: Counter[str] = Counter()
        for entry in report["books"]:
            states[entry["state"]] += entry["rows"]
            by_file[entry["source_file"]] += entry["rows"]
        assert by_file == Counter({file["name"]: file["rows"] for file in report["files"]})
        row = self.row(batch_id)
        assert {state: states[state] for state in STATES} == {state: row[f"rows_{state}"] for state in STATES}
        assert states.total() == row["rows_read"]
        if batch_id in self.told:
            for state in STATES:
                assert (f"{states[state]} {state}" in self.told[batch_id]) == (states[state] > 0 or state == "accepted")
        return states

    def reason(self, name: str) -> Any:
        """reason.json of what was set aside under a name."""
        return json.loads((self.root / "rejected" / name / "reason.json").read_text("utf-8"))

    def files(self, folder: str) -> set[str]:
        """Every file below a folder of the workspace."""
        place = self.root / folder
        return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file() or path.is_symlink()}
