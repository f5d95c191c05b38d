"""What gold depends on, and what a lake does when that changed: plain new columns just come, all else asks for a rebuild.

The logic hash of a publication says under which contracts, settings and code its gold was made. Where it is not the one in force,
the published tables tell which columns are new. A plain column (`is_plain`) in which no record has a value changes nothing that
is there: if the contracts without it are those of the publication, it is enough to add it to the tables and to publish that. And
in reverse: a column that came so and never got a value may go again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from cartbrook import runner
from cartbrook.config import Settings
from cartbrook.contracts.checks import is_plain
from cartbrook.contracts.load import logic_facts, without
from cartbrook.contracts.model import Contracts
from cartbrook.errors import LogicChanged
from cartbrook.frames import LOGIC
from cartbrook.frames.duplicates import unsettled
from cartbrook.frames.keys import repeated
from cartbrook.frames.snapshots import is_record
from cartbrook.lake.lake import Lake
from cartbrook.steps import publish
from cartbrook.types import Operation, Publication, StepResult

EVOLVED = "evolve"
"""The cause of a publication that did nothing but add plain columns; no other changes the logic hash without computing gold."""

_REMEMBERED = 1_000
"""Publications looked through for the one before a column came that went again."""

Columns = Mapping[str, tuple[str, ...]]
"""Names of columns by domain."""


def logic_hash(contracts: Contracts, settings: Settings) -> str:
    """sha256 of what gold depends on."""
    parts = [str(LOGIC), json.dumps(logic_facts(contracts), sort_keys=True), settings.gold_hash()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def ready(lake: Lake, base: Publication) -> Publication:
    """The publication to build on; new plain columns are added and published before, an empty lake takes on any contracts.

    To be called under the lock. Killed anywhere in it, the next call does it anew.

    Raises:
        LogicChanged: Gold was made under another logic.
        ContractError: The tables cannot follow the contracts.
    """
    if base.logic_hash == lake.logic_hash:
        return base
    if base.live:
        require_logic(lake, base)
    cause = EVOLVED if base.live else "rebuild"
    runner.carry(lake, runner.operation(lake, cause, base), {"evolve": evolve, "publish": publish.run})
    return lake.ledger.newest()


def evolve(lake: Lake, _operation: Operation) -> StepResult:
    """Add the columns that contracts have gained, as a step."""
    lake.evolve()
    return StepResult()


def require_settled(lake: Lake, _operation: Operation) -> StepResult:
    """Look, as a step, whether the records that are there can be ordered under the keys in force.

    Raises:
        LogicChanged: Batches were validated under another key, by which their duplicates were settled.
    """

    def is_settled(domain: str) -> bool:
        records, contract = lake.tables.read(f"silver.{domain}").where(is_record()), lake.contracts[domain]
        if lake.tables.is_empty(repeated(records, (*contract.key, "_effective_time", "_batch_seq"))):
            return True  # told by hashes, which need not hold all keys in memory
        return lake.tables.is_empty(unsettled(records, contract))

    domains = list(lake.contracts)
    found = [domain for domain, settled in zip(domains, lake.tables.each(is_settled, domains), strict=True) if not settled]
    if found:
        raise LogicChanged(
            f"Records of {' and '.join(found)} share their key, as the contract has it now, and were validated under another.",
            hint="Run `cartbrook rebuild --from-bronze` once: it settles duplicates by the new key, and quarantines what loses.",
        )
    return StepResult()


def require_logic(lake: Lake, base: Publication) -> Columns:
    """Raise unless the gold of a publication is what the contracts, settings and code in force say.

    Returns:
        The plain columns that contracts have and its tables have not.

    Raises:
        LogicChanged: It is not.
        ContractError: It is not, and a rebuild could not make it so.
    """
    if base.logic_hash == lake.logic_hash:
        return {}
    lake.require_columns(base)
    found = gained(lake, base)
    if found is None:
        raise LogicChanged(
            "Contracts, settings or code changed what gold means since it was made.",
            hint="Run `cartbrook rebuild` once; it computes gold anew under the new logic.",
        )
    return found


def needs_rebuild(lake: Lake, base: Publication) -> bool:
    """True if gold was made under another logic."""
    return bool(base.live) and gained(lake, base) is None


def gained(lake: Lake, base: Publication) -> Columns | None:
    """The plain columns that contracts have and the tables of a publication have not; None if more than these changed."""
    if base.logic_hash == lake.logic_hash:
        return {}
    names = {domain: f"silver.{domain}" for domain in lake.contracts}
    stored = {domain: lake.tables.difference(name, base.table_versions[name]) for domain, name in names.items()}
    new = {domain: difference.missing for domain, difference in stored.items() if difference.missing}
    if not all(is_plain(lake.contracts[domain], column) for domain, columns in new.items() for column in columns):
        return None
    wanted = logic_hash(without(lake.contracts, new), lake.settings)
    some_lost = any(difference.surplus for difference in stored.values())
    return new if wanted == base.logic_hash or (some_lost and _came_from(lake, base, wanted)) else None


def as_published(lake: Lake, columns: Columns) -> Lake:
    """The lake to read a publication with whose tables do not have these columns yet."""
    return dataclasses.replace(lake, contracts=without(lake.contracts, columns)) if columns else lake


def _came_from(lake: Lake, base: Publication, wanted: str) -> bool:
    """True if all that was published since a logic hash and until a publication either kept it or added plain columns."""
    newer: Publication | None = None
    for publication in lake.ledger.publications(_REMEMBERED):
        if publication.publish_seq > base.publish_seq:
            continue
        if newer is not None and newer.logic_hash != publication.logic_hash and newer.cause != EVOLVED:
            return False
        if publication.logic_hash == wanted:
            return True
        newer = publication
    return False
