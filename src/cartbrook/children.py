"""Records that must be looked at again because the parents they refer to appeared, vanished or were cut anew.

Where the moved parents are few and the lake is large, tables are read only where they lie: facts of a parent that was cut anew
from the first moment on that differs, all records of one that vanished, and of one that appeared the records, if any waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import DIMENSIONS, FACTS, Contract
from cartbrook.frames.binding import moved
from cartbrook.frames.keys import Keys, one_of, within
from cartbrook.frames.schema import fact, fact_key
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import Staged, fetch
from cartbrook.touched import FEW, dated
from cartbrook.types import Operation

QUARANTINE = "ops.quarantine"


@dataclass(frozen=True, slots=True)
class Moved:
    """Parents of one domain whose gold rows are others than the published ones.

    Attributes:
        frame: Their keys.
        few: Where they were looked at, one row each: the key columns, `_was`, `_is`, and `_since` as text.
    """

    frame: DataFrame
    few: Sequence[Mapping[str, Any]] | None = None

    @property
    def none(self) -> bool:
        """True where it is known that there are none."""
        return self.few is not None and not self.few


def moved_versions(lake: Lake, operation: Operation, touched: Mapping[str, Keys]) -> dict[str, Moved]:
    """The moved keys of each dimension that was written.

    Args:
        touched: Keys by domain; only these can have moved.
    """
    written = [d for d, name in DIMENSIONS.items() if lake.tables.version(f"gold.{name}") != _base(operation, d)]
    found: dict[str, Moved] = {}
    for domain in written:
        contract, gold = lake.contracts[domain], f"gold.{DIMENSIONS[domain]}"
        old = within(lake.tables.read(gold, _base(operation, domain)), touched[domain], contract.key)
        found[domain] = Moved(moved(old, within(lake.tables.read(gold), touched[domain], contract.key), contract))
    if any(touched[domain].few is None for domain in found):
        return found
    # Small, and each is asked for again: evaluated at once, they are looked up as literals.
    staged = dict(zip(found, lake.tables.each(lambda one: _staged(lake, one.frame), found.values()), strict=True))
    return {domain: Moved(part.frame, part.fetch() if part.rows <= FEW else None) for domain, part in staged.items()}


def moved_facts(changes: Staged | None, contract: Contract) -> Moved | None:
    """The facts that appeared or vanished, as parents of other facts; None where there are none."""
    if changes is None or not changes.values("_change") & {"insert", "delete"}:
        return None
    frame = changes.frame.where(F.col("_change") != "update").select(*contract.key)
    if changes.rows > FEW:
        return Moved(frame)
    rows = changes.rows_without("_change", "update", (*contract.key, "_change"))
    few = [{**row, "_was": row["_change"] == "delete", "_is": row["_change"] == "insert", "_since": None} for row in rows]
    return Moved(frame, few)


def children(lake: Lake, contract: Contract, parents: Mapping[str, Moved]) -> list[DataFrame]:
    """Fact keys of the records of a domain whose parents moved; with duplicates, maybe."""
    parts: list[DataFrame] = []
    for reference in contract.references:
        of = parents.get(reference.parent)
        if of is None or of.none:
            continue
        if of.few is None or not all(_is_literal(lake.contracts[reference.parent], name) for name in reference.parent_columns):
            named = Keys(of.frame).named(reference.columns, reference.parent_columns)
            parts.append(within(_records(lake, contract), named, reference.columns))
            continue
        cut = [row for row in of.few if row["_was"] and row["_is"]]
        gone = [row for row in of.few if not row["_is"]]
        come = [row for row in of.few if not row["_was"]]
        pairs = list(zip(reference.columns, reference.parent_columns, strict=True))
        if cut:
            facts = _having(lake.tables.read(f"gold.{FACTS[contract.domain]}"), cut, pairs)
            since, event = [row["_since"] for row in cut], contract.event_time or "batch_date"
            if None not in since and event in fact(contract).names:
                # Of the column's own type: statistics of files are not compared with a cast one.
                first = F.lit(min(since)).cast("timestamp").cast(fact(contract)[event].dataType)
                facts = facts.where((F.col(event) >= first) | F.col(event).isNull())
            parts.append(facts)
        if come and not _any_waits(lake, contract.domain):
            come = []
        if gone or come:
            parts.append(_having(_records(lake, contract), [*gone, *come], pairs))
    return [part.select(*fact_key(contract)) for part in parts]


def _base(operation: Operation, domain: str) -> int:
    return operation.base.table_versions[f"gold.{DIMENSIONS[domain]}"]


def _staged(lake: Lake, frame: DataFrame) -> Staged:
    return lake.tables.stage(frame.withColumn("_since", F.col("_since").cast("string")))


def _records(lake: Lake, contract: Contract) -> DataFrame:
    return dated(lake.tables.read(f"silver.{contract.domain}"), contract)


def _is_literal(contract: Contract, column: str) -> bool:
    return contract.column(column).type in ("string", "integer")


def _having(rows: DataFrame, parents: Iterable[Mapping[str, Any]], pairs: Sequence[tuple[str, str]]) -> DataFrame:
    """Rows whose reference columns have values of these parents; more, where a reference has several columns."""
    listed = list(parents)
    conditions = [one_of(ours, {row[theirs] for row in listed}) for ours, theirs in pairs]
    return rows.where(reduce(lambda a, b: a & b, conditions))


def _any_waits(lake: Lake, domain: str) -> bool:
    waiting = lake.tables.read(QUARANTINE).where((F.col("status") == "parked") & (F.col("domain") == domain))
    return lake.tables.holds_rows(QUARANTINE) and bool(fetch(waiting.limit(1)))
