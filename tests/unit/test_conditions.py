"""Conditions of a shop's own contracts: what is refused when they are loaded, and what engines are given."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.unit.rule_texts import ORDERS, measure, parsed, rule_of, with_rules

from cartbrook.contracts.diff import diff
from cartbrook.contracts.load import load_contracts, parse_contract
from cartbrook.errors import ContractError

BROKEN = {
    "not SQL": (
        *("order_amount >", "order_amount > 0 AND", "order_amount BETWEEN 1", "CASE WHEN order_amount > 1 THEN true", "NOT"),
        *("order_id LIKE", "order_amount > 0 order_id", "order_amount > 1 and and order_amount < 3", "order_amount as x"),
        "cast(order_amount as foo) > 1",
    ),
    "IN needs values": ("order_status IN ()",),
    "a number stands where a condition is needed": ("order_amount",),
    '"abc" is no timestamp': ("order_date > 'abc'",),
    "a number is compared with text": ("order_amount > 'x'",),
    "text stands where a number is needed": ("order_amount + order_id > 3",),
    '"2025-02-30" is no date': ("order_date > date '2025-02-30'",),
    "date_trunc needs a unit of time": ("date_trunc('foo', order_date) = order_date",),
    "left takes 2 values": ("left(order_id) = 'O'",),
    "nullif takes two values": ("nullif(order_amount) = 1",),
    "if takes 3 values": ("if(order_amount, 1)",),
    "abs takes 1 value": ("abs() > 1",),
    "text is compared with a number": ("order_id < 100000", "order_id IN (1, 2)"),
    "text stands where a timestamp is needed": ("hour(order_id) > 3",),
    "engines differ on intervals": ("order_date + interval '1' day > batch_date",),
}


@pytest.mark.parametrize(("said", "condition"), [(said, condition) for said, listed in BROKEN.items() for condition in listed])
def test_what_no_engine_could_run_is_refused_with_its_line(said, condition):
    """As a condition and as a filter, by file and line; it would stop every batch."""
    for rule in (
        measure(name="mine", expect=condition),
        measure(name="mine", expect="order_amount > 0", filter=condition),
    ):
        text = with_rules(rule)
        line = text[: text.index('"mine"')].count("\n") + 1
        with pytest.raises(ContractError) as caught:
            parsed(rule)
        assert any(problem.startswith(f"orders.odcs.yaml:{line} ") and said in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("order_id NOT LIKE 'x%'", "(NOT (`order_id` LIKE 'x%'))"),
        ("order_status IN ('a', 'it''s')", "(`order_status` IN ('a', \"it's\"))"),
        ("order_id IS DISTINCT FROM customer_id", "(NOT (`order_id` <=> `customer_id`))"),
        ("order_date > '2025-01-01'", "(`order_date` > DATE '2025-01-01')"),
        ("datediff(batch_date, '2025-01-01') > 1", "(datediff(`batch_date`, DATE '2025-01-01') > 1)"),
        ("date_trunc('MONTH', order_date) = order_date", "(date_trunc('month', `order_date`) = `order_date`)"),
        ("coalesce(order_date, '2025-01-01') > batch_date", "(coalesce(`order_date`, DATE '2025-01-01') > `batch_date`)"),
        (
            "date_add(order_date, cast(length(order_id) AS int)) > batch_date",
            (
                "(date_add(`order_date`, (CASE WHEN TRY_CAST(length(`order_id`) AS BIGINT) BETWEEN -100000 AND 100000 "
                "THEN TRY_CAST(TRY_CAST(length(`order_id`) AS BIGINT) AS INT) END)) > `batch_date`)"
            ),
        ),
    ],
)
def test_conditions_are_run_as_sql_rules_are(written, run):
    """Written anew by the same reader; what people see of a rule stays as they wrote it."""
    rule = rule_of(measure(name="mine", expect=written))
    assert rule.good == run
    assert rule.expect != run


def test_a_context_is_compiled_once_all_contracts_are_known(tmp_path):
    """Columns of other domains have the types of their contracts, and numbers of the context are whole ones."""
    folder = tmp_path / "contracts"
    folder.mkdir()
    wrong = measure(name="wrong", expect="customer.city > 1", context=["customer"])
    right = measure(name="right", expect="shipments > 1 OR product.price > order_amount", context=["shipments", "product"])
    (folder / "orders.odcs.yaml").write_text(with_rules(wrong, right), encoding="utf-8")
    with pytest.raises(ContractError, match="text is compared with a number"):
        load_contracts(folder)
    (folder / "orders.odcs.yaml").write_text(with_rules(right), encoding="utf-8")
    rule = next(rule for rule in load_contracts(folder)["orders"].rules if rule.name == "right")
    assert rule.good == "((CAST(`shipments` AS DECIMAL(18, 0)) > 1) OR (`product`.`price` > `order_amount`))"


def test_a_copy_of_a_built_in_contract_stays_what_it_is(tmp_path):
    """Its rules run as they are written and differ in nothing, and sqlglot is not imported for it."""
    (tmp_path / "orders.odcs.yaml").write_text(ORDERS, encoding="utf-8")
    contracts = load_contracts(tmp_path)
    assert diff(load_contracts(), contracts) == []
    assert all(rule.expect_run is None for rule in contracts["orders"].rules)
    code = (
        "import sys, pathlib\nfrom cartbrook.contracts.load import load_contracts\n"
        "load_contracts(pathlib.Path(sys.argv[1]))\nassert 'sqlglot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_filter_makes_the_measure_of_a_rule_without_an_aggregate():
    """The number of records that fulfil it, as it is run."""
    rule = rule_of({**measure(name="few", trailing=7, filter="order_id LIKE 'O%'", mustBeGreaterThan=10)})
    assert rule.measure == "count(CASE WHEN (`order_id` LIKE 'O%') THEN 1 END)"


def test_the_currency_of_a_contract_takes_no_list_of_values():
    """What the list does not name would be stored as unknown, and one currency's money at risk be split in two."""
    listed = {"name": "currencies", "type": "library", "metric": "invalidValues", "severity": "LOW"}
    rule = listed | {"arguments": {"validValues": ["EUR"]}, "customProperties": [{"property": "action", "value": "keep"}]}
    place = "        description: ISO 4217 code of the amount.\n"
    text = ORDERS.replace(place, f"{place}        quality:\n          - {json.dumps(rule)}\n", 1)
    with pytest.raises(ContractError, match="money of no currency"):
        parse_contract(text, "orders.odcs.yaml")
