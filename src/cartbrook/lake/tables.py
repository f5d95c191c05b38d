"""The only writer of tables. Guards what the engine does not.

Measured on Sail and tested in tests/engine/: an append turns text into NULL where a number is due; `replaceWhere` writes rows
outside its predicate and fails on arrays; a quote in a literal matches nothing. So every write compares schemas first, slices are
set by the writer itself, and literals come from `literal` alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake import Schema as DeltaSchema
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cartbrook.errors import SchemaMismatch
from cartbrook.lake import fit, log
from cartbrook.lake.literals import DELETE, INSERT, key_predicate, literal, merge_statement, predicate
from cartbrook.lake.reader import TableReader
from cartbrook.lake.session import Session
from cartbrook.lake.values import Staged, arrow_of, named

FILE_BYTES = 2 * 2**20
"""A file of about 30,000 facts: what an update rewrites, and the least that is read where statistics name a file."""
_PROPERTIES = {"delta.checkpointInterval": "1000000000", "delta.targetFileSize": str(FILE_BYTES)}
"""No checkpoints by engines; and delta-rs, too, keeps to the size: else a delete leaves one file in the place of many."""
_MANY = 20_000
"""Above so many rows to replace, a MERGE; below, they are deleted by their keys in the few files that hold them.
Where no more come, they are added without the engine, too."""
_LITERAL = (T.StringType, T.LongType, T.IntegerType, T.DateType)
"""The types of keys by which rows can be deleted."""
_SORTED_FROM = 50_000
"""So many rows or more are written in the order of their key, so that statistics tell where a key lies."""
Mode = Literal["append", "overwrite"]


class Tables(TableReader):
    """The same tables, to be written.

    Attributes:
        written: Versions this process gave to tables, since `forget_written`.
        expects_few: Few rows are at work, on an engine that takes long for a commit: they are staged, and delta-rs commits them.
        loses_order: The engine forgets an ORDER BY where it writes, as Sail does.
    """

    is_local: ClassVar[bool] = True
    """The logs can be read, and tables written, without the engine."""

    def __init__(
        self,
        session: Session,
        root: Path,
        schemas: Mapping[str, T.StructType],
        parallel: int = 4,
        *,
        loses_order: bool = False,
    ) -> None:
        super().__init__(session, root, schemas, parallel)
        self.written: dict[str, int] = {}
        self.expects_few = False
        self.loses_order = loses_order
        self._alike: dict[str, tuple[T.StructField, ...]] = {}  # tables that hold what is declared, and what they hold beside it
        self._lock = threading.Lock()

    def create(self, name: str) -> None:
        """Create an empty table at version 0; nothing happens if it is there."""
        if not self.exists(name):  # delta-rs, since on Spark two dozen tables take a minute
            schema = DeltaSchema.from_json(self._schemas[name].json())
            DeltaTable.create(str(self.folder(name)), schema, "ignore", configuration=_PROPERTIES)

    def checkpoint(self, name: str, every: int = 50) -> None:
        """Write a checkpoint where the log has grown by `every` commits since the last: opening a table reads all of these.

        To be called while the head is what readers trust. Engines make none by themselves (docs/decisions/0010).
        """
        if log.grown(self.folder(name)) >= every:
            self.delta(name).create_checkpoint()
        log.drop_hint(self.folder(name))

    def add_columns(self, name: str) -> None:
        """Add the declared columns that a table does not have, in one commit; its rows are NULL there."""
        missing = self.difference(name).missing
        if missing:
            fields = DeltaSchema.from_json(self._schemas[name].json()).fields
            self.delta(name).alter.add_columns([field for field in fields if field.name in missing])
            self._note(name)

    def append(self, name: str, rows: DataFrame) -> None:
        """Add rows."""
        self._write(name, self._conform(name, rows))

    def record(self, name: str, columns: Mapping[str, Sequence[object]]) -> None:
        """Add a few rows of Python values, see `rows`."""
        if not self.is_local:
            self._write(name, self.rows(columns, self._schemas[name]))
            return
        self._require_alike(name)
        self._write_arrow(name, lambda schema: arrow_of(columns, self._schemas[name], schema))
        self._note(name)

    def overwrite(self, name: str, rows: DataFrame, *, exact: bool = False) -> None:
        """Put rows in the place of all there are.

        Args:
            exact: The frame was made by casting to the table's columns and types, so that it need not be looked at.
        """
        if exact:
            lost = self._require_alike(name)
            rows = rows.withColumns({field.name: F.lit(None).cast(field.dataType) for field in lost}) if lost else rows
        self._write(name, rows if exact else self._conform(name, rows), "overwrite")

    def replace(self, name: str, rows: DataFrame, where: Mapping[str, int], *, held: bool = True, exact: bool = False) -> int:
        """Put rows in the place of one slice.

        Args:
            rows: The new content. The slice columns are set here, so that no row can lie outside of it.
            where: Slice columns and their integers.
            held: False where the slice is known to be empty, which saves a look.
            exact: As for `overwrite`; the slice columns need not be there.

        Returns:
            The number of rows written.
        """
        inside = self._conform(name, rows, slice_=where, exact=exact)
        # Sail's replaceWhere fails on tables with an array column. Two commits do: nobody reads between them, since a bronze
        # slice belongs to the batch that is running and all other tables are read at their published versions.
        if held and not self.is_empty(self.read(name, where=where)):
            self.session.sql(f"DELETE FROM {self._named(name)} WHERE {predicate(where)}").collect()
        before = self.version(name)
        self._write(name, inside)
        return self._rows_added(name) if self.version(name) > before else 0  # for no rows Sail makes no commit

    def put(self, name: str, columns: Mapping[str, Sequence[object]], key: Sequence[str]) -> None:
        """Write a few rows of Python values, each in the place of the one with its key, in one commit.

        By delta-rs: a MERGE of the engine, or its DELETE and an append, take several times longer on so few rows.

        Args:
            key: Columns of integers and ids.
        """
        self._require_alike(name)
        stored = self.delta(name)
        table = arrow_of(columns, self._schemas[name], pa.schema(stored.schema().to_arrow()))
        rows = zip(*(columns[column] for column in key), strict=True)
        same = " OR ".join(f"({' AND '.join(f'{k} = {literal(v)}' for k, v in zip(key, row, strict=True))})" for row in rows)
        write_deltalake(stored, table, mode="overwrite", predicate=same)
        self._note(name)

    def delete(self, name: str, where: Mapping[str, int | str]) -> None:
        """Take one slice away; no commit if it is empty."""
        self.session.sql(f"DELETE FROM {self._named(name)} WHERE {predicate(where)}").collect()
        self._note(name)

    def insert(self, name: str, rows: DataFrame, key: Sequence[str], cuts: Sequence[Any] = ()) -> None:
        """Add many rows in the order of their key, in files that are small enough to be rewritten for one row.

        Args:
            cuts: Values of the key's first column, in order, that cut the rows into parts: a thread orders and writes some of
                them by itself.
        """
        self._write(name, self._sorted(self._conform(name, rows), key, cuts))

    def merge(self, name: str, changes: DataFrame, key: Sequence[str]) -> Staged:
        """Apply changes; no commit is made where there are none.

        Rows that go or change are deleted first, and what comes is appended then: two commits, of which only the second counts,
        since a head is trusted once its step has ended. The engine's own MERGE joins the whole table, whatever the keys.

        Args:
            changes: The table's columns and `_change`: insert, update, upsert (not known which) or delete; one row per key. A
                column `_before` is for whoever looks at them afterwards.
            key: Columns without NULL that identify a row.

        Returns:
            The changes.
        """
        once = self.stage(changes)
        if once.rows == 0:
            return once
        kinds = once.values("_change")
        replaced = once.count_others("_change", INSERT)
        deletes = self.is_local and all(isinstance(self._schemas[name][column].dataType, _LITERAL) for column in key)
        if replaced > (_MANY if deletes else 0):
            self._merge(name, once, key, kinds)
            return once
        rows = self._conform(name, once.frame.where(F.col("_change") != DELETE).drop("_change", "_before"))
        if replaced:
            self._remove(name, once.rows_without("_change", INSERT, key))
        if kinds != {DELETE} and self.is_local and once.rows < _MANY:
            self._write_arrow(name, lambda schema: once.arrow(schema, ("_change", DELETE)))
        elif kinds != {DELETE}:
            self._commit(name, self._sorted(rows, key) if once.rows >= _SORTED_FROM else rows)
        self._note(name)
        return once

    def _remove(self, name: str, keys: Sequence[Mapping[str, object]]) -> None:
        """Delete the rows with these keys; files that hold none of them stay as they are."""
        self.delta(name).delete(key_predicate(keys))

    def _merge(self, name: str, once: Staged, key: Sequence[str], kinds: set[str]) -> None:
        source = self._conform(name, once.frame.drop("_before"), ("_change",))
        columns = [column for column in source.columns if column != "_change"]
        with named({"source": source}) as views:
            statement = merge_statement(self._named(name), views["source"], columns, key, kinds)
            self.session.sql(statement).collect()
        self._note(name)

    def change(self, name: str, how: Callable[[str], object]) -> None:
        """Let something else write a table, given its location; what it commits counts as ours."""
        how(self._location(name))
        self._note(name)

    def restore(self, name: str, version: int) -> int:
        """Make a table's head hold what a version held; returns the head's version. The history stays."""
        table = self.delta(name)
        if table.version() != version:
            table.restore(version)
            self._alike.pop(name, None)  # a version may be older than a column
            self._note(name)
        return self.version(name)

    def forget_written(self) -> dict[str, int]:
        """The versions written since the last call."""
        with self._lock:
            written, self.written = self.written, {}
        return written

    def _sorted(self, rows: DataFrame, key: Sequence[str], cuts: Sequence[Any] = ()) -> DataFrame:
        """The rows in the order of a key, in which they are to be written (docs/decisions/0026)."""
        if not self.loses_order:
            return rows.orderBy(*key)
        part = F.lit(len(cuts))
        if cuts:  # one flat chain: engines refuse deeply nested expressions
            first, *others = (F.col(key[0]) < cut for cut in cuts)
            chain = F.when(first, 0)
            for number, is_before in enumerate(others, 1):
                chain = chain.when(is_before, number)
            part = chain.otherwise(part)
        place = F.row_number().over(Window.partitionBy(part).orderBy(*key))
        return rows.withColumn("_place", place).where("_place > 0").drop("_place")

    def _commit(self, name: str, rows: DataFrame, mode: Mode = "append") -> None:
        """Let the engine write rows; what a lake in a catalog has otherwise."""
        writer = rows.write.format("delta").mode(mode)
        if mode == "append":  # rows will be changed one by one
            writer = writer.option("targetFileSize", str(FILE_BYTES))
        writer.save(self._location(name))

    def _require_alike(self, name: str) -> tuple[T.StructField, ...]:
        """Raise SchemaMismatch unless the table holds what is declared; looked at once.

        Returns:
            The columns it holds beside that: contracts have lost them, and they are NULL from then on (`Lake.evolve`).
        """
        if name not in self._alike:
            found = self.difference(name)
            columns = [*found.missing, *found.changed]
            if columns:
                raise SchemaMismatch(
                    f"{name} is stored with other columns than the contracts say: {', '.join(columns[:5])}.",
                    hint="Nothing was written. Run `cartbrook rebuild` once; it adds new columns.",
                )
            self._alike[name] = tuple(field for field in self._stored(name).fields if field.name in found.surplus)
        return self._alike[name]

    def _write(self, name: str, rows: DataFrame, mode: Mode = "append") -> None:
        staged = self.stage(rows) if self.expects_few else None
        if staged is not None and 0 < staged.rows < _MANY:
            self._write_arrow(name, staged.arrow, mode)
        else:  # that there are no rows must not hang on files that are seen too late
            self._commit(name, staged.frame if staged is not None and staged.rows else rows, mode)
        self._note(name)

    def _write_arrow(self, name: str, rows: Callable[[pa.Schema], pa.Table], mode: Mode = "append") -> None:
        """Write rows by delta-rs, which takes as long as Sail and far less than Spark; it asks for them in the stored schema."""
        stored = self.delta(name)
        write_deltalake(stored, rows(pa.schema(stored.schema().to_arrow())), mode=mode)

    def _note(self, name: str) -> None:
        version = self.version(name)
        with self._lock:
            self.written[name] = version

    def _conform(
        self,
        name: str,
        rows: DataFrame,
        extra: Sequence[str] = (),
        *,
        slice_: Mapping[str, int] | None = None,
        exact: bool = False,
    ) -> DataFrame:
        """The rows in the table's column order, if they have exactly the declared columns and types.

        Args:
            slice_: Columns that are set to integers here.
            exact: The rows are known to have the declared columns; asking them would have the engine plan them once more.
        """
        lost = {field.name: field.dataType for field in self._require_alike(name)}
        declared = fit.kinds(self._schemas[name])
        set_here = {column: F.lit(value).cast("int").alias(column) for column, value in (slice_ or {}).items()}
        given = declared if exact else fit.kinds(rows.schema)
        wrong = fit.misfits(given, declared, {*lost, *extra}, set_here)
        if wrong:
            raise SchemaMismatch(f"Rows for {name} do not fit: {'; '.join(wrong[:5])}.", hint="Nothing was written.")
        kept = (F.col(column) if column in given else F.lit(None).cast(kind).alias(column) for column, kind in lost.items())
        return rows.select(*(set_here.get(column, F.col(column)) for column in declared), *kept, *extra)
