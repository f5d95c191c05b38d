"""An open lake: the tables of a workspace with its settings and contracts, and the way back to what was published."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pyspark.sql import types as T

from cartbrook.config import Settings
from cartbrook.contracts.model import DIMENSIONS, FACTS, Contracts
from cartbrook.errors import (
    ConfigError,
    ContractError,
    ForeignWrite,
    PublicationNotFound,
    WorkspaceError,
    WorkspaceLocked,
)
from cartbrook.lake.catalog import CatalogTables
from cartbrook.lake.csv_scan import Limits, limits_of
from cartbrook.lake.fit import Difference
from cartbrook.lake.ledger import SCHEMAS, Ledger
from cartbrook.lake.maintenance import is_readable
from cartbrook.lake.places import Places, PlainPath
from cartbrook.lake.session import Engine, open_engine
from cartbrook.lake.tables import Tables
from cartbrook.types import Operation, Publication

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_OF_RECORDS = frozenset(f"gold.{table}" for table in (*DIMENSIONS.values(), *FACTS.values()))
"""The tables of gold whose columns are those of contracts; the others are marts."""


@dataclass(slots=True)
class Lake:
    """Everything a step works with.

    Attributes:
        logic_hash: What gold depends on, of the contracts, settings and code in force.
        rules_hash: What validation depends on.
        pinned: Tables whose versions a publication names.
    """

    places: Places
    settings: Settings
    contracts: Contracts
    tables: Tables
    ledger: Ledger
    pinned: tuple[str, ...]
    logic_hash: str
    rules_hash: str
    _engine: Engine
    _owns_engine: bool
    _path: PlainPath

    @classmethod
    def open(
        cls,
        places: Places,
        settings: Settings,
        contracts: Contracts,
        schemas: Mapping[str, T.StructType],
        *,
        logic_hash: str,
        rules_hash: str,
        engine: Engine | None = None,
    ) -> Lake:
        """Open the lake of a workspace.

        Args:
            schemas: Schemas of all tables but the ledger's.
            engine: An open engine to use, which then stays open; None opens the one of the settings.

        Raises:
            EngineError: The engine does not start.
        """
        places.lake.mkdir(parents=True, exist_ok=True)
        path = PlainPath(places.lake)
        opened = engine or open_engine(settings.engine, settings.master, settings.spark_conf)
        tables = _tables(opened, path.path, {**schemas, **SCHEMAS}, settings)
        return cls(
            places=places,
            settings=settings,
            contracts=contracts,
            tables=tables,
            ledger=Ledger(tables),
            pinned=tuple(name for name in schemas if not name.startswith("bronze.")),
            logic_hash=logic_hash,
            rules_hash=rules_hash,
            _engine=opened,
            _owns_engine=engine is None,
            _path=path,
        )

    @property
    def engine(self) -> Engine:
        """The open engine, for another lake to use."""
        return self._engine

    def close(self) -> None:
        """Close the engine, if it was opened here."""
        if self._owns_engine:
            self._engine.close()
        self._path.close()

    def __enter__(self) -> Lake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def expect(self, rows: int = 0) -> None:
        """Let engine and tables make ready for work on the records of the lake and so many more."""
        names = [f"silver.{domain}" for domain in self.contracts]
        many = self._engine.expect(lambda: max(rows, *self.tables.each(self.tables.count, names)))
        self.tables.expects_few = many is False and self.tables.is_local

    @property
    def limits(self) -> Limits:
        """What a delivered file may hold, from the settings."""
        return limits_of(self.settings)

    def create(self) -> None:
        """Create every table and publication 0; goes on where an interrupted call stopped. The schemas of a catalog are there."""
        names = [*SCHEMAS, *self.tables_all()]
        self.tables.each(self.tables.create, names)
        if self.tables.version("ops.publications") == 0:
            self.ledger.publish(
                Publication(0, "init", None, None, None, (), self.tables.heads(self.pinned), self.rules_hash, self.logic_hash)
            )

    def evolve(self) -> tuple[str, ...]:
        """Add the columns that contracts gained since the tables were made, one commit a table.

        To be called after `settle`, as a step of an operation: the new heads are its writes and are published at its end. Until
        then `settle` takes the columns away again from pinned tables; bronze keeps them.

        A column that contracts have lost stays where it is and is NULL from then on; in bronze and marts always, in other tables
        only if no record ever had a value there.

        Returns:
            The tables that were changed.

        Raises:
            ContractError: A column with values was taken away, or one has another type or joined the key; no table was changed.
        """
        names = (*SCHEMAS, *self.tables_all())
        found = dict(zip(names, self.tables.each(self.tables.difference, names), strict=True))
        changed = tuple(name for name, difference in found.items() if difference.missing)
        problems = [problem for name, difference in found.items() for problem in self._unfit(name, difference)]
        if any(name.startswith("silver.") for name in changed) and self.ledger.newest().live:
            for domain, contract in self.contracts.items():
                new = found[f"silver.{domain}"].missing
                problems += [
                    f"silver.{domain}: column {column} is new and of the key, but records are there that lack it"
                    for column in contract.key
                    if column in new
                ]
        _refuse(problems)
        self.tables.each(self.tables.add_columns, changed)
        return changed

    def require_columns(self, publication: Publication) -> None:
        """Raise ContractError if published records have columns that the contracts have lost or give another type."""
        silver = {f"silver.{domain}": publication.table_versions[f"silver.{domain}"] for domain in self.contracts}
        _refuse(
            [
                problem
                for name, version in silver.items()
                for problem in self._unfit(name, self.tables.difference(name, version), version)
            ]
        )

    def _unfit(self, name: str, difference: Difference, version: int | None = None) -> list[str]:
        """What keeps a stored table from following the contracts."""
        again = {column.lower() for column in difference.missing}
        twice = [column for column in difference.surplus if column.lower() in again]
        problems = [f"{name}: column {column} is stored, in another case of letters than in the contract" for column in twice]
        # Bronze is text as delivered; what nobody asks for any more does no harm there. Marts are all made anew.
        is_mart = name.startswith("gold.") and name not in _OF_RECORDS
        if not name.startswith("bronze.") and not is_mart:
            filled = self.tables.filled(name, difference.surplus, version)
            problems += [f"{name}: column {column} is stored and has values, but the contract has none" for column in filled]
        for column, (stored, declared) in difference.changed.items():
            problems.append(f"{name}: column {column} is stored as {stored}, but the contract says {declared}")
        return problems

    def tables_all(self) -> tuple[str, ...]:
        """Names of all tables but the ledger's."""
        return (*(f"bronze.{domain}" for domain in self.contracts), *self.pinned)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the workspace for writing; the operating system lets go of it when the process ends, however it ends.

        Where tables are in a catalog the lock keeps out this machine's processes alone: volumes have none. Runs of a job are kept
        apart by the job (`max_concurrent_runs: 1`).

        Raises:
            WorkspaceLocked: Another process holds it.
        """
        catalog = self.settings.catalog
        lock = FileLock(self.places.lock if catalog is None else Path(tempfile.gettempdir(), f"cartbrook-{catalog}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise WorkspaceLocked(
                f"Another cartbrook process works in {self.places.root}.", hint="Wait until it has ended, then run again."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def require(self) -> None:
        """Raise WorkspaceError unless the tables are there."""
        if not self.tables.exists("ops.publications"):
            where = self.settings.catalog or self.places.root
            raise WorkspaceError(f"{where} holds no tables of cartbrook.", hint="`init` makes them; on Databricks the job setup.")

    # heads

    def trusted(self, operation: Operation) -> dict[str, int]:
        """The version each pinned table should have now: the published one, or the last this run recorded."""
        return {**operation.base.table_versions, **self.ledger.versions_by(operation)}

    def settle(self, versions: Mapping[str, int]) -> dict[str, int]:
        """Abandon unpublished work: restore each pinned head that is not at its version.

        Returns:
            The tables that were restored and their new heads.
        """
        strays = self._strays(versions)
        restored = {name: self.tables.restore(name, versions[name]) for name in strays}
        self.tables.forget_written()
        return restored

    def require_heads(self, versions: Mapping[str, int]) -> None:
        """Raise ForeignWrite if a pinned head is not at its version."""
        strays = self._strays(versions)
        if strays:
            raise ForeignWrite(
                f"Tables were written by someone else while this ran: {', '.join(strays[:5])}. Nothing was published.",
                hint="Only cartbrook may write its tables. Run again.",
            )

    def _strays(self, versions: Mapping[str, int]) -> list[str]:
        return [name for name, head in self.tables.heads(self.pinned).items() if head != versions[name]]

    def checkpoint(self) -> None:
        """Write checkpoints where logs have grown long; to be called after a publication."""
        every = max(50, self.settings.maintain_every)  # maintenance goes by the checkpoints of ops.publications
        self.tables.each(lambda name: self.tables.checkpoint(name, every), (*SCHEMAS, *self.tables_all()))

    def require_readable(self, publication: Publication) -> None:
        """Raise PublicationNotFound if maintenance has removed what a publication reads."""
        versions = [(name, version) for name, version in publication.table_versions.items() if name in self.pinned]
        if not all(self.tables.each(lambda pair: is_readable(self.tables, *pair), versions)):
            raise PublicationNotFound(
                f"Publication {publication.publish_seq} can no longer be read: maintenance has removed its files.",
                hint="The setting keep_publications says how many of the newest stay readable.",
            )

    def published(self, name: str, publication: Publication) -> DataFrame:
        """A pinned table as readers see it."""
        return self.tables.read(name, publication.table_versions[name])


def _tables(engine: Engine, folder: Path, schemas: Mapping[str, T.StructType], settings: Settings) -> Tables:
    if settings.catalog is None:
        return Tables(engine.session, folder, schemas, settings.parallel, loses_order=engine.name == "sail")
    if engine.name == "sail":
        raise ConfigError("Setting 'catalog' is for Spark and Databricks.", hint="On Sail tables are folders of the workspace.")
    return CatalogTables(
        engine.session, folder, schemas, settings.parallel, catalog=settings.catalog, retention_days=settings.retention_days
    )


def _refuse(problems: list[str]) -> None:
    if problems:
        hint = "Tables keep their columns: leave them in the contract as they were, give a new column a new name, or begin a "
        raise ContractError(problems, hint=f"{hint}new workspace.")
