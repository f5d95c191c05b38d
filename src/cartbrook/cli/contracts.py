"""Commands for those who edit contracts. Contracts are plain Python: none of these starts an engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cartbrook.cli.options import HERE, Json, Workspace
from cartbrook.cli.output import note, say, say_json, say_records
from cartbrook.errors import ContractError, UsageError, WorkspaceError

if TYPE_CHECKING:
    from cartbrook.contracts.model import Column, Contract, Contracts, Rule

BUILT_IN = "built-in"
"""The word that stands for the contracts that come with cartbrook."""


def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FOLDER|FILE]...", help="A folder of contracts, or files to put among those of the workspace."),
    ] = None,
    workspace: Workspace = HERE,
    as_json: Json = False,
) -> None:
    """Tell all that is wrong in contracts at once, and what is worth a look; those of the workspace unless others are named."""
    from cartbrook.contracts.lint import lint as checked

    own = folder_of(workspace)
    files = [path for path in paths or () if not path.is_dir()]
    folders: list[Path | None] = [_holding(path) for path in paths or () if path.is_dir()]
    sets: list[tuple[Path | None, Sequence[Path]]] = [(folder, ()) for folder in folders]
    if files or not sets:
        _require_files(files)
        sets.append((own, files))
    problems: list[str] = []
    warnings: list[str] = []
    for folder, drafts in sets:
        try:
            warnings += checked(folder, drafts)
        except ContractError as error:
            problems += error.problems
    if as_json:
        say_json({"problems": problems, "warnings": warnings})
    else:
        for kind, lines in (("problem", problems), ("warning", warnings)):
            for line in lines:
                say(f"{kind}  {line}")
        say(f"{_counted(len(problems), 'problem')}, {_counted(len(warnings), 'warning')}")
    raise typer.Exit(ContractError.exit_code if problems else 0)


def show(
    domain: Annotated[str | None, typer.Argument(metavar="[DOMAIN]", help="Such as orders; all of them unless given.")] = None,
    workspace: Workspace = HERE,
    as_json: Json = False,
) -> None:
    """Tell the contracts in force: columns, references, settings, and every rule with what it costs and does."""
    wanted = [named_domain(domain)] if domain else None
    contracts = in_force(workspace)
    shown = [_described(contracts[name], folder_of(workspace)) for name in wanted or contracts]
    if as_json:
        say_json(shown)
        return
    for number, contract in enumerate(shown):
        say(f"{'' if number == 0 else chr(10)}{contract['domain']} {contract['version']} ({contract['source']})")
        _say_columns(contract)
        for reference in contract["references"]:
            own, theirs = ", ".join(reference["columns"]), ", ".join(reference["parent_columns"])
            say(f"{'Reference':11} {own} -> {reference['parent']} ({theirs}); {reference['rule']} while it is unknown")
        for name, value in contract["settings"].items():
            if value is not None:
                say(f"{'Setting':11} {name}: {_setting(value)}")
        say_records(
            contract["rules"], ("name", "severity", "action", "dimension", "scope", "switch", "checks"), title="Rules in force"
        )


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="A file, a folder, or the word built-in.")],
    new: Annotated[str, typer.Argument(metavar="B", help="What shall take its place.")],
    as_json: Json = False,
) -> None:
    """Tell what changes from contracts A to B: breaking, asking for a rebuild, or compatible."""
    from cartbrook.contracts.diff import Kind
    from cartbrook.contracts.diff import diff as compared

    before, after = _side(old), _side(new)
    domains = _in_common(before, after)
    changes = compared({name: before[name] for name in domains}, {name: after[name] for name in domains})
    if as_json:
        say_json([asdict(change) for change in changes])
    else:
        for change in changes:
            say(f"{change.kind:10}  {change.domain} {change.place}: {change.what}")
        kinds = Counter(change.kind for change in changes)
        counts = ", ".join(f"{kinds[kind]} {kind}" for kind in Kind if kinds[kind])
        say(f"{_counted(len(changes), 'change')}: {counts}" if changes else "no difference")
    raise typer.Exit(1 if any(change.kind is Kind.BREAKING for change in changes) else 0)


def folder_of(workspace: Path) -> Path | None:
    """The folder of a workspace's own contracts, if it has one; it need not be a workspace yet.

    Raises:
        WorkspaceError: There is not even the folder.
    """
    from cartbrook.lake.places import Places

    if not workspace.is_dir():
        raise WorkspaceError(f"{workspace}: no such folder.", hint="--workspace names the workspace, or the folder to be one.")
    folder = Places(workspace.resolve()).contracts
    return folder if folder.exists() else None


def in_force(workspace: Path) -> Contracts:
    """The contracts in force in a workspace."""
    from cartbrook.contracts.load import load_contracts

    return load_contracts(folder_of(workspace))


def named_domain(name: str) -> str:
    """A domain as it was typed.

    Raises:
        UsageError: There is none of that name.
    """
    from cartbrook.contracts.model import DOMAINS
    from cartbrook.contracts.yaml_marks import quoted, suggestion

    if name.lower() not in DOMAINS:
        raise UsageError(f"There is no domain {quoted(name)}.", hint=suggestion(name, DOMAINS))
    return name.lower()


def _side(word: str) -> Mapping[str, Contract]:
    """One side of a comparison: the contract of a file, or all five."""
    from cartbrook.contracts.load import load_contracts, load_file

    if word == BUILT_IN:
        return load_contracts()
    path = Path(word)
    if not path.is_dir():
        _require_files([path])
        contract = load_file(path)
        return {contract.domain: contract}
    if not _contracts_in(path):
        if _contracts_in(path / "contracts"):
            raise UsageError(f"{word} holds no contracts.", hint=f"Did you mean {path / 'contracts'}?")
        note(f"{word} holds no contracts; the built-in ones are in force there.")
    return load_contracts(path)


def _in_common(before: Mapping[str, Contract], after: Mapping[str, Contract]) -> list[str]:
    """The domains to compare: a file speaks of its own alone."""
    domains = [name for name in before if name in after]
    if not domains:
        one, other = next(iter(before)), next(iter(after))
        raise UsageError(f"A is a contract of {one}, B one of {other}.", hint="Compare contracts of one domain, or folders.")
    return domains


def _require_files(paths: Sequence[Path]) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise UsageError(f"{missing[0]}: no such file or folder.", hint=f"{BUILT_IN} stands for the built-in contracts.")


def _holding(folder: Path) -> Path:
    """A folder in which something is to be checked."""
    if not _contracts_in(folder):
        inner = folder / "contracts"
        hint = f"Did you mean {inner}?" if _contracts_in(inner) else "Contracts are files <domain>.odcs.yaml."
        raise UsageError(f"{folder} holds no contracts.", hint=hint)
    return folder


def _contracts_in(folder: Path) -> bool:
    """True if there is anything that a loader would read or complain of."""
    return folder.is_dir() and any(path.suffix.lower() in (".yaml", ".yml") for path in folder.iterdir())


def _described(contract: Contract, folder: Path | None) -> dict[str, Any]:
    """A contract as plain values; names are stable."""
    delete = contract.delete
    own = folder / contract.source if folder else None
    return {
        "domain": contract.domain,
        "version": contract.version,
        "source": str(own) if own and own.is_file() else contract.source,
        "columns": [_column(contract, column) for column in contract.columns],
        "references": [asdict(reference) for reference in contract.references],
        "settings": {
            "amount": contract.amount,
            "currency": contract.currency,
            "event_time": contract.event_time,
            "sequence_by": list(contract.sequence_by) or None,
            "delete": {"column": delete.column, "values": list(delete.values)} if delete else None,
            "snapshot": "full" if contract.snapshot_full else None,
            "encoding": contract.encoding,
        },
        "rules": [{**asdict(rule), "checks": _checks(rule, contract)} for rule in contract.rules],
    }


def _column(contract: Contract, column: Column) -> dict[str, Any]:
    from cartbrook.contracts.model import DIMENSIONS

    values = column.enumeration
    return {
        "name": column.name,
        "type": column.type,
        "required": column.required,
        "key": contract.key.index(column.name) + 1 if column.name in contract.key else None,
        "tracked": column.name in contract.tracked if contract.domain in DIMENSIONS else None,
        "case": column.case,
        "trim": column.trim,
        "format": column.format,
        "values": list(values.values) if values else None,
        "spellings": dict(values.spellings) if values else None,
        "description": column.description,
    }


def _checks(rule: Rule, contract: Contract) -> str:
    """What a good record is, as the rule sees it."""
    if rule.expect is not None:
        return " ".join(rule.expect.split())
    if rule.pattern is not None:
        return f"{rule.column} matches {rule.pattern}"
    if rule.check == "enumeration":
        return f"{rule.column} is one of the listed values"
    if rule.check == "unique":
        return f"no two different rows of one batch have the same {', '.join(contract.key)}"
    return rule.description


def _say_columns(contract: Mapping[str, Any]) -> None:
    rows = []
    for column in contract["columns"]:
        marks = {name: "yes" if column[name] else None for name in ("required", "tracked")}
        case = None if column["case"] == "keep" else column["case"]
        spelt = [f"{spelling} = {value}" for spelling, value in (column["spellings"] or {}).items()]
        values = ", ".join([*(column["values"] or ()), *spelt]) or column["format"]
        rows.append({**column, **marks, "case": case, "values": values})
    names = ("name", "type", "key", "required", "tracked", "case", "values")
    historic = any(column["tracked"] is not None for column in contract["columns"])
    say_records(rows, [name for name in names if name != "tracked" or historic], title="Columns")
    say()


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['column']} in {', '.join(value['values'])}"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
