"""What becomes of a trigger and its files: every branch of receive."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts
from cartbrook.types import Batch

HEADER = ",".join(load_contracts()["customers"].names)
FILE = "customers_2025_01_15.csv"
QUICK = Settings(stable_seconds=Decimal(0), parallel=2)


def people(*names: str, header: str = HEADER) -> bytes:
    """A file of customers of these ids."""
    return "\n".join([header, *(name + "," * header.count(",") for name in names), ""]).encode()


class Shop:
    """A workspace that triggers are put into, and what is found there afterwards."""

    def __init__(self, lake):
        self.lake = lake
        self.root: Path = lake.places.root

    def land(self, name: str, content: bytes, folder: str) -> Path:
        """Put a file below landing/."""
        path = self.root / "landing" / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def trigger(self, batch_id: str = "B1", names=(FILE,), **said) -> Path:
        """Put a trigger into landing/triggers."""
        value = {
            "trigger_id": batch_id,
            "batch_date": "2025-01-15",
            "data_files_ready": True,
            "expected_files": list(names),
            **said,
        }
        return self.land(f"{batch_id}.json", json.dumps(value).encode(), "triggers")

    def receive(self, path: Path, **settings):
        """Receive one trigger."""
        from cartbrook.steps.receive import receive

        confirmed = settings.pop("confirmed", ())
        self.lake.settings = dataclasses.replace(QUICK, **settings)
        return receive(self.lake, path, self.lake.ledger.newest(), confirmed)

    def deliver(self, batch_id: str, content: bytes, **said):
        """Put a file and its trigger, and run everything; returns (status, revision) of each outcome."""
        from cartbrook import pipeline

        self.land(FILE, content, batch_id)
        self.trigger(batch_id, **said)
        self.lake.settings = QUICK
        return [(outcome.status, outcome.revision) for outcome in pipeline.run(self.lake)]

    def statuses(self, batch_id: str = "B1") -> list[tuple[int, str]]:
        """Revisions and statuses in ops.batches."""
        return [(row.revision, row.status) for row in self.lake.ledger.batches(batch_id)]

    def files(self, folder: str) -> list[str]:
        """Every file below a folder of the workspace."""
        return sorted(str(path.relative_to(self.root / folder)) for path in (self.root / folder).rglob("*") if path.is_file())

    def reason(self, name: str) -> Any:
        """reason.json of what was set aside."""
        return json.loads((self.root / "rejected" / name / "reason.json").read_text())


@pytest.fixture(scope="module")
def empty(engine, tmp_path_factory):
    """An initialised workspace, to be copied."""
    from cartbrook import pipeline

    root = tmp_path_factory.mktemp("empty")
    with pipeline.open_lake(root, QUICK, engine=engine, create=True) as lake:
        pipeline.init(lake)
    return root


@pytest.fixture
def shop(engine, empty, tmp_path):
    """A workspace of its own with empty tables."""
    from cartbrook import pipeline

    root = shutil.copytree(empty, tmp_path / "shop")
    with pipeline.open_lake(root, QUICK, engine=engine) as lake:
        yield Shop(lake)


@pytest.mark.parametrize("folder", ["B1", "customers", "."])
def test_files_are_claimed_from_each_landing_folder(shop, folder):
    """Files are found in landing/<batch_id>/, landing/<domain>/ and landing/, and moved with the trigger to work/."""
    content = people("C1", "C2")
    shop.land(FILE, content, folder)
    batch = shop.receive(shop.trigger())
    assert isinstance(batch, Batch)
    assert (batch.batch_id, batch.revision, batch.rows, batch.domains) == ("B1", 1, 2, ("customers",))
    assert batch.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert shop.files("work") == [f"B1/1/{FILE}", "B1/1/trigger.json"]
    assert shop.files("landing") == []
    assert shop.statuses() == [(1, "running")]


def test_the_first_folder_wins(shop):
    """Of two files of one name the one in the batch's own folder is taken; the other stays for who it was meant for."""
    shop.land(FILE, people("C1"), "B1")
    shop.land(FILE, people("C1", "C2", "C3"), "customers")
    assert shop.receive(shop.trigger()).rows == 1
    assert shop.files("landing") == [f"customers/{FILE}"]


def test_a_refused_trigger_is_set_aside_with_its_reason(shop):
    """What is no trigger goes to rejected/ with reason.json, and nothing stands in the ledger."""
    path = shop.land("odd.json", b"[1, 2", "triggers")
    assert shop.receive(path).status == "refused"
    assert shop.files("rejected") == ["odd/odd.json", "odd/reason.json"]
    assert shop.reason("odd")["code"] == "not_json"
    assert shop.files("landing") == []
    assert shop.lake.ledger.batches() == []


def test_a_second_refusal_keeps_the_first(shop):
    """A name that was refused before gets a folder of its own."""
    for _ in range(2):
        shop.receive(shop.land("odd.json", b"{", "triggers"))
    assert shop.files("rejected") == ["odd.2/odd.json", "odd.2/reason.json", "odd/odd.json", "odd/reason.json"]


def test_not_ready_is_held_and_goes_on(shop):
    """`data_files_ready: false` is held without looking at files; the same id with true goes on as the same revision."""
    assert shop.receive(shop.trigger(data_files_ready=False)).status == "held"
    assert shop.statuses() == [(1, "held")]
    shop.land(FILE, people("C1"), "B1")
    assert shop.receive(shop.trigger()).revision == 1
    assert shop.statuses() == [(1, "running")]


def test_missing_files_are_waited_for(shop):
    """A trigger whose files are not all there waits where it is, and takes none of them."""
    other = "products_2025_01_15.csv"
    shop.land(FILE, people("C1"), "customers")
    path = shop.trigger(names=(FILE, other))
    outcome = shop.receive(path)
    assert (outcome.status, other in outcome.message) == ("waiting", True)
    assert shop.files("landing") == [f"customers/{FILE}", "triggers/B1.json"]
    assert shop.statuses() == [(1, "received")]
    version = shop.lake.tables.version("ops.batches")
    assert shop.receive(path).status == "waiting"
    assert shop.lake.tables.version("ops.batches") == version  # waiting on is told once


def test_waiting_ends(shop):
    """After the time of the settings a trigger whose files did not come is refused, with the names of the files."""
    path = shop.trigger()
    old = time.time() - 3 * 60
    os.utime(path, (old, old))  # a copy that keeps its times has not waited yet
    assert shop.receive(path, file_wait_minutes=Decimal("0.001")).status == "waiting"
    time.sleep(0.1)
    assert shop.receive(path, file_wait_minutes=Decimal(5)).status == "waiting"
    assert shop.receive(path, file_wait_minutes=Decimal("0.001")).status == "refused"
    assert (shop.reason("B1")["code"], FILE in shop.reason("B1")["message"]) == ("missing_file", True)
    assert shop.files("landing") == []


def test_a_growing_file_is_waited_for(shop):
    """A file that changes while it is looked at is not taken; when it is still, it is."""
    file = shop.land(FILE, people("C1"), "customers")
    path = shop.trigger()
    stop = threading.Event()

    def grow() -> None:
        while not stop.wait(0.02):
            with file.open("ab") as stream:
                stream.write(people("C2").split(b"\n", 1)[1])

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        outcome = shop.receive(path, stable_seconds=Decimal("0.3"))
    finally:
        stop.set()
        writer.join()
    assert (outcome.status, "still grows" in outcome.message) == ("waiting", True)
    assert isinstance(shop.receive(path, stable_seconds=Decimal("0.05")), Batch)


def test_a_far_away_date_is_held_until_confirmed(shop):
    """A batch_date more than the limit past as_of is held; confirmed, it goes on. The first batch of a shop may have any date."""
    assert shop.deliver("B1", people("C1")) == [("published", 1)]
    shop.land(FILE, people("C2"), "B2")
    path = shop.trigger("B2", batch_date="2026-03-01")
    assert shop.receive(path).status == "held"
    assert shop.receive(path, max_days_ahead=410) != "held"
    shop.land(FILE, people("C3"), "B3")
    path = shop.trigger("B3", batch_date="2026-03-01")
    assert shop.receive(path, confirmed=["B2"]).status == "held"
    assert isinstance(shop.receive(path, confirmed=["B3"]), Batch)


REJECTED = {
    "empty_file": b"",
    "not_text": b"\x1f\x8b\x08\x00binary",
    "wrong_encoding": people("C1").replace(b"C1", b"M\xfcller"),
    "missing_column": people("C1", header=HEADER.replace(",email", "")),
    "duplicate_column": people("C1", header=HEADER + ",email"),
    "unclosed_quote": people("C1") + b'C2,"never closed\n',
}


@pytest.mark.parametrize("code", REJECTED)
def test_an_unreadable_file_rejects_its_batch(shop, code):
    """The batch is rejected before silver; its files and trigger lie in rejected/ with the reason, which names the file."""
    shop.land(FILE, REJECTED[code], "B1")
    outcome = shop.receive(shop.trigger())
    assert (outcome.status, outcome.revision) == ("rejected", 1)
    assert (shop.reason("B1")["code"], shop.reason("B1")["message"].startswith(FILE)) == (code, True)
    assert shop.files("rejected") == [f"B1/{FILE}", "B1/reason.json", "B1/trigger.json"]
    assert shop.files("landing") + shop.files("work") == []
    assert shop.statuses() == [(1, "rejected")]


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (HEADER.upper(), "It has CUSTOMER_ID, FIRST_NAME, "),
        (HEADER.replace(",", ";"), "Its names are separated by semicolons"),
        (HEADER.replace(",email", ",mail"), "See the contract"),
    ],
)
def test_a_header_that_is_nearly_right(shop, header, hint):
    """Other letters and other separators are told as such."""
    shop.land(FILE, people("C1", header=header), "B1")
    outcome = shop.receive(shop.trigger())
    assert (outcome.status, shop.reason("B1")["code"], shop.reason("B1")["hint"].startswith(hint)) == (
        "rejected",
        "missing_column",
        True,
    )


def test_one_bad_file_takes_the_good_ones_along(shop):
    """A batch is all or nothing: the good file of a rejected batch is set aside with it."""
    products = "products_2025_01_15.csv"
    shop.land(FILE, people("C1"), "B1")
    shop.land(products, b"", "B1")
    assert shop.receive(shop.trigger(names=(FILE, products))).status == "rejected"
    assert shop.files("rejected") == [f"B1/{FILE}", f"B1/{products}", "B1/reason.json", "B1/trigger.json"]


DECLARED: dict[str, tuple[dict[str, Any], str]] = {
    "rows": ({"rows": 3}, "2 records"),
    "sha256": ({"sha256": "0" * 64}, "sha256"),
}


@pytest.mark.parametrize("case", DECLARED)
def test_what_is_declared_is_enforced(shop, case):
    """What is not as declared is held with everything back in landing; put right, it goes on as the same revision."""
    said, message = DECLARED[case]
    shop.land(FILE, people("C1", "C2"), "customers")
    path = shop.trigger(files=[{"name": FILE, **said}])
    outcome = shop.receive(path)
    assert (outcome.status, message in outcome.message) == ("held", True)
    assert shop.files("landing") == [f"B1/{FILE}", "triggers/B1.json"]
    assert shop.files("work") + shop.files("rejected") == []
    assert shop.statuses() == [(1, "held")]
    good = people("C1", "C2", "C3")
    shop.land(FILE, good, "B1")
    right = {"rows": 3, "sha256": hashlib.sha256(good).hexdigest().upper()}
    batch = shop.receive(shop.trigger(files=[{"name": FILE, **right}]))
    assert (batch.revision, batch.rows) == (1, 3)


def test_a_link_that_leads_outside_is_refused(shop, tmp_path):
    """A link is never followed: the batch is refused and what it points to is left alone."""
    secret = tmp_path / "secret.csv"
    secret.write_bytes(people("C1"))
    (shop.root / "landing" / "customers").mkdir()
    (shop.root / "landing" / "customers" / FILE).symlink_to(secret)
    assert shop.receive(shop.trigger()).status == "refused"
    assert shop.reason("B1")["code"] == "unsafe_file"
    assert secret.read_bytes() == people("C1")


def test_a_folder_named_like_a_file_is_refused(shop):
    """What is no plain file is refused, not waited for."""
    (shop.root / "landing" / "customers" / FILE).mkdir(parents=True)
    assert shop.receive(shop.trigger()).status == "refused"


def test_a_published_id_comes_again(shop):
    """The same content changes nothing, with its files or without; other content or another date is a conflict, but supersedes.

    Ids that differ in case alone are one id on some file systems; an undone id is free again.
    """
    from cartbrook import pipeline

    assert shop.deliver("B1", people("C1")) == [("published", 1)]
    newest = shop.lake.ledger.newest()
    assert shop.deliver("B1", people("C1")) == [("unchanged", None)]
    assert shop.deliver("B1", people("C1"), supersede=True) == [("unchanged", None)]
    assert shop.receive(shop.trigger()).status == "unchanged"
    assert shop.receive(shop.trigger(data_files_ready=False)).status == "unchanged"
    assert shop.files("landing") + shop.files("rejected") == []  # the archive has it

    assert shop.deliver("B1", people("C1", "C2")) == [("refused", None)]
    assert shop.reason("B1")["code"] == "conflict"
    outcome = shop.receive(shop.trigger(batch_date="2025-01-16"))
    assert (outcome.status, shop.reason("B1.2")["code"]) == ("refused", "conflict")
    assert shop.deliver("b1", people("C2")) == [("refused", None)]
    assert shop.reason("b1")["code"] == "id_differs_in_case"
    assert shop.lake.ledger.newest() == newest
    assert shop.statuses() == [(1, "published")]

    assert shop.deliver("B1", people("C1", "C2"), supersede=True) == [("published", 2)]
    assert [(live.batch_id, live.revision) for live in shop.lake.ledger.newest().live] == [("B1", 2)]
    pipeline.undo(shop.lake, "B1")
    assert shop.lake.ledger.newest().live == ()
    assert shop.deliver("B1", people("C1")) == [("published", 3)]
    assert shop.statuses() == [(1, "superseded"), (2, "undone"), (3, "published")]
    assert shop.files("archive") == [f"B1/{n}/{name}" for n in (1, 2, 3) for name in (FILE, "trigger.json")]


def test_a_batch_keeps_its_number(shop):
    """The integer of a batch id is given on first sight and kept by later revisions."""
    shop.deliver("B1", b"")
    shop.deliver("B2", people("C1"))
    shop.deliver("B1", people("C1"))
    assert {(row.batch_id, row.batch_seq) for row in shop.lake.ledger.batches()} == {("B1", 1), ("B2", 2)}


def test_a_claim_that_was_interrupted_is_resumed(shop):
    """After a crash behind the claim, or behind the ledger, `resume` gives the same batch."""
    from cartbrook.steps.receive import resume

    shop.land(FILE, people("C1"), "B1")
    batch = shop.receive(shop.trigger())
    again = resume(shop.lake, "B1", 1, shop.root / "work" / "B1" / "1")
    assert dataclasses.replace(again, attempt=batch.attempt) == batch
    shop.land(FILE, people("C1"), "B2")
    folder = shop.root / "work" / "B2" / "1"
    folder.mkdir(parents=True)
    shop.trigger("B2").rename(folder / "trigger.json")
    (shop.root / "landing" / "B2" / FILE).rename(folder / FILE)
    fresh = resume(shop.lake, "B2", 1, folder)
    assert (fresh.batch_id, fresh.revision, fresh.rows) == ("B2", 1, 1)
    assert shop.statuses("B2") == [(1, "running")]
