"""Rows of ops.quarantine: what a record that was set aside looks like, and the states it can be in."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.decisions import COLUMNS
from cartbrook.frames.rules import worst
from cartbrook.frames.schema import QUARANTINE, struct

OPEN = "open"
"""It broke a rule whose action sets it aside, and nobody has decided otherwise."""
PARKED = "parked"
"""It passes, and waits for its parent."""
RELEASED = "released"
"""It waited, and its parent came; kept to be seen."""
CORRECTED = "corrected"
"""A person's decision made it pass."""
DISCARDED = "discarded"
"""A person decided that it does not count."""
STATUSES = (OPEN, PARKED, RELEASED, CORRECTED, DISCARDED)


def quarantine_rows(records: DataFrame, contract: Contract, *, decided: bool = False) -> DataFrame:
    """Records that were set aside as rows of ops.quarantine.

    Args:
        records: Judged records with `_broken`, `_reason`, `_copies` and what was decided.
        decided: They have a `_status`, too; all are open if not.
    """
    status = F.col("_status") if decided else F.lit(OPEN)
    amount = F.col(contract.amount).cast("decimal(18,2)") if contract.amount else F.lit(None).cast("decimal(18,2)")
    currency = F.col(f"_text_{contract.currency}") if contract.currency else F.lit(None).cast("string")
    return records.select(
        F.col("_record_id").alias("quarantine_id"),
        F.col("_batch_seq").alias("batch_seq"),
        F.col("_batch_id").alias("batch_id"),
        F.col("_revision").alias("revision"),
        F.lit(contract.domain).alias("domain"),
        F.col("_source_file").alias("source_file"),
        F.col("_source_line").alias("source_line"),
        F.col("_record").alias("record"),
        F.col("_broken").alias("rules"),
        worst(F.col("_broken"), contract).alias("severity"),
        F.col("_reason").alias("reason"),
        amount.alias("amount"),
        currency.alias("currency"),
        status.alias("status"),
        F.when(status.isin(CORRECTED, DISCARDED), F.col("_decided_by")).alias("resolved_by"),
        F.col("_copies").alias("copies"),
        *(F.col(f"_{name}").alias(name) for name in COLUMNS),
        F.col("_unchecked").alias("unchecked"),
    ).select(*struct(QUARANTINE).names)
