"""Commands that change what is published, and the one that proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cartbrook.cli.options import HERE, Json, Workspace, command
from cartbrook.cli.output import is_terminal, note, say, say_json, say_records
from cartbrook.errors import counted

if TYPE_CHECKING:
    from cartbrook.lake.lake import Lake
    from cartbrook.types import Outcome


def run(
    workspace: Workspace = HERE,
    confirm: Annotated[
        list[str] | None, typer.Option(metavar="BATCH_ID", help="Its batch_date is meant, far ahead as it is; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Take in every trigger that waits, and finish what an interrupted run left."""
    from cartbrook import pipeline

    with pipeline.open_lake(workspace) as lake:
        if as_json:
            outcomes = pipeline.run(lake, confirm or ())
            say_json([asdict(outcome) for outcome in outcomes])
        else:
            with _progress(lake) as told:
                outcomes = pipeline.run(lake, confirm or (), told=told)
            if not outcomes:
                say("nothing to do")
            _tell_overdue(lake, workspace)
    if not all(outcome.good for outcome in outcomes):
        if not as_json:
            say(f"Next: {command(workspace, 'status')}")
        raise typer.Exit(1)


def _tell_overdue(lake: Lake, workspace: Path) -> None:
    """An alert on standard error where records wait for their parents longer than they should."""
    from cartbrook.cli import records

    if overdue := records.overdue(lake, lake.ledger.newest()):
        many, days = counted(overdue, "record waits", "records wait"), counted(lake.settings.max_days_parked, "day")
        note(f"Warning: {many} more than {days} for a parent.")
        note(f"  See: {command(workspace, 'quarantine', 'list', '--overdue')}")


def undo(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH_ID")], workspace: Workspace = HERE, as_json: Json = False
) -> None:
    """Take a published batch out, as if it had never come; its files stay in the archive."""
    from cartbrook import pipeline

    with pipeline.open_lake(workspace) as lake:
        _tell(pipeline.undo(lake, batch_id), as_json=as_json)


def rebuild(
    workspace: Workspace = HERE,
    from_bronze: Annotated[bool, typer.Option("--from-bronze", help="Validate the raw records anew, too.")] = False,
    as_json: Json = False,
) -> None:
    """Compute all of gold anew, under the contracts and settings in force."""
    from cartbrook import pipeline

    with pipeline.open_lake(workspace) as lake:
        _tell(pipeline.rebuild(lake, from_bronze=from_bronze), as_json=as_json)


def reprocess(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH_ID")],
    workspace: Workspace = HERE,
    *,
    from_bronze: Annotated[
        bool, typer.Option("--from-bronze", help="From the raw records, although its files are there.")
    ] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="A full snapshot that shrinks is meant.")] = False,
    as_json: Json = False,
) -> None:
    """Take a batch in again under the contracts in force, as its next revision; if that fails, the old one stays."""
    from cartbrook import pipeline

    with pipeline.open_lake(workspace) as lake:
        _tell(pipeline.reprocess(lake, batch_id, from_bronze=from_bronze, confirmed=confirm), as_json=as_json)


def maintain(
    workspace: Workspace = HERE,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Compact tables of many small files and remove files that no kept publication needs; no row changes."""
    from cartbrook import pipeline

    with pipeline.open_lake(workspace) as lake:
        done = pipeline.maintain(lake, dry_run=dry_run)
    if as_json:
        say_json([asdict(table) for table in done])
        return
    rows = [asdict(table) for table in done if table.files_before != table.files_after or table.freed]
    say_records(
        rows,
        {
            "table": "table",
            "files_before": "files",
            "files_after": "then" if dry_run else "now",
            "removed": "removed",
            "logs": "log entries removed",
            "freed": "bytes freed",
        },
    )
    before, after, freed = (sum(getattr(table, name) for table in done) for name in ("files_before", "files_after", "freed"))
    would = "would become" if dry_run else "became"
    say(f"{before} files {would} {after}; {freed / 1e6:.1f} MB {'would be' if dry_run else 'were'} freed")


def preview(
    trigger: Annotated[
        Path, typer.Argument(metavar="TRIGGER.json", help="With its files beside it.", dir_okay=False, exists=True)
    ],
    workspace: Workspace = HERE,
    *,
    supersede: Annotated[bool, typer.Option("--supersede", help="As if it took the place of the published batch.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="As if it was confirmed.")] = False,
    as_json: Json = False,
) -> None:
    """Tell what a delivery would do to versions, facts, money and KPIs, without changing anything."""
    from cartbrook import pipeline
    from cartbrook.preview import preview as look

    with pipeline.open_lake(workspace) as lake:
        found = look(lake, trigger, supersede=supersede, confirmed=confirm)
    if as_json:
        say_json(asdict(found))
    else:
        say(f"Nothing was changed. `run` would say:\n  {told_line(found.outcome)}")
        parts = {**found.versions, **found.facts}
        rows = [{"table": f"gold.{name}", "would be": _counts(counts)} for name, counts in parts.items()]
        say_records(rows, ("table", "would be"), title="Versions and facts")
        say_records(found.set_aside, ("domain", "status", "severity", "records", "amount", "currency"), title="Set aside of it")
        if found.released:
            say(f"\n{counted(found.released, 'record that waits', 'records that wait')} now would be released")
        say_records(found.kpis, ("figure", "currency", "before", "after"), title="KPIs (gold.kpi_summary)")
    raise typer.Exit(0 if found.outcome.good else 1)


def audit(
    batch_id: Annotated[str | None, typer.Argument(metavar="[BATCH_ID]", help="Only its books, file by file.")] = None,
    workspace: Workspace = HERE,
    publication: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=2**62, help="As things were in publication N; the newest unless given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove from the published tables that books balance, histories hold and facts are bound as they must be."""
    from cartbrook import pipeline

    with pipeline.open_lake(workspace) as lake:
        findings = pipeline.prove(lake, batch_id, publication)
    problems = [finding for finding in findings if finding.problem]
    if as_json:
        say_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{'PROBLEM' if finding.problem else 'ok':7}  {finding.check}: {finding.problem or finding.proved}")
        say(f"{counted(len(findings), 'proof')}, {counted(len(problems), 'problem') if problems else 'no problem'}")
    raise typer.Exit(1 if problems else 0)


def told_line(outcome: Outcome) -> str:
    """An outcome as one line: what became of it, score, counts, seconds."""
    message, _, hint = outcome.message.partition("\n")
    message, hint = " ".join(message.split()), " ".join(hint.split())
    name = f"{outcome.batch_id}: "
    head = outcome.status if outcome.status == "published" else message.removeprefix(name)
    if outcome.status not in message and outcome.status not in ("published", "unchanged", "waiting"):
        head = f"{outcome.status}, {head}"
    parts = [f"revision {outcome.revision}"] if outcome.revision and outcome.revision > 1 else []
    if outcome.score is not None:
        parts.append(f"score {outcome.score}")
    parts += [f"{count} {state}" for state, count in outcome.rows.items() if count or state == "accepted"]
    if outcome.seconds is not None:
        parts.append(f"{outcome.seconds:.1f} s")
    if parts:
        head = ", ".join([head.removesuffix("."), *parts])
    warnings = f" (warning: {'; '.join(outcome.warnings)})" if outcome.warnings else ""
    told = f"{head}{'.' if hint and parts else ''}{f' {hint}' if hint else ''}"
    return f"{'' if outcome.status == 'rebuilt' else name}{told}{warnings}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "as it is"


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        say_json(asdict(outcome))
    else:
        say(told_line(outcome))
    raise typer.Exit(0 if outcome.good else 1)


@contextmanager
def _progress(lake: Lake) -> Iterator[Callable[[Outcome], None]]:
    """Print outcomes as they come; on a terminal, below a bar of how many are left."""
    from cartbrook.lake import intake

    if not is_terminal():
        yield lambda outcome: say(told_line(outcome))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    waiting = len(intake.waiting_triggers(lake.places)) + len(intake.claimed_folders(lake.places))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("batches", total=waiting, visible=waiting > 0)

        def told(outcome: Outcome) -> None:
            bar.console.print(Text(told_line(outcome)), soft_wrap=True)
            bar.advance(task)

        yield told
