"""Audit: prove from the published tables alone that books balance, histories hold, and gold is what the live records say."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.context import fact_settings, mart_context
from cartbrook.contracts.model import DIMENSIONS, FACTS
from cartbrook.contracts.tables import surrogate_key
from cartbrook.errors import counted
from cartbrook.frames import books
from cartbrook.frames.decisions import in_force
from cartbrook.frames.facts import facts, resolve
from cartbrook.frames.history import history
from cartbrook.frames.invariants import broken_versions, misparked, other_rows, unbound, uncovered, undecided
from cartbrook.frames.marts import INTERMEDIATE, MARTS, SALES_TOTALS, TABLES, Mart, MartContext
from cartbrook.frames.marts.mart import FEW_ORDERS
from cartbrook.frames.marts.sales_totals import ALL
from cartbrook.frames.schema import fact_key
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import fetch
from cartbrook.types import Batch, Publication


@dataclass(frozen=True, slots=True)
class Finding:
    """One proof and how it ended.

    Attributes:
        check: What was proved, e.g. ``books orders``.
        problem: What is wrong, or None.
        proved: On what the proof rests, e.g. ``40 records``.
    """

    check: str
    problem: str | None
    proved: str = ""


def audit(lake: Lake, publication: Publication, batch_id: str | None = None) -> list[Finding]:
    """Run every proof over the tables of a publication.

    Args:
        batch_id: Only the books of this live batch, file by file.
    """
    if batch_id is not None:
        only = dataclasses.replace(publication, live=tuple(e for e in publication.live if e.batch_id == batch_id))
        books_of = {f"books of {domain}": partial(_file_books, lake, only, domain) for domain in lake.contracts}
        return [finding for part in lake.tables.each(_proved, books_of.items()) for finding in part]
    proofs: dict[str, Callable[[], list[Finding]]] = {"live batches": lambda: [live_batches(lake, publication)]}
    proofs |= {f"books of {domain}": partial(_books, lake, publication, domain) for domain in lake.contracts}
    proofs |= {f"history in {name}": partial(_history, lake, publication, domain) for domain, name in DIMENSIONS.items()}
    proofs |= {f"binding of {name}": partial(_binding, lake, publication, domain) for domain, name in FACTS.items()}
    proofs |= {"decisions": partial(_decisions, lake, publication), "figures": partial(_figures, lake, publication)}
    return [finding for part in lake.tables.each(_proved, proofs.items()) for finding in part]


def _proved(proof: tuple[str, Callable[[], list[Finding]]]) -> list[Finding]:
    """What a proof finds; that its tables cannot be read is a finding, too."""
    name, prove = proof
    try:
        return prove()
    except (PySparkException, OSError) as error:
        return [Finding(name, f"its tables cannot be read ({type(error).__name__})")]


def live_batches(lake: Lake, publication: Publication) -> Finding:
    """Silver holds the live pairs and no other."""
    live = {(entry.batch_id, entry.revision) for entry in publication.live}
    held = reduce(
        DataFrame.unionByName,
        (
            lake.published(f"silver.{domain}", publication).select("_batch_id", "_revision").distinct()
            for domain in lake.contracts
        ),
    )
    found = {(row["_batch_id"], row["_revision"]) for row in fetch(held.distinct())}
    strays = sorted(f"{batch_id} revision {revision}" for batch_id, revision in found - live)
    problem = f"silver holds records of what is not live: {', '.join(strays[:5])}" if strays else None
    return Finding("live batches", problem, counted(len(live), "batch", "batches"))


def _books(lake: Lake, publication: Publication, domain: str) -> list[Finding]:
    rows: Counter[str] = Counter()
    problems: list[str] = []
    entries = _entries(lake, publication, domain)
    for entry in entries:
        rows[entry["state"]] += entry["rows"]
        problems += [f"{entry['source_file'] or 'no file'}: {problem}" for problem in _wrong(entry)]
    for (_, file), missing in _unbooked(lake, publication, domain, entries).items():
        problems.append(f"{file}: {counted(missing, 'delivered record is', 'delivered records are')} in no table")
    states = ", ".join(f"{count} {state}" for state, count in sorted(rows.items()))
    return [
        Finding(f"books of {domain}", "; ".join(problems[:5]) or None, f"{counted(rows.total(), 'record')}: {states or 'none'}")
    ]


def _file_books(lake: Lake, publication: Publication, domain: str) -> list[Finding]:
    """The books of each file of a domain: rows and, by currency, money in each state."""
    by_file: dict[str, list[dict[str, Any]]] = {}
    found = _entries(lake, publication, domain)
    for entry in sorted(found, key=lambda entry: (entry["state"], entry["currency"] or "")):
        by_file.setdefault(entry["source_file"] or f"{domain}, no file", []).append(entry)
    findings: list[Finding] = []
    for file, entries in sorted(by_file.items()):
        problems = [problem for entry in entries for problem in _wrong(entry)]
        told: list[str] = []
        for state in sorted({entry["state"] for entry in entries}):
            of_state = [entry for entry in entries if entry["state"] == state]
            priced = [e for e in of_state if e["unpriced"] < e["rows"] and lake.contracts[domain].amount]
            money = " + ".join(f"{e['booked']} {e['currency'] or 'without currency'}" for e in priced)
            told.append(f"{sum(e['rows'] for e in of_state)} {state}{f' ({money})' if money else ''}")
        total = counted(sum(entry["rows"] for entry in entries), "record")
        findings.append(Finding(f"books of {file}", "; ".join(problems[:5]) or None, f"{total}: {', '.join(told)}"))
    for (_, file), missing in _unbooked(lake, publication, domain, found).items():
        findings.append(
            Finding(f"books of {file}", f"{counted(missing, 'delivered record is', 'delivered records are')} in no table")
        )
    return findings


def _unbooked(lake: Lake, publication: Publication, domain: str, entries: list[dict[str, Any]]) -> dict[tuple[int, str], int]:
    """Records that a live batch's file had when it was received and that its books do not hold, by batch_seq and file."""
    live = {(entry.batch_id, entry.revision) for entry in publication.live}
    missing: Counter[tuple[int, str]] = Counter()
    for row in lake.ledger.batches(*{entry.batch_id for entry in publication.live}) if live else ():
        if (row.batch_id, row.revision) in live and row.manifest:
            batch = Batch.from_json(row.manifest, Path())
            missing.update({(batch.batch_seq, file.name): file.rows for file in batch.files if file.domain == domain})
    for entry in entries:
        if entry["source_file"] is not None:
            missing[entry["_batch_seq"], entry["source_file"]] -= entry["rows"]
    return {place: rows for place, rows in missing.items() if rows}


def _entries(lake: Lake, publication: Publication, domain: str) -> list[dict[str, Any]]:
    """The books of the live batches of a publication."""
    live = _is_live(publication)
    bronze = lake.tables.read(f"bronze.{domain}").where(live)
    silver = lake.published(f"silver.{domain}", publication).where(live)
    pair = F.struct(F.col("batch_seq").alias("_batch_seq"), F.col("revision").alias("_revision"))
    aside = lake.published("ops.quarantine", publication).where(F.col("domain") == domain)
    aside = aside.withColumn("_pair", pair).where(_is_live(publication, "_pair.")).drop("_pair")
    return fetch(books.entries(bronze, silver, aside, lake.contracts[domain]))


def _wrong(entry: dict[str, Any]) -> list[str]:
    """What is wrong with an entry of the books."""
    if entry["source_file"] is None or entry["state"] in (books.LOST, books.DOUBLE):
        return [f"{entry['rows']} records {entry['state']}"]
    return [f"{entry['state']} money is not what was delivered"] if entry["delivered"] != entry["booked"] else []


def _history(lake: Lake, publication: Publication, domain: str) -> list[Finding]:
    contract = lake.contracts[domain]
    name = DIMENSIONS[domain]
    dimension = lake.published(f"gold.{name}", publication)
    problems = [f"{row['rows']} versions {row['problem']}" for row in fetch(broken_versions(dimension, contract))]
    silver = lake.published(f"silver.{domain}", publication)
    problems += [f"{row['rows']} records have no version" for row in fetch(uncovered(silver, dimension, contract))]
    computed = other_rows(dimension, history(silver, contract), [surrogate_key(domain)])
    problems += [f"{row['rows']} versions are not what the live records say" for row in fetch(computed)]
    versions = _rows(lake, publication, f"gold.{name}")
    return [Finding(f"history in {name}", "; ".join(problems[:5]) or None, f"{versions} versions")]


def _binding(lake: Lake, publication: Publication, domain: str) -> list[Finding]:
    contract = lake.contracts[domain]
    gold = {**DIMENSIONS, **FACTS}
    parents = {r.parent: lake.published(f"gold.{gold[r.parent]}", publication) for r in contract.references}
    fact = lake.published(f"gold.{FACTS[domain]}", publication)
    silver = lake.published(f"silver.{domain}", publication)
    wrong = unbound(silver, fact, parents, contract, lake.contracts)
    problems = [f"{row['rows']} facts are not of the winning records" for row in fetch(wrong)]
    computed = facts(resolve(silver, contract, parents, lake.contracts), contract, lake.contracts, fact_settings(lake.settings))
    other = other_rows(fact, computed, fact_key(contract))
    problems += [f"{row['rows']} facts are not what the live records say" for row in fetch(other)]
    aside = lake.published("ops.quarantine", publication).where(F.col("domain") == domain)
    astray = misparked(silver, aside, parents, contract, lake.contracts)
    problems += [f"{row['rows']} records {row['problem']}" for row in fetch(astray)]
    rows = _rows(lake, publication, f"gold.{FACTS[domain]}")
    return [Finding(f"binding of {FACTS[domain]}", "; ".join(problems) or None, f"{rows} facts")]


def _decisions(lake: Lake, publication: Publication) -> list[Finding]:
    """Every decision on a record that a live batch delivered shows in ops.quarantine, and no other does."""
    events = in_force(lake.published("ops.quarantine_events", publication))
    delivered = reduce(
        DataFrame.unionByName,
        (
            lake.tables.read(f"bronze.{domain}").where(_is_live(publication)).select(F.col("_record_id").alias("quarantine_id"))
            for domain in lake.contracts
        ),
    )
    decided = events.join(delivered.distinct(), "quarantine_id", "left_semi")
    wrong = fetch(undecided(lake.published("ops.quarantine", publication), decided))
    problem = "; ".join(f"{row['rows']} records are not as it was decided" for row in wrong)
    return [Finding("decisions", problem or None, f"{decided.count()} in force")]


def _figures(lake: Lake, publication: Publication) -> list[Finding]:
    totals = lake.published(f"gold.{SALES_TOTALS.name}", publication)
    context = mart_context(lake.settings, lake.contracts, publication.as_of, fetch(totals.where(F.col("grain") == ALL)))
    orders = f"gold.{FACTS['orders']}"
    many = _rows(lake, publication, orders) >= FEW_ORDERS
    parts = lake.tables.each(partial(_mart, lake, publication, context, many=many), TABLES)
    problems = [
        f"{mart.name}: {wrong} rows are not what the facts say" for mart, (_, wrong) in zip(TABLES, parts, strict=True) if wrong
    ]
    rows = sum(rows for mart, (rows, _) in zip(TABLES, parts, strict=True) if mart in MARTS)
    return [Finding("figures", "; ".join(problems) or None, f"{len(MARTS)} marts, {rows} rows")]


def _mart(lake: Lake, publication: Publication, context: MartContext, mart: Mart, *, many: bool) -> tuple[int, int]:
    """The rows of a mart, and how many are others than they must be.

    Args:
        many: There are so many orders that sums of them in one plan would hold too much at once.
    """
    staged = [one for one in INTERMEDIATE if one is not SALES_TOTALS and one.name in mart.reads]

    def table(name: str) -> DataFrame:  # sales_totals is proved by itself
        return lake.published(f"gold.{name}", publication)

    gold = {name: table(name) for name in mart.reads if name not in [one.name for one in staged]}
    gold |= {one.name: one.build({name: table(name) for name in one.reads}, context) for one in staged}
    made = reduce(DataFrame.unionByName, mart.build_in_pieces(gold, context)) if many else mart.build(gold, context)
    wrong = fetch(other_rows(table(mart.name), made, mart.key))
    return _rows(lake, publication, f"gold.{mart.name}"), sum(row["rows"] for row in wrong)


def _rows(lake: Lake, publication: Publication, name: str) -> int:
    """How many rows readers see in a table."""
    return lake.tables.count(name, publication.table_versions[name])


def _is_live(publication: Publication, prefix: str = "") -> Column:
    """True for records of the live pairs."""
    if not publication.live:
        return F.lit(False)
    # One flat list: engines refuse deeply nested expressions.
    pair = F.concat_ws("/", F.col(f"{prefix}_batch_seq").cast("string"), F.col(f"{prefix}_revision").cast("string"))
    return pair.isin(*(f"{entry.batch_seq}/{entry.revision}" for entry in publication.live))
