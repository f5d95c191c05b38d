"""Validation of one batch's records: types, rules that look no further than the batch, duplicates, human decisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule, Scope
from cartbrook.frames.casting import cast, clean, record_hash
from cartbrook.frames.decisions import COLUMNS, DISCARD, as_decided, with_decisions
from cartbrook.frames.duplicates import KEY, compared, key_text, no_copies, not_compared, settle_duplicates, shares
from cartbrook.frames.quarantine import CORRECTED, DISCARDED, OPEN, quarantine_rows
from cartbrook.frames.raw import raw_record
from cartbrook.frames.rules import active_rules, any_of, flag, judged, names_of, reason
from cartbrook.frames.schema import BRONZE_LINEAGE, SILVER_LINEAGE, struct
from cartbrook.frames.snapshots import presence
from cartbrook.types import Batch

_VERDICT = ("_broken", "_unchecked", "_reason")
_COMPUTED = ("_batch_date", "batch_date", "_trigger_timestamp", "_kind", "_effective_time", "_record_hash", "_sound", "_flags")


@dataclass(frozen=True, slots=True)
class Split:
    """Records that satisfy a contract, and those that do not.

    Attributes:
        accepted: Typed records, exactly the columns of a silver table in their types.
        presence: For a contract of full snapshots: what was delivered beside the accepted records (the columns of a silver
            table); None for others.
    """

    accepted: DataFrame
    presence: DataFrame | None
    _rejected: Callable[[], DataFrame]

    @property
    def rejected(self) -> DataFrame:
        """The others with the rules they broke, and those that a person decided on (the columns of ops.quarantine)."""
        return self._rejected()  # of most batches there are none, and then the plan need not be made


def split(
    records: DataFrame,
    contract: Contract,
    batch: Batch,
    timezone: str = "UTC",
    decisions: DataFrame | None = None,
    repeated: DataFrame | bool = True,
) -> Split:
    """Separate the records that satisfy a contract on themselves from those that do not.

    Duplicates are settled among the records as they were delivered, before decisions: what lost a conflict stays out until a
    person fixes it, whatever becomes of the record that won.

    Args:
        records: Bronze rows of one batch and domain, all columns text. Nothing is collected here.
        contract: The rules to apply; those the batch switched off are not.
        batch: Gives batch_date and trigger_timestamp, for effective times and the one order.
        timezone: Zone of timestamps that carry no ``Z``.
        decisions: Output of `decisions.in_force`; None where there are none.
        repeated: Output of `duplicates.repeated_keys`: only records with these keys are ranked. False if there are no such keys,
            True if nobody has looked.

    Returns:
        Accepted records, typed, exact duplicates folded into the least (file, line); rejected records with every rule they broke
        and those that could not be judged, the losers of conflicting duplicates among them. A fixed or released record that
        passes now is in both, as corrected.
    """
    check = _Check(contract, active_rules(contract, batch.switches))
    single, several = _by_key(records, contract, timezone, repeated)

    def typed(some: DataFrame | None, *, whole: bool) -> DataFrame | None:
        if some is None:
            return None
        # Where no other record of the batch can stand in its place, the order never comes to the hash (docs/decisions/0027).
        hashed = some is several or decisions is not None or check.compares
        return check.sound(_typed(with_decisions(some, decisions), contract, batch, timezone, whole=whole, hashed=hashed))

    def rejected() -> DataFrame:
        return check.rejected(typed(single, whole=True), typed(several, whole=True))

    silver = (*contract.names, *struct(SILVER_LINEAGE).names)
    if decisions is None:
        accepted = check.accepted(typed(single, whole=False), typed(several, whole=False)).select(*silver)
        # What is not in silver, whatever the reason, for the contract of a snapshot.
        absent = rejected
        parts = Split(accepted, None, lambda: quarantine_rows(rejected(), contract))
    else:
        undecided = F.col("_decision").isNull()
        again = _typed(as_decided(with_decisions(records, decisions), contract), contract, batch, timezone)
        again = check.sound(again).withColumn("_copies", no_copies())
        passes, fails = again.where("_sound"), check.told(again.where("not _sound"))
        stand, fall = check.accepted(typed(single, whole=True), typed(several, whole=True)), rejected()
        decided = check.told(stand.where(~undecided)).unionByName(fall.where(~undecided))
        open_ = fall.where(undecided)
        aside = quarantine_rows(open_, contract)
        aside = aside.unionByName(quarantine_rows(_as_decided(decided, fails), contract, decided=True))

        def absent() -> DataFrame:
            return open_.unionByName(decided.where(F.col("_decision") == DISCARD)).unionByName(fails)

        accepted = stand.where(undecided).select(*silver).unionByName(passes.select(*silver))
        parts = Split(accepted, None, lambda: aside)
    return dataclasses.replace(parts, presence=presence(absent(), contract, batch)) if contract.snapshot_full else parts


def _by_key(
    records: DataFrame, contract: Contract, timezone: str, repeated: DataFrame | bool
) -> tuple[DataFrame | None, DataFrame | None]:
    """The records whose key no other has, and those that may share theirs; None where there are none."""
    if isinstance(repeated, bool):
        return (None, records) if repeated else (records, None)
    keyed = records.withColumn(KEY, key_text(contract, timezone))
    return keyed.join(repeated, KEY, "left_anti"), keyed.join(repeated, KEY, "left_semi")


@dataclass(frozen=True, slots=True)
class _Check:
    """The rules of one batch and domain at work.

    Attributes:
        active: The rules that the batch does not switch off.
    """

    contract: Contract
    active: Sequence[Rule]

    def sound(self, typed: DataFrame) -> DataFrame:
        """Add `_sound` (it breaks no rule that sets it aside) and `_flags` (the keep-rules it breaks)."""
        rules = self._of(Scope.RECORD)
        kept = [F.when(judged(rule, self.contract).broken, flag(rule)) for rule in rules if not rule.sets_aside]
        severe = [judged(rule, self.contract).broken for rule in rules if rule.sets_aside]
        # What is volatile is not taken apart: engines would put the rules into the filter by `_sound`, with all casts they read
        # once more for each of them, and evaluate everything twice.
        always = F.rand(0) >= 0
        return typed.withColumns({"_sound": ~any_of(severe) & always, "_flags": names_of(kept)})

    def accepted(self, single: DataFrame | None, several: DataFrame | None) -> DataFrame:
        """The records that stand, with `_copies`.

        Args:
            single: Typed records whose key no other has.
            several: Those that may share theirs.
        """
        winners = compared(self._winners(single, several), self._distinct, self.contract)
        if aside := [shares(rule) for rule in self._distinct if rule.sets_aside]:
            winners = winners.where(~any_of(aside))
        if flags := [F.when(shares(rule), F.lit(rule.name)) for rule in self._distinct if not rule.sets_aside]:
            winners = winners.withColumn("_flags", F.concat("_flags", names_of(flags)))
        return winners

    def rejected(self, single: DataFrame | None, several: DataFrame | None) -> DataFrame:
        """The records that do not stand, with `_copies` and their verdict; arguments as of `accepted`, typed whole."""
        distinct = self._distinct
        conflict = next(rule for rule in self.contract.rules if rule.check == "unique")
        on_key, on_others = {conflict.name: F.lit(True)}, {rule.name: F.lit(True) for rule in distinct}
        parts = [
            self.told(typed.where("not _sound").withColumn("_copies", no_copies()), unknown={**on_key, **on_others})
            for typed in (single, several)
            if typed is not None
        ]
        if several is not None:
            losers = settle_duplicates(several.where("_sound"), self.contract).where("_rank <> 1")
            parts.append(self.told(losers, broken={conflict.name: F.col("_lost")}, unknown=on_others))
        if aside := [shares(rule) for rule in distinct if rule.sets_aside]:
            winners = compared(self._winners(single, several), distinct, self.contract).where(any_of(aside))
            shared = {rule.name: shares(rule) for rule in distinct}
            alone = {rule.name: not_compared(rule) for rule in distinct}
            parts.append(self.told(winners, broken=shared, unknown=alone))
        columns = [*_typed_columns(self.contract, whole=True), "_copies", *_VERDICT]
        return reduce(DataFrame.unionByName, (part.select(*columns) for part in parts))

    def _winners(self, single: DataFrame | None, several: DataFrame | None) -> DataFrame:
        """The sound records, one of each key and effective time, with `_copies`."""
        parts: list[DataFrame] = []
        if single is not None:
            parts.append(single.where("_sound").withColumn("_copies", no_copies()))
        if several is not None:
            settled = settle_duplicates(several.where("_sound"), self.contract).where("_rank = 1")
            parts.append(settled.drop("_rank", "_lost"))
        return reduce(DataFrame.unionByName, parts)

    @property
    def compares(self) -> bool:
        """True if records of different keys are ranked."""
        return bool(self._distinct)

    @property
    def _distinct(self) -> list[Rule]:
        return [rule for rule in self.active if rule.check == "distinct"]

    def told(
        self, records: DataFrame, broken: Mapping[str, Column] | None = None, unknown: Mapping[str, Column] | None = None
    ) -> DataFrame:
        """Add the verdict: every rule a record broke, every one that could not be judged, and what is said of it.

        Args:
            broken: Where rules on several records were broken, by rule.
            unknown: Where such rules were not judged; references never are.
        """
        found = {rule.name: judged(rule, self.contract) for rule in self._of(Scope.RECORD)}
        later = {rule.name: F.lit(True) for rule in self._of(Scope.REFERENCE)}
        breaks = {**(broken or {}), **{name: judgement.broken for name, judgement in found.items()}}
        untold = {**{name: ~judgement.known for name, judgement in found.items()}, **(unknown or {}), **later}
        rules = {rule.name: rule for rule in self.contract.rules}
        said = names_of([F.when(where, reason(rules[name], self.contract)) for name, where in breaks.items()])
        return records.withColumns(
            {
                "_broken": names_of([F.when(where, F.lit(name)) for name, where in breaks.items()]),
                "_unchecked": names_of([F.when(where, F.lit(name)) for name, where in untold.items()]),
                "_reason": F.array_join(said, "; "),
            }
        )

    def _of(self, scope: Scope) -> list[Rule]:
        return [rule for rule in self.active if rule.scope is scope]


def _typed(
    records: DataFrame, contract: Contract, batch: Batch, timezone: str, *, whole: bool = True, hashed: bool = True
) -> DataFrame:
    """Cleaned text (``_text_<column>``), typed columns, what the one order compares, and the raw record if `whole`."""
    texts = records.select(
        *_lineage(whole=whole),
        *([raw_record(contract).alias("_record")] if whole else []),
        *(clean(column, F.col(column.name)).alias(f"_text_{column.name}") for column in contract.columns),
    )
    typed = texts.select(
        "*",
        F.lit(batch.batch_date.isoformat()).cast("date").alias("_batch_date"),
        F.lit(batch.batch_date.isoformat()).cast("date").alias("batch_date"),  # the name expectations use
        F.lit(batch.trigger_timestamp).cast("timestamp").alias("_trigger_timestamp"),
        *(cast(column, F.col(f"_text_{column.name}"), timezone).alias(column.name) for column in contract.columns),
    )
    deletes = F.lit(False)
    if contract.delete is not None:
        column = F.col(f"_text_{contract.delete.column}")
        deletes = F.coalesce(F.lower(column).isin(*(value.lower() for value in contract.delete.values)), F.lit(False))
    effective = F.col(contract.sequence_by[0]) if contract.sequence_by else F.col("_batch_date")
    return typed.select(
        "*",
        F.when(deletes, F.lit("delete")).otherwise(F.lit("upsert")).alias("_kind"),
        effective.cast("timestamp").alias("_effective_time"),
        (record_hash(contract) if hashed else F.lit(None).cast("string")).alias("_record_hash"),
    )


def _lineage(*, whole: bool) -> list[str]:
    """Columns of bronze and of decisions that typed records keep; those that are not whole do without what only tells of them."""
    of_bronze = [name for name in struct(BRONZE_LINEAGE).names if whole or name not in ("_rescued", "_raw")]
    return [*of_bronze, *(f"_{name}" for name in (COLUMNS if whole else COLUMNS[:1]))]


def _typed_columns(contract: Contract, *, whole: bool) -> list[str]:
    """The columns of typed and judged records; asking the frame would ask the engine."""
    texts = [f"_text_{name}" for name in contract.names]
    return [*_lineage(whole=whole), *(["_record"] if whole else []), *texts, *contract.names, *_COMPUTED]


def _as_decided(decided: DataFrame, fails: DataFrame) -> DataFrame:
    """Records that a person decided on, with the status and the verdict that they have by that.

    Args:
        decided: The records as they were delivered and judged.
        fails: The fixed and released among them that break a rule still, as they read and are judged now.
    """
    now = fails.select("_record_id", F.lit(True).alias("_fails"), *(F.col(name).alias(f"{name}_now") for name in _VERDICT))
    both = decided.join(now, "_record_id", "left")
    failed = F.coalesce(F.col("_fails"), F.lit(False))
    status = F.when(F.col("_decision") == DISCARD, F.lit(DISCARDED)).when(failed, F.lit(OPEN)).otherwise(F.lit(CORRECTED))
    verdict = {name: F.when(failed, F.col(f"{name}_now")).otherwise(F.col(name)) for name in _VERDICT}
    return both.withColumns({"_status": status, **verdict})
