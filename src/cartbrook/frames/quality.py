"""Validation of one batch's records: types, rules that look no further than the batch, duplicates, human decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule, Scope
from cartbrook.frames.casting import cast, clean, record_hash
from cartbrook.frames.decisions import COLUMNS, DISCARD, as_decided, with_decisions
from cartbrook.frames.duplicates import compared, no_copies, not_compared, settle_duplicates, shares
from cartbrook.frames.quarantine import CORRECTED, DISCARDED, OPEN, quarantine_rows
from cartbrook.frames.raw import raw_record
from cartbrook.frames.rules import active_rules, any_of, flag, judged, names_of, reason
from cartbrook.frames.schema import BRONZE_LINEAGE, SILVER_LINEAGE, struct
from cartbrook.frames.snapshots import presence
from cartbrook.types import Batch

_VERDICT = ("_broken", "_unchecked", "_reason")


@dataclass(frozen=True, slots=True)
class Split:
    """Records that satisfy a contract, and those that do not.

    Attributes:
        accepted: Typed records (the columns of a silver table).
        rejected: The others with the rules they broke, and those that a person decided on (the columns of ops.quarantine).
        presence: For a contract of full snapshots: what was delivered beside the accepted records (the columns of a silver
            table); None for others.
    """

    accepted: DataFrame
    rejected: DataFrame
    presence: DataFrame | None = None


def split(
    records: DataFrame, contract: Contract, batch: Batch, timezone: str = "UTC", decisions: DataFrame | None = None
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

    Returns:
        Accepted records, typed, exact duplicates folded into the least (file, line); rejected records with every rule they broke
        and those that could not be judged, the losers of conflicting duplicates among them. A fixed or released record that
        passes now is in both, as corrected.
    """
    check = _Check(contract, active_rules(contract, batch.switches))
    delivered = with_decisions(records, decisions)
    typed = check.sound(_typed(delivered, contract, batch, timezone))
    accepted, rejected = check.parted(typed)
    silver = (*contract.names, *struct(SILVER_LINEAGE).names)
    if decisions is None:
        absent = rejected
        parts = Split(accepted.select(*silver), quarantine_rows(rejected, contract))
    else:
        undecided = F.col("_decision").isNull()
        again = check.sound(_typed(as_decided(delivered, contract), contract, batch, timezone)).withColumn("_copies", no_copies())
        passes, fails = again.where("_sound"), check.told(again.where("not _sound"))
        decided = check.told(accepted.where(~undecided)).unionByName(rejected.where(~undecided))
        accepted, rejected = accepted.where(undecided), rejected.where(undecided)
        absent = rejected.unionByName(decided.where(F.col("_decision") == DISCARD)).unionByName(fails)
        parts = Split(
            accepted.select(*silver).unionByName(passes.select(*silver)),
            quarantine_rows(rejected, contract).unionByName(quarantine_rows(_as_decided(decided, fails), contract, decided=True)),
        )
    if not contract.snapshot_full:
        return parts
    return Split(parts.accepted, parts.rejected, presence(absent, contract, batch))


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
        return typed.withColumns({"_sound": ~any_of(severe), "_flags": names_of(kept)})

    def parted(self, typed: DataFrame) -> tuple[DataFrame, DataFrame]:
        """The records that stand, and the others with their verdict."""
        settled = settle_duplicates(typed.where("_sound"), self.contract)
        distinct = [rule for rule in self.active if rule.check == "distinct"]
        winners = compared(settled.where("_rank = 1"), distinct, self.contract)
        accepted, aside = winners, [rule for rule in distinct if rule.sets_aside]
        if aside:
            accepted = accepted.where(~any_of([shares(rule) for rule in aside]))
        if flags := [F.when(shares(rule), F.lit(rule.name)) for rule in distinct if not rule.sets_aside]:
            accepted = accepted.withColumn("_flags", F.concat("_flags", names_of(flags)))

        conflict = next(rule for rule in self.contract.rules if rule.check == "unique")
        on_key, on_others = {conflict.name: F.lit(True)}, {rule.name: F.lit(True) for rule in distinct}
        unsound = typed.where("not _sound").withColumn("_copies", no_copies())
        parts = [
            self.told(settled.where("_rank <> 1"), broken={conflict.name: F.col("_lost")}, unknown=on_others),
            self.told(unsound, unknown={**on_key, **on_others}),
        ]
        if aside:
            shared = {rule.name: shares(rule) for rule in distinct}
            alone = {rule.name: not_compared(rule) for rule in distinct}
            parts.append(self.told(winners.where(any_of([shares(rule) for rule in aside])), broken=shared, unknown=alone))
        columns = [*typed.columns, "_copies"]
        return accepted.select(*columns), reduce(DataFrame.unionByName, (part.select(*columns, *_VERDICT) for part in parts))

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


def _typed(records: DataFrame, contract: Contract, batch: Batch, timezone: str) -> DataFrame:
    """Cleaned text (``_text_<column>``), typed columns, the raw record, and what the one order compares."""
    texts = records.select(
        *struct(BRONZE_LINEAGE).names,
        *(f"_{name}" for name in COLUMNS),
        raw_record(contract).alias("_record"),
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
        record_hash(contract).alias("_record_hash"),
    )


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
