"""Every way a contract can be wrong, with the message and the line it gets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

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


class Case(NamedTuple):
    """One fault: what is replaced in which contract, the text on whose line the problem is told, and the message."""

    domain: str
    old: str
    new: str
    marker: str
    message: str | None


CASES: dict[str, Case] = {
    "unknown type": Case(
        "orders",
        AMOUNT,
        AMOUNT.replace("decimal(12,2)", "decimel"),
        "decimel",
        'schema.orders.order_amount: unknown type "decimel". Hint: did you mean "decimal(18,2)"?',
    ),
    "type of another system": Case(
        "orders",
        AMOUNT,
        AMOUNT.replace("decimal(12,2)", "DOUBLE"),
        "DOUBLE",
        'schema.orders.order_amount: unknown type "DOUBLE". Hint: did you mean "decimal(18,2)"?',
    ),
    "a decimal without digits before the point": Case(
        "orders",
        AMOUNT,
        AMOUNT.replace("decimal(12,2)", "decimal(2,2)"),
        "decimal(2,2)",
        "schema.orders.order_amount: decimal(2,2) is no decimal. "
        "Hint: decimal(digits in all, digits after the point), at most 38 in all",
    ),
    "logical type that differs": Case(
        "orders",
        AMOUNT,
        AMOUNT.replace("number", "integer"),
        "logicalType: integer",
        "schema.orders.order_amount: logicalType of decimal(12,2) must be number",
    ),
    "no type": Case(
        "orders",
        "        logicalType: string\n        physicalType: string\n",
        "",
        "- name: order_id",
        "schema.orders.order_id: physicalType is missing. Hint: one of string, integer, date, timestamp, boolean, decimal(18,2)",
    ),
    "unknown key of the document": Case(
        "orders",
        "version: 1.0.0",
        "version: 1.0.0\nversoin: 2",
        "versoin",
        ': unknown key "versoin". Hint: did you mean "version"?',
    ),
    "unknown key of a column": Case(
        "orders",
        "        required: true\n",
        "        requierd: true\n        required: true\n",
        "requierd",
        'schema.orders.order_id: unknown key "requierd". Hint: did you mean "required"?',
    ),
    "unknown key of a rule": Case(
        "orders",
        "        mustBe: 0\n",
        "        mustBee: 1\n        mustBe: 0\n",
        "mustBee",
        'schema.orders.duplicate_key: unknown key "mustBee". Hint: did you mean "mustBe"?',
    ),
    "unknown custom property": Case(
        "orders",
        "{property: event_time,",
        "{property: event_tmie,",
        "event_tmie",
        'schema.orders: unknown custom property "event_tmie". Hint: did you mean "event_time"?',
    ),
    "custom property twice": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME * 2,
        "event_time, value: order_date}\n    quality",
        'schema.orders: custom property "event_time" stands twice',
    ),
    "a key that promises what is not done": Case(
        "orders",
        "        required: true\n",
        "        unique: true\n        required: true\n",
        "unique: true",
        "schema.orders.order_id: unique is not read here. Hint: primaryKey says what is unique",
    ),
    "missing part of the document": Case("orders", "id: cartbrook-orders\n", "", "apiVersion", ": id is missing"),
    "unknown kind": Case(
        "orders",
        "kind: DataContract",
        "kind: DataProduct",
        "DataProduct",
        ': unknown kind "DataProduct". Hint: did you mean "DataContract"?',
    ),
    "unknown version of the standard": Case(
        "orders",
        "apiVersion: v3.1.0",
        "apiVersion: v2.2.0",
        "v2.2.0",
        ': unknown apiVersion "v2.2.0". Hint: did you mean "v3.2.0"?',
    ),
    "unknown domain": Case(
        "orders",
        "  - name: orders",
        "  - name: order",
        "order\n",
        'schema: unknown domain "order". Hint: did you mean "orders"?',
    ),
    "unknown severity": Case(
        "orders",
        "severity: HIGH",
        "severity: HIHG",
        "HIHG",
        'schema.orders.duplicate_key: unknown severity "HIHG". Hint: did you mean "HIGH"?',
    ),
    "no severity": Case(
        "orders",
        "        severity: HIGH\n",
        "",
        "- name: duplicate_key",
        "schema.orders.duplicate_key: severity is missing. Hint: one of CRITICAL, HIGH, MEDIUM, LOW",
    ),
    "unknown action": Case(
        "orders",
        "action, value: keep",
        "action, value: kepe",
        "kepe",
        'schema.orders.order_product_discontinued: unknown action "kepe". Hint: did you mean "keep"?',
    ),
    "no action": Case(
        "orders",
        "      - {property: action, value: quarantine}",
        "      - {property: switch, value: schema_validation}",
        "- name: duplicate_key",
        "schema.orders.duplicate_key: custom property action is missing. Hint: one of reject_batch, quarantine, park, keep",
    ),
    "unknown dimension": Case(
        "orders",
        "dimension: uniqueness",
        "dimension: uniquness",
        "uniquness",
        'schema.orders.duplicate_key: unknown dimension "uniquness". Hint: did you mean "uniqueness"?',
    ),
    "unknown metric": Case(
        "orders",
        "metric: duplicateValues",
        "metric: duplicateValue",
        "duplicateValue",
        'schema.orders.duplicate_key: unknown metric "duplicateValue". Hint: did you mean "duplicateValues"?',
    ),
    "two operators": Case(
        "orders",
        "mustBe: 0",
        "mustBe: 0\n        mustBeLessThan: 5",
        "- name: duplicate_key",
        "schema.orders.duplicate_key: more than one operator: mustBe, mustBeLessThan. Hint: one of mustBe, mustNotBe, "
        "mustBeGreaterThan, mustBeGreaterOrEqualTo, mustBeLessThan, mustBeLessOrEqualTo, mustBeBetween, mustNotBeBetween",
    ),
    "unknown switch": Case(
        "orders",
        "switch, value: business_rules_validation",
        "switch, value: business_rules",
        "value: business_rules}",
        'schema.orders.order_product_discontinued: unknown switch "business_rules". Hint: did you mean '
        '"business_rules_validation"?',
    ),
    "a switch on a rule that always runs": Case(
        "orders",
        "- {property: action, value: quarantine}",
        "- {property: action, value: quarantine}\n          - {property: switch, value: schema_validation}",
        "schema_validation",
        "schema.orders.duplicate_key: a rule with action quarantine has no switch. Hint: only keep-rules can be switched off",
    ),
    "quality of type sql": Case(
        "orders",
        "type: custom",
        "type: sql",
        "- name: order_product_discontinued",
        "schema.orders.order_product_discontinued: query is missing. Hint: query: SELECT … FROM ${object}",
    ),
    "no key": Case(
        "orders",
        "        primaryKey: true\n        primaryKeyPosition: 1\n",
        "",
        "- name: orders",
        "schema.orders: the key is missing. Hint: primaryKey: true at the columns that identify a record",
    ),
    "key column that may be empty": Case(
        "orders",
        "        required: true\n",
        "",
        "- name: order_id",
        "schema.orders.order_id: a key column must be required. Hint: required: true",
    ),
    "key positions with a gap": Case(
        "shipping",
        "primaryKeyPosition: 2",
        "primaryKeyPosition: 3",
        "- name: shipping_id",
        "schema.shipping.shipping_id: primaryKeyPosition of the 2 key columns must count from 1 without a gap",
    ),
    "key that duplicateValues does not name": Case(
        "shipping",
        "{properties: [order_id, shipping_id]}",
        "{properties: [shipping_id]}",
        "- name: duplicate_key",
        "schema.shipping.duplicate_key: duplicate_key is the rule on the key, which is order_id, shipping_id. "
        "Hint: give a rule on other columns another name",
    ),
    "duplicates that are kept": Case(
        "orders",
        "action, value: quarantine",
        "action, value: keep",
        "keep}",
        "schema.orders.duplicate_key: of two rows with one key one must go. Hint: quarantine or reject_batch",
    ),
    "column twice": Case(
        "customers",
        "- name: last_name",
        "- name: First_Name",
        "First_Name",
        'schema.customers.First_Name: column "First_Name" stands twice, first on line 48',
    ),
    "rule twice": Case(
        "orders",
        "- name: order_without_shipment",
        "- name: order_price_mismatch",
        "- name: order_price_mismatch\n        description: The amount",
        'schema.orders.order_price_mismatch: rule "order_price_mismatch" stands twice. '
        "Hint: names made from columns count: <column>_required, _type",
    ),
    "rule of a derived name": Case(
        "orders",
        "- name: order_without_shipment",
        "- name: order_date_type",
        "- name: order_date_type",
        'schema.orders.order_date_type: rule "order_date_type" stands twice. '
        "Hint: names made from columns count: <column>_required, _type",
    ),
    "rule name in capitals": Case(
        "orders",
        "- name: order_without_shipment",
        "- name: NoShipment",
        "- name: NoShipment",
        'schema.orders.NoShipment: rule "NoShipment": a name is made of a-z, 0-9 and _',
    ),
    "YAML key twice": Case(
        "orders",
        "status: active",
        "status: active\nstatus: draft",
        "status: draft",
        ': key "status" stands twice, first on line 10',
    ),
    "name that begins with _": Case(
        "customers",
        "- name: city",
        "- name: _city",
        "_city",
        'schema.customers._city: the name "_city" is reserved. Hint: the tables have a column of this name already',
    ),
    "name that a dimension adds": Case(
        "customers",
        "- name: city",
        "- name: is_current",
        "is_current",
        'schema.customers.is_current: the name "is_current" is reserved. Hint: the tables have a column of this name already',
    ),
    "name that every table adds": Case(
        "shipping",
        "- name: tracking_number",
        "- name: Batch_ID",
        "Batch_ID",
        'schema.shipping.Batch_ID: the name "Batch_ID" is reserved. Hint: the tables have a column of this name already',
    ),
    "name that a fact adds": Case(
        "orders",
        "- name: shipping_address",
        "- name: margin",
        "margin",
        'schema.orders.margin: the name "margin" is reserved. Hint: the tables have a column of this name already',
    ),
    "name with a blank": Case(
        "customers",
        "- name: city",
        "- name: home city",
        "home city",
        "schema.customers.home city: a column's name is made of A-Z, a-z, 0-9 and _, and begins with no digit",
    ),
    "name that engines would have to quote": Case(
        "customers",
        "- name: city",
        "- name: straße",
        "straße",
        "schema.customers.straße: a column's name is made of A-Z, a-z, 0-9 and _, and begins with no digit",
    ),
    "expectation with an unknown column": Case(
        "orders",
        "expect: order_amount > 0",
        "expect: order_amuont > 0",
        "order_amuont",
        'schema.orders.order_amount.order_amount_not_positive: unknown column "order_amuont". Hint: did you mean "order_amount"?',
    ),
    "expectation with an undeclared context": Case(
        "orders",
        "          context: [product]\n",
        "",
        "NOT product",
        "schema.orders.order_product_discontinued: the condition looks at product without saying so. "
        "Hint: add context: [product] beside expect",
    ),
    "unknown context": Case(
        "orders",
        "context: [product]",
        "context: [produkt, product]",
        "produkt",
        'schema.orders.order_product_discontinued: unknown context "produkt". Hint: did you mean "product"?',
    ),
    "context where there is none": Case(
        "shipping",
        "expect: shipping_cost <= 100",
        "expect: shipping_cost <= 100\n              context: [order]",
        "context: [order]",
        'schema.shipping.shipping_cost.shipping_cost_high: unknown context "order". '
        "Hint: rules of shipping look at their own columns only",
    ),
    "unknown column of a context": Case(
        "products",
        "expect: inventory.warehouses > 0",
        "expect: inventory.warehuoses > 0",
        "inventory.warehuoses",
        'schema.products.product_without_inventory: unknown column "inventory.warehuoses". Hint: one of '
        "stock_quantity, warehouses",
    ),
    "open bracket": Case(
        "orders",
        PRICE_RULE,
        PRICE_RULE.replace(")", ""),
        "currency <>",
        "schema.orders.order_price_mismatch: a bracket is not closed",
    ),
    "open quote": Case(
        "orders",
        "'completed') OR",
        "'completed) OR",
        "order_status NOT",
        "schema.orders.order_without_shipment: a quote is not closed",
    ),
    "clock in a condition": Case(
        "customers",
        "expect: date_of_birth <= batch_date",
        "expect: date_of_birth <= now()",
        "date_of_birth <= now",
        'schema.customers.date_of_birth.date_of_birth_future: unknown function "now". '
        "Hint: batch_date, which is the same in every run",
    ),
    "no condition": Case(
        "orders",
        "          expect: NOT product.discontinued\n",
        "",
        "- name: order_product_discontinued",
        "schema.orders.order_product_discontinued: implementation: {expect: <condition>} is missing. "
        "Hint: or one of aggregate, freshness, trailing",
    ),
    "pattern that does not compile": Case(
        "customers",
        PHONE,
        "([0-9]+",
        "'([0-9]+'",
        "schema.customers.phone.phone_pattern: the pattern does not compile (missing ), unterminated subpattern at position 0)",
    ),
    "lookahead": Case(
        "customers",
        PHONE,
        "(?=.*[0-9]).+",
        "'(?=",
        "schema.customers.phone.phone_pattern: lookaround ((?=, (?!, (?<=, (?<!) is not known to every engine",
    ),
    "lookbehind": Case(
        "customers",
        PHONE,
        "[0-9]+(?<!0)",
        "'[0-9]+(?<!0)",
        "schema.customers.phone.phone_pattern: lookaround ((?=, (?!, (?<=, (?<!) is not known to every engine",
    ),
    "backreference": Case(
        "customers",
        PHONE,
        r"([0-9])\1+",
        r"'([0-9])\1+",
        r"schema.customers.phone.phone_pattern: backreferences (\1) are not known to every engine",
    ),
    "pattern on a column that is no text": Case(
        "customers",
        "type: custom\n            engine: cartbrook\n            implementation:\n              "
        "expect: date_of_birth <= batch_date\n",
        "metric: invalidValues\n            arguments: {pattern: '[0-9]+'}\n            mustBe: 0\n",
        "- name: date_of_birth_future",
        "schema.customers.date_of_birth.date_of_birth_future: invalidValues belongs to a column of type string",
    ),
    "neither values nor pattern": Case(
        "customers",
        f"              pattern: '{PHONE}'\n",
        "              pattern: x\n              validValues: [x]\n",
        "- name: phone_pattern",
        "schema.customers.phone.phone_pattern: invalidValues needs arguments with either validValues or pattern",
    ),
    "relationship to an unknown domain": Case(
        "orders",
        "to: customers.customer_id",
        "to: custmers.customer_id",
        "custmers",
        'schema.orders.customer_id: unknown domain "custmers". Hint: did you mean "customers"?',
    ),
    "relationship to no column": Case(
        "orders",
        "to: customers.customer_id",
        "to: customers",
        "to: customers\n",
        "schema.orders.customer_id: `to` must name columns of one domain, as many as `from`. Hint: to: customers.customer_id",
    ),
    "relationship to a later domain": Case(
        "orders",
        "to: customers.customer_id",
        "to: shipping.order_id",
        "shipping.order_id",
        "schema.orders.customer_id: orders cannot wait for shipping. Hint: only for customers, products",
    ),
    "stock that waits for orders": Case(
        "inventory",
        "to: products.product_id",
        "to: orders.order_id",
        "orders.order_id",
        "schema.inventory.product_id: inventory cannot wait for orders. Hint: only for customers, products",
    ),
    "a dimension that waits": Case(
        "products",
        "      - name: brand\n",
        "      - name: brand\n        relationships:\n          - to: customers.customer_id\n"
        "            customProperties: [{property: action, value: park}]\n",
        "customers.customer_id",
        "schema.products.brand: products cannot wait for customers. Hint: only orders, shipping and inventory wait for others",
    ),
    "two relationships to one domain": Case(
        "orders",
        "      - name: shipping_address\n",
        "      - name: gift_for\n        physicalType: string\n        relationships:\n          - to: customers.customer_id\n"
        "            customProperties: [{property: action, value: park}, {property: rule, value: unknown_friend}]\n"
        "      - name: shipping_address\n",
        "customers.customer_id\n            customProperties: [",
        "schema.orders.gift_for: a second relationship to customers. Hint: a record has one parent of a domain",
    ),
    "relationship that a fact is bound by, missing": Case(
        "orders",
        "            to: customers.customer_id\n",
        "            to: shipping.order_id\n",
        "- name: orders",
        "schema.orders: the relationship to customers is missing; the built-in figures need it. "
        "Hint: relationships: [{type: foreignKey, to: customers.<key>}] at the column that names it",
    ),
    "relationship that stock is bound by, missing": Case(
        "inventory",
        "            to: products.product_id\n",
        "            to: customers.customer_id\n",
        "- name: inventory\n    logical",
        "schema.inventory: the relationship to products is missing; the built-in figures need it. "
        "Hint: relationships: [{type: foreignKey, to: products.<key>}] at the column that names it",
    ),
    "relationship from one column twice": Case(
        "orders",
        "    properties:\n",
        "    relationships:\n      - from: [shipping_address, shipping_address]\n        to: [customers.a, customers.b]\n"
        "        customProperties: [{property: action, value: park}, {property: rule, value: twice}]\n    properties:\n",
        "[customers.a",
        "schema.orders: a relationship names a column twice",
    ),
    "reference that rejects": Case(
        "orders",
        "{property: action, value: park}",
        "{property: action, value: reject_batch}",
        "reject_batch}",
        "schema.orders.customer_id: a reference may only park, not reject_batch. "
        "Hint: the record waits, so that the order of arrival does not decide",
    ),
    "reference that keeps": Case(
        "orders",
        "{property: action, value: park}",
        "{property: action, value: keep}",
        "keep}\n              - {property: dimension",
        "schema.orders.customer_id: a reference may only park, not keep. "
        "Hint: the record waits, so that the order of arrival does not decide",
    ),
    "cross-table rule that quarantines": Case(
        "orders",
        "{property: action, value: keep}\n          - {property: switch, value: business_rules_validation}",
        "{property: action, value: quarantine}",
        "quarantine}\n      - name: order_without",
        "schema.orders.order_product_discontinued: a rule that looks beyond its batch may only keep, not quarantine. "
        "Hint: else the order of arrival would decide what is accepted",
    ),
    "rule on a record that parks": Case(
        "products",
        "type: custom\n            engine: cartbrook\n            implementation:\n              expect: price > 0\n"
        "            dimension: accuracy\n            severity: HIGH\n            customProperties:\n"
        "              - {property: action, value: quarantine}",
        "type: custom\n            engine: cartbrook\n            implementation:\n              expect: price > 0\n"
        "            dimension: accuracy\n            severity: HIGH\n            customProperties:\n"
        "              - {property: action, value: park}",
        "park}",
        "schema.products.price.price_not_positive: only references park. Hint: quarantine sets the row aside, keep reports it",
    ),
    "setting beside the schema": Case(
        "orders",
        "name: orders\n",
        "name: orders\ncustomProperties: [{property: snapshot, value: full}, {property: theirs, value: 1}]\n",
        "snapshot, value",
        ": snapshot is not read beside the schema. Hint: customProperties of the object, under schema",
    ),
    "sequence that is no time": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: sequence_by, value: [order_status]}\n",
        "[order_status]",
        "schema.orders: sequence_by: column order_status is string, it must be date or timestamp",
    ),
    "sequence of an unknown column": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: sequence_by, value: created_at}\n",
        "created_at}",
        'schema.orders: sequence_by: unknown column "created_at". Hint: did you mean "created_timestamp"?',
    ),
    "full snapshot with a sequence": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: sequence_by, value: [created_timestamp]}\n      - {property: snapshot, value: full}\n",
        "full}",
        "schema.orders: snapshot: full together with sequence_by. Hint: a full snapshot is ordered by its batch_date",
    ),
    "unknown snapshot": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: snapshot, value: ful}\n",
        "ful}",
        'schema.orders: unknown snapshot "ful". Hint: did you mean "full"?',
    ),
    "amount that is no money": Case(
        "orders",
        "amount, value: order_amount",
        "amount, value: order_status",
        "order_status}",
        "schema.orders: amount: column order_status is string, it must be decimal",
    ),
    "currency that is no text": Case(
        "orders",
        "currency, value: currency",
        "currency, value: order_date",
        "currency, value: order_date",
        "schema.orders: currency: column order_date is date, it must be string",
    ),
    "currency that is not there": Case(
        "orders",
        "currency, value: currency",
        "currency, value: curency",
        "currency, value: curency",
        'schema.orders: currency: unknown column "curency". Hint: did you mean "currency"?',
    ),
    "currency that may be empty": Case(
        "shipping",
        "      - name: currency\n        description: ISO 4217 code of the cost.\n        logicalType: string\n"
        "        physicalType: string\n        required: true\n",
        "      - name: currency\n        physicalType: string\n",
        "currency, value: currency",
        "schema.shipping: currency: column currency must be required. Hint: required: true",
    ),
    "amount without currency": Case(
        "orders",
        "      - {property: currency, value: currency}\n",
        "",
        "order_amount}",
        "schema.orders: amount without currency. Hint: name the column of its currency",
    ),
    "currency without amount": Case(
        "orders",
        "      - {property: amount, value: order_amount}\n",
        "",
        "currency}",
        "schema.orders: currency without amount. Hint: name the column of the amount",
    ),
    "event time that is no time": Case(
        "orders",
        "event_time, value: order_date",
        "event_time, value: order_id",
        "order_id}",
        "schema.orders: event_time: column order_id is string, it must be date or timestamp",
    ),
    "delete column that is not there": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: delete, value: {column: op, values: [D]}}\n",
        "{column: op",
        'schema.orders: delete: unknown column "op". Hint: one of created_timestamp, currency, customer_id, '
        "order_amount, order_date, order_id, order_status, payment_method, product_id, shipping_address",
    ),
    "delete without values": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: delete, value: {column: order_status}}\n",
        "{column: order_status",
        "schema.orders: delete needs a column and values. Hint: value: {column: op, values: [D, delete]}",
    ),
    "unknown encoding": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: encoding, value: utf-88}\n",
        "utf-88",
        'schema.orders: unknown encoding "utf-88". Hint: utf-8, utf-16, latin-1, cp1252, …',
    ),
    "codec that is no encoding": Case(
        "orders",
        EVENT_TIME,
        EVENT_TIME + "      - {property: encoding, value: rot13}\n",
        "rot13",
        'schema.orders: unknown encoding "rot13". Hint: utf-8, utf-16, latin-1, cp1252, …',
    ),
    "spelling of nothing": Case(
        "orders",
        "{canceled: cancelled}",
        "{canceled: canceld}",
        "canceld}",
        'schema.orders.order_status.order_status_enumeration: spelling of "canceld", which is not a listed value. '
        'Hint: did you mean "cancelled"?',
    ),
    "value that never matches": Case(
        "orders",
        "- gift_card",
        "- Gift Card",
        "Gift Card",
        'schema.orders.payment_method.payment_method_enumeration: no value is ever compared as "Gift '
        'Card". Hint: write "gift_card"',
    ),
    "value that means not listed": Case(
        "orders",
        "- gift_card",
        "- unknown",
        "unknown\n",
        'schema.orders.payment_method.payment_method_enumeration: "unknown" is what values get that are '
        "not listed. Hint: leave it out",
    ),
    "value twice": Case(
        "orders",
        "- gift_card",
        "- paypal",
        "paypal\n            mustBe",
        'schema.orders.payment_method.payment_method_enumeration: value "paypal" is listed twice',
    ),
    "untracked where nothing is": Case(
        "orders",
        "{property: case, value: upper}",
        "{property: tracked, value: false}",
        "value: false",
        "schema.orders.currency: only customers and products have a history to track. Hint: leave it out",
    ),
    "attribute that facts copy, untracked": Case(
        "products",
        "      - name: category\n",
        "      - name: category\n        customProperties: [{property: tracked, value: false}]\n",
        "category\n",
        "schema.products.category: category must be tracked: facts copy it. Hint: take tracked: false away",
    ),
    "needed column missing": Case(
        "products",
        "- name: discontinued",
        "- name: discontinud",
        "- name: products",
        "schema.products: column discontinued (boolean) is missing; the built-in figures need it. "
        'Hint: did you mean "discontinud"?',
    ),
    "needed column of another type": Case(
        "products",
        "logicalType: boolean\n        physicalType: boolean",
        "physicalType: string",
        "string\n      - name: created",
        "schema.products.discontinued: discontinued is string; the built-in figures need boolean. Hint: physicalType: boolean",
    ),
    "money that is too wide": Case(
        "orders",
        AMOUNT,
        AMOUNT.replace("12,2", "18,4"),
        "decimal(18,4)",
        "schema.orders.order_amount: order_amount is decimal(18,4), which does not fit decimal(18,2). "
        "Hint: physicalType: decimal(12,2)",
    ),
    "case of a number": Case(
        "orders",
        AMOUNT,
        AMOUNT + "        customProperties: [{property: case, value: lower}]\n",
        "lower",
        "schema.orders.order_amount: only text has a case",
    ),
    "key that is not trimmed": Case(
        "orders",
        "        primaryKeyPosition: 1\n",
        "        primaryKeyPosition: 1\n        customProperties: [{property: trim, value: false}]\n",
        "false",
        "schema.orders.order_id: keys, references, currencies, enumerations and typed columns are "
        "always trimmed. Hint: leave it out",
    ),
    "format with an unknown directive": Case(
        "orders",
        "        logicalType: date\n",
        "        logicalType: date\n        customProperties: [{property: format, value: '%d. %B %Y'}]\n",
        "'%d.",
        'schema.orders.order_date: unknown directive "%B" in format. Hint: one of %Y, %d, %m',
    ),
    "format without a year": Case(
        "orders",
        "        logicalType: date\n",
        "        logicalType: date\n        customProperties: [{property: format, value: '%d.%m.'}]\n",
        "'%d.",
        "schema.orders.order_date: format of a date must hold %Y, %m, %d",
    ),
    "flag that is none": Case(
        "orders",
        "required: true",
        "required: yes",
        "yes",
        "schema.orders.order_id: required must be true or false",
    ),
    "alias": Case(
        "orders",
        "required: true",
        "required: &r true\n        partitioned: *r",
        "*r",
        ": YAML aliases are not read. Hint: write the value out",
    ),
    "no YAML": Case("orders", "schema:", "schema: [", "schema: [", None),
}


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
