"""Rules as contracts write them: thresholds, filters, numbers measured over a batch; and every way to write them wrongly."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from importlib.resources import files

import jsonschema
import pytest
import yaml
from tests.unit.rule_texts import entry, measure, parsed, rule_of, with_rules

from cartbrook.contracts.bounds import Bounds
from cartbrook.contracts.load import load_contracts, parse_contract, rules_hash
from cartbrook.contracts.model import LOCAL, Action, Scope, Severity
from cartbrook.errors import ContractError

SUM = "sum(order_amount)"
EVERY = {
    "object": (
        entry(metric="rowCount", mustBeGreaterThan=10),
        entry("reject_batch", metric="rowCount", name="not_empty", mustBeGreaterThan=0, filter="currency = 'EUR'"),
        entry(metric="duplicateValues", name="twice", mustBe=0, arguments={"properties": ["customer_id", "product_id"]}),
        entry("quarantine", metric="duplicateValues", name="same", mustBe=0, arguments={"properties": ["shipping_address"]}),
        measure(name="small", expect="order_amount < 500", mustBeLessThan=5, unit="percent", filter="currency = 'EUR'"),
        measure(name="turnover", aggregate=SUM, mustBeGreaterThan=0, unit="EUR", filter="currency = 'EUR'"),
        measure(name="fresh", freshness="order_date", mustBeLessOrEqualTo=2),
        measure(name="usual_count", trailing=7, mustBeBetween=[50, 200], warn={"mustBeBetween": [80, 120]}),
        measure(name="usual_turnover", trailing=30, aggregate=SUM, mustBeBetween=[50, 200]),
        entry(type="sql", name="share", query=f"SELECT {SUM} / count(*) FROM ${{object}}", mustBeLessThan=900),
        entry(
            type="sql",
            name="known",
            query="SELECT count(*) FROM ${object} o LEFT JOIN gold.dim_customer c ON c.customer_id = o.customer_id "
            "WHERE c.customer_id IS NULL",
            mustBe=0,
        ),
    ),
    "column": (
        entry(metric="nullValues", mustBeLessThan=5, unit="percent", warn="1%"),
        entry(metric="missingValues", mustBe=0, arguments={"missingValues": [None, "", "N/A", " - "]}, warn="3"),
        entry(metric="duplicateValues", name="address_twice", mustBeLessThan=100),
        entry(type="sql", name="blank", query="SELECT count_if(${column} = '?') FROM ${table}", mustBe=0),
    ),
}


def every():
    """A contract with a rule of every kind."""
    return parse_contract(with_rules(*EVERY["object"], column=EVERY["column"]), "orders.odcs.yaml")


def test_the_standard_accepts_every_construct():
    """A contract with a rule of every kind is a valid document of ODCS 3.1, by the standard's own JSON schema."""
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    document = yaml.safe_load(with_rules(*EVERY["object"], column=EVERY["column"]))
    jsonschema.validators.validator_for(schema)(schema).validate(document)


def test_what_each_kind_of_rule_becomes():
    """Check, scope and what must hold, else the rule fails, and what must hold, else it warns."""
    found = {rule.name: rule for rule in every().rules}
    assert {name: (rule.check, rule.scope.value, *map(str, rule.limits)) for name, rule in found.items() if name in TOLD} == TOLD


TOLD = {
    "row_count": ("rows", "batch", "more than 10 rows", "None"),
    "not_empty": ("rows", "batch", "more than 0 rows", "None"),
    "twice": ("distinct", "batch", "None", "0 rows"),
    "same": ("distinct", "batch", "0 rows", "None"),
    "small": ("expect", "record", "less than 5 percent", "None"),
    "turnover": ("aggregate", "batch", "more than 0 EUR", "None"),
    "fresh": ("freshness", "batch", "at most 2 days", "None"),
    "usual_count": ("trailing", "lake", "between 50 and 200 percent", "between 80 and 120 percent"),
    "usual_turnover": ("trailing", "lake", "between 50 and 200 percent", "None"),
    "share": ("sql", "batch", "less than 900", "None"),
    "known": ("sql", "lake", "0", "None"),
    "shipping_address_null": ("null", "record", "less than 5 percent", "less than 1 percent"),
    "shipping_address_missing": ("missing", "record", "None", "less than 3 rows"),
    "address_twice": ("distinct", "batch", "less than 100 rows", "None"),
    "blank": ("sql", "batch", "0", "None"),
}


def test_what_a_rule_reads_and_measures():
    """Columns, filters, texts that are missing, and the SQL of measured numbers."""
    found = {rule.name: rule for rule in every().rules}
    assert found["twice"].columns == ("customer_id", "product_id")
    assert found["address_twice"].columns == ("shipping_address",)
    assert found["shipping_address_missing"].missing == ("N/A", "-")
    assert found["small"].filter == "currency = 'EUR'"
    assert found["small"].reads == ("order_amount", "currency")
    assert found["row_count"].measure == "count(1)"
    assert found["not_empty"].measure == "count(CASE WHEN (`currency` = 'EUR') THEN 1 END)"
    assert found["fresh"].measure == "min(datediff(batch_date, `order_date`))"
    assert found["usual_count"].measure == "count(1)"
    assert found["turnover"].measure == "TRY_CAST(sum(CASE WHEN (`currency` = 'EUR') THEN `order_amount` END) AS DECIMAL(28, 6))"
    assert (found["usual_count"].trailing, found["usual_turnover"].trailing) == (7, 30)
    assert (found["share"].tables, found["share"].needs) == ((), ())
    assert (found["known"].tables, found["known"].needs) == (("gold.dim_customer",), ("customers",))


def test_rules_that_look_further_still_come_later():
    """Whatever the order they are written in: record, batch, reference, lake; only the latter look beyond the batch."""
    scopes = [rule.scope for rule in every().rules]
    assert scopes == sorted(scopes, key=list(Scope).index)
    assert {rule.action for rule in every().rules if rule.scope not in LOCAL} == {Action.KEEP, Action.PARK}


def test_the_key_has_a_rule_of_its_own():
    """A rule on other columns takes nothing from the rule on the key, which need not be written."""
    contract = every()
    [unique] = [rule for rule in contract.rules if rule.check == "unique"]
    assert (unique.name, unique.columns, unique.sets_aside) == ("duplicate_key", (), True)
    own = parse_contract(with_rules().replace("- name: duplicate_key", "- name: order_twice"), "orders.odcs.yaml")
    assert [rule.name for rule in own.rules if rule.check == "unique"] == ["order_twice"]


@pytest.mark.parametrize(
    ("action", "values", "fails", "warns"),
    [
        ("keep", {"mustBe": 0}, "None", "0 rows"),
        ("keep", {"mustBe": "0"}, "None", "0 rows"),
        ("quarantine", {"mustBe": 0}, "0 rows", "None"),
        ("reject_batch", {"mustBe": 0}, "0 rows", "None"),
        ("keep", {"mustBeLessThan": 5}, "less than 5 rows", "None"),
        ("keep", {"mustBe": 0, "warn": "5"}, "None", "less than 5 rows"),
        ("keep", {"mustBe": 0, "warn": "0.5 %"}, "None", "less than 0.5 percent"),
        ("reject_batch", {"mustBeLessOrEqualTo": 5, "unit": "percent", "warn": "3"}, "at most 5 percent", "less than 3 rows"),
        ("keep", {"mustBeLessThan": 5, "unit": "percent", "warn": "1%"}, "less than 5 percent", "less than 1 percent"),
        ("quarantine", {"mustBeBetween": [0, 7]}, "between 0 and 7 rows", "None"),
    ],
)
def test_thresholds_of_rules_on_records(action, values, fails, warns):
    """Where nothing is said, or 0, one record is enough: a keep-rule warns and any other fails; else what is said holds."""
    rule = rule_of(column=(entry(action, metric="nullValues", **values),))
    assert tuple(map(str, rule.limits)) == (fails, warns)


def test_a_condition_needs_no_operator():
    """`expect` alone warns or fails from the first record on."""
    assert tuple(map(str, rule_of(measure(name="x", expect="order_amount > 1")).limits)) == ("None", "0 rows")
    assert tuple(map(str, rule_of(measure("quarantine", name="x", expect="order_amount > 1")).limits)) == ("0 rows", "None")


def test_a_batch_that_is_not_rejected_keeps_its_records():
    """Below its threshold a rule that rejects batches sets no record aside; a rule that quarantines always does."""
    rejecting = rule_of(column=(entry("reject_batch", metric="nullValues", mustBeLessThan=5),))
    assert not rejecting.sets_aside
    assert rule_of(column=(entry("quarantine", metric="nullValues", mustBeLessThan=5),)).sets_aside


def test_conditions_are_run_as_all_engines_read_them():
    """A cast that fails gives NULL and stops no batch; Sail would read two quotes in a text as none."""
    rule = rule_of(
        measure(name="x", expect="cast(order_id AS int) > 1 OR customer_id = 'O''Brien'", filter="product_id <> 'it''s'")
    )
    assert rule.expect == 'try_cast(order_id AS int) > 1 OR customer_id = "O\'Brien"'
    assert rule.filter == 'product_id <> "it\'s"'


def test_sqlglot_is_imported_only_where_a_contract_needs_it():
    """It takes a quarter of a second: the built-in contracts, thresholds, row counts and freshness do without."""
    light = [measure(name="fresh", freshness="order_date", mustBe=0), measure(name="usual", trailing=5, mustBeBetween=[1, 2])]
    code = (
        "import sys\nfrom cartbrook.contracts.load import load_contracts, parse_contract\nload_contracts()\n"
        "parse_contract(sys.stdin.read(), 'x')\nprint('sqlglot' in sys.modules)"
    )

    def imported(text: str) -> str:
        return subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True).stdout.strip()

    assert imported(with_rules(*light, entry(metric="rowCount", mustBe=1))) == "False"
    assert imported(with_rules(measure(name="sum", aggregate=SUM, mustBe=0))) == "True"


def test_other_numbers_are_other_rules():
    """Each of these changes what a batch is told, so the rules hash hears it."""
    base = dict(load_contracts())
    texts = [
        measure(name="x", expect="order_amount > 1"),
        measure(name="x", expect="order_amount > 1", mustBeLessThan=5),
        measure(name="x", expect="order_amount > 1", mustBeLessThan=5, unit="percent"),
        measure(name="x", expect="order_amount > 1", mustBeLessThan=5, warn="2"),
        measure(name="x", expect="order_amount > 1", filter="currency = 'EUR'"),
        measure(name="x", aggregate=SUM, mustBe=1),
        measure(name="x", aggregate="avg(order_amount)", mustBe=1),
        measure(name="x", trailing=5, mustBe=1),
        measure(name="x", trailing=6, mustBe=1),
        entry(type="sql", name="x", query="SELECT count(*) FROM ${object}", mustBe=1),
    ]
    assert len({rules_hash({**base, "orders": parsed(text)}) for text in texts}) == len(texts)


def test_a_query_on_another_domain_is_checked_with_its_contract(tmp_path):
    """Columns of gold are those of the contracts in force: what one of them adds can be named, what none has is refused."""
    query = "SELECT count(*) FROM ${object} o JOIN gold.dim_product p ON p.product_id = o.product_id WHERE p.shelf > 3"
    (tmp_path / "orders.odcs.yaml").write_text(with_rules(entry(type="sql", name="shelf", query=query, mustBe=0)), "utf-8")
    with pytest.raises(ContractError) as caught:
        load_contracts(tmp_path)
    assert caught.value.problems == ['orders.odcs.yaml:23 schema.orders.shelf: unknown column "p.shelf"']
    products = (files("cartbrook.contracts") / "domains" / "products.odcs.yaml").read_text("utf-8")
    shelf = "      - name: shelf\n        physicalType: integer\n      - name: brand\n"
    (tmp_path / "products.odcs.yaml").write_text(products.replace("      - name: brand\n", shelf), "utf-8")
    rule = next(rule for rule in load_contracts(tmp_path)["orders"].rules if rule.name == "shelf")
    assert "CAST(`p`.`shelf` AS DECIMAL(18, 0)) > 3" in (rule.measure or "")


OBJECT_PROBLEMS = {
    "unknown metric": (entry(metric="freshness", mustBe=0), 'unknown metric "freshness". Hint: one of'),
    "no operator": (entry(metric="rowCount"), "the operator is missing. Hint: one of mustBe, mustNotBe"),
    "two operators": (
        entry(metric="rowCount", mustBe=0, mustBeLessThan=5),
        "more than one operator: mustBe, mustBeLessThan. Hint: one of mustBe",
    ),
    "an operator without a number": (
        entry(metric="rowCount", mustBe="many"),
        "mustBe needs a plain number. Hint: such as 5 or 0.5",
    ),
    "an exponent": (entry(metric="rowCount", mustBe="1e3"), "mustBe needs a plain number"),
    "a range that is none": (entry(metric="rowCount", mustBeBetween=5), "mustBeBetween must be a list"),
    "a range turned round": (
        entry(metric="rowCount", mustBeBetween=[9, 3]),
        "mustBeBetween needs two numbers, the smaller one first",
    ),
    "a range of three": (entry(metric="rowCount", mustBeBetween=[1, 2, 3]), "mustBeBetween needs two numbers"),
    "unit of rows": (entry(metric="rowCount", mustBe=1, unit="percent"), 'unknown unit of rowCount "percent". Hint: one of rows'),
    "a metric of columns": (entry(metric="nullValues", mustBe=0), "nullValues belongs to a column"),
    "an argument of another metric": (
        entry(metric="duplicateValues", name="x", mustBe=0, arguments={"validValues": ["a"]}),
        'unknown key "validValues". Hint: one of properties',
    ),
    "no columns": (
        entry(metric="duplicateValues", name="x", mustBe=0),
        "duplicateValues needs the columns that no two records share",
    ),
    "an unknown column": (
        entry(metric="duplicateValues", name="x", mustBe=0, arguments={"properties": ["customer"]}),
        'unknown column "customer". Hint: did you mean "customer_id"?',
    ),
    "a column twice": (
        entry(metric="duplicateValues", name="x", mustBe=0, arguments={"properties": ["currency", "currency"]}),
        'rule "x" names a column twice',
    ),
    "the name of the key's rule": (
        entry(metric="duplicateValues", mustBe=0, arguments={"properties": ["currency"]}),
        "duplicate_key is the rule on the key, which is order_id. Hint: give a rule on other columns another name",
    ),
    "a rule on the batch that sets records aside": (
        entry("quarantine", metric="rowCount", mustBe=1),
        "a rule on the batch as a whole sets no row aside. Hint: keep reports it, reject_batch refuses the batch",
    ),
    "a rule on the batch that parks": (entry("park", metric="rowCount", mustBe=1), "only references park"),
    "a trailing rule that rejects": (
        measure("reject_batch", name="x", trailing=5, mustBe=1),
        "a rule that looks beyond its batch may only keep, not reject_batch. Hint: else the order of arrival",
    ),
    "a query on other tables that rejects": (
        entry(
            "reject_batch",
            type="sql",
            name="x",
            query="SELECT count(*) FROM ${object} o JOIN gold.fact_orders f ON f.order_id = o.order_id",
            mustBe=0,
        ),
        "a rule that looks beyond its batch may only keep, not reject_batch",
    ),
    "too few batches": (measure(name="x", trailing=2, mustBe=1), "trailing must be a number of batches from 3 to 366"),
    "too many batches": (measure(name="x", trailing=400, mustBe=1), "trailing must be a number of batches from 3 to 366"),
    "batches that are no number": (measure(name="x", trailing="week", mustBe=1), "trailing must be a number of batches"),
    "the unit of a trailing rule": (measure(name="x", trailing=5, mustBe=1, unit="rows"), "the unit of this rule is percent"),
    "the unit of freshness": (measure(name="x", freshness="order_date", mustBe=1, unit="hours"), "the unit of this rule is days"),
    "freshness of no time": (
        measure(name="x", freshness="order_amount", mustBe=1),
        "freshness: column order_amount is decimal(12,2), it must be date or timestamp",
    ),
    "freshness of nothing": (
        measure(name="x", freshness="order_day", mustBe=1),
        'unknown column "order_day". Hint: did you mean "order_date"?',
    ),
    "no name": (measure(aggregate=SUM, mustBe=1), "name is missing"),
    "nothing to do": (measure(name="x", mustBe=1), "implementation: {expect: <condition>} is missing. Hint: or one of aggregate"),
    "two things to do": (
        measure(name="x", expect="true", aggregate=SUM, mustBe=1),
        "implementation holds expect and aggregate. Hint: one of them makes a rule",
    ),
    "a context without a condition": (
        measure(name="x", aggregate=SUM, context=["product"], mustBe=1),
        "context belongs to expect. Hint: leave it out",
    ),
    "an operator beside the implementation": (
        {**measure(name="x", expect="order_amount > 1"), "mustBeLessThan": 5},
        (
            "mustBeLessThan stands beside implementation, where the standard knows no operator. "
            "Hint: implementation: {…, mustBeLessThan: …}"
        ),
    ),
    "a unit without an operator": (
        measure(name="x", expect="order_amount > 1", unit="percent"),
        "unit without an operator. Hint: implementation: {…, mustBeLessThan: 5}",
    ),
    "an unknown unit": (
        measure(name="x", expect="order_amount > 1", mustBeLessThan=5, unit="permille"),
        'unknown unit "permille". Hint: one of percent, rows',
    ),
    "no query": (entry(type="sql", name="x", mustBe=0), "query is missing. Hint: query: SELECT … FROM ${object}"),
    "a filter beside a query": (
        entry(type="sql", name="x", query="SELECT count(*) FROM ${object}", mustBe=0, filter="order_amount > 1"),
        "filter is of no use here. Hint: a query has its own WHERE",
    ),
    "a filter on an unknown column": (
        measure(name="x", expect="order_amount > 1", filter="amount > 1"),
        'unknown column "amount". Hint: did you mean "order_amount"?',
    ),
    "a filter on an unknown column of a count": (
        entry(metric="rowCount", mustBe=1, filter="amount > 1"),
        'unknown column "amount". Hint: did you mean "order_amount"?',
    ),
    "a filter that asks the clock": (
        entry(metric="rowCount", mustBe=1, filter="order_date > current_date()"),
        'unknown function "current_date". Hint: batch_date, which is the same in every run',
    ),
    "a filter that looks at another table": (
        measure(name="x", expect="order_amount > 1", filter="product.price > 1"),
        "the condition looks at product without saying so. Hint: add context: [product] beside expect",
    ),
    "a warning of no number": (
        measure(name="x", expect="order_amount > 1", warn="some"),
        'warn must be a number of records or a share of them. Hint: such as "5" or "1%"',
    ),
    "a warning at nothing": (measure(name="x", expect="order_amount > 1", warn="0"), "warn must be a number of records"),
    "a warning after the failure": (
        measure(name="x", expect="order_amount > 1", mustBeLessThan=5, warn="7"),
        "it would fail before it warns: the broken records must be less than 5 rows. Hint: warn at a smaller number",
    ),
    "a warning where the first record fails": (
        measure("quarantine", name="x", expect="order_amount > 1", warn="7"),
        "a rule with action quarantine fails at the first record, so it never warns. Hint: say when it fails: mustBeLessThan",
    ),
    "a warning of a number without a range": (measure(name="x", aggregate=SUM, mustBe=1, warn="5"), "warn must be a mapping"),
    "spellings of no enumeration": (
        measure(name="x", expect="order_amount > 1") | entry(spellings={"a": "b"}),
        "spellings is of no use here. Hint: only an enumeration (validValues) has spellings",
    ),
    "a broken aggregate": (measure(name="x", aggregate="sum(amount)", mustBe=1), 'unknown column "amount". Hint: did you mean'),
    "a broken query": (
        entry(type="sql", name="x", query="SELECT count(*) FROM orders", mustBe=1),
        'unknown table "orders". Hint: did you mean "silver.orders"?',
    ),
    "a condition that divides by a column": (
        measure(name="x", expect="order_amount / length(order_id) > 1"),
        "a division (/) by what may be 0 stops the batch. Hint: nullif(…, 0) behind it",
    ),
    "a condition with a cast that stops": (
        measure(name="x", expect="to_date(order_id) > order_date"),
        'unknown function "to_date". Hint: try_cast(… AS date), which gives NULL where there is no date',
    ),
    "a condition that counts characters backwards": (
        measure(name="x", expect="left(order_id, -1) = 'x'"),
        "engines differ on left with a number below 0",
    ),
    "a text with both quotes": (
        measure(name="x", expect="order_id = 'a''\"'"),
        "a text with both kinds of quotes means different things to different engines",
    ),
}


@pytest.mark.parametrize("case", OBJECT_PROBLEMS)
def test_a_rule_of_the_object_that_is_wrong(case):
    """Each fault is told with the file, the line and path of the rule, what is wrong, and mostly what to write."""
    rule, message = OBJECT_PROBLEMS[case]
    name = rule.get("name", "quality")
    assert_told(with_rules(rule), f"orders.odcs.yaml:23 schema.orders.{name}: {message}")


COLUMN_PROBLEMS = {
    "a metric of the object": (entry(metric="rowCount", mustBe=0), "rowCount belongs to the object"),
    "columns at a column": (
        entry(metric="duplicateValues", name="x", mustBe=0, arguments={"properties": ["order_id"]}),
        "properties belong to an entry of the object. Hint: here it is shipping_address that counts",
    ),
    "missing without texts": (entry(metric="missingValues", mustBe=0), "missingValues needs the texts that stand for no value"),
    "missing of lists": (
        entry(metric="missingValues", mustBe=0, arguments={"missingValues": [["a"]]}),
        "a missing value must be text",
    ),
    "a filter on an enumeration": (
        entry(metric="invalidValues", mustBe=0, arguments={"validValues": ["a"]}, filter="order_amount > 1"),
        "filter is of no use here. Hint: a query has its own WHERE, and what an enumeration does not list",
    ),
    "a switch on an enumeration": (
        entry(metric="invalidValues", mustBe=0, arguments={"validValues": ["a"]}, switch="schema_validation"),
        "switch is of no use here. Hint: what an enumeration does not list is stored as unknown all the same",
    ),
    "an unknown metric": (entry(metric="nullValue", mustBe=0), 'unknown metric "nullValue". Hint: did you mean "nullValues"?'),
}


@pytest.mark.parametrize("case", COLUMN_PROBLEMS)
def test_a_rule_of_a_column_that_is_wrong(case):
    """As above, with the column in the path."""
    rule, message = COLUMN_PROBLEMS[case]
    name = rule.get("name", "quality")
    text = with_rules(column=(rule,))
    line = text[: text.index(json.dumps(rule))].count("\n") + 1
    assert_told(text, f"orders.odcs.yaml:{line} schema.orders.shipping_address.{name}: {message}")


def assert_told(text: str, message: str) -> None:
    """The message is told; beside it at most one that follows from the same fault."""
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "orders.odcs.yaml")
    assert len(caught.value.problems) <= 2
    assert [problem for problem in caught.value.problems if problem.startswith(message)], caught.value.problems


def test_severity_and_action_are_still_needed():
    """A rule says what it costs and what it does."""
    bare = {"metric": "rowCount", "mustBe": 1}
    with pytest.raises(ContractError) as caught:
        parse_contract(with_rules(bare), "x")
    assert [problem.partition(": ")[2] for problem in caught.value.problems] == [
        f"severity is missing. Hint: one of {', '.join(Severity)}",
        f"custom property action is missing. Hint: one of {', '.join(Action)}",
    ]


def test_every_problem_is_told_at_once():
    """Three faults in one entry are three messages."""
    rule = measure(name="x", expect="amount > 1", filter="cast(", mustBeLessThan="five")
    with pytest.raises(ContractError) as caught:
        parse_contract(with_rules(rule), "x")
    assert len(caught.value.problems) == 3


def test_bounds_are_values():
    """Two ways to write a number are one threshold."""
    one, other = (rule_of(entry(metric="rowCount", mustBe=number)).fails for number in ("5.0", 5))
    assert one == other == Bounds("mustBe", (Decimal(5),), "rows")
