"""Records of one batch that share their key or other values: which of them stands for all, and which are its exact copies."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule
from cartbrook.frames.casting import NULL_TEXT, UNIT_SEPARATOR, canonical, cast, clean, joined
from cartbrook.frames.order import greatest_first
from cartbrook.frames.rules import known_of_accepted

KEY = "_key"
"""The column that holds `key_text`."""


def key_text(contract: Contract, timezone: str) -> Column:
    """The key of a raw record as one text, never NULL: the same for all records that have the same key."""
    columns = [contract.column(name) for name in contract.key]
    texts = (canonical(column, cast(column, clean(column, F.col(column.name)), timezone)) for column in columns)
    return joined(*texts)


def repeated_keys(records: DataFrame, contract: Contract, timezone: str = "UTC") -> DataFrame:
    """The keys that several raw records have: a scan of few columns, where ranking all records sorts them whole.

    Args:
        records: Bronze rows of one batch and domain.

    Returns:
        One column, KEY.
    """
    counted = records.select(key_text(contract, timezone).alias(KEY)).groupBy(KEY).agg(F.count(F.lit(1)).alias("_n"))
    return counted.where("_n > 1").select(KEY)


def settle_duplicates(sound: DataFrame, contract: Contract) -> DataFrame:
    """Fold exact duplicates into the least (file, line) and rank what is left of each key and effective time.

    The one total order ends with the record's hash, so that exact duplicates stand next to each other in it. A record that a
    person decided on is never folded into another.

    Returns:
        The records with `_copies` (ids of their exact duplicates, NULL without any), `_rank` (1 wins the one total order) and
        `_lost` (it differs from the one that wins).
    """
    instant = [*contract.key, "_effective_time"]
    order = Window.partitionBy(*instant).orderBy(*greatest_first(contract), "_source_file", "_source_line")
    undecided = F.col("_decision").isNull()
    ranked = (
        sound.withColumn("_rank", F.row_number().over(order))
        .withColumn("_above", F.lag("_record_hash").over(order))
        .withColumn(
            "_same", F.collect_list(F.when(undecided, F.col("_record_id"))).over(Window.partitionBy(*instant, "_record_hash"))
        )
    )
    repeats = F.coalesce(F.col("_above") == F.col("_record_hash"), F.lit(False))
    told = {
        "_copies": F.when(~repeats, _others(F.col("_same"), F.col("_record_id"))),
        "_lost": (F.col("_rank") > 1) & ~repeats,
    }
    return ranked.where(~repeats | ~undecided).withColumns(told).drop("_above", "_same")


def unsettled(records: DataFrame, contract: Contract) -> DataFrame:
    """Keys and effective times of which a batch has several records that were never compared with each other.

    There are none, unless the batch was validated under another key: no order could tell which of them wins, since records that
    were not compared have no hash.

    Args:
        records: Silver rows, without those that a snapshot leaves beside its records.
    """
    counted = records.groupBy(*contract.key, "_effective_time", "_batch_seq").agg(
        F.count(F.lit(1)).alias("_records"), F.count("_record_hash").alias("_hashes")
    )
    return counted.where("_records > 1 AND _hashes < _records")


def no_copies() -> Column:
    """NULL; a cast one would not unite with others on Sail."""
    return F.when(F.lit(False), F.array(F.lit("")))


def compared(winners: DataFrame, rules: Sequence[Rule], contract: Contract) -> DataFrame:
    """Sound records, one of each key, with their rank for each rule on other columns: above 1 where a greater one shares them."""
    grouped: dict[str, Column] = {}
    ranked: dict[str, Column] = {}
    for rule in rules:
        known = F.expr(known_of_accepted(rule, contract))
        values = F.concat_ws(UNIT_SEPARATOR, *(canonical(contract.column(name)) for name in rule.columns))
        # Records that are not compared stand alone: those without a value would be one huge group. All in one column: Sail fails
        # on windows by several expressions behind other windows ("Expects PARTITION BY expression to be ordered").
        group = f"_group_{rule.name}"
        grouped[group] = F.when(known, values).otherwise(F.concat(F.lit(NULL_TEXT), F.col("_record_id")))
        order = Window.partitionBy(group).orderBy(*greatest_first(contract))
        ranked[_rank_of(rule)] = F.when(known, F.row_number().over(order))
    return winners.withColumns(grouped).withColumns(ranked) if rules else winners


def shares(rule: Rule) -> Column:
    """True where a greater record has the same values; of the output of `compared`."""
    return F.coalesce(F.col(_rank_of(rule)) > 1, F.lit(False))


def not_compared(rule: Rule) -> Column:
    """True where a record has no values to compare; of the output of `compared`."""
    return F.col(_rank_of(rule)).isNull()


def _rank_of(rule: Rule) -> str:
    return f"_rank_{rule.name}"


def _others(same: Column, own: Column) -> Column:
    """Record ids of the exact duplicates of a record, sorted; NULL where there are none."""
    others = F.array_remove(F.array_compact(same), own)  # Sail collects NULLs, too
    return F.when(F.size(others) > 0, F.sort_array(others))
