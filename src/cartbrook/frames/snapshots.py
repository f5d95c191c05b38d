"""Full snapshots: a delivery that holds every key there is, so that a key it does not hold is gone.

Beside its records a snapshot leaves in silver a `marker`, and a `present` row for each record that came and was set aside: its
key was delivered, in whatever state. A marker is `incomplete` while the key of such a record cannot be read: it may be any key's,
so no key can be told to be absent, and nothing is deleted until a person has fixed or discarded that record.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.casting import fingerprint
from cartbrook.frames.decisions import DISCARD
from cartbrook.frames.order import winners
from cartbrook.frames.rules import any_of, names_of
from cartbrook.frames.schema import silver
from cartbrook.types import Batch

UPSERT, DELETE, PRESENT, MARKER = "upsert", "delete", "present", "marker"
INCOMPLETE = "incomplete"


def presence(absent: DataFrame, contract: Contract, batch: Batch) -> DataFrame:
    """The marker of a snapshot and a `present` row for each record that did not get into silver.

    Args:
        absent: Typed records of the batch that are not in silver, whatever the reason.

    Returns:
        The columns of the silver table.
    """
    unreadable = any_of([F.col(name).isNull() for name in contract.key])
    open_ = F.coalesce(F.col("_decision") != DISCARD, F.lit(True))
    present = absent.where(~unreadable).withColumns({"_kind": F.lit(PRESENT), "_flags": names_of([])})
    marker = absent.agg(F.coalesce(F.max(unreadable & open_), F.lit(False)).alias("_torn")).withColumns(
        {
            "_record_id": fingerprint(F.lit(batch.batch_id), F.lit(contract.domain), F.lit(MARKER)),
            "_batch_seq": F.lit(batch.batch_seq),
            "_batch_id": F.lit(batch.batch_id),
            "_revision": F.lit(batch.revision),
            "_batch_date": F.lit(batch.batch_date.isoformat()).cast("date"),
            "_trigger_timestamp": F.lit(batch.trigger_timestamp).cast("timestamp"),
            "_kind": F.lit(MARKER),
            "_effective_time": F.lit(batch.batch_date.isoformat()).cast("timestamp"),
            "_flags": names_of([F.when(F.col("_torn"), F.lit(INCOMPLETE))]),
        }
    )
    return _as_silver(present, contract, keep=contract.key).unionByName(_as_silver(marker, contract, keep=()))


def _as_silver(rows: DataFrame, contract: Contract, keep: tuple[str, ...]) -> DataFrame:
    """Rows with the columns of silver, of which only the lineage and `keep` say anything."""
    empty = (*(name for name in contract.names if name not in keep), "_record_hash", "_copies")
    columns = []
    for field in silver(contract).fields:
        known = field.name in rows.columns and field.name not in empty
        value = F.col(field.name) if known else F.lit(None)
        columns.append(value.cast(field.dataType).alias(field.name))
    return rows.select(*columns)


def is_record() -> Column:
    """True for the rows of silver that are records, and not what a snapshot leaves beside them."""
    return F.col("_kind").isin(UPSERT, DELETE)


def events(records: DataFrame, contract: Contract) -> DataFrame:
    """What happened to keys: one record per key and effective time, the greatest, and the deletes that snapshots imply.

    A key is gone from the first complete snapshot on that does not name it, until a record names it again. Of several snapshots
    at one effective time only the greatest counts. A record of no snapshot at that very time stands.

    Args:
        records: Live silver rows of some keys, all of them; for a contract of full snapshots with every marker.

    Returns:
        The columns of silver. An implied delete has key, effective time and kind only.
    """
    instant = [*contract.key, "_effective_time"]
    if not contract.snapshot_full:
        return winners(records.where(is_record()), instant, contract)
    greatest = winners(records.where(F.col("_kind") == MARKER), ["_effective_time"], contract)
    counting = _counting(records, greatest)
    won = winners(counting.where(is_record()), instant, contract)
    seen = won.select(*instant).unionByName(counting.where(F.col("_kind") == PRESENT).select(*instant)).distinct()
    complete = greatest.where(~F.array_contains("_flags", INCOMPLETE)).select(F.col("_effective_time").alias("_marked"))
    times = seen.select("_effective_time").distinct()  # few, so that each is compared with each marker
    following = (
        times.join(complete, F.col("_marked") > F.col("_effective_time"))
        .groupBy("_effective_time")
        .agg(F.min("_marked").alias("_marked"))
    )
    by_time = Window.partitionBy(*contract.key).orderBy("_effective_time")
    named_again = seen.withColumn("_again", F.lead("_effective_time").over(by_time))
    gone = named_again.join(following, "_effective_time").where("_again is null or _marked < _again")
    deletes = gone.select(*contract.key, F.col("_marked").alias("_effective_time"), F.lit(DELETE).alias("_kind"))
    implied = _as_silver(deletes, contract, keep=contract.key)
    return won.select(*silver(contract).names).unionByName(implied)  # silver may hold columns that the contract has lost


def _counting(records: DataFrame, greatest: DataFrame) -> DataFrame:
    """The rows without those of outranked snapshots."""
    of_snapshots = records.where(F.col("_kind") == MARKER).select("_batch_id", F.lit(True).alias("_of_snapshot"))
    counts = greatest.select("_effective_time", F.col("_batch_id").alias("_counts"))
    joined = records.join(of_snapshots, "_batch_id", "left").join(counts, "_effective_time", "left")
    outranked = F.coalesce(F.col("_of_snapshot") & (F.col("_batch_id") != F.col("_counts")), F.lit(False))
    return joined.where(~outranked).select(*records.columns)
