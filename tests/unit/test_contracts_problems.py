"""Every way a contract can be wrong, with the message and the line it gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartbrook.contracts.load import load_contracts, parse_contract
from cartbrook.contracts.model import DOMAINS
from cartbrook.errors import ContractError

BUILT_IN = {
    domain: (Path(load_contracts.__code__.co_filename).parent / "domains" / f"{domain}.odcs.yaml").read_text(encoding="utf-8")
    for domain in DOMAINS
}
AMOUNT = "        logicalType: number\n        physicalType: decimal(12,2)\n        required: true\n"
EVENT_TIME = "      - {property: event_time, value: order_date}\n"
PHONE = r"\+?\(?[0-9]([ ()./-]{0,3}[0-9]){5,16}\)?( ?([xX#]|[eE]xt\.?) ?[0-9]{1,6})?"
PRICE_RULE = "currency <> product.currency OR abs(order_amount - product.price) <= 0.01"


def edited(domain: str, old: str, new: str) -> str:
    """The built-in contract with one piece of its text replaced where it stands first."""
    assert old in BUILT_IN[domain], old
    return BUILT_IN[domain].replace(old, new, 1)


def problems_of(text: str, source: str = "orders.odcs.yaml") -> list[str]:
    """What is wrong with a text."""
    with pytest.raises(ContractError) as caught:
        parse_contract(text, source)
    return caught.value.problems


def line_of(text: str, marker: str) -> int:
    """The line on which the marker begins first."""
    return text[: text.index(marker)].count("\n") + 1


CASES = {
    "unknown type": (
        "orders", AMOUNT, AMOUNT.replace("decimal(12,2)", "decimel"), "decimel",
        'schema.orders.order_amount: unknown type "decimel". Hint: did you mean "decimal(18,2)"?',
    ),
    "type of another system": (
        "orders", AMOUNT, AMOUNT.replace("decimal(12,2)", "DOUBLE"), "DOUBLE",
        'schema.orders.order_amount: unknown type "DOUBLE". Hint: did you mean "decimal(18,2)"?',
    ),
    "a decimal without digits before the point": (
        "orders", AMOUNT, AMOUNT.replace("decimal(12,2)", "decimal(2,2)"), "decimal(2,2)",
        "schema.orders.order_amount: decimal(2,2) is no decimal. "
        "Hint: decimal(digits in all, digits after the point), at most 38 in all",
    ),
    "logical type that differs": (
        "orders", AMOUNT, AMOUNT.replace("number", "integer"), "logicalType: integer",
        "schema.orders.order_amount: logicalType of decimal(12,2) must be number",
    ),
    "no type": (
        "orders", "        logicalType: string\n        physicalType: string\n", "", "- name: order_id",
        "schema.orders.order_id: physicalType is missing. "
        "Hint: one of string, integer, date, timestamp, boolean, decimal(18,2)",
    ),
    "unknown key of the document": (
        "orders", "version: 1.0.0", "version: 1.0.0\nversoin: 2", "versoin", ': unknown key "versoin". Hint: did you mean "version"?',
    ),
    "unknown key of a column": (
        "orders", "        required: true\n", "        requierd: true\n        required: true\n", "requierd",
        'schema.orders.order_id: unknown key "requierd". Hint: did you mean "required"?',
    ),
    "unknown key of a rule": (
        "orders", "        mustBe: 0\n", "        mustBee: 1\n        mustBe: 0\n", "mustBee",
        'schema.orders.duplicate_key: unknown key "mustBee". Hint: did you mean "mustBe"?',
    ),
    "unknown custom property": (
        "orders", "{property: event_time,", "{property: event_tmie,", "event_tmie",
        'schema.orders: unknown custom property "event_tmie". Hint: did you mean "event_time"?',
    ),
    "custom property twice": (
        "orders", EVENT_TIME, EVENT_TIME * 2, "event_time, value: order_date}\n    quality",
        'schema.orders: custom property "event_time" stands twice',
    ),
    "a key that promises what is not done": (
        "orders", "        required: true\n", "        unique: true\n        required: true\n", "unique: true",
        "schema.orders.order_id: unique is not read here. Hint: primaryKey says what is unique",
    ),
    "missing part of the document": ("orders", "id: cartbrook-orders\n", "", "apiVersion", ": id is missing"),
    "unknown kind": (
        "orders", "kind: DataContract", "kind: DataProduct", "DataProduct",
        ': unknown kind "DataProduct". Hint: did you mean "DataContract"?',
    ),
    "unknown version of the standard": (
        "orders", "apiVersion: v3.1.0", "apiVersion: v2.2.0", "v2.2.0", ': unknown apiVersion "v2.2.0". Hint: did you mean "v3.2.0"?',
    ),
    "unknown domain": (
        "orders", "  - name: orders", "  - name: order", "order\n", 'schema: unknown domain "order". Hint: did you mean "orders"?',
    ),
    "unknown severity": (
        "orders", "severity: HIGH", "severity: HIHG", "HIHG",
        'schema.orders.duplicate_key: unknown severity "HIHG". Hint: did you mean "HIGH"?',
    ),
    "no severity": (
        "orders", "        severity: HIGH\n", "", "- name: duplicate_key",
        "schema.orders.duplicate_key: severity is missing. Hint: one of CRITICAL, HIGH, MEDIUM, LOW",
    ),
    "unknown action": (
        "orders", "action, value: keep", "action, value: kepe", "kepe",
        'schema.orders.order_product_discontinued: unknown action "kepe". Hint: did you mean "keep"?',
    ),
    "no action": (
        "orders", "      - {property: action, value: quarantine}", "      - {property: switch, value: schema_validation}", "- name: duplicate_key",
        "schema.orders.duplicate_key: custom property action is missing. Hint: one of reject_batch, quarantine, park, keep",
    ),
    "unknown dimension": (
        "orders", "dimension: uniqueness", "dimension: uniquness", "uniquness",
        'schema.orders.duplicate_key: unknown dimension "uniquness". Hint: did you mean "uniqueness"?',
    ),
    "unknown metric": (
        "orders", "metric: duplicateValues", "metric: duplicateValue", "duplicateValue",
        'schema.orders.duplicate_key: unknown metric "duplicateValue". Hint: did you mean "duplicateValues"?',
    ),
    "another limit than no failure": (
        "orders", "mustBe: 0", "mustBe: 5", "- name: duplicate_key",
        "schema.orders.duplicate_key: mustBe: 0 is missing. Hint: each failing row is counted; what it costs is its severity",
    ),
    "unknown switch": (
        "orders", "switch, value: business_rules_validation", "switch, value: business_rules", "value: business_rules}",
        'schema.orders.order_product_discontinued: unknown switch "business_rules". Hint: did you mean "business_rules_validation"?',
    ),
    "a switch on a rule that always runs": (
        "orders", "- {property: action, value: quarantine}",
        "- {property: action, value: quarantine}\n          - {property: switch, value: schema_validation}", "schema_validation",
        "schema.orders.duplicate_key: a rule with action quarantine has no switch. Hint: only keep-rules can be switched off",
    ),
    "quality of type sql": (
        "orders", "type: custom", "type: sql", "- name: order_product_discontinued",
        "schema.orders.order_product_discontinued: quality of type sql is not evaluated. "
        "Hint: type: custom, engine: cartbrook, implementation: {expect: …}",
    ),
    "no key": (
        "orders", "        primaryKey: true\n        primaryKeyPosition: 1\n", "", "- name: orders",
        "schema.orders: the key is missing. Hint: primaryKey: true at the columns that identify a record",
    ),
    "key column that may be empty": (
        "orders", "        required: true\n", "", "- name: order_id",
        "schema.orders.order_id: a key column must be required. Hint: required: true",
    ),
    "key positions with a gap": (
        "shipping", "primaryKeyPosition: 2", "primaryKeyPosition: 3", "- name: shipping_id",
        "schema.shipping.shipping_id: primaryKeyPosition of the 2 key columns must count from 1 without a gap",
    ),
    "key that duplicateValues does not name": (
        "shipping", "{properties: [order_id, shipping_id]}", "{properties: [shipping_id]}", "- name: duplicate_key",
        "schema.shipping.duplicate_key: duplicateValues must name the key. Hint: arguments: {properties: [order_id, shipping_id]}",
    ),
    "duplicates that are kept": (
        "orders", "action, value: quarantine", "action, value: keep", "keep}",
        "schema.orders.duplicate_key: of two rows with one key one must go. Hint: quarantine or reject_batch",
    ),
    "column twice": (
        "customers", "- name: last_name", "- name: First_Name", "First_Name",
        'schema.customers.First_Name: column "First_Name" stands twice, first on line 48',
    ),
    "rule twice": (
        "orders", "- name: order_without_shipment", "- name: order_price_mismatch", "- name: order_price_mismatch\n        description: The amount",
        'schema.orders.order_price_mismatch: rule "order_price_mismatch" stands twice. '
        "Hint: names made from columns count: <column>_required, _type",
    ),
    "rule of a derived name": (
        "orders", "- name: order_without_shipment", "- name: order_date_type", "- name: order_date_type",
        'schema.orders.order_date_type: rule "order_date_type" stands twice. '
        "Hint: names made from columns count: <column>_required, _type",
    ),
    "rule name in capitals": (
        "orders", "- name: order_without_shipment", "- name: NoShipment", "- name: NoShipment",
        'schema.orders.NoShipment: rule "NoShipment": a name is made of a-z, 0-9 and _',
    ),
    "YAML key twice": (
        "orders", "status: active", "status: active\nstatus: draft", "status: draft", ': key "status" stands twice, first on line 10',
    ),
    "name that begins with _": (
        "customers", "- name: city", "- name: _city", "_city",
        'schema.customers._city: the name "_city" is reserved. Hint: the tables have a column of this name already',
    ),
    "name that a dimension adds": (
        "customers", "- name: city", "- name: is_current", "is_current",
        'schema.customers.is_current: the name "is_current" is reserved. Hint: the tables have a column of this name already',
    ),
    "name that every table adds": (
        "shipping", "- name: tracking_number", "- name: Batch_ID", "Batch_ID",
        'schema.shipping.Batch_ID: the name "Batch_ID" is reserved. Hint: the tables have a column of this name already',
    ),
    "name that a fact adds": (
        "orders", "- name: shipping_address", "- name: margin", "margin",
        'schema.orders.margin: the name "margin" is reserved. Hint: the tables have a column of this name already',
    ),
    "name with a blank": (
        "customers", "- name: city", "- name: home city", "home city",
        "schema.customers.home city: a column's name is made of letters, digits and _, and begins with no digit",
    ),
    "expectation with an unknown column": (
        "orders", "expect: order_amount > 0", "expect: order_amuont > 0", "order_amuont",
        'schema.orders.order_amount.order_amount_not_positive: unknown column "order_amuont". Hint: did you mean "order_amount"?',
    ),
    "expectation with an undeclared context": (
        "orders", "          context: [product]\n", "", "NOT product",
        "schema.orders.order_product_discontinued: the condition looks at product without saying so. "
        "Hint: add context: [product] beside expect",
    ),
    "unknown context": (
        "orders", "context: [product]", "context: [produkt, product]", "produkt",
        'schema.orders.order_product_discontinued: unknown context "produkt". Hint: did you mean "product"?',
    ),
    "context where there is none": (
        "shipping", "expect: shipping_cost <= 100", "expect: shipping_cost <= 100\n              context: [order]", "context: [order]",
        'schema.shipping.shipping_cost.shipping_cost_high: unknown context "order". '
        "Hint: rules of shipping look at their own columns only",
    ),
    "unknown column of a context": (
        "products", "expect: inventory.warehouses > 0", "expect: inventory.warehuoses > 0", "inventory.warehuoses",
        'schema.products.product_without_inventory: unknown column "inventory.warehuoses". Hint: one of stock_quantity, warehouses',
    ),
    "open bracket": (
        "orders", PRICE_RULE, PRICE_RULE.replace(")", ""), "currency <>",
        "schema.orders.order_price_mismatch: a bracket is not closed",
    ),
    "open quote": (
        "orders", "'completed') OR", "'completed) OR", "order_status NOT",
        "schema.orders.order_without_shipment: a quote is not closed",
    ),
    "clock in a condition": (
        "customers", "expect: date_of_birth <= batch_date", "expect: date_of_birth <= now()", "date_of_birth <= now",
        'schema.customers.date_of_birth.date_of_birth_future: unknown function "now". '
        "Hint: only functions that are the same on every engine and in every run",
    ),
    "no condition": (
        "orders", "          expect: NOT product.discontinued\n", "", "- name: order_product_discontinued",
        "schema.orders.order_product_discontinued: implementation: {expect: <condition>} is missing",
    ),
    "pattern that does not compile": (
        "customers", PHONE, "([0-9]+", "'([0-9]+'",
        "schema.customers.phone.phone_pattern: the pattern does not compile (missing ), unterminated subpattern at position 0)",
    ),
    "lookahead": (
        "customers", PHONE, "(?=.*[0-9]).+", "'(?=",
        "schema.customers.phone.phone_pattern: lookaround ((?=, (?!, (?<=, (?<!) is not known to every engine",
    ),
    "lookbehind": (
        "customers", PHONE, "[0-9]+(?<!0)", "'[0-9]+(?<!0)",
        "schema.customers.phone.phone_pattern: lookaround ((?=, (?!, (?<=, (?<!) is not known to every engine",
    ),
    "backreference": (
        "customers", PHONE, r"([0-9])\1+", r"'([0-9])\1+",
        r"schema.customers.phone.phone_pattern: backreferences (\1) are not known to every engine",
    ),
    "pattern on a column that is no text": (
        "customers", "type: custom\n            engine: cartbrook\n            implementation:\n              expect: date_of_birth <= batch_date\n",
        "metric: invalidValues\n            arguments: {pattern: '[0-9]+'}\n            mustBe: 0\n", "- name: date_of_birth_future",
        "schema.customers.date_of_birth.date_of_birth_future: invalidValues belongs to a column of type string",
    ),
    "neither values nor pattern": (
        "customers", f"              pattern: '{PHONE}'\n", "              pattern: x\n              validValues: [x]\n", "- name: phone_pattern",
        "schema.customers.phone.phone_pattern: invalidValues needs arguments with either validValues or pattern",
    ),
    "relationship to an unknown domain": (
        "orders", "to: customers.customer_id", "to: custmers.customer_id", "custmers",
        'schema.orders.customer_id: unknown domain "custmers". Hint: did you mean "customers"?',
    ),
    "relationship to no column": (
        "orders", "to: customers.customer_id", "to: customers", "to: customers\n",
        "schema.orders.customer_id: `to` must name columns of one domain, as many as `from`. Hint: to: customers.customer_id",
    ),
    "relationship to a later domain": (
        "orders", "to: customers.customer_id", "to: shipping.order_id", "shipping.order_id",
        "schema.orders.customer_id: orders cannot wait for shipping. "
        "Hint: parents come first: customers, products, orders, shipping, inventory",
    ),
    "reference that rejects": (
        "orders", "{property: action, value: park}", "{property: action, value: reject_batch}", "reject_batch}",
        "schema.orders.customer_id: a reference may park or keep, not reject_batch. Hint: else the order of arrival would decide",
    ),
    "cross-table rule that quarantines": (
        "orders", "{property: action, value: keep}\n          - {property: switch, value: business_rules_validation}",
        "{property: action, value: quarantine}", "quarantine}\n      - name: order_without",
        "schema.orders.order_product_discontinued: a rule that looks beyond its batch may only keep, not quarantine. "
        "Hint: else the order of arrival would decide what is accepted",
    ),
    "rule on a record that parks": (
        "products", "type: custom\n            engine: cartbrook\n            implementation:\n              expect: price > 0\n"
        "            dimension: accuracy\n            severity: HIGH\n            customProperties:\n"
        "              - {property: action, value: quarantine}",
        "type: custom\n            engine: cartbrook\n            implementation:\n              expect: price > 0\n"
        "            dimension: accuracy\n            severity: HIGH\n            customProperties:\n"
        "              - {property: action, value: park}", "park}",
        "schema.products.price.price_not_positive: only references park. Hint: quarantine sets the row aside, keep reports it",
    ),
    "sequence that is no time": (
        "orders", EVENT_TIME, EVENT_TIME + "      - {property: sequence_by, value: [order_status]}\n", "[order_status]",
        "schema.orders: sequence_by: column order_status is string, it must be date or timestamp",
    ),
    "sequence of an unknown column": (
        "orders", EVENT_TIME, EVENT_TIME + "      - {property: sequence_by, value: created_at}\n", "created_at}",
        'schema.orders: sequence_by: unknown column "created_at". Hint: did you mean "created_timestamp"?',
    ),
    "full snapshot with a sequence": (
        "orders", EVENT_TIME,
        EVENT_TIME + "      - {property: sequence_by, value: [created_timestamp]}\n      - {property: snapshot, value: full}\n", "full}",
        "schema.orders: snapshot: full together with sequence_by. Hint: a full snapshot is ordered by its batch_date",
    ),
    "unknown snapshot": (
        "orders", EVENT_TIME, EVENT_TIME + "      - {property: snapshot, value: ful}\n", "ful}",
        'schema.orders: unknown snapshot "ful". Hint: did you mean "full"?',
    ),
    "amount that is no money": (
        "orders", "amount, value: order_amount", "amount, value: order_status", "order_status}",
        "schema.orders: amount: column order_status is string, it must be decimal",
    ),
    "currency that is no text": (
        "orders", "currency, value: currency", "currency, value: order_date", "currency, value: order_date",
        "schema.orders: currency: column order_date is date, it must be string",
    ),
    "amount without currency": (
        "orders", "      - {property: currency, value: currency}\n", "", "order_amount}",
        "schema.orders: amount without currency. Hint: name the column of its currency",
    ),
    "currency without amount": (
        "orders", "      - {property: amount, value: order_amount}\n", "", "currency}",
        "schema.orders: currency without amount. Hint: name the column of the amount",
    ),
    "event time that is no time": (
        "orders", "event_time, value: order_date", "event_time, value: order_id", "order_id}",
        "schema.orders: event_time: column order_id is string, it must be date or timestamp",
    ),
    "delete column that is not there": (
        "orders", EVENT_TIME, EVENT_TIME + "      - {property: delete, value: {column: op, values: [D]}}\n", "{column: op",
        'schema.orders: delete: unknown column "op". Hint: one of created_timestamp, currency, customer_id, '
        "order_amount, order_date, order_id, order_status, payment_method, product_id, shipping_address",
    ),
    "delete without values": (
        "orders", EVENT_TIME, EVENT_TIME + "      - {property: delete, value: {column: order_status}}\n", "{column: order_status",
        "schema.orders: delete needs a column and values. Hint: value: {column: op, values: [D, delete]}",
    ),
    "unknown encoding": (
        "orders", EVENT_TIME, EVENT_TIME + "      - {property: encoding, value: utf-88}\n", "utf-88",
        'schema.orders: unknown encoding "utf-88". Hint: utf-8, utf-16, latin-1, cp1252, …',
    ),
    "codec that is no encoding": (
        "orders", EVENT_TIME, EVENT_TIME + "      - {property: encoding, value: rot13}\n", "rot13",
        'schema.orders: unknown encoding "rot13". Hint: utf-8, utf-16, latin-1, cp1252, …',
    ),
    "spelling of nothing": (
        "orders", "{canceled: cancelled}", "{canceled: canceld}", "canceld}",
        'schema.orders.order_status.order_status_enumeration: spelling of "canceld", which is not a listed value. '
        'Hint: did you mean "cancelled"?',
    ),
    "value that never matches": (
        "orders", "- gift_card", "- Gift Card", "Gift Card",
        'schema.orders.payment_method.payment_method_enumeration: no value is ever compared as "Gift Card". Hint: write "gift_card"',
    ),
    "value that means not listed": (
        "orders", "- gift_card", "- unknown", "unknown\n",
        'schema.orders.payment_method.payment_method_enumeration: "unknown" is what values get that are not listed. Hint: leave it out',
    ),
    "value twice": (
        "orders", "- gift_card", "- paypal", "paypal\n            mustBe",
        'schema.orders.payment_method.payment_method_enumeration: value "paypal" is listed twice',
    ),
    "untracked where nothing is": (
        "orders", "{property: case, value: upper}", "{property: tracked, value: false}", "value: false",
        "schema.orders.currency: only customers and products have a history to track. Hint: leave it out",
    ),
    "attribute that facts copy, untracked": (
        "products", "      - name: category\n", "      - name: category\n        customProperties: [{property: tracked, value: false}]\n",
        "category\n", "schema.products.category: category must be tracked: facts copy it. Hint: take tracked: false away",
    ),
    "needed column missing": (
        "products", "- name: discontinued", "- name: discontinud", "- name: products",
        "schema.products: column discontinued (boolean) is missing; the built-in figures need it. "
        'Hint: did you mean "discontinud"?',
    ),
    "needed column of another type": (
        "products", "logicalType: boolean\n        physicalType: boolean", "physicalType: string", "string\n      - name: created",
        "schema.products.discontinued: discontinued is string; the built-in figures need boolean. Hint: physicalType: boolean",
    ),
    "money that is too wide": (
        "orders", AMOUNT, AMOUNT.replace("12,2", "18,4"), "decimal(18,4)",
        "schema.orders.order_amount: order_amount is decimal(18,4), which does not fit decimal(18,2). "
        "Hint: physicalType: decimal(12,2)",
    ),
    "case of a number": (
        "orders", AMOUNT, AMOUNT + "        customProperties: [{property: case, value: lower}]\n", "lower",
        "schema.orders.order_amount: only text has a case",
    ),
    "key that is not trimmed": (
        "orders", "        primaryKeyPosition: 1\n", "        primaryKeyPosition: 1\n        customProperties: [{property: trim, value: false}]\n",
        "false", "schema.orders.order_id: keys, references, currencies, enumerations and typed columns are always trimmed. Hint: leave it out",
    ),
    "format with an unknown directive": (
        "orders", "        logicalType: date\n", "        logicalType: date\n        customProperties: [{property: format, value: '%d. %B %Y'}]\n",
        "'%d.", 'schema.orders.order_date: unknown directive "%B" in format. Hint: one of %Y, %d, %m',
    ),
    "format without a year": (
        "orders", "        logicalType: date\n", "        logicalType: date\n        customProperties: [{property: format, value: '%d.%m.'}]\n",
        "'%d.", "schema.orders.order_date: format of a date must hold %Y, %m, %d",
    ),
    "flag that is none": (
        "orders", "required: true", "required: yes", "yes", "schema.orders.order_id: required must be true or false",
    ),
    "alias": (
        "orders", "required: true", "required: &r true\n        partitioned: *r", "*r",
        ": YAML aliases are not read. Hint: write the value out",
    ),
    "no YAML": ("orders", "schema:", "schema: [", "schema: [", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_problem_is_told_with_its_line(case):
    """A contract with one fault gets one message, which names file, line, place, fault and remedy."""
    domain, old, new, marker, message = CASES[case]
    text = edited(domain, old, new)
    found = problems_of(text, f"{domain}.odcs.yaml")
    if message is None:
        assert len(found) == 1
        assert ": not YAML: " in found[0]
        return
    place = f"{domain}.odcs.yaml:{line_of(text, marker)}"
    assert f"{place}{'' if message.startswith(':') else ' '}{message}" in found


def test_the_first_line_of_the_message_is_the_number_of_problems():
    """The error names the file and the true line, as an editor shows it."""
    text = edited("orders", AMOUNT, AMOUNT.replace("decimal(12,2)", "decimel"))
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "orders.odcs.yaml")
    problem = 'orders.odcs.yaml:124 schema.orders.order_amount: unknown type "decimel". Hint: did you mean "decimal(18,2)"?'
    assert str(caught.value) == f"1 problem in the data contracts:\n  {problem}"
    assert caught.value.exit_code == 2


def write(folder: Path, domain: str, *edits: tuple[str, str]) -> None:
    """An override made from the built-in contract."""
    text = BUILT_IN[domain]
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / f"{domain}.odcs.yaml").write_text(text, encoding="utf-8")


def load_problems(folder: Path) -> list[str]:
    """What is wrong with the overrides in a folder."""
    with pytest.raises(ContractError) as caught:
        load_contracts(folder)
    return caught.value.problems


def test_all_problems_of_all_files_are_told_at_once(tmp_path):
    """Each file may be wrong in several ways; one run shows them all, by file and line."""
    write(tmp_path, "orders", ("severity: HIGH", "severity: HIHG"), ("physicalType: decimal(12,2)", "physicalType: money"), ("value: order_date", "value: oder_date"))
    write(tmp_path, "customers", ("- name: city", "- name: version"))
    assert [problem.split(" ")[0] for problem in load_problems(tmp_path)] == [
        "customers.odcs.yaml:114",
        "orders.odcs.yaml:20",
        "orders.odcs.yaml:30",
        "orders.odcs.yaml:124",
    ]


def test_a_relationship_to_an_unknown_column_is_told(tmp_path):
    """The other contract is looked at, the shop's own where there is one."""
    write(tmp_path, "orders", ("to: customers.customer_id", "to: customers.custmer_id"))
    assert load_problems(tmp_path) == [
        'orders.odcs.yaml:97 schema.orders.customer_id: customers has no column "custmer_id". Hint: did you mean "customer_id"?'
    ]


def test_a_relationship_to_a_column_beside_the_key_is_told(tmp_path):
    """Parents are looked up by their key."""
    write(tmp_path, "orders", ("to: customers.customer_id", "to: customers.email"))
    assert load_problems(tmp_path) == [
        "orders.odcs.yaml:97 schema.orders.customer_id: customers.email is not of the key. Hint: the key is customer_id"
    ]


def test_a_relationship_between_types_is_told(tmp_path):
    """A reference and its key have one type, else no record would find its parent."""
    kind = "logicalType: string\n        physicalType: string"
    write(tmp_path, "products", (kind, "physicalType: integer"))
    assert [problem for problem in load_problems(tmp_path) if "but" in problem] == [
        "built-in orders.odcs.yaml:110 schema.orders.product_id: product_id is string, but products.product_id is integer. "
        "Hint: give both one type",
        "built-in inventory.odcs.yaml:53 schema.inventory.product_id: product_id is string, but products.product_id is integer. "
        "Hint: give both one type",
    ]


def test_a_relationship_between_cases_is_told(tmp_path):
    """A key in capitals is not found by a reference as it came."""
    upper = "primaryKeyPosition: 1\n        customProperties: [{property: case, value: upper}]"
    write(tmp_path, "customers", ("primaryKeyPosition: 1", upper))
    assert load_problems(tmp_path) == [
        "built-in orders.odcs.yaml:97 schema.orders.customer_id: customer_id has case keep, "
        "but customers.customer_id has case upper. Hint: give both one case"
    ]


def test_a_condition_on_a_column_another_contract_lacks_is_told(tmp_path):
    """`product.<column>` is looked up in the contract of products."""
    write(tmp_path, "orders", ("NOT product.discontinued", "NOT product.discontinud"))
    assert load_problems(tmp_path) == [
        "orders.odcs.yaml:38 schema.orders.order_product_discontinued: products has no column "
        '"discontinud". Hint: did you mean "discontinued"?'
    ]


def test_a_file_of_an_unknown_domain_is_told(tmp_path):
    """A contract that would silently not be read is a problem, and so is a misspelt file name."""
    (tmp_path / "custmers.odcs.yaml").write_text(BUILT_IN["customers"], encoding="utf-8")
    (tmp_path / "orders.yaml").write_text(BUILT_IN["orders"], encoding="utf-8")
    (tmp_path / "README.md").write_text("notes", encoding="utf-8")
    name = tmp_path.name
    assert load_problems(tmp_path) == [
        f'{name} custmers.odcs.yaml: unknown domain "custmers". Hint: did you mean "customers"?',
        f'{name} orders.yaml: would not be read. Hint: name it "orders.odcs.yaml"',
    ]


def test_a_file_that_holds_another_domain_is_told(tmp_path):
    """The name of the file and the domain inside must agree."""
    (tmp_path / "orders.odcs.yaml").write_text(BUILT_IN["shipping"], encoding="utf-8")
    assert load_problems(tmp_path) == [
        "orders.odcs.yaml:14 schema.shipping: the file holds the contract of shipping. Hint: name the file shipping.odcs.yaml"
    ]


def test_a_file_that_is_no_text_is_told(tmp_path):
    """Bytes that are no UTF-8, and a folder where a file should be, are problems like others."""
    (tmp_path / "orders.odcs.yaml").write_bytes(b"name: caf\xe9")
    (tmp_path / "shipping.odcs.yaml").mkdir()
    assert load_problems(tmp_path) == [
        "orders.odcs.yaml: not UTF-8 (byte 9)",
        "shipping.odcs.yaml: cannot be read (Is a directory)",
    ]


def test_overrides_must_be_a_folder(tmp_path):
    """A file in place of the folder of contracts is told; a folder that is not there is none."""
    (tmp_path / "contracts").write_text("", encoding="utf-8")
    assert load_problems(tmp_path / "contracts") == [
        "contracts: is not a folder. Hint: contracts are files <domain>.odcs.yaml in a folder"
    ]


@pytest.mark.parametrize("text", ["", "# nothing", "null", "--- a\n--- b", "[1, 2]", "a", "? [a]\n: b", "\x00", "schema: {a: 1}", "- " * 5_000])
def test_a_text_that_is_no_contract_is_told(text):
    """Whatever a file holds, the answer is a problem."""
    assert problems_of(text)


@pytest.mark.parametrize("bracket", ["[", "{a: "])
def test_deep_nesting_is_refused(bracket):
    """libyaml would overrun its stack and end the process."""
    assert problems_of("schema: " + bracket * 100_000) == ["orders.odcs.yaml:1: nested deeper than 40 levels"]


def test_a_huge_text_is_refused():
    """Nothing that large is looked at."""
    assert problems_of("#" * 1_000_001) == ["orders.odcs.yaml: longer than 1,000,000 characters, which no contract is"]


def test_messages_are_bounded():
    """A long text is cut where it is quoted, and a file with hundreds of faults names the first hundred."""
    text = edited("orders", "physicalType: decimal(12,2)", "physicalType: " + "x" * 10_000) + "".join(f"nonsense{number}: 1\n" for number in range(500))
    found = problems_of(text)
    assert len(found) == 101
    assert found[-1] == "and 401 more"
    assert max(len(problem) for problem in found) < 300


mutations = st.lists(
    st.tuples(st.sampled_from(DOMAINS), st.floats(0, 1, exclude_max=True), st.integers(0, 40), st.binary(max_size=8)), min_size=1, max_size=4
)


@given(domain=st.sampled_from(DOMAINS), mutations=mutations)
@example(domain="orders", mutations=[("orders", 0.0, 0, b"\xef\xbb\xbf")])
def test_no_damage_raises_anything_but_a_contract_error(domain, mutations):
    """Bytes cut out and put in anywhere give a contract or problems."""
    data = BUILT_IN[domain].encode()
    for _, where, cut, new in mutations:
        at = int(where * len(data))
        data = data[:at] + new + data[at + cut :]
    try:
        contract = parse_contract(data.decode("utf-8", "replace"), "mutated.odcs.yaml")
    except ContractError as error:
        assert error.problems
    else:
        assert contract.domain in DOMAINS


_TOKENS = st.sampled_from(
    ["null", "[]", "{}", "[a]", "{a: b}", '""', "1", "true", "~", "!!binary eA==", "&a x", "- - a", '"\\0"', "park", "string", "'", "2020-01-01"]
)


@given(domain=st.sampled_from(DOMAINS), edits=st.lists(st.tuples(st.integers(0, 10_000), _TOKENS), min_size=1, max_size=5))
def test_no_value_raises_anything_but_a_contract_error(domain, edits):
    """Any value of the file may be of any shape."""
    lines = BUILT_IN[domain].splitlines()
    for number, token in edits:
        line = lines[number % len(lines)]
        head, colon, _ = line.partition(": ")
        lines[number % len(lines)] = f"{head}: {token}" if colon else f"{line} {token}"
    try:
        parse_contract("\n".join(lines), "mutated.odcs.yaml")
    except ContractError as error:
        assert all("\n" not in problem for problem in error.problems)
