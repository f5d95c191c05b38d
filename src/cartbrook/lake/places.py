"""Where things lie in a workspace, and the way around what engines do to unusual paths."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cartbrook.config import FILE_NAME
from cartbrook.errors import WorkspaceError

_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one workspace.

    Attributes:
        root: The workspace, absolute.
    """

    root: Path

    @property
    def landing(self) -> Path:
        """Where files are put, in ``<batch_id>/``, ``<domain>/`` or directly."""
        return self.root / "landing"

    @property
    def triggers(self) -> Path:
        """Where triggers are put; nothing else is."""
        return self.landing / "triggers"

    @property
    def contracts(self) -> Path:
        """The shop's own contracts."""
        return self.root / "contracts"

    @property
    def lake(self) -> Path:
        """The tables."""
        return self.root / "lake"

    @property
    def work(self) -> Path:
        """Files of batches that are running."""
        return self.root / "work"

    @property
    def archive(self) -> Path:
        """Files of batches that are done."""
        return self.root / "archive"

    @property
    def rejected(self) -> Path:
        """Triggers and files that were refused, each with reason.json."""
        return self.root / "rejected"

    @property
    def lock(self) -> Path:
        """Held by the process that writes."""
        return self.root / ".cartbrook.lock"

    def work_of(self, batch_id: str, revision: int) -> Path:
        """The folder that a batch's files are claimed into."""
        return self.work / batch_id / str(revision)

    def archive_of(self, batch_id: str, revision: int) -> Path:
        """The folder that a batch's files end in."""
        return self.archive / batch_id / str(revision)

    def make(self) -> None:
        """Create all folders."""
        for folder in (self.triggers, self.contracts, self.lake, self.work, self.archive, self.rejected):
            folder.mkdir(parents=True, exist_ok=True)

    def require(self) -> None:
        """Raise WorkspaceError unless this is a workspace."""
        if not (self.lake / "ops" / "publications" / "_delta_log").is_dir():
            raise WorkspaceError(
                f"{self.root} is no cartbrook workspace.",
                hint=f"Make one: cartbrook init {self.root}  (it writes {FILE_NAME} and empty tables)",
            )


class PlainPath:
    """A path of plain ASCII to a folder, for engines.

    Sail splits a table whose path holds a blank or an umlaut over two folders (log in ``My%20Shop``, data in ``My%2520Shop``),
    without a word. Such a folder is reached by a link in a private temporary folder; paths inside Delta logs are relative.
    """

    def __init__(self, folder: Path) -> None:
        self._link_folder: Path | None = None
        self.path = folder
        if not _PLAIN.fullmatch(str(folder)):
            for base in (None, "/tmp"):  # noqa: S108 - a private folder inside; TMPDIR itself may be what is not plain
                private = Path(tempfile.mkdtemp(prefix="cartbrook-", dir=base))
                if _PLAIN.fullmatch(str(private)):
                    break
                private.rmdir()
            else:
                raise WorkspaceError(
                    f"No plain temporary folder to reach {folder} by.", hint="Set TMPDIR to a path of ASCII letters."
                )
            self._link_folder = private
            self.path = private / "lake"
            self.path.symlink_to(folder, target_is_directory=True)

    def close(self) -> None:
        """Remove the link, if one was needed."""
        if self._link_folder is not None:
            (self._link_folder / "lake").unlink(missing_ok=True)
            shutil.rmtree(self._link_folder, ignore_errors=True)
            self._link_folder = None
