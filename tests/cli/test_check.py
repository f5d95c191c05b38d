"""`cartbrook check`: a file is tried as `run` would take it, and the workspace stays as it is."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from tests.unit.rule_texts import entry, measure, with_rules

from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.trigger import told_by_name

pytestmark = pytest.mark.engine("sail")

EXAMPLE = Path(__file__).parents[2] / "examples" / "tea-shop"
CONTRACTS = Path(load_contracts.__code__.co_filename).parent / "domains"
HEADER = ",".join(load_contracts()["orders"].names)
GOOD = "{id},K-001,T-10,2025-06-04,12.50,EUR,paypal,Somewhere 1,confirmed,2025-06-04 09:00:00"


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A file with something of everything."""
    lines = [
        HEADER,
        GOOD.format(id="O-1"),
        GOOD.format(id="O-1").replace("paypal", "PayPal"),  # the same, spelt otherwise
        GOOD.format(id="O-2").replace("12.50", "-1").replace("2025-06-04,", "04.06.2025,"),
        GOOD.format(id="O-3").replace("12.50", "20000"),
        GOOD.format(id="O-4").replace("paypal", "shells"),
        GOOD.format(id="O-5").replace("K-001", "K-999").replace("T-10", "T-99"),
        GOOD.format(id="O-6"),
        GOOD.format(id="O-6").replace("12.50", "13.50"),
        GOOD.format(id="O-7") + ",surplus",
        "",
    ]
    path = tmp_path / "orders_2025_06_04.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in a folder, with sizes and times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = (stat.st_size if path.is_file() else 0, stat.st_mtime_ns)
    return found


def test_a_file_outside_of_a_workspace(cartbrook, orders, tmp_path, monkeypatch):
    """Domain and day are in the name; types, rules and duplicates are judged, what looks at other tables is not."""
    monkeypatch.chdir(tmp_path)
    ended = cartbrook("check", orders.name, "--json")
    assert (ended.code, ended.err) == (1, "")
    report = ended.json
    names = ("domain", "batch_date", "contract", "good", "records", "accepted", "quarantined", "waiting", "duplicates")
    assert {name: report[name] for name in names} == {
        "domain": "orders",
        "batch_date": "2025-06-04",
        "contract": "built-in orders.odcs.yaml",
        "good": False,
        "records": 9,
        "accepted": 5,
        "quarantined": 3,
        "waiting": None,
        "duplicates": 1,
    }
    broken = {rule["rule"]: (rule["rows_failed"], rule["action"]) for rule in report["rules"] if rule.get("rows_failed")}
    assert broken == {
        "ragged_row": (1, "quarantine"),
        "order_date_type": (1, "quarantine"),
        "order_amount_not_positive": (1, "quarantine"),
        "order_amount_remarkable": (2, "keep"),
        "payment_method_enumeration": (1, "keep"),
        "duplicate_key": (1, "quarantine"),
    }
    whys = {rule["rule"]: rule["why"] for rule in report["rules"] if rule["status"] == "not_evaluated"}
    assert whys["unknown_customer"] == "they look up parents in an up-to-date workspace"
    assert whys["order_without_shipment"] == "they look at other tables"
    first, _, last = report["bad"]
    assert (first["line"], first["status"]) == (4, "quarantined")
    assert first["rules"] == ["order_date_type", "order_amount_not_positive", "order_amount_remarkable"]
    assert last["line"] == 10
    assert "record" not in report["bad"][0]
    assert report["warnings"] == ["orders_2025_06_04.csv has 1 blank line"]
    weight = {"HIGH": 5, "MEDIUM": 2, "LOW": 1}
    evaluated = [rule for rule in report["rules"] if rule["status"] != "not_evaluated"]
    lost = sum(weight[rule["severity"]] * rule["rows_failed"] / rule["rows_checked"] for rule in evaluated)
    assert {rule["rows_checked"] for rule in evaluated} <= set(range(1, 9))  # 8 records beside the duplicate
    assert float(report["score"]) == round(100 * (1 - lost / sum(weight[rule["severity"]] for rule in evaluated)), 2)


def test_a_file_in_a_workspace(cartbrook, shop, orders):
    """Parents are looked up in what is published; nothing at all is written there."""
    before = state(shop)
    ended = cartbrook("check", orders, "-w", shop, "--json")
    assert state(shop) == before
    report = ended.json
    assert ended.code == 1
    assert (report["accepted"], report["quarantined"], report["waiting"], report["duplicates"]) == (4, 3, 1, 1)
    [waits] = [row for row in report["bad"] if row["status"] == "waits"]
    assert (waits["line"], sorted(waits["rules"])) == (7, ["unknown_customer", "unknown_product"])
    rules = {rule["rule"]: rule for rule in report["rules"]}
    assert (rules["unknown_customer"]["rows_failed"], rules["unknown_customer"]["rows_checked"]) == (
        1,
        5,
    )  # not those that are set aside
    assert rules["order_without_shipment"]["status"] == "not_evaluated"


def test_what_check_says_is_what_run_does(cartbrook, shop, orders, tmp_path):
    """The same file as a batch: the same counts, the same rules, numbers of queries among them, the same reasons."""
    copy = tmp_path / "copy"
    shutil.copytree(shop, copy)
    dearest = entry(type="sql", name="dearest", query="SELECT max(order_amount) FROM ${object}", mustBeLessThan=100)
    usual = measure(name="usual", trailing=3, mustBeBetween=[50, 200])
    (copy / "contracts" / "orders.odcs.yaml").write_text(with_rules(dearest, usual), "utf-8")
    report = cartbrook("check", orders, "-w", copy, "--json", "--raw").json
    trigger = {"trigger_id": "T4", "batch_date": "2025-06-04", "data_files_ready": True, "expected_files": [orders.name]}
    (tmp_path / "trigger.json").write_text(json.dumps(trigger), "utf-8")
    assert cartbrook("submit", tmp_path / "trigger.json", "-w", copy).code == 0
    [outcome] = [row for row in cartbrook("run", "-w", copy, "--json").json if row["batch_id"] == "T4"]
    assert {state: count for state, count in outcome["rows"].items() if count} == {
        "accepted": report["accepted"],
        "quarantined": report["quarantined"],
        "parked": report["waiting"],
        "duplicate": report["duplicates"],
    }
    assert outcome["warnings"] == [*report["warnings"], "orders.dearest failed: 20000, must be less than 100"]
    aside = cartbrook("quarantine", "list", "--batch", "T4", "--raw", "-w", copy, "--json").json
    names = {"quarantined": "open", "waits": "parked"}
    fields = ("severity", "rules", "reason", "record")
    tried = [(row["line"], names[row["status"]], *(row[name] for name in fields)) for row in report["bad"]]
    told = [(row["source_line"], row["status"], *(row[name] for name in fields)) for row in aside]
    assert tried == told
    ran = {row["rule"]: row for row in cartbrook("show", "T4", "-w", copy, "--json").json["quality"]}
    assert ran.keys() == {rule["rule"] for rule in report["rules"]}
    untold = {rule["rule"]: rule["why"] for rule in report["rules"] if rule["status"] == "not_evaluated"}
    assert set(untold) == {name for name, row in ran.items() if row["scope"] == "lake" or row["status"] == "not_evaluated"}
    assert (untold["usual"], untold["order_price_mismatch"]) == ("they compare batches", "they look at other tables")
    for rule in report["rules"]:
        if rule["rule"] not in untold:
            common = set(ran[rule["rule"]]) & set(rule)
            assert len(common) > 10
            assert {name: rule[name] for name in common} == {name: ran[rule["rule"]][name] for name in common}, rule["rule"]
    assert (ran["dearest"]["status"], ran["dearest"]["measured"]) == ("fail", "20000.000000")


def test_for_people(cartbrook, orders, shop):
    """Counts, score, broken rules and the first bad records; the record itself only with --raw."""
    ended = cartbrook("check", orders, "-w", shop, "--limit", "2")
    lines = ended.out.splitlines()
    assert lines[0] == "orders_2025_06_04.csv: orders of 2025-06-04, checked by built-in orders.odcs.yaml"
    assert lines[1] == "9 records: 4 accepted, 3 quarantined, 1 would wait, 1 duplicate"
    assert lines[2].startswith("Score ")
    assert "Warning: orders_2025_06_04.csv has 1 blank line" in lines
    assert any(line.split()[:4] == ["ragged_row", "HIGH", "quarantine", "1"] for line in lines)
    assert any('order_date "04.06.2025" is not of type date' in line for line in lines)
    assert "... and 2 more: --limit 20" in lines
    assert lines[-1].startswith("Not evaluated, as they look at other tables: order_product_discontinued, ")
    assert "Somewhere" not in ended.out
    assert "Somewhere" in cartbrook("check", orders, "-w", shop, "--raw").out


def test_a_good_file(cartbrook, shop, tmp_path):
    """Where every record would be accepted the exit code is 0; exact duplicates and keep-rules are no harm."""
    path = tmp_path / "any name.csv"
    rows = [GOOD.format(id="O-1"), GOOD.format(id="O-1"), GOOD.format(id="O-2").replace("12.50", "99999")]
    path.write_text("\n".join([HEADER, *rows]), "utf-8")
    ended = cartbrook("check", path, "--domain", "Orders", "--batch-date", "2025-06-04", "-w", shop)
    assert ended.code == 0
    assert "3 records: 2 accepted, 1 duplicate\n" in ended.out
    assert "order_amount_remarkable" in ended.out
    assert "would not be accepted" not in ended.out
    for name in ("customers", "products", "inventory", "shipping"):
        assert cartbrook("check", EXAMPLE / f"{name}_2025_06_03.csv", "-w", shop).code == 0


def test_today_for_a_file_that_tells_no_day(cartbrook, tmp_path, monkeypatch):
    """A file of any name can be tried; its day then is today's, in UTC."""
    monkeypatch.setattr("cartbrook.lake.ledger.utc_now", lambda: "2031-05-06T23:30:00.000000+00:00")
    path = tmp_path / "x.csv"
    path.write_text(f"{HEADER}\n")
    report = cartbrook("check", path, "--domain", "orders", "-w", tmp_path, "--json").json
    assert report["batch_date"] == "2031-05-06"
    assert report["warnings"] == ["x.csv holds no records"]
    assert (report["good"], report["score"], report["records"]) == (True, None, 0)


def test_the_contracts_of_the_shop(cartbrook, tmp_path, orders):
    """They are in force before the folder is a workspace, and so are its settings; what rejects the batch says so."""
    plan = tmp_path / "Müller Shop"
    (plan / "contracts").mkdir(parents=True)
    text = (CONTRACTS / "orders.odcs.yaml").read_text("utf-8").replace("order_amount > 0", "order_amount > 1000")
    at = text.index("order_amount_not_positive")
    text = text[:at] + text[at:].replace("value: quarantine", "value: reject_batch", 1)
    (plan / "contracts" / "orders.odcs.yaml").write_text(text, "utf-8")
    (plan / "cartbrook.yaml").write_text("quarantine_gate: 0.1\n", "utf-8")
    before = state(plan)
    ended = cartbrook("check", orders, "-w", plan)
    assert state(plan) == before
    assert ended.code == 1
    assert "checked by orders.odcs.yaml" in ended.out
    assert "The whole batch would be rejected: broke orders.order_amount_not_positive; 3 of 9 records are" in ended.out
    assert "more than the share 0.1 of quarantine_gate" in ended.out


@pytest.mark.parametrize(("least", "code"), [("50", 0), ("20", 1)])
def test_a_rule_that_rejects_does_so_only_where_it_fails(cartbrook, tmp_path, least, code):
    """Below its threshold the batch passes; else the file is not good, although each of its records would be accepted."""
    (tmp_path / "contracts").mkdir()
    text = (CONTRACTS / "orders.odcs.yaml").read_text("utf-8")
    at = text.index("order_amount_remarkable")
    said = f"implementation: {{expect: order_amount < 40, mustBeLessThan: {least}}}\n            unit: percent"
    rule = text[at:].replace("implementation:\n              expect: order_amount BETWEEN 1 AND 10000", said, 1)
    rule = rule.replace("{property: action, value: keep}", "{property: action, value: reject_batch}", 1)
    rule = rule.replace("              - {property: switch, value: business_rules_validation}\n", "", 1)
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(text[:at] + rule, "utf-8")
    rows = [GOOD.format(id="O-1"), GOOD.format(id="O-2"), GOOD.format(id="O-3").replace("12.50", "50.00")]
    path = tmp_path / "orders_2025_06_04.csv"
    path.write_text("\n".join([HEADER, *rows]), "utf-8")
    ended = cartbrook("check", path, "-w", tmp_path)
    assert ended.code == code
    assert ("The whole batch would be rejected: broke orders.order_amount_remarkable" in ended.out) is (code == 1)
    assert cartbrook("check", path, "-w", tmp_path, "--json").json["good"] is (code == 0)


def test_a_pipe_is_no_file(cartbrook, tmp_path):
    """It could be read only once; to open one that nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "orders_2025_06_04.csv")
    ended = cartbrook("check", tmp_path / "orders_2025_06_04.csv", "-w", tmp_path)
    assert (ended.code, "this is no regular file" in ended.err) == (2, True)


def test_a_new_column_and_other_logic(cartbrook, shop, tmp_path):
    """Published parents are read as they were made, before a new column came; gold of another logic is not asked."""
    copy = tmp_path / "copy"
    shutil.copytree(shop, copy)
    text = (CONTRACTS / "products.odcs.yaml").read_text("utf-8")
    brand, new = "      - name: brand\n", "      - name: origin\n        physicalType: string\n"
    (copy / "contracts" / "products.odcs.yaml").write_text(text.replace(brand, new + brand), "utf-8")
    before = state(copy)
    report = cartbrook("check", EXAMPLE / "orders_2025_06_03.csv", "-w", copy, "--json").json
    assert (report["good"], report["waiting"]) == (True, 0)
    report = cartbrook("check", EXAMPLE / "products_2025_06_03.csv", "-w", copy, "--json").json
    assert report["refused"]["code"] == "missing_column"
    tracked = text.replace("{property: tracked, value: false}", "{property: tracked, value: true}")
    (copy / "contracts" / "products.odcs.yaml").write_text(tracked, "utf-8")
    report = cartbrook("check", EXAMPLE / "orders_2025_06_03.csv", "-w", copy, "--json").json
    assert (report["good"], report["waiting"]) == (True, None)
    assert "references are not looked up" in report["warnings"][0]
    assert {name: value for name, value in state(copy).items() if "contracts" not in name} == {
        name: value for name, value in before.items() if "contracts" not in name
    }


@pytest.mark.parametrize(
    ("name", "content", "code", "line"),
    [
        ("orders_2025_06_04.csv", b"", "empty_file", None),
        ("orders_2025_06_04.csv", b"\x1f\x8b\x08\x00rest", "not_text", None),
        ("orders_2025_06_04.csv", HEADER.encode() + b"\n\xff\xfe,\n", "wrong_encoding", 2),
        ("orders_2025_06_04.csv", b"order_id,order_id\n1,2\n", "duplicate_column", 1),
        ("orders_2025_06_04.csv", b"order_id,customer_id\n1,2\n", "missing_column", 1),
        ("orders_2025_06_04.csv", HEADER.encode() + b'\n"O-1,K', "unclosed_quote", 2),
    ],
)
def test_refused_files(cartbrook, tmp_path, name, content, code, line):
    """A file that `run` would reject is told as `run` tells it, with exit code 1; JSON has the code."""
    path = tmp_path / name
    path.write_bytes(content)
    ended = cartbrook("check", path, "-w", tmp_path)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.startswith(f"{name}: rejected, ")
    report = cartbrook("check", path, "-w", tmp_path, "--json").json
    assert (report["good"], report["refused"]["code"], report["refused"]["line"]) == (False, code, line)


def test_a_file_of_another_domain(cartbrook, tmp_path):
    """Its header lacks the columns; the name tells what it is."""
    ended = cartbrook("check", EXAMPLE / "products_2025_06_02.csv", "--domain", "orders", "-w", tmp_path)
    assert ended.code == 1
    assert "the header has no order_id, customer_id" in ended.out
    assert ended.err == "Its name says products: --domain products\n"


def test_another_encoding(cartbrook, tmp_path):
    """An encoding that is named goes before the contract's."""
    path = tmp_path / "orders_2025_06_04.csv"
    path.write_bytes(f"{HEADER}\n{GOOD.format(id='O-1').replace('Somewhere', 'Köln')}\n".encode("cp1252"))
    assert cartbrook("check", path, "-w", tmp_path).code == 1
    assert cartbrook("check", path, "--encoding", "CP1252", "-w", tmp_path).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing.csv",), "nothing.csv"),
        ((".",), "is a directory"),
        (("x.csv",), "Name it: --domain orders"),
        (("x.csv", "--domain", "order"), 'did you mean "orders"?'),
        (("x.csv", "--domain", "orders", "--batch-date", "2025-02-30"), "this is no day"),
        (("x.csv", "--domain", "orders", "--batch-date", "1800-01-01"), "1900 to 2100"),
        (("x.csv", "--domain", "orders", "--encoding", "klingon"), "there is no such encoding"),
        (("x.csv", "--domain", "orders", "--encoding", "base64"), "there is no such encoding"),
        (("x.csv", "--domain", "orders", "-w", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_wrong_usage(cartbrook, tmp_path, monkeypatch, words, said):
    """A wrong call is told before an engine starts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text(f"{HEADER}\n")
    ended = cartbrook("check", *words)
    assert (ended.code, ended.out) == (2, "")
    assert said in " ".join(ended.err.replace("│", " ").split())
    assert "Traceback" not in ended.err


def test_nothing_is_left_behind(cartbrook, orders, tmp_path, monkeypatch):
    """What is staged lies in a private temporary folder, whatever the temporary folder is called, and goes with the command."""
    temporary = tmp_path / "Größe 1"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    made: list[Path] = []
    make = tempfile.mkdtemp

    def watched(*args: object, **kwargs: object) -> str:
        folder = make(*args, **kwargs)  # type: ignore[call-overload]
        made.append(Path(folder))
        return str(folder)

    monkeypatch.setattr(tempfile, "mkdtemp", watched)
    before = state(tmp_path)
    assert cartbrook("check", orders, "-w", tmp_path, "--json").json["records"] == 9
    assert any(folder.parent == temporary for folder in made)
    assert [folder for folder in made if folder.exists()] == []
    assert state(tmp_path).keys() == before.keys()


def test_beside_a_process_that_works(cartbrook, shop, orders):
    """Trying a file needs no lock, as all reading."""
    from filelock import FileLock

    from cartbrook.lake.places import Places

    with FileLock(Places(shop).lock):
        assert cartbrook("check", orders, "-w", shop, "--json").json["records"] == 9


@pytest.mark.parametrize(
    ("name", "domain", "day"),
    [
        ("orders_2025_06_04.csv", "orders", "2025-06-04"),
        ("Orders_2025_06_04.CSV", "orders", "2025-06-04"),
        ("order_2025_06_04.csv", None, "2025-06-04"),
        ("orders_2025_02_30.csv", "orders", "None"),
        ("orders_0025_02_03.csv", "orders", "None"),
        ("orders.csv", None, "None"),
    ],
)
def test_what_a_name_tells(name, domain, day):
    """Domain and day, each where it can be one."""
    assert [str(part) for part in told_by_name(name)] == [str(domain), day]
