"""Conditions and patterns: which names are found, and what is refused because engines would differ."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartbrook.contracts.expressions import check_names, foreign_columns, read
from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.patterns import check_pattern


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("price > 0", ["price"]),
        ("a = b AND a <> 'b c' and NOT d", ["a", "b", "d"]),
        ("status NOT IN ('shipped', 'it''s') OR shipments > 0", ["status", "shipments"]),
        ("abs(order_amount - product.price) <= 0.01", ["order_amount", "product.price"]),
        ("hour (created_timestamp) >= 8", ["created_timestamp"]),
        ("CASE WHEN a IS NULL THEN TRUE ELSE b BETWEEN 1 AND 2.5 END", ["a", "b"]),
        ("day > date '2020-01-01' AND date < timestamp '2020-01-01 00:00:00'", ["day", "date"]),
        ("cast(a AS date) = CAST(b as decimal(18,2))", ["a", "b"]),
        ("coalesce(a, b, 0) % 2 = 1", ["a", "b"]),
        ("`größe` > 1 AND `t`.`x y` <=> 2", ["größe", "t.x y"]),
        ("product . price != 1", ["product.price"]),
        ("a||b like 'x%'", ["a", "b"]),
        ("'only text' = 'text'", []),
    ],
)
def test_names_are_found(sql, names):
    """Columns are what is neither text, keyword, function nor type."""
    expression = read(sql)
    assert [".".join(name) for name in expression.names] == names
    assert expression.problems == ()


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("", "an empty condition"),
        ("(a > 1", "a bracket is not closed"),
        ("a > 1)", "a closing bracket too many"),
        (")a(", "a closing bracket too many"),
        ("a = 'b", "a quote is not closed"),
        ("`a > 1", "a backtick is not closed"),
        ('a = "b"', 'texts stand in single quotes, not in "'),
        (r"a = 'it\'s'", "a backslash in a text means different things to different engines"),
        ("a > 1; drop table b", "; does not belong in a condition"),
        ("a > 1 -- why", "comments do not belong in a condition"),
        ("a > /* 1 */ 2", "comments do not belong in a condition"),
        ("a > 1e-2", '"1e-2" is no plain number'),
        ("a > 1.5BD", '"1.5BD" is no plain number'),
        ("a > $1", 'unexpected "$"'),
        ("a in (select b from c)", "select does not belong in a condition"),
        ("exists (b)", "exists does not belong in a condition"),
        ("sum(a) > 1", 'unknown function "sum"'),
        ("rand() > 0.5", 'unknown function "rand"'),
        ("java_method('java.lang.System', 'exit') = 1", 'unknown function "java_method"'),
        ("a > " + "1" * 2_000, "a condition of more than 2,000 characters"),
        ("a / b > 1", "a division (/) by what may be 0 stops the batch"),
        ("a % (b + 1) = 0", "a division (%) by what may be 0 stops the batch"),
        ("a / 0.00 > 1", "a division (/) by what may be 0 stops the batch"),
        ("date_add(a, b) > c", 'date_add by "b": Spark takes no bigint there'),
        ("substring(a, 1, b) = 'x'", 'substring by "b": Spark takes no bigint there'),
        ("right(a, -2) = 'x'", "engines differ on right with a number below 0"),
        ("a = 'x''\"'", "a text with both kinds of quotes means different things to different engines"),
        ("to_date(a) > b", 'unknown function "to_date"'),
    ],
)
def test_what_engines_would_choke_on_is_told(sql, problem):
    """Found when the contract is loaded, not in the middle of a batch."""
    assert problem in [what for what, _ in read(sql).problems]


@pytest.mark.parametrize(
    "sql",
    [
        "a / 2 > 1",
        "a / nullif(b, 0) > 1",
        "a % 0.5 = 0",
        "date_add(a, cast(b AS int)) > c",
        "date_sub(a, -3) > b",
        "coalesce(a, b) > c",
    ],
)
def test_what_is_safe_passes(sql):
    """A divisor that cannot be 0, numbers of days that Spark takes, and functions that count nothing."""
    assert read(sql).problems == ()


@pytest.mark.parametrize(
    ("sql", "run"),
    [
        ("cast(a AS int) > 1 OR CAST (b AS date) = c", "try_cast(a AS int) > 1 OR try_cast (b AS date) = c"),
        ("try_cast(a AS int) > 1", "try_cast(a AS int) > 1"),
        ("a = 'cast(x)' AND `cast` > 1", "a = 'cast(x)' AND `cast` > 1"),
        ("a = 'it''s' OR b = ''", "a = \"it's\" OR b = ''"),
        ("  a > 1\n  AND b < 2 ", "a > 1\n  AND b < 2"),
    ],
)
def test_conditions_are_run_as_engines_read_them_alike(sql, run):
    """Casts give NULL, and a quote in a text stands between the other kind of quotes; all else stays as written."""
    assert read(sql).sql == run


@pytest.mark.parametrize(
    ("sql", "context", "problems"),
    [
        ("order_amount > 0 AND batch_date > order_date", (), []),
        ("product.price > 0", ("product",), []),
        ("shipments > 0 AND customer.city = 'x'", ("shipments", "customer"), []),
        ("product.price > 0", (), ["the condition looks at product without saying so"]),
        ("batch_date > order_date", ("product",), ['unknown column "batch_date"']),
        ("Order_Amount > 0", (), ['unknown column "Order_Amount"']),
        ("shipments.number > 0", ("shipments",), ["shipments is a number and has no columns"]),
        ("product > 0", ("product",), ["product is not a value"]),
        ("prodcut.price > 0", ("product",), ['unknown context "prodcut"']),
    ],
)
def test_names_are_checked(sql, context, problems):
    """A name is a column, or of a context that the rule declares."""
    contract = load_contracts()["orders"]
    assert [what for what, _ in check_names(read(sql), "orders", contract.names, context)] == problems


def test_columns_of_other_domains_are_found():
    """They are judged once all contracts are known."""
    expression = read("customer.city = product.brand AND shipments > 0 AND order_id = 'x'")
    assert foreign_columns(expression, "orders") == [("customers", "city"), ("products", "brand")]


@given(st.text(max_size=60))
def test_any_text_is_read(sql):
    """Nothing in a condition raises."""
    read(sql)


@pytest.mark.parametrize(
    "pattern",
    [
        "[0-9]{5}(-[0-9]{4})?",
        r"\+?\(?[0-9]+\)?",
        "(?:a|b)*",
        "(?i)de|at",
        r"[^@\s]+@[a-z.\-\]]+",
        r"a\.b\\c",
        "[*+?]+",
        "[a-z]{2,}",
        "ä+?",
    ],
)
def test_portable_patterns_pass(pattern):
    """What Java and Rust both read alike."""
    assert check_pattern(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "does not compile"),
        ("*a", "does not compile"),
        ("[a", "does not compile"),
        ("a{3,2}", "does not compile"),
        ("(?=a)", "lookaround"),
        ("(?!a)", "lookaround"),
        ("(?<=a)b", "lookaround"),
        ("(?<!a)b", "lookaround"),
        (r"(a)\1", "backreferences"),
        ("(?P<x>a)(?P=x)", "groups"),
        ("(?P=x)", "backreferences"),
        ("(?>a)", "groups"),
        ("(?#a)", "groups"),
        ("a++", "possessive"),
        (r"\(?+", "possessive"),
        ("a{2}+", "possessive"),
        (r"a\Z", "escape"),
        (r"\p{L}", "escape"),
        (r"[\b]", "inside"),
        ("a\\", "escape"),
        ("a{,3}", "repetition"),
        ("a{", "repetition"),
        ("a{2000}", "repetition"),
        ("[[a]", "inside"),
        ("[a&&b]", "inside"),
        ("[a--b]", "inside"),
        ("[]a]", "inside"),
        ("a" * 1_001, "more than 1,000"),
    ],
)
def test_patterns_that_engines_read_differently_are_told(pattern, problem):
    """Rust has no lookaround, backreferences and atomic groups; Java reads sets within sets."""
    assert problem in (check_pattern(pattern) or "")


@given(st.text(alphabet=r"ab01[]{}()*+?|\^$.-&~,:=!<>Pi#", max_size=30))
def test_any_pattern_is_judged(pattern):
    """Nothing in a pattern raises, and what passes compiles."""
    if check_pattern(pattern) is None:
        re.compile(pattern)


POSTCODES = (
    "10001;02139;10001-1234;SW1A 1AA;K1A 0B1;1010;101;D02 AF30;LV-1050;110 00;1234 AB;05001-000;KY1-1102;FIQQ 1ZZ;100-0001"
)
GOOD = {
    "email_pattern": ["anna.berg@mail.com", "a+b@shop.example.co.uk", "jürgen@müller.de", "x_1@a-b.io"],
    "phone_pattern": "555-0101;+49 (0)30 1234-567;(212) 555-0101 ext. 5;1.212.555.0101;0049/30/1234567;2125550101 x12".split(";"),
    "zip_code_pattern": POSTCODES.split(";"),
}
BAD = {
    "email_pattern": ["a@b", "a b@c.de", "a@@b.de", "a@b..de", "@b.de", "a@b.de ", "a@b.de.", "NULL"],
    "phone_pattern": ["12345", "phone", "555-0101a", "+", "--------", "123456789012345678", "555----0101"],
    "zip_code_pattern": ["NA", "-", "Boston", "1", "10001 ", "12345678901234", "12  34"],
}


@pytest.mark.parametrize("name", GOOD)
def test_the_built_in_patterns_are_generous_but_useful(name):
    """Shapes as in the sample and from other countries pass; what is plainly something else does not."""
    pattern = next(rule.pattern for rule in load_contracts()["customers"].rules if rule.name == name)
    assert pattern is not None
    assert [text for text in GOOD[name] if not re.fullmatch(pattern, text)] == []
    assert [text for text in BAD[name] if re.fullmatch(pattern, text)] == []
