"""Keys that may be meant as one: alike but for case and blanks. They stay different; someone should look at them."""

from __future__ import annotations

from functools import reduce
from operator import and_

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract
from cartbrook.frames.casting import UNIT_SEPARATOR

_BLANK = "[\\s\u00a0]+"


def looks_plain(records: DataFrame, contract: Contract) -> DataFrame:
    """Whether the keys of some records can be told from their look to have no near duplicates, cheaper than by comparing them.

    That is so where each part of a key is written, in all records, in printable ASCII without blanks and in letters of one case.

    Returns:
        One row: `domain`, `plain`.
    """
    parts = [
        F.coalesce(F.min(F.col(name).cast("string").rlike(f"^[!-~&&[^{letters}]]*\\z")), F.lit(True))
        for name in contract.key
        for letters in ("a-z", "A-Z")
    ]
    looks = [one_case | other for one_case, other in zip(parts[::2], parts[1::2], strict=True)]
    return records.agg(F.lit(contract.domain).alias("domain"), reduce(and_, looks).alias("plain"))


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
