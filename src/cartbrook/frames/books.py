"""The books: every delivered record of a batch is in exactly one state, in rows and in money."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.quarantine import CORRECTED, OPEN, PARKED, RELEASED
from cartbrook.frames.raw import readable_amount, readable_currency
from cartbrook.frames.snapshots import is_record

ACCEPTED = "accepted"
DUPLICATE = "duplicate"
QUARANTINED = "quarantined"
LOST = "lost"
DOUBLE = "counted twice"

DELIVERED, HELD = "delivered", "held"
"""The two sides of `sums`."""


def sums(bronze: DataFrame, silver: DataFrame, contract: Contract) -> DataFrame:
    """What was delivered and what is held, by file: enough to prove the books where nothing was set aside or folded.

    `mark` adds up a hash of each record's id and its money. Where rows and mark are the same on both sides, each record is held
    once and with its own money; other records would have the same mark once in 2^64 times. It costs two scans of few columns,
    where `entries` joins all records.

    Args:
        bronze: The slice of one batch and domain, of one revision.
        silver: Its slice of silver.<domain>.

    Returns:
        domain, side (``delivered`` or ``held``), source_file, rows, money (decimal(28,2)), mark.
    """
    held = F.col(contract.amount).cast("decimal(18,2)") if contract.amount else F.lit(None).cast("decimal(18,2)")
    sides = [(DELIVERED, bronze, readable_amount(contract)), (HELD, silver.where(is_record()), held)]
    parts = [
        side.select("_source_file", "_record_id", money.alias("_money"))
        .groupBy(F.col("_source_file").alias("source_file"))
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.coalesce(F.sum("_money"), F.lit(0)).cast("decimal(28,2)").alias("money"),
            F.sum(F.xxhash64("_record_id", F.col("_money").cast("string")).cast("decimal(20,0)")).alias("mark"),
        )
        .select(F.lit(contract.domain).alias("domain"), F.lit(name).alias("side"), "source_file", "rows", "money", "mark")
        for name, side, money in sides
    ]
    return parts[0].union(parts[1])


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
    # What a person decided on is told by its row of ops.quarantine alone, with the money as it was delivered.
    decided = quarantine.where(F.col("decision").isNotNull())
    waiting = quarantine.where((F.col("status") == PARKED) & F.col("decision").isNull())
    live = silver.where(is_record()).select("_batch_seq", "_record_id", "_copies", held.alias("booked"))
    own = live.join(_ids(decided), "_record_id", "left_anti").join(_ids(waiting, "_waits"), "_record_id", "left")
    accepted = _with_copies(own, F.when(F.col("_waits"), F.lit(PARKED)).otherwise(F.lit(ACCEPTED)))
    set_aside = quarantine.where(F.col("decision").isNotNull() | ~F.col("status").isin(PARKED, RELEASED)).select(
        F.col("batch_seq").alias("_batch_seq"),
        F.col("quarantine_id").alias("_record_id"),
        F.col("copies").alias("_copies"),
        F.col("amount").alias("booked"),
        "status",
    )
    set_aside = set_aside.join(live.select("_record_id", F.lit(True).alias("_live")), "_record_id", "left")
    # Corrected and parked records are records; without them in silver they are lost, whatever their row says.
    gone = F.col("status").isin(CORRECTED, PARKED) & F.col("_live").isNull()
    state = F.when(gone, F.lit(LOST)).when(F.col("status") == OPEN, F.lit(QUARANTINED)).otherwise(F.col("status"))
    states = accepted.unionByName(_with_copies(set_aside, state))
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


def _ids(quarantine: DataFrame, mark: str | None = None) -> DataFrame:
    """The record ids of rows of ops.quarantine, with a column that is true if it has a name."""
    ids = quarantine.select(F.col("quarantine_id").alias("_record_id"))
    return ids.withColumn(mark, F.lit(True)) if mark else ids


def _with_copies(records: DataFrame, state: Column) -> DataFrame:
    """A row for each record in its state, and one for each of its exact duplicates, which carry the same money."""
    ids = F.concat(F.array("_record_id"), F.coalesce("_copies", F.array().cast("array<string>")))
    each = records.select("_batch_seq", "booked", state.alias("_state"), F.posexplode(ids).alias("_nth", "_record_id"))
    return each.select(
        "_batch_seq",
        "_record_id",
        F.when(F.col("_nth") == 0, F.col("_state")).otherwise(F.lit(DUPLICATE)).alias("state"),
        "booked",
    )
