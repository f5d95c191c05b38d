"""The ledger: publications (the one commit that counts), batches, and what each step did."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cartbrook.errors import PublicationNotFound, WorkspaceError
from cartbrook.lake.log import Mark
from cartbrook.lake.tables import Tables
from cartbrook.lake.values import fetch
from cartbrook.types import BatchRow, LiveBatch, Operation, Publication, StepRun

BATCHES = "ops.batches"
PUBLICATIONS = "ops.publications"
STEP_RUNS = "ops.step_runs"

_FEW = 20
"""Rows that are replaced by a predicate that names each of them."""

_STRING, _INT, _LONG, _TIME = T.StringType(), T.IntegerType(), T.LongType(), T.TimestampType()


def _schema(**fields: T.DataType) -> T.StructType:
    return T.StructType([T.StructField(name, kind, True) for name, kind in fields.items()])


_LIVE = _schema(batch_id=_STRING, revision=_INT, batch_seq=_INT, batch_date=_STRING)
_VERSIONS = T.MapType(_STRING, _LONG)

SCHEMAS: Mapping[str, T.StructType] = {
    BATCHES: _schema(
        batch_id=_STRING,
        revision=_INT,
        batch_seq=_INT,
        batch_date=T.DateType(),
        status=_STRING,
        attempt=_INT,
        score=T.DecimalType(5, 2),
        rows_read=_LONG,
        rows_accepted=_LONG,
        rows_corrected=_LONG,
        rows_discarded=_LONG,
        rows_quarantined=_LONG,
        rows_parked=_LONG,
        rows_duplicate=_LONG,
        rows_rejected=_LONG,
        started_at=_TIME,
        finished_at=_TIME,
        error=_STRING,
        content_hash=_STRING,
        rules_hash=_STRING,
        manifest=_STRING,
        warnings=T.ArrayType(_STRING),
    ),
    PUBLICATIONS: _schema(
        publish_seq=_LONG,
        cause=_STRING,
        batch_id=_STRING,
        revision=_INT,
        as_of=T.DateType(),
        live=T.ArrayType(_LIVE),
        table_versions=_VERSIONS,
        rules_hash=_STRING,
        logic_hash=_STRING,
        batch_rows=_STRING,
        published_at=_TIME,
    ),
    STEP_RUNS: _schema(
        batch_id=_STRING,
        revision=_INT,
        step=_STRING,
        attempt=_INT,
        status=_STRING,
        seconds=T.DoubleType(),
        rows_in=_LONG,
        rows_out=_LONG,
        error=_STRING,
        token=_STRING,
        base_seq=_LONG,
        ordinal=_INT,
        table_versions=_VERSIONS,
        recorded_at=_TIME,
    ),
}
"""Tables of the ledger. Unlike the pinned tables they are read at their heads."""


def utc_now() -> str:
    """The machine's time as ISO text in UTC: for audit columns only, no figure depends on it."""
    return dt.datetime.fromtimestamp(time.time(), dt.UTC).isoformat()


def minutes_since(moment: str) -> float:
    """Minutes from a time of `utc_now` until now."""
    return (time.time() - dt.datetime.fromisoformat(moment).timestamp()) / 60


class Ledger:
    """Reads and writes the three ledger tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._newest: tuple[Mark, Publication] | None = None
        self._batches: tuple[Mark, dict[tuple[str, int], BatchRow]] | None = None
        self._versions: dict[str, dict[str, int]] = {}  # by token, what was recorded of operations that began here

    # publications

    def newest(self) -> Publication:
        """What readers trust now; read once as long as its table's head is the same.

        Raises:
            WorkspaceError: There is none: `init` did not finish.
        """
        mark = self._tables.mark(PUBLICATIONS)
        if self._newest is None or self._newest[0] != mark:
            table = self._tables.read(PUBLICATIONS).drop("published_at").orderBy(F.col("publish_seq").desc()).limit(1)
            rows = fetch(table)
            if not rows:
                raise WorkspaceError("The workspace is not ready: `init` was interrupted.", hint="Run `cartbrook init` again.")
            self._newest = mark, _publication(rows[0])
        return self._newest[1]

    def publication(self, publish_seq: int) -> Publication:
        """An earlier publication.

        Raises:
            PublicationNotFound: There is none of that number.
        """
        rows = fetch(self._tables.read(PUBLICATIONS).where(F.col("publish_seq") == publish_seq).drop("published_at"))
        if not rows:
            hint = 'cartbrook query "SELECT publish_seq, cause, batch_id, published_at FROM ops.publications"'
            raise PublicationNotFound(f"There is no publication {publish_seq}.", hint=hint)
        return _publication(rows[0])

    def published_at(self, publish_seq: int) -> str:
        """When a publication was made, as ISO text in UTC."""
        table = self._tables.read(PUBLICATIONS).where(F.col("publish_seq") == publish_seq).select("published_at")
        return str(fetch(_timeless(table, "published_at"))[0]["published_at"])

    def publications(self, most: int = 50) -> list[Publication]:
        """The newest publications, newest first."""
        table = self._tables.read(PUBLICATIONS).drop("published_at").orderBy(F.col("publish_seq").desc()).limit(most)
        return [_publication(row) for row in fetch(table)]

    def publish(self, publication: Publication) -> None:
        """The commit that counts, then ops.batches after it."""
        row: dict[str, Any] = {
            "publish_seq": publication.publish_seq,
            "cause": publication.cause,
            "batch_id": publication.batch_id,
            "revision": publication.revision,
            "as_of": publication.as_of,
            "live": [dataclasses.asdict(entry) | {"batch_date": entry.batch_date.isoformat()} for entry in publication.live],
            "table_versions": publication.table_versions,
            "rules_hash": publication.rules_hash,
            "logic_hash": publication.logic_hash,
            "batch_rows": json.dumps([dataclasses.asdict(row) for row in publication.batch_rows]),
            "published_at": utc_now(),
        }
        known, self._newest = self._newest, None
        if known is not None and known[0] != self._tables.mark(PUBLICATIONS):
            known = None
        self._append(PUBLICATIONS, [row])
        if known is not None and publication.publish_seq > known[1].publish_seq:
            self._newest = self._tables.mark(PUBLICATIONS), publication

    # batches

    def batches(self, *batch_ids: str) -> list[BatchRow]:
        """Rows of ops.batches in the order of their first arrival and revision; those of some ids if given (case is ignored)."""
        wanted = {batch_id.lower() for batch_id in batch_ids}
        rows = [row for row in self._rows().values() if not wanted or row.batch_id.lower() in wanted]
        return sorted(rows, key=lambda row: (row.batch_seq, row.revision))

    def save(self, rows: Sequence[BatchRow], *, new: bool = False) -> None:
        """Write rows of ops.batches, each in the place of the one with its (batch_id, revision).

        Args:
            new: None of them is there yet.
        """
        held = self._rows()
        self._batches = None
        values = [dataclasses.asdict(row) for row in rows]
        if new:
            self._append(BATCHES, values)
        elif len(rows) <= _FEW:
            self._tables.put(BATCHES, _columns(values), ("batch_id", "revision"))
        else:
            frame = self._tables.rows(_columns(values), SCHEMAS[BATCHES])
            self._tables.merge(BATCHES, frame.withColumn("_change", F.lit("upsert")), ("batch_id", "revision"))
        self._tables.forget_written()
        self._batches = self._tables.mark(BATCHES), held | {(row.batch_id, row.revision): _as_read(row) for row in rows}

    def next_seq(self) -> int:
        """The batch_seq of the next batch id that is seen for the first time."""
        return max((row.batch_seq for row in self._rows().values()), default=0) + 1

    def _rows(self) -> dict[tuple[str, int], BatchRow]:
        """All rows of ops.batches, read once as long as the table's head is the same."""
        mark = self._tables.mark(BATCHES)
        if self._batches is None or self._batches[0] != mark:
            rows = fetch(_timeless(self._tables.read(BATCHES), "started_at", "finished_at"))
            read = [_batch_row({name: _plain(value) for name, value in row.items()}) for row in rows]
            self._batches = mark, {(row.batch_id, row.revision): row for row in read}
        return self._batches[1]

    # steps

    def record(self, operation: Operation, runs: Sequence[StepRun]) -> None:
        """Append what steps did and the versions they gave to tables, in one commit."""
        if not runs:
            return
        only = operation.batch if len(operation.batches) == 1 else None
        named = {
            "batch_id": only.batch_id if only else operation.cause,
            "revision": only.revision if only else 0,
            "attempt": operation.attempt,
            "token": operation.token,
            "base_seq": operation.base.publish_seq,
            "recorded_at": utc_now(),
        }
        rows = [
            {
                **named,
                "ordinal": ordinal,
                "step": run.step,
                "status": "failed" if run.error else "done",
                "seconds": run.seconds,
                "rows_in": run.result.rows_in,
                "rows_out": run.result.rows_out,
                "error": run.error,
                "table_versions": run.versions,
            }
            for ordinal, run in enumerate(runs)
        ]
        self._append(STEP_RUNS, rows)
        if not operation.stepwise:  # else it may have begun in another process
            known = self._versions.setdefault(operation.token, {})
            for run in runs:
                known.update(run.versions)

    def versions_by(self, operation: Operation) -> dict[str, int]:
        """The last version that the run of an operation recorded for each table."""
        if operation.token in self._versions:
            return self._versions[operation.token]
        # base_seq rises with time, so that statistics of files tell which of them to leave out.
        table = self._tables.read(STEP_RUNS)
        table = table.where((F.col("base_seq") == operation.base.publish_seq) & (F.col("token") == operation.token))
        versions: dict[str, int] = {}
        for row in fetch(table.select("table_versions")):
            for name, version in row["table_versions"] or ():
                versions[name] = max(version, versions.get(name, -1))
        return versions

    def steps(self, batch_id: str, revision: int) -> list[dict[str, Any]]:
        """What the steps of a batch did, oldest first."""
        table = self._tables.read(STEP_RUNS).where((F.lower("batch_id") == batch_id.lower()) & (F.col("revision") == revision))
        rows = fetch(_timeless(table.orderBy("attempt", "recorded_at", "ordinal"), "recorded_at"))
        return [{**row, "table_versions": dict(row["table_versions"] or ())} for row in rows]

    def _append(self, name: str, rows: list[dict[str, Any]]) -> None:
        self._tables.record(name, _columns(rows))
        self._tables.forget_written()


def _timeless(frame: DataFrame, *times: str) -> DataFrame:
    """Times as ISO text, made by the engine."""
    return frame.withColumns({name: F.date_format(name, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'") for name in times})


def _columns(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


def _batch_row(row: Mapping[str, Any]) -> BatchRow:
    """A row of ops.batches; columns that a lake made by older code lacks are as in a new row."""
    return BatchRow(**{**row, "warnings": tuple(row.get("warnings") or ())})


def _plain(value: Any) -> Any:
    """Times, dates and decimals as text."""
    if value is None or isinstance(value, int | str | list):
        return value
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _as_read(row: BatchRow) -> BatchRow:
    """A row as the table gives it back."""
    score = None if row.score is None else str(Decimal(row.score).quantize(Decimal("0.01")))
    started, finished = _moment(row.started_at), _moment(row.finished_at)
    return dataclasses.replace(row, score=score, warnings=tuple(row.warnings), started_at=started, finished_at=finished)


def _moment(text: str | None) -> str | None:
    return text and dt.datetime.fromisoformat(text).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _publication(row: Mapping[str, Any]) -> Publication:
    return Publication(
        publish_seq=row["publish_seq"],
        cause=row["cause"],
        batch_id=row["batch_id"],
        revision=row["revision"],
        as_of=row["as_of"],
        live=tuple(
            LiveBatch(entry["batch_id"], entry["revision"], entry["batch_seq"], dt.date.fromisoformat(entry["batch_date"]))
            for entry in row["live"] or ()
        ),
        table_versions=dict(row["table_versions"]),
        rules_hash=row["rules_hash"],
        logic_hash=row["logic_hash"],
        batch_rows=tuple(_batch_row(entry) for entry in json.loads(row["batch_rows"])),
    )
