from __future__ import annotations

import csv
import gzip
import hashlib
import json
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartbrook.errors import FileRefused
from cartbrook.lake.csv_scan import FileScan, Limits, read_batches, scan_file

SMALL = Limits(block_bytes=1)  # the least that is read at once is 64 bytes: every test crosses block borders
COLUMNS = ("a", "b", "c")
BLANKS = " \t\r\n\v\f"


@pytest.fixture
def put(tmp_path: Path):
    """Write bytes as the file x.csv."""

    def write(data: bytes) -> Path:
        path = tmp_path / "x.csv"
        path.write_bytes(data)
        return path

    return write


def rows_of(
    path: Path, columns: Sequence[str] = COLUMNS, limits: Limits = SMALL, encoding: str = "utf-8"
) -> list[dict[str, Any]]:
    """All rows by line; also checks that scanning counts what reading yields."""
    scan = scan_file(path, encoding=encoding, limits=limits)
    rows = [row for batch in read_batches(path, columns=columns, encoding=encoding, limits=limits) for row in batch.to_pylist()]
    assert scan.rows == len(rows)
    return sorted(rows, key=lambda row: row["_source_line"])


def values(rows: list[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> list[tuple[Any, ...]]:
    """The text of the contract columns."""
    return [tuple(row[column] for column in columns) for row in rows]


def refusal(path: Path, limits: Limits = SMALL, encoding: str = "utf-8") -> FileRefused:
    """The error that both passes raise."""
    with pytest.raises(FileRefused) as scanned:
        scan_file(path, encoding=encoding, limits=limits)
    with pytest.raises(FileRefused) as read:
        list(read_batches(path, columns=COLUMNS, encoding=encoding, limits=limits))
    assert (scanned.value.code, scanned.value.line) == (read.value.code, read.value.line)
    return scanned.value


def test_scan_tells_header_rows_hash_and_size(put):
    """One pass finds everything that receive compares with the trigger."""
    data = b"a, b ,c\n1,2,3\n\n4,5,6\n"
    assert scan_file(put(data)) == FileScan(("a", "b", "c"), 2, 1, hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"a,b,c\n1,2,3\n4,,6\n",
        b"\xef\xbb\xbfa,b,c\n1,2,3\n4,,6\n",
        b"a,b,c\r\n1,2,3\r\n4,,6\r\n",
        b"a,b,c\n1,2,3\n4,,6",
        b"a,b,c\r\n1,2,3\r\n4,,6\r",
        b"c,b,a\n3,2,1\n6,,4\n",
        b'"c","b","a"\n"3","2","1"\n"6","","4"',
    ],
    ids=["plain", "bom", "crlf", "no final newline", "torn crlf", "reordered", "quoted"],
)
def test_form_of_the_file_does_not_matter(put, data):
    """BOM, line ends, column order and quoting change nothing of a row."""
    rows = rows_of(put(data))
    assert values(rows) == [("1", "2", "3"), ("4", None, "6")]
    assert [row["_source_line"] for row in rows] == [2, 3]
    assert {(row["_source_file"], row["_rescued"], row["_raw"], row["_defect"]) for row in rows} == {("x.csv", None, None, None)}


def test_text_comes_exactly_as_delivered(put):
    """Quotes, backslashes, blanks, commas and line breaks are text where they are text."""
    rows = rows_of(put(b'a,b,c\n5" pipe, x ,\\\n"a ""b"" c","1,2","x\r\ny\nz"\n"\\"," ",NULL\n"""",a"",12"\n'))
    assert values(rows) == [
        ('5" pipe', " x ", "\\"),
        ('a "b" c', "1,2", "x\r\ny\nz"),
        ("\\", " ", "NULL"),
        ('"', 'a""', '12"'),
    ]
    assert [row["_source_line"] for row in rows] == [2, 3, 6, 7]


def test_a_byte_order_mark_inside_the_file_is_text(put):
    """pyarrow takes a mark off each block; only the first of the file is one."""
    data = b"a,b,c\n" + b"\xef\xbb\xbfx,2,3\n" * 40
    assert values(rows_of(put(data))) == [("\ufeffx", "2", "3")] * 40
    assert values(rows_of(put(data), limits=Limits())) == [("\ufeffx", "2", "3")] * 40


def test_missing_columns_are_null_and_extra_ones_are_rescued(put):
    """What the contract does not know is kept as JSON, empty fields included."""
    rows = rows_of(put('a,"x ""y""",z\n1,"say ""hi""\\",\n2,\u00fc,"1\n2"\n,p,q\n3,,\n'.encode()))
    assert values(rows) == [("1", None, None), ("2", None, None), (None, None, None), ("3", None, None)]
    assert [json.loads(row["_rescued"]) for row in rows] == [
        {'x "y"': 'say "hi"\\', "z": ""},
        {'x "y"': "\u00fc", "z": "1\n2"},
        {'x "y"': "p", "z": "q"},
        {'x "y"': "", "z": ""},
    ]


def test_ragged_rows_keep_their_raw_text(put):
    """A row of another width has no columns, only its exact text."""
    rows = rows_of(put(b'a,b,c\n1,2,3\n1,"2\n",3,4\r\n5,6\n7,8,9\n1'))
    ragged = [row for row in rows if row["_defect"] == "ragged_row"]
    assert [(row["_source_line"], row["_raw"]) for row in ragged] == [(3, '1,"2\n",3,4'), (5, "5,6"), (7, "1")]
    assert values(ragged) == [(None, None, None)] * 3
    assert values([row for row in rows if row["_defect"] is None]) == [("1", "2", "3"), ("7", "8", "9")]


@pytest.mark.parametrize(
    ("end", "torn"),
    [
        (b"4,5", True),
        (b"4", True),
        (b'4,"5\n"', True),
        (b"4,5\n", False),  # short, but whole
        (b"4,5,6", False),
        (b"4,5,6,7", False),
        (b"4,5,", False),
        (b" ", False),
        (b"", False),
    ],
)
def test_a_file_that_breaks_off_is_known(put, end, torn):
    """A last record of fewer fields without a line end is one that was cut; it is a row all the same."""
    scan = scan_file(put(b"a,b,c\n1,2,3\n" + end), limits=SMALL)
    assert (scan.torn, scan.rows) == (torn, 1 + bool(end.strip()))
    assert not scan_file(put(b"a,b"), limits=SMALL).torn


def test_a_file_of_ragged_rows_only(put):
    """No record of the right width is no error."""
    assert [row["_raw"] for row in rows_of(put(b"a,b,c\n" + b"1,2\n" * 50))] == ["1,2"] * 50


def test_a_row_of_30000_fields_is_ragged(put):
    """A very wide row is one bad row."""
    rows = rows_of(put(b"a,b,c\n1,2,3\n" + b"x," * 29_999 + b"x\n"))
    assert [row["_defect"] for row in rows] == [None, "ragged_row"]


def test_blank_lines_are_counted_and_not_delivered(put):
    """No text, or only empty fields of any number, is no row; the header may come after blank lines."""
    data = b' \n\na,b,c\n\r\n,\n,,,,\n  , "",\n" ","\v\n",\t\n\f\n1,2,3\n"""",,\n' + b" " * 200 + b"\n" + b"," * 100
    rows = rows_of(put(data))
    assert values(rows) == [("  ", ' ""', None), ("1", "2", "3"), ('"', None, None)]
    assert [row["_source_line"] for row in rows] == [7, 11, 12]
    assert scan_file(put(data)).blank_lines == 9


def test_header_only(put):
    """A header without rows is a file without rows."""
    assert scan_file(put(b"a,b,c")).rows == 0
    assert rows_of(put(b"a,b,c\r\n")) == []


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "empty_file", None),
        (b"\xef\xbb\xbf", "empty_file", None),
        (b"\n ,\n\n" * 50, "empty_file", None),
        (b"a,b,a \n1,2,3\n", "duplicate_column", 1),
        (b"\na,,c\n1,2,3\n", "bad_header", 2),
        (b"x," * 1_100_000, "bad_header", 1),
        (b"a," + b"x" * 200_000 + b"\n1,2\n", "bad_header", 1),
        (b",".join(b"c%d" % i for i in range(2_001)), "too_many_columns", 1),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "not_text", None),
        (b"PK\x03\x04 and so on", "not_text", None),
        (b"a\0,b\n", "not_text", 1),
        (b'\n"a\n\0",b\n', "not_text", 2),
        ("a,b\n1,2\n".encode("utf-16-le"), "not_text", 1),
        ("a,b\n1,2\n".encode("utf-16"), "wrong_encoding", 1),
        (b"a,b,c\n1,2,3\n1,caf\xe9,3\n", "wrong_encoding", 3),
        (b"a,b,c\n" + b"1,2,3\n" * 100 + b"1,2,\xc3", "wrong_encoding", 102),
        (b'a,b,c\n1,"2\n3",4\n5,6,"7\n8,9\n' + b"x,y,z\n" * 50, "unclosed_quote", 4),
        (b'a,b,c\n1,"x ""y\n"" z', "unclosed_quote", 2),
        (b'a,b,c\n1,2,"', "unclosed_quote", 2),
        (b'a,b,c\n1,"2\n","3"4\n', "bad_quote", 3),
        (b'a,b,c\n1,2" pipe,3\n1,"2" ,3\n', "bad_quote", 3),
        (b'a,b,c\n1,"2\n8,"9",0\n', "bad_quote", 3),
        (b"a,b,c\r1,2,3\r4,5,6\r", "lone_cr", 1),
        (b'a,b,c\n"\r",2,3\n1,2\r,3\n', "lone_cr", 3),
        (b"a,b,c\n1,2,3\r\r\n", "lone_cr", 2),
    ],
)
def test_files_that_are_refused(put, data, code, line):
    """A file whose structure is in doubt is refused with its code and line, and never quoted."""
    error = refusal(put(data))
    assert (error.code, error.line, error.file) == (code, line, "x.csv")
    assert len(str(error)) < 300


def test_a_file_over_the_size_limit_is_refused(put):
    """The limit holds while reading, so a file that grows is caught too."""
    assert refusal(put(b"a,b,c\n" + b"1,2,3\n" * 100), Limits(max_file_bytes=100, block_bytes=1)).code == "file_too_large"


def test_an_endless_record_is_refused(put, monkeypatch):
    """A quote nobody closes does not read a file of any size into memory."""
    monkeypatch.setattr(Limits, "max_record_bytes", property(lambda _: 1_000))
    error = refusal(put(b'a,b,c\n1,2,3\n1,"' + b"x" * 5_000 + b'",3\n'))
    assert (error.code, error.line) == ("record_too_long", 3)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "UTF8"])
def test_declared_encodings_are_decoded(put, encoding):
    """The declared encoding gives the same text, whatever its bytes look like at block borders."""
    text = "a,b,c\n" + '1,"M\u00fcller\n",\u00e9\n' * 60
    rows = rows_of(put(text.encode(encoding)), encoding=encoding)
    assert values(rows) == [("1", "M\u00fcller\n", "\u00e9")] * 60
    assert rows[-1]["_source_line"] == 120


@pytest.mark.parametrize(
    ("encoding", "data", "line"),
    [
        ("cp1252", b"a,b,c\n" + b"1,2,3\n" * 40 + b"1,\x81,3\n", 42),
        ("ascii", b"a,b,c\n1,\xe9,3\n", 2),
        ("utf-16", "a,b,c\n1,2,3\n4,5,6".encode("utf-16") + b"\x00", 3),
        ("utf-16-be", "a,b,c\n1,".encode("utf-16-be") + b"\xdc\x00" + "\n".encode("utf-16-be"), 2),
        ("utf-16", "a,b,c\n1,2,3\n".encode("utf-16-le"), 1),
        ("utf-16", b",b,c\n" + b"\x00\xdc", 1),
        ("latin-1", b"\xef\xbb\xbfa,b,c\n", 1),
        ("latin-1", "a,b,c\n".encode("utf-16"), 1),
        ("zip", b"a,b,c\n", None),
        ("no such", b"a,b,c\n", None),
    ],
)
def test_bytes_that_are_not_of_the_declared_encoding(put, encoding, data, line):
    """A wrong declaration is refused by line, never replaced by U+FFFD."""
    error = refusal(put(data), encoding=encoding)
    assert (error.code, error.line) == ("wrong_encoding", line)


def test_nul_bytes_mark_their_record(put):
    """The record keeps its columns; a ragged one is ragged first."""
    rows = rows_of(put(b'a,b,c\n1,2,3\n1,\0,3\n1,2\0\n"\n\0",2,3\n1,2,3\n'))
    assert [row["_defect"] for row in rows] == [None, "nul_byte", "ragged_row", "nul_byte", None]
    assert values(rows)[1] == ("1", "\0", "3")
    assert rows[2]["_raw"] == "1,2\0"


def test_the_separator_of_hashed_texts_marks_its_record(put):
    """U+001F parts the texts of a hash: with it in a field, two different records could have one hash."""
    rows = rows_of(put(b'a,b,c\n1,2,3\n1,x\x1fy,3\n1,2\x1f\n"\n\x1f",\0,3\n1,2,3\n'))
    assert [row["_defect"] for row in rows] == [None, "nul_byte", "ragged_row", "nul_byte", None]
    assert values(rows)[1] == ("1", "x\x1fy", "3")


def test_fields_over_the_limits_mark_their_record(put):
    """Length is measured in bytes of the field's text, line breaks within one field; extra columns count too."""
    limits = Limits(block_bytes=1, max_field_bytes=10, max_line_breaks=2)
    rows = rows_of(
        put(
            'a,b,c,d\n0123456789,"""""""""""""",3,\n\u00fc\u00fc\u00fc\u00fc\u00fc\u00fc,,,\n"x\n\n","\n\n",,\n1,2,3,"\n\n\n"\n1,,,\n'.encode()
        ),
        limits=limits,
    )
    assert [row["_defect"] for row in rows] == [None, "field_too_long", None, "too_many_line_breaks", None]


def test_a_field_of_5_mib_is_one_row(put):
    """A giant field passes through several blocks and is only marked."""
    giant = "x\u00fc" * (5 * 2**20 // 3)
    rows = rows_of(put(f'a,b,c\n1,2,3\n4,"{giant}",6\n7,8,9\n'.encode()), limits=Limits(block_bytes=2**20))
    assert [row["_defect"] for row in rows] == [None, "field_too_long", None]
    assert rows[1]["b"] == giant


def test_a_flood_of_empty_lines_is_cut_into_blocks(put):
    """Lines without number, inside quotes and outside, are counted right."""
    rows = rows_of(put(b"a,b,c\n" + b"\n" * 600_000 + b'1,2,"' + b"\n" * 600_000 + b'"\n4,5,6'), limits=Limits())
    assert [(row["_source_line"], row["_defect"]) for row in rows] == [(600_002, "too_many_line_breaks"), (1_200_003, None)]


def test_batches_own_their_memory(put):
    """Every buffer is counted by Arrow's pool: one that belongs to Python or NumPy would hang Sail at volume."""
    path = put(b"a,b,z\n" + b'1,"x ""y""",\n\n' * 500 + b"1\n\0,,\n")
    before = pa.total_allocated_bytes()
    batches = list(read_batches(path, columns=COLUMNS))
    sizes: dict[int, int] = {}
    for buffer in (buffer for batch in batches for column in batch.columns for buffer in column.buffers() if buffer):
        sizes[buffer.address] = max(buffer.size, sizes.get(buffer.address, 0))
    assert sum(batch.num_rows for batch in batches) == 502
    assert pa.total_allocated_bytes() - before >= sum(sizes.values()) > 20_000


def test_memory_does_not_grow_with_the_file(put):
    """Scanning and reading 64 MiB holds a few blocks, not the file."""
    path = put(b"a,b,c\n" + b'1,"x, ""y""",3\n' * (64 * 2**20 // 15))
    tracemalloc.start()
    try:
        limits = Limits(block_bytes=2**20)
        rows = sum(batch.num_rows for batch in read_batches(path, columns=COLUMNS, limits=limits))
        assert rows == scan_file(path, limits=limits).rows
        assert tracemalloc.get_traced_memory()[1] < 24 * 2**20
    finally:
        tracemalloc.stop()


letter = st.one_of(st.sampled_from('",\n\r\\ \t\v\f\0\x1fx\u00fc\u2028\ufeff'), st.characters(exclude_categories=["Cs"]))
field = st.text(letter, max_size=12)
line_end = st.sampled_from(["\n", "\r\n"])
record = st.tuples(st.lists(st.tuples(field, st.booleans()), min_size=1, max_size=4), line_end)


def written(fields: list[tuple[str, bool]]) -> str:
    """A record as text: quoted where it must be or was asked for."""
    return ",".join(
        '"' + text.replace('"', '""') + '"' if asked or text.startswith('"') or set(text) & set(",\r\n") else text
        for text, asked in fields
    )


def by_csv_module(text: str) -> list[tuple[int, list[str]]]:
    """Line and fields of each delivered record, as Python's own reader sees them."""
    lines = [line + "\n" for line in text.split("\n")]
    reader = csv.reader(lines[:-1] + [lines[-1][:-1]] * (lines[-1] != "\n"))
    found, before = [], 0
    for fields in reader:
        if any(value.strip(BLANKS) for value in fields):
            found.append((before + 1, fields))
        before = reader.line_num
    return found[1:]


@given(st.lists(record, max_size=40), st.booleans())
@example([([("\ufeff", False), ("", False), ("", False)], "\n")] * 30, False)
def test_well_formed_files_read_as_by_the_csv_module(records, cut):
    """Fields and physical lines are those of Python's own reader, for any text and block borders."""
    text = "a,b,c\n" + "".join(written(fields) + end for fields, end in records)
    text = text.rstrip("\r\n") if cut and not text.rstrip("\r\n").endswith('"') else text
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(text.encode())
        rows = rows_of(path)
        assert rows == rows_of(path, limits=Limits())
    expected = by_csv_module(text)
    assert [row["_source_line"] for row in rows] == [line for line, _ in expected]
    for row, (_, fields) in zip(rows, expected, strict=True):
        if len(fields) == 3:
            assert values([row]) == [tuple(value or None for value in fields)]
            assert row["_defect"] == ("nul_byte" if {"\0", "\x1f"} & set("".join(fields)) else None)
        else:
            assert row["_defect"] == "ragged_row"
            assert next(csv.reader([line + "\n" for line in row["_raw"].split("\n")])) == fields


@given(
    st.lists(record, max_size=20),
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from(b'" , \n \r \0 \xff \xc3 "" x'.split(b" ")))),
    st.sampled_from(["utf-8", "latin-1", "utf-16", "cp1252"]),
)
def test_damaged_files_are_refused_or_counted_alike(records, damage, encoding):
    """Whatever bytes come: either FileRefused, or both passes agree on rows and every line is later than the one before."""
    data = "".join(written(fields) + end for fields, end in [([(c, False) for c in "abc"], "\n"), *records]).encode()
    for place, piece in damage:
        data = data[:place] + piece + data[place + 1 :]
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(data)
        try:
            rows = rows_of(path, encoding=encoding)
        except FileRefused:
            refusal(path, encoding=encoding)
            return
    assert all(one["_source_line"] < two["_source_line"] for one, two in pairwise(rows))


@given(
    st.lists(
        st.sampled_from(['"', ",", "\n", "\r\n", "\r", "\0", " ", "x", "\u00fc", "\ufeff", ',"', '",', '\n"', '"\n']),
        max_size=300,
    )
)
def test_block_borders_change_nothing(pieces):
    """Any soup of the bytes that matter reads the same in small and in large blocks, or is refused in both."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.csv")
        path.write_bytes(b"a,b,c\n" + "".join(pieces).encode())
        try:
            rows = rows_of(path, limits=Limits())
        except FileRefused:
            refusal(path)
        else:
            assert rows_of(path) == rows
