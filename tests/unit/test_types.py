"""Values that cross layers: what they say of themselves."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartbrook.types import Batch, LiveBatch, Operation, Outcome, Publication, SourceFile

DAY = dt.date(2025, 1, 15)


def file(name: str = "orders.csv", domain: str = "orders", **values) -> SourceFile:
    """A file in a work folder."""
    return SourceFile(domain, name, Path("/work") / name, "ab" * 32, **values)


def batch(*files: SourceFile, **values) -> Batch:
    """Revision 2 of B1."""
    return dataclasses.replace(Batch("B1", 2, 7, DAY, files), **values)


def publication(*live: LiveBatch) -> Publication:
    """A publication of these live batches."""
    return Publication(3, "batch", None, None, None, live, {}, "", "")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FILES = st.builds(
    SourceFile,
    domain=TEXT,
    name=TEXT.filter(lambda name: Path(name).name == name and name not in ("", ".", "..")),
    path=st.just(Path()),
    sha256=TEXT,
    rows=st.integers(0, 10**12),
    blank_lines=st.integers(0, 10),
    extra_columns=st.lists(TEXT, max_size=3).map(tuple),
    encoding=TEXT,
    control_total=st.none() | TEXT,
    torn=st.booleans(),
)


@given(st.lists(FILES, max_size=3).map(tuple), st.none() | TEXT, st.dictionaries(TEXT, st.booleans(), max_size=3))
def test_a_manifest_is_the_batch(files, timestamp, switches):
    """A batch written to the ledger and read back is the same, its files being where they are now."""
    folder = Path("/elsewhere")
    before = batch(*files, trigger_timestamp=timestamp, switches=switches, rules_hash="r")
    moved = tuple(dataclasses.replace(file, path=folder / file.name) for file in files)
    assert Batch.from_json(before.to_json(), folder) == dataclasses.replace(before, files=moved)


def test_a_manifest_names_no_place():
    """Files move from work to the archive: their places are not kept."""
    assert "/work" not in batch(file()).to_json()


def test_domains_and_rows():
    """Domains are named once, in the order of the files; rows are summed."""
    made = batch(file("a", "orders", rows=2), file("b", "customers", rows=3), file("c", "orders", rows=4))
    assert (made.domains, made.rows) == (("orders", "customers"), 9)
    assert made.live == LiveBatch("B1", 2, 7, DAY)


def test_live_batches_are_found_in_any_case():
    """Two ids never differ in case alone."""
    entry = LiveBatch("B1", 2, 7, DAY)
    assert publication(entry).live_of("b1") == entry
    assert publication(entry).live_of("B2") is None


@pytest.mark.parametrize(
    ("days", "as_of"),
    [((), None), ((15,), dt.date(2025, 1, 15)), ((15, 20, 3), dt.date(2025, 1, 20))],
    ids=["none", "one", "late"],
)
def test_as_of_is_the_newest_live_date(days, as_of):
    """A late batch does not set the business date back, and no live batch has none."""
    live = tuple(LiveBatch(f"B{day}", 1, day, dt.date(2025, 1, day)) for day in days)
    assert Operation("batch", (), publication(), live, (), "t").as_of == as_of


def test_what_an_operation_touches():
    """A rebuild touches everything; a batch replaces slices where its id is live."""
    base = publication(LiveBatch("b1", 1, 7, DAY))
    operation = Operation("batch", (batch(),), base, (), ("orders",), "t")
    assert (operation.everything, operation.was_live(batch())) == (False, True)
    assert not dataclasses.replace(operation, base=publication()).was_live(batch())
    assert operation.slices == {"_batch_seq": [batch().batch_seq]}
    assert dataclasses.replace(operation, cause="rebuild", batches=()).everything


@pytest.mark.parametrize(
    ("status", "good"),
    [
        *((status, True) for status in ("published", "unchanged", "undone", "rebuilt")),
        *((status, False) for status in ("held", "waiting", "refused", "rejected", "failed")),
    ],
)
def test_which_outcomes_are_good(status, good):
    """The exit code is 0 only where nothing is left for a person to do."""
    assert Outcome("B1", status, "").good is good
