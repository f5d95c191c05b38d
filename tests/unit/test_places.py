"""Where things lie, and the link to a lake whose path engines cannot take."""

from __future__ import annotations

import re
import tempfile

import pytest

from cartbrook.errors import WorkspaceError
from cartbrook.lake.places import Places, PlainPath


def test_the_folders_of_a_workspace(tmp_path):
    """All lie below the root, and making them twice is once."""
    places = Places(tmp_path / "shop")
    places.make()
    places.make()
    assert sorted(str(path.relative_to(places.root)) for path in places.root.rglob("*")) == [
        *("archive", "contracts", "lake", "landing", "landing/triggers", "rejected", "work"),
    ]
    assert places.work_of("B1", 2) == places.root / "work" / "B1" / "2"
    assert places.archive_of("B1", 2) == places.root / "archive" / "B1" / "2"


def test_a_folder_without_tables_is_no_workspace(tmp_path):
    """What `init` did not make is told, with the command that would."""
    places = Places(tmp_path)
    with pytest.raises(WorkspaceError, match=re.escape(f"cartbrook init {tmp_path}")):
        places.require()
    (tmp_path / "lake" / "ops" / "publications" / "_delta_log").mkdir(parents=True)
    places.require()


def test_a_plain_path_needs_no_link(tmp_path):
    """ASCII letters, digits, dot, hyphen and underscore are taken as they are."""
    folder = tmp_path / "My-Shop_1.0"
    folder.mkdir()
    plain = PlainPath(folder)
    assert plain.path == folder
    plain.close()
    assert folder.is_dir()


@pytest.mark.parametrize("name", ["My Shop", "Müller", "100%", "a+b", "x'y", "#1", "店"])
def test_any_other_path_is_reached_by_a_link(tmp_path, name):
    """The link is plain, leads to the folder, and goes when it is closed; what it led to stays."""
    folder = tmp_path / name
    folder.mkdir()
    plain = PlainPath(folder)
    (plain.path / "x").write_text("here")
    assert re.fullmatch(r"[A-Za-z0-9/._-]+", str(plain.path))
    assert (folder / "x").read_text() == "here"
    link = plain.path.parent
    plain.close()
    plain.close()
    assert not link.exists()
    assert (folder / "x").read_text() == "here"


def test_a_temporary_folder_that_is_not_plain_itself(tmp_path, monkeypatch):
    """Where TMPDIR holds a blank, too, /tmp is taken."""
    odd = tmp_path / "tmp folder"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    folder = tmp_path / "My Shop"
    folder.mkdir()
    plain = PlainPath(folder)
    try:
        assert str(plain.path).startswith("/tmp/cartbrook-")
        assert list(odd.iterdir()) == []
    finally:
        plain.close()
