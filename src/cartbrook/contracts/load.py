"""Contracts in force: the built-in ones, each replaced by the shop's own where there is one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from cartbrook.contracts.checks import check_contract, check_together
from cartbrook.contracts.conditions import BUILT_IN, SUFFIX
from cartbrook.contracts.document import Document, read_document
from cartbrook.contracts.expressions import CONTEXT, Context
from cartbrook.contracts.model import DOMAINS, Column, Contract, Contracts, Reference, Rule
from cartbrook.contracts.yaml_marks import MAX_PROBLEMS, Report, quoted, suggestion
from cartbrook.errors import ContractError

__all__ = [
    "BUILT_IN",
    "CONTEXT",
    "Context",
    "examine",
    "load_contracts",
    "load_file",
    "logic_facts",
    "parse_contract",
    "rules_hash",
    "without",
]


def load_contracts(overrides: Path | None = None) -> Contracts:
    """Load the contracts of all domains and check them, alone and together.

    Args:
        overrides: Folder of the shop's own contracts, named ``<domain>.odcs.yaml``; it need not exist.

    Returns:
        One contract for each of DOMAINS, in that order.

    Raises:
        ContractError: With every problem of every file.
    """
    return examine(overrides)[0]


def examine(overrides: Path | None = None, files: Sequence[Path] = ()) -> tuple[Contracts, list[Document]]:
    """What `load_contracts` does, with some files in the place of their domains, and the documents of all that are not built in.

    Args:
        overrides: As there.
        files: Contracts under any name; the domain is what they say.

    Raises:
        ContractError: With every problem of every file.
    """
    folder = Report(overrides.name if overrides else "")
    own = _overrides(overrides, folder) if overrides is not None else {}
    drafts = [_read(path, path.name) for path in files]
    drafted: dict[str, Document] = {}
    for document in drafts:
        if document.contract is not None and drafted.setdefault(document.contract.domain, document) is not document:
            document.places[""].problem(f"a second contract of {document.contract.domain}", "one of them would be in force")
    documents: dict[str, Document] = {}
    for domain in DOMAINS:
        path = own.get(domain, BUILT_IN / f"{domain}{SUFFIX}")
        document = drafted.get(domain) or _read(path, path.name if domain in own else f"built-in {path.name}")
        document.built_in = domain not in own and domain not in drafted
        check_contract(document)
        if document.contract is not None and document.contract.domain != domain:
            other = document.contract.domain
            document.places[""].problem(f"the file holds the contract of {other}", f"name the file {other}{SUFFIX}")
            document.contract = None
        documents[domain] = document
    check_together(documents)
    reports = [document.report for document in documents.values()]
    others = [document.report for document in drafts if document.report not in reports]
    _raise([folder, *others, *reports])
    contracts = {domain: document.contract for domain, document in documents.items() if document.contract is not None}
    written = [document for domain, document in documents.items() if domain in own or domain in drafted]
    return {domain: _paired(contract, contracts) for domain, contract in contracts.items()}, written


def load_file(path: Path) -> Contract:
    """Read and check one contract alone, under any file name; see `parse_contract`."""
    return _alone(_read(path, path.name))


def parse_contract(text: str, source: str) -> Contract:
    """Read and check one contract. What it says of other contracts is checked by `load_contracts` only.

    Args:
        text: YAML in the Open Data Contract Standard.
        source: What messages call it, e.g. ``orders.odcs.yaml``.

    Raises:
        ContractError: With every problem of the text.
    """
    return _alone(read_document(text, source))


def rules_hash(contracts: Contracts) -> str:
    """sha256 of everything in the contracts that can change a validation result; words for people do not."""
    return _digest({domain: _validation_facts(contracts[domain]) for domain in DOMAINS})


def logic_facts(contracts: Contracts) -> dict[str, Any]:
    """What gold depends on, by domain, as a canonical value for the logic hash: lists, texts, booleans and None only."""
    return {domain: _gold_facts(contracts[domain]) for domain in DOMAINS}


def without(contracts: Contracts, columns: Mapping[str, Collection[str]]) -> Contracts:
    """The contracts as they are without some plain columns and the rules on these alone.

    Args:
        columns: Names by domain; each as `is_plain` says.
    """
    return {
        domain: dataclasses.replace(
            contract,
            columns=tuple(column for column in contract.columns if column.name not in columns.get(domain, ())),
            rules=tuple(rule for rule in contract.rules if rule.column not in columns.get(domain, ())),
        )
        for domain, contract in contracts.items()
    }


def _alone(document: Document) -> Contract:
    check_contract(document)
    _raise([document.report])
    assert document.contract is not None, "a document without a contract has a problem"
    return document.contract


def _paired(contract: Contract, contracts: Contracts) -> Contract:
    """The contract with the columns of its references in the order of their parents' keys, however they were written."""
    references: list[Reference] = []
    for reference in contract.references:
        pairs = list(zip(reference.columns, reference.parent_columns, strict=True))
        pairs.sort(key=lambda pair: contracts[reference.parent].key.index(pair[1]))
        own, theirs = tuple(own for own, _ in pairs), tuple(theirs for _, theirs in pairs)
        references.append(dataclasses.replace(reference, columns=own, parent_columns=theirs))
    return dataclasses.replace(contract, references=tuple(references))


def _overrides(folder: Path, report: Report) -> dict[str, Path]:
    if not folder.exists():
        return {}
    if not folder.is_dir():
        report.add(0, "", "is not a folder", f"contracts are files <domain>{SUFFIX} in a folder")
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".yaml", ".yml"):
            continue
        domain = path.name.split(".")[0]
        if domain not in DOMAINS:
            report.add(0, path.name, f"unknown domain {quoted(domain)}", suggestion(domain, DOMAINS))
        elif path.name != f"{domain}{SUFFIX}":
            report.add(0, path.name, "would not be read", f'name it "{domain}{SUFFIX}"')
        else:
            found[domain] = path
    return found


def _read(path: Path, source: str) -> Document:
    try:
        return read_document(path.read_text(encoding="utf-8-sig"), source)
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 (byte {error.start})"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    report = Report(source)
    report.add(0, "", problem)
    return Document(report)


def _raise(reports: list[Report]) -> None:
    problems = [problem for report in reports for problem in report.problems()]
    if len(problems) > MAX_PROBLEMS:
        problems = [*problems[:MAX_PROBLEMS], f"and {len(problems) - MAX_PROBLEMS:,} more"]
    if problems:
        raise ContractError(problems)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _gold_facts(contract: Contract) -> dict[str, Any]:
    delete = contract.delete
    return {
        "columns": [[column.name, column.type] for column in contract.columns],
        "key": list(contract.key),
        "tracked": list(contract.tracked),
        "references": [_reference(contract, reference) for reference in contract.references],
        "amount": contract.amount,
        "currency": contract.currency,
        "sequence_by": list(contract.sequence_by),
        "delete": [delete.column, sorted(delete.values)] if delete else None,
        "snapshot": "full" if contract.snapshot_full else None,
        "event_time": contract.event_time,
    }


def _reference(contract: Contract, reference: Reference) -> list[Any]:
    action = next(rule.action.value for rule in contract.rules if rule.name == reference.rule)
    return [list(reference.columns), reference.parent, list(reference.parent_columns), action]


def _validation_facts(contract: Contract) -> dict[str, Any]:
    return {
        **_gold_facts(contract),
        "encoding": contract.encoding,
        "forms": [_form(column) for column in contract.columns],
        "rules": [_rule(rule) for rule in contract.rules],
    }


def _form(column: Column) -> list[Any]:
    values = column.enumeration
    listed = [list(values.values), sorted(values.spellings.items())] if values else None
    return [column.required, column.trim, column.case, column.format, listed]


def _rule(rule: Rule) -> list[Any]:
    place = [rule.name, rule.check, rule.severity.value, rule.action.value, rule.dimension, rule.scope.value]
    limits = [str(bounds) if bounds is not None else None for bounds in rule.limits]
    narrowed = [list(rule.missing), list(rule.columns), rule.filter, rule.measure, rule.trailing, limits]
    return [*place, rule.column, rule.expect, rule.pattern, rule.switch, list(rule.needs), narrowed]
