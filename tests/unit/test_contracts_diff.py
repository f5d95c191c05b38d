"""What the changes of a contract are taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartbrook.contracts.checks import is_plain
from cartbrook.contracts.diff import Kind, diff
from cartbrook.contracts.load import load_contracts, logic_facts, parse_contract, rules_hash, without
from cartbrook.contracts.model import DOMAINS

FOLDER = Path(load_contracts.__code__.co_filename).parent / "domains"
BUILT_IN = load_contracts()
TEXTS = {domain: (FOLDER / f"{domain}.odcs.yaml").read_text("utf-8") for domain in DOMAINS}

Edit = tuple[str, str]
"""A piece of a contract's text and what takes its place."""

ADDRESS, BRAND, LAUNCH = (f"      - name: {name}\n" for name in ("shipping_address", "brand", "launch_date"))
DUPLICATE = "      - name: duplicate_key\n"
AMOUNT, CURRENCY = "      - {property: amount, value: order_amount}\n", "      - {property: currency, value: currency}\n"
REQUIRED = "        required: true\n"
OF_KEY = f"{REQUIRED}        primaryKey: true\n        primaryKeyPosition: 2\n"
ACTION = "              - {{property: action, value: {}}}\n".format
SNAPSHOT, QUALITY = "    customProperties:\n      - {property: snapshot, value: full}\n", "    quality:\n"
PAYPAL = "                - paypal\n"


def before(anchor: str, text: str) -> Edit:
    """Text put before a piece."""
    return anchor, text + anchor


def after(anchor: str, text: str) -> Edit:
    """Text put behind a piece."""
    return anchor, anchor + text


def cut(domain: str, start: str, end: str) -> str:
    """The text of a contract from one piece to another."""
    text = TEXTS[domain]
    return text[text.index(start) : text.index(end, text.index(start))]


def column(name: str, kind: str = "string", more: str = "") -> str:
    """A column as it is written."""
    return f"      - name: {name}\n        physicalType: {kind}\n{more}"


def custom(name: str, value: str) -> str:
    """A custom property of a column as it is written."""
    return f"        customProperties: [{{property: {name}, value: {value}}}]\n"


def setting(name: str, value: str) -> Edit:
    """A further setting of orders."""
    return after(AMOUNT, f"      - {{property: {name}, value: {value}}}\n")


def rule(action: str) -> Edit:
    """A further rule of orders."""
    text = (
        "      - name: odd\n        type: custom\n        engine: cartbrook\n        severity: HIGH\n"
        f"        implementation: {{expect: order_amount <> 5}}\n{custom('action', action)}"
    )
    return before(DUPLICATE, text)


MATERIAL = cut("products", "      - name: material\n", "      - name: description\n")
NOT_POSITIVE = cut("orders", "          - name: order_amount_not_positive\n", "          - name: order_amount_remarkable\n")
METHODS = cut("orders", "          - name: payment_method_enumeration\n", ADDRESS)
STATUSES = cut("orders", "        quality:\n          - name: order_status_enumeration\n", "      - name: created_timestamp\n")
CREATED = "{property: event_time, value: created_timestamp}"

COLUMNS: dict[str, tuple[str, list[Edit], list[str]]] = {
    "new": ("orders", [before(ADDRESS, column("gift"))], ["breaking columns.gift"]),
    "new and tracked": ("products", [before(BRAND, column("origin"))], ["breaking columns.origin"]),
    "new and required": ("orders", [before(ADDRESS, column("gift", "boolean", REQUIRED))], ["breaking columns.gift"]),
    "new and of a figure": (
        "products",
        [before(BRAND, column("cost", "decimal(12,2)"))],
        ["breaking columns.cost", "rebuild columns.cost"],
    ),
    "new, for which a rule goes": (
        "orders",
        [before(ADDRESS, column("quantity", "integer"))],
        ["breaking columns.quantity", "rebuild columns.quantity", "compatible rules.order_price_mismatch"],
    ),
    "new and named by a setting": (
        "orders",
        [before(ADDRESS, column("paid", "date")), ("value: order_date}", "value: paid}")],
        ["breaking columns.paid", "rebuild columns.paid", "rebuild settings.event_time"],
    ),
    "new in the key": (
        "products",
        [before(BRAND, column("variant", "string", OF_KEY)), ("[product_id]}", "[product_id, variant]}")],
        ["breaking key", "breaking columns.variant"],
    ),
    "gone": ("products", [(MATERIAL, "")], ["breaking columns.material"]),
    "elsewhere": ("products", [(MATERIAL, ""), before(BRAND, MATERIAL)], ["rebuild columns"]),
    "of another scale": ("products", [("decimal(18,3)", "decimal(18,2)")], ["breaking columns.weight_kg"]),
    "of another type": (
        "products",
        [(MATERIAL, MATERIAL.replace(": string", ": integer"))],
        ["breaking columns.material"],
    ),
    "narrower": ("orders", [("decimal(12,2)\n", "decimal(10,2)\n")], ["breaking columns.order_amount"]),
    "wider": ("orders", [("decimal(12,2)\n", "decimal(14,2)\n")], ["rebuild columns.order_amount"]),
    "required": ("orders", [after(ADDRESS, REQUIRED)], ["breaking columns.shipping_address"]),
    "tracked": ("products", [("tracked, value: false", "tracked, value: true")], ["rebuild columns.stock_quantity"]),
    "untracked": ("products", [after(BRAND, custom("tracked", "false"))], ["rebuild columns.brand"]),
    "in another case": ("orders", [("case, value: upper", "case, value: keep")], ["rebuild columns.currency"]),
    "trimmed": ("orders", [after(ADDRESS, custom("trim", "true"))], ["rebuild columns.shipping_address"]),
    "of another format": ("products", [after(LAUNCH, custom("format", "'%d.%m.%Y'"))], ["breaking columns.launch_date"]),
    "described": ("orders", [("description: The order.", "description: An order.")], ["compatible columns.order_id"]),
    "a value gone": ("orders", [(PAYPAL, "")], ["breaking columns.payment_method"]),
    "a value new": ("orders", [after(PAYPAL, PAYPAL.replace("paypal", "cash"))], ["compatible columns.payment_method"]),
    "a spelling of another": ("orders", [("canceled: cancelled", "canceled: returned")], ["rebuild columns.order_status"]),
    "a spelling gone": ("orders", [("{canceled: cancelled}", "{}")], ["breaking columns.order_status"]),
    "a spelling new": ("orders", [("{canceled: ", "{sent: shipped, canceled: ")], ["compatible columns.order_status"]),
    "no list of values": (
        "orders",
        [(STATUSES, "")],
        ["rebuild columns.order_status", "rebuild columns.order_status", "compatible rules.order_status_enumeration"],
    ),
}
OTHERS: dict[str, tuple[str, list[Edit], list[str]]] = {
    "another parent": (
        "shipping",
        [("to: orders.order_id", "to: products.product_id")],
        ["rebuild references.products", "rebuild references.orders"],
    ),
    "a reference renamed": ("orders", [("value: unknown_customer", "value: stranger")], ["compatible rules.stranger"]),
    "event time": ("orders", [("{property: event_time, value: order_date}", CREATED)], ["rebuild settings.event_time"]),
    "no money": ("orders", [(AMOUNT, ""), (CURRENCY, "")], ["rebuild settings.amount", "rebuild settings.currency"]),
    "snapshots": ("products", [before(QUALITY, SNAPSHOT)], ["rebuild settings.snapshot"]),
    "another encoding": ("orders", [setting("encoding", "latin-1")], ["breaking settings.encoding"]),
    "a sequence": ("orders", [setting("sequence_by", "order_date")], ["rebuild settings.sequence_by"]),
    "a mark that deletes": (
        "orders",
        [setting("delete", "{column: shipping_address, values: [gone]}")],
        ["rebuild columns.shipping_address", "rebuild settings.delete"],
    ),
    "new, keeps": ("orders", [rule("keep")], ["compatible rules.odd"]),
    "new, quarantines": ("orders", [rule("quarantine")], ["breaking rules.odd"]),
    "new, rejects": ("orders", [rule("reject_batch")], ["breaking rules.odd"]),
    "another condition": ("orders", [("order_amount > 0", "order_amount > 1")], ["breaking rules.order_amount_not_positive"]),
    "another condition that keeps": ("orders", [("AND 10000", "AND 9000")], ["compatible rules.order_amount_remarkable"]),
    "keeps now": (
        "orders",
        [(NOT_POSITIVE, NOT_POSITIVE.replace("quarantine", "keep"))],
        ["compatible rules.order_amount_not_positive"],
    ),
    "rejects now": (
        "orders",
        [(NOT_POSITIVE, NOT_POSITIVE.replace("quarantine", "reject_batch"))],
        ["breaking rules.order_amount_not_positive"],
    ),
    "unlisted values go": (
        "orders",
        [(METHODS, METHODS.replace(ACTION("keep"), ACTION("quarantine")))],
        ["breaking rules.payment_method_enumeration"],
    ),
    "a rule gone": ("orders", [(NOT_POSITIVE, "")], ["compatible rules.order_amount_not_positive"]),
    "a rule renamed": ("orders", [("name: order_outside_hours", "name: order_at_night")], ["compatible rules.order_at_night"]),
    "a rule renamed and stricter": (
        "orders",
        [("name: order_amount_not_positive", "name: free"), (ACTION("quarantine"), ACTION("reject_batch"))],
        ["breaking rules.free", "compatible rules.free"],
    ),
    "another severity": ("orders", [("severity: LOW", "severity: MEDIUM")], ["compatible rules.premium_order_small"]),
    "another pattern": ("customers", [("{0,9}[ -]", "{0,8}[ -]")], ["compatible rules.zip_code_pattern"]),
    "a version": ("orders", [("version: 1.0.0", "version: 1.1.0")], ["compatible version"]),
}
CHANGES = {**COLUMNS, **OTHERS}


def edited(domain: str, edits: list[Edit]):
    """A built-in contract with pieces of its text replaced where they stand first."""
    text = TEXTS[domain]
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_contract(text, f"{domain}.odcs.yaml")


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_has_its_kind(name):
    """One change, or a few that go together, each at its place and of its kind."""
    domain, edits, wanted = CHANGES[name]
    changes = diff(BUILT_IN, {**BUILT_IN, domain: edited(domain, edits)})
    assert [f"{change.kind} {change.place}" for change in changes] == wanted
    assert {change.domain for change in changes} == {domain}
    assert all(change.what for change in changes)


@pytest.mark.parametrize("name", CHANGES)
def test_kinds_agree_with_what_run_asks_for(name):
    """Whatever validation or gold depends on is told; where all is compatible, `run` goes on without a rebuild."""
    domain, edits, _ = CHANGES[name]
    new = edited(domain, edits)
    changed = {**BUILT_IN, domain: new}
    came = tuple(column for column in new.names if not BUILT_IN[domain].has(column) and is_plain(new, column))
    kinds = {change.kind for change in diff(BUILT_IN, changed)}
    if logic_facts(without(changed, {domain: came})) != logic_facts(BUILT_IN):
        assert kinds & {Kind.BREAKING, Kind.REBUILD}
    if rules_hash(changed) != rules_hash(BUILT_IN):
        assert kinds


@pytest.mark.parametrize("name", CHANGES)
def test_the_way_back_is_told_too(name):
    """What was added is taken away, what was relaxed is strict again: never nothing."""
    domain, edits, _ = CHANGES[name]
    assert diff({**BUILT_IN, domain: edited(domain, edits)}, BUILT_IN)


def test_words():
    """A change says what was, what is, and why it is of its kind."""
    domain, edits, _ = CHANGES["narrower"]
    [change] = diff(BUILT_IN, {**BUILT_IN, domain: edited(domain, edits)})
    assert change.what == "type decimal(12,2) -> decimal(10,2); larger numbers are quarantined"
    domain, edits, _ = CHANGES["new and tracked"]
    [change] = diff(BUILT_IN, {**BUILT_IN, domain: edited(domain, edits)})
    assert change.what == "new tracked string; files without it are refused from now on"
    domain, edits, _ = CHANGES["another parent"]
    [new, old] = diff(BUILT_IN, {**BUILT_IN, domain: edited(domain, edits)})
    assert new.what == "new by order_id = product_id: records wait for one"
    assert old.what == "taken away: records no longer wait for one"


def test_nothing_changed():
    """Comments, and the order in which a file says things, are no change."""
    turned = [(AMOUNT + CURRENCY, CURRENCY + AMOUNT), ("# A data", "# The data")]
    assert diff(BUILT_IN, {**BUILT_IN, "orders": edited("orders", turned)}) == []


def test_the_worst_comes_first():
    """By domain in the order of references, and in each the worst first."""
    orders = edited(
        "orders", [("version: 1.0.0", "version: 2"), (PAYPAL, ""), ("value: order_date}", "value: created_timestamp}")]
    )
    products = edited("products", [("version: 1.0.0", "version: 2")])
    changes = diff(BUILT_IN, {**BUILT_IN, "orders": orders, "products": products})
    assert [f"{change.domain} {change.kind}" for change in changes] == [
        "products compatible",
        "orders breaking",
        "orders rebuild",
        "orders compatible",
    ]


def test_some_domains_alone():
    """A file is compared with its own domain only."""
    new = {"orders": edited("orders", [("version: 1.0.0", "version: 2")])}
    assert [change.what for change in diff({"orders": BUILT_IN["orders"]}, new)] == ["1.0.0 -> 2"]


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (("reject_batch", 50), ("quarantine", 50), ["breaking"]),  # what it let through is set aside now
        (("reject_batch", None), ("quarantine", None), ["compatible"]),
        (("reject_batch", 50), ("keep", 50), ["compatible"]),
        (("reject_batch", 50), ("reject_batch", 10), ["breaking"]),
        (("reject_batch", 10), ("reject_batch", 50), ["compatible"]),
        (("reject_batch", None), ("reject_batch", 50), ["compatible"]),
        (("reject_batch", 50), ("reject_batch", None), ["breaking"]),
        (("quarantine", 50), ("quarantine", 10), ["compatible"]),
        (("keep", 50), ("keep", 10), ["compatible"]),
    ],
)
def test_thresholds_set_no_record_aside(was, now, told):
    """They decide whether a batch is rejected; what a rule quarantines it quarantines from the first record on."""

    def having(action, most):
        [(anchor, text)] = [rule(action)]
        limit = f", mustBeLessThan: {most}" if most else ""
        return edited("orders", [(anchor, text.replace("<> 5", f"<> 5{limit}"))])

    changes = diff({"orders": having(*was)}, {"orders": having(*now)})
    assert [change.kind.value for change in changes] == told
