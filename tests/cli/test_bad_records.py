"""Records that are not as they should be: what each gets, and what is kept of its text."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest
from tests.cli.desk import Desk, line, named, orders, quoted, sheet

from cartbrook import contracts

pytestmark = pytest.mark.engine("sail")

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
GOOD: dict[str, dict[str, object]] = {  # column, text, what is stored
    "order_amount": {
        "5": "5.00",
        "+5.00": "5.00",
        "007.5": "7.50",
        " 7.25\t": "7.25",
        "12.50\n": "12.50",
        "0.01": "0.01",
        "1234567890.99": "1234567890.99",
    },
    "order_date": {"2024-02-29": "2024-02-29", " 2025-01-11 ": "2025-01-11", "2025-12-31": "2025-12-31"},
    "created_timestamp": {
        "2025-01-10 10:00:00": "2025-01-10T10:00:00Z",
        "2025-01-10T10:00:00Z": "2025-01-10T10:00:00Z",
        "2025-01-10T10:00:00.5": "2025-01-10T10:00:00.500000Z",
        "2025-01-10 10:00:00.123456Z ": "2025-01-10T10:00:00.123456Z",
        "": None,
        "  ": None,
    },
    "order_status": {
        "Shipped": "shipped",
        " CANCELED ": "cancelled",
        "lost in space": "unknown",
        "": None,
        " ": None,
    },
    "payment_method": {"Credit Card": "credit_card", "gift-card": "gift_card", "shells": "unknown"},
    "currency": {" eur ": "EUR"},
    "shipping_address": {
        "NULL": "NULL",
        "NA": "NA",
        "null": "null",
        "02139": "02139",
        " Lindengasse 4 ": " Lindengasse 4 ",
        "  ": "  ",
        "": None,
    },
}
UNLISTED = {
    "good-order_status-2": "order_status_enumeration:lost in space",
    "good-payment_method-2": "payment_method_enumeration:shells",
}
PRODUCTS = {
    "whole": ({"discontinued": "TRUE", "stock_quantity": "+7", "weight_kg": "1.250", "price": "3"}, None),
    "empty": ({"discontinued": "", "stock_quantity": " ", "weight_kg": ""}, None),
    "yes": ({"discontinued": "yes"}, "discontinued_type"),
    "one": ({"discontinued": "1"}, "discontinued_type"),
    "float": ({"stock_quantity": "1.0"}, "stock_quantity_type"),
    "beyond": ({"stock_quantity": "9" * 19}, "stock_quantity_type"),
    "below": ({"stock_quantity": "-1"}, "stock_negative"),
    "weight": ({"weight_kg": "1.2345"}, "weight_kg_type"),
    "free": ({"price": "0"}, "price_not_positive"),
    "priceless": ({"price": ""}, "price_required"),
}
FORMULAS = ('=HYPERLINK("http://evil.example","x")', "@SUM(A1)", "+1+1", "-1+1", "\t=1", "plain", "a=b")


BLANKS = " \t\r\n\v\f"


def keyed(texts):
    """A line for each text of each column, by a key that names column and place."""
    found = {}
    for column, values in texts.items():
        for place, text in enumerate(values):
            key = f"{'bad' if texts is BAD else 'good'}-{column}-{place}"
            found[key] = line("orders", **{"order_id": key, column: quoted(text)})
    return found


def due(texts):
    """Column, text and what the text is due, by the key of `keyed`."""
    pairs = [(column, *pair) for column, values in texts.items() for pair in values.items()]
    return dict(zip(keyed(texts), pairs, strict=True))


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
    line("customers", first_name="NULL", last_name="NA", zip_code="02139", country="N/A", city="  Graz "),
    line("customers", customer_id="old", date_of_birth="1899-12-31"),
    line("customers", customer_id="  padded\t", date_of_birth="1900-01-01"),
    line("customers", customer_id="unborn", date_of_birth="2100-12-31"),
    *(line("customers", customer_id=key) for key in ("Twin", "twin", "tw in", "AB 1", "AB1", "other")),
    *(line("customers", customer_id=f"f{i}", address=quoted(text), city=quoted(text)) for i, text in enumerate(FORMULAS)),
]


@pytest.fixture(scope="module")
def desk(cartbrook, blank, tmp_path_factory):
    """One batch with a record for each case, and one of duplicates."""
    desk = Desk(cartbrook, shutil.copytree(blank, tmp_path_factory.mktemp("records") / "shop"))
    items = [line("products"), *(line("products", product_id=key, **fields) for key, (fields, _) in PRODUCTS.items())]
    tall = line("orders", order_id="tall", shipping_address='"two\nlines"')
    desk.put(
        "records",
        {
            named("customers"): sheet("customers", *PEOPLE).encode(),
            named("products"): sheet("products", *items).encode(),
            named("orders", 10): sheet("orders", tall, *keyed(BAD).values()).encode(),
            named("orders", 11): sheet("orders", "", *keyed(GOOD).values(), " , ,", "\f").encode(),
        },
    )
    for batch_id, rows in (("duplicates", duplicates()), ("reversed", duplicates()[::-1])):
        desk.put(batch_id, {named("orders", 12): sheet("orders", *rows).encode()}, batch_date="2025-01-11")
    desk.run()
    return desk


def facts(desk):
    """The orders of the first batch by key."""
    rows = desk.query("SELECT * FROM gold.fact_orders WHERE batch_id = 'records'")
    return {row["order_id"]: row for row in rows}


def accepted(desk, batch_id):
    """Amount and number of repetitions of the accepted orders of a batch, by key."""
    rows = desk.query("SELECT _batch_id, order_id, order_amount, size(_copies) AS copies FROM silver.orders")
    return {row["order_id"]: (row["order_amount"], row["copies"]) for row in rows if row["_batch_id"] == batch_id}


@pytest.mark.parametrize("key", keyed(BAD))
def test_what_has_not_the_form_of_its_type_is_quarantined(desk, key):
    """An amount, a day, a time, a key that is none: set aside by line and rule with its text as it came, never cast."""
    column, text, rule = due(BAD)[key]
    row = desk.aside("records", named("orders", 10))[list(keyed(BAD)).index(key) + 4]  # the second record ends on line 3
    assert row["rules"] == [rule if rule == NOT_POSITIVE else f"{column}_{rule}"]
    assert (row["domain"], row["severity"], row["status"]) == ("orders", "HIGH", "open")
    assert row["record"][column] == text
    assert row["reason"].startswith(f"{column} is empty" if rule == "required" else f'{column} "{text.strip(BLANKS)}"')
    amount = {"-5": "-5.00", "0": "0.00", "-0.00": "0.00"}.get(text) if column == "order_amount" else "10.00"
    assert row["amount"] == amount
    assert key not in facts(desk)


@pytest.mark.parametrize("key", keyed(GOOD))
def test_what_has_the_form_of_its_type_is_stored_exactly(desk, key):
    """Blanks around typed text do not matter; NULL, NA and postcodes are text; an empty field is NULL; other text is verbatim."""
    column, _, stored = due(GOOD)[key]
    assert facts(desk)[key][column] == stored


def test_unlisted_values_are_unknown_and_keep_their_text(desk):
    """A status or method nobody listed is stored as unknown, its text in the flags; it is no revenue, nor is an empty one."""
    rows = desk.query("SELECT order_id, _flags FROM silver.orders WHERE _batch_id = 'records'")
    flags = {row["order_id"]: [flag for flag in row["_flags"] if "_enumeration" in flag] for row in rows}
    assert {key: found for key, found in flags.items() if found} == {key: [flag] for key, flag in UNLISTED.items()}
    revenue = {key: row["is_revenue"] for key, row in facts(desk).items() if "order_status" in key}
    assert revenue == {f"good-order_status-{i}": i == 0 for i in range(5)}


@pytest.mark.parametrize("key", PRODUCTS)
def test_integers_booleans_and_weights(desk, key):
    """Types of other columns are as strict; an empty field is NULL, and NULL where it must not be is set aside."""
    fields, rule = PRODUCTS[key]
    [row] = [row for row in desk.aside("records", named("products")).values() if row["record"]["product_id"] == key] or [None]
    rows = desk.query("SELECT product_id, discontinued, stock_quantity, weight_kg, price FROM gold.dim_product")
    stored = {row["product_id"]: (row["discontinued"], row["stock_quantity"], row["weight_kg"], row["price"]) for row in rows}
    if rule is None:
        assert row is None
        assert stored[key] == {"whole": (True, 7, "1.250", "3.00"), "empty": (None, None, None, "10.00")}[key]
    else:
        assert key not in stored
        assert row["rules"] == [rule]
        assert {name: row["record"][name] for name in fields} == fields


def test_literal_text_keys_and_days_of_birth(desk):
    """NULL, NA and 02139 are text; keys are trimmed and keep their case; the first and the last day there is are days."""
    rows = desk.query("SELECT * FROM gold.dim_customer")
    people = {row["customer_id"]: row for row in rows}
    first = people["C1"]
    texts = [first[name] for name in ("first_name", "last_name", "zip_code", "country", "city")]
    assert texts == ["NULL", "NA", "02139", "N/A", "  Graz "]
    assert {"padded", "Twin", "twin", "tw in", "AB 1", "AB1"} <= people.keys()
    assert (people["padded"]["date_of_birth"], people["unborn"]["date_of_birth"]) == ("1900-01-01", "2100-12-31")
    [old] = desk.aside("records", named("customers")).values()
    assert (old["source_line"], old["rules"]) == (3, ["date_of_birth_type"])


def test_near_duplicate_keys_and_blank_lines_are_warned_about(desk):
    """Keys that differ in case or blanks stay different and are counted, never named; lines without text are no records."""
    warnings = (
        f"{named('orders', 11)} has 3 blank lines",
        "5 keys of customers differ from each other only in case or blanks",
    )
    assert desk.told["records"].endswith(f"(warning: {'; '.join(warnings)})")
    assert desk.row("records")["warnings"].splitlines() == list(warnings)
    assert desk.row("duplicates")["warnings"] is None
    assert desk.query("SELECT warnings FROM ops.batches WHERE batch_id = 'records'")[0]["warnings"] == "\n".join(warnings)


def test_every_record_is_in_the_books(desk):
    """Delivered = accepted + quarantined + duplicate, file by file; audit proves it from the tables."""
    bad = len(keyed(BAD)) + 1 + sum(rule is not None for _, rule in PRODUCTS.values())
    total = 1 + len(keyed(BAD)) + len(keyed(GOOD)) + len(PEOPLE) + 1 + len(PRODUCTS)
    assert desk.books("records") == {"accepted": total - bad, "quarantined": bad}
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
        10: ("bad-rival", [NOT_POSITIVE]),
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


def test_forms_that_a_shop_declares(cartbrook, blank, tmp_path):
    """A contract's own encoding, date format and case of keys, and the workspace's zone, are those that its files are read by."""
    desk = Desk(cartbrook, shutil.copytree(blank, tmp_path / "shop"), "timezone: Europe/Berlin")
    built_in = Path(contracts.__file__).parent / "domains"
    upper = "        customProperties:\n          - {property: case, value: upper}\n"
    customers = (built_in / "customers.odcs.yaml").read_text("utf-8")
    customers = customers.replace("        primaryKeyPosition: 1\n", f"        primaryKeyPosition: 1\n{upper}", 1)
    customers = customers.replace(
        "    quality:\n", "    customProperties:\n      - {property: encoding, value: cp1252}\n    quality:\n", 1
    )
    german = "        customProperties:\n          - {property: format, value: '%d.%m.%Y'}\n"
    customers = customers.replace("        physicalType: date\n", f"        physicalType: date\n{german}", 1)
    (desk.root / "contracts" / "customers.odcs.yaml").write_text(customers, "utf-8")
    text = (built_in / "orders.odcs.yaml").read_text("utf-8")
    named_customer = "      - name: customer_id\n        description: Who ordered.\n"
    assert named_customer in text
    text = text.replace(named_customer, named_customer + upper, 1)
    (desk.root / "contracts" / "orders.odcs.yaml").write_text(text, "utf-8")
    people = [
        line("customers", customer_id="c1", city="Köln €", date_of_birth="01.12.1980"),
        line("customers", customer_id="C1", city="Köln €", date_of_birth="01.12.1980"),
        line("customers", customer_id="c2", date_of_birth="1980-12-01"),
        line("customers", customer_id="c3", date_of_birth="30.02.1980"),
    ]
    bought = [
        line("orders", order_id="summer", customer_id="c1", created_timestamp="2025-07-01 12:00:00"),
        line("orders", order_id="winter", created_timestamp="2025-01-10 12:00:00"),
        line("orders", order_id="zulu", created_timestamp="2025-07-01 12:00:00Z"),
    ]
    files = {
        named("customers"): sheet("customers", *people).encode("cp1252"),
        named("products"): sheet("products", line("products")).encode(),
        named("orders"): sheet("orders", *bought).encode(),
    }
    desk.put("own", files)
    desk.run()
    assert desk.books("own") == {"accepted": 5, "duplicate": 1, "quarantined": 2}
    assert {row["source_line"]: row["rules"] for row in desk.aside("own").values()} == {
        4: ["date_of_birth_type"],
        5: ["date_of_birth_type"],
    }
    [customer] = desk.query("SELECT customer_id, city, date_of_birth FROM gold.dim_customer")
    assert customer == {"customer_id": "C1", "city": "Köln €", "date_of_birth": "1980-12-01"}
    rows = desk.query("SELECT order_id, created_timestamp FROM gold.fact_orders")
    assert {row["order_id"]: row["created_timestamp"][11:16] for row in rows} == {
        "summer": "10:00",
        "winter": "11:00",
        "zulu": "12:00",
    }
