"""Files that are not as they should be: what each gets, from the landing folder to what the commands print."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.desk import Desk, header, line, named, orders, parents, quoted, sheet

HASHED = ("customer_sk", "product_sk", "record_id")
MARTS = (
    *("kpi_summary", "kpi_daily", "customer_analytics", "segment_summary", "product_performance", "category_summary"),
    *("seasonal_analysis", "sales_trends"),
)

pytestmark = pytest.mark.engine("sail")

ORDERS = named("orders")
GOOD = sheet("orders", *orders(("R1", "R2")))
MUELLER = sheet("orders", line("orders", order_id="M1"), line("orders", order_id="M2", shipping_address="Müllerstraße 1"))

REJECTED: dict[str, tuple[bytes, str, str]] = {
    "zero-bytes": (b"", "empty_file", f"{ORDERS}: the file holds no header"),
    "blank-lines": (b"\n \r\n,,\n\f\n", "empty_file", f"{ORDERS}: the file holds no header"),
    "gzip": (gzip.compress(GOOD.encode()), "not_text", f"{ORDERS}: the file is not text but gzip"),
    "spreadsheet": (b"PK\x03\x04" + bytes(60), "not_text", f"{ORDERS}: the file is not text but zip"),
    "binary": (bytes(range(256)) * 20, "not_text", f"{ORDERS}:1: the first line holds NUL bytes"),
    "utf-16": (MUELLER.encode("utf-16"), "wrong_encoding", f"{ORDERS}:1: the file begins with the mark of utf-16"),
    "utf-16-unmarked": (MUELLER.encode("utf-16-le"), "not_text", f"{ORDERS}:1: the first line holds NUL bytes"),
    "latin-1": (MUELLER.encode("latin-1"), "wrong_encoding", f"{ORDERS}:3: bytes that are not utf-8"),
    "column-missing": (
        GOOD.replace(",order_status", "").encode(),
        "missing_column",
        f"{ORDERS}:1: the header has no order_status",
    ),
    "column-twice": (
        GOOD.replace("order_status", "order_id").encode(),
        "duplicate_column",
        f"{ORDERS}:1: column 9 of the header has the name of column 1",
    ),
    "column-nameless": (
        GOOD.replace("order_status", " ").encode(),
        "bad_header",
        f"{ORDERS}:1: column 9 of the header has no name",
    ),
    "columns-30000": (
        ",".join(f"c{i}" for i in range(30_000)).encode(),
        "too_many_columns",
        f"{ORDERS}:1: the header names 30,000 columns, more than 2,000",
    ),
    "unclosed-quote": (
        sheet("orders", *orders("12"), line("orders", shipping_address='"Lindengasse 4'), *orders("345")).encode(),
        "unclosed_quote",
        f"{ORDERS}:4: the quote that begins a field here is never closed",
    ),
    "text-after-quote": (
        sheet("orders", *orders("1"), line("orders", shipping_address='"a"b')).encode(),
        "bad_quote",
        f"{ORDERS}:3: text after a closing quote",
    ),
    "lone-carriage-return": (
        GOOD.replace("\n", "\r").encode(),
        "lone_cr",
        f"{ORDERS}:1: a carriage return without a line feed",
    ),
}
WRONGLY_DECLARED = {
    "utf-8-as-utf-16": (GOOD.encode(), "utf-16", f"{ORDERS}:1: bytes that are not utf-16"),
    "latin-1-as-ascii": (MUELLER.encode("latin-1"), "ascii", f"{ORDERS}:3: bytes that are not ascii"),
    "utf-8-as-cp1252": (b"\xef\xbb\xbf" + GOOD.encode(), "cp1252", f"{ORDERS}:1: the file begins with the mark of utf-8"),
}

ADDRESSES = {
    "a line break": '"Lindengasse 4\n8010 Graz"',
    "a line break of Windows": '"Lindengasse 4\r\n8010 Graz"',
    "a comma": '"Lindengasse 4, 8010 Graz"',
    "doubled quotes": '"Haus ""Zur Linde"""',
    "nothing but quotes": '""""""',
    "a quote in plain text": '5" pipe',
    "a trailing backslash": "C:\\",
    "a backslash before the closing quote": '"C:\\"',
    "an escaped comma that is none": '"a\\,b"',
    "blanks around it": "  Lindengasse 4  ",
    "a letter of another script": "Улица 1 ☕",
    "a mark inside the file": "\ufeffx",
}
ODD = (
    line("orders", order_id="W1"),
    "W2,C1,P1,2025-01-10",
    line("orders", order_id="W3") + ',surplus,"a,b"',
    line("orders", order_id="W4", shipping_address="a\0b"),
    line("orders", order_id="W5", shipping_address="x" * 5 * 2**20),
    "W6" + "," * 29_999,
    line("orders", order_id="W7", shipping_address=quoted("\n" * 101)),
    line("orders", order_id="W8"),
)
TEXTS = {name: next(csv.reader(io.StringIO(field, newline=""))) for name, field in ADDRESSES.items()}


def _columns_reversed(text: str) -> str:
    return "".join(",".join(row.split(",")[::-1]) + "\n" for row in text.splitlines())


def _all_quoted(text: str) -> str:
    return "".join(",".join(map(quoted, row.split(","))) + "\n" for row in text.splitlines())


VARIANTS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "DKK": ("as it is", str.encode),
    "USD": ("a byte-order mark", lambda text: b"\xef\xbb\xbf" + text.encode()),
    "GBP": ("CRLF", lambda text: text.replace("\n", "\r\n").encode()),
    "CHF": ("no final newline", lambda text: text.removesuffix("\n").encode()),
    "SEK": ("columns reordered", lambda text: _columns_reversed(text).encode()),
    "NOK": ("everything quoted", lambda text: _all_quoted(text).encode()),
}


def little_shop(currency: str) -> dict[str, str]:
    """Two customers, a product, an order of each and a bad one, under keys and in a currency of their own."""
    key = currency.lower()
    people = [line("customers", customer_id=f"{key}-{i}", city="Großau", customer_tier="Gold") for i in (1, 2)]
    bought = {"product_id": f"{key}-p", "currency": currency}
    return {
        "customers": sheet("customers", *people),
        "products": sheet("products", line("products", **bought, category="Tea")),
        "orders": sheet(
            "orders",
            line("orders", order_id=f"{key}-a", customer_id=f"{key}-1", **bought, order_status="shipped"),
            line("orders", order_id=f"{key}-b", customer_id=f"{key}-2", **bought, order_amount="7"),
            line("orders", order_id=f"{key}-c", customer_id=f"{key}-2", **bought, order_amount="x"),
        ),
    }


def file_of(domain: str, currency: str) -> str:
    """The name of a little shop's file."""
    return named(domain, 10 + list(VARIANTS).index(currency))


@pytest.fixture(scope="module")
def desk(cartbrook, blank, tmp_path_factory):
    """One run over all of them, in a workspace whose path engines stumble over."""
    desk = Desk(cartbrook, shutil.copytree(blank, tmp_path_factory.mktemp("files") / "Müller Shop"))
    desk.put("base", parents())
    for case, (content, _, _) in REJECTED.items():
        desk.put(case, {named("customers"): sheet("customers", line("customers", customer_id=case)).encode(), ORDERS: content})
    for case, (content, encoding, _) in WRONGLY_DECLARED.items():
        desk.put(case, {ORDERS: content}, files=[{"name": ORDERS, "encoding": encoding}])
    encodings = {named("orders", day): encoding for day, encoding in ((10, "utf-16"), (11, "latin-1"), (12, "utf-8-sig"))}
    desk.put(
        "declared",
        {
            name: sheet("orders", line("orders", order_id=encoding, shipping_address="Müllerstraße 1")).encode(encoding)
            for name, encoding in encodings.items()
        },
        files=[{"name": name, "encoding": encoding} for name, encoding in encodings.items()],
    )
    desk.put(
        "texts",
        {
            ORDERS: sheet(
                "orders", *(line("orders", order_id=name, shipping_address=field) for name, field in ADDRESSES.items())
            ).encode()
        },
    )
    desk.put("odd-rows", {ORDERS: sheet("orders", *ODD).encode()})
    extra = f'{header("orders")},Shoe Size,"a ""b"""\n{line("orders", order_id="X1")},42,\n'
    desk.put("extra-column", {ORDERS: extra.encode()})
    desk.put("header-only", {ORDERS: header("orders").encode()})
    desk.put("torn", {ORDERS: sheet("orders", *orders(("T1", "T2")))[:-30].encode()})
    shops = {currency: little_shop(currency).items() for currency in VARIANTS}
    desk.put("variants", {file_of(domain, own): VARIANTS[own][1](text) for own, texts in shops.items() for domain, text in texts})
    desk.run()
    return desk


def rows_of(desk, batch_id):
    """Records of a batch that any table of records holds."""
    tables = [f"{layer}.{domain}" for layer in ("bronze", "silver") for domain in ("customers", "orders")]
    parts = " UNION ALL ".join(f"SELECT _batch_id AS batch FROM {table}" for table in tables)
    return sum(row["batch"] == batch_id for row in desk.query(parts))


def test_the_run_as_a_whole(desk):
    """Bad files do not keep others from being published; the run says that someone is needed, and nothing is left behind."""
    assert desk.code == 1
    statuses = {name: told.split(",")[0].split(":")[0] for name, told in desk.told.items()}
    bad = {*REJECTED, *WRONGLY_DECLARED}
    assert {name for name, status in statuses.items() if status == "rejected"} == bad
    assert {name for name, status in statuses.items() if status == "published"} == statuses.keys() - bad
    assert desk.files("work") == set()
    assert desk.call("audit").code == 0


@pytest.mark.parametrize("case", [*REJECTED, *WRONGLY_DECLARED])
def test_a_file_that_cannot_be_read_rejects_its_batch(desk, case):
    """The batch is rejected before a table holds anything of it; file, line and reason are told, and its files lie aside."""
    code, message = {name: (code, message) for name, (_, code, message) in REJECTED.items()}.get(
        case, ("wrong_encoding", WRONGLY_DECLARED.get(case, ("", "", ""))[2])
    )
    assert desk.told[case].startswith(f"rejected, {message}")
    assert desk.revisions(case) == ["rejected"]
    assert desk.row(case)["error"].startswith(message)
    reason = desk.reason(case)
    assert (reason["code"], reason["message"].startswith(message), reason["revision"]) == (code, True, 1)
    assert {f"{case}/{ORDERS}", f"{case}/trigger.json", f"{case}/reason.json"} <= desk.files("rejected")
    assert rows_of(desk, case) == 0
    assert desk.aside(case) == {}


def test_a_good_file_does_not_go_without_the_bad_one(desk):
    """A batch is all or nothing: what lies beside the bad file is set aside with it."""
    assert f"zero-bytes/{named('customers')}" in desk.files("rejected")


@pytest.mark.parametrize("currency", [currency for currency in VARIANTS if currency != "DKK"])
def test_the_form_of_a_file_changes_nothing(desk, currency):
    """A mark, CRLF, a missing last newline, another order of columns, more quotes: the same line, books and rows of gold."""

    def outcome(own):
        files = {file_of(domain, own): domain for domain in ("customers", "products", "orders")}
        books = [
            {**row, "currency": None, "source_file": files[row["source_file"]]}
            for row in desk.report("show", "variants")["books"]
            if row["source_file"] in files
        ]
        aside = desk.aside("variants", file_of("orders", own))
        bad = [(place, row["rules"], row["reason"], row["record"]) for place, row in aside.items()]
        assert (len(bad), sum(row["rows"] for row in books)) == (1, 6)
        told = json.dumps([sorted(books, key=str), bad, gold(desk, own)])
        return json.loads(told.replace(own.lower(), "key").replace(own, "CUR"))

    assert outcome(currency) == outcome("DKK")
    assert {table for table, _ in gold(desk, currency)} >= {"fact_orders", "dim_customer", "dim_product", "kpi_daily"}


def test_every_form_is_in_the_books(desk):
    """Five of six records of each little shop are accepted."""
    assert desk.books("variants") == {"accepted": 5 * len(VARIANTS), "quarantined": len(VARIANTS)}


def gold(desk, currency):
    """The rows of all of gold that are of one little shop, without what is hashed from their keys."""
    tables = ["dim_customer", "dim_product", "fact_orders", *MARTS]
    rows = desk.query(
        " UNION ALL ".join(f"SELECT '{table}' AS t, to_json(struct(*)) AS row FROM gold.{table}" for table in tables)
    )
    own = [(row["t"], json.loads(row["row"])) for row in rows if currency in row["row"] or f'"{currency.lower()}-' in row["row"]]
    kept = [(t, {name: value for name, value in row.items() if name not in HASHED}) for t, row in own]
    return sorted(kept, key=str)


def test_declared_encodings_are_decoded(desk):
    """UTF-16, Latin-1 and marked UTF-8 in one batch, each declared: every letter is there."""
    assert desk.books("declared") == {"accepted": 3}
    rows = desk.query("SELECT order_id, shipping_address FROM gold.fact_orders WHERE batch_id = 'declared'")
    assert {row["order_id"]: row["shipping_address"] for row in rows} == dict.fromkeys(
        ("utf-16", "latin-1", "utf-8-sig"), "Müllerstraße 1"
    )
    files = desk.report("show", "declared")["files"]
    assert {file["encoding"] for file in files} == {"utf-16", "iso8859-1", "utf-8-sig"}


@pytest.mark.parametrize("case", ADDRESSES)
def test_text_is_one_row_and_exact(desk, case):
    """Line breaks and quotes in quotes, backslashes, blanks: one record, and its text as Python's own reader sees it."""
    rows = desk.query("SELECT order_id, shipping_address FROM gold.fact_orders WHERE batch_id = 'texts'")
    assert len(rows) == len(ADDRESSES)
    [expected] = TEXTS[case]
    assert {row["order_id"]: row["shipping_address"] for row in rows}[case] == expected


def test_lines_that_are_no_records_are_quarantined(desk):
    """Short and long rows, NUL, giant and tall fields: each is set aside with line, rule and raw text; the others go on."""
    assert desk.books("odd-rows") == {"accepted": 2, "quarantined": 6}
    aside = desk.aside("odd-rows")
    assert {(row["source_file"], row["severity"], row["status"]) for row in aside.values()} == {(ORDERS, "HIGH", "open")}
    assert {place: row["rules"] for place, row in aside.items()} == {
        3: ["ragged_row"],
        4: ["ragged_row"],
        5: ["nul_byte"],
        6: ["field_too_long"],
        7: ["ragged_row"],
        8: ["too_many_line_breaks"],
    }
    assert [aside[place]["record"] for place in (3, 4, 7)] == [{"_raw": ODD[1]}, {"_raw": ODD[2]}, {"_raw": ODD[5]}]
    assert [aside[place]["record"]["shipping_address"] for place in (5, 6, 8)] == ["a\0b", "x" * 5 * 2**20, "\n" * 101]
    assert aside[5]["record"].keys() == set(header("orders").split(","))  # empty fields included
    assert aside[5]["record"]["order_status"] == ""
    assert aside[5]["reason"].startswith("shipping_address: a control character")
    assert max(len(row["reason"]) for row in aside.values()) < 200


def test_records_of_any_kind_can_be_exported_and_read_back(desk, tmp_path):
    """NUL, line breaks and five megabytes survive the way to a file and back: nothing was edited, and that is seen."""
    out = tmp_path / "out"
    assert desk.call("quarantine", "export", str(out), "--batch", "odd-rows").code == 0
    ended = desk.call("quarantine", "fix", str(out / "orders.csv"))
    assert (ended.code, ended.out) == (0, "no record was edited; nothing changes\n")


def test_a_column_nobody_knows_is_kept_aside(desk):
    """The batch goes on with a warning that names the columns; their text is with the raw record."""
    warning = f'{ORDERS} has columns the contract does not know: Shoe Size, a "b"'
    assert desk.told["extra-column"].endswith(f"(warning: {warning})")
    assert desk.row("extra-column")["warnings"] == [warning]
    assert f"warning: {warning}" in desk.call("show", "extra-column").out
    [row] = desk.query("SELECT _rescued FROM bronze.orders WHERE _batch_id = 'extra-column'")
    assert json.loads(row["_rescued"]) == {"Shoe Size": "42", 'a "b"': ""}
    assert desk.books("extra-column") == {"accepted": 1}


def test_a_header_alone_completes_with_a_warning(desk):
    """No records are no reason to refuse a file, and not passed over either."""
    assert desk.told["header-only"].startswith("published, 0 accepted, ")
    assert desk.told["header-only"].endswith(f"(warning: {ORDERS} holds no records)")
    assert desk.books("header-only").total() == 0


def test_a_torn_row_is_quarantined(desk):
    """Where nothing is declared the rows before the cut are taken, the torn one is set aside, and the cut is told."""
    assert desk.books("torn") == {"accepted": 1, "quarantined": 1}
    assert desk.told["torn"].endswith(f"(warning: {ORDERS} breaks off in its last line)")
    [row] = desk.aside("torn").values()
    assert (row["source_line"], row["rules"], row["record"]) == (3, ["ragged_row"], {"_raw": "T2,C"})


def bytes_read() -> int:
    """What this process has read from files until now; 0 where the system does not tell."""
    counts = Path("/proc/self/io")
    return int(counts.read_text().split("rchar: ")[1].split()[0]) if counts.exists() else 0


def test_limits_are_those_of_the_settings(cartbrook, blank, tmp_path):
    """Limits of fields, lines, columns and files come from cartbrook.yaml; a file over the limit is not read to its end."""
    limits = ("max_field_bytes: 20", "max_line_breaks: 2", "max_columns: 30", "max_file_bytes: 10000")
    desk = Desk(cartbrook, shutil.copytree(blank, tmp_path / "shop"), *limits)
    addresses = ("x" * 20, "x" * 21, "ü" * 10, "ü" * 11, quoted("a\n\nb"), quoted("a\n\n\nb"))
    desk.put("base", parents())
    desk.put(
        "fields",
        {
            ORDERS: sheet(
                "orders", *(line("orders", order_id=f"L{i}", shipping_address=a) for i, a in enumerate(addresses))
            ).encode()
        },
    )
    more = "".join(f",c{i}" for i in range(20))
    desk.put("columns-30", {ORDERS: GOOD.replace("created_timestamp", f"created_timestamp{more}").encode()})
    desk.put("columns-31", {ORDERS: GOOD.replace("created_timestamp", f"created_timestamp{more},c").encode()})
    desk.put("large", {ORDERS: GOOD.encode()})
    with (desk.root / "landing" / "large" / ORDERS).open("ab") as stream:
        stream.truncate(8 * 2**30)  # a hole: nothing of it lies on the disk
    before = bytes_read()
    desk.run()
    assert bytes_read() - before < 512 * 2**20
    assert {place: row["rules"] for place, row in desk.aside("fields").items()} == {
        3: ["field_too_long"],
        5: ["field_too_long"],
        9: ["too_many_line_breaks"],
    }
    assert desk.books("fields") == {"accepted": 3, "quarantined": 3}
    assert desk.told["columns-30"].startswith("published, ")
    assert "0 accepted, 2 quarantined" in desk.told["columns-30"]  # its rows are short now
    assert desk.told["columns-31"].startswith(f"rejected, {ORDERS}:1: the header names 31 columns, more than 30")
    assert desk.told["large"].startswith(f"rejected, {ORDERS}: the file is larger than 10,000 bytes")
    assert desk.reason("large")["code"] == "file_too_large"
