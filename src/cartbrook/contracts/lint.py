"""What is no error in a contract and yet worth a look: it is read as written, and does what few people mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cartbrook.contracts.document import Document
from cartbrook.contracts.load import examine, load_contracts
from cartbrook.contracts.model import DIMENSIONS, Action, Contract, Severity
from cartbrook.contracts.yaml_marks import Report, Spot, quoted

STATUS = "order_status"


def lint(overrides: Path | None = None, files: Sequence[Path] = ()) -> list[str]:
    """Check contracts as `load_contracts` does, and tell what is worth a look.

    Args:
        overrides: Folder of the shop's own contracts, or None.
        files: Contracts that take the place of those of their domains, under any name.

    Returns:
        Warnings, each with file, line and a hint.

    Raises:
        ContractError: With every problem of every file.
    """
    _, documents = examine(overrides, files)
    return [warning for document in documents for warning in _warnings(document)]


def _warnings(document: Document) -> list[str]:
    contract = document.contract
    assert contract is not None, "a document without a contract has a problem"
    report = Report(document.report.source)

    def warn(place: str, what: str, hint: str) -> None:
        spot: Spot = document.places[place]
        report.add(spot.line, spot.path, what, hint)

    for rule in contract.rules:
        place = f"rule {rule.name}"
        if place not in document.places:
            continue  # derived
        if rule.severity is Severity.CRITICAL and rule.action is Action.KEEP:
            what = f"rule {quoted(rule.name)} is CRITICAL and keeps the record"
            warn(place, what, "it costs most of the score and changes nothing else; action: quarantine sets the record aside")
        if rule.severity is Severity.LOW and rule.action is Action.REJECT_BATCH:
            what = f"rule {quoted(rule.name)} is LOW and rejects the whole batch"
            warn(place, what, "one record is enough; action: quarantine sets that record aside")
    for column in contract.columns:
        if contract.domain in DIMENSIONS and column.type == "timestamp" and column.name in contract.tracked:
            what = f"{column.name} is a tracked timestamp: each new value opens a version"
            warn(
                column.name,
                what,
                "customProperties: [{property: tracked, value: false}] if it changes by itself, as a last login",
            )
    if contract.domain == "orders":
        for what, hint in _unknown_statuses(contract):
            warn(STATUS, what, hint)
    return report.problems()


def _unknown_statuses(contract: Contract) -> list[tuple[str, str]]:
    """Statuses of orders that the built-in figures have never heard of."""
    known = load_contracts()["orders"].column(STATUS).enumeration
    listed = contract.column(STATUS).enumeration
    assert known is not None
    words = ", ".join(known.values)
    if listed is None:
        what = f"{STATUS} has no list of values: figures compare it as it is written"
        return [(what, f"they know {words}; list them, with the shop's own words as spellings")]
    return [
        (f"figures do not know the {STATUS} {quoted(value)}: such orders are no revenue", f"make it a spelling of one of {words}")
        for value in listed.values
        if value not in known.values
    ]
