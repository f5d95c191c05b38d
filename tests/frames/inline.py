"""Frames from inline rows."""

from __future__ import annotations

import pyarrow as pa


def typed(session, schema, rows):
    """A frame of a schema from inline rows of texts; arrays are lists of texts, what a row does not say is NULL."""
    if not rows:
        return session.createDataFrame([], schema)
    kinds = [(field.name, field.dataType.simpleString()) for field in schema.fields]
    lists = {name for name, kind in kinds if kind.startswith("array")}
    arrays = {
        name: pa.array([row.get(name) for row in rows], pa.list_(pa.string()) if name in lists else pa.string())
        for name, _ in kinds
    }
    frame = session.createDataFrame(pa.table(arrays))
    return frame.selectExpr(*(name if name in lists else f"CAST({name} AS {kind}) AS {name}" for name, kind in kinds))
