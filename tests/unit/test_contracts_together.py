"""What is wrong between contracts, with a shop's own files, and with texts that are damaged anyhow."""

from __future__ import annotations

import contextlib
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
MONEY = "physicalType: decimal(12,2)"


def problems_of(text: str) -> list[str]:
    """What is wrong with a text."""
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "orders.odcs.yaml")
    return caught.value.problems


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
    write(
        tmp_path,
        "orders",
        ("severity: HIGH", "severity: HIHG"),
        ("physicalType: decimal(12,2)", "physicalType: money"),
        ("value: order_date", "value: oder_date"),
    )
    write(tmp_path, "customers", ("- name: city", "- name: version"))
    assert [problem.split(" ")[0] for problem in load_problems(tmp_path)] == [
        "customers.odcs.yaml:114",
        "orders.odcs.yaml:21",
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


def test_a_relationship_to_a_part_of_a_key_is_told(tmp_path):
    """The versions of a dimension are found by its whole key."""
    email = "      - name: email\n"
    write(
        tmp_path,
        "customers",
        (email, f"{email}        required: true\n        primaryKey: true\n        primaryKeyPosition: 2\n"),
        ("{properties: [customer_id]}", "{properties: [customer_id, email]}"),
    )
    assert load_problems(tmp_path) == [
        (
            "built-in orders.odcs.yaml:97 schema.orders.customer_id: customer_id is named, but the key of customers is "
            "customer_id, email. Hint: to: [customers.customer_id, customers.email], with as many columns in `from`"
        )
    ]


def test_a_relationship_between_types_is_told(tmp_path):
    """A reference and its key have one type, else no record would find its parent."""
    kind = "logicalType: string\n        physicalType: string"
    write(tmp_path, "products", (kind, "physicalType: integer"))
    assert [problem for problem in load_problems(tmp_path) if "but" in problem] == [
        (
            "built-in orders.odcs.yaml:110 schema.orders.product_id: product_id is string, but products.product_id is integer. "
            "Hint: give both one type"
        ),
        (
            "built-in inventory.odcs.yaml:53 schema.inventory.product_id: product_id is string, but "
            "products.product_id is integer. "
            "Hint: give both one type"
        ),
    ]


def test_a_relationship_between_cases_is_told(tmp_path):
    """A key in capitals is not found by a reference as it came."""
    upper = "primaryKeyPosition: 1\n        customProperties: [{property: case, value: upper}]"
    write(tmp_path, "customers", ("primaryKeyPosition: 1", upper))
    assert load_problems(tmp_path) == [
        (
            "built-in orders.odcs.yaml:97 schema.orders.customer_id: customer_id has case keep, "
            "but customers.customer_id has case upper. Hint: give both one case"
        )
    ]


def test_a_condition_on_a_column_another_contract_lacks_is_told(tmp_path):
    """`product.<column>` is looked up in the contract of products."""
    write(tmp_path, "orders", ("NOT product.discontinued", "NOT product.discontinud"))
    assert load_problems(tmp_path) == [
        (
            "orders.odcs.yaml:38 schema.orders.order_product_discontinued: products has no column "
            '"discontinud". Hint: did you mean "discontinued"?'
        )
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


@pytest.mark.parametrize(
    "text", ["", "# nothing", "null", "--- a\n--- b", "[1, 2]", "a", "? [a]\n: b", "\x00", "schema: {a: 1}", "- " * 5_000]
)
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
    unknown = "".join(f"nonsense{number}: 1\n" for number in range(500))
    text = BUILT_IN["orders"].replace(MONEY, "physicalType: " + "x" * 10_000) + unknown
    found = problems_of(text)
    assert len(found) == 101
    assert found[-1] == "and 401 more"
    assert max(len(problem) for problem in found) < 300


mutations = st.lists(
    st.tuples(st.sampled_from(DOMAINS), st.floats(0, 1, exclude_max=True), st.integers(0, 40), st.binary(max_size=8)),
    min_size=1,
    max_size=4,
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
    except ContractError:
        return
    assert contract.domain in DOMAINS


_TOKENS = st.sampled_from(
    [
        "null",
        "[]",
        "{}",
        "[a]",
        "{a: b}",
        '""',
        "1",
        "true",
        "~",
        "!!binary eA==",
        "&a x",
        "- - a",
        '"\\0"',
        "park",
        "string",
        "'",
        "2020-01-01",
    ]
)


@given(domain=st.sampled_from(DOMAINS), edits=st.lists(st.tuples(st.integers(0, 10_000), _TOKENS), min_size=1, max_size=5))
def test_no_value_raises_anything_but_a_contract_error(domain, edits):
    """Any value of the file may be of any shape."""
    lines = BUILT_IN[domain].splitlines()
    for number, token in edits:
        line = lines[number % len(lines)]
        head, colon, _ = line.partition(": ")
        lines[number % len(lines)] = f"{head}: {token}" if colon else f"{line} {token}"
    with contextlib.suppress(ContractError):
        parse_contract("\n".join(lines), "mutated.odcs.yaml")
