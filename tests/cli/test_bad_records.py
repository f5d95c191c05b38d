"""Records that are not as they should be: what each gets, and what is kept of its text."""

from __future__ import annotations

import csv
import io
import shutil

import pytest
from tests.cli.desk import Desk, due, keyed, line, named, orders, parents, quoted, sheet

pytestmark = pytest.mark.engine("sail")

ORDERS = named("orders")
BLANKS = " \t\r\n\v\f"

NOT_POSITIVE = "order_amount_not_positive"
BAD: dict[str, dict[str, str]] = {  # column, text, rule
    "order_amount": {
        "abc": "type",
        "NaN": "type",
        "Infinity": "type",
        "-5": NOT_POSITIVE,
        "0": NOT_POSITIVE,
        "-0.00": NOT_POSITIVE,
        "1,234.50": "type",
        "12.345": "type",
        "1e14": "type",
        "100000000000000": "type",
        "12345678901": "type",
        "1e3": "type",
        ".5": "type",
        "5.": "type",
        "1_000": "type",
        "1 000": "type",
        "$5": "type",
        "0x10": "type",
        "\uff11\uff12": "type",
        "\u0663": "type",
        "5\u00a0": "type",
        "--5": "type",
        "": "required",
        "  ": "required",
    },
    "order_date": {
        "2010-02-30": "type",
        "01/12/2010": "type",
        "10.01.2025": "type",
        "2025-1-1": "type",
        "20250110": "type",
        "2025": "type",
        "2025-02-29": "type",
        "1899-12-31": "type",
        "2101-01-01": "type",
        "0000-00-00": "type",
        "9999-12-31": "type",
        "2025-01-10T00:00:00": "type",
        "today": "type",
        "": "required",
    },
    "created_timestamp": {
        "2025-01-10 10:00:00+02:00": "type",
        "2025-01-10T10:00:00+0530": "type",
        "2025-01-10T10:00:00-00:00": "type",
        "2025-01-10 10:00:00 UTC": "type",
        "2025-01-10": "type",
        "2025-01-10 10:00": "type",
        "2025-01-10 24:00:00": "type",
        "2025-01-10 10:00:60": "type",
        "2025-02-30 10:00:00": "type",
        "2025-01-10T10:00:00.1234567Z": "type",
        "2025-01-10t10:00:00z": "type",
        "2025-01-10  10:00:00": "type",
        "08:30:15": "type",
        "1736503200": "type",
    },
    "order_id": {"": "required", " \t": "required"},
    "customer_id": {"": "required"},
    "currency": {"": "required"},
}
FORMULAS = ('=HYPERLINK("http://evil.example","x")', "@SUM(A1)", "+1+1", "-1+1", "\t=1", "plain", "a=b")


def duplicates():
    """Repetitions and conflicts."""
    early, late = "2025-01-10 09:00:00", "2025-01-10 11:00:00"
    return [
        *orders(["same", "same"], order_amount="10.00"),
        line("orders", order_id=" same ", order_amount="+10.0", currency="eur"),
        line("orders", order_id="rises", order_amount="1", created_timestamp=early),
        line("orders", order_id="rises", order_amount="2", created_timestamp=late),
        line("orders", order_id="falls", order_amount="2", created_timestamp=late),
        line("orders", order_id="falls", order_amount="1", created_timestamp=early),
        line("orders", order_id="bad-rival", order_amount="3", created_timestamp=early),
        line("orders", order_id="bad-rival", order_amount="-3", created_timestamp=late),
        line("orders", order_id="tie", order_amount="4"),
        line("orders", order_id="tie", order_amount="5"),
    ]


PEOPLE = [
    line("customers"),
    *(line("customers", customer_id=key) for key in ("Twin", "twin", "tw in", "AB 1", "AB1", "other")),
    *(line("customers", customer_id=f"f{i}", address=quoted(text), city=quoted(text)) for i, text in enumerate(FORMULAS)),
    *(line("customers", customer_id=f"g{i}", address=quoted(text), date_of_birth="never") for i, text in enumerate(FORMULAS)),
]
BLANK = ["", " , ,", "\f", '"",""']


@pytest.fixture(scope="module")
def desk(cartbrook, blank, tmp_path_factory):
    """One batch with a record for each case, and one of duplicates, the latter in both orders of lines."""
    desk = Desk(cartbrook, shutil.copytree(blank, tmp_path_factory.mktemp("records") / "shop"))
    tall = line("orders", order_id="tall", shipping_address='"two\nlines"')
    desk.put(
        "records",
        {
            **parents(),
            named("customers"): sheet("customers", *PEOPLE).encode(),
            ORDERS: sheet("orders", tall, *keyed(BAD).values(), *BLANK).encode(),
        },
    )
    for batch_id, rows in (("duplicates", duplicates()), ("reversed", duplicates()[::-1])):
        desk.put(batch_id, {ORDERS: sheet("orders", *rows).encode()}, batch_date="2025-01-11")
    desk.run()
    return desk


def accepted(desk, batch_id):
    """Amount and number of repetitions of the accepted orders of a batch, by key."""
    rows = desk.query("SELECT _batch_id, order_id, order_amount, size(_copies) AS copies FROM silver.orders")
    return {row["order_id"]: (row["order_amount"], row["copies"]) for row in rows if row["_batch_id"] == batch_id}


@pytest.mark.parametrize("key", keyed(BAD))
def test_what_has_not_the_form_of_its_type_is_quarantined(desk, key):
    """An amount, a day, a time, a key that is none: set aside by line and rule with its text as it came, never cast."""
    column, text, rule = due(BAD)[key]
    row = desk.aside("records", ORDERS)[list(keyed(BAD)).index(key) + 4]  # the record before the first ends on line 3
    # What costs nothing is below the usual as well.
    assert row["rules"] == ([NOT_POSITIVE, "order_amount_remarkable"] if rule == NOT_POSITIVE else [f"{column}_{rule}"])
    assert (row["domain"], row["severity"], row["status"]) == ("orders", "HIGH", "open")
    assert row["record"][column] == text
    assert row["reason"].startswith(f"{column} is empty" if rule == "required" else f'{column} "{text.strip(BLANKS)}"')
    amount = {"-5": "-5.00", "0": "0.00", "-0.00": "0.00"}.get(text) if column == "order_amount" else "10.00"
    assert row["amount"] == amount
    assert key not in accepted(desk, "records")


def test_near_duplicate_keys_and_blank_lines_are_warned_about(desk):
    """Keys that differ in case or blanks stay different and are counted, never named; lines without text are no records."""
    warnings = (
        f"{ORDERS} has 4 blank lines",
        "5 keys of customers differ from each other only in case or blanks",
    )
    assert desk.told["records"].endswith(f"(warning: {'; '.join(warnings)})")
    assert desk.row("records")["warnings"] == list(warnings)
    assert desk.row("duplicates")["warnings"] == []
    assert desk.query("SELECT warnings FROM ops.batches WHERE batch_id = 'records'")[0]["warnings"] == list(warnings)


def test_every_record_is_in_the_books(desk):
    """Delivered = accepted + quarantined + duplicate, file by file; audit proves it from the tables."""
    assert desk.books("records") == {
        "accepted": len(PEOPLE) - len(FORMULAS) + 2,
        "quarantined": len(FORMULAS) + len(keyed(BAD)),
    }
    for batch_id in ("duplicates", "reversed"):
        assert desk.books(batch_id) == {"accepted": 5, "duplicate": 2, "quarantined": 4}
    assert desk.call("audit").code == 0


def test_identical_duplicates_are_one_row(desk):
    """However they are spelled: one record, and the others are counted."""
    assert accepted(desk, "duplicates")["same"] == ("10.00", 2)


def test_conflicting_duplicates_have_one_winner(desk):
    """The greatest by the one total order wins whatever the order of the lines; the loser is quarantined and names its key."""
    won = accepted(desk, "duplicates")
    assert won == accepted(desk, "reversed")
    assert [won[key][0] for key in ("rises", "falls", "bad-rival")] == ["2.00", "2.00", "3.00"]
    aside = desk.aside("duplicates")
    assert {place: (row["record"]["order_id"], row["rules"]) for place, row in aside.items()} == {
        5: ("rises", ["duplicate_key"]),
        8: ("falls", ["duplicate_key"]),
        10: ("bad-rival", [NOT_POSITIVE, "order_amount_remarkable"]),
        11 if won["tie"][0] == "5.00" else 12: ("tie", ["duplicate_key"]),
    }
    assert aside[5]["reason"].startswith('order_id "rises": Two different rows')
    assert (aside[5]["amount"], aside[5]["record"]["order_amount"]) == ("1.00", "1")


def test_formulas_are_text_and_harmless_in_csv(desk):
    """Verbatim in tables and JSON; in CSV with a quote in front, so that no spreadsheet runs them; numbers stay numbers."""
    statement = (
        "SELECT customer_id, address, -1 AS n, '-1' AS `=head` FROM gold.dim_customer WHERE customer_id LIKE 'f%' ORDER BY 1"
    )
    rows = desk.query(statement)
    assert [row["address"] for row in rows] == list(FORMULAS)
    shown = desk.call("query", statement, "--format", "csv").out
    heading, *cells = list(csv.reader(io.StringIO(shown, newline="")))
    assert heading == ["customer_id", "address", "n", "'=head"]
    assert [row[1] for row in cells] == [f"'{text}" if text[0] in "=+-@\t" else text for text in FORMULAS]
    assert {tuple(row[2:]) for row in cells} == {("-1", "'-1")}
    bronze = desk.query("SELECT address FROM bronze.customers WHERE customer_id LIKE 'f%' ORDER BY customer_id")
    assert [row["address"] for row in bronze] == list(FORMULAS)


def test_formulas_are_harmless_in_exported_records(desk, tmp_path):
    """Records that were set aside are verbatim in the table, and harmless in the file that is meant to be edited."""
    aside = desk.aside("records", named("customers")).values()
    assert [row["record"]["address"] for row in aside] == list(FORMULAS)
    out = tmp_path / "out"
    assert desk.call("quarantine", "export", str(out), "--domain", "customers").code == 0
    with (out / "customers.csv").open(encoding="utf-8", newline="") as stream:
        cells = [row["address"] for row in csv.DictReader(stream)]
    assert cells == [f"'{text}" if text[0] in "=+-@\t" else text for text in FORMULAS]
