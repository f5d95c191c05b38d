"""Tables by name in a catalog (Unity Catalog, or Spark's own) instead of by path, and the views at published versions.

There the engine alone reaches the Delta log, so that versions, restoring and new columns are SQL. Written against Delta's SQL as
Databricks documents it; tests/parity/test_catalog.py is for Apache Spark with Delta and its session catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cartbrook.errors import ConfigError
from cartbrook.lake.literals import quoted
from cartbrook.lake.log import Mark
from cartbrook.lake.session import Session
from cartbrook.lake.tables import Mode, Tables
from cartbrook.lake.values import fetch
from cartbrook.types import Publication

PUBLISHED = "published"
"""The schema of the views that readers use."""

_CATALOG = re.compile(r"[A-Za-z0-9_-]{1,255}")
_VOLUMES = "/Volumes/"


class CatalogTables(Tables):
    """The Delta tables of a catalog with the schemas bronze, silver, gold and ops.

    Args:
        root: A folder that the engine and this process both reach, for what is staged; on Databricks in a volume.
        retention_days: How long Delta keeps the log and the files of old versions.
    """

    is_local: ClassVar[bool] = False

    def __init__(
        self,
        session: Session,
        root: Path,
        schemas: Mapping[str, T.StructType],
        parallel: int = 4,
        *,
        catalog: str,
        retention_days: int,
    ) -> None:
        super().__init__(session, root, schemas, parallel)
        if not _CATALOG.fullmatch(catalog):
            raise ConfigError(f"Setting 'catalog': {catalog[:60]!r} is no name of a catalog.", hint="Letters, digits, _ and -.")
        self.catalog = catalog
        self._retention_days = retention_days

    def version(self, name: str) -> int:
        """The version of a table's head."""
        return int(self._newest_commit(name)["version"])

    def heads(self, names: Iterable[str]) -> dict[str, int]:
        """The head versions of several tables, asked for at the same time: each is a call to the engine."""
        names = list(names)
        return dict(zip(names, self.each(self.version, names), strict=True))

    def exists(self, name: str) -> bool:
        """True if the table is there."""
        return bool(self.session.catalog.tableExists(self._named(name)))

    def create(self, name: str) -> None:
        """Create an empty table at version 0; nothing happens if it is there."""
        # Nobody but us may commit, or heads would be foreign: no compaction behind our back.
        days = f"interval {self._retention_days} days"
        properties = {
            "delta.logRetentionDuration": days,
            "delta.deletedFileRetentionDuration": days,
            "delta.autoOptimize.autoCompact": "false",
        }
        listed = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
        self._run(
            f"CREATE TABLE IF NOT EXISTS {self._named(name)} ({_columns(self.schema(name))}) USING delta TBLPROPERTIES ({listed})"
        )

    def checkpoint(self, name: str, every: int = 50) -> None:
        """Nothing: the engine writes checkpoints by itself."""

    def add_columns(self, name: str) -> None:
        """Add the declared columns that a table does not have, in one commit; its rows are NULL there."""
        missing = self.difference(name).missing
        if missing:
            added = T.StructType([field for field in self.schema(name).fields if field.name in missing])
            self._run(f"ALTER TABLE {self._named(name)} ADD COLUMNS ({_columns(added)})")
            self._note(name)

    def restore(self, name: str, version: int) -> int:
        """Make a table's head hold what a version held; returns the head's version. The history stays."""
        if self.version(name) != version:
            self._run(f"RESTORE TABLE {self._named(name)} TO VERSION AS OF {int(version)}")
            self._alike.pop(name, None)
            self._note(name)
        return self.version(name)

    def mark(self, name: str) -> Mark:
        """What tells a table's head from every other."""
        return self.version(name), 0

    def arrow(self, name: str, version: int | None = None) -> pa.Table:
        """The rows of a small table, at its head or a version."""
        return self.read(name, version).toArrow()

    def count(self, name: str, version: int | None = None) -> int:
        """The number of rows of a table at its head or a version."""
        return self._load(name, version).count()

    def put(self, name: str, columns: Mapping[str, Sequence[object]], key: Sequence[str]) -> None:
        """Write a few rows of Python values, each in the place of the one with its key, in one commit."""
        self.merge(name, self.rows(columns, self.schema(name)).withColumn("_change", F.lit("upsert")), key)

    def publish_views(self, publication: Publication) -> int:
        """Let the views in schema `published` show what a publication names: gold and the pinned ops tables at its versions.

        The ledger's tables are shown as they are. Repeatable; views are replaced one by one, so that for a moment readers may see
        some of before and some of after.

        Returns:
            The number of views.
        """
        pinned = {name: version for name, version in publication.table_versions.items() if not name.startswith("silver.")}
        ledger = [name for name in self._schemas if name.startswith("ops.") and name not in pinned]
        note = f"publication {publication.publish_seq}"

        def show(name: str) -> None:
            view = f"`{self.catalog}`.`{PUBLISHED}`.{quoted(name.split('.')[1])}"
            at = f" VERSION AS OF {int(pinned[name])}" if name in pinned else ""
            self._run(f"CREATE OR REPLACE VIEW {view} COMMENT '{note}' AS SELECT * FROM {self._named(name)}{at}")

        return len(self.each(show, [*pinned, *ledger]))

    # where tables are

    def _url(self, path: Path) -> str:
        # Databricks reaches volumes by their path alone.
        return str(path) if str(path).startswith(_VOLUMES) else super()._url(path)

    def _named(self, name: str) -> str:
        layer, table = name.split(".")
        return f"`{self.catalog}`.{quoted(layer)}.{quoted(table)}"

    def _load(self, name: str, version: int | None) -> DataFrame:
        at = "" if version is None else f" VERSION AS OF {int(version)}"
        return self.session.sql(f"SELECT * FROM {self._named(name)}{at}")

    def _commit(self, name: str, rows: DataFrame, mode: Mode = "append") -> None:
        writer = rows.writeTo(self._named(name))  # by name; saveAsTable would drop the properties of what it overwrites
        if mode == "append":
            writer.append()
        else:
            writer.overwrite(F.lit(True))

    def _stored(self, name: str, version: int | None = None) -> T.StructType:
        return self._load(name, version).schema

    def _rows_added(self, name: str) -> int:
        return int(dict(self._newest_commit(name)["operationMetrics"]).get("numOutputRows", 0))

    def _newest_commit(self, name: str) -> dict[str, Any]:
        newest = self.session.sql(f"DESCRIBE HISTORY {self._named(name)} LIMIT 1")
        return fetch(newest.select("version", "operationMetrics"))[0]

    def _run(self, statement: str) -> None:
        self.session.sql(statement).collect()


def _columns(schema: T.StructType) -> str:
    return ", ".join(f"{quoted(field.name)} {field.dataType.simpleString()}" for field in schema.fields)
