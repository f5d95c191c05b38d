"""What the text of a field is taken for: types, blanks, enumerations, and the forms that a shop declares."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.desk import Desk, due, keyed, line, named, sheet

from cartbrook import contracts

pytestmark = pytest.mark.engine("sail")

ORDERS = named("orders")
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
    "order_status-2": "order_status_enumeration:lost in space",
    "payment_method-2": "payment_method_enumeration:shells",
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
LISTED = {
    ("orders", "order_status"): "pending confirmed processing shipped delivered completed cancelled returned refunded failed",
    ("orders", "payment_method"): "credit_card debit_card paypal apple_pay google_pay bank_transfer cash_on_delivery gift_card",
    ("customers", "customer_tier"): "bronze silver gold platinum premium standard",
    ("shipping", "shipping_status"): (
        "pending processing label_created shipped in_transit out_for_delivery delivered returned lost cancelled"
    ),
}
REQUIRED = {
    "shipping": ("order_id", "shipping_id", "currency"),
    "inventory": ("product_id", "warehouse_id"),
    "products": ("product_id", "price", "currency"),
    "customers": ("customer_id",),
}


def listed(domain):
    """A line for each listed value of the domain's enumerations, spelled with blanks and capitals, by its key."""
    key = {"orders": "order_id", "customers": "customer_id", "shipping": "shipping_id"}[domain]
    found = {}
    for (owner, column), values in LISTED.items():
        for value in values.split() if owner == domain else ():
            found[f"{column} {value}"] = line(domain, **{key: f"{column} {value}", column: value.replace("_", " ").title()})
    return list(found.values())


def wanting(domain):
    """A line without each required column."""
    return [line(domain, **{column: " ", "created_timestamp": "2025-01-10 10:00:00"}) for column in REQUIRED[domain]]


@pytest.fixture(scope="module")
def desk(cartbrook, blank, tmp_path_factory):
    """One batch with a record for each case."""
    desk = Desk(cartbrook, shutil.copytree(blank, tmp_path_factory.mktemp("forms") / "shop"))
    people = [
        line("customers", first_name="NULL", last_name="NA", zip_code="02139", country="N/A", city="  Graz "),
        line("customers", customer_id="  padded\t", date_of_birth="1900-01-01"),
        line("customers", customer_id="Padded", date_of_birth="2100-12-31"),
    ]
    items = [line("products"), *(line("products", product_id=key, **fields) for key, (fields, _) in PRODUCTS.items())]
    desk.put(
        "forms",
        {
            named("customers"): sheet("customers", *wanting("customers"), *people, *listed("customers")).encode(),
            named("products"): sheet("products", *wanting("products"), *items).encode(),
            ORDERS: sheet("orders", line("orders"), *keyed(GOOD).values(), *listed("orders")).encode(),
            named("shipping"): sheet("shipping", *wanting("shipping"), *listed("shipping")).encode(),
            named("inventory"): sheet("inventory", *wanting("inventory"), line("inventory")).encode(),
        },
    )
    desk.run()
    return desk


def facts(desk):
    """All orders by key."""
    return {row["order_id"]: row for row in desk.query("SELECT * FROM gold.fact_orders")}


def test_every_record_is_in_the_books(desk):
    """Nothing of the batch is lost."""
    wrong = sum(map(len, REQUIRED.values())) + sum(rule is not None for _, rule in PRODUCTS.values())
    assert desk.books("forms")["quarantined"] == wrong
    assert desk.books("forms").keys() == {"accepted", "quarantined"}


@pytest.mark.parametrize("key", keyed(GOOD))
def test_what_has_the_form_of_its_type_is_stored_exactly(desk, key):
    """Blanks around typed text do not matter; NULL, NA and postcodes are text; an empty field is NULL; other text is verbatim."""
    column, _, stored = due(GOOD)[key]
    assert facts(desk)[key][column] == stored


def test_unlisted_values_are_unknown_and_keep_their_text(desk):
    """A status or method nobody listed is stored as unknown, its text in the flags; it is no revenue, nor is an empty one."""
    rows = desk.query("SELECT order_id, _flags FROM silver.orders WHERE _batch_id = 'forms'")
    flags = {row["order_id"]: [flag for flag in row["_flags"] if "_enumeration" in flag] for row in rows}
    assert {key: found for key, found in flags.items() if found} == {key: [flag] for key, flag in UNLISTED.items()}
    revenue = {key: row["is_revenue"] for key, row in facts(desk).items() if key.startswith("order_status-")}
    assert revenue == {f"order_status-{i}": i == 0 for i in range(5)}


@pytest.mark.parametrize("key", PRODUCTS)
def test_integers_booleans_and_weights(desk, key):
    """Types of other columns are as strict; an empty field is NULL, and NULL where it must not be is set aside."""
    fields, rule = PRODUCTS[key]
    [row] = [row for row in desk.aside("forms", named("products")).values() if row["record"]["product_id"] == key] or [None]
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
    assert (people["padded"]["date_of_birth"], people["Padded"]["date_of_birth"]) == ("1900-01-01", "2100-12-31")


@pytest.mark.parametrize(("domain", "column"), LISTED)
def test_listed_values_are_known_however_they_are_spelled(desk, domain, column):
    """Capitals and blanks do not matter: ``In Transit`` is in_transit."""
    table, key = {
        "orders": ("fact_orders", "order_id"),
        "customers": ("dim_customer", "customer_id"),
        "shipping": ("fact_shipping", "shipping_id"),
    }[domain]
    rows = desk.query(f"SELECT {key} AS key, {column} AS value FROM gold.{table}")
    stored = {row["key"]: row["value"] for row in rows if row["key"].startswith(f"{column} ")}
    assert stored == {f"{column} {value}": value for value in LISTED[domain, column].split()}


@pytest.mark.parametrize("domain", REQUIRED)
def test_required_columns(desk, domain):
    """A record without its key, its parent, its price or its currency is set aside; a field of blanks is an empty one."""
    aside = desk.aside("forms", named(domain))
    assert [aside[place]["rules"] for place in range(2, 2 + len(REQUIRED[domain]))] == [
        [f"{column}_required"] for column in REQUIRED[domain]
    ]


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
