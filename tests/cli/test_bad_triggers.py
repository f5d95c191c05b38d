"""Triggers that are not as they should be, and triggers that come again: refused, held, waiting or nothing new."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.desk import Desk, line, named, orders, parents, sheet

from cartbrook import pipeline

pytestmark = pytest.mark.engine("sail")

ORDERS = named("orders")
GOOD = {"batch_date": "2025-01-10", "data_files_ready": True, "expected_files": [ORDERS]}
ORDER = {ORDERS: sheet("orders", *orders("1")).encode()}

BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not_json"),
    "truncated": (json.dumps({**GOOD, "trigger_id": "truncated"}).encode()[:-9], "not_json"),
    "a-list": (json.dumps([{**GOOD, "trigger_id": "a-list"}]).encode(), "not_an_object"),
    "a-text": (b'"ready"', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "twice": (b'{"trigger_id": "twice", "trigger_id": "once"}', "duplicate_key"),
    "twice-inside": (b'{"trigger_id": "x", "metadata": {"a": 1, "a": 2}}', "duplicate_key"),
    "deep-list": (b"[" * 100_000, "not_json"),
    "deep-object": (b'{"a":' * 100_000, "not_json"),
    "latin-1": ('{"client_name": "Müller"}'.encode("latin-1"), "not_json"),
    "utf-16": (json.dumps(GOOD).encode("utf-16"), "not_json"),
    "nan": (b'{"trigger_id": "nan", "rows": NaN}', "not_json"),
    "endless-number": (b'{"rows": 1' + b"0" * 10_000 + b"}", "not_json"),
    "large": (b'{"metadata": "' + b"x" * 2**20 + b'"}', "trigger_too_large"),
}
UNFIT: dict[str, tuple[dict[str, object], str]] = {
    "no-date": ({"batch_date": None}, "bad_batch_date"),
    "no-such-day": ({"batch_date": "2025-02-30"}, "bad_batch_date"),
    "other-date": ({"batch_date": "10/01/2025"}, "bad_batch_date"),
    "date-of-1899": ({"batch_date": "1899-12-31"}, "bad_batch_date"),
    "unknown-domain": ({"expected_files": ["returns_2025_01_10.csv"]}, "unknown_domain"),
    "undated": ({"expected_files": ["orders.csv"]}, "unknown_domain"),
    "no-files": ({"expected_files": []}, "no_files"),
    "file-twice": ({"expected_files": [ORDERS, ORDERS]}, "duplicate_file"),
    "file-twice-by-case": ({"expected_files": [ORDERS, ORDERS.replace("orders", "Orders")]}, "duplicate_file"),
    "maybe-ready": ({"data_files_ready": "yes"}, "bad_trigger"),
    "odd-timestamp": ({"trigger_timestamp": "yesterday"}, "bad_trigger_timestamp"),
    "ancient-timestamp": ({"trigger_timestamp": "0999-01-01T00:00:00Z"}, "bad_trigger_timestamp"),
    "odd-switch": ({"data_quality_checks": {"schema_validation": 0}}, "bad_switch"),
    "odd-manifest": ({"files": [{"name": ORDERS, "row": 1}]}, "bad_manifest"),
    "odd-rows": ({"files": [{"name": ORDERS, "rows": 1.5}]}, "bad_manifest"),
    "odd-total": ({"files": [{"name": ORDERS, "control_total": "much"}]}, "bad_manifest"),
    "odd-encoding": ({"files": [{"name": ORDERS, "encoding": "rot13"}]}, "bad_manifest"),
    "id-with-a-path": ({"trigger_id": "../../id"}, "bad_trigger_id"),
    "id-of-a-folder": ({"trigger_id": "orders"}, "bad_trigger_id"),
}
UNSAFE = {
    "parent-folder": "../{name}",
    "deep-parent-folder": "a/../../{name}",
    "absolute": "{outside}/{name}",
    "file-url": "file://{outside}/{name}",
    "web-url": "https://example.com/{name}",
    "backslash": "..\\{name}",
    "drive": "C:{name}",
    "nul": "{name}\0.csv",
    "line-break": "a\n{name}",
    "escape": "\x1b[2J{name}",
    "text-direction": "\u202e{name}",
    "half-a-letter": "\ud800{name}",
    "hidden": ".{name}",
    "long": "x" * 300 + "{name}",
    "long-in-bytes": "ü" * 150 + "{name}",
    "a-program": "{name}.exe",
}


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A folder that no delivery may reach, with a file that would be a good one."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / ORDERS).write_bytes(ORDER[ORDERS])
    return folder


@pytest.fixture(scope="module")
def desk(cartbrook, blank, outside, tmp_path_factory):
    """One run over all of them, and a good batch that comes last."""
    desk = Desk(cartbrook, shutil.copytree(blank, tmp_path_factory.mktemp("triggers") / "shop"))
    landing = desk.root / "landing"
    desk.land(ORDER, ".")  # where a name that leads out of a folder of landing/ would find it
    desk.land({f"{name}.json": content for name, (content, _) in BROKEN.items()}, "triggers")
    for name, (said, _) in UNFIT.items():
        value = {"trigger_id": name, **GOOD, **said}
        desk.land({f"{name}.json": json.dumps(value).encode()}, "triggers")
    for name, form in UNSAFE.items():
        path = form.format(name=ORDERS, outside=outside)
        value = {"trigger_id": name, **GOOD, "expected_files": [path], "files": [{"name": path, "domain": "orders"}]}
        desk.land({f"{name}.json": json.dumps(value).encode()}, "triggers")

    desk.trigger("file-link", [named("orders", 11)])
    (landing / "file-link").mkdir()
    (landing / "file-link" / named("orders", 11)).symlink_to(outside / ORDERS)
    desk.trigger("link-into-the-workspace", [named("orders", 12)])
    (landing / "link-into-the-workspace").mkdir()
    (landing / "link-into-the-workspace" / named("orders", 12)).symlink_to(landing / ORDERS)
    desk.trigger("folder-link", [ORDERS])
    (landing / "folder-link").symlink_to(outside)
    desk.trigger("a-folder", [named("orders", 13)])
    (landing / "a-folder" / named("orders", 13)).mkdir(parents=True)
    desk.trigger("a-pipe", [named("orders", 14)])
    (landing / "a-pipe").mkdir()
    os.mkfifo(landing / "a-pipe" / named("orders", 14))  # whoever opens it waits for ever
    (landing / "triggers" / "trigger-link.json").symlink_to(outside / ORDERS)
    (landing / "triggers" / "dangling-link.json").symlink_to("/nowhere")
    desk.land({"CAPITALS.JSON": b"{", "two\nlines\x1b[2J.json": b"{"}, "triggers")
    os.mkfifo(landing / "triggers" / "pipe.json")
    desk.land({"half.json.part": b"{", ".hidden.json": b"{", "notes.txt": b"{"}, "triggers")
    desk.put("zz-good", {**parents(), named("orders", 15): ORDER[ORDERS]}, batch_date="2025-01-11")
    desk.run()
    return desk


def test_later_triggers_proceed(desk):
    """However many triggers are refused, the good one is published; each is told in one line, and nobody is left out."""
    due = {*BROKEN, *UNFIT, *UNSAFE, *LINKS, "CAPITALS", "two_lines_[2J", "zz-good"}
    assert desk.told.keys() == due
    assert desk.code == 1
    assert {name for name, told in desk.told.items() if not told.startswith("refused, ")} == {"zz-good"}
    assert desk.books("zz-good") == {"accepted": 3}
    assert [row["batch_id"] for row in desk.report("batches")] == ["zz-good"]
    assert desk.files("landing/triggers") == {"half.json.part", ".hidden.json", "notes.txt"}
    assert all(told.isprintable() for told in desk.told.values())


@pytest.mark.parametrize("name", [*BROKEN, *UNFIT])
def test_a_broken_trigger_is_refused_with_a_reason(desk, name):
    """The trigger lies in rejected/ with code and message, which names it; its line says the same."""
    code = {**BROKEN, **UNFIT}[name][1]
    reason = desk.reason(name)
    assert reason["code"] == code
    assert reason["message"].startswith(f"{name}.json:")
    assert desk.told[name].startswith(f"refused, {reason['message']}")
    assert f"{name}/{name}.json" in desk.files("rejected")


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_name_is_refused(desk, name):
    """A name that could lead anywhere, or that no terminal can show, is refused without being repeated."""
    assert desk.told[name] == f"refused, {name}.json: file 1 is not a plain name ending in .csv."
    assert desk.reason(name)["code"] == "unsafe_name"


LINKS = {
    "file-link": f"refused, {named('orders', 11)}: this is a link or no plain file.",
    "link-into-the-workspace": f"refused, {named('orders', 12)}: this is a link or no plain file.",
    "folder-link": f"refused, {ORDERS}: this is a link or no plain file.",
    "a-folder": f"refused, {named('orders', 13)}: this is a link or no plain file.",
    "a-pipe": f"refused, {named('orders', 14)}: this is a link or no plain file.",
    "trigger-link": "refused, this is a link.",
    "dangling-link": "refused, this is a link.",
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_is_not_followed(desk, name):
    """Links, to files and to folders, and what is no plain file are refused before anything is opened."""
    assert desk.told[name] == LINKS[name]
    assert desk.reason(name)["code"] == "unsafe_file"


def test_nothing_outside_was_touched(desk, outside):
    """What the refused triggers tried to reach lies where it lay, and no table holds it."""
    assert [path.name for path in outside.iterdir()] == [ORDERS]
    assert (outside / ORDERS).read_bytes() == ORDER[ORDERS]
    assert (desk.root / "landing" / ORDERS).read_bytes() == ORDER[ORDERS]
    batches = desk.query("SELECT DISTINCT _batch_id AS batch FROM bronze.orders")
    assert batches == [{"batch": "zz-good"}]


@pytest.fixture
def fresh(cartbrook, blank, tmp_path):
    """A workspace of its own."""
    return Desk(cartbrook, shutil.copytree(blank, tmp_path / "shop"))


def test_the_installed_command(blank, tmp_path):
    """As a process of its own, on a terminal that knows few letters, a run ends with 1 and the good batch is published."""
    shop = shutil.copytree(blank, tmp_path / "Müller Shop")
    desk = Desk(lambda: None, shop)
    desk.put("good", parents())
    desk.put("bad", {ORDERS: b""})
    cyrillic = "\u0436.csv"
    value = {**GOOD, "trigger_id": "late", "expected_files": [cyrillic], "files": [{"name": cyrillic, "domain": "orders"}]}
    desk.land({"late.json": json.dumps(value).encode(), "ü\u0436.json": b"{"}, "triggers")
    Path(os.fsdecode(os.fsencode(shop / "landing" / "triggers") + b"/\xff.json")).write_bytes(b"{")
    command = [Path(sys.executable).with_name("cartbrook"), "run", "-w", shop]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    lines = done.stdout.decode("latin-1").splitlines()
    assert done.returncode == 1, done.stderr
    assert done.stderr == b""
    assert lines[0].startswith("ü\\u0436: refused, ü\\u0436.json:1: this is not complete JSON.")
    assert lines[1].startswith("_: refused, _.json:1: this is not complete JSON.")
    assert lines[2].startswith(f"bad: rejected, {ORDERS}: the file holds no header")
    assert lines[3].startswith("good: published, ")
    assert lines[4] == "late: waits for \\u0436.csv"
    assert lines[5].startswith("Next: cartbrook status -w ")
    assert len(lines) == 6
    assert {path.name for path in (shop / "rejected").iterdir()} == {"_", "ü\u0436", "bad"}


def test_submit_follows_no_folder_that_leads_outside(fresh, outside, tmp_path):
    """A folder of landing/ that is a link is not written through."""
    for name, content in parents().items():
        (tmp_path / name).write_bytes(content)
    value = {"trigger_id": "b1", **GOOD, "expected_files": list(parents())}
    (tmp_path / "trigger.json").write_text(json.dumps(value), "utf-8")
    (fresh.root / "landing" / "b1").symlink_to(outside)
    ended = fresh.call("submit", str(tmp_path / "trigger.json"))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Error: b1: its folder in landing is a link.")
    assert [path.name for path in outside.iterdir()] == [ORDERS]
    assert fresh.files("landing/triggers") == set()


def test_not_ready_is_held(fresh):
    """`data_files_ready: false` is held as often as it is said; the same id with true goes on as the same revision."""
    fresh.put("b1", parents(), data_files_ready=False)
    for _ in range(2):
        assert fresh.run() == {"b1": "held: the trigger says data_files_ready: false"}
        assert (fresh.code, fresh.revisions("b1")) == (1, ["held"])
    assert fresh.files("rejected") == set()
    fresh.trigger("b1", parents())
    assert fresh.run()["b1"].startswith("published, ")
    assert (fresh.code, fresh.revisions("b1"), fresh.row("b1")["revision"]) == (0, ["published"], 1)


def test_two_triggers_naming_one_file(fresh):
    """The first claims it, the second waits for its own, and fails with a clear word when none comes."""
    fresh.land(parents(), ".")
    fresh.trigger("first", parents())
    fresh.trigger("second", parents())
    fresh.run()
    assert fresh.told["first"].startswith("published, ")
    assert fresh.told["second"] == f"waits for {', '.join(parents())}"
    assert (fresh.code, fresh.revisions("second")) == (1, ["received"])
    fresh.settle("file_wait_minutes: 0")
    assert fresh.run() == {"second": f"refused, waits for {', '.join(parents())}, longer than 0 minutes."}
    assert (fresh.revisions("second"), fresh.reason("second")["code"]) == (["failed"], "missing_file")
    assert fresh.query("SELECT DISTINCT _batch_id AS batch FROM bronze.products") == [{"batch": "first"}]


def test_a_trigger_that_comes_again(fresh):
    """The same content is already processed; other content is a conflict unless the trigger says supersede."""
    fresh.put("b1", parents())
    fresh.run()
    published = fresh.query("SELECT max(publish_seq) AS seq FROM ops.publications")
    fresh.put("b1", parents())
    fresh.land({"again.json": json.dumps({"trigger_id": "b1", **GOOD, "expected_files": list(parents())}).encode()}, "triggers")
    ended = fresh.call("run")
    assert ended.out.splitlines() == ["b1: already processed; nothing changes."] * 2
    assert ended.code == 0
    assert fresh.query("SELECT max(publish_seq) AS seq FROM ops.publications") == published
    assert fresh.files("landing") == set()

    other = {**parents(), named("products"): sheet("products", line("products", price="11.00")).encode()}
    fresh.put("b1", other)
    assert fresh.run()["b1"].startswith("refused, published with other content.")
    assert (fresh.code, fresh.revisions("b1"), fresh.reason("b1")["code"]) == (1, ["published"], "conflict")
    assert fresh.query("SELECT price FROM gold.dim_product") == [{"price": "10.00"}]
    fresh.put("B1", parents())
    assert fresh.run()["B1"] == "refused, this id is taken in another spelling."

    fresh.put("b1", other, supersede=True)
    assert "revision 2" in fresh.run()["b1"]
    assert fresh.revisions("b1") == ["superseded", "published"]
    assert fresh.query("SELECT price, version FROM gold.dim_product") == [{"price": "11.00", "version": 1}]


def test_after_a_failure_or_an_undo_it_is_the_next_revision(fresh, monkeypatch):
    """A rejection, a failure and an undo leave the id free: what comes next needs no word, and counts once."""
    fresh.put("b1", {named("products"): b""})
    assert fresh.run()["b1"].startswith("rejected, ")
    fresh.put("b1", parents())
    with monkeypatch.context() as patch:
        patch.setitem(pipeline.STORY, "facts", lambda *_: 1 / 0)
        assert fresh.run() == {"b1": "failed, ZeroDivisionError (run with --debug for the traceback), revision 2"}
    assert fresh.query("SELECT count(*) AS n FROM gold.dim_product") == [{"n": 0}]
    fresh.put("b1", {**parents(), named("products"): sheet("products", line("products", price="12.00")).encode()})
    assert "revision 3" in fresh.run()["b1"]
    assert fresh.call("undo", "b1").code == 0
    fresh.put("b1", parents())
    assert "revision 4" in fresh.run()["b1"]
    assert fresh.revisions("b1") == ["rejected", "failed", "undone", "published"]
    assert fresh.query("SELECT price FROM gold.dim_product") == [{"price": "10.00"}]
    assert fresh.call("audit").code == 0
