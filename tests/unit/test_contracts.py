"""What the built-in contracts say, and what becomes of a shop's own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml

from cartbrook.contracts import yaml_marks
from cartbrook.contracts.checks import is_plain
from cartbrook.contracts.load import CONTEXT, load_contracts, logic_facts, parse_contract, rules_hash, without
from cartbrook.contracts.model import DIMENSIONS, DOMAINS, Action, DeleteMark, Reference, Scope, Severity

FOLDER = Path(load_contracts.__code__.co_filename).parent / "domains"
HEADERS = {
    "customers": "customer_id first_name last_name email phone date_of_birth registration_date address city state zip_code "
    "country customer_tier last_login created_timestamp",
    "products": "product_id product_name category subcategory brand price currency stock_quantity weight_kg dimensions_cm color "
    "material description launch_date discontinued created_timestamp",
    "orders": "order_id customer_id product_id order_date order_amount currency payment_method shipping_address order_status "
    "created_timestamp",
    "shipping": "shipping_id order_id tracking_number carrier service_type origin_warehouse destination_address shipping_cost "
    "currency estimated_delivery actual_delivery shipping_status package_weight package_dimensions insurance_value "
    "created_timestamp",
    "inventory": "inventory_id product_id warehouse_id warehouse_name location stock_quantity reserved_quantity "
    "available_quantity reorder_level last_restocked last_audit created_timestamp",
}
BUILT_IN = load_contracts()
RULES = {
    ("customers", "customer_id_required"): "HIGH quarantine record",
    ("customers", "date_of_birth_type"): "HIGH quarantine record",
    ("customers", "email_pattern"): "MEDIUM keep record schema_validation",
    ("customers", "phone_pattern"): "MEDIUM keep record schema_validation",
    ("customers", "zip_code_pattern"): "MEDIUM keep record schema_validation",
    ("customers", "date_of_birth_future"): "MEDIUM keep record business_rules_validation",
    ("customers", "customer_tier_enumeration"): "MEDIUM keep record",
    ("customers", "customer_without_orders"): "LOW keep lake business_rules_validation",
    ("products", "price_not_positive"): "HIGH quarantine record",
    ("products", "stock_negative"): "HIGH quarantine record",
    ("products", "product_without_inventory"): "MEDIUM keep lake business_rules_validation",
    ("products", "product_stock_mismatch"): "MEDIUM keep lake business_rules_validation",
    ("orders", "order_amount_required"): "HIGH quarantine record",
    ("orders", "order_amount_type"): "HIGH quarantine record",
    ("orders", "order_amount_not_positive"): "HIGH quarantine record",
    ("orders", "order_amount_remarkable"): "HIGH keep record business_rules_validation",
    ("orders", "order_status_enumeration"): "MEDIUM keep record",
    ("orders", "payment_method_enumeration"): "MEDIUM keep record",
    ("orders", "duplicate_key"): "HIGH quarantine batch",
    ("orders", "unknown_customer"): "HIGH park reference",
    ("orders", "unknown_product"): "HIGH park reference",
    ("orders", "order_product_discontinued"): "HIGH keep lake business_rules_validation",
    ("orders", "order_without_shipment"): "HIGH keep lake business_rules_validation",
    ("orders", "order_price_mismatch"): "MEDIUM keep lake business_rules_validation",
    ("orders", "premium_order_small"): "LOW keep lake business_rules_validation",
    ("orders", "order_outside_hours"): "LOW keep record business_rules_validation",
    ("shipping", "unknown_order"): "HIGH park reference",
    ("shipping", "shipping_cost_negative"): "HIGH quarantine record",
    ("shipping", "shipping_cost_high"): "MEDIUM keep record business_rules_validation",
    ("shipping", "shipping_status_enumeration"): "MEDIUM keep record",
    ("inventory", "unknown_product"): "HIGH park reference",
    ("inventory", "stock_negative"): "HIGH quarantine record",
    ("inventory", "available_mismatch"): "MEDIUM keep record business_rules_validation",
}


def text_of(domain: str) -> str:
    """The built-in contract as it is written."""
    return (FOLDER / f"{domain}.odcs.yaml").read_text(encoding="utf-8")


def parsed(domain: str, *edits: tuple[str, str]):
    """The built-in contract with pieces of its text replaced where they stand first."""
    text = text_of(domain)
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_contract(text, "edited")


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_standard_accepts_a_built_in_contract(domain):
    """Each file is a valid document of the Open Data Contract Standard, by its own JSON schema."""
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    document = yaml.safe_load(text_of(domain))
    jsonschema.validators.validator_for(schema)(schema).validate(document)
    assert (document["apiVersion"], document["kind"]) == ("v3.1.0", "DataContract")


@pytest.mark.parametrize("domain", DOMAINS)
def test_columns_are_those_of_the_files(domain):
    """A contract has the columns of the delivered files, in their order."""
    assert " ".join(BUILT_IN[domain].names) == HEADERS[domain]


def test_contracts_come_in_the_order_of_domains():
    """Parents come before children."""
    assert tuple(BUILT_IN) == DOMAINS


def test_keys():
    """The key is what identifies a record, learned from the sample."""
    assert {domain: contract.key for domain, contract in BUILT_IN.items()} == {
        "customers": ("customer_id",),
        "products": ("product_id",),
        "orders": ("order_id",),
        "shipping": ("order_id", "shipping_id"),
        "inventory": ("product_id", "warehouse_id"),
    }


def test_types():
    """Everything but these columns is text."""
    typed = {c.name: c.type for contract in BUILT_IN.values() for c in contract.columns if c.type != "string"}
    assert typed == {
        **dict.fromkeys(("price", "order_amount", "shipping_cost", "insurance_value"), "decimal(12,2)"),
        **dict.fromkeys(("weight_kg", "package_weight"), "decimal(18,3)"),
        **dict.fromkeys(("stock_quantity", "reserved_quantity", "available_quantity", "reorder_level"), "integer"),
        **dict.fromkeys(("date_of_birth", "registration_date", "launch_date", "order_date"), "date"),
        **dict.fromkeys(("estimated_delivery", "actual_delivery", "last_restocked", "last_audit"), "date"),
        **dict.fromkeys(("last_login", "created_timestamp"), "timestamp"),
        "discontinued": "boolean",
    }


def test_required_columns():
    """Keys, references, the order's amount and date, the price, and currencies."""
    assert {domain: {c.name for c in contract.columns if c.required} for domain, contract in BUILT_IN.items()} == {
        "customers": {"customer_id"},
        "products": {"product_id", "price", "currency"},
        "orders": {"order_id", "customer_id", "product_id", "order_date", "order_amount", "currency"},
        "shipping": {"shipping_id", "order_id", "currency"},
        "inventory": {"product_id", "warehouse_id"},
    }


def test_untracked_columns():
    """What changes daily opens no version."""
    assert {domain: {c.name for c in BUILT_IN[domain].columns if not c.tracked} for domain in DIMENSIONS} == {
        "customers": {"last_login", "created_timestamp"},
        "products": {"stock_quantity", "created_timestamp"},
    }


def test_trimmed_texts():
    """Of the text columns only keys, references, currencies and enumerations are trimmed; the case of keys is kept."""
    trimmed = {d: {c.name for c in k.columns if c.type == "string" and c.trim} for d, k in BUILT_IN.items()}
    assert trimmed == {
        "customers": {"customer_id", "customer_tier"},
        "products": {"product_id", "currency"},
        "orders": {"order_id", "customer_id", "product_id", "currency", "payment_method", "order_status"},
        "shipping": {"shipping_id", "order_id", "currency", "shipping_status"},
        "inventory": {"product_id", "warehouse_id"},
    }
    assert all(c.trim for contract in BUILT_IN.values() for c in contract.columns if c.type != "string")
    assert {c.name for contract in BUILT_IN.values() for c in contract.columns if c.case == "upper"} == {"currency"}


def test_references():
    """Who waits for whom."""
    assert {domain: contract.references for domain, contract in BUILT_IN.items()} == {
        "customers": (),
        "products": (),
        "orders": (
            Reference("unknown_customer", ("customer_id",), "customers", ("customer_id",)),
            Reference("unknown_product", ("product_id",), "products", ("product_id",)),
        ),
        "shipping": (Reference("unknown_order", ("order_id",), "orders", ("order_id",)),),
        "inventory": (Reference("unknown_product", ("product_id",), "products", ("product_id",)),),
    }


def test_money_and_time():
    """Orders and shipping have money; orders bind at their date, all else at the batch's."""
    assert {d: (c.amount, c.currency, c.event_time) for d, c in BUILT_IN.items()} == {
        "customers": (None, None, None),
        "products": (None, None, None),
        "orders": ("order_amount", "currency", "order_date"),
        "shipping": ("shipping_cost", "currency", None),
        "inventory": (None, None, None),
    }


def test_enumerations():
    """The listed values and their spellings."""
    listed = {c.name: c.enumeration for contract in BUILT_IN.values() for c in contract.columns if c.enumeration}
    assert {name: " ".join(enumeration.values) for name, enumeration in listed.items()} == {
        "customer_tier": "bronze silver gold platinum premium standard",
        "payment_method": "credit_card debit_card paypal apple_pay google_pay bank_transfer cash_on_delivery gift_card",
        "order_status": "pending confirmed processing shipped delivered completed cancelled returned refunded failed",
        "shipping_status": (
            "pending processing label_created shipped in_transit out_for_delivery delivered returned lost cancelled"
        ),
    }
    assert {name: dict(e.spellings) for name, e in listed.items() if e.spellings} == {"order_status": {"canceled": "cancelled"}}


@pytest.mark.parametrize(("domain", "name"), RULES)
def test_a_rule_costs_and_does_what_the_design_says(domain, name):
    """Severity, action, scope and switch of each rule."""
    rule = next(rule for rule in BUILT_IN[domain].rules if rule.name == name)
    assert " ".join(filter(None, (rule.severity, rule.action, rule.scope, rule.switch))) == RULES[domain, name]


def test_no_other_rule_is_written():
    """Beside the rules above there are only those that follow from columns, keys and lines."""
    written = {
        (d, r.name) for d, c in BUILT_IN.items() for r in c.rules if r.check not in ("required", "type", "structure", "unique")
    }
    assert written <= set(RULES)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_has_the_rules_on_lines_and_keys(domain):
    """The line itself is judged first, conflicting duplicates in every domain, and names are unique."""
    rules = BUILT_IN[domain].rules
    assert [rule.name for rule in rules[:4]] == ["ragged_row", "nul_byte", "field_too_long", "too_many_line_breaks"]
    assert {(r.check, r.severity, r.action) for r in rules[:4]} == {("structure", Severity.HIGH, Action.QUARANTINE)}
    assert [rule.name for rule in rules if rule.check == "unique"] == ["duplicate_key"]
    assert len({rule.name for rule in rules}) == len(rules)
    assert all(rule.description for rule in rules)


def test_rules_that_look_further_come_later():
    """Rules are reported record by record, then batch, references and lake."""
    order = list(Scope)
    for contract in BUILT_IN.values():
        places = [order.index(rule.scope) for rule in contract.rules]
        assert places == sorted(places)


def test_rules_name_the_domains_they_need():
    """Without any record of these domains a cross-table rule is not evaluated."""
    needs = {rule.name: rule.needs for contract in BUILT_IN.values() for rule in contract.rules if rule.scope is Scope.LAKE}
    assert needs == {
        "customer_without_orders": ("orders",),
        "product_without_inventory": ("inventory",),
        "product_stock_mismatch": ("inventory",),
        "order_product_discontinued": ("products",),
        "order_without_shipment": ("shipping",),
        "order_price_mismatch": ("products",),
        "premium_order_small": ("customers",),
    }
    assert set(CONTEXT) == set(DOMAINS)


def test_a_shop_may_add_columns_and_rules():
    """A cost, a quantity, a delete mark, another date format and a rule of its own: the contract says it, and it is so."""
    products = parsed(
        "products",
        ("      - name: launch_date\n", "      - name: cost\n        physicalType: decimal(12, 2)\n      - name: launch_date\n"),
    )
    assert products.column("cost").type == "decimal(12,2)"
    assert "cost_type" in {rule.name for rule in products.rules}

    orders = parsed(
        "orders",
        (
            "      - {property: event_time, value: order_date}\n",
            "      - {property: delete, value: {column: op, values: [D, delete]}}\n",
        ),
        ("      - name: shipping_address\n", "      - name: op\n        physicalType: string\n      - name: shipping_address\n"),
        ("logicalType: date\n", "logicalType: date\n        customProperties: [{property: format, value: '%d.%m.%Y'}]\n"),
        ("      - name: premium_order_small\n", "      - name: order_small\n"),
        ("customer.customer_tier <> 'premium' OR order_amount >= 100", "customer.customer_tier = product.category"),
        ("context: [customer]", "context: [product, customer]"),
        ("{canceled: cancelled}", "{Canceled: cancelled, on-its way: shipped}"),
    )
    assert orders.delete == DeleteMark("op", ("D", "delete"))
    assert orders.column("op").trim
    assert orders.event_time is None
    assert orders.column("order_date").format == "%d.%m.%Y"
    assert next(rule for rule in orders.rules if rule.name == "order_small").needs == ("customers", "products")
    status = orders.column("order_status").enumeration
    assert status is not None
    assert status.spellings == {"canceled": "cancelled", "on_its_way": "shipped"}


def test_the_price_rule_is_for_single_unit_orders():
    """A quantity column means that an amount is no price."""
    quantity = "      - name: quantity\n        physicalType: integer\n      - name: shipping_address\n"
    orders = parsed("orders", ("      - name: shipping_address\n", quantity))
    assert "order_price_mismatch" not in {rule.name for rule in orders.rules}


def test_sequence_columns_are_required():
    """A record without its place in the sequence cannot be ordered, so NULL is a broken rule."""
    event_time = "      - {property: event_time, value: order_date}\n"
    orders = parsed(
        "orders", (event_time, event_time + "      - {property: sequence_by, value: [created_timestamp, order_id]}\n")
    )
    assert orders.sequence_by == ("created_timestamp", "order_id")
    assert "created_timestamp_required" in {rule.name for rule in orders.rules}


CUSTOMER_RELATIONSHIP = text_of("orders")[
    text_of("orders").index("        relationships:\n          - type: foreignKey\n            to: customers") : text_of(
        "orders"
    ).index("      - name: product_id\n")
]


@pytest.mark.parametrize("turned", [False, True])
def test_a_reference_may_have_several_columns(tmp_path, turned):
    """Composite relationships stand at the object; however its pairs are written, they are read in the order of the key."""
    pairs = [("orders.shipping_address", "customers.email"), ("orders.customer_id", "customers.customer_id")]
    own, theirs = zip(*(reversed(pairs) if turned else pairs), strict=True)
    composite = (
        f"    relationships:\n      - from: [{', '.join(own)}]\n        to: [{', '.join(theirs)}]\n"
        "        customProperties: [{property: rule, value: unknown_pair}, {property: action, value: park}]\n    properties:\n"
    )
    orders = text_of("orders").replace(CUSTOMER_RELATIONSHIP, "").replace("    properties:\n", composite, 1)
    email = "      - name: email\n"
    customers = text_of("customers").replace(
        email, f"{email}        required: true\n        primaryKey: true\n        primaryKeyPosition: 2\n"
    )
    customers = customers.replace("{properties: [customer_id]}", "{properties: [customer_id, email]}")
    (tmp_path / "orders.odcs.yaml").write_text(orders, encoding="utf-8")
    (tmp_path / "customers.odcs.yaml").write_text(customers, encoding="utf-8")
    found = load_contracts(tmp_path)["orders"]
    wanted = Reference("unknown_pair", ("customer_id", "shipping_address"), "customers", ("customer_id", "email"))
    assert next(reference for reference in found.references if reference.parent == "customers") == wanted
    assert next(rule for rule in found.rules if rule.name == "unknown_pair").action is Action.PARK


def test_what_other_tools_read_is_left_alone():
    """Quality for another engine, words for people, and other vendors' properties are no problem."""
    others = "      - {type: text, description: Orders are nice.}\n      - {type: custom, engine: soda, implementation: x}\n"
    orders = parsed(
        "orders",
        ("    quality:\n", "    quality:\n" + others),
        ("      - {property: amount,", "      - {property: tier, value: 1, vendor: soda}\n      - {property: amount,"),
        ("version: 1.0.0", "version: 2.0.0\ntags: [a]\nteam: {name: shop}\ncustomProperties: [{property: x, value: 1}]"),
    )
    assert orders.rules == BUILT_IN["orders"].rules
    assert orders.version == "2.0.0"


def test_overrides_replace_a_domain(tmp_path):
    """A shop's own contract takes the place of the built-in one, with or without a byte order mark."""
    text = text_of("orders").replace("BETWEEN 1 AND 10000", "BETWEEN 5 AND 500")
    (tmp_path / "orders.odcs.yaml").write_text("\ufeff" + text, encoding="utf-8")
    contracts = load_contracts(tmp_path)
    assert "order_amount BETWEEN 5 AND 500" in {rule.expect for rule in contracts["orders"].rules}
    assert contracts["orders"].source == "orders.odcs.yaml"
    assert contracts["products"] == BUILT_IN["products"]


def test_overrides_need_not_be_there(tmp_path):
    """A workspace without a folder of contracts, or with an empty one, has the built-in ones."""
    assert load_contracts(tmp_path) == load_contracts(tmp_path / "missing") == BUILT_IN


def changed(domain: str, *edits: tuple[str, str]):
    """The built-in contracts with one of them edited."""
    return {**BUILT_IN, domain: parsed(domain, *edits)}


def test_rules_hash_does_not_hear_words():
    """Comments, descriptions and the contract's own version change no result."""
    same = changed(
        "orders", ("version: 1.0.0", "version: 9.9.9"), ("description: The order.", "description: That order."), ("# A", "# An")
    )
    assert rules_hash(same) == rules_hash(BUILT_IN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("BETWEEN 1 AND 10000", "BETWEEN 1 AND 9999"),
        ("severity: HIGH", "severity: CRITICAL"),
        ("- {property: action, value: quarantine}", "- {property: action, value: reject_batch}"),
        ("decimal(12,2)\n", "decimal(13,2)\n"),
        ("{canceled: cancelled}", "{canceled: returned}"),
        ("            - paypal\n", "            - paypal\n                - cash\n"),
        ("{property: switch, value: business_rules_validation}", "{property: switch, value: schema_validation}"),
        ("event_time, value: order_date", "event_time, value: created_timestamp"),
        ("      - {property: amount,", "      - {property: encoding, value: latin-1}\n      - {property: amount,"),
    ],
)
def test_rules_hash_hears_what_changes_a_result(old, new):
    """Each of these can change what is accepted, counted or scored."""
    assert rules_hash(changed("orders", (old, new))) != rules_hash(BUILT_IN)


def test_rules_hash_is_the_same_in_every_process():
    """It is kept in the lake and compared for years, so it hangs on no hash seed."""
    code = "from cartbrook.contracts.load import *; print(rules_hash(load_contracts()))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert runs == {rules_hash(BUILT_IN)}


def test_logic_facts_are_what_gold_depends_on():
    """A limit is no matter of gold; a type, a tracked column or a setting is."""
    facts = logic_facts(BUILT_IN)
    assert json.loads(json.dumps(facts)) == facts
    assert logic_facts(changed("orders", ("BETWEEN 1 AND 10000", "BETWEEN 2 AND 3"))) == facts
    assert logic_facts(changed("orders", ("event_time, value: order_date", "event_time, value: created_timestamp"))) != facts
    tracked = ("      - {property: tracked, value: false}\n", "      - {property: tracked, value: true}\n")
    assert logic_facts(changed("customers", tracked)) != facts


def test_plain_columns():
    """What is of the key, names a parent, stands in a setting, or is asked by figures or the one order, is not plain."""
    address, amount = "      - name: shipping_address\n", "      - {property: amount,"
    sequence = "      - {property: sequence_by, value: [created_timestamp, payment_method]}\n"
    orders = parsed(
        "orders", (address, f"      - name: quantity\n        physicalType: integer\n{address}"), (amount, sequence + amount)
    )
    assert [name for name in orders.names if is_plain(orders, name)] == ["shipping_address", "order_status"]
    assert not is_plain(BUILT_IN["products"], "created_timestamp")
    assert not is_plain(BUILT_IN["products"], "cost")
    assert is_plain(BUILT_IN["orders"], "cost")


def test_contracts_without_some_columns():
    """A plain column can be left out with its rules; gold then depends on what it depended on before it came."""
    new = "      - name: gift\n        physicalType: boolean\n        required: true\n      - name: shipping_address\n"
    gained = changed("orders", ("      - name: shipping_address\n", new))
    assert logic_facts(gained) != logic_facts(BUILT_IN)
    narrowed = without(gained, {"orders": ("gift",)})
    assert logic_facts(narrowed) == logic_facts(BUILT_IN)
    assert narrowed["orders"].rules == BUILT_IN["orders"].rules
    assert narrowed["products"] == BUILT_IN["products"]


def test_the_slow_loader_reads_the_same(monkeypatch):
    """PyYAML without libyaml gives the same contracts."""
    monkeypatch.setattr(yaml_marks, "Loader", yaml.SafeLoader)
    assert load_contracts() == BUILT_IN


def test_loading_is_quick():
    """All five load in the cold path of every command; the best of a few runs, far above what was measured (10 ms)."""

    def seconds() -> float:
        start = time.perf_counter()
        load_contracts()
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.2
