"""The books: every delivered record of a batch is in exactly one state, in rows and in money."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.quality import OPEN, PARKED, readable_amount, readable_currency

ACCEPTED = "accepted"
DUPLICATE = "duplicate"
QUARANTINED = "quarantined"
LOST = "lost"
DOUBLE = "counted twice"
STATES = (ACCEPTED, PARKED, QUARANTINED, "corrected", "discarded", DUPLICATE)


def entries(bronze: DataFrame, silver: DataFrame, quarantine: DataFrame, contract: Contract) -> DataFrame:
    """The books of one domain, by file, currency and state.

    What was delivered is read from bronze; what became of it from silver and ops.quarantine, matched by record id. A record in no
    state is `lost`, one in two is `counted twice`, one that nobody delivered has no source_file: none of these may occur.

    Args:
        bronze: Slices of the batches looked at, the live revision only.
        silver: Their slices of silver.<domain>.
        quarantine: Their rows of ops.quarantine, of this domain.

    Returns:
        _batch_seq, domain, source_file, currency, state, rows, delivered (money as its text reads), booked (money as it is held),
        unpriced (records whose amount cannot be read).
    """
    held = F.col(contract.amount).cast("decimal(18,2)") if contract.amount else F.lit(None).cast("decimal(18,2)")
    waiting = quarantine.where(F.col("status") == PARKED).select(F.col("quarantine_id").alias("_record_id"))
    live = silver.join(waiting.withColumn("_waits", F.lit(True)), "_record_id", "left")
    state = F.when(F.col("_waits"), F.lit(PARKED)).otherwise(F.lit(ACCEPTED))
    accepted = live.select("_batch_seq", "_record_id", state.alias("state"), held.alias("booked"))
    copies = silver.select(
        "_batch_seq", F.explode("_copies").alias("_record_id"), F.lit(DUPLICATE).alias("state"), held.alias("booked")
    )
    set_aside = quarantine.where(~F.col("status").isin(PARKED, "released"))
    outcome = F.when(F.col("status") == OPEN, F.lit(QUARANTINED)).otherwise(F.col("status"))
    aside = set_aside.select(
        F.col("batch_seq").alias("_batch_seq"),
        F.col("quarantine_id").alias("_record_id"),
        outcome.alias("state"),
        F.col("amount").alias("booked"),
    )
    aside_copies = set_aside.select(
        F.col("batch_seq").alias("_batch_seq"),
        F.explode("copies").alias("_record_id"),
        F.lit(DUPLICATE).alias("state"),
        F.col("amount").alias("booked"),
    )
    states = accepted.unionByName(copies).unionByName(aside).unionByName(aside_copies)
    once = states.groupBy("_batch_seq", "_record_id").agg(
        F.when(F.count(F.lit(1)) > 1, F.lit(DOUBLE)).otherwise(F.max("state")).alias("state"), F.sum("booked").alias("booked")
    )
    delivered = bronze.select(
        "_batch_seq",
        "_record_id",
        F.col("_source_file").alias("source_file"),
        readable_amount(contract).alias("delivered"),
        readable_currency(contract).alias("currency"),
    )
    both = delivered.join(once, ["_batch_seq", "_record_id"], "full_outer")
    return (
        both.withColumn("state", F.coalesce("state", F.lit(LOST)))
        .groupBy("_batch_seq", "source_file", "currency", "state")
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.coalesce(F.sum("delivered"), F.lit(0)).cast("decimal(28,2)").alias("delivered"),
            F.coalesce(F.sum("booked"), F.lit(0)).cast("decimal(28,2)").alias("booked"),
            F.sum(F.col("delivered").isNull().cast("bigint")).alias("unpriced"),
        )
        .withColumn("domain", F.lit(contract.domain))
    )
