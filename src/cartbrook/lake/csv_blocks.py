"""The byte-level structure of delivered CSV files: blocks that end where a record ends.

NumPy finds quotes and line ends; a loop over quotes runs only in blocks where a quote is plain text (``5" pipe``).

What a record is: fields are parted by commas, records by LF or CRLF. A quote that begins a field quotes it, a doubled quote in
it is one quote; any other quote, and every backslash, is plain text. A CR outside quotes that no LF follows could be a line end
or text, so the file is refused; as the last byte of a file it is a line end that lost its LF.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from cartbrook.errors import FileRefused

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

BOM = codecs.BOM_UTF8
_LF, _CR, _QUOTE = b'\n\r"'
_SMALLEST_READ = 64  # the first block must hold the marks that tell a file's kind
_MOST_LINES = 2**18  # of a block, where records end: eight million empty lines would need arrays of 600 MB
_LONGEST_NAME = 1_000  # bytes, on average: a header of any size must not become millions of strings
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_TEXT = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh91AY&SY": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
}
_BLANK_RECORD = re.compile(rb'(?:"[ \t\r\n\v\f]*+"|[ \t\v\f]*+)(?:,(?:"[ \t\r\n\v\f]*+"|[ \t\v\f]*+))*+')


def _table(members: bytes) -> Bools:
    flags = np.zeros(256, dtype=np.bool_)
    flags[list(members)] = True
    return flags


_BEFORE_FIELD = _table(b",\n")
_BEFORE_OPENING = _table(b',\n"')
_AFTER_CLOSING = _table(b',\r\n"')
_MAY_BE_BLANK = _table(b' \t\v\f,"\r\n')


@dataclass(frozen=True, slots=True)
class Limits:
    """What a delivered file may hold. Sizes are in bytes, of fields after decoding to UTF-8.

    Attributes:
        max_file_bytes: A larger file is refused.
        max_field_bytes: A record with a longer field gets the defect ``field_too_long``.
        max_line_breaks: A record with a field of more line breaks gets the defect ``too_many_line_breaks``.
        max_columns: A header with more names is refused.
        block_bytes: How much is read at once; memory is a small multiple of it.
    """

    max_file_bytes: int = 5 * 2**30
    max_field_bytes: int = 2**20
    max_line_breaks: int = 100
    max_columns: int = 2_000
    block_bytes: int = 8 * 2**20

    @property
    def max_record_bytes(self) -> int:
        """A record known to be longer is refused: it must fit in memory, and mostly it is a quote nobody closed."""
        return max(64 * 2**20, 8 * self.block_bytes, 8 * self.max_field_bytes)


@dataclass(slots=True)
class Block:
    """Whole records of a file, as UTF-8.

    Attributes:
        data: Their bytes, from the first record's first byte.
        starts: Where each record begins in `data`.
        ends: Where each record's text ends, its line end excluded.
        lines: Physical line where each record begins.
        blank: Records that are no delivered row.
        next_line: Physical line of the record after the block.
        skip: Records up to and including the header.
    """

    data: bytes
    starts: Ints
    ends: Ints
    lines: Ints
    blank: Bools
    next_line: int
    skip: int = 0


def delivered(
    path: Path, encoding: str, limits: Limits, name: str, tap: Callable[[bytes], None] | None
) -> Iterator[tuple[tuple[str, ...], Block]]:
    """The blocks of a file, each with the header's names; `tap` is given the raw bytes as they are read."""
    header: tuple[str, ...] = ()
    with path.open("rb") as handle:
        for block in _blocks(_utf8_chunks(handle, encoding, limits, name, tap), limits, name):
            if not header:
                texts = np.flatnonzero(~block.blank)
                block.skip = int(texts[0]) + 1 if texts.size else block.blank.size
                header = _header(block, int(texts[0]), limits, name) if texts.size else ()
            yield header, block
    if not header:
        raise FileRefused("empty_file", name, "the file holds no header", hint="Deliver at least the line of column names.")


def _utf8_chunks(
    handle: BinaryIO, encoding: str, limits: Limits, name: str, tap: Callable[[bytes], None] | None
) -> Iterator[bytes]:
    """The file as UTF-8 in pieces, without a byte-order mark; pieces of a UTF-8 file are not yet validated."""
    decoder = _decoder(encoding, name)
    size, lines, first = 0, 1, True
    while True:
        raw = handle.read(max(limits.block_bytes, _SMALLEST_READ))
        size += len(raw)
        if size > limits.max_file_bytes:
            raise FileRefused("file_too_large", name, f"the file is larger than {limits.max_file_bytes:,} bytes")
        if tap:
            tap(raw)
        if first:
            _check_kind(raw, encoding, is_utf8=decoder is None, name=name)
        data = _recode(decoder, raw, lines, encoding, name) if decoder else raw
        if first and data:
            data, first = data.removeprefix(BOM), False
            if b"\0" in data[: data.find(b"\n") if b"\n" in data else len(data)]:
                raise FileRefused("not_text", name, "the first line holds NUL bytes", line=1, hint="Is it binary, or UTF-16?")
        if decoder:
            lines += data.count(b"\n")
        if data:
            yield data
        if not raw:
            return


def _decoder(encoding: str, name: str) -> codecs.IncrementalDecoder | None:
    try:
        "a".encode(encoding)  # refuses names like "zip" or "hex", which are codecs but no encodings
        known = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        message = f"the declared encoding {encoding[:40]!r} is unknown"
        raise FileRefused("wrong_encoding", name, message, hint="Name it as Python does, e.g. utf-8, cp1252, utf-16.") from None
    return None if known in ("utf-8", "utf-8-sig") else codecs.getincrementaldecoder(known)("strict")


def _check_kind(raw: bytes, encoding: str, *, is_utf8: bool, name: str) -> None:
    for magic, kind in _NOT_TEXT.items():
        if raw.startswith(magic):
            raise FileRefused("not_text", name, f"the file is not text but {kind}", hint="Deliver it unpacked, as CSV.")
    wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
    found = "utf-16" if raw.startswith(_UTF16_MARKS) and not wide else "utf-8" if raw.startswith(BOM) and not is_utf8 else None
    if found:
        message = f"the file begins with the mark of {found}, but {encoding} is declared"
        hint = f"Declare encoding {found} in the contract or trigger, or deliver {encoding}."
        raise FileRefused("wrong_encoding", name, message, line=1, hint=hint)


def _recode(decoder: codecs.IncrementalDecoder, raw: bytes, line: int, encoding: str, name: str) -> bytes:
    _, state = decoder.getstate()
    try:
        return decoder.decode(raw, final=not raw).encode("utf-8")
    except UnicodeDecodeError as error:
        # What precedes the bad byte is mostly decodable; the same codec then tells how many lines that is.
        decoder.setstate((b"", state))
        with contextlib.suppress(UnicodeError):
            line += decoder.decode(error.object[: error.start]).count("\n")
    except UnicodeError:  # utf-16 without its mark, or text that UTF-8 cannot hold
        pass
    raise _wrong_encoding(name, line, encoding)


def _wrong_encoding(name: str, line: int, encoding: str) -> FileRefused:
    hint = "Declare the encoding the file has in the contract or trigger, e.g. cp1252."
    return FileRefused("wrong_encoding", name, f"bytes that are not {encoding}", line=line, hint=hint)


def _blocks(chunks: Iterator[bytes], limits: Limits, name: str) -> Iterator[Block]:
    """Cut the stream where records end; a record longer than a chunk doubles what is read before the next look."""
    pieces: list[bytes] = []
    held = wanted = 0
    line = 1
    for chunk in itertools.chain(chunks, (b"",)):
        if chunk:
            pieces.append(chunk)
            held += len(chunk)
            if held < wanted:
                continue
        if not held:
            return
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        while data and (block := _records(data, line, final=not chunk, name=name)):
            line = block.next_line
            data = data[len(block.data) :]
            yield block
        pieces, held = [data], len(data)
        if held > limits.max_record_bytes:
            message = f"a record of more than {limits.max_record_bytes:,} bytes begins here"
            raise FileRefused("record_too_long", name, message, line=line, hint="Most likely a quote in it is never closed.")
        wanted = min(2 * held, limits.max_record_bytes + 1)


def _records(data: bytes, line: int, *, final: bool, name: str) -> Block | None:
    """Whole records at the beginning of `data`, which begins with a record on `line`; None if not one ends there."""
    flat = np.frombuffer(data, dtype=np.uint8)
    breaks = np.flatnonzero(flat == _LF)
    if breaks.size > _MOST_LINES:
        head = _records(data[: int(breaks[_MOST_LINES - 1]) + 1], line, final=False, name=name)
        if head is not None:
            return head
    quotes = _quotes(data, flat, line, name)
    order = np.flatnonzero((np.searchsorted(quotes, breaks) & 1) == 0) if quotes.size else np.arange(breaks.size)
    stops, offsets = breaks[order], order + 1
    if final and not (stops.size and stops[-1] == flat.size - 1):
        if quotes.size & 1:
            raise _unclosed(data, flat, quotes, line, name)
        stops, offsets = np.append(stops, flat.size), np.append(offsets, breaks.size)
    if not stops.size:
        return None
    data = data[: int(stops[-1]) + 1]
    _check_utf8(data, line, name)
    _check_cr(data, flat, quotes, line, final=final, name=name)
    starts = np.concatenate(([0], stops[:-1] + 1))
    lines = np.concatenate(([line], line + offsets[:-1]))
    ends = stops - ((stops > starts) & (flat[np.maximum(stops, 1) - 1] == _CR))
    blank = _blank(data, flat, starts, ends, stops)
    return Block(data, starts, ends, lines, blank, line + int(offsets[-1]))


def _quotes(data: bytes, flat: npt.NDArray[np.uint8], line: int, name: str) -> Ints:
    """Where the quotes are that open (even places) and close (odd places); a doubled quote closes and opens again."""
    if b'"' not in data:
        return np.zeros(0, dtype=np.int64)
    quotes = np.flatnonzero(flat == _QUOTE)
    before = flat[np.maximum(quotes - 1, 0)]
    after = flat[np.minimum(quotes + 1, flat.size - 1)]
    before[0] = before[0] if quotes[0] else _LF
    # What follows the last byte is unknown (the record is looked at again) or the end of the file.
    after[-1] = after[-1] if quotes[-1] < flat.size - 1 else _LF
    opens, closes = _BEFORE_OPENING[before], _AFTER_CLOSING[after]
    if opens[0::2].all() and closes[1::2].all():
        return quotes
    codes = _BEFORE_FIELD[before] + 2 * (before == _QUOTE).astype(np.uint8) + 4 * closes.astype(np.uint8)
    kept, bad = _structural(codes.astype(np.uint8).tobytes())
    if bad is not None:
        place = int(quotes[bad])
        hint = "Double the quotes inside a quoted field."
        at = line + data.count(b"\n", 0, place)
        raise FileRefused("bad_quote", name, "text after a closing quote", line=at, hint=hint)
    return quotes[np.frombuffer(kept, dtype=np.bool_)]


def _structural(codes: bytes) -> tuple[bytes, int | None]:
    """Tell quotes that open or close a field from those that are text.

    Args:
        codes: One byte for each quote, a sum: 1 a field begins here, 2 the byte before is a quote, 4 what comes next may follow a
            closing quote.

    Returns:
        For each quote 1 if it is structural, else 0; and the place of a closing quote with text behind it, or None.
    """
    kept = bytearray(len(codes))
    inside = closed = False
    for place, code in enumerate(codes):
        if inside:
            if not code & 4:
                return bytes(kept), place
            inside, closed, kept[place] = False, True, 1
        elif code & 1 or (closed and code & 2):
            inside, kept[place] = True, 1
        else:
            closed = False
    return bytes(kept), None


def _unclosed(data: bytes, flat: npt.NDArray[np.uint8], quotes: Ints, line: int, name: str) -> FileRefused:
    opening = quotes[0::2]
    fields = opening[(opening == 0) | (flat[np.maximum(opening - 1, 0)] != _QUOTE)]
    at = line + data.count(b"\n", 0, int(fields[-1]))
    return FileRefused("unclosed_quote", name, "the quote that begins a field here is never closed", line=at)


def _check_utf8(data: bytes, line: int, name: str) -> None:
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _wrong_encoding(name, line + data.count(b"\n", 0, error.start), "utf-8") from None


def _check_cr(data: bytes, flat: npt.NDArray[np.uint8], quotes: Ints, line: int, *, final: bool, name: str) -> None:
    if b"\r" not in data:
        return
    places = np.flatnonzero(flat[: len(data)] == _CR)
    if final and places[-1] == flat.size - 1:
        places = places[:-1]
    lone = places[flat[places + 1] != _LF] if places.size else places
    lone = lone[(np.searchsorted(quotes, lone) & 1) == 0]
    if lone.size:
        at = line + data.count(b"\n", 0, int(lone[0]))
        hint = "End lines with LF or CRLF, and quote fields that hold a CR."
        raise FileRefused("lone_cr", name, "a carriage return without a line feed, outside quotes", line=at, hint=hint)


def _blank(data: bytes, flat: npt.NDArray[np.uint8], starts: Ints, ends: Ints, stops: Ints) -> Bools:
    """Which records hold no text at all, or only fields of blanks."""
    blank: Bools = ends == starts
    last = np.minimum(stops, flat.size - 1)
    suspects = np.flatnonzero(~blank)
    for depth in range(16):  # a few bytes clear nearly every record
        suspects = suspects[_MAY_BE_BLANK[flat[np.minimum(starts[suspects] + depth, last[suspects])]]]
        if not suspects.size:
            break
    for record in suspects.tolist():
        begin, end = int(starts[record]), int(ends[record])
        rest = data[begin:end].translate(None, b" \t\r\n\v\f,")
        blank[record] = not rest or (not rest.strip(b'"') and _BLANK_RECORD.fullmatch(data, begin, end) is not None)
    return blank


def _header(block: Block, record: int, limits: Limits, name: str) -> tuple[str, ...]:
    line = int(block.lines[record])
    raw = block.data[int(block.starts[record]) : int(block.ends[record])]
    if b"\0" in raw:
        raise FileRefused("not_text", name, "the header holds NUL bytes", line=line, hint="Is it binary, or UTF-16?")
    if len(raw) > _LONGEST_NAME * limits.max_columns:
        raise FileRefused(
            "bad_header", name, f"the header is {len(raw):,} bytes long", line=line, hint="Does the file begin with it?"
        )
    # Names are short: a field beyond the csv module's limit of 128 KiB is none.
    try:
        names = tuple(field.strip() for field in next(csv.reader(io.StringIO(raw.decode("utf-8"), newline=""))))
    except csv.Error:
        raise FileRefused("bad_header", name, "the header cannot be taken apart", line=line) from None
    if len(names) > limits.max_columns:
        message = f"the header names {len(names):,} columns, more than {limits.max_columns:,}"
        raise FileRefused("too_many_columns", name, message, line=line)
    if "" in names:
        message = f"column {names.index('') + 1} of the header has no name"
        raise FileRefused("bad_header", name, message, line=line, hint="Is there a comma too many?")
    if len(set(names)) < len(names):
        twice = next(place for place, text in enumerate(names) if text in names[:place])
        message = f"column {twice + 1} of the header has the name of column {names.index(names[twice]) + 1}"
        raise FileRefused("duplicate_column", name, message, line=line)
    return names
