"""Keys that differ only in case or blanks are counted, and no others."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest

from cartbrook.contracts.load import load_contracts

CONTRACTS = load_contracts()


def counted(session, contract, *keys):
    """The number of keys that are like another one; there is none where they look plain."""
    from cartbrook.frames.likeness import near_duplicates

    frame = frame_of(session, contract, *keys)
    [row] = near_duplicates(frame, contract).toArrow().to_pylist()
    assert row["domain"] == contract.domain
    assert not (row["keys"] and is_plain(frame, contract))
    return row["keys"]


def is_plain(frame, contract):
    """True if a look at the keys shows that none of them is like another one."""
    from cartbrook.frames.likeness import looks_plain

    [row] = looks_plain(frame, contract).toArrow().to_pylist()
    assert row["domain"] == contract.domain
    return row["plain"]


def frame_of(session, contract, *keys):
    """Records with some keys."""
    columns = dict(zip(contract.key, zip(*(keys or [contract.key]), strict=True), strict=True))
    types = [pa.int64() if contract.column(name).type == "integer" else pa.string() for name in columns]
    arrays = [pa.array(values, kind) for values, kind in zip(columns.values(), types, strict=True)]
    frame = session.createDataFrame(pa.table(dict(zip(columns, arrays, strict=True))))
    return frame if keys else frame.limit(0)


@pytest.mark.parametrize(
    ("keys", "due"),
    [
        ((), 0),
        (("C1",), 0),
        (("C1", "C1", "C1"), 0),  # one key of several records
        (("C1", "C2", "C-1", "C1x", "\u00c71"), 0),
        (("C1", "c1"), 2),
        (("AB 1", "AB1", "ab  1", "ab\u00a01", "AB 1"), 4),
        (("C1", "c1", "D1", "d 1", "E1"), 4),
        (("\u00c4", "\u00e4"), 2),
    ],
)
def test_keys_alike_but_for_case_and_blanks(session, keys, due):
    """Each key that has a near twin counts once, however many records have it."""
    assert counted(session, CONTRACTS["customers"], *((key,) for key in keys)) == due


def test_keys_of_several_columns(session):
    """Blanks do not move text from one column of a key to the next, and numbers are compared as they are."""
    shipping = CONTRACTS["shipping"]
    assert counted(session, shipping, ("O1", "S1"), ("o1", "s1"), ("O1", "S2")) == 2
    assert counted(session, shipping, ("O1", "1"), ("O", "11"), ("O11", "")) == 0
    number = dataclasses.replace(shipping.column("shipping_id"), type="integer")
    columns = tuple(number if column.name == "shipping_id" else column for column in shipping.columns)
    assert counted(session, dataclasses.replace(shipping, columns=columns), ("O1", 1), ("o1", 1), ("O1", 11)) == 2


@pytest.mark.parametrize(
    ("keys", "due"),
    [
        ((), True),
        (("C1", "X-9/A"), True),
        (("c1", "x-9/a"), True),
        (("C1", "c2"), False),
        (("C1", "C 2"), False),
        (("C1", "C2\n"), False),
        (("C1", "\u212a1"), False),  # the Kelvin sign, which is a k in lower case
    ],
)
def test_keys_that_look_plain(session, keys, due):
    """Printable ASCII without blanks, in letters of one case."""
    customers = CONTRACTS["customers"]
    assert is_plain(frame_of(session, customers, *((key,) for key in keys)), customers) is due


def test_each_part_of_a_key_may_have_its_own_case(session):
    """A part in capitals and one in small letters are plain; two cases in one part are not."""
    shipping = CONTRACTS["shipping"]
    assert is_plain(frame_of(session, shipping, ("O1", "s1"), ("O2", "s2")), shipping)
    assert not is_plain(frame_of(session, shipping, ("O1", "s1"), ("O2", "S2")), shipping)
