"""The quality results of a batch, counted from what validation and facts wrote; for the gates and for ops.quality_results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial, reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.config import Settings
from cartbrook.contracts.model import DIMENSIONS, FACTS, LOCAL, Action, Contract, Rule, Scope
from cartbrook.contracts.tables import table_mark
from cartbrook.errors import concerning
from cartbrook.frames import contexts, counting, scoring
from cartbrook.frames.keys import Keys, within
from cartbrook.frames.rules import active_rules
from cartbrook.frames.snapshots import is_record
from cartbrook.lake.lake import Lake
from cartbrook.lake.session import Session
from cartbrook.lake.values import fetch, named
from cartbrook.touched import batch_keys, referenced
from cartbrook.types import Batch, LiveBatch

QUALITY_RESULTS = "ops.quality_results"

_GOLD = {domain: f"gold.{table}" for domain, table in {**DIMENSIONS, **FACTS}.items()}


def local_results(lake: Lake, batch: Batch) -> list[scoring.RuleResult]:
    """Results of the rules that look no further than the batch, which is all that a gate may ask; others are not evaluated."""
    return _Count(lake, batch, batch.domains, LOCAL, ()).results()


def results(lake: Lake, batch: Batch, live: Sequence[LiveBatch]) -> list[scoring.RuleResult]:
    """Results of every rule of the delivered domains, cross-table rules on the delivered keys; after facts.

    Args:
        live: The live batches, for rules that compare the batch with those before it.
    """
    needs = {domain for delivered in batch.domains for rule in lake.contracts[delivered].rules for domain in rule.needs}
    asked = [domain for domain in lake.contracts if domain in needs]
    filled = lake.tables.each(lambda domain: lake.tables.holds_rows(f"silver.{domain}"), asked)
    held = [domain for domain, is_filled in zip(asked, filled, strict=True) if is_filled]
    return _Count(lake, batch, held, tuple(Scope), live).results()


def save(lake: Lake, batch: Batch, rows: Sequence[Mapping[str, Any]], *, held: bool = True) -> None:
    """Put the results of a batch's revision in the place of those of its earlier runs.

    Args:
        rows: The columns of ops.quality_results but those that name the batch.
        held: False where there are none yet.
    """
    schema = lake.tables.schema(QUALITY_RESULTS)
    naming = {"batch_seq": batch.batch_seq, "batch_id": batch.batch_id, "revision": batch.revision}
    complete = [{**naming, **row} for row in rows]
    columns = {name: [row[name] for row in complete] for name in schema.names}
    if not held:
        lake.tables.record(QUALITY_RESULTS, columns)
        return
    where = {"batch_seq": batch.batch_seq, "revision": batch.revision}
    lake.tables.replace(QUALITY_RESULTS, lake.tables.rows(columns, schema), where, exact=True)


def saved(lake: Lake, batch: Batch) -> list[scoring.RuleResult]:
    """The rows of ops.quality_results of a batch."""
    rows = lake.tables.read(QUALITY_RESULTS, where={"batch_seq": batch.batch_seq, "revision": batch.revision})
    names = [field.name for field in dataclasses.fields(scoring.RuleResult)]
    found = fetch(rows.select(*names))
    return [scoring.RuleResult(**{**row, "amounts_at_risk": dict(row["amounts_at_risk"] or ())}) for row in found]


def score(lake: Lake, rows: Sequence[scoring.RuleResult]) -> str | None:
    """The score of some results as it is recorded."""
    found = scoring.score(rows, lake.settings.severity_weights)
    return None if found is None else str(found)


def rejections(rows: Sequence[scoring.RuleResult], settings: Settings, quarantined: int, records: int) -> list[str]:
    """Why a batch is rejected, if it is.

    Args:
        rows: Results of its rules; only those that look no further than the batch are asked.
        quarantined: How many of its records are.
    """
    broken = [
        f"{row.domain}.{row.rule}" for row in rows if row.local and row.action == Action.REJECT_BATCH and row.status == "fail"
    ]
    reasons = [f"broke {', '.join(broken[:5])}"] if broken else []
    found = scoring.score([row for row in rows if row.local], settings.severity_weights)
    if settings.score_gate is not None and found is not None and found < settings.score_gate:
        reasons.append(f"its score {found} is below the gate {settings.score_gate}")
    if crowded(settings, quarantined, records):
        share = f"{quarantined:,} of {records:,} records are quarantined"
        reasons.append(f"{share}, more than the share {settings.quarantine_gate} of quarantine_gate")
    return reasons


def crowded(settings: Settings, quarantined: int, records: int) -> bool:
    """True if more of the records are quarantined than `quarantine_gate` lets through."""
    return settings.quarantine_gate is not None and quarantined > settings.quarantine_gate * records


def ask(session: Session, stack: ExitStack, rule: Rule, frames: Mapping[str, DataFrame]) -> DataFrame:
    """The one cell that the query of a rule gives.

    Args:
        stack: Until it is closed the tables have names.
        frames: The tables that it asks, by name; ``object`` is the batch.
    """
    assert rule.measure is not None
    text = rule.measure
    for table, name in stack.enter_context(named(frames)).items():
        text = text.replace(table_mark(table), f"`{name}`")
    return session.sql(text)


def warnings(lake: Lake, rows: Sequence[scoring.RuleResult]) -> list[str]:
    """What must be told of a batch that is published all the same: keep-rules past their thresholds, a low score."""
    told = [
        f"{row.domain}.{row.rule} failed: {_measured(row)}, must be {row.expected}"
        for row in rows
        if row.status == "fail" and row.action == "keep"
    ]
    found, limit = scoring.score([row for row in rows if row.local], lake.settings.severity_weights), lake.settings.score_warning
    if limit is not None and found is not None and found < limit:
        told.append(f"its score {found} is below score_warning {limit}")
    return told


def _measured(row: scoring.RuleResult) -> str:
    return "nothing measured" if row.measured is None else f"{row.measured.normalize():f}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Count:
    """One count of a batch.

    Attributes:
        held: Domains of which the lake holds records.
        scopes: The scopes of the rules that are counted.
        live: The live batches.
    """

    lake: Lake
    batch: Batch
    held: Collection[str]
    scopes: Collection[Scope]
    live: Sequence[LiveBatch]

    def results(self) -> list[scoring.RuleResult]:
        """The results of all delivered domains."""
        trails = {domain: self._trails(self.lake.contracts[domain]) for domain in self.batch.domains}
        keys: Mapping[str, Keys] = {}
        if any(entry.batch_id != self.batch.batch_id for entry in self.live):  # else all of gold is of this one
            conditioned = [domain for domain in self.batch.domains if self._conditions(self.lake.contracts[domain])]
            keys = batch_keys(self.lake, self.batch, conditioned)
        jobs: list[Callable[[], list[dict[str, Any]]]] = [self._aside]
        jobs += [partial(self._of, domain, trails[domain], keys.get(domain)) for domain in self.batch.domains]
        aside, *counted = self.lake.tables.each(lambda job: job(), jobs)
        found: list[scoring.RuleResult] = []
        for domain, rows in zip(self.batch.domains, counted, strict=True):
            contract = self.lake.contracts[domain]
            own = [row for row in aside if row["domain"] == domain]
            tallies = counting.tallies([*rows, *own], contract, self._rules(contract))
            found += scoring.results(contract, tallies, self.batch.switches, self.held, self.scopes, trails[domain])
        return found

    def _rules(self, contract: Contract) -> list[Rule]:
        """The rules that are counted."""
        return [rule for rule in active_rules(contract, self.batch.switches) if rule.scope in self.scopes]

    def _conditions(self, contract: Contract) -> list[Rule]:
        """Those that compare a record with other tables."""
        return [rule for rule in self._rules(contract) if rule.scope is Scope.LAKE and rule.check == "expect"]

    def _aside(self) -> list[dict[str, Any]]:
        """The counts of records that were set aside, of all domains at once: of most batches there are none or few."""
        aside = self.lake.tables.read("ops.quarantine", where={"batch_seq": self.batch.batch_seq})
        references = [reference.rule for contract in self.lake.contracts.values() for reference in contract.references]
        counted = counting.aside_counts(aside.where(F.col("status").isin("open", "parked")), references)
        return self.lake.tables.stage(counted).fetch()

    def _of(self, domain: str, trails: Mapping[str, Sequence[int]], keys: Keys | None) -> list[dict[str, Any]]:
        with concerning(f"rules of {domain}"):
            return self._domain(domain, trails, keys)

    def _domain(self, domain: str, trails: Mapping[str, Sequence[int]], keys: Keys | None) -> list[dict[str, Any]]:
        """The counts of one domain, in one plan.

        Args:
            keys: The delivered ones; None where gold holds no others.
        """
        contract, tables = self.lake.contracts[domain], self.lake.tables
        rules, silver = self._rules(contract), self._silver(domain)
        parts = [counting.batch_counts(silver, contract, rules)]
        if conditions := self._conditions(contract):
            parts.append(counting.lake_counts(self._context(contract, conditions, keys), conditions, contract))
        if trails:
            seqs = sorted({seq for trail in trails.values() for seq in trail})
            slices = tables.read(f"silver.{domain}", where={"_batch_seq": seqs}).where(is_record())
            parts.append(counting.trailing_counts(slices, [rule for rule in rules if rule.name in trails], self.batch.batch_seq))
        with ExitStack() as stack:
            queries = [rule for rule in rules if rule.check == "sql" and set(self.held).issuperset(rule.needs)]
            parts += [counting.answer(rule, self._answer(stack, rule, contract, silver)) for rule in queries]
            return tables.stage(reduce(DataFrame.union, parts)).fetch()

    def _silver(self, domain: str) -> DataFrame:
        return self.lake.tables.read(f"silver.{domain}", where={"_batch_seq": self.batch.batch_seq}).where(is_record())

    def _answer(self, stack: ExitStack, rule: Rule, contract: Contract, silver: DataFrame) -> DataFrame:
        """The one cell that a query gives; its tables have names until the stack is closed."""
        frames = {"object": contexts.records_for_queries(silver, contract)}
        for table in rule.tables:
            read = self.lake.tables.read(table)
            domain = table.partition(".")[2]
            frames[table] = (
                contexts.records_for_queries(read, self.lake.contracts[domain]) if table.startswith("silver.") else read
            )
        return ask(self.lake.tables.session, stack, rule, frames)

    def _trails(self, contract: Contract) -> dict[str, list[int]]:
        """For each trailing rule the batch and those before it that brought the domain, the nearest first."""
        rules = [rule for rule in self._rules(contract) if rule.check == "trailing"]
        if not rules:
            return {}
        own = (self.batch.batch_date, self.batch.batch_id)
        before = [entry for entry in self.live if (entry.batch_date, entry.batch_id) < own]
        before.sort(key=lambda entry: (entry.batch_date, entry.batch_id), reverse=True)
        revisions = {(entry.batch_seq, entry.revision) for entry in before}
        manifests = {
            row.batch_seq: Batch.from_json(row.manifest, Path())
            for row in self.lake.ledger.batches()
            if row.manifest and (row.batch_seq, row.revision) in revisions
        }
        brought = [
            entry.batch_seq
            for entry in before
            if entry.batch_seq in manifests and contract.domain in manifests[entry.batch_seq].domains
        ]
        return {rule.name: [self.batch.batch_seq, *brought[: rule.trailing]] for rule in rules}

    def _context(self, contract: Contract, rules: Sequence[Rule], keys: Keys | None) -> DataFrame:
        """The gold rows of the delivered keys with what cross-table rules look at."""
        gold = {domain: self.lake.tables.read(table) for domain, table in _GOLD.items()}
        children = [
            (other.domain, reference)
            for other in self.lake.contracts.values()
            for reference in other.references
            if reference.parent == contract.domain
        ]
        rows = gold[contract.domain]
        if keys is not None:
            rows = within(rows, keys, contract.key)
            for child, reference in children:
                gold[child] = within(gold[child], keys.named(reference.columns, reference.parent_columns), reference.columns)
            if keys.few is not None:
                looked_at = self.lake.tables.stage(rows)
                rows, parents = looked_at.frame, referenced(contract, looked_at)
                for reference in contract.references:
                    gold[reference.parent] = within(
                        gold[reference.parent], parents.get(reference.parent), reference.parent_columns
                    )
        if contract.domain == "orders":
            return contexts.order_context(rows, gold["customers"], gold["products"], gold["shipping"], rules)
        if contract.domain == "products":
            return contexts.product_context(rows.where("is_current"), gold["inventory"])
        if contract.domain == "customers":
            return contexts.customer_context(rows.where("is_current"), gold["orders"])
        return rows
