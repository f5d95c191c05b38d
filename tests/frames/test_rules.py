"""What is said of a broken rule: it names column and text, and is of bounded length."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cartbrook.contracts.load import load_contracts

ORDERS = load_contracts()["orders"]


@pytest.fixture
def said(session):
    """What is said of each text of one column if it breaks a rule."""

    def reasons(rule_name, column, *texts):
        from cartbrook.frames.rules import reason

        rule = next(rule for rule in ORDERS.rules if rule.name == rule_name)
        empty = pa.nulls(len(texts), pa.string())
        arrays = {f"_text_{name}": empty for name in ORDERS.names} | {f"_text_{column}": pa.array(texts, pa.string())}
        frame = session.createDataFrame(pa.table({**arrays, "place": list(range(len(texts)))}))
        return frame.orderBy("place").select(reason(rule, ORDERS).alias("said")).toArrow()["said"].to_pylist()

    return reasons


def test_a_reason_names_column_and_text(said):
    """A value that breaks a rule is quoted as it came."""
    assert said("order_amount_type", "order_amount", "1,234.50") == ['order_amount "1,234.50" is not of type decimal(12,2)']
    assert said("order_amount_not_positive", "order_amount", "-5") == ['order_amount "-5": An order costs something.']
    assert said("order_id_required", "order_id", None) == ["order_id is empty"]


def test_a_quote_is_cut(said):
    """A text of a megabyte does not become a reason of a megabyte; one at the limit is whole."""
    text = "\u00fc" * 200
    whole, cut = said("order_amount_type", "order_amount", text, text * 5_000)
    assert whole == f'order_amount "{text}" is not of type decimal(12,2)'
    assert cut == f'order_amount "{text}\u2026" is not of type decimal(12,2)'


def test_a_defect_of_the_line_says_what_is_wrong(said):
    """The rules on the line itself say what the line is, not what it should be; a control character names its column."""
    assert said("ragged_row", "order_id", None) == ["the line has more or fewer fields than the header"]
    control = "a control character that no text holds (NUL or U+001F)"
    assert said("nul_byte", "order_id", "a\0", "\x1f", "in a column the contract does not know") == [
        f"order_id: {control}",
        f"order_id: {control}",
        control,
    ]
    defects = [rule.name for rule in ORDERS.rules if rule.check == "structure"]
    assert all("field" in text for name in defects if name != "nul_byte" for text in said(name, "order_id", None))


def test_several_columns_are_quoted_together(session):
    """A key of several columns is quoted column by column, NULL as no text."""
    from pyspark.sql import functions as F

    from cartbrook.frames.rules import quoting

    frame = session.createDataFrame(pa.table({"a": ["x"], "n": [7], "e": pa.nulls(1, pa.string())}))
    quoted = quoting({name: F.col(name) for name in ("a", "n", "e")})
    assert frame.select(quoted.alias("q")).toArrow()["q"].to_pylist() == ['a "x", n "7", e ""']
