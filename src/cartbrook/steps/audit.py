"""Audit: prove from the published tables alone that books balance, histories hold and facts are bound as they must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import DIMENSIONS, FACTS
from cartbrook.frames import books
from cartbrook.frames.invariants import broken_versions, misparked, unbound, uncovered
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import fetch
from cartbrook.types import Publication


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


def audit(lake: Lake, publication: Publication) -> list[Finding]:
    """Run every proof over the tables of a publication."""
    proofs: list[Callable[[], Finding]] = [partial(live_batches, lake, publication)]
    proofs += [partial(_books, lake, publication, domain) for domain in lake.contracts]
    proofs += [partial(_history, lake, publication, domain) for domain in DIMENSIONS]
    proofs += [partial(_binding, lake, publication, domain) for domain in FACTS]
    return lake.tables.each(lambda proof: proof(), proofs)


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
    return Finding("live batches", problem, f"{len(live)} batches")


def _books(lake: Lake, publication: Publication, domain: str) -> Finding:
    bronze = lake.tables.read(f"bronze.{domain}").where(_is_live(publication))
    aside = lake.published("ops.quarantine", publication).where(F.col("domain") == domain)
    entries = books.entries(bronze, lake.published(f"silver.{domain}", publication), aside, lake.contracts[domain])
    rows: Counter[str] = Counter()
    problems: list[str] = []
    for entry in fetch(entries):
        rows[entry["state"]] += entry["rows"]
        if entry["source_file"] is None or entry["state"] in (books.LOST, books.DOUBLE):
            problems.append(f"{entry['rows']} records of {entry['source_file'] or 'no file'} {entry['state']}")
        elif entry["delivered"] != entry["booked"]:
            problems.append(f"{entry['source_file']}: {entry['state']} money is not what was delivered")
    states = ", ".join(f"{count} {state}" for state, count in sorted(rows.items()))
    return Finding(f"books of {domain}", "; ".join(problems[:5]) or None, f"{rows.total()} records: {states or 'none'}")


def _history(lake: Lake, publication: Publication, domain: str) -> Finding:
    contract = lake.contracts[domain]
    name = DIMENSIONS[domain]
    dimension = lake.published(f"gold.{name}", publication)
    problems = [f"{row['rows']} versions {row['problem']}" for row in fetch(broken_versions(dimension, contract))]
    silver = lake.published(f"silver.{domain}", publication)
    problems += [f"{row['rows']} records have no version" for row in fetch(uncovered(silver, dimension, contract))]
    versions = dimension.count()
    return Finding(f"history in {name}", "; ".join(problems[:5]) or None, f"{versions} versions")


def _binding(lake: Lake, publication: Publication, domain: str) -> Finding:
    contract = lake.contracts[domain]
    gold = {**DIMENSIONS, **FACTS}
    parents = {r.parent: lake.published(f"gold.{gold[r.parent]}", publication) for r in contract.references}
    fact = lake.published(f"gold.{FACTS[domain]}", publication)
    silver = lake.published(f"silver.{domain}", publication)
    wrong = unbound(silver, fact, parents, contract, lake.contracts)
    problems = [f"{row['rows']} facts are not what the live records say" for row in fetch(wrong)]
    aside = lake.published("ops.quarantine", publication).where(F.col("domain") == domain)
    astray = misparked(silver, aside, parents, contract, lake.contracts)
    problems += [f"{row['rows']} records {row['problem']}" for row in fetch(astray)]
    return Finding(f"binding of {FACTS[domain]}", "; ".join(problems) or None, f"{fact.count()} facts")


def _is_live(publication: Publication) -> Column:
    """True for records of the live pairs."""
    if not publication.live:
        return F.lit(False)
    # One flat list: engines refuse deeply nested expressions.
    pair = F.concat_ws("/", F.col("_batch_seq").cast("string"), F.col("_revision").cast("string"))
    return pair.isin(*(f"{entry.batch_seq}/{entry.revision}" for entry in publication.live))
