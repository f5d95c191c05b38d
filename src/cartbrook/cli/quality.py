"""The command that tells how good batches are: scores, the rules behind them, and the trend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cartbrook.cli.options import HERE, Json, Workspace, command
from cartbrook.cli.output import say, say_json, say_records

Record = Mapping[str, Any]

_RULES = {
    "name": "rule",
    **{name: name for name in ("severity", "action", "status")},
    "rows_checked": "checked",
    "rows_failed": "failed",
    "share": "percent",
    **{name: name for name in ("measured", "expected")},
    "at_risk": "at risk",
}


def quality(
    batch_id: Annotated[str | None, typer.Argument(metavar="[BATCH_ID]", help="Without one: the trend over batches.")] = None,
    workspace: Workspace = HERE,
    every: Annotated[bool, typer.Option("--all", help="Rules that nothing broke, too.")] = False,
    as_json: Json = False,
) -> None:
    """Tell the scores of a batch and the rules it broke, or the trend over all batches."""
    from cartbrook import pipeline
    from cartbrook.cli import scores

    with pipeline.open_lake(workspace) as lake:
        report: Any = scores.trend(lake) if batch_id is None else scores.batch(lake, batch_id)
    if as_json:
        say_json(report)
    elif batch_id is not None:
        _say_batch(report, every=every)
    elif report:
        _say_trend(report)
    else:
        say(f"no batch yet; next: {command(workspace, 'submit', 'TRIGGER.json')}")


def _say_batch(report: Record, *, every: bool) -> None:
    score = "no score" if report["score"] is None else f"score {report['score']}"
    say(f"{report['batch_id']}: {report['status']}, {score}")
    for warning in report["warnings"]:
        say(f"warning: {warning}")
    say_records(report["domains"], ("domain", "score", "rules", "broken", "failing"), title="By domain")
    say_records(report["groups"], ("group", "score", "rules", "broken", "failing"), title="By group")
    say_rules(report["rules"], every=every)


def say_rules(rules: Sequence[Record], *, every: bool) -> None:
    """Rules as a table, the broken ones first; without `every` only these."""
    from cartbrook.cli.scores import money

    told = [rule for rule in rules if every or rule["rows_failed"] or rule["status"] in ("fail", "warn")]
    lines = [{**rule, "name": f"{rule['domain']}.{rule['rule']}", "at_risk": money(rule["amounts_at_risk"])} for rule in told]
    say_records(lines, _RULES, title="Rules")
    left = Counter(rule["status"].replace("_", " ") for rule in rules if rule not in told)
    if left:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(left.items()))
        say(f"{'and ' if told else 'No rule was broken: '}{counts} (--all lists them)")


def _say_trend(batches: Sequence[Record]) -> None:
    domains = list(dict.fromkeys(domain for batch in batches for domain in batch["domains"]))
    lines = [
        {
            **batch,
            **{f"in {domain}": batch["domains"].get(domain) for domain in domains},
            "change": None if batch["change"] is None else f"{'' if batch['change'].startswith('-') else '+'}{batch['change']}",
            "failing": len(batch["failing"]),
        }
        for batch in batches
    ]
    columns = {"batch_id": "batch", "batch_date": "date", "score": "score", "change": "change"}
    columns |= {f"in {domain}": domain for domain in domains}
    say_records(lines, {**columns, "set_aside": "set aside", "failing": "failing rules"})
