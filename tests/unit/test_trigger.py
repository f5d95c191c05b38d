"""Triggers: what is understood, and everything that is refused before a file is opened."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartbrook.contracts.trigger import MAX_BYTES, ExpectedFile, Trigger, parse_trigger
from cartbrook.errors import TriggerRefused

FILE = "orders_2025_01_15.csv"
GOOD = {"trigger_id": "B1", "batch_date": "2025-01-15", "data_files_ready": True, "expected_files": [FILE]}


def parse(value) -> Trigger:
    """The trigger of a JSON value or of bytes."""
    return parse_trigger(value if isinstance(value, bytes) else json.dumps(value).encode(), "t.json")


def code(value) -> str:
    """The code of the refusal; its message names the file."""
    with pytest.raises(TriggerRefused) as caught:
        parse(value)
    assert caught.value.message.startswith("t.json")
    return caught.value.code


def test_the_least_trigger():
    """Four fields are enough; the domain is the name before the date, in any case."""
    trigger = parse({**GOOD, "expected_files": ["Orders_2025_01_15.CSV"]})
    assert trigger == Trigger("B1", dt.date(2025, 1, 15), True, (ExpectedFile("Orders_2025_01_15.CSV", "orders"),))


def test_the_whole_trigger():
    """Declared files, switches we know, a timestamp in any zone; further fields are left alone."""
    trigger = parse(
        {
            **GOOD,
            "expected_files": [FILE, "Kunden.csv"],
            "files": [
                {
                    "name": "Kunden.csv",
                    "domain": "customers",
                    "rows": 0,
                    "sha256": "AB" * 32,
                    "control_total": 12.5,
                    "encoding": "Latin-1",
                },
                {"name": "products_2025_01_15.csv", "control_total": "0.10"},
            ],
            "trigger_timestamp": "2025-01-15T10:00:00+05:30",
            "data_quality_checks": {"business_rules_validation": False, "schema_validation": True, "another": True},
            "supersede": True,
            "client_name": "x",
            "metadata": {"a": 1},
        }
    )
    assert trigger.files == (
        ExpectedFile(FILE, "orders"),
        ExpectedFile("Kunden.csv", "customers", 0, "ab" * 32, Decimal("12.5"), "iso8859-1"),
        ExpectedFile("products_2025_01_15.csv", "products", control_total=Decimal("0.10")),
    )
    assert trigger.trigger_timestamp == "2025-01-15 04:30:00.000000"
    assert trigger.switches == {"schema_validation": True, "business_rules_validation": False}
    assert trigger.supersede


def test_a_byte_order_mark_is_no_reason():
    """A trigger may begin with a UTF-8 mark and end lines with CRLF."""
    assert parse(b"\xef\xbb\xbf" + json.dumps(GOOD, indent=1).replace("\n", "\r\n").encode()).trigger_id == "B1"


NOT_JSON = {
    "empty": (b"", "not_json"),
    "truncated": (json.dumps(GOOD).encode()[:-3], "not_json"),
    "Latin-1": ('{"trigger_id": "Müller"}'.encode("latin-1"), "not_json"),
    "UTF-16": (json.dumps(GOOD).encode("utf-16"), "not_json"),
    "two values": (b"{} {}", "not_json"),
    "NaN": (b'{"trigger_id": NaN}', "not_json"),
    "Infinity": (b'{"files": -Infinity}', "not_json"),
    "nested deeply": (b"[" * 100_000, "not_json"),
    "a list": (b"[]", "not_an_object"),
    "a text": (b'"x"', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "a name twice": (b'{"trigger_id": "a", "trigger_id": "b"}', "duplicate_key"),
    "a name twice, inside": (b'{"metadata": {"a": 1, "a": 2}}', "duplicate_key"),
    "too large": (b" " * (MAX_BYTES + 1), "trigger_too_large"),
    "a huge number": (b'{"rows": ' + b"9" * 10_000 + b"}", "not_json"),
}


@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_no_json_object(case):
    """Anything but one complete JSON object with names that differ is refused."""
    raw, due = NOT_JSON[case]
    assert code(raw) == due


def test_a_refusal_names_the_line():
    """Broken JSON is told with its line."""
    with pytest.raises(TriggerRefused, match=r"^t\.json:3: "):
        parse(b'{\n"a": 1,\n}')


UNFIT: dict[str, tuple[str, list[Any]]] = {
    "trigger_id": (
        "bad_trigger_id",
        [
            None,
            "",
            "a b",
            "../x",
            "-a",
            ".a",
            "_a",
            "a/b",
            "x" * 101,
            5,
            "ä",
            "a\n",
            "a\u0000",
            ["a"],
            "a'b",
            "a;b",
            "triggers",
            "Orders",
        ],
    ),
    "batch_date": (
        "bad_batch_date",
        [
            None,
            "",
            "2025-1-5",
            "2025-02-30",
            "20250115",
            "2025-01-15T00:00:00",
            "15.01.2025",
            20250115,
            "1899-12-31",
            "2101-01-01",
            "\u0662\u0660\u0662\u0665-01-15",
            "2025-01-15\n",
        ],
    ),
    "data_files_ready": ("bad_trigger", [None, "true", 1, 0, []]),
    "expected_files": ("no_files", [None, [], "x.csv", [None], [1], {"a": 1}, [["a.csv"]]]),
    "trigger_timestamp": (
        "bad_trigger_timestamp",
        ["", "yesterday", 5, ["2025-01-15"], "2025-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "0999-01-01"],
    ),
    "data_quality_checks": ("bad_switch", [[], "x", {"schema_validation": "false"}, {"a": 1}, True]),
    "files": (
        "bad_manifest",
        [
            {},
            "x",
            [1],
            [{}],
            [{"name": 5}],
            [{"name": FILE, "rows": -1}],
            [{"name": FILE, "rows": "3"}],
            [{"name": FILE, "rows": True}],
            [{"name": FILE, "rows": 1.5}],
            [{"name": FILE, "sha256": "abc"}],
            [{"name": FILE, "sha256": 5}],
            [{"name": FILE, "control_total": "abc"}],
            [{"name": FILE, "control_total": "NaN"}],
            [{"name": FILE, "control_total": True}],
            [{"name": FILE, "control_total": []}],
            [{"name": FILE, "row": 3}],
            [{"name": FILE}, {"name": "products_2025_01_15.csv", "": 1}],
            [{"name": FILE, "encoding": "utf-88"}],
            [{"name": FILE, "encoding": "hex"}],
            [{"name": FILE, "encoding": ""}],
            [{"name": FILE, "encoding": "\u0000"}],
            [{"name": FILE, "encoding": 8}],
        ],
    ),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, (_, values) in UNFIT.items() for value in values], ids=repr)
def test_fields_of_no_use(name, value):
    """A field that is not what it must be is refused with its own code."""
    assert code({**GOOD, name: value}) == UNFIT[name][0]


@pytest.mark.parametrize("name", GOOD)
def test_required_fields(name):
    """Each of the four is required."""
    assert code({key: value for key, value in GOOD.items() if key != name}) == UNFIT[name][0]


UNSAFE = (
    *(
        "../orders_2025_01_15.csv",
        "/etc/orders_2025_01_15.csv",
        "a/orders.csv",
        "a\\orders.csv",
        "file:///x.csv",
        "https://x/y.csv",
        "C:x.csv",
        "orders\u0000.csv",
        "orders\n.csv",
        ".csv",
        ".hidden.csv",
        "..csv",
        "orders.txt",
        "orders.csv.exe",
        "orders.csv/",
        "x" * 201 + ".csv",
        "\u00e9" * 99 + ".csv",  # in bytes, too
        "\x1b[31morders.csv",
        "orders\u0085.csv",
        "orders\u202evsc.csv",
        "\ud800.csv",
        "",
    ),
)


@pytest.mark.parametrize("name", UNSAFE, ids=range(len(UNSAFE)))
def test_unsafe_names(name):
    """A name that could lead anywhere is refused, also where only `files` names it."""
    assert code({**GOOD, "expected_files": [name]}) == "unsafe_name"
    assert code({**GOOD, "files": [{"name": name, "domain": "orders"}]}) == "unsafe_name"


def test_names_of_files():
    """One file twice, also in another case, and a domain nobody knows are refused."""
    assert code({**GOOD, "expected_files": [FILE, FILE]}) == "duplicate_file"
    assert code({**GOOD, "expected_files": [FILE, FILE.upper().replace(".CSV", ".csv")]}) == "duplicate_file"
    assert code({**GOOD, "expected_files": ["orders.csv"]}) == "unknown_domain"
    assert code({**GOOD, "expected_files": ["returns_2025_01_15.csv"]}) == "unknown_domain"
    assert code({**GOOD, "files": [{"name": FILE, "domain": "returns"}]}) == "unknown_domain"


def test_an_unknown_key_of_a_file_is_named():
    """A misspelt key would silently check nothing."""
    with pytest.raises(TriggerRefused) as caught:
        parse({**GOOD, "files": [{"name": FILE, "sha265": "ab" * 32}]})
    assert (caught.value.code, caught.value.message) == ("bad_manifest", 't.json: files has an unknown key "sha265".')
    assert caught.value.hint == 'did you mean "sha256"?'


def test_one_file_declared_twice_is_refused():
    """Two entries of `files` for one name may say different things, so neither is taken."""
    assert code({**GOOD, "files": [{"name": FILE, "rows": 1}, {"name": FILE, "rows": 2}]}) == "bad_manifest"


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(raw):
    """No bytes make anything but a refusal."""
    with pytest.raises(TriggerRefused):
        parse(raw)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (*GOOD, "files", "trigger_timestamp", "data_quality_checks", "supersede")
FILE_ENTRY = st.fixed_dictionaries(
    {"name": st.just(FILE) | ANY_JSON},
    optional={"rows": ANY_JSON, "sha256": ANY_JSON, "control_total": ANY_JSON, "domain": ANY_JSON, "encoding": ANY_JSON},
)


@given(st.dictionaries(st.sampled_from(FIELDS), ANY_JSON, max_size=4), st.none() | st.lists(FILE_ENTRY, max_size=3))
def test_random_fields_give_a_trigger_or_a_refusal(values, files):
    """Any JSON in any field ends in a trigger that keeps its promises, or in TriggerRefused and nothing else."""
    value = {**GOOD, **values, **({} if files is None else {"files": files})}
    try:
        trigger = parse(json.dumps(value).encode("utf-8", "surrogatepass"))
    except TriggerRefused:
        return
    assert trigger.files
    assert all("/" not in file.name and ".." not in file.name for file in trigger.files)
    assert all(file.rows is None or file.rows >= 0 for file in trigger.files)
