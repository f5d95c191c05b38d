"""Which keys an operation touches: those of its slices at the newest publication and now, and what snapshots say of others."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import DIMENSIONS, Contract
from cartbrook.frames.changes import keys_of
from cartbrook.frames.rules import any_of
from cartbrook.frames.snapshots import MARKER
from cartbrook.lake.lake import Lake
from cartbrook.types import Operation


def slices(lake: Lake, operation: Operation, domain: str) -> list[DataFrame]:
    """The operation's slices of silver.<domain>, as they are and as they were published."""
    return [lake.tables.read(f"silver.{domain}", where=operation.slices), *published_slices(lake, operation, domain)]


def published_slices(lake: Lake, operation: Operation, domain: str) -> list[DataFrame]:
    """The slices as they were published; none where no batch was live or the domain is not concerned."""
    if domain not in operation.domains or not any(operation.was_live(batch) for batch in operation.batches):
        return []
    silver = f"silver.{domain}"
    return [lake.tables.read(silver, operation.base.table_versions[silver], operation.slices)]


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
