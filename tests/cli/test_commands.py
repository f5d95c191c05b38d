from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "tea-shop"

pytestmark = pytest.mark.engine("sail")


def test_run_tells_each_outcome(shop, first_run):
    """A run prints a line per trigger, in the order of their days, and ends with 1 where something needs a person."""
    [ended] = first_run
    lines = ended.out.splitlines()
    assert ended.code == 1
    assert lines[0].startswith("torn: refused, torn.json:1: this is not complete JSON.")
    assert lines[1].startswith("tea_2025_06_02: published, score 99.38, 16 accepted, 1 quarantined, 1 parked, 1 duplicate, ")
    assert lines[2].startswith("tea_2025_06_03: published, score 99.84, 9 accepted, ")
    assert lines[3] == "tea_2025_06_04: held: the trigger says data_files_ready: false"


def test_status_as_json(cartbrook, shop):
    """`status --json` says what is live, what waits, what was refused, what is set aside and what to do."""
    ended = cartbrook("status", "-w", shop, "--json")
    report = ended.json
    assert ended.code == 0
    assert report["publication"]["publish_seq"] == 2
    assert report["publication"]["as_of"] == "2025-06-03"
    assert [entry["batch_id"] for entry in report["live"]] == ["tea_2025_06_02", "tea_2025_06_03"]
    assert report["triggers"] == ["tea_2025_06_04"]
    assert [(entry["batch_id"], entry["status"]) for entry in report["attention"]] == [("tea_2025_06_04", "held")]
    assert [entry["code"] for entry in report["refused"]] == ["not_json"]
    assert {(row["status"], row["severity"], row["records"], row["amount"], row["currency"]) for row in report["quarantine"]} == {
        ("open", "HIGH", 1, None, "EUR"),
        ("released", "HIGH", 1, "8.90", "EUR"),
    }
    assert any("quarantine list" in step for step in report["next"])
    assert report["publication"]["published_at"].endswith("Z")


def test_status_for_people(cartbrook, shop):
    """`status` reads well in a pipe: one line for each thing that waits."""
    out = cartbrook("status", "-w", shop).out
    assert "Held         tea_2025_06_04: the trigger says data_files_ready: false" in out
    assert "Refused      rejected/torn: torn.json:1: this is not complete JSON." in out
    assert "\x1b" not in out


def test_batches(cartbrook, shop):
    """`batches` lists every revision, and its JSON has the columns of ops.batches."""
    rows = cartbrook("batches", "-w", shop, "--json").json
    assert [(row["batch_id"], row["revision"], row["status"], row["rows_read"]) for row in rows] == [
        ("tea_2025_06_02", 1, "published", 19),
        ("tea_2025_06_03", 1, "published", 9),
        ("tea_2025_06_04", 1, "held", None),
    ]
    assert len(cartbrook("batches", "-w", shop).out.splitlines()) == 5


def test_show(cartbrook, shop):
    """`show` tells the books by file, broken rules first, step times and where the files are."""
    report = cartbrook("show", "TEA_2025_06_02", "-w", shop, "--json").json
    orders = [row for row in report["books"] if row["domain"] == "orders"]
    assert {(row["state"], row["rows"], row["amount"]) for row in orders} == {
        ("accepted", 4, "84.40"),
        ("duplicate", 1, "14.00"),
        ("quarantined", 1, None),
    }
    assert report["live_revision"] == 1
    assert report["quality"][0]["rows_failed"] > 0
    assert [step["step"] for step in report["steps"]][:3] == ["receive", "ingest", "validate"]
    assert Path(report["places"]["1"], "trigger.json").is_file()
    shown = cartbrook("show", "tea_2025_06_02", "-w", shop).out
    everything = cartbrook("show", "tea_2025_06_02", "--all", "-w", shop).out
    assert "more rules were broken by no record" in shown
    assert len(everything.splitlines()) > len(shown.splitlines())


def test_show_a_batch_that_waits(cartbrook, shop):
    """A held batch has no files yet; `show` says why it is held."""
    ended = cartbrook("show", "tea_2025_06_04", "-w", shop)
    assert ended.code == 0
    assert "data_files_ready: false" in ended.out


def test_quarantine_hides_the_record_unless_asked(cartbrook, shop):
    """`quarantine list` names file, line, rule and offending text; the whole record, with addresses, only with --raw."""
    [row] = cartbrook("quarantine", "list", "--status", "OPEN", "-w", shop, "--json").json
    assert (row["source_file"], row["source_line"], row["rules"]) == ("orders_2025_06_02.csv", 4, ["order_amount_type"])
    assert '"14,00"' in row["reason"]
    assert "record" not in row
    [raw] = cartbrook("quarantine", "list", "--status", "open", "--raw", "-w", shop, "--json").json
    assert json.loads(raw["record"])["shipping_address"] == "Strada Florilor 7, 010101 Bucharest"
    shown = cartbrook("quarantine", "list", "-w", shop).out
    assert "Strada" not in shown
    assert "orders_2025_06_02.csv:4" in shown


def test_quarantine_filters(cartbrook, shop):
    """Filters narrow the list, and a limit says that there is more."""
    assert len(cartbrook("quarantine", "list", "--rule", "unknown_customer", "-w", shop, "--json").json) == 1
    assert cartbrook("quarantine", "list", "--domain", "inventory", "-w", shop).out == "no such record\n"
    assert "... and more" in cartbrook("quarantine", "list", "--limit", "1", "-w", shop).out


def test_audit(cartbrook, shop):
    """`audit` prints each proof and on what it rests."""
    ended = cartbrook("audit", "-w", shop)
    assert ended.code == 0
    assert "ok       books of orders: 9 records: 7 accepted, 1 duplicate, 1 quarantined" in ended.out
    assert all(finding["problem"] is None for finding in cartbrook("audit", "-w", shop, "--json").json)


def test_audit_of_a_batch_and_of_a_moment(cartbrook, shop):
    """The books of one batch are proved file by file with their money; and everything as it was in an earlier publication."""
    told = cartbrook("audit", "tea_2025_06_02", "-w", shop)
    assert told.code == 0
    assert "books of orders_2025_06_02.csv: 6 records: 4 accepted (84.40 EUR), 1 duplicate (14.00 EUR), 1 quarantined" in told.out
    then = cartbrook("audit", "tea_2025_06_02", "--publication", "1", "-w", shop)
    assert "3 accepted (75.50 EUR), 1 duplicate (14.00 EUR), 1 parked (8.90 EUR), 1 quarantined" in then.out
    assert "live batches: 1 batch" in cartbrook("audit", "--publication", "1", "-w", shop).out
    assert cartbrook("audit", "tea_2025_06_03", "--publication", "1", "-w", shop).code == 1
    assert "There is no publication 77" in cartbrook("audit", "--publication", "77", "-w", shop).err


def test_again(cartbrook, shop):
    """The same triggers again change nothing, and it is said so; a batch published and held again needs nobody."""
    before = cartbrook("query", "SELECT max(publish_seq) AS seq FROM ops.publications", "-w", shop, "--json").json
    assert cartbrook("submit", EXAMPLE / "trigger_2025_06_02.json", "-w", shop).code == 0
    out = cartbrook("run", "-w", shop).out
    assert "tea_2025_06_02: already processed; nothing changes" in out
    assert cartbrook("query", "SELECT max(publish_seq) AS seq FROM ops.publications", "-w", shop, "--json").json == before


def test_init_again(cartbrook, shop):
    """`init` of a workspace keeps its settings file and tables."""
    settings = shop / "cartbrook.yaml"
    text = settings.read_text("utf-8")
    settings.write_text(text + "# mine\n", "utf-8")
    ended = cartbrook("init", shop)
    assert (ended.code, settings.read_text("utf-8")) == (0, text + "# mine\n")
    assert "is a workspace already" in ended.out


def test_undo_and_rebuild(cartbrook, shop, tmp_path):
    """`undo` takes a batch out, a second time there is nothing to undo, and `rebuild` ends in the same figures."""
    copy = tmp_path / "copy"  # a workspace can be moved
    shutil.copytree(shop, copy)
    (copy / "landing" / "triggers" / "tea_2025_06_04.json").unlink()
    assert cartbrook("run", "-w", copy).out == "nothing to do\n"
    assert cartbrook("run", "-w", copy, "--json").json == []
    ended = cartbrook("undo", "tea_2025_06_03", "-w", copy)
    assert ended.code == 0
    assert ended.out.startswith("tea_2025_06_03: undone, ")
    again = cartbrook("undo", "tea_2025_06_03", "-w", copy)
    assert (again.code, again.out) == (1, "")
    assert "nothing to undo" in again.err
    revenue = ("query", "SELECT day, revenue FROM gold.kpi_daily ORDER BY day", "-w", copy, "--json")
    before = cartbrook(*revenue).json
    assert before == [{"day": "2025-06-02", "revenue": "75.50"}]
    assert cartbrook("rebuild", "--from-bronze", "-w", copy, "--json").json["status"] == "rebuilt"
    assert cartbrook(*revenue).json == before


def test_submit_needs_its_files(cartbrook, shop, tmp_path):
    """A trigger whose files are not beside it is not submitted; the others of the call are."""
    lonely = tmp_path / "lonely.json"
    lonely.write_text((EXAMPLE / "trigger_2025_06_02.json").read_text("utf-8"), "utf-8")
    ended = cartbrook("submit", lonely, tmp_path / "absent.json", "-w", shop)
    assert ended.code == 1
    assert "customers_2025_06_02.csv" in ended.err
    assert "absent.json: no such file or directory." in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("run", "--nonsense"),
        ("show",),
        ("query", "DROP TABLE gold.kpi_daily"),
        ("generate", "x", "--defects", "2"),
    ],
)
def test_wrong_usage(cartbrook, shop, words, monkeypatch):
    """Wrong usage ends with 2 and a message, before anything is done."""
    monkeypatch.chdir(shop)
    ended = cartbrook(*words)
    assert ended.code == 2
    assert ended.err
    assert "Traceback" not in ended.err


def test_not_a_workspace(cartbrook, tmp_path):
    """Outside a workspace every command says how to make one."""
    for words in (("run",), ("status",), ("submit", EXAMPLE / "trigger_2025_06_02.json"), ("audit",)):
        ended = cartbrook(*words, "-w", tmp_path)
        assert ended.code == 2
        assert "cartbrook init" in ended.err


def test_unexpected_errors_have_no_traceback(cartbrook, shop, monkeypatch):
    """An error that nobody expected is one line and the way to its traceback; --debug shows it."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("boom\nsecond line")

    monkeypatch.setattr("cartbrook.pipeline.open_lake", fails)
    ended = cartbrook("status", "-w", shop)
    assert ended.code == 1
    assert ended.err.splitlines()[0] == "Error: RuntimeError (run with --debug for the traceback)"
    assert "boom" not in ended.err  # an engine's message may quote a record
    assert "--debug" in ended.err
    assert "Traceback" in cartbrook("--debug", "status", "-w", shop).err


def test_help_needs_no_engine():
    """`--help` and `--version` import no engine and no pandas."""
    code = (
        "import sys\nfrom cartbrook.cli.app import call\n"
        "assert call(['--help']) == 0 and call(['query', '--help']) == 0 and call(['--version']) == 0\n"
        "assert not {'pyspark', 'pysail', 'pandas', 'pyarrow', 'deltalake'} & set(sys.modules), 'imported an engine'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_module_ends_with_the_exit_code():
    """`python -m cartbrook` is the command, exit code included."""
    done = subprocess.run([sys.executable, "-m", "cartbrook", "run", "--nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--nonsense" in done.stderr


def test_doctor(cartbrook, shop, tmp_path):
    """`doctor` finds a healthy workspace healthy, and says what to do about a broken settings file."""
    checks = {check["name"]: check for check in cartbrook("doctor", "-w", shop, "--json").json}
    assert checks["Engine sail"]["status"] == "ok"
    assert checks["Tables"]["found"].startswith("25 tables open at the versions of publication")
    assert "reached by a link" in checks["Path"]["found"]
    (tmp_path / "cartbrook.yaml").write_text("engin: spark\n", "utf-8")
    ended = cartbrook("doctor", "-w", tmp_path)
    assert ended.code == 1
    assert "Did you mean 'engine'?" in ended.out


def test_demo_spares_what_it_did_not_make(cartbrook, tmp_path):
    """`demo` refuses a folder with somebody's files, and touches none of them."""
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    ended = cartbrook("demo", tmp_path)
    assert ended.code == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]


def test_demo(cartbrook, tmp_path, monkeypatch):
    """`demo` ends with KPIs, scores, what was set aside and commands to go on with; it makes a folder of its own anew."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cartbrook-demo" / "lake" / "gold").mkdir(parents=True)
    (tmp_path / "cartbrook-demo" / ".cartbrook-demo").touch()
    ended = cartbrook("demo", "--days", "2", "--orders", "12")
    assert ended.code == 0
    for part in ("KPIs (gold.kpi_summary)", "quality score", "Set aside", "  cartbrook status -w cartbrook-demo"):
        assert part in ended.out


def test_generate(cartbrook, tmp_path):
    """`generate` writes deliveries that `submit` takes."""
    words = ("generate", tmp_path / "out", "--days", "2", "--orders", "5", "--defects", "bad_amount=0.2", "--currency", "EUR")
    ended = cartbrook(*words)
    assert ended.code == 0
    assert len(list((tmp_path / "out").glob("trigger_*.json"))) == 2
    assert "planted.json" in ended.out
