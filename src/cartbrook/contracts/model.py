"""A data contract as a frozen value: what a domain's files must hold, and what each broken rule costs.

Contracts are plain Python. Spark types are made from them in `frames/schema.py` and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cartbrook.contracts.bounds import NO_ROWS, Bounds

DOMAINS = ("customers", "products", "orders", "shipping", "inventory")
"""All domains, parents before children: the order in which references are resolved."""

DIMENSIONS = {"customers": "dim_customer", "products": "dim_product"}
"""Domains whose history is kept, and the gold table that keeps it."""

FACTS = {"orders": "fact_orders", "shipping": "fact_shipping", "inventory": "fact_inventory"}
"""Domains whose records become facts, and the gold table that keeps them."""

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def stored(kind: str) -> str:
    """The type a contract's type is stored in: decimals get 18 digits at least, so that sums and later contracts fit."""
    match = _DECIMAL.fullmatch(kind)
    return f"decimal({max(18, int(match[1]))},{match[2]})" if match else kind


class Severity(StrEnum):
    """What a broken rule costs in the score. Worst first."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Action(StrEnum):
    """What happens to what broke a rule, apart from what it costs."""

    REJECT_BATCH = "reject_batch"
    QUARANTINE = "quarantine"
    PARK = "park"
    KEEP = "keep"


class Scope(StrEnum):
    """How far a rule looks."""

    RECORD = "record"
    """One record alone (required, type, enumeration, pattern, limits)."""
    BATCH = "batch"
    """The records of one batch together (uniqueness, numbers measured over the batch)."""
    REFERENCE = "reference"
    """A parent in another domain; breaking it parks."""
    LAKE = "lake"
    """Other batches and other tables; may only keep."""


LOCAL = (Scope.RECORD, Scope.BATCH)
"""Scopes that end at the batch: all that a gate may ask, since else the order of arrival would decide what is accepted."""

MEASURES = ("rows", "aggregate", "freshness", "trailing", "sql")
"""Checks that measure one number for the batch and judge no record."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One quality rule of a domain.

    Attributes:
        name: Unique in its domain, e.g. ``order_amount_type``.
        check: What it looks at. The line: structure. One record: required, type, enumeration, pattern, null, missing, expect (an
            SQL condition). Several records: unique (the key), distinct (other columns), reference. A number: one of MEASURES.
        column: The column it judges, or None for a rule over several.
        expect: For check ``expect``: the SQL condition a good record fulfils, as engines run it; NULL passes. Scope LAKE may also
            name the columns of the context (see `load.CONTEXT`), e.g. ``product.price``.
        pattern: For check ``pattern``: a regular expression the whole value must match.
        missing: For check ``missing``: texts that stand for no value, beside the empty field.
        columns: For ``distinct`` the columns whose values no two records of a batch share; for ``freshness`` the one it reads.
        filter: An SQL condition; the rule applies to the records that fulfil it, and to no other.
        expect_run: `expect` as engines run it, where that is not how it is written (see `conditions`); `filter_run` likewise.
        reads: The columns that `expect` and `filter` name: where one of them could not be read, the rule is not judged.
        measure: For MEASURES: SQL. A query for check ``sql``, with each table as ``table_mark`` has it; else an aggregate.
        tables: For check ``sql``: the tables beside the batch's own records.
        trailing: For check ``trailing``: with how many batches before it the batch is compared.
        fails: What the number must be, else the rule fails: for MEASURES the measured one, for others that of the broken records,
            in rows or in percent of the checked ones. None where the entry says nothing, see `limits`.
        warns: The same for a warning.
        switch: Name of the trigger's `data_quality_checks` switch that turns it off, or None if it always runs.
        needs: Domains a rule of scope LAKE looks at beside its own; without any record of them it is not evaluated.
    """

    name: str
    check: str
    severity: Severity
    action: Action
    dimension: str
    scope: Scope
    column: str | None = None
    expect: str | None = None
    pattern: str | None = None
    missing: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    filter: str | None = None
    reads: tuple[str, ...] = ()
    measure: str | None = None
    tables: tuple[str, ...] = ()
    trailing: int = 0
    fails: Bounds | None = None
    warns: Bounds | None = None
    switch: str | None = None
    needs: tuple[str, ...] = ()
    description: str = ""
    expect_run: str | None = None
    filter_run: str | None = None

    @property
    def good(self) -> str | None:
        """The condition that a good record fulfils, to be run."""
        return self.expect_run or self.expect

    @property
    def applies(self) -> str | None:
        """The condition of the records that it applies to, to be run."""
        return self.filter_run or self.filter

    @property
    def measures(self) -> bool:
        """True if it measures a number for the batch and judges no record."""
        return self.check in MEASURES

    @property
    def limits(self) -> tuple[Bounds | None, Bounds | None]:
        """What must hold, else the rule fails, and what must hold, else it warns.

        Where its entry says nothing, one broken record is enough: a keep-rule then warns, every other one fails.
        """
        if self.action is Action.KEEP and not self.measures:
            return self.fails, self.warns or (None if self.fails else NO_ROWS)
        return self.fails or NO_ROWS, self.warns

    @property
    def sets_aside(self) -> bool:
        """True if a record that breaks it is quarantined.

        A batch that a rule would reject, and does not since it stays below the rule's threshold, keeps its records.
        """
        return self.action is Action.QUARANTINE or self.check == "unique"


@dataclass(frozen=True, slots=True)
class Enumeration:
    """The values a column may have.

    Attributes:
        values: The values as stored.
        spellings: Other spellings -> stored value. Both are compared after lower-casing and with blanks and hyphens as ``_``.
    """

    values: tuple[str, ...]
    spellings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a domain's files.

    Attributes:
        type: string, integer, decimal(p,s), date, timestamp or boolean.
        trim: Blanks around the text are taken off (keys, references, currencies, enumerations and all typed columns).
        case: ``keep``, ``upper`` or ``lower``: the case the text is brought to.
        tracked: A change opens a new version (dimensions only).
        format: A strptime format for dates and timestamps that are not ISO, or None.
    """

    name: str
    type: str
    required: bool = False
    trim: bool = True
    case: str = "keep"
    tracked: bool = True
    enumeration: Enumeration | None = None
    format: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns that name a record of another domain; unknown parents park the record.

    Attributes:
        rule: Name of the rule that is broken while the parent is unknown.
        columns: Columns here, in the order of `parent_columns`.
        parent: The other domain.
        parent_columns: Columns of the parent's key; all of them for a dimension. `load_contracts` puts them in the key's order.
    """

    rule: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteMark:
    """The column whose value says that a record takes its key away, e.g. ``op`` in (``D``, ``delete``)."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """All that is known about the files of one domain.

    Attributes:
        domain: One of DOMAINS.
        version: The contract's own version.
        columns: In the order of the contract, which is the order of the record's hash.
        key: The business key.
        rules: Every rule, the derived ones (required, type, …) included, in the order they are reported.
        amount: Column whose sum is this domain's money, or None.
        currency: Column of its currency, or None.
        sequence_by: Columns that order records in place of batch_date; the first is the effective time.
        snapshot_full: Each file holds all keys there are; what is absent was deleted.
        event_time: Column at which facts bind to dimension versions; None means batch_date.
        encoding: Encoding of the files, as Python names it.
        source: Where it was read from, for messages.
    """

    domain: str
    version: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...]
    references: tuple[Reference, ...] = ()
    amount: str | None = None
    currency: str | None = None
    sequence_by: tuple[str, ...] = ()
    delete: DeleteMark | None = None
    snapshot_full: bool = False
    event_time: str | None = None
    encoding: str = "utf-8"
    source: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in contract order."""
        return tuple(column.name for column in self.columns)

    @property
    def tracked(self) -> tuple[str, ...]:
        """Columns whose change opens a new version: all but keys, untracked ones and the mark that deletes."""
        mark = self.delete.column if self.delete else None
        return tuple(c.name for c in self.columns if c.tracked and c.name not in self.key and c.name != mark)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def has(self, name: str) -> bool:
        """True if the contract has a column of that name."""
        return name in self.names

    def rules_of(self, *scopes: Scope) -> tuple[Rule, ...]:
        """The rules that look as far as one of `scopes`, in order."""
        return tuple(rule for rule in self.rules if rule.scope in scopes)


Contracts = Mapping[str, Contract]
"""The contracts in force, by domain; always one for each of DOMAINS."""
