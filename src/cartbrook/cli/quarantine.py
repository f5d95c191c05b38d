"""Commands on records that were set aside: see them, take them out to be edited, and decide on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cartbrook.cli.options import HERE, Json, Workspace, command
from cartbrook.cli.output import say, say_json, say_records
from cartbrook.errors import UsageError, counted
from cartbrook.types import Decided, Decision

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or their first six characters or more.")]
OfBatch = Annotated[str | None, typer.Option("--batch", metavar="BATCH_ID", help="Only of this batch.")]
OfDomain = Annotated[str | None, typer.Option("--domain", help="Only of this domain, such as orders.")]
OfRule = Annotated[str | None, typer.Option("--rule", help="Only what broke this rule.")]
Note = Annotated[str | None, typer.Option("--note", help="Why; kept with the decision.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="A full snapshot that shrinks by it is meant.")]

app = typer.Typer(help="Records that were set aside or wait for their parents.", no_args_is_help=True)


@app.command("list")
def list_(
    workspace: Workspace = HERE,
    *,
    batch: OfBatch = None,
    domain: OfDomain = None,
    rule: OfRule = None,
    status: Annotated[str | None, typer.Option(help="open, parked, released, corrected or discarded.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what waits longer than max_days_parked.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The most to list.")] = 50,
    raw: Annotated[bool, typer.Option("--raw", help="With the record as delivered, which may hold personal data.")] = False,
    as_json: Json = False,
) -> None:
    """List records that were quarantined, wait (parked) for their parents, or were decided on."""
    from cartbrook import pipeline
    from cartbrook.cli import records

    where = {"batch_id": batch, "domain": domain, "status": status}
    with pipeline.open_lake(workspace) as lake:
        rows = records.quarantine(lake, where, rule, overdue=overdue, limit=limit + 1, raw=raw)
    shown = rows[:limit]
    if as_json:
        say_json(shown)
    elif not rows:
        say("no such record")
    else:
        columns = ["id", "status", "severity", "batch", "where", "rules", "reason", "amount", "currency"]
        waits = ["waits days"] if any(row["waits_days"] for row in shown) else []
        say_records([_listed(row) for row in shown], [*columns, *waits, *(["record"] if raw else [])])
    if len(rows) > limit and not as_json:
        say(f"... and more: --limit {limit * 10}")


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the first six characters or more.")],
    workspace: Workspace = HERE,
    as_json: Json = False,
) -> None:
    """Tell everything about one record: its text as delivered, the rules it broke, and what was decided."""
    from cartbrook import pipeline
    from cartbrook.cli import records

    with pipeline.open_lake(workspace) as lake:
        report = records.record(lake, id_)
    if as_json:
        say_json(report)
        return
    say(f"Record   {report['quarantine_id']}")
    say(f"From     {report['batch_id']} revision {report['revision']}, {report['source_file']}:{report['source_line']}")
    by = f" by {report['resolved_by']}" if report["resolved_by"] else ""
    say(f"Status   {report['status']}{by}")
    if report["waits_days"] is not None:
        say(f"Waits    {counted(report['waits_days'], 'day')}")
    if report["amount"] is not None:
        say(f"Amount   {report['amount']} {report['currency'] or ''}".rstrip())
    say_records(report["rules"], ("rule", "severity", "action", "description"), title="Rules it broke")
    if report["reason"]:
        say(f"\n{report['reason']}")
    edited = report["edited"] is not None
    columns = ("column", "delivered", *(("decided",) if edited else ()))
    say_records(report["texts"], columns, title="Text")
    say_records(report["events"], ("decided_at", "decision", "decided_by", "note"), title="Decisions")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Gets one file for each domain.", file_okay=False)],
    workspace: Workspace = HERE,
    *,
    batch: OfBatch = None,
    domain: OfDomain = None,
    rule: OfRule = None,
    status: Annotated[str, typer.Option(help="open, parked, corrected or discarded.")] = "open",
) -> None:
    """Write records to CSV files to be edited; `quarantine fix` takes them back. The files hold personal data."""
    from cartbrook import pipeline
    from cartbrook.cli import quarantine_files, records

    with pipeline.open_lake(workspace) as lake:
        rows = records.quarantine(lake, {"batch_id": batch, "domain": domain, "status": status}, rule, raw=True)
        written = quarantine_files.write(folder, rows, lake.contracts)
    if not written:
        say("no such record")
        return
    for path, count in written.items():
        say(f"{path}: {counted(count, 'record')}")
    say(f"Next: edit, then {command(workspace, 'quarantine', 'fix', *(str(path) for path in written))}")


@app.command()
def fix(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Edited files of `export`.", dir_okay=False)
    ] = None,
    workspace: Workspace = HERE,
    *,
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="One record, with --set, instead of files.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="COLUMN=TEXT", help="What it should have said.")] = None,
    note: Note = None,
    confirm: Confirm = False,
    as_json: Json = False,
) -> None:
    """Record edited records as decisions, and take them in under the batch and day that delivered them."""
    from cartbrook import pipeline
    from cartbrook.cli import quarantine_files, records

    if bool(files) == bool(id_) or bool(id_) != bool(set_):
        raise UsageError(
            "fix needs edited files, or --id with --set.", hint="cartbrook quarantine export DIR writes files to edit."
        )
    with pipeline.open_lake(workspace) as lake:
        if id_:
            edits = quarantine_files.edit(records.raw_records(lake, [id_]), set_ or [], lake.contracts)
        else:
            read = [quarantine_files.read(path) for path in files or ()]
            known = records.raw_records(lake, [row["_id"] for rows in read for row in rows.records])
            edits = quarantine_files.edits(read, known, lake.contracts)
        decisions = [Decision(id_, "fix", text, note) for id_, text in edits.items()]
        decided = pipeline.decide(lake, decisions, confirmed=confirm) if decisions else []
    _tell(decided, workspace, as_json=as_json, nothing="no record was edited; nothing changes")


@app.command()
def release(
    ids: Ids = None,
    workspace: Workspace = HERE,
    *,
    batch: OfBatch = None,
    domain: OfDomain = None,
    rule: OfRule = None,
    note: Note = None,
    confirm: Confirm = False,
    as_json: Json = False,
) -> None:
    """Try open records again as they are, under the contracts in force: a fix with nothing edited."""
    _decide("release", ("open",), ids, (batch, domain, rule), workspace, note=note, confirm=confirm, as_json=as_json)


@app.command()
def discard(
    ids: Ids = None,
    workspace: Workspace = HERE,
    *,
    batch: OfBatch = None,
    domain: OfDomain = None,
    rule: OfRule = None,
    note: Note = None,
    confirm: Confirm = False,
    as_json: Json = False,
) -> None:
    """Decide that records do not count. They stay in the books and can be taken back by `revoke`."""
    _decide("discard", ("open", "parked"), ids, (batch, domain, rule), workspace, note=note, confirm=confirm, as_json=as_json)


@app.command()
def revoke(
    ids: Ids = None,
    workspace: Workspace = HERE,
    *,
    batch: OfBatch = None,
    domain: OfDomain = None,
    note: Note = None,
    confirm: Confirm = False,
    as_json: Json = False,
) -> None:
    """Take back what was decided on records: they are again what their batch delivered."""
    _decide("revoke", None, ids, (batch, domain, None), workspace, note=note, confirm=confirm, as_json=as_json)


def _decide(
    kind: str,
    statuses: Sequence[str] | None,
    ids: Sequence[str] | None,
    where: tuple[str | None, str | None, str | None],
    workspace: Path,
    *,
    note: str | None,
    confirm: bool,
    as_json: bool,
) -> None:
    """Take one decision on the records of some ids, or on all of some statuses that a batch, domain or rule names."""
    from cartbrook import pipeline
    from cartbrook.cli import records

    if bool(ids) == any(where):
        raise UsageError(f"{kind} needs ids, or one of --batch, --domain, --rule.", hint="`cartbrook quarantine list` shows ids.")
    with pipeline.open_lake(workspace) as lake:
        if ids:
            chosen = [row["quarantine_id"] for row in records.raw_records(lake, ids)]
        else:
            batch, domain, rule = where
            where_ = {"batch_id": batch, "domain": domain}
            if statuses is None:  # whatever was decided, in batches that are gone as well
                chosen = records.decided(lake, where_)
            else:
                chosen = [row["quarantine_id"] for row in records.quarantine(lake, where_, rule) if row["status"] in statuses]
        decisions = [Decision(id_, kind, note=note) for id_ in chosen]
        decided = pipeline.decide(lake, decisions, confirmed=confirm) if decisions else []
    _tell(decided, workspace, as_json=as_json, nothing="no such record; nothing changes")


def _tell(decided: Sequence[Decided], workspace: Path, *, as_json: bool, nothing: str) -> None:
    """What became of the records; exit code 1 if one that should pass is still set aside."""
    stay = [each for each in decided if each.after == "open" and each.decision.kind in ("fix", "release")]
    if as_json:
        say_json([_decided(each) for each in decided])
    elif not decided:
        say(nothing)
    else:
        counts: dict[str, int] = {}
        for each in decided:
            counts[each.after or "not live"] = counts.get(each.after or "not live", 0) + 1
        count = counted(len(decided), "record")
        say(f"{decided[0].decision.kind} of {count}: {', '.join(f'{number} {state}' for state, number in counts.items())}")
        say_records([_decided(each) | {"rules": ", ".join(each.rules)} for each in stay[:20]], ("id", "batch", "domain", "rules"))
        if stay:
            say(f"Next: {command(workspace, 'quarantine', 'show', stay[0].decision.quarantine_id[:12])}")
    raise typer.Exit(1 if stay else 0)


def _decided(each: Decided) -> dict[str, Any]:
    return {
        "id": each.decision.quarantine_id[:12],
        "quarantine_id": each.decision.quarantine_id,
        "batch": each.batch_id,
        "domain": each.domain,
        "decision": each.decision.kind,
        "before": each.before,
        "after": each.after,
        "rules": list(each.rules),
    }


def _listed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A quarantined record as a line of a table; JSON holds the whole id."""
    names = {"id": row["quarantine_id"][:12], "batch": row["batch_id"], "where": f"{row['source_file']}:{row['source_line']}"}
    return {**row, **names, "rules": ", ".join(row["rules"] or ()), "waits days": row["waits_days"]}
