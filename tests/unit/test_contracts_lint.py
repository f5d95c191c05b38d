"""What is no error in a contract and yet worth a look, and drafts among the contracts they would live with."""

from __future__ import annotations

from pathlib import Path

import pytest

from cartbrook.contracts.lint import lint
from cartbrook.contracts.load import examine, load_contracts, load_file
from cartbrook.contracts.model import DOMAINS
from cartbrook.errors import ContractError

FOLDER = Path(load_contracts.__code__.co_filename).parent / "domains"
TEXTS = {domain: (FOLDER / f"{domain}.odcs.yaml").read_text("utf-8") for domain in DOMAINS}

BRAND, DUPLICATE = "      - name: brand\n", "      - name: duplicate_key\n"
SHIPPED = "                - shipped\n"
STATUSES = TEXTS["orders"][TEXTS["orders"].index("        quality:\n          - name: order_status_enumeration\n") :]
STATUSES = STATUSES[: STATUSES.index("      - name: created_timestamp\n")]
HINT = "make it a spelling of one of pending,"


def column(name: str, kind: str) -> str:
    """A column as it is written, before the brand."""
    return f"      - name: {name}\n        physicalType: {kind}\n{BRAND}"


def rule(severity: str, action: str) -> str:
    """A further rule as it is written, before the last."""
    return (
        f"      - name: odd\n        type: custom\n        engine: cartbrook\n        severity: {severity}\n"
        "        implementation: {expect: order_amount <> 5}\n"
        f"        customProperties: [{{property: action, value: {action}}}]\n{DUPLICATE}"
    )


def linted(folder: Path, domain: str, *edits: tuple[str, str]) -> list[str]:
    """What is worth a look in a folder with one edited contract."""
    text = TEXTS[domain]
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    (folder / f"{domain}.odcs.yaml").write_text(text, "utf-8")
    return lint(folder)


def test_the_built_in_contracts_are_worth_no_look(tmp_path):
    """A warning about every shop would be noise."""
    for domain in DOMAINS:
        assert linted(tmp_path, domain) == []
    assert lint() == []


@pytest.mark.parametrize(
    ("domain", "edits", "warning"),
    [
        (
            "orders",
            [(DUPLICATE, rule("CRITICAL", "keep"))],
            'orders.odcs.yaml:23 schema.orders.odd: rule "odd" is CRITICAL and keeps the record. Hint: it costs most',
        ),
        (
            "orders",
            [(DUPLICATE, rule("LOW", "reject_batch"))],
            'orders.odcs.yaml:23 schema.orders.odd: rule "odd" is LOW and rejects the whole batch. Hint: one record',
        ),
        (
            "products",
            [(BRAND, column("seen", "timestamp"))],
            "products.odcs.yaml:73 schema.products.seen: seen is a tracked timestamp: each new value opens a version. Hint: ",
        ),
        (
            "orders",
            [(SHIPPED, SHIPPED + SHIPPED.replace("shipped", "paid"))],
            f'figures do not know the order_status "paid": such orders are no revenue. Hint: {HINT}',
        ),
        (
            "orders",
            [(STATUSES, "")],
            "order_status has no list of values: figures compare it as it is written. Hint: they know",
        ),
    ],
)
def test_what_is_worth_a_look(tmp_path, domain, edits, warning):
    """Each with file, line and what to do; untracked timestamps and all else stay unmentioned."""
    [found] = linted(tmp_path, domain, *edits)
    assert warning in found


def test_drafts_take_their_place_among_the_others(tmp_path):
    """A file under any name is checked with the contracts it would live with."""
    folder, draft = tmp_path / "contracts", tmp_path / "draft.yaml"
    folder.mkdir()
    draft.write_text(TEXTS["orders"].replace("NOT product.discontinued", "NOT product.recalled"), "utf-8")
    with pytest.raises(ContractError) as caught:
        lint(None, [draft])
    assert caught.value.problems == ['draft.yaml:38 schema.orders.order_product_discontinued: products has no column "recalled"']
    recalled = TEXTS["products"].replace(BRAND, column("recalled", "boolean"))
    (folder / "products.odcs.yaml").write_text(recalled, "utf-8")
    assert lint(folder, [draft]) == []
    contracts, documents = examine(folder, [draft])
    assert contracts["orders"].source == "draft.yaml"
    assert len(documents) == 2


def test_odd_drafts(tmp_path):
    """Two contracts of a domain, and one that cannot be read: all problems are told at once, those of the folder as well."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(TEXTS["orders"], "utf-8")
    (tmp_path / "c.yaml").write_text("schema: [", "utf-8")
    folder = tmp_path / "contracts"
    folder.mkdir()
    (folder / "products.odcs.yaml").write_text("", "utf-8")
    with pytest.raises(ContractError) as caught:
        lint(folder, [tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml")])
    a, b, c = caught.value.problems
    assert a.startswith("b.yaml:14 schema.orders: a second contract of orders")
    assert b.startswith("c.yaml:")
    assert c == "products.odcs.yaml: the file is empty"


def test_a_file_alone(tmp_path):
    """What it says of other contracts is not looked at."""
    path = tmp_path / "x.yaml"
    path.write_text(TEXTS["orders"].replace("product.discontinued", "product.recalled"), "utf-8")
    assert load_file(path).domain == "orders"
    with pytest.raises(ContractError, match="cannot be read"):
        load_file(tmp_path / "missing.yaml")
