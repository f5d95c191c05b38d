"""Commands that tell how things stand. They write nothing, and end with exit code 0 whatever they tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from cartbrook.cli.options import HERE, Json, Workspace, command
from cartbrook.cli.output import say, say_json, say_records
from cartbrook.errors import counted

_COUNTS = ("read", "accepted", "corrected", "discarded", "quarantined", "parked", "duplicate", "rejected")
_SELDOM = ("rows_corrected", "rows_discarded")
_BATCH_COLUMNS = {
    "batch_id": "batch",
    "revision": "rev",
    "batch_date": "date",
    "status": "status",
    "score": "score",
    **{f"rows_{name}": name for name in _COUNTS},
}


def status(workspace: Workspace = HERE, as_json: Json = False) -> None:
    """Tell what is published, what waits, what is set aside, and what to do next."""
    from cartbrook import pipeline
    from cartbrook.cli import reports

    with pipeline.open_lake(workspace) as lake:
        report = reports.status(lake, workspace)
    if as_json:
        say_json(report)
        return
    newest = report["publication"]
    say(f"Workspace    {report['workspace']}")
    cause = f"{newest['cause']} {newest['batch_id']}" if newest["batch_id"] else newest["cause"]
    say(f"Publication  {newest['publish_seq']} ({cause}), {_second(newest['published_at'])}")
    say(f"As of        {newest['as_of'] or 'no batch yet'}")
    say(f"Live         {_few([entry['batch_id'] for entry in report['live']]) or 'no batch'}")
    for name in report["triggers"]:
        say(f"Waits        {name}")
    for claim in report["interrupted"]:
        say(f"Interrupted  {claim['batch_id']} revision {claim['revision']}")
    for entry in report["attention"]:
        say(f"{entry['status'].capitalize():11}  {entry['batch_id']}: {_reason(entry) or 'no reason recorded'}")
    for entry in report["refused"]:
        say(f"Refused      rejected/{entry['name']}: {_line(entry['message']) or 'unreadable reason.json'}")
    if report["needs_rebuild"]:
        say("Rebuild      contracts, settings or code changed what gold means since it was made")
    if report["overdue"]:
        many = counted(report["overdue"], "record waits", "records wait")
        say(f"Overdue      {many} for a parent longer than the setting max_days_parked allows")
    if report["quarantine"]:
        say_money(report["quarantine"])
    say()
    for i, step in enumerate(report["next"]):
        say(f"{'Next:' if i == 0 else '':5} {step}")


def batches(workspace: Workspace = HERE, as_json: Json = False) -> None:
    """List the batches: every revision, its status, score and counts as published."""
    from cartbrook import pipeline
    from cartbrook.cli import reports

    with pipeline.open_lake(workspace) as lake:
        rows = reports.batches(lake)
    if as_json:
        say_json(rows)
    elif rows:
        _say_batches(rows)
    else:
        say(f"no batch yet; next: {command(workspace, 'submit', 'TRIGGER.json')}")


def show(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH_ID")],
    workspace: Workspace = HERE,
    every: Annotated[bool, typer.Option("--all", help="Rules that nothing broke, too.")] = False,
    as_json: Json = False,
) -> None:
    """Tell everything about one batch: files, books, quality results, step times."""
    from cartbrook import pipeline
    from cartbrook.cli import reports

    with pipeline.open_lake(workspace) as lake:
        report = reports.show(lake, batch_id)
    if as_json:
        say_json(report)
        return
    _say_batches(report["revisions"])
    for row in report["revisions"]:
        if row["error"]:
            say(f"revision {row['revision']}: {row['error']}")
        for warning in row["warnings"]:
            say(f"revision {row['revision']}: warning: {warning}")
    say_records(report["files"], ("domain", "name", "rows", "blank_lines", "extra_columns"), title="Files")
    say_records(
        report["books"],
        {"source_file": "file", **{name: name for name in ("state", "rows", "amount", "currency", "unpriced")}},
        title="Books (each delivered record is in one state)",
    )
    _say_quality(report["quality"], every=every)
    say_records(
        [{**step, "seconds": f"{step['seconds']:.2f}"} for step in report["steps"]],
        ("step", "attempt", "status", "seconds", "rows_in", "rows_out", "error"),
        title="Steps of the newest attempt",
    )
    for revision, place in report["places"].items():
        say(f"\nFiles of revision {revision}: {place}")


def _say_batches(rows: Sequence[Mapping[str, Any]]) -> None:
    """Batches with their counts; those of decisions where there are any."""
    unused = [name for name in _SELDOM if not any(row[name] for row in rows)]
    say_records(rows, {name: title for name, title in _BATCH_COLUMNS.items() if name not in unused})


def say_money(rows: Sequence[Mapping[str, Any]]) -> None:
    """Quarantine counts by status and severity, with the money they hold."""
    say_records(rows, ("status", "severity", "records", "amount", "currency"), title="Set aside")


def _say_quality(results: Sequence[Mapping[str, Any]], *, every: bool) -> None:
    told = [row for row in results if every or row["rows_failed"] or row["status"] in ("skipped", "not_evaluated")]
    from cartbrook.cli.scores import money

    columns = ("domain", "rule", "severity", "status", "rows_failed", "rows_checked", "at_risk")
    say_records([{**row, "at_risk": money(row["amounts_at_risk"])} for row in told], columns, title="Quality")
    if len(told) < len(results):
        more = counted(len(results) - len(told), "more rule was", "more rules were")
        say(f"{more} broken by no record (--all lists them)")


def _few(names: Iterable[str], most: int = 5) -> str:
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return f"{', '.join(every[-most:])}{more}"


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _reason(entry: Mapping[str, Any]) -> str:
    """Why a batch needs care, without its id and status, which the line has told already."""
    text = _line(entry["error"]).removeprefix(f"{entry['batch_id']}: ")
    return text.removeprefix(f"{entry['status']}: ").removeprefix(f"{entry['status']}, ")


def _second(moment: str | None) -> str:
    """A time to the second."""
    return f"{moment[:19].replace('T', ' ')} UTC" if moment else "at an unknown time"
