"""Keys that may be meant as one: alike but for case and blanks. They stay different; someone should look at them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.casting import UNIT_SEPARATOR

_BLANK = "[\\s\u00a0]+"


def near_duplicates(records: DataFrame, contract: Contract) -> DataFrame:
    """How many of the keys of some records differ from another one only in case or in blanks.

    Args:
        records: Accepted records of one batch and domain.

    Returns:
        One row: `domain`, `keys`.
    """
    texts = [F.col(name).cast("string") for name in contract.key]
    key = F.concat_ws(UNIT_SEPARATOR, *texts)
    form = F.concat_ws(UNIT_SEPARATOR, *(F.regexp_replace(F.lower(text), _BLANK, "") for text in texts))
    alike = records.select(key.alias("_key"), form.alias("_form")).distinct().groupBy("_form").agg(F.count(F.lit(1)).alias("_n"))
    return alike.where("_n > 1").agg(
        F.lit(contract.domain).alias("domain"), F.coalesce(F.sum("_n"), F.lit(0)).cast("bigint").alias("keys")
    )
