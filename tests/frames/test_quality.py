"""Validation of one batch: which rules a record breaks, what becomes of it, and how duplicates are settled."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.rule_texts import entry, measure, parsed

from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.model import Column, DeleteMark, Scope, Severity
from cartbrook.contracts.rules import column_rules
from cartbrook.types import Batch

CONTRACTS = load_contracts()
ORDERS = CONTRACTS["orders"]
BATCH = Batch("B1", 2, 7, dt.date(2025, 1, 15), (), "2025-01-15 10:00:00.000000")
GOOD = {
    "order_id": "O1",
    "customer_id": "C1",
    "product_id": "P1",
    "order_date": "2025-01-15",
    "order_amount": "100.00",
    "currency": "USD",
    "payment_method": "paypal",
    "shipping_address": "x",
    "order_status": "completed",
    "created_timestamp": "2025-01-15 09:00:00",
}


def bronze(session, contract, rows):
    """Bronze rows of the inline records: the record id is `id` (by default r and the line), lines count from 2."""
    full = [{"_source_line": line, "_source_file": "f.csv", **row} for line, row in enumerate(rows, 2)]
    named = [{**row, "_record_id": row.get("id", f"r{row['_source_line']}")} for row in full]
    names = [*contract.names, "_record_id", "_source_file", "_rescued", "_raw", "_defect"]
    arrays = {name: pa.array([row.get(name) for row in named], pa.string()) for name in names}
    arrays["_source_line"] = pa.array([row["_source_line"] for row in named], pa.int64())
    frame = session.createDataFrame(pa.table(arrays))
    return frame.selectExpr("*", "7 AS _batch_seq", "'B1' AS _batch_id", "2 AS _revision")


@pytest.fixture
def split(session):
    """`quality.split` of inline records: accepted and rejected rows by record id."""

    def run(rows, contract=ORDERS, batch=BATCH, timezone="UTC", known=False, decisions=None):
        from cartbrook.frames.duplicates import repeated_keys
        from cartbrook.frames.quality import split
        from cartbrook.frames.schema import QUARANTINE, silver, struct

        records = bronze(session, contract, rows)
        repeated = repeated_keys(records, contract, timezone) if known else True
        parts = split(records, contract, batch, timezone, decisions and decisions(session), repeated)
        assert kinds(parts.accepted.schema) == kinds(silver(contract))  # `validate` writes them unseen
        assert parts.rejected.schema.names == struct(QUARANTINE).names
        accepted = {row["_record_id"]: row for row in parts.accepted.toArrow().to_pylist()}
        rejected = {row["quarantine_id"]: row for row in parts.rejected.toArrow().to_pylist()}
        assert not accepted.keys() & rejected.keys()
        copies = [
            copy for row in [*accepted.values(), *rejected.values()] for copy in row.get("_copies") or row.get("copies") or ()
        ]
        assert len(accepted) + len(rejected) + len(copies) == len(rows)  # no record is lost or doubled
        return accepted, rejected

    return run


def kinds(schema):
    """Names and types of columns."""
    return [(field.name, field.dataType.simpleString()) for field in schema.fields]


def order(**values):
    """A good order with some other values."""
    return {**GOOD, **values}


BROKEN: dict[str, tuple[dict[str, Any], list[str]]] = {
    "key missing": ({"order_id": None}, ["order_id_required"]),
    "key of blanks": ({"order_id": "  "}, ["order_id_required"]),
    "reference missing": ({"customer_id": None, "product_id": ""}, ["customer_id_required", "product_id_required"]),
    "amount missing": ({"order_amount": None}, ["order_amount_required"]),
    "amount no number": ({"order_amount": "1,234.50"}, ["order_amount_type"]),
    "amount with a third digit": ({"order_amount": "12.345"}, ["order_amount_type"]),
    "amount zero": ({"order_amount": "0"}, ["order_amount_not_positive", "order_amount_remarkable"]),
    "amount negative": ({"order_amount": "-5"}, ["order_amount_not_positive", "order_amount_remarkable"]),
    "a keep-rule beside": (
        {"order_date": "x", "order_status": "lost at sea"},
        ["order_date_type", "order_status_enumeration"],
    ),
    "no such day": ({"order_date": "2025-02-30"}, ["order_date_type"]),
    "time with an offset": ({"created_timestamp": "2025-01-15 09:00:00+01:00"}, ["created_timestamp_type"]),
    "several at once": (
        {"order_id": None, "order_amount": "abc", "order_date": "x", "currency": None},
        ["order_id_required", "order_date_type", "order_amount_type", "currency_required"],
    ),
    "structure, and nothing else is judged": ({**dict.fromkeys(GOOD), "_raw": "a,b", "_defect": "ragged_row"}, ["ragged_row"]),
    "NUL byte": ({"order_amount": "abc", "_defect": "nul_byte"}, ["nul_byte"]),
}


def test_broken_rules_are_all_listed(split):
    """A record that breaks rules is quarantined with every one of them, the worst severity, and its amount where it reads."""
    rows = [order(id=case, **values, order_key=n) for n, (case, (values, _)) in enumerate(BROKEN.items())]
    accepted, rejected = split(rows)
    assert accepted == {}
    assert {case: sorted(row["rules"]) for case, row in rejected.items()} == {
        c: sorted(rules) for c, (_, rules) in BROKEN.items()
    }
    assert {row["severity"] for row in rejected.values()} == {"HIGH"}
    assert {row["status"] for row in rejected.values()} == {"open"}
    assert rejected["no such day"]["amount"] == Decimal("100.00")
    assert rejected["amount negative"]["amount"] == Decimal("-5.00")
    assert rejected["amount no number"]["amount"] is None
    assert "1,234.50" in rejected["amount no number"]["reason"]
    assert (rejected["NUL byte"]["batch_id"], rejected["NUL byte"]["revision"], rejected["NUL byte"]["batch_seq"]) == ("B1", 2, 7)


FLAGGED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "remarkable": ({"order_amount": "12000"}, ["order_amount_remarkable"]),
    "below 1": ({"order_amount": "0.99"}, ["order_amount_remarkable"]),
    "at both limits": ({"order_amount": "10000.00"}, []),
    "at night": ({"created_timestamp": "2025-01-15 18:00:00"}, ["order_outside_hours"]),
    "no time, no rule": ({"created_timestamp": None}, []),
    "unlisted status": ({"order_status": "Lost at Sea"}, ["order_status_enumeration:Lost at Sea"]),
    "empty status is NULL": ({"order_status": " "}, []),
    "two": (
        {"payment_method": "cheque", "order_amount": "0.5"},
        ["order_amount_remarkable", "payment_method_enumeration:cheque"],
    ),
}


def test_keep_rules_are_flags(split):
    """A keep-rule marks the record and lets it through; NULL passes; an unlisted value is stored as unknown with its text."""
    accepted, rejected = split([order(id=case, **{"order_id": f"O{n}", **v}) for n, (case, (v, _)) in enumerate(FLAGGED.items())])
    assert rejected == {}
    assert {case: sorted(row["_flags"]) for case, row in accepted.items()} == {
        case: flags for case, (_, flags) in FLAGGED.items()
    }
    assert accepted["unlisted status"]["order_status"] == "unknown"
    assert accepted["empty status is NULL"]["order_status"] is None


def test_patterns_judge_the_whole_text(split):
    """A pattern must match all of the text; an empty one passes."""
    base = {"last_login": None, "customer_tier": "gold"}
    rows = [
        {**base, "id": "good", "customer_id": "1", "email": "a@b.co", "zip_code": "02139", "phone": "555-0101"},
        {**base, "id": "bad", "customer_id": "2", "email": "mail a@b.co now", "zip_code": "##", "phone": "call me"},
        {**base, "id": "empty", "customer_id": "3"},
    ]
    accepted, _ = split(rows, CONTRACTS["customers"])
    assert {case: sorted(row["_flags"]) for case, row in accepted.items()} == {
        "good": [],
        "bad": ["email_pattern", "phone_pattern", "zip_code_pattern"],
        "empty": [],
    }


def test_switches_turn_keep_rules_off_and_no_others(split):
    """`data_quality_checks` silences business rules; amounts, types and enumerations are judged all the same."""
    off = dataclasses.replace(BATCH, switches={"business_rules_validation": False})
    rows = [
        order(id="odd", order_amount="12000", order_status="?"),
        order(id="bad", order_id="O2", order_amount="-1"),
    ]
    accepted, rejected = split(rows, batch=off)
    assert accepted["odd"]["_flags"] == ["order_status_enumeration:?"]
    assert rejected["bad"]["rules"] == ["order_amount_not_positive"]
    assert "order_amount_remarkable" not in rejected["bad"]["unchecked"]
    on = dataclasses.replace(BATCH, switches={"business_rules_validation": True, "schema_validation": False})
    assert "order_amount_remarkable" in split(rows, batch=on)[0]["odd"]["_flags"]


def test_expectations_see_the_batch_date(split):
    """`batch_date` in an expectation is the batch's, never the clock's."""
    rows = [{"id": day, "customer_id": day, "date_of_birth": day} for day in ("2025-01-15", "2025-01-16")]
    accepted, _ = split(rows, CONTRACTS["customers"])
    assert {case: row["_flags"] for case, row in accepted.items()} == {"2025-01-15": [], "2025-01-16": ["date_of_birth_future"]}


def test_exact_duplicates_fold_into_the_least_line(split):
    """Of records that are equal as typed values the least (file, line) stays and knows its copies."""
    rows = [
        order(id="c", order_amount="100.00", _source_file="b.csv", _source_line=2),
        order(id="b", order_amount="100.0 ", _source_file="a.csv", _source_line=9),
        order(id="a", order_amount="+100", _source_file="a.csv", _source_line=3),
        order(id="d", order_status="Completed", _source_file="b.csv", _source_line=3),
        order(id="other", order_id="O2"),
    ]
    for arrangement in (rows, rows[::-1]):
        accepted, rejected = split(arrangement)
        assert rejected == {}
        assert {case: row["_copies"] for case, row in accepted.items()} == {"a": ["b", "c", "d"], "other": None}


def test_conflicts_have_one_winner_whatever_the_row_order(split):
    """The greatest record wins; losers are quarantined with their own exact copies; the order of the rows decides nothing."""
    rows = [
        order(id="old", created_timestamp="2025-01-15 09:00:00", _source_line=2),
        order(id="old again", created_timestamp="2025-01-15 09:00:00", _source_line=3),
        order(id="new", created_timestamp="2025-01-15 11:00:00", _source_line=4),
        order(id="none", created_timestamp=None, _source_line=5),
    ]
    for arrangement in itertools.islice(itertools.permutations(rows), 0, 24, 5):
        accepted, rejected = split(arrangement)
        assert accepted.keys() == {"new"}
        assert {case: (row["rules"], row["copies"]) for case, row in rejected.items()} == {
            "old": (["duplicate_key"], ["old again"]),
            "none": (["duplicate_key"], None),
        }
        assert rejected["old"]["reason"].startswith('order_id "O1": Two different rows')


def test_ranking_only_repeated_keys_changes_nothing(split):
    """Copies, conflicts, unsound records and unreadable keys come out the same if keys that stand once are left alone."""
    contract = CONTRACTS["inventory"]
    columns = contract.key
    keys = [" K1", "K1 ", "K2", "K2", "K3", "k3", "K4", None, "  ", "K5", "K5"]
    rows = [{"quantity_available": "5", **dict.fromkeys(columns, key), "id": f"{n}"} for n, key in enumerate(keys)]
    rows[3] |= {"quantity_available": "7"}
    rows[9] |= {"quantity_available": "?"}
    found, rejected = split(rows, contract, known=True)
    every, same = split(rows, contract)
    hashes = {record: row.pop("_record_hash") for record, row in found.items()}
    for record, row in every.items():
        assert hashes[record] in (None, row.pop("_record_hash"))
    assert (found, rejected) == (every, same)
    assert any(row["_copies"] for row in found.values())
    assert {found[record]["product_id"] for record, hashed in hashes.items() if hashed} == {"K1", "K2", "K5"}


def decided_elsewhere(session):
    """A decision on a record of another batch."""
    from cartbrook.frames.decisions import COLUMNS

    return session.createDataFrame(
        pa.table({"quarantine_id": ["x"], **{name: pa.array(["discard"], pa.string()) for name in COLUMNS}})
    )


def test_records_have_a_hash_where_others_may_stand_in_their_place(split):
    """So it is for all of them where a person has decided on one, or where records of different keys are compared."""
    rows = [order(id="a", order_id="1"), order(id="b", order_id="2")]
    for contract, decisions, hashed in (
        (ORDERS, None, False),
        (ORDERS, decided_elsewhere, True),
        (parsed(twice("keep")), None, True),
    ):
        accepted, _ = split(rows, contract, known=True, decisions=decisions)
        hashes = {row["_record_hash"] for row in accepted.values()}
        assert (None not in hashes, len(hashes)) == (hashed, 2 if hashed else 1)


def test_only_records_that_pass_their_own_rules_compete(split):
    """A record that breaks its own rules is quarantined for those, and takes no part in the conflict of its key."""
    rows = [order(id="good"), order(id="bad", order_amount="-1", created_timestamp="2025-01-15 23:00:00")]
    accepted, rejected = split(rows)
    assert accepted.keys() == {"good"}
    assert rejected["bad"]["rules"] == ["order_amount_not_positive", "order_amount_remarkable", "order_outside_hours"]


def test_keys_are_trimmed_and_keep_their_case(split):
    """` O1 ` is O1 and o1 is another key."""
    accepted, rejected = split([order(id="a", order_id=" O1 "), order(id="b", order_id="o1")])
    assert {case: row["order_id"] for case, row in accepted.items()} == {"a": "O1", "b": "o1"}
    assert rejected == {}


def test_delete_marks(split):
    """A delete needs its key alone; it beats an upsert of its key and time, and NULL in the mark is an upsert."""
    column = dataclasses.replace(ORDERS.column("shipping_address"), name="op")
    marked = dataclasses.replace(ORDERS, columns=(*ORDERS.columns, column), delete=DeleteMark("op", ("D", "delete")))
    rows = [
        order(id="bare delete", customer_id=None, product_id=None, order_amount=None, order_date=None, currency=None, op="d"),
        order(id="upsert", order_id="O2", created_timestamp=None),
        order(id="tied delete", order_id="O2", created_timestamp=None, op="Delete"),
        order(id="keyless delete", order_id=None, op="D"),
        order(id="other mark", order_id="O3", op="I"),
    ]  # fmt: skip
    accepted, rejected = split(rows, marked)
    assert {case: row["_kind"] for case, row in accepted.items()} == {
        "bare delete": "delete",
        "tied delete": "delete",
        "other mark": "upsert",
    }
    assert {case: row["rules"] for case, row in rejected.items()} == {
        "upsert": ["duplicate_key"],
        "keyless delete": ["order_id_required"],
    }


def test_sequence_by_gives_the_effective_time(split):
    """With `sequence_by` a key may come once for each time, and a record without the time is quarantined."""
    required = tuple(dataclasses.replace(c, required=c.required or c.name == "created_timestamp") for c in ORDERS.columns)
    rule = next(rule for rule in ORDERS.rules if rule.name == "order_amount_required")
    rule = dataclasses.replace(rule, name="created_timestamp_required", column="created_timestamp")
    timed = dataclasses.replace(ORDERS, columns=required, rules=(*ORDERS.rules, rule), sequence_by=("created_timestamp",))
    rows = [
        order(id="first"),
        order(id="second", created_timestamp="2025-01-15 10:00:00"),
        order(id="tied", created_timestamp="2025-01-15 10:00:00", order_amount="5.00"),
        order(id="timeless", created_timestamp=None),
    ]
    accepted, rejected = split(rows, timed)
    assert len(accepted) == 2
    assert accepted["first"]["_effective_time"].strftime("%Y-%m-%d %H:%M") == "2025-01-15 09:00"
    assert rejected["timeless"]["rules"] == ["created_timestamp_required"]
    assert [row["rules"] for case, row in rejected.items() if case != "timeless"] == [["duplicate_key"]]


def test_the_raw_record_is_kept_as_delivered(split):
    """The quarantine holds every field as text, empty ones too, rescued columns beside them, or the ragged line itself."""
    nasty = 'a "b" \\ }\n{ü, "}'
    rows = [
        order(id="plain", order_amount=" abc ", shipping_address=nasty, payment_method=None),
        order(id="more", order_amount="x", _rescued='{"note": "1", "}": ""}'),
        {"id": "torn", "_raw": 'O1,"5" }', "_defect": "ragged_row"},
    ]
    _, rejected = split(rows)
    kept = json.loads(rejected["plain"]["record"])
    assert kept == {**GOOD, "order_amount": " abc ", "shipping_address": nasty, "payment_method": ""}
    assert json.loads(rejected["more"]["record"]) == {**GOOD, "order_amount": "x", "note": "1", "}": ""}
    assert json.loads(rejected["torn"]["record"]) == {"_raw": 'O1,"5" }'}


def test_times_follow_the_workspaces_zone(split):
    """A zone of the workspace reaches the records; effective time stays the batch date in UTC."""
    accepted, _ = split([order(id="a", created_timestamp="2025-01-15 09:00:00")], timezone="Asia/Tokyo")
    assert accepted["a"]["created_timestamp"].strftime("%d %H:%M") == "15 00:00"
    assert accepted["a"]["_effective_time"].strftime("%d %H:%M") == "15 00:00"
    assert accepted["a"]["_trigger_timestamp"].strftime("%d %H:%M") == "15 10:00"


def test_a_contract_of_200_more_columns(split):
    """Each typed column is a rule: hundreds of them are one condition that the engine can still read."""
    extra = tuple(Column(f"extra_{number:03}", "integer") for number in range(200))
    rules = tuple(rule for column in extra for rule in column_rules(column))
    assert len(rules) == 200
    wide = dataclasses.replace(ORDERS, columns=(*ORDERS.columns, *extra), rules=(*ORDERS.rules, *rules))
    rows = [order(id="good", extra_000="1", extra_199="2"), order(id="bad", order_id="O2", extra_007="x", extra_199="y")]
    accepted, rejected = split(rows, wide)
    assert accepted["good"]["extra_199"] == 2
    assert rejected["bad"]["rules"] == ["extra_007_type", "extra_199_type"]


UNCHECKED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a value that does not read": ({"order_amount": "abc"}, {"order_amount_not_positive", "order_amount_remarkable"}),
    "a value that is missing": (
        {"order_amount": None},
        {"order_amount_type", "order_amount_not_positive", "order_amount_remarkable"},
    ),
    "two that do not read": ({"order_date": "x", "created_timestamp": "x"}, {"order_outside_hours"}),
}
AFTER = {"duplicate_key", "unknown_customer", "unknown_product"}
"""What is judged later, on sound records: the key, references."""


@pytest.mark.parametrize("case", UNCHECKED)
def test_rules_that_could_not_be_judged_are_listed(split, case):
    """A failed cast or a missing value leaves rules on that column without an outcome; broken ones are no part of the list."""
    values, unchecked = UNCHECKED[case]
    _, rejected = split([order(id="r", **values)])
    assert set(rejected["r"]["unchecked"]) == unchecked | AFTER
    assert not set(rejected["r"]["unchecked"]) & set(rejected["r"]["rules"])


def test_a_torn_line_says_nothing_of_other_rules(split):
    """Every rule but the broken one is unknown there."""
    _, rejected = split([{"id": "torn", "_raw": "O1,5", "_defect": "ragged_row"}])
    local = {rule.name for rule in ORDERS.rules_of(Scope.RECORD, Scope.BATCH, Scope.REFERENCE)}
    assert set(rejected["torn"]["unchecked"]) == local - {"ragged_row"}


def test_the_reason_tells_of_every_rule(split):
    """Also of keep-rules, and of those on the key; the worst severity of all of them counts."""
    mild = dataclasses.replace(next(rule for rule in ORDERS.rules if rule.name == "order_date_type"), severity=Severity.LOW)
    contract = dataclasses.replace(ORDERS, rules=tuple(mild if rule.name == mild.name else rule for rule in ORDERS.rules))
    rows = [
        order(id="severe", order_id="O2", order_date="soon", order_amount="0.50"),
        order(id="mild", order_id="O3", order_date="soon"),
        order(id="winner", created_timestamp="2025-01-15 11:00:00"),
        order(id="loser", created_timestamp="2025-01-15 10:00:00", order_amount="12000"),
    ]
    _, rejected = split(rows, contract)
    assert (rejected["severe"]["severity"], rejected["mild"]["severity"]) == ("HIGH", "LOW")
    assert rejected["severe"]["reason"] == (
        'order_date "soon" is not of type date; '
        'order_amount "0.50": Below 1 or above 10,000. It is revenue all the same, and reported.'
    )
    assert rejected["loser"]["rules"] == ["duplicate_key", "order_amount_remarkable"]
    assert rejected["loser"]["reason"].startswith('order_id "O1": Two different rows')
    assert "12000" in rejected["loser"]["reason"]
    assert set(rejected["loser"]["unchecked"]) == AFTER - {"duplicate_key"}


def flags(accepted) -> dict[str, list[str]]:
    """The flags of accepted records by id."""
    return {case: sorted(row["_flags"]) for case, row in accepted.items()}


def test_null_and_missing_values(split):
    """NULL is the empty field; missing is also what the contract lists, with or without blanks around it."""
    contract = parsed(
        column=(
            entry(metric="nullValues", name="gone", mustBe=0),
            entry(metric="missingValues", name="void", mustBe=0, arguments={"missingValues": ["N/A", "-"]}),
        )
    )
    texts = {"there": "1 Main St", "empty": "", "null": None, "listed": "N/A", "blanks": " - ", "other": "n/a"}
    rows = [order(id=case, order_id=case, shipping_address=text) for case, text in texts.items()]
    accepted, rejected = split(rows, contract)
    assert rejected == {}
    assert flags(accepted) == {
        "there": [],
        "empty": ["gone", "void"],
        "null": ["gone", "void"],
        "listed": ["void"],
        "blanks": ["void"],
        "other": [],
    }


def test_missing_texts_follow_the_case_of_the_column(split):
    """A column that is brought to upper case holds no lower one."""
    column = dataclasses.replace(ORDERS.column("shipping_address"), case="upper")
    contract = parsed(column=(entry(metric="missingValues", name="void", mustBe=0, arguments={"missingValues": ["n/a"]}),))
    columns = tuple(column if c.name == column.name else c for c in contract.columns)
    accepted, _ = split([order(id="a", shipping_address="N/a")], dataclasses.replace(contract, columns=columns))
    assert flags(accepted) == {"a": ["void"]}


def test_a_filter_limits_a_rule(split):
    """It says nothing of records that do not fulfil it, or where it is NULL; a quarantined one was not checked by it."""
    contract = parsed(
        measure(name="small", expect="order_amount < 50", filter="order_status = 'completed'"),
        measure("quarantine", name="tiny", expect="order_amount >= 10", filter="currency = 'EUR'"),
    )
    rows = [
        order(id="broken", order_id="1"),
        order(id="outside", order_id="2", order_status="pending"),
        order(id="null", order_id="3", order_status=None),
        order(id="other currency", order_id="4", order_amount="5", order_status="pending"),
        order(id="aside", order_id="5", order_amount="5", currency="EUR", order_status="pending"),
    ]
    accepted, rejected = split(rows, contract)
    assert flags(accepted) == {"broken": ["small"], "outside": [], "null": [], "other currency": []}
    assert rejected["aside"]["rules"] == ["tiny"]
    assert "small" in rejected["aside"]["unchecked"]


def test_quotes_and_casts_in_conditions(split):
    """A quote in a text is one on every engine, and a cast that fails is NULL and stops no batch."""
    contract = parsed(
        measure(name="of_the_obriens", expect="customer_id <> 'O''Brien'"),
        measure(name="even", expect="cast(shipping_address AS int) % 2 = 0"),
    )
    rows = [
        order(id="a", order_id="1", customer_id="O'Brien", shipping_address="3"),
        order(id="b", order_id="2", customer_id="OBrien", shipping_address="none"),
    ]
    accepted, _ = split(rows, contract)
    assert flags(accepted) == {"a": ["even", "of_the_obriens"], "b": []}


def twice(action: str, **more):
    """A rule that no two orders of a batch are of one customer and product."""
    arguments = {"properties": ["customer_id", "product_id"]}
    return entry(action, metric="duplicateValues", name="twice", mustBe=0, arguments=arguments, **more)


def test_other_columns_may_have_to_be_unique(split):
    """Of the records that share values the greatest is fine, whatever the row order; the others are flagged."""
    rows = [
        order(id="old", order_id="1", created_timestamp="2025-01-15 09:00:00"),
        order(id="new", order_id="2", created_timestamp="2025-01-15 11:00:00"),
        order(id="none", order_id="3", created_timestamp=None),
        order(id="other", order_id="4", product_id="P2"),
    ]
    for arrangement in (rows, rows[::-1]):
        accepted, rejected = split(arrangement, parsed(twice("keep")))
        assert rejected == {}
        assert flags(accepted) == {"old": ["twice"], "new": [], "none": ["twice"], "other": []}


def test_other_columns_may_set_aside(split):
    """With action quarantine the others are set aside; only sound records that survived on their key are compared."""
    rows = [
        order(id="unsound", order_id="1", order_amount="-1", created_timestamp="2025-01-15 15:00:00"),
        order(id="lost its key", order_id="2", created_timestamp="2025-01-15 08:30:00"),
        order(id="new", order_id="2", created_timestamp="2025-01-15 11:00:00"),
        order(id="old", order_id="3", created_timestamp="2025-01-15 10:00:00", order_amount="12000"),
        order(id="old again", order_id="3", created_timestamp="2025-01-15 10:00:00", order_amount="12000"),
    ]
    contract = parsed(twice("quarantine"))
    accepted, rejected = split(rows, contract)
    assert accepted.keys() == {"new"}
    assert {case: row["rules"][0] for case, row in rejected.items()} == {
        "unsound": "order_amount_not_positive",
        "lost its key": "duplicate_key",
        "old": "twice",
    }
    assert rejected["old"]["rules"] == ["twice", "order_amount_remarkable"]
    assert rejected["old"]["copies"] == ["old again"]
    assert set(rejected["old"]["unchecked"]) == AFTER - {"duplicate_key"}
    assert {"duplicate_key", "twice"} <= set(rejected["unsound"]["unchecked"])
    assert "twice" in rejected["lost its key"]["unchecked"]


def test_missing_values_are_not_compared(split):
    """Two records without a value share nothing; nor do those outside the filter."""
    contract = parsed(
        entry("quarantine", metric="duplicateValues", name="same", mustBe=0, arguments={"properties": ["payment_method"]}),
        twice("keep", filter="order_amount > 50"),
    )
    rows = [
        order(id="a", order_id="1", payment_method=None),
        order(id="b", order_id="2", payment_method=None, order_amount="5"),
        order(id="c", order_id="3", payment_method=None, product_id="P2"),
    ]
    accepted, rejected = split(rows, contract)
    assert rejected == {}
    assert flags(accepted) == {"a": [], "b": [], "c": []}


def test_two_rules_on_other_columns_are_judged_apart(split):
    """A record that loses by both lists both; one that one of them does not compare was not checked by it."""
    contract = parsed(
        twice("quarantine"),
        entry("quarantine", metric="duplicateValues", name="same", mustBe=0, arguments={"properties": ["payment_method"]}),
    )
    rows = [
        order(id="first", order_id="1", created_timestamp="2025-01-15 11:00:00"),
        order(id="both", order_id="2"),
        order(id="one", order_id="3", payment_method=None),
    ]
    accepted, rejected = split(rows, contract)
    assert accepted.keys() == {"first"}
    assert rejected["both"]["rules"] == ["twice", "same"]
    assert rejected["one"]["rules"] == ["twice"]
    assert "same" in rejected["one"]["unchecked"]


def test_a_rule_that_rejects_batches_flags_records(split):
    """Whether the batch is rejected is decided by its threshold; a record of a batch that is not stays."""
    contract = parsed(measure("reject_batch", name="small", expect="order_amount < 50", mustBeLessThan=50, unit="percent"))
    accepted, rejected = split([order(id="a"), order(id="b", order_id="2", order_amount="5")], contract)
    assert rejected == {}
    assert flags(accepted) == {"a": ["small"], "b": []}
