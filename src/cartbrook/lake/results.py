"""Rows of ops.quality_results: one slice for each revision of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cartbrook.lake.tables import Tables
from cartbrook.types import Batch

QUALITY_RESULTS = "ops.quality_results"


def save_results(tables: Tables, batch: Batch, results: Sequence[Mapping[str, Any]]) -> None:
    """Put the results of a batch's revision in the place of those of its earlier runs.

    Args:
        results: The table's columns but those that name the batch.
    """
    schema = tables.schema(QUALITY_RESULTS)
    named = {"batch_seq": batch.batch_seq, "batch_id": batch.batch_id, "revision": batch.revision}
    rows = [{**named, **result} for result in results]
    columns = {name: [row[name] for row in rows] for name in schema.names}
    tables.replace(QUALITY_RESULTS, tables.rows(columns, schema), {"batch_seq": batch.batch_seq, "revision": batch.revision})
