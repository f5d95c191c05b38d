"""A shadow of a workspace: the same tables by links, to run an operation on that changes nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cartbrook.lake.places import Places

_PREFIX = ".preview-"


@contextmanager
def shadow(places: Places) -> Iterator[Places]:
    """A workspace of its own, in a hidden folder of the workspace, that ends with the block.

    Its tables are links to the files of the real ones. Delta never changes a file once it is written, so whatever is written to
    the shadow, the real tables stay as they are; and no lock is needed, since other processes only add files.
    """
    _sweep(places.root)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=places.root))
    try:
        copy = Places(folder)
        copy.make()
        if places.contracts.is_dir():
            shutil.copytree(places.contracts, copy.contracts, dirs_exist_ok=True)
        for log in sorted(places.lake.glob("*/*/_delta_log")):
            # The log first: every data file that a commit names was there before the commit.
            _link(log, copy.lake / log.relative_to(places.lake))
            _link(log.parent, copy.lake / log.parent.relative_to(places.lake))
        yield copy
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """Link the files below a folder that are not there yet."""
    for path, _, names in os.walk(source):
        place = target / Path(path).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (place / name).exists() and (place.name != "_delta_log" or path == str(source)):
                _link_file(Path(path, name), place / name)


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        pass  # taken away meanwhile; what a version needs is kept
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _sweep(root: Path) -> None:
    """Remove shadows of processes that were killed."""
    for folder in root.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
