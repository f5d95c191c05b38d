from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cartbrook.errors import FileRefused
from cartbrook.lake.csv_scan import Limits, scan_file
from cartbrook.lake.landing import read_files
from cartbrook.types import SourceFile

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COLUMNS = ("order_id", "amount", "note")


@pytest.fixture
def put(tmp_path: Path):
    """Write bytes into an own folder and describe them as a delivered orders file."""

    def write(name: str, data: bytes, encoding: str = "utf-8") -> SourceFile:
        path = tmp_path / "Müller Shop" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        scan = scan_file(path, encoding=encoding)
        return SourceFile("orders", name, path, scan.sha256, scan.rows, scan.blank_lines, encoding=encoding)

    return write


def rows_of(frame: DataFrame) -> list[tuple[Any, ...]]:
    """All rows by file and line."""
    return [tuple(row) for row in frame.orderBy("_source_file", "_source_line").collect()]


def test_columns_and_types(session, put):
    """The frame has the contract's columns as text, then the lineage."""
    frame = read_files(session, [put("o.csv", b"order_id\n1\n")], COLUMNS, Limits())
    lineage = [("_source_line", "bigint") if c == "_source_line" else (c, "string") for c in frame.columns[3:]]
    assert frame.dtypes == [(c, "string") for c in COLUMNS] + lineage
    assert frame.columns[3:] == ["_source_file", "_source_line", "_rescued", "_raw", "_defect"]


def test_files_of_one_domain_in_any_shape(session, put):
    """Files with another column order, encoding, or extra columns give rows of one shape."""
    files = [
        put("a.csv", b'order_id,amount,note\n1,2.50,"x, ""y""\nz"\n\n2,,\n'),
        put("b.csv", "note,extra,order_id,amount\r\nGrüße,7,3,NULL\r\n".encode("cp1252"), encoding="cp1252"),
        put("c.csv", b"order_id,amount\n4,1,2\n5,1"),
        put("d.csv", b"order_id,amount,note\n"),
    ]
    assert rows_of(read_files(session, files, COLUMNS, Limits())) == [
        ("1", "2.50", 'x, "y"\nz', "a.csv", 2, None, None, None),
        ("2", None, None, "a.csv", 5, None, None, None),
        ("3", "NULL", "Grüße", "b.csv", 2, '{"extra": "7"}', None, None),
        (None, None, None, "c.csv", 2, None, "4,1,2", "ragged_row"),
        ("5", "1", None, "c.csv", 3, None, None, None),
    ]


def test_nul_bytes_survive_the_way_into_a_delta_table(session, put, lake_dir):
    """A NUL byte neither cuts a text nor stops the write, in columns, raw text and rescued data."""
    file = put("o.csv", b"order_id,note,extra\n1,a\0b,\0\n2,c\0\n3,d,e\n")
    table = f"file://{lake_dir}/nul"
    read_files(session, [file], COLUMNS, Limits()).write.format("delta").mode("overwrite").save(table)
    assert rows_of(session.read.format("delta").load(table)) == [
        ("1", None, "a\0b", "o.csv", 2, json.dumps({"extra": "\0"}), None, "nul_byte"),
        (None, None, None, "o.csv", 3, None, "2,c\0", "ragged_row"),
        ("3", None, "d", "o.csv", 4, json.dumps({"extra": "e"}), None, None),
    ]


def test_a_giant_field_reaches_the_table(session, put, lake_dir):
    """5 MiB in one field is one marked row, whole."""
    file = put("o.csv", b'order_id,note\n1,"' + b"x\n" * (5 * 2**19) + b'"\n2,y\n')
    table = f"file://{lake_dir}/giant"
    read_files(session, [file], COLUMNS, Limits()).write.format("delta").mode("overwrite").save(table)
    rows = session.read.format("delta").load(table).selectExpr("order_id", "length(note)", "_source_line", "_defect")
    assert [tuple(row) for row in rows.orderBy("order_id").collect()] == [
        ("1", 5 * 2**20, 2, "field_too_long"),
        ("2", 1, 2 + 5 * 2**19 + 1, None),
    ]


def test_limits_reach_the_reader(session, put):
    """The limits given are those that the worker applies."""
    rows = rows_of(read_files(session, [put("o.csv", b"order_id\n12345\n")], COLUMNS, Limits(max_field_bytes=4)))
    assert [row[-1] for row in rows] == ["field_too_long"]


def test_a_file_that_changed_after_its_scan_fails_by_name(session, put):
    """Reading refuses what scanning would refuse; nothing is half read."""
    file = put("o.csv", b"order_id\n1\n")
    file.path.write_bytes(b'order_id\n1\n"2')
    with pytest.raises(Exception, match=r"o\.csv:3: the quote that begins a field here is never closed"):
        read_files(session, [file], COLUMNS, Limits()).collect()
    with pytest.raises(FileRefused, match="never closed"):
        scan_file(file.path)


@pytest.mark.parametrize("columns", [("a", "a"), ("a", "_raw")])
def test_ambiguous_columns_are_an_error(session, put, columns):
    """A column named twice, or like a lineage column, could not be told apart."""
    with pytest.raises(ValueError, match="columns must differ"):
        read_files(session, [put("o.csv", b"a\n1\n")], columns, Limits())


def test_no_files_are_an_error(session):
    """An empty list is a mistake of the caller, not an empty frame."""
    with pytest.raises(ValueError, match="at least one file"):
        read_files(session, [], COLUMNS, Limits())
