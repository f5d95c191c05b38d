"""`cartbrook check`: what would become of a file, without a batch."""

from __future__ import annotations

import codecs
import datetime as dt
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cartbrook.cli.contracts import folder_of, named_domain
from cartbrook.cli.options import HERE, Json, Workspace
from cartbrook.cli.output import note, say, say_json, say_records
from cartbrook.errors import FileRefused, UsageError, WorkspaceError, counted

if TYPE_CHECKING:
    from cartbrook.contracts.model import Contract
    from cartbrook.trial import Bench, Trial


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", exists=True, dir_okay=False, readable=True)],
    workspace: Workspace = HERE,
    *,
    domain: Annotated[str | None, typer.Option(help="Such as orders; else what the name says: <domain>_YYYY_MM_DD.csv.")] = None,
    batch_date: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day it is delivered for; else the one in its name, else today.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="As Python names it, such as cp1252; else the contract's.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="The most bad records to list.")] = 20,
    raw: Annotated[bool, typer.Option("--raw", help="With the record as delivered, which may hold personal data.")] = False,
    as_json: Json = False,
) -> None:
    """Try a file: what would be accepted, quarantined, or wait. Nothing is written into the workspace."""
    from cartbrook.contracts.trigger import told_by_name

    if not file.is_file():  # it is read more than once, which a pipe cannot be
        raise UsageError(f"{file}: this is no regular file.", hint="Save it to a file first.")
    named, day = told_by_name(file.name)
    wanted = named_domain(domain) if domain else named
    if wanted is None:
        raise UsageError(f"{file.name}: its name tells no domain.", hint="Name it: --domain orders")
    when = _day(batch_date) if batch_date else day or _today()
    codec = _codec(encoding) if encoding else None
    try:
        with _bench(workspace, wanted) as (bench, warnings):
            from cartbrook.trial import try_file

            trial = try_file(bench, file, when, encoding=codec, most=limit, raw=raw)
    except FileRefused as error:
        _tell_refusal(error, as_json=as_json)
        if error.code == "missing_column" and named not in (None, wanted):
            note(f"Its name says {named}: --domain {named}")
        raise typer.Exit(error.exit_code) from None
    report = _report(trial, bench.contract, when, warnings)
    if as_json:
        say_json(report)
    else:
        _say(report, limit)
    raise typer.Exit(0 if trial.good else 1)


@contextmanager
def _bench(workspace: Path, domain: str) -> Iterator[tuple[Bench, list[str]]]:
    """An engine with all it needs, and what keeps it from telling all; outside of a workspace nothing is looked up."""
    from cartbrook.config import load_settings
    from cartbrook.contracts.load import load_contracts
    from cartbrook.lake.places import Places, PlainPath

    own = folder_of(workspace)
    settings = load_settings(workspace)
    try:
        Places(workspace.resolve()).require()
        inside = True
    except WorkspaceError:
        inside = False
    with tempfile.TemporaryDirectory(prefix="cartbrook-") as folder:
        path = PlainPath(Path(folder).resolve())
        try:
            if inside:
                from cartbrook import pipeline
                from cartbrook.trial import Bench, published_parents

                with pipeline.open_lake(workspace, settings) as lake:
                    parents = published_parents(lake, domain)
                    stale = "references are not looked up, as gold was made under other contracts: cartbrook rebuild"
                    bench = Bench(lake.tables.session, lake.contracts[domain], settings, path.path, parents)
                    yield bench, [] if parents else [stale]
            else:
                contract = load_contracts(own)[domain]
                from cartbrook.lake.session import open_engine
                from cartbrook.trial import Bench

                with open_engine(settings.engine, settings.master, settings.spark_conf) as engine:
                    yield Bench(engine.session, contract, settings, path.path), []
        finally:
            path.close()


def _report(trial: Trial, contract: Contract, when: dt.date, warnings: list[str]) -> dict[str, Any]:
    """What was found, as plain values; names are stable."""
    from cartbrook.trial import OPEN

    rules = {rule.name: rule for rule in contract.rules}
    results = [asdict(result) for result in trial.results]
    skipped = [
        {"rule": name, "severity": rules[name].severity, "action": rules[name].action, "status": "not_evaluated"}
        | {"why": f"they {why}"}
        for name, why in trial.not_evaluated.items()
    ]
    return {
        "file": trial.file.name,
        "domain": contract.domain,
        "contract": contract.source,
        "batch_date": when,
        "good": trial.good,
        "rejecting": trial.rejecting,
        "rejected": trial.rejected,
        "records": trial.file.rows,
        "accepted": trial.accepted,
        "quarantined": trial.quarantined,
        "waiting": trial.waiting,
        "duplicates": trial.duplicates,
        "score": trial.score,
        "rules": [*results, *skipped],
        "bad": [
            {"line": row["source_line"], **{name: value for name, value in row.items() if name != "source_line"}}
            | {"status": "quarantined" if row["status"] == OPEN else "waits"}
            for row in trial.bad
        ],
        "warnings": [*trial.file.warnings, *warnings],
    }


def _say(report: Mapping[str, Any], limit: int) -> None:
    from cartbrook.cli.scores import money

    say(f"{report['file']}: {report['domain']} of {report['batch_date']}, checked by {report['contract']}")
    states = {"accepted": "accepted", "quarantined": "quarantined", "waiting": "would wait", "duplicates": "duplicate"}
    counts = [f"{report[name]} {word}" for name, word in states.items() if report[name] or name == "accepted"]
    say(f"{counted(report['records'], 'record')}: {', '.join(counts)}")
    if report["score"] is not None:
        evaluated = sum(rule["status"] in ("pass", "warn", "fail") for rule in report["rules"])
        say(f"Score {report['score']} over {counted(evaluated, 'rule')}")
    for warning in report["warnings"]:
        say(f"Warning: {warning}")
    broken = [{**rule, "at_risk": money(rule["amounts_at_risk"])} for rule in report["rules"] if rule.get("rows_failed")]
    say_records(broken, ("rule", "severity", "action", "rows_failed", "rows_checked", "at_risk"), title="Broken rules")
    if report["rejected"]:
        say(f"The whole batch would be rejected: {'; '.join(report['rejected'])}")
    shown = [{**row, "rules": ", ".join(row["rules"])} for row in report["bad"]]
    columns = ["line", "status", "severity", "rules", "reason"]
    if shown:
        say_records(shown, [*columns, *(["record"] if "record" in shown[0] else [])], title="Records that would not be accepted")
    more = report["quarantined"] + (report["waiting"] or 0) - len(shown)
    if more:
        say(f"... and {more} more: --limit {max(limit * 10, 20)}")
    skipped = [rule for rule in report["rules"] if rule["status"] == "not_evaluated"]
    if skipped:
        say()
    for why in dict.fromkeys(rule["why"] for rule in skipped):
        say(f"Not evaluated, as {why}: {', '.join(rule['rule'] for rule in skipped if rule['why'] == why)}")


def _tell_refusal(error: FileRefused, *, as_json: bool) -> None:
    from cartbrook.cli.running import told_line
    from cartbrook.types import Outcome

    if as_json:
        refused = {"code": error.code, "line": error.line, "message": error.message, "hint": error.hint}
        say_json({"file": error.file, "good": False, "refused": refused})
    else:
        say(told_line(Outcome(error.file, "rejected", str(error))))


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--batch-date {text}: this is no day.", hint="Such as 2025-03-01.") from None
    if not 1900 <= day.year <= 2100:
        raise UsageError(f"--batch-date {text}: batches are of 1900 to 2100.")
    return day


def _today() -> dt.date:
    """A file that tells no day is taken for today's; nothing is kept of it."""
    from cartbrook.lake.ledger import utc_now

    return dt.datetime.fromisoformat(utc_now()).date()


def _codec(name: str) -> str:
    try:
        "".encode(name)  # raises for codecs that are no encodings of text
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        hint = "Name it as Python does, e.g. utf-8, cp1252, utf-16."
        raise UsageError(f"--encoding {name}: there is no such encoding.", hint=hint) from None
