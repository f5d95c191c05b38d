"""Records that were set aside, from the command line: seen, taken out, edited, decided on, and taken back."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "tea-shop"

pytestmark = pytest.mark.engine("sail")


@pytest.fixture(scope="module")
def one_day(cartbrook, tmp_path_factory):
    """The tea shop after its first day: one amount cannot be read, one order waits for its customer."""
    folder = tmp_path_factory.mktemp("quarantine") / "shop"
    assert cartbrook("init", folder).code == 0
    assert cartbrook("submit", EXAMPLE / "trigger_2025_06_02.json", "-w", folder).code == 0
    assert cartbrook("run", "-w", folder).code == 0
    return folder


@pytest.fixture
def shop(one_day, tmp_path):
    """A copy of it."""
    return shutil.copytree(one_day, tmp_path / "shop")


def listed(cartbrook, shop, *words):
    """`quarantine list --json`."""
    return cartbrook("quarantine", "list", *words, "-w", shop, "--json").json


def edit(path: Path, change) -> None:
    """Rewrite a CSV file, each row changed by a function."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(change(row) for row in rows)


def test_round_trip(cartbrook, shop, tmp_path):
    """Export, edit, fix: the record is in gold under its own day, its row tells who decided, and the audit is clean."""
    out = tmp_path / "to edit"
    ended = cartbrook("quarantine", "export", out, "-w", shop)
    assert ended.code == 0
    assert f"{out / 'orders.csv'}: 1 record" in ended.out
    assert cartbrook("quarantine", "fix", out / "orders.csv", "-w", shop).out == "no record was edited; nothing changes\n"
    edit(out / "orders.csv", lambda row: {**row, "order_amount": "14.00"})
    ended = cartbrook("quarantine", "fix", out / "orders.csv", "--note", "comma for a point", "-w", shop)
    assert (ended.code, ended.out) == (0, "fix of 1 record: 1 corrected\n")
    answer = cartbrook(
        "query", "SELECT order_amount, order_date, batch_id FROM gold.fact_orders WHERE order_id = 'O-1003'", "-w", shop, "--json"
    )
    assert answer.json == [{"order_amount": "14.00", "order_date": "2025-06-02", "batch_id": "tea_2025_06_02"}]
    [row] = listed(cartbrook, shop, "--status", "corrected")
    assert (row["decision"], row["rules"], row["amount"]) == ("fix", ["order_amount_type"], None)
    shown = cartbrook("quarantine", "show", row["quarantine_id"][:12], "-w", shop)
    for part in ("Status   corrected by", "order_amount_type", "14,00", "comma for a point"):
        assert part in shown.out
    [batch] = cartbrook("batches", "-w", shop, "--json").json
    assert (batch["rows_accepted"], batch["rows_corrected"], batch["rows_quarantined"]) == (16, 1, 0)
    assert cartbrook("audit", "-w", shop).code == 0
    assert "1 corrected" in cartbrook("audit", "tea_2025_06_02", "-w", shop).out


def test_export_never_overwrites(cartbrook, shop, tmp_path):
    """A file that is there may hold edits: it stays, and the command says so."""
    assert cartbrook("quarantine", "export", tmp_path, "-w", shop).code == 0
    text = (tmp_path / "orders.csv").read_text("utf-8")
    ended = cartbrook("quarantine", "export", tmp_path, "-w", shop)
    assert ended.code == 2
    assert "is there already" in ended.err
    assert (tmp_path / "orders.csv").read_text("utf-8") == text


FORMULAS = ("=HYPERLINK(1)", "@SUM(1)", "+1", "-1", "'=1", "''+1", "plain", "it's", "\t=1")


def test_formulas_are_neutralised_and_come_back(cartbrook, shop, tmp_path):
    """No cell of an export is a formula, and an unedited file is recognised as unedited whatever its cells begin with."""
    header = (EXAMPLE / "orders_2025_06_02.csv").read_text("utf-8").splitlines()[0].split(",")
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    with (delivery / "orders_2025_06_09.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for number, text in enumerate(FORMULAS):
            writer.writerow([f"F-{number}", "K-001", "T-10", "2025-06-02", "much", "EUR", "", text, "pending", ""])
    trigger = {
        "trigger_id": "f",
        "batch_date": "2025-06-09",
        "data_files_ready": True,
        "expected_files": ["orders_2025_06_09.csv"],
    }
    (delivery / "f.json").write_text(json.dumps(trigger), "utf-8")
    assert cartbrook("submit", delivery / "f.json", "-w", shop).code == 0
    assert cartbrook("run", "-w", shop).code == 0
    assert cartbrook("quarantine", "export", tmp_path / "out", "--batch", "f", "-w", shop).code == 0
    with (tmp_path / "out" / "orders.csv").open(encoding="utf-8", newline="") as stream:
        exported = list(csv.DictReader(stream))
    assert not [cell for row in exported for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    path = tmp_path / "out" / "orders.csv"
    assert cartbrook("quarantine", "fix", path, "-w", shop).out == "no record was edited; nothing changes\n"
    edit(path, lambda row: {**row, "order_amount": "1.00"})
    assert cartbrook("quarantine", "fix", path, "-w", shop).code == 0
    answer = cartbrook(
        "query", "SELECT order_id, shipping_address FROM gold.fact_orders WHERE order_id LIKE 'F-%'", "-w", shop, "--json"
    )
    assert sorted((row["order_id"], row["shipping_address"]) for row in answer.json) == [
        (f"F-{number}", text) for number, text in enumerate(FORMULAS)
    ]


def test_decisions_by_hand(cartbrook, shop, tmp_path):
    """Records are fixed, released, discarded and taken back by id, rule and batch; what still breaks a rule ends with 1.

    Decided on, then undone: the record's text is not there to be edited, and its decision can be taken back by the batch's id.
    """
    [row] = listed(cartbrook, shop, "--status", "open")
    id_ = row["quarantine_id"]
    ended = cartbrook("quarantine", "fix", "--id", id_[:8], "--set", "order_amount=0", "-w", shop)
    assert ended.code == 1
    assert "fix of 1 record: 1 open" in ended.out
    assert "order_amount_not_positive" in ended.out
    assert cartbrook("quarantine", "release", "--rule", "order_amount_not_positive", "-w", shop).code == 1
    ended = cartbrook(
        "quarantine", "fix", "--id", id_, "--set", "order_amount=3.50", "--set", "customer_id=K-001", "-w", shop, "--json"
    )
    assert (ended.code, [(each["before"], each["after"]) for each in ended.json]) == (0, [("open", "corrected")])
    ended = cartbrook("quarantine", "discard", "--rule", "unknown_customer", "-w", shop)
    assert ended.out == "discard of 1 record: 1 discarded\n"
    [row] = listed(cartbrook, shop, "--status", "discarded")
    assert cartbrook("quarantine", "revoke", row["quarantine_id"][:6], "-w", shop).out == "revoke of 1 record: 1 parked\n"

    assert cartbrook("quarantine", "export", tmp_path / "out", "--status", "corrected", "-w", shop).code == 0
    assert cartbrook("undo", "tea_2025_06_02", "-w", shop).code == 0
    for words in (("--id", id_, "--set", "order_amount=1"), (tmp_path / "out" / "orders.csv",)):
        ended = cartbrook("quarantine", "fix", *words, "-w", shop)
        assert ended.code == 2
        assert f"{id_[:12]}: no live batch holds this record" in ended.err
    revoke = ("quarantine", "revoke", "--batch", "TEA_2025_06_02", "-w", shop)
    assert cartbrook(*revoke).out == "revoke of 1 record: 1 not live\n"
    assert cartbrook(*revoke).out == "no such record; nothing changes\n"


def test_waiting_too_long_is_told(cartbrook, shop, tmp_path):
    """Parked records past the limit are alerted by `run` and `status`, listed, and still released when the parent comes."""
    assert cartbrook("status", "-w", shop, "--json").json["overdue"] == 0
    settings = shop / "cartbrook.yaml"
    settings.write_text(settings.read_text("utf-8") + "\nmax_days_parked: 0\n", "utf-8")
    trigger = json.loads((EXAMPLE / "trigger_2025_06_03.json").read_text("utf-8"))
    orders = shutil.copy(EXAMPLE / "orders_2025_06_03.csv", tmp_path)
    only_orders = {**trigger, "trigger_id": "late", "expected_files": [Path(orders).name]}
    (tmp_path / "late.json").write_text(json.dumps(only_orders), "utf-8")
    assert cartbrook("submit", tmp_path / "late.json", "-w", shop).code == 0
    ended = cartbrook("run", "-w", shop)
    assert "more than 0 days for a parent" in ended.err
    assert "quarantine list --overdue" in ended.err
    assert cartbrook("status", "-w", shop, "--json").json["overdue"] == 1
    assert [row["waits_days"] for row in listed(cartbrook, shop, "--overdue")] == [1]
    assert cartbrook("submit", EXAMPLE / "trigger_2025_06_03.json", "-w", shop).code == 0
    assert cartbrook("run", "-w", shop).err == ""
    assert listed(cartbrook, shop, "--overdue") == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fix",), 2, "fix needs edited files"),
        (("fix", "--id", "abcdef"), 2, "fix needs edited files"),
        (("fix", "absent.csv"), 2, "absent.csv: no such file"),
        (("fix", "text.csv"), 2, "the column _id is missing"),
        (("fix", "short.csv"), 2, "short.csv:2: not as many fields as the header"),
        (("fix", "latin.csv"), 2, "no CSV file in UTF-8"),
        (("fix", "--id", "0123456789ab", "--set", "a=b"), 2, "no such record is set aside"),
        (("discard",), 2, "discard needs ids"),
        (("discard", "abc"), 2, "is no id of a record"),
        (("show", "0123456789ab"), 2, "no such record is set aside"),
        (("release", "--batch", "none"), 0, "no such record; nothing changes"),
    ],
)
def test_wrong_usage(cartbrook, one_day, tmp_path, monkeypatch, words, code, said):
    """What cannot be meant is said, with nothing changed and no traceback."""
    monkeypatch.chdir(tmp_path)
    Path("text.csv").write_text("order_id,order_amount\nO-1003,secret\n", "utf-8")
    Path("short.csv").write_text("_id,order_amount\n0123\n", "utf-8")
    Path("latin.csv").write_bytes("_id,order_amount\n0123,é\n".encode("latin-1"))
    ended = cartbrook("quarantine", *words, "-w", one_day)
    assert ended.code == code
    assert said in ended.out + ended.err
    assert "Traceback" not in ended.err
    assert "secret" not in ended.err


def test_a_fix_names_columns_and_records(cartbrook, one_day, tmp_path):
    """A column the contract does not have, and a record named twice, are told by file and line; nothing is recorded."""
    assert cartbrook("quarantine", "export", tmp_path, "-w", one_day).code == 0
    text = (tmp_path / "orders.csv").read_text("utf-8")
    header, line = text.splitlines()
    (tmp_path / "odd.csv").write_text(f"{header},colour\n{line},red\n", "utf-8")
    (tmp_path / "twice.csv").write_text(f"{header}\n{line}\n{line}\n", "utf-8")
    assert "orders has no column colour" in cartbrook("quarantine", "fix", tmp_path / "odd.csv", "-w", one_day).err
    assert "twice.csv:3: a record is named twice" in cartbrook("quarantine", "fix", tmp_path / "twice.csv", "-w", one_day).err
    assert cartbrook("query", "SELECT * FROM ops.quarantine_events", "-w", one_day, "--json").json == []


def test_show_tells_of_the_live_revision_alone(cartbrook, shop):
    """A batch that was taken in again: each rule is told once, and the books are those of every file."""
    before = cartbrook("show", "tea_2025_06_02", "-w", shop, "--json").json
    assert cartbrook("reprocess", "tea_2025_06_02", "-w", shop).code == 0
    after = cartbrook("show", "tea_2025_06_02", "-w", shop, "--json").json
    named = [(row["domain"], row["rule"]) for row in after["quality"]]
    assert len(named) == len(set(named)) == len(before["quality"])
    (shop / "cartbrook.yaml").write_text("quarantine_gate: 0\n", encoding="utf-8")
    assert cartbrook("reprocess", "tea_2025_06_02", "-w", shop).code == 1
    rejected = cartbrook("show", "tea_2025_06_02", "-w", shop, "--json").json
    assert (rejected["files"], rejected["books"], rejected["quality"]) == (after["files"], after["books"], after["quality"])


FILES = {
    "a column twice": ("_id,order_amount,order_amount\n{id},1.00,2.00\n", "order_amount is there twice"),
    "semicolons": ("_id;order_amount\n{id};1.00\n", "separated by commas"),
    "a column without a name": ("_id,order_amount,\n{id},1.00,\n", "no column without a name"),
    "an open quote": ('_id,order_amount\n{id},"1.00\n', "a quote in it has no end"),
    "Latin-1": ("_id,order_amount\n{id},ä\n", "no CSV file in UTF-8"),
}


def test_what_a_spreadsheet_may_do_to_a_file(cartbrook, shop, tmp_path):
    """A file that does not say clearly what was edited changes nothing, and the message says why; empty rows are nothing."""
    [row] = listed(cartbrook, shop, "--status", "open")
    for name, (text, said) in FILES.items():
        path = tmp_path / f"{name}.csv"
        path.write_text(text.format(id=row["quarantine_id"]), encoding="latin-1")
        ended = cartbrook("quarantine", "fix", path, "-w", shop)
        assert (ended.code, said in ended.err) == (2, True), (name, ended.err)
    path = tmp_path / "edited.csv"
    path.write_text(f"_id,order_amount\n{row['quarantine_id']},14.00\n,\n", encoding="utf-8")
    assert cartbrook("quarantine", "fix", path, "-w", shop).out == "fix of 1 record: 1 corrected\n"


def test_a_misspelt_name_is_not_an_empty_quarantine(cartbrook, shop):
    """A status or rule that does not exist is refused, with those that are near."""
    ended = cartbrook("quarantine", "list", "--status", "opne", "-w", shop)
    assert (ended.code, "open, parked" in ended.err) == (2, True)
    ended = cartbrook("quarantine", "release", "--rule", "order_amount_typ", "-w", shop)
    assert (ended.code, "order_amount_type" in ended.err) == (2, True)


def test_a_corrected_file_loses_decisions_and_says_so(cartbrook, shop, tmp_path):
    """Ids are made of the file's content: a superseding file has other records, and its batch warns."""
    [row] = listed(cartbrook, shop, "--status", "open")
    assert cartbrook("quarantine", "discard", row["quarantine_id"], "-w", shop).code == 0
    delivery = shutil.copytree(EXAMPLE, tmp_path / "again")
    [orders] = delivery.rglob("orders_2025_06_02.csv")
    orders.write_text(orders.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert cartbrook("submit", "--supersede", delivery / "trigger_2025_06_02.json", "-w", shop).code == 0
    assert "1 decision in force on records that these files do not hold" in cartbrook("run", "-w", shop).out
    [*_, batch] = cartbrook("batches", "-w", shop, "--json").json
    assert batch["revision"] == 2
    assert any("decision in force" in warning for warning in batch["warnings"])
