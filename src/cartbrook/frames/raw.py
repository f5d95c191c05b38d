"""What a bronze row says as it was delivered: its text, and the money in it where that can be read."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.casting import cast, clean


def readable_amount(contract: Contract) -> Column:
    """A raw record's amount where its text is one (also of records that break other rules), else NULL."""
    if contract.amount is None:
        return F.lit(None).cast("decimal(18,2)")
    column = contract.column(contract.amount)
    return cast(column, clean(column, F.col(column.name))).cast("decimal(18,2)")


def readable_currency(contract: Contract) -> Column:
    """A raw record's currency as cleaned text, or NULL."""
    if contract.currency is None:
        return F.lit(None).cast("string")
    column = contract.column(contract.currency)
    return clean(column, F.col(column.name))


def raw_record(contract: Contract) -> Column:
    """A bronze row as the JSON it was delivered as: header to text, empty fields included; ``{"_raw": line}`` if ragged."""
    pairs = [part for name in contract.names for part in (F.lit(name), F.coalesce(F.col(name), F.lit("")))]
    known = F.to_json(F.create_map(*pairs))
    both = F.concat(F.regexp_replace(known, r"\}$", ","), F.regexp_replace(F.col("_rescued"), r"^\{", ""))
    line = F.to_json(F.create_map(F.lit("_raw"), F.col("_raw")))
    return F.when(F.col("_raw").isNotNull(), line).when(F.col("_rescued").isNotNull(), both).otherwise(known)
