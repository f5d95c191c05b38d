"""Every ``console`` block under a ``<!-- tested -->`` mark is run as it stands, and prints what is shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cartbrook.cli.settings_file import descriptions

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- tested -->\n```console\n(.*?)```", re.DOTALL)
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if BLOCK.search(path.read_text("utf-8"))]

pytestmark = pytest.mark.engine("sail")


def commands(page: Path) -> list[tuple[str, str]]:
    """Each command of a page with the output shown below it."""
    found: list[tuple[str, str]] = []
    for block in BLOCK.findall(page.read_text("utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def normal(text: str, folder: Path) -> str:
    """Output without what differs from run to run: seconds, times of day, the folder; blanks at ends and runs of rules."""
    text = text.replace(str(folder), "/home/me").replace(str(folder.resolve()), "/home/me")
    text = re.sub(r"\d+\.\d s\b", "N s", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_readme_is_tested():
    """The README shows commands that are run here."""
    assert ROOT / "README.md" in PAGES
    assert len(commands(ROOT / "README.md")) > 8


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_is_shown(page, tmp_path, cartbrook, monkeypatch):
    """The commands of a page, one after another in an empty folder beside the examples."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command, shown in commands(page):
        words = shlex.split(command)
        if words[0] == "cartbrook":  # in this process: starting Python and importing Spark takes longer than the command
            words = [
                name
                for word in words[1:]
                for name in (sorted(map(str, Path().glob(word))) if "*" in word and "/" in word else [word])
            ]
            ended = cartbrook(*words)
            printed = ended.out + ended.err
        else:
            done = subprocess.run(
                words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            printed = done.stdout
        assert normal(printed, tmp_path) == normal(shown, tmp_path), command


def test_settings_are_documented():
    """docs/settings.md has a row for every setting."""
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(descriptions())


def test_tables_are_documented():
    """docs/tables.md lists the columns of every table of gold and ops, with their types, as they are."""
    from cartbrook import pipeline
    from cartbrook.contracts.load import load_contracts
    from cartbrook.lake.ledger import SCHEMAS

    text = (ROOT / "docs" / "tables.md").read_text("utf-8")
    shown = {
        name: " ".join(columns.split())
        for name, columns in re.findall(r"^### (\S+)\n.*?```\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    }
    schemas = {**pipeline.schemas(load_contracts()), **SCHEMAS}
    declared = {
        name: ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in schema.fields)
        for name, schema in schemas.items()
        if name.startswith(("gold.", "ops."))
    }
    assert shown == declared


def test_commands_are_documented(cartbrook):
    """docs/commands.md names every command."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    names = re.findall(r"^│ (\w+) ", cartbrook("--help").out.split("Commands")[1], re.MULTILINE)
    assert len(names) > 10
    assert [name for name in names if f"`{name}" not in text] == []


def test_links_lead_somewhere():
    """Every relative link of the README and the docs points at a file."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
