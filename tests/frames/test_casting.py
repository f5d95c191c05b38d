"""From text to types: which texts are accepted as what, and which are refused."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from cartbrook.contracts.model import Column, Enumeration

MONEY = Column("c", "decimal(12,2)")
WEIGHT = Column("c", "decimal(18,3)")
COUNT = Column("c", "integer")
DATE = Column("c", "date")
TIME = Column("c", "timestamp")
FLAG = Column("c", "boolean")
STATUS = Column(
    "c", "string", enumeration=Enumeration(("credit_card", "cancelled"), {"canceled": "cancelled", "cc": "credit_card"})
)

WIDE = "\uff11\uff12"  # full-width digits, which engines read as 12


def names(cases) -> list[str]:
    """Ids of parameter sets."""
    return [f"{column.type} {number}" for number, (column, _) in enumerate(cases)]


@pytest.fixture
def typed(session):
    """What becomes of texts in a column: the stored value as text, NULL where the text is refused."""

    def run(column: Column, texts, timezone: str = "UTC"):
        from cartbrook.frames.casting import cast, clean

        frame = session.createDataFrame(pa.table({"t": pa.array(list(texts), pa.string())}))
        rows = (
            frame.select("t", cast(column, clean(column, F.col("t")), timezone).cast("string").alias("v")).toArrow().to_pylist()
        )
        return {row["t"]: row["v"] for row in rows}

    return run


ACCEPTED = [
    (MONEY, {"0": "0.00", "12.3": "12.30", "-5": "-5.00", "+7.25": "7.25", "007": "7.00", " 1.50\t": "1.50"}),
    (MONEY, {"9999999999.99": "9999999999.99", "-9999999999.99": "-9999999999.99"}),
    (WEIGHT, {"0.125": "0.125", "999999999999999.999": "999999999999999.999"}),
    (COUNT, {"0": "0", "-3": "-3", "+4": "4", "999999999999999999": "999999999999999999", " 5 ": "5"}),
    (DATE, {"2024-02-29": "2024-02-29", "1900-01-01": "1900-01-01", "2100-12-31": "2100-12-31", "\n2025-01-15 ": "2025-01-15"}),
    (
        TIME,
        {
            "2025-01-15 08:30:15": "2025-01-15 08:30:15",
            "2025-01-15T08:30:15": "2025-01-15 08:30:15",
            "2025-01-15T08:30:15Z": "2025-01-15 08:30:15",
            "2025-01-15 08:30:15.123456Z": "2025-01-15 08:30:15.123456",
            "2025-01-15 08:30:15.5": "2025-01-15 08:30:15.5",
        },
    ),
    (FLAG, {"true": "true", "False": "false", "TRUE": "true", " fAlSe ": "false"}),
    (
        STATUS,
        {
            "Credit Card": "credit_card",
            "credit-card": "credit_card",
            "CC": "credit_card",
            "Canceled": "cancelled",
            "cheque": "unknown",
            " ": None,
        },
    ),
    (
        Column("c", "string"),
        {"NULL": "NULL", "NA": "NA", "02139": "02139", "=SUM(A1)": "=SUM(A1)", " x ": "x", "": None, " \t": None},
    ),
    (Column("c", "string", trim=False), {" x ": " x ", "   ": "   ", "": None}),
    (Column("c", "string", case="upper"), {"usd": "USD"}),
    (Column("c", "string", case="lower"), {"USD": "usd"}),
    (Column("c", "string"), {"Ab": "Ab"}),
]

REFUSED = [
    (MONEY, [*"abc NaN Infinity 1,234.50 12.345 1e14 1e3 .5 5. $5 10000000000 -- 0x10 1_000".split(), WIDE, "1 000", "12\n.5"]),
    (WEIGHT, ["0.1234", "1000000000000000", "1,5"]),
    (COUNT, ["1.0", "1e3", "1000000000000000000", "9223372036854775808", "x", "--1", "1 2", WIDE]),
    (DATE, "2010-02-30 2025-13-01 01/12/2010 2025-1-5 2025 20250115 1899-12-31 2101-01-01 10000-01-01 2023-02-29".split()),
    (DATE, ["2025-01-15 08:30:15", "2025-01-15T", "15.01.2025", "yesterday", "\uff12\uff10\uff12\uff15-01-15"]),
    (
        TIME,
        [
            *("2025-01-15 08:30:15+01:00", "2025-01-15T08:30:15+0530", "2025-01-15 08:30:15 UTC", "2025-01-15", "08:30:15"),
            *("2025-01-15 24:00:00", "2025-01-15 08:60:00", "2025-01-15 08:30", "2025-02-30 08:30:15", "2025-01-15  08:30:15"),
            *("2025-01-15 08:30:15.1234567", "2025-01-15 08:30:15z", "2025-01-15 08:30:60", "1899-12-31 23:59:59"),
        ],
    ),
    (FLAG, "yes n 1 0 T f on".split()),
]


@pytest.mark.parametrize(("column", "texts"), ACCEPTED, ids=names(ACCEPTED))
def test_accepted_texts(typed, column, texts):
    """A text of the type's form is stored as its value."""
    assert typed(column, texts) == texts


@pytest.mark.parametrize(("column", "texts"), REFUSED, ids=names(REFUSED))
def test_refused_texts(typed, column, texts):
    """Anything else is NULL: never rounded, never shifted, never guessed."""
    assert typed(column, texts) == dict.fromkeys(texts)


def test_timestamps_in_the_workspaces_zone(typed):
    """A timestamp without Z is local time of the workspace's zone, over both changes of the clock; one with Z is UTC."""
    found = typed(
        TIME, ["2025-01-15 08:30:15", "2025-07-15 08:30:15", "2025-01-15 08:30:15Z", "2025-07-15T00:00:00"], "Europe/Berlin"
    )
    assert found == {
        "2025-01-15 08:30:15": "2025-01-15 07:30:15",
        "2025-07-15 08:30:15": "2025-07-15 06:30:15",
        "2025-01-15 08:30:15Z": "2025-01-15 08:30:15",
        "2025-07-15T00:00:00": "2025-07-14 22:00:00",
    }


def test_declared_formats(typed):
    """A column with a format of its own takes that one and not the ISO form; the day must be a real one."""
    day = Column("c", "date", format="%d/%m/%Y")
    texts = {"01/12/2010": "2010-12-01", "2010-12-01": None, "31/02/2010": None, "1/12/2010": None, "01/12/2010 ": "2010-12-01"}
    assert typed(day, texts) == texts
    moment = Column("c", "timestamp", format="%Y%m%d %H:%M:%S")
    texts = {"20250115 08:30:15": "2025-01-15 08:30:15", "2025-01-15 08:30:15": None, "20250115 25:00:00": None}
    assert typed(moment, texts) == texts
    dotted = Column("c", "date", format="%d.%m.%Y")  # a dot is a dot and no wildcard
    assert typed(dotted, ["15x01x2025", "15.01.2025"]) == {"15x01x2025": None, "15.01.2025": "2025-01-15"}


def test_record_hash_tells_values_apart(session):
    """The hash of a record is of its typed values: NULL, the empty text and neighbours that share letters differ."""
    from cartbrook.contracts.model import Contract
    from cartbrook.frames.casting import record_hash

    contract = Contract("orders", "1", (Column("a", "string"), Column("b", "string")), ("a",), ())
    rows = [("x", None), ("x", ""), (None, "x"), ("xy", "z"), ("x", "yz"), ("x", None)]
    frame = session.createDataFrame(pa.table({"a": [a for a, _ in rows], "b": [b for _, b in rows]}))
    hashes = [row["h"] for row in frame.select(record_hash(contract).alias("h")).toArrow().to_pylist()]
    assert len(set(hashes)) == 5


def test_record_hash_sees_normalised_values(session):
    """Two spellings of one amount or time are the same record."""
    from cartbrook.contracts.model import Contract
    from cartbrook.frames.casting import cast, clean, record_hash

    contract = Contract("orders", "1", (Column("m", "decimal(12,2)"), Column("t", "timestamp")), ("m",), ())
    frame = session.createDataFrame(pa.table({"m": ["1.5", "+1.50"], "t": ["2025-01-15T08:30:15Z", "2025-01-15 08:30:15.000"]}))
    hashed = frame.select(*(cast(column, clean(column, F.col(column.name))).alias(column.name) for column in contract.columns))
    assert len({row["h"] for row in hashed.select(record_hash(contract).alias("h")).toArrow().to_pylist()}) == 1


def test_times_are_one_text_on_every_engine(session):
    """Microseconds are always there, though engines leave out zeros at the end when they make text of a time."""
    from cartbrook.frames.casting import iso_timestamp

    texts = {
        "1900-01-01 00:00:00": "1900-01-01T00:00:00.000000Z",
        "1969-12-31 23:59:59.999999": "1969-12-31T23:59:59.999999Z",
        "2025-01-15 10:20:30.12": "2025-01-15T10:20:30.120000Z",
        "2100-12-31 23:59:59.000001": "2100-12-31T23:59:59.000001Z",
        None: None,
    }
    frame = session.createDataFrame(pa.table({"t": pa.array(texts, pa.string())}))
    found = frame.select(iso_timestamp(F.col("t").cast("timestamp")).alias("iso")).toArrow()
    assert found["iso"].to_pylist() == list(texts.values())
