"""`cartbrook contracts lint`, `show` and `diff`, as those who edit contracts call them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cartbrook.contracts.load import load_contracts
from cartbrook.contracts.model import DOMAINS

BUILT_IN = Path(load_contracts.__code__.co_filename).parent / "domains"
GIFT = "      - name: gift\n        physicalType: boolean\n"
ADDRESS = "      - name: shipping_address\n"


def text_of(domain: str, *edits: tuple[str, str]) -> str:
    """The built-in contract with pieces of its text replaced where they stand first."""
    text = (BUILT_IN / f"{domain}.odcs.yaml").read_text("utf-8")
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A folder that shall become a workspace, with a contract of its own."""
    folder = tmp_path / "Müller Shop"
    (folder / "contracts").mkdir(parents=True)
    (folder / "contracts" / "orders.odcs.yaml").write_text(text_of("orders", (ADDRESS, GIFT + ADDRESS)), "utf-8")
    return folder


def test_no_engine_is_started(plan):
    """None of the three imports an engine, nor what reads files."""
    code = (
        "import sys\nfrom cartbrook.cli.app import call\nplan = sys.argv[1]\n"
        "assert call(['contracts', 'lint', '-w', plan]) == 0\n"
        "assert call(['contracts', 'show', 'orders', '-w', plan]) == 0\n"
        "assert call(['contracts', 'diff', 'built-in', f'{plan}/contracts']) == 1\n"
        "assert not {'pyspark', 'pysail', 'pandas', 'pyarrow', 'deltalake', 'numpy'} & set(sys.modules), 'imported an engine'"
    )
    done = subprocess.run([sys.executable, "-c", code, plan], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# lint


def test_lint_of_what_is_in_force(cartbrook, plan, tmp_path):
    """Without a word it checks the contracts of the workspace, which need not be one yet; without own ones the built-in ones."""
    assert cartbrook("contracts", "lint", "-w", plan).out == "no problems, no warnings\n"
    assert cartbrook("contracts", "lint", "-w", tmp_path).out == "no problems, no warnings\n"
    assert cartbrook("contracts", "lint", "-w", plan, "--json").json == {"problems": [], "warnings": []}


def test_lint_tells_all_at_once(cartbrook, plan):
    """Every problem of every file is told with file and line, however many they are, with the exit code of a wrong contract."""
    methods = "".join(f"                - BAD{n}\n" for n in range(60))
    edits = [("severity: HIGH", "severity: HIHG"), ("                - credit_card\n", methods)]
    (plan / "contracts" / "orders.odcs.yaml").write_text(text_of("orders", *edits), "utf-8")
    (plan / "contracts" / "products.odcs.yaml").write_text("schema: [\n", "utf-8")
    ended = cartbrook("contracts", "lint", "-w", plan)
    assert (ended.code, ended.err) == (2, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("problem  products.odcs.yaml:")
    assert lines[1].startswith('problem  orders.odcs.yaml:30 schema.orders.duplicate_key: unknown severity "HIHG". Hint: ')
    assert lines[-1] == "62 problems, no warnings"
    assert len(lines) == 63
    assert len(cartbrook("contracts", "lint", plan / "contracts", "--json").json["problems"]) == 62


def test_lint_warns_and_is_content(cartbrook, plan):
    """What is no error does not fail a build."""
    text = text_of("orders", ("                - shipped\n", "                - shipped\n                - paid\n"))
    (plan / "contracts" / "orders.odcs.yaml").write_text(text, "utf-8")
    ended = cartbrook("contracts", "lint", "-w", plan)
    assert ended.code == 0
    assert "warning  orders.odcs.yaml:" in ended.out
    assert 'figures do not know the order_status "paid"' in ended.out
    assert ended.out.endswith("no problems, 1 warning\n")


def test_lint_of_a_draft(cartbrook, plan, tmp_path):
    """A file under any name is checked among the contracts it would live with."""
    draft = tmp_path / "draft.yaml"
    draft.write_text(text_of("products", ("- name: discontinued", "- name: recalled")), "utf-8")
    ended = cartbrook("contracts", "lint", draft, "-w", plan)
    assert ended.code == 2
    assert "problem  draft.yaml:" in ended.out
    assert "problem  orders.odcs.yaml:" in ended.out
    assert cartbrook("contracts", "lint", plan / "contracts" / "orders.odcs.yaml").code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("just words", "problem  odd.yaml:1: the file must be a mapping"),
        ("\x00\x01", "problem  odd.yaml: not YAML"),
        ("a: [1, 2", "problem  odd.yaml:2: not YAML"),
        ("", "problem  odd.yaml: the file is empty"),
        ("apiVersion: v3.1.0\nkind: DataContract\n", "problem  odd.yaml:1: schema is missing"),
    ],
)
def test_lint_of_odd_files(cartbrook, tmp_path, content, said):
    """A file that is no contract is told as such."""
    (tmp_path / "odd.yaml").write_text(content, "utf-8")
    ended = cartbrook("contracts", "lint", tmp_path / "odd.yaml", "-w", tmp_path)
    assert (ended.code, ended.err) == (2, "")
    assert said in ended.out


def test_places_that_are_not_there(cartbrook, plan, tmp_path):
    """A wrong path is told with what was perhaps meant, and is no contract without problems."""
    for words, said in (
        (("lint", tmp_path / "nothing.yaml"), "nothing.yaml: no such file or folder"),
        (("lint", "-w", tmp_path / "nowhere"), "nowhere: no such folder"),
        (("lint", tmp_path), "holds no contracts"),
        (("lint", plan), f"Did you mean {plan / 'contracts'}?"),
        (("show", "-w", tmp_path / "nowhere"), "nowhere: no such folder"),
        (("show", "order"), 'did you mean "orders"?'),
        (("diff", "built-in", plan), f"Did you mean {plan / 'contracts'}?"),
        (("diff", "builtin", plan / "contracts"), "builtin: no such file or folder"),
        (("diff", "built-in"), "Missing argument"),
    ):
        ended = cartbrook("contracts", *words)
        assert (ended.code, ended.out) == (2, ""), words
        assert said in ended.err.replace("\n", " "), words
        assert "Traceback" not in ended.err


# show


def test_show(cartbrook, plan):
    """Columns, references, settings and rules of one domain, and where it comes from."""
    out = cartbrook("contracts", "show", "orders", "-w", plan).out
    lines = out.splitlines()
    assert lines[0] == f"orders 1.0.0 ({plan / 'contracts' / 'orders.odcs.yaml'})"
    assert "tracked" not in out
    assert any(line.split() == ["order_id", "string", "1", "yes"] for line in lines)
    assert any(line.split() == ["gift", "boolean"] for line in lines)
    assert any(line.startswith("currency ") and line.split()[2:] == ["yes", "upper"] for line in lines)
    assert any(line.startswith("order_status ") and line.endswith("failed, canceled = cancelled") for line in lines)
    assert "Reference   customer_id -> customers (customer_id); unknown_customer while it is unknown" in lines
    assert "Setting     event_time: order_date" in lines
    [rule] = [line for line in lines if line.startswith("order_amount_remarkable ")]
    assert rule.split()[1:6] == ["HIGH", "keep", "accuracy", "record", "business_rules_validation"]
    assert rule.endswith("order_amount BETWEEN 1 AND 10000")
    assert any(line.startswith("gift_type ") for line in lines)


def test_show_all(cartbrook, tmp_path):
    """Every domain without a word; histories say what is tracked."""
    out = cartbrook("contracts", "show", "-w", tmp_path).out
    assert [line.split()[0] for line in out.splitlines() if line.endswith(".odcs.yaml)")] == list(DOMAINS)
    assert "customers 1.0.0 (built-in customers.odcs.yaml)" in out
    assert "tracked" in out


def test_show_as_json(cartbrook, plan):
    """Programs get all of it by stable names, rules and their limits included."""
    [orders] = cartbrook("contracts", "show", "ORDERS", "-w", plan, "--json").json
    assert orders["domain"] == "orders"
    assert orders["source"].endswith("Müller Shop/contracts/orders.odcs.yaml")
    columns = {column["name"]: column for column in orders["columns"]}
    assert columns["order_id"]["key"] == 1
    assert columns["order_status"]["spellings"] == {"canceled": "cancelled"}
    assert columns["gift"]["tracked"] is None
    assert orders["references"][0] == {
        "rule": "unknown_customer", "columns": ["customer_id"], "parent": "customers", "parent_columns": ["customer_id"],
    }  # fmt: skip
    assert orders["settings"]["amount"] == "order_amount"
    rules = {rule["name"]: rule for rule in orders["rules"]}
    assert (rules["duplicate_key"]["severity"], rules["duplicate_key"]["scope"]) == ("HIGH", "batch")
    assert rules["order_without_shipment"]["needs"] == ["shipping"]
    everything = cartbrook("contracts", "show", "-w", plan, "--json").json
    assert [contract["domain"] for contract in everything] == list(DOMAINS)


# diff


def test_diff_of_a_new_column(cartbrook, plan):
    """The tables gain it by themselves, but files that passed before are refused: exit code 1."""
    ended = cartbrook("contracts", "diff", "built-in", plan / "contracts")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.splitlines() == [
        "breaking    orders columns.gift: new boolean; files without it are refused from now on",
        "1 change: 1 breaking",
    ]


def test_diff_of_breaking_contracts(cartbrook, plan, tmp_path):
    """One line a change, the worst first, and exit code 1; JSON has the same."""
    other = tmp_path / "other"
    other.mkdir()
    edits = [("order_amount > 0", "order_amount > 1"), ("value: order_date}", "value: created_timestamp}")]
    (other / "orders.odcs.yaml").write_text(text_of("orders", *edits), "utf-8")
    ended = cartbrook("contracts", "diff", plan / "contracts", other)
    assert ended.code == 1
    assert [line.split(":")[0] for line in ended.out.splitlines()] == [
        "breaking    orders columns.gift",
        "breaking    orders rules.order_amount_not_positive",
        "rebuild     orders settings.event_time",
        "3 changes",
    ]
    rows = cartbrook("contracts", "diff", plan / "contracts", other, "--json").json
    assert rows[2] == {
        "kind": "rebuild", "domain": "orders", "place": "settings.event_time", "what": "order_date -> created_timestamp",
    }  # fmt: skip


def test_diff_of_a_rebuild_is_no_failure(cartbrook, tmp_path):
    """What asks for a rebuild breaks no delivery."""
    new = tmp_path / "products.yaml"
    new.write_text(text_of("products", ("tracked, value: false", "tracked, value: true")), "utf-8")
    ended = cartbrook("contracts", "diff", "built-in", new)
    assert ended.code == 0
    assert ended.out.endswith("1 change: 1 rebuild\n")
    assert cartbrook("contracts", "diff", new, new).out == "no difference\n"
    assert cartbrook("contracts", "diff", new, new, "--json").json == []


def test_diff_of_files_and_folders(cartbrook, plan, tmp_path):
    """A file speaks of its own domain alone; an empty folder, as `init` makes one, means the built-in contracts."""
    orders, products = plan / "contracts" / "orders.odcs.yaml", tmp_path / "products.yaml"
    products.write_text(text_of("products"), "utf-8")
    assert cartbrook("contracts", "diff", products, plan / "contracts").out == "no difference\n"
    assert cartbrook("contracts", "diff", orders, plan / "contracts").out == "no difference\n"
    ended = cartbrook("contracts", "diff", orders, products)
    assert ended.code == 2
    assert "A is a contract of orders, B one of products." in ended.err
    empty = tmp_path / "empty"
    empty.mkdir()
    ended = cartbrook("contracts", "diff", empty, "built-in")
    assert (ended.code, ended.out) == (0, "no difference\n")
    assert "holds no contracts; the built-in ones are in force there" in ended.err


def test_diff_of_what_is_no_contract(cartbrook, plan, tmp_path):
    """Problems of either side are told as by the loader."""
    (tmp_path / "odd.yaml").write_text("a: [1", "utf-8")
    ended = cartbrook("contracts", "diff", tmp_path / "odd.yaml", plan / "contracts")
    assert (ended.code, ended.out) == (2, "")
    assert "odd.yaml:2: not YAML" in ended.err
