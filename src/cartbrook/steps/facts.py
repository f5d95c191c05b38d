"""Facts: references resolved or parked, facts bound and merged, changes of what was published recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial, reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.children import Moved, children, moved_facts, moved_versions
from cartbrook.context import fact_settings
from cartbrook.contracts.model import DIMENSIONS, FACTS, Contract
from cartbrook.frames.changes import CHANGE, INSERT, changes
from cartbrook.frames.facts import facts, resolve
from cartbrook.frames.keys import Keys, keys_of, ranges, repeated, sampled, within
from cartbrook.frames.parking import movements, parked, raw_texts
from cartbrook.frames.restatements import LOOKED_AT, has_any, restatements
from cartbrook.frames.schema import fact_key
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import Staged, fetch
from cartbrook.touched import FEW, dated, delivered, looked_up, part_of, published_slices, referenced, whole
from cartbrook.types import Operation, StepResult

QUARANTINE = "ops.quarantine"
RESTATEMENTS = "ops.restatements"
GOLD = {domain: f"gold.{table}" for domain, table in {**DIMENSIONS, **FACTS}.items()}
_WAVES = (("orders", "inventory"), ("shipping",))
"""Facts in the order of their references: what is in one wave needs nothing of it."""
_AT_ONCE = 1_250_000
"""So many records are sorted and joined at once; the engine keeps them in memory."""
_SAMPLED = 1_000
"""One in so many keys tells where to cut."""
_PARTS = 16
"""So many parts of what is sorted at once are dealt out to threads: enough that each thread gets about as much."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is touched by itself, and what moved: by domain.

    Attributes:
        touched: Keys of the operation's slices; empty where everything is touched.
        moved: Parents that moved.
    """

    touched: Mapping[str, Keys] = field(default_factory=dict)
    moved: Mapping[str, Moved] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Done:
    """One domain's facts, brought to what the live records say.

    Attributes:
        looked_at: `quarantine_id` of each touched record.
        waiting: Those without a parent, as `parked` gives them; None where there are none.
        changes: What was done to the fact table; None where it was written anew.
    """

    contract: Contract
    looked_at: DataFrame
    waiting: DataFrame | None
    changes: Staged | None


def run(lake: Lake, operation: Operation) -> StepResult:
    """Recompute the facts of the touched keys from all their live records; park and release."""
    known = _Known()
    if not whole(operation):
        touched = delivered(lake, operation, operation.domains)
        known = _Known(touched, moved_versions(lake, operation, touched))
    done: dict[str, _Done] = {}
    for wave in _WAVES:
        parents = {domain: of for domain, part in done.items() if (of := moved_facts(part.changes, part.contract))}
        at_hand = _Known(known.touched, {**known.moved, **parents})
        parts = lake.tables.each(partial(_fact, lake, operation, at_hand), wave)
        done.update({part.contract.domain: part for part in parts if part is not None})
    if done:
        lake.tables.each(lambda tell: tell(lake, operation, list(done.values())), (_park, _restate))
    return StepResult()


def _fact(lake: Lake, operation: Operation, known: _Known, domain: str) -> _Done | None:
    """Bring one fact table to what the live records say; None where nothing of it is touched."""
    contract, table, settings = lake.contracts[domain], GOLD[domain], fact_settings(lake.settings)
    touched = None
    if not whole(operation):
        touched = _touched(lake, contract, known)
        if touched is None:
            return None
    elif domain not in operation.domains:
        return None
    key = fact_key(contract)
    records = within(dated(lake.tables.read(f"silver.{domain}"), contract), touched, key)
    named: dict[str, Keys] = {}
    if touched is not None and touched.few is not None:
        looked_at = lake.tables.stage(records)
        records, named = looked_at.frame, referenced(contract, looked_at)
    parents = {
        reference.parent: within(lake.tables.read(GOLD[reference.parent]), named.get(reference.parent), reference.parent_columns)
        for reference in contract.references
    }
    fresh = touched is None and not lake.tables.holds_rows(table)
    if fresh and (rows := lake.tables.count(f"silver.{domain}")) > FEW:
        return _fresh(lake, contract, records, parents, -(-rows // _AT_ONCE))
    resolved = resolve(records, contract, parents, lake.contracts)
    staged = lake.tables.stage(resolved)
    resolved = staged.frame
    computed = facts(resolved, contract, lake.contracts, settings)
    done = partial(_Done, contract, _ids(resolved), parked(resolved, contract) if staged.any_in("_missing") else None)
    if fresh:
        lake.tables.insert(table, computed, key)
        return done(None)
    if touched is not None and touched.few is None:
        # What is cheap to read again: keys with records, and those whose last record went.
        gone = [dated(slice_, contract) for slice_ in published_slices(lake, operation, domain)]
        touched = Keys(keys_of(resolved, *gone, key=key))
    current = within(lake.tables.read(table), touched, key)
    differing = changes(current, computed, key, lake.tables.schema(table).names, before=True)
    return done(lake.tables.merge(table, differing, key))


def _fresh(lake: Lake, contract: Contract, records: DataFrame, parents: Mapping[str, DataFrame], number: int) -> _Done:
    """Fill an empty fact table with more than can be held beside it: in so many ranges of its key, each in one pass."""
    table, key, settings = GOLD[contract.domain], fact_key(contract), fact_settings(lake.settings)
    spans = ranges(key[0], [row[key[0]] for row in fetch(sampled(records, key[0], _SAMPLED))], number, _PARTS)
    dimensions = [parent for parent in parents if parent in DIMENSIONS]
    single = [parent for parent in dimensions if lake.tables.is_empty(parents[parent].where("version > 1"))]
    resolved = []
    for span in spans:
        own = {
            # Records find their parents in the same range, where the key begins with these.
            reference.parent: parents[reference.parent].where(span.condition)
            if reference.columns == reference.parent_columns == key[:1]
            else parents[reference.parent]
            for reference in contract.references
        }
        resolved.append(resolve(records.where(span.condition), contract, own, lake.contracts, single))
    # Most first batches hold each key once, and all parents; to rank and look through them all takes longer than all else.
    unique = lake.tables.is_empty(repeated(records, key))
    for one, span in zip(resolved, spans, strict=True):
        lake.tables.insert(table, facts(one, contract, lake.contracts, settings, unique=unique), key, span.cuts)
    waiting: list[DataFrame] = []
    if not unique or lake.tables.count(table) != records.count():
        found = [lake.tables.stage(parked(one, contract)) for one in resolved]
        waiting = [staged.frame for staged in found if staged.rows]
    return _Done(contract, _ids(records), reduce(DataFrame.unionByName, waiting) if waiting else None, None)


def _ids(records: DataFrame) -> DataFrame:
    return records.select(F.col("_record_id").alias("quarantine_id"))


def _touched(lake: Lake, contract: Contract, known: _Known) -> Keys | None:
    """Keys of the operation's slices, and of the children of parents that moved; None where there are none."""
    own, parts = known.touched.get(contract.domain), children(lake, contract, known.moved)
    if not parts:
        return own
    key = fact_key(contract)
    united = keys_of(*parts, *([own.frame] if own else []), key=key)
    if all(of.few is not None for of in known.moved.values()) and (own is None or own.few is not None):
        return looked_up(lake, {contract.domain: part_of(united, contract, key)})[contract.domain]
    return Keys(united)


def _restate(lake: Lake, operation: Operation, done: list[_Done]) -> None:
    """Record which published facts are others now although no newer record says so."""
    if operation.everything:
        return
    delivered_now = [batch.batch_id for batch in operation.batches if operation.validates]
    parts = [
        restatements(part.changes.frame, part.contract, operation, delivered_now)
        for part in done
        if part.changes is not None and _restates(part.changes, delivered_now)
    ]
    if parts:
        lake.tables.append(RESTATEMENTS, reduce(DataFrame.unionByName, parts))


def _restates(made: Staged, delivered_now: list[str]) -> bool:
    """False where nothing is to be recorded; True where it is, or where they are too many to look at here."""
    if made.count_others(CHANGE, INSERT) > FEW:
        return True
    return has_any(made.rows_without(CHANGE, INSERT, LOOKED_AT), delivered_now)


def _park(lake: Lake, operation: Operation, done: list[_Done]) -> None:
    """Bring ops.quarantine to what waits now: records that begin to wait, and those whose parents came."""
    parts = [part.waiting for part in done if part.waiting is not None]
    table = lake.tables.read(QUARANTINE)
    if not parts and not (lake.tables.holds_rows(QUARANTINE) and not lake.tables.is_empty(table.where("status = 'parked'"))):
        return
    touched = reduce(DataFrame.unionByName, (part.looked_at for part in done))
    waiting = reduce(DataFrame.unionByName, parts) if parts else table.where(F.lit(False))
    known = table.where("status in ('parked', 'released', 'corrected')")
    by = operation.batch.batch_id if len(operation.batches) == 1 else operation.cause
    staged = lake.tables.stage(movements(waiting, touched, known, lake.contracts, by))
    if staged.rows == 0:
        return
    moved = staged.frame
    new = fetch(moved.where("record is null").select("domain", "batch_seq").distinct())
    fresh = {domain: [row["batch_seq"] for row in new if row["domain"] == domain] for domain in FACTS}
    texts = [
        raw_texts(lake.tables.read(f"bronze.{domain}", where={"_batch_seq": seqs}), lake.contracts[domain])
        for domain, seqs in fresh.items()
        if seqs
    ]
    if texts:
        # Revisions of a batch share record ids where the file is the same, and then the text is, too.
        raw = reduce(DataFrame.unionByName, texts).groupBy("quarantine_id").agg(F.first("record").alias("_text"))
        moved = moved.join(raw, "quarantine_id", "left").withColumn("record", F.coalesce("record", "_text")).drop("_text")
    lake.tables.merge(QUARANTINE, moved.withColumn("_change", F.lit("upsert")), ("quarantine_id",))
