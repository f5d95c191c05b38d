"""Human decisions on records that were set aside: fix, release (a fix with nothing edited) and discard.

A decision is an event; the newest of a record is in force until it is revoked. Decisions are applied each time the record's batch
is validated, so no replay, redelivery or rebuild loses one.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract

FIX = "fix"
RELEASE = "release"
DISCARD = "discard"
REVOKE = "revoke"
KINDS = (FIX, RELEASE, DISCARD, REVOKE)

COLUMNS = ("decision", "edited", "decided_by")


def in_force(events: DataFrame) -> DataFrame:
    """The decision in force on each record.

    Args:
        events: Rows of ops.quarantine_events.

    Returns:
        quarantine_id, batch_id, domain, decision, edited (JSON of column to text, for a fix and a release of one), decided_by; no
        row for what was revoked.
    """
    newest = events.groupBy("quarantine_id", "batch_id", "domain").agg(F.max_by(F.struct(*COLUMNS), "event_seq").alias("_newest"))
    return newest.select("quarantine_id", "batch_id", "domain", "_newest.*").where(F.col("decision") != REVOKE)


def with_decisions(records: DataFrame, decisions: DataFrame | None) -> DataFrame:
    """Bronze rows with the decision on each: `_decision`, `_edited`, `_decided_by`, NULL where there is none."""
    if decisions is None:
        return records.withColumns({f"_{name}": F.lit(None).cast("string") for name in COLUMNS})
    named = decisions.select(F.col("quarantine_id").alias("_record_id"), *(F.col(name).alias(f"_{name}") for name in COLUMNS))
    return records.join(named, "_record_id", "left")


def as_decided(records: DataFrame, contract: Contract) -> DataFrame:
    """The fixed and released among the records of `with_decisions`, with the text that counts now.

    A fixed record is whole again: what was ragged about the line is gone, and so are columns the contract does not know.
    """
    fixed = F.col("_edited").isNotNull()  # a release keeps what an earlier fix edited
    texts: dict[str, Column] = {
        name: F.when(fixed, F.get_json_object("_edited", f"$.{name}")).otherwise(F.col(name)) for name in contract.names
    }
    line = {name: F.when(~fixed, F.col(name)) for name in ("_rescued", "_raw", "_defect")}
    return records.where(F.col("_decision").isin(FIX, RELEASE)).withColumns({**texts, **line})
