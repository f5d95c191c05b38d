"""The records of delivered CSV files: counted, and read as Arrow batches.

`csv_blocks` finds the records of a file; scanning counts them and reading parses them, so both always mean the same rows. pyarrow
takes the fields apart. pyarrow alone is not enough: it swallows the rest of a file after an unclosed quote, accepts ``"5"6``, and
knows no physical lines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from cartbrook.config import Settings
from cartbrook.errors import FileRefused
from cartbrook.lake.csv_blocks import BOM, Block, Ints, Limits, delivered

__all__ = ["LINEAGE", "FileScan", "Limits", "limits_of", "read_batches", "scan_file"]

LINEAGE = ("_source_file", "_source_line", "_rescued", "_raw", "_defect")
"""Columns that every batch has beside those asked for."""

_NEEDS_ESCAPE = r'["\\\x00-\x1f]'
_NO_TEXT = (b"\0", b"\x1f")  # what hashes put between texts and for NULL: in a text, two records could share one
_DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class FileScan:
    """What one pass over a file found.

    Attributes:
        header: Names of the columns, without blanks around them, in the file's order.
        rows: Delivered records, ragged ones included; equals the number of rows `read_batches` yields.
        blank_lines: Records without any text, or with empty fields only; those before the header included.
        sha256: Hex digest of the raw bytes.
        bytes: Size of the file.
        torn: The last record has fewer fields than the header and no line end: most likely the file was cut off there.
    """

    header: tuple[str, ...]
    rows: int
    blank_lines: int
    sha256: str
    bytes: int
    torn: bool = False


def limits_of(settings: Settings) -> Limits:
    """What a delivered file may hold, from the settings."""
    names = ("max_file_bytes", "max_field_bytes", "max_line_breaks", "max_columns")
    return Limits(**{name: getattr(settings, name) for name in names})


def scan_file(path: Path, *, encoding: str = "utf-8", limits: Limits = _DEFAULTS, name: str | None = None) -> FileScan:
    """Read a file once, in bounded memory, and find out whether it can be taken in.

    Args:
        path: Where the file lies.
        encoding: As Python names it; never guessed.
        limits: What the file may hold.
        name: Name for messages; that of `path` by default.

    Raises:
        FileRefused: With the line where it is known. Codes: empty_file, file_too_large, not_text, wrong_encoding, bad_header,
            duplicate_column, too_many_columns, bad_quote, unclosed_quote, record_too_long, lone_cr.
    """
    digest = hashlib.sha256()
    size = rows = blanks = 0

    def count(raw: bytes) -> None:
        nonlocal size
        digest.update(raw)
        size += len(raw)

    header: tuple[str, ...] = ()
    torn = False
    for known, block in delivered(path, encoding, limits, name or path.name, count):
        header = known
        rows += int(np.count_nonzero(~block.blank[block.skip :]))
        blanks += int(np.count_nonzero(block.blank))
        torn = _is_torn(block, len(header))
    return FileScan(header, rows, blanks, digest.hexdigest(), size, torn)


def read_batches(
    path: Path,
    *,
    columns: Sequence[str],
    encoding: str = "utf-8",
    limits: Limits = _DEFAULTS,
    name: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the delivered records of a file; memory is a few times `limits.block_bytes`.

    Ragged records come after the others of their block. All buffers belong to Arrow: one that belongs to Python or NumPy can be
    freed only under the GIL, and Sail then hangs at volume.

    Args:
        path: Where the file lies.
        columns: Header names to deliver, as text exactly as it came; the empty field is NULL, a name the header lacks all NULL.
        encoding: As Python names it.
        limits: The same as for `scan_file`.
        name: What `_source_file` says; the name of `path` by default.

    Returns:
        Batches of `columns` and then LINEAGE: `_source_file`; `_source_line` (int64, the header is mostly 1); `_rescued`, a JSON
        object of the header names not asked for and their text; `_raw`, the text of a ragged record; `_defect`: ragged_row,
        nul_byte (also for U+001F), field_too_long, too_many_line_breaks or NULL.

    Raises:
        FileRefused: As from `scan_file`; with code unreadable if pyarrow and the byte structure disagree.
    """
    label = name or path.name
    for header, block in delivered(path, encoding, limits, label, None):
        if block.skip < block.starts.size:
            yield from _batches(block, header, tuple(columns), limits, label)


# From blocks to batches


def _batches(
    block: Block, header: tuple[str, ...], columns: tuple[str, ...], limits: Limits, name: str
) -> Iterator[pa.RecordBatch]:
    skip = block.skip
    table, ragged = _parse(block.data[int(block.starts[skip]) :], len(header))
    parsed = np.ones(block.starts.size, dtype=np.bool_)
    parsed[:skip] = False
    if ragged and not (min(ragged) > 0 and max(ragged) <= parsed.size - skip):
        raise _unreadable(name, block)
    parsed[np.asarray(list(ragged), dtype=np.int64) + skip - 1] = False
    if np.count_nonzero(parsed) != table.num_rows:
        raise _unreadable(name, block)
    if block.blank.any():
        table = table.filter(pa.array(~block.blank[parsed]))
    good = np.flatnonzero(parsed & ~block.blank)
    if good.size:
        defects = _defects(block, good, table, limits)
        yield _assemble(table, header, columns, name, block.lines[good], defects)
    torn = ~parsed & ~block.blank
    torn[:skip] = False
    if torn.any():
        yield _ragged(block, np.flatnonzero(torn), columns, name)


def _is_torn(block: Block, width: int) -> bool:
    """True if the last record of a block has no line end and fewer fields than the header."""
    if block.data.endswith(b"\n") or block.blank[-1] or block.skip >= block.starts.size:
        return False
    _, ragged = _parse(block.data[int(block.starts[-1]) :], width)
    return ragged.get(1, width) < width


def _parse(data: bytes, width: int) -> tuple[pa.Table, dict[int, int]]:
    """Take records apart: a table of text columns, and of the records of another width the number (from 1) and the width."""
    ragged: dict[int, int] = {}

    def aside(row: Any) -> str:
        ragged[row.number] = row.actual_columns
        return "skip"

    if data.startswith(BOM):
        data = BOM + data  # pyarrow takes one off every block, but only the file's first is a mark
    names = [f"c{place}" for place in range(width)]
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
        parse_options=pa_csv.ParseOptions(
            escape_char=False, newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=aside
        ),
        convert_options=pa_csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    return table, ragged


def _unreadable(name: str, block: Block) -> FileRefused:
    message = "the records that begin here are taken apart in two ways"
    return FileRefused("unreadable", name, message, line=int(block.lines[block.skip]), hint="Please report this file.")


def _assemble(
    table: pa.Table, header: tuple[str, ...], columns: tuple[str, ...], name: str, lines: Ints, defects: Any
) -> pa.RecordBatch:
    rows = lines.size
    text = {label: column.combine_chunks() for label, column in zip(header, table.columns, strict=True)}
    extra = {label: column for label, column in text.items() if label not in columns}
    nothing = pa.nulls(rows, pa.string())
    wanted = [text.get(label, nothing) for label in columns]
    rescued = _rescued(extra) if extra else nothing
    return pa.RecordBatch.from_arrays(
        [*wanted, pa.repeat(pa.scalar(name), rows), _owned(lines), rescued, nothing, nothing if defects is None else defects],
        names=[*columns, *LINEAGE],
    )


def _owned(numbers: Ints) -> Any:
    return pc.add(pa.array(numbers), 0)  # a copy in Arrow's memory, see read_batches


def _rescued(extra: dict[str, Any]) -> Any:
    """One JSON object for each row: header name -> text as delivered, the empty field included."""
    parts: list[Any] = []
    for label, column in extra.items():
        lead = ("{" if not parts else ", ") + json.dumps(label, ensure_ascii=False) + ": "
        filled = pc.fill_null(column, "")
        if pc.any(pc.match_substring_regex(filled, _NEEDS_ESCAPE)).as_py():
            filled = pa.array([json.dumps(value, ensure_ascii=False) for value in filled.to_pylist()], pa.string())
            parts += [lead, filled]
        else:
            parts += [lead + '"', filled, '"']
    return pc.binary_join_element_wise(*parts, "}", "")


def _defects(block: Block, good: Ints, table: pa.Table, limits: Limits) -> Any | None:
    """The defect of each parsed record, or None if there is not one; only suspicious records are looked into."""
    found: dict[int, str] = {}
    following = np.append(block.lines[1:], block.next_line)
    tall = np.flatnonzero((following - block.lines)[good] > limits.max_line_breaks)
    _mark(found, table, tall, "too_many_line_breaks", lambda c: pc.greater(pc.count_substring(c, "\n"), limits.max_line_breaks))
    long = np.flatnonzero((block.ends - block.starts)[good] > limits.max_field_bytes)
    _mark(found, table, long, "field_too_long", lambda c: pc.greater(pc.binary_length(c), limits.max_field_bytes))
    for byte in _NO_TEXT:
        if byte in block.data:
            places = np.flatnonzero(np.frombuffer(block.data, dtype=np.uint8) == byte[0])
            records = np.unique(np.searchsorted(block.starts, places, side="right") - 1)
            found |= dict.fromkeys(np.flatnonzero(np.isin(good, records)).tolist(), "nul_byte")
    return pa.array([found.get(row) for row in range(good.size)], pa.string()) if found else None


def _mark(found: dict[int, str], table: pa.Table, suspects: Ints, defect: str, is_bad: Callable[[Any], Any]) -> None:
    if suspects.size:
        rows = table.take(pa.array(suspects))
        for column in rows.columns:
            bad = pc.fill_null(is_bad(column), False).to_numpy().astype(np.bool_)
            found.update(dict.fromkeys(suspects[bad].tolist(), defect))


def _ragged(block: Block, records: Ints, columns: tuple[str, ...], name: str) -> pa.RecordBatch:
    rows = records.size
    spans = zip(block.starts[records].tolist(), block.ends[records].tolist(), strict=True)
    raw = pa.array([block.data[begin:end].decode("utf-8") for begin, end in spans], pa.string())
    nothing = pa.nulls(rows, pa.string())
    return pa.RecordBatch.from_arrays(
        [
            *[nothing] * len(columns),
            pa.repeat(pa.scalar(name), rows),
            _owned(block.lines[records]),
            nothing,
            raw,
            pa.repeat(pa.scalar("ragged_row"), rows),
        ],
        names=[*columns, *LINEAGE],
    )
