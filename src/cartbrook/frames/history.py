"""SCD Type 2: the history of a key as a function of the set of its live records, whatever their order of arrival."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.contracts.tables import attributes, surrogate_key
from cartbrook.frames.casting import canonical, fingerprint, iso_timestamp
from cartbrook.frames.snapshots import events


def history(records: DataFrame, contract: Contract, *, unique: bool = False) -> DataFrame:
    """The versions of every key.

    One event per key and effective time (see `snapshots.events`). Successive events with equal tracked columns are
    one run, successive deletes likewise. A run of upserts is a version that ends where the next run begins, one of deletes a gap.
    A version carries the values of its last event, so untracked columns are up to date and a closed version keeps its own.

    Args:
        records: Live silver records of the keys, all of them; for a contract of full snapshots with every marker.
        contract: Contract of a dimension's domain.
        unique: No key has two records, and there is no marker.

    Returns:
        Columns of `schema.dimension`: attributes, effective_date, expiry_date (exclusive, NULL = open), is_current, version (from
        1 by key), and the surrogate key: sha2-256 of the key columns and the ISO effective_date, joined by U+001F.
    """
    spans = _alone(records) if unique else _spans(records, contract)
    return spans.select(
        *attributes(contract),
        "effective_date",
        "expiry_date",
        F.col("expiry_date").isNull().alias("is_current"),
        "version",
        _surrogate(contract).alias(surrogate_key(contract.domain)),
    )


def _alone(records: DataFrame) -> DataFrame:
    """The versions of keys with one record: what `_spans` makes of them, without its windows."""
    return records.where("_kind = 'upsert'").select(
        "*",
        F.col("_effective_time").alias("effective_date"),
        F.lit(None).cast("timestamp").alias("expiry_date"),
        F.lit(1).alias("version"),
    )


def _spans(records: DataFrame, contract: Contract) -> DataFrame:
    """The last event of each run of upserts, with its `effective_date`, `expiry_date` and `version`."""
    key = list(contract.key)
    by_time = Window.partitionBy(*key).orderBy("_effective_time")
    state = F.when(F.col("_kind") == "delete", F.lit("delete")).otherwise(tracked_fingerprint(contract))
    happened = events(records, contract).withColumn("_state", state)
    starts = F.coalesce((F.lag("_state").over(by_time) != F.col("_state")).cast("int"), F.lit(1))
    runs = happened.withColumn("_starts", starts).withColumn("_run", F.sum("_starts").over(by_time))

    by_run = Window.partitionBy(*key, "_run")
    last = F.row_number().over(by_run.orderBy(F.col("_effective_time").desc()))
    ends = runs.withColumn("effective_date", F.min("_effective_time").over(by_run)).withColumn("_last", last).where("_last = 1")

    by_start = Window.partitionBy(*key).orderBy("effective_date")
    spans = ends.withColumn("expiry_date", F.lead("effective_date").over(by_start)).where("_kind <> 'delete'")
    return spans.withColumn("version", F.row_number().over(by_start))


def tracked_fingerprint(contract: Contract) -> Column:
    """One text that is equal exactly where all tracked columns are (NULL equals NULL)."""
    return fingerprint(*(canonical(contract.column(name)) for name in contract.tracked))


def _surrogate(contract: Contract) -> Column:
    return fingerprint(*(canonical(contract.column(name)) for name in contract.key), iso_timestamp(F.col("effective_date")))
