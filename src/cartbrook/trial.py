"""Trying a file: what would become of its records, without a batch and without writing anything into a workspace."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook import logic, scorecard
from cartbrook.config import Settings
from cartbrook.contracts.model import DIMENSIONS, FACTS, LOCAL, Action, Contract, Contracts, Scope
from cartbrook.contracts.trigger import ExpectedFile
from cartbrook.errors import BooksDoNotBalance
from cartbrook.frames import contexts, counting, scoring
from cartbrook.frames.facts import resolve
from cartbrook.frames.parking import parked, raw_texts
from cartbrook.frames.quality import split
from cartbrook.frames.quarantine import OPEN
from cartbrook.lake.csv_scan import limits_of
from cartbrook.lake.lake import Lake
from cartbrook.lake.reader import TableReader
from cartbrook.lake.session import Session
from cartbrook.lake.values import Staged, fetch
from cartbrook.steps import ingest, receive
from cartbrook.types import Batch, SourceFile

_BATCH, _REVISION, _SEQ = "trial", 1, 0
_SHOWN = ("source_line", "status", "severity", "rules", "reason", "quarantine_id")


@dataclass(frozen=True, slots=True)
class Parents:
    """What references are looked up in.

    Attributes:
        tables: The gold table of each parent domain, as published.
        contracts: The contracts that these were made under.
    """

    tables: Mapping[str, DataFrame]
    contracts: Contracts


@dataclass(frozen=True, slots=True)
class Bench:
    """What a file is tried with.

    Attributes:
        contract: The contract of its domain.
        private: A folder of plain ASCII for what is staged.
        parents: None where references cannot be looked up.
    """

    session: Session
    contract: Contract
    settings: Settings
    private: Path
    parents: Parents | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of a file.

    Attributes:
        file: What was found of it as a whole.
        accepted: Records that would be accepted at once.
        waiting: Records that would wait for a parent; None where references were not looked up.
        results: The rules that were evaluated, zeros included.
        not_evaluated: The other rules of the domain by name, and why: what they look at.
        rejected: Why the whole batch would be rejected; empty if it would not be.
        bad: The first records that would not be accepted, by line: source_line, status (open or parked), severity, rules, reason,
            and record (as delivered, JSON) if asked for.
    """

    file: SourceFile
    accepted: int
    quarantined: int
    duplicates: int
    waiting: int | None
    results: Sequence[scoring.RuleResult]
    not_evaluated: Mapping[str, str]
    rejected: Sequence[str]
    score: Decimal | None
    bad: Sequence[Mapping[str, Any]]

    @property
    def rejecting(self) -> list[str]:
        """Names of the rules by which the whole batch would be rejected."""
        return [result.rule for result in self.results if result.action == Action.REJECT_BATCH and result.status == "fail"]

    @property
    def good(self) -> bool:
        """True if every record would be accepted; exact duplicates are, once."""
        return not self.quarantined and not self.waiting and not self.rejected


def published_parents(lake: Lake, domain: str) -> Parents | None:
    """Where the references of a domain are looked up; None if gold was made under another logic and cannot tell."""
    newest = lake.ledger.newest()
    gained = logic.gained(lake, newest)
    if gained is None:
        return None
    gold = {**DIMENSIONS, **FACTS}
    references = lake.contracts[domain].references
    tables = {reference.parent: lake.published(f"gold.{gold[reference.parent]}", newest) for reference in references}
    return Parents(tables, logic.as_published(lake, gained).contracts)


def try_file(
    bench: Bench, path: Path, batch_date: dt.date, *, encoding: str | None = None, most: int = 20, raw: bool = False
) -> Trial:
    """Do with a file what receive, ingest and validate do, and with its references what facts does.

    Args:
        batch_date: The day it would be delivered for.
        encoding: Goes before the contract's.
        most: How many bad records to show.
        raw: With the records themselves, which may hold personal data.

    Raises:
        FileRefused: The file cannot be read, or has not the columns of the contract.
        BooksDoNotBalance: The file changed meanwhile.
    """
    contract, settings, parents = bench.contract, bench.settings, bench.parents
    file = receive.look(ExpectedFile(path.name, contract.domain, encoding=encoding), path.parent, contract, limits_of(settings))
    batch = Batch(_BATCH, _REVISION, _SEQ, batch_date, (file,))
    staging = TableReader(bench.session, bench.private, {}, settings.parallel)
    slice_ = {"_batch_seq": F.lit(_SEQ).cast("int"), "_revision": F.lit(_REVISION).cast("int")}
    delivered = ingest.delivered(bench.session, batch, contract, settings).withColumns(slice_)
    parts = split(delivered, contract, batch, settings.timezone)
    accepted, rejected = staging.stage(parts.accepted), staging.stage(parts.rejected)
    duplicates = _copies(accepted, "_copies") + _copies(rejected, "copies")
    if accepted.rows + rejected.rows + duplicates != file.rows:
        what = f"{file.name}: {file.rows} records were counted, and {accepted.rows + rejected.rows + duplicates} were read."
        raise BooksDoNotBalance(what, hint="Something writes to the file. Try again when it is whole.")

    aside, waiting = rejected.frame, 0 if not contract.references else None
    if parents is not None and contract.references:
        waits = staging.stage(parked(resolve(accepted.frame, contract, parents.tables, parents.contracts), contract))
        aside, waiting = aside.unionByName(waits.frame, allowMissingColumns=True), waits.rows
    results = _results(bench.session, accepted.frame, aside, contract, looked_up=waiting is not None)
    return Trial(
        file=file,
        accepted=accepted.rows - (waiting or 0),
        quarantined=rejected.rows,
        duplicates=duplicates,
        waiting=waiting,
        results=[result for result in results if result.evaluated],
        not_evaluated={result.rule: _why(contract, result) for result in results if not result.evaluated},
        rejected=scorecard.rejections(results, settings, rejected.rows, file.rows),
        score=scoring.score(results, settings.severity_weights),
        bad=_bad(aside, delivered, contract, most, raw=raw),
    )


def _copies(staged: Staged, column: str) -> int:
    """Exact duplicates, which are ids on the record that stays."""
    ids = fetch(staged.frame.select(F.sum(F.size(F.coalesce(column, F.array().cast("array<string>")))).alias("n")))
    return int(ids[0]["n"] or 0)


def _results(
    session: Session, accepted: DataFrame, aside: DataFrame, contract: Contract, *, looked_up: bool
) -> list[scoring.RuleResult]:
    """Results of every rule, as the scorecard of a batch counts them; those that one file cannot tell are not evaluated."""
    scopes = (*LOCAL, *((Scope.REFERENCE,) if looked_up else ()))
    rules = [rule for rule in contract.rules if rule.scope in scopes]
    references = [reference.rule for reference in contract.references]
    frames = {"object": contexts.records_for_queries(accepted, contract)}
    with ExitStack() as stack:
        answers = [counting.answer(rule, scorecard.ask(session, stack, rule, frames)) for rule in rules if rule.check == "sql"]
        counted = fetch(reduce(DataFrame.union, [counting.batch_counts(accepted, contract, rules), *answers]))
    counted += fetch(counting.aside_counts(aside, references))
    return scoring.results(contract, counting.tallies(counted, contract, rules), {}, (contract.domain,), scopes)


def _why(contract: Contract, result: scoring.RuleResult) -> str:
    """What keeps a rule from being evaluated, to be read behind "as they"."""
    [rule] = [rule for rule in contract.rules if rule.name == result.rule]
    if rule.scope is Scope.REFERENCE:
        return "look up parents in an up-to-date workspace"
    if rule.check == "trailing":
        return "compare batches"
    return "look at other tables" if rule.scope is Scope.LAKE else "found nothing to look at"


def _bad(aside: DataFrame, delivered: DataFrame, contract: Contract, most: int, *, raw: bool) -> list[dict[str, Any]]:
    rows = fetch(aside.orderBy("source_line").select(*_SHOWN).limit(most))
    if raw and rows:
        wanted = [row["quarantine_id"] for row in rows]
        texts = raw_texts(delivered.where(F.col("_record_id").isin(*wanted)), contract)
        by_id = {row["quarantine_id"]: row["record"] for row in fetch(texts)}
        rows = [{**row, "record": by_id[row["quarantine_id"]]} for row in rows]
    return [{name: value for name, value in row.items() if name != "quarantine_id"} for row in rows]


__all__ = ["OPEN", "Bench", "Parents", "Trial", "published_parents", "try_file"]
