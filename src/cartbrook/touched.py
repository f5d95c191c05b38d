"""Which keys an operation touches: those of its slices at the newest publication and now, and what snapshots say of others.

In a large lake the keys of a small batch are looked at first, so that tables are read only where they lie; in a small one, or for
a large batch, one query that joins with them is faster.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cartbrook.contracts.model import DIMENSIONS, FACTS, Contract, stored
from cartbrook.frames.keys import Keys, keys_of
from cartbrook.frames.rules import any_of
from cartbrook.frames.schema import fact_key, type_of
from cartbrook.frames.snapshots import MARKER, is_record
from cartbrook.lake.lake import Lake
from cartbrook.lake.values import Staged
from cartbrook.types import Batch, Operation

FEW = 1_000
"""More keys than these are joined with, not looked up."""

Part = tuple[DataFrame, T.StructType]
"""Distinct keys of one kind, and their columns."""

_LITERAL = (T.StringType, T.LongType)


def whole(operation: Operation) -> bool:
    """True where all live records are looked at: all is made anew, or no batch is or was live beside the operation's own."""
    own = {batch.batch_id for batch in operation.batches}
    return operation.everything or {entry.batch_id for entry in (*operation.live, *operation.base.live)} <= own


def is_large(lake: Lake) -> bool:
    """True where looking keys up pays."""
    names = [f"silver.{domain}" for domain in lake.contracts]
    return max(lake.tables.each(lake.tables.count, names)) >= lake.settings.prune_from


def slices(lake: Lake, operation: Operation, domain: str) -> list[DataFrame]:
    """The operation's slices of silver.<domain>, as they are and as they were published."""
    return [lake.tables.read(f"silver.{domain}", where=operation.slices), *published_slices(lake, operation, domain)]


def published_slices(lake: Lake, operation: Operation, domain: str) -> list[DataFrame]:
    """The slices as they were published; none where no batch was live or the domain is not concerned."""
    if domain not in operation.domains or not any(operation.was_live(batch) for batch in operation.batches):
        return []
    silver = f"silver.{domain}"
    return [lake.tables.read(silver, operation.base.table_versions[silver], operation.slices)]


def delivered(lake: Lake, operation: Operation, domains: Iterable[str]) -> dict[str, Keys]:
    """The keys of the operation's slices in some of its domains; to be evaluated after validation.

    Returns:
        By domain: of facts their fact keys; of a dimension those whose history the operation may change.
    """
    parts: dict[str, Part] = {}
    for domain in domains:
        contract = lake.contracts[domain]
        if domain in FACTS:
            records = [dated(slice_, contract) for slice_ in slices(lake, operation, domain)]
            parts[domain] = part_of(keys_of(*records, key=fact_key(contract)), contract, fact_key(contract))
        else:
            parts[domain] = part_of(dimension_keys(lake, operation, contract), contract, contract.key)
    return _keys(lake, parts, sum(batch.rows for batch in operation.batches))


def batch_keys(lake: Lake, batch: Batch, domains: Iterable[str]) -> dict[str, Keys]:
    """The keys of a batch's records in some domains, as their contracts name them."""
    parts: dict[str, Part] = {}
    for domain in domains:
        contract = lake.contracts[domain]
        records = lake.tables.read(f"silver.{domain}", where={"_batch_seq": batch.batch_seq}).where(is_record())
        parts[domain] = part_of(keys_of(records, key=contract.key), contract, contract.key)
    return _keys(lake, parts, batch.rows)


def part_of(keys: DataFrame, contract: Contract, key: Sequence[str]) -> Part:
    """Keys of one kind with the types of their columns, as `looked_up` takes them."""
    kinds = {"batch_date": T.DateType(), **{column.name: type_of(stored(column.type)) for column in contract.columns}}
    return keys, T.StructType([T.StructField(name, kinds[name]) for name in key])


def _keys(lake: Lake, parts: Mapping[str, Part], rows: int) -> dict[str, Keys]:
    return looked_up(lake, parts) if rows <= FEW and is_large(lake) else {kind: Keys(frame) for kind, (frame, _) in parts.items()}


def looked_up(lake: Lake, parts: Mapping[str, Part]) -> dict[str, Keys]:
    """Distinct keys of several kinds, evaluated at once.

    Returns:
        By kind; where they are more than FEW, without literals.
    """
    most = max((len(schema) for _, schema in parts.values()), default=0)

    def carried(kind: str) -> DataFrame:
        frame, schema = parts[kind]
        texts = [F.col(name).cast("string") for name in schema.names] + [F.lit(None).cast("string")] * (most - len(schema))
        return frame.select(F.lit(kind).alias("_of"), *(text.alias(f"_{i}") for i, text in enumerate(texts)))

    if not parts:
        return {}
    staged = lake.tables.stage(reduce(DataFrame.union, map(carried, parts)))
    rows = staged.fetch() if staged.rows <= FEW * len(parts) else None
    found: dict[str, Keys] = {}
    for kind, (_, schema) in parts.items():
        columns = [F.col(f"_{i}").cast(field.dataType).alias(field.name) for i, field in enumerate(schema)]
        own = None if rows is None else [row for row in rows if row["_of"] == kind]
        few: dict[str, set[str | int]] | None = None
        if own is not None and len(own) <= FEW:
            few = {
                field.name: {int(row[f"_{i}"]) if isinstance(field.dataType, T.LongType) else row[f"_{i}"] for row in own}
                for i, field in enumerate(schema)
                if isinstance(field.dataType, _LITERAL)
            }
        found[kind] = Keys(staged.frame.where(F.col("_of") == kind).select(*columns), few)
    return found


def referenced(contract: Contract, records: Staged) -> dict[str, Keys]:
    """The parents that some records name, where they are few."""
    found: dict[str, Keys] = {}
    for reference in contract.references:
        pairs = list(zip(reference.columns, reference.parent_columns, strict=True))
        few = {theirs: records.values(ours) - {None} for ours, theirs in pairs}
        if all(len(values) <= FEW and all(isinstance(value, str | int) for value in values) for values in few.values()):
            named = records.frame.select(*(F.col(ours).alias(theirs) for ours, theirs in pairs))
            found[reference.parent] = Keys(named.distinct(), few)
    return found


def dimension_keys(lake: Lake, operation: Operation, contract: Contract) -> DataFrame:
    """Keys of a dimension whose history the operation may change; to be evaluated after validation.

    A snapshot also touches the keys that it does not hold: those with a version that is open, or ends, at its time, and those
    of other snapshots of that time, which it outranks or was outranked by.
    """
    parts = [slice_.where(F.col("_kind") != MARKER) for slice_ in slices(lake, operation, contract.domain)]
    times = snapshot_times(operation, contract)
    if times:
        dimension = f"gold.{DIMENSIONS[contract.domain]}"
        versions = lake.tables.read(dimension, operation.base.table_versions[dimension])
        parts.append(versions.where(any_of([spans(time) for time in times])))
        others = lake.tables.read(f"silver.{contract.domain}").where(F.col("_effective_time").isin(*map(midnight, times)))
        parts.append(others.where(F.col("_kind") != MARKER))
    return keys_of(*parts, key=contract.key)


def dated(records: DataFrame, contract: Contract) -> DataFrame:
    """Stock is kept by day: its fact key names the batch's date."""
    return records.withColumn("batch_date", F.col("_batch_date")) if contract.domain == "inventory" else records


def snapshot_times(operation: Operation, contract: Contract) -> list[dt.date]:
    """Days of the operation's snapshots of a domain, as they are and as they were published."""
    if not contract.snapshot_full or contract.domain not in operation.domains:
        return []
    now = {batch.batch_date for batch in operation.batches}
    before = {live.batch_date for batch in operation.batches if (live := operation.base.live_of(batch.batch_id))}
    return sorted(now | before)


def spans(day: dt.date) -> Column:
    """True for versions of a dimension that began by a day and did not end before it."""
    moment = midnight(day)
    return (F.col("effective_date") <= moment) & (F.col("expiry_date").isNull() | (F.col("expiry_date") >= moment))


def midnight(day: dt.date) -> Column:
    """The first moment of a day."""
    return F.lit(day.isoformat()).cast("timestamp")
