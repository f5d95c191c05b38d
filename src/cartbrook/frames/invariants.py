"""What must hold of histories, bindings and decisions, whatever happened. Functions return what breaks it; no row is good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import DIMENSIONS, Contract, Contracts
from cartbrook.contracts.tables import surrogate_key
from cartbrook.frames.changes import changes
from cartbrook.frames.decisions import COLUMNS, DISCARD
from cartbrook.frames.facts import resolve
from cartbrook.frames.history import tracked_fingerprint
from cartbrook.frames.keys import repeated
from cartbrook.frames.order import winners
from cartbrook.frames.quarantine import CORRECTED, DISCARDED, PARKED
from cartbrook.frames.schema import fact_key
from cartbrook.frames.snapshots import events


def broken_versions(dimension: DataFrame, contract: Contract) -> DataFrame:
    """Versions that break an invariant of SCD Type 2: `problem` and its number of `rows`.

    No overlap per key; one open version at most; start < end; is_current exactly where the end is open; successive versions
    differ in a tracked column or have a gap between; surrogate keys are unique; versions count from 1.
    """
    by_key = Window.partitionBy(*contract.key).orderBy("effective_date")
    seen = dimension.select(
        "effective_date",
        "expiry_date",
        "is_current",
        "version",
        tracked_fingerprint(contract).alias("_state"),
        F.lag("expiry_date").over(by_key).alias("_end"),
        F.lag(tracked_fingerprint(contract)).over(by_key).alias("_before"),
        F.row_number().over(by_key).alias("_number"),
        F.count(F.lit(1)).over(Window.partitionBy(surrogate_key(contract.domain))).alias("_same"),
    )
    later = F.col("_number") > 1
    problem = (
        F.when(later & (F.col("_end").isNull() | (F.col("_end") > F.col("effective_date"))), F.lit("overlap"))
        .when(F.col("effective_date") >= F.col("expiry_date"), F.lit("end before they start"))
        .when(
            ~F.col("is_current").eqNullSafe(F.col("expiry_date").isNull()),
            F.lit("are current and closed, or open and not current"),
        )
        .when(later & (F.col("_end") == F.col("effective_date")) & (F.col("_before") == F.col("_state")), F.lit("do not differ"))
        .when(F.col("version") != F.col("_number"), F.lit("are numbered wrongly"))
        .when(F.col("_same") > 1, F.lit("share a surrogate key"))
    )
    return (
        seen.select(problem.alias("problem")).where("problem is not null").groupBy("problem").agg(F.count(F.lit(1)).alias("rows"))
    )


def suspicious_versions(dimension: DataFrame, contract: Contract) -> DataFrame:
    """No row where every key has one version and `broken_versions` is empty, told without windows; else at least one."""
    looks_sound = (
        (F.col("version") == 1)
        & ~(F.col("effective_date") >= F.coalesce("expiry_date", F.lit("9999-01-01").cast("timestamp")))
        & F.col("is_current").eqNullSafe(F.col("expiry_date").isNull())
    )
    parts = [dimension.where(~F.coalesce(looks_sound, F.lit(False)))]
    parts += [repeated(dimension, key) for key in (contract.key, (surrogate_key(contract.domain),))]
    return reduce(DataFrame.unionByName, (part.select(F.lit(1).alias("row")) for part in parts))


def uncovered(silver: DataFrame, dimension: DataFrame, contract: Contract) -> DataFrame:
    """Winning upserts that no version, or more than one, covers at their effective time with their tracked values."""
    upserts = events(silver, contract).where("_kind <> 'delete'")
    wanted = upserts.select(*contract.key, "_effective_time", tracked_fingerprint(contract).alias("_wanted"), "_record_id")
    versions = dimension.select(
        *(F.col(name).alias(f"_k_{name}") for name in contract.key),
        "effective_date",
        "expiry_date",
        tracked_fingerprint(contract).alias("_held"),
    )
    covers = (F.col("effective_date") <= F.col("_effective_time")) & (
        F.col("expiry_date").isNull() | (F.col("_effective_time") < F.col("expiry_date"))
    )
    for name in contract.key:
        covers = covers & (F.col(name) == F.col(f"_k_{name}"))
    matched = wanted.join(versions, covers & (F.col("_held") == F.col("_wanted")), "left")
    counted = matched.groupBy("_record_id").agg(F.count("_held").alias("_n"))
    return counted.where("_n <> 1").agg(F.count(F.lit(1)).alias("rows")).where("rows > 0")


def unbound(
    silver: DataFrame, fact: DataFrame, parents: Mapping[str, DataFrame], contract: Contract, contracts: Contracts
) -> DataFrame:
    """Facts that are missing, too many, of another record than the winning one, or bound to another version: number of `rows`."""
    records = silver.withColumn("batch_date", F.col("_batch_date")) if contract.domain == "inventory" else silver
    resolved = resolve(records, contract, parents, contracts).where(F.size("_missing") == 0)
    won = winners(resolved, list(fact_key(contract)), contract).where("_kind <> 'delete'")
    bound = [surrogate_key(r.parent) for r in contract.references if r.parent in DIMENSIONS]
    kept = [name for name in bound if name in fact.columns]
    wanted = won.select(
        F.col("_record_id").alias("record_id"), *(F.col(f"{name.removesuffix('_sk')}.{name}").alias(f"_{name}") for name in kept)
    )
    both = fact.select("record_id", *kept, F.lit(True).alias("_is")).join(
        wanted.withColumn("_due", F.lit(True)), "record_id", "full_outer"
    )
    wrong = F.col("_is").isNull() | F.col("_due").isNull()
    for name in kept:
        wrong = wrong | ~F.col(name).eqNullSafe(F.col(f"_{name}"))
    return both.where(wrong).agg(F.count(F.lit(1)).alias("rows")).where("rows > 0")


def other_rows(table: DataFrame, computed: DataFrame, key: Sequence[str]) -> DataFrame:
    """Rows that a table lacks, has too many or has otherwise than they are computed: their number of `rows`.

    Columns that contracts have lost are stored still, and not looked at.
    """
    return changes(table, computed, key, computed.columns).agg(F.count(F.lit(1)).alias("rows")).where("rows > 0")


def undecided(quarantine: DataFrame, decisions: DataFrame) -> DataFrame:
    """Decisions in force that ops.quarantine does not show, and rows that show one nobody took: number of `rows`.

    Args:
        quarantine: Rows of ops.quarantine.
        decisions: Output of `decisions.in_force`, of records that live batches delivered.
    """
    shown = quarantine.where(F.col("decision").isNotNull() | F.col("status").isin(CORRECTED, DISCARDED))
    columns = ("quarantine_id", *COLUMNS)
    held = shown.select(*columns, (F.col("status") == DISCARDED).alias("_discarded"))
    due = decisions.select(*columns, (F.col("decision") == DISCARD).alias("_discarded"))
    return other_rows(held, due, ["quarantine_id"])


def misparked(
    silver: DataFrame, quarantine: DataFrame, parents: Mapping[str, DataFrame], contract: Contract, contracts: Contracts
) -> DataFrame:
    """Records that miss a parent and are not parked, or are parked and miss none (or are none): `problem` and number of `rows`.

    Args:
        quarantine: Rows of ops.quarantine, of this domain.
    """
    resolved = resolve(silver, contract, parents, contracts).where(F.size("_missing") > 0)
    due = resolved.select(F.col("_record_id").alias("quarantine_id"), F.lit(True).alias("_due"))
    held = quarantine.where(F.col("status") == PARKED).select("quarantine_id", F.lit(True).alias("_is"))
    problem = F.when(F.col("_is").isNull(), F.lit("miss a parent and are not parked")).when(
        F.col("_due").isNull(), F.lit("are parked and miss no parent")
    )
    astray = due.join(held, "quarantine_id", "full_outer").select(problem.alias("problem")).where("problem is not null")
    return astray.groupBy("problem").agg(F.count(F.lit(1)).alias("rows"))
