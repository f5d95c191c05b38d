"""The file side of receiving a batch: finding delivered files, waiting for them, claiming them, setting refused ones aside."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartbrook.contracts.trigger import MAX_BYTES, ExpectedFile, Trigger
from cartbrook.errors import CartbrookError, InputError, TriggerRefused
from cartbrook.lake.ledger import utc_now
from cartbrook.lake.places import Places

TRIGGER_NAME = "trigger.json"


@dataclass(frozen=True, slots=True)
class Found:
    """Where the files of a trigger lie; None where one is missing."""

    files: tuple[tuple[ExpectedFile, Path | None], ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of files that are not there."""
        return tuple(file.name for file, path in self.files if path is None)


def waiting_triggers(places: Places) -> list[Path]:
    """Triggers that were put into landing/triggers, oldest name first. Hidden and unfinished files are left alone."""
    if not places.triggers.is_dir():
        return []
    found = (path for path in places.triggers.iterdir() if path.suffix.lower() == ".json" and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file() or path.is_symlink())  # a link is refused, wherever it leads


def name_of(path: Path) -> str:
    """A trigger's name without its ending, for messages and folders; ``_`` for what no terminal or table can hold."""
    return "".join(letter if letter.isprintable() else "_" for letter in path.stem)


def read_trigger(path: Path) -> bytes:
    """The bytes of a trigger, as many as one may have and one more.

    Raises:
        TriggerRefused: It is a link.
    """
    if path.is_symlink():
        raise TriggerRefused("unsafe_file", f"{name_of(path)}: this is a link.", hint="Put the trigger itself there.")
    with path.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def find(places: Places, trigger: Trigger, claimed: Path) -> Found:
    """Look for a trigger's files: in landing/<batch_id>/, landing/<domain>/, landing/, and where an interrupted claim left them.

    Raises:
        TriggerRefused: A file is a link that leads out of the workspace, or no plain file.
    """
    result: list[tuple[ExpectedFile, Path | None]] = []
    for file in trigger.files:
        # The claim last: a delivery that came after the interrupted claim is the newer one.
        folders = (places.landing / trigger.trigger_id, places.landing / file.domain, places.landing, claimed)
        path = next((folder / file.name for folder in folders if os.path.lexists(folder / file.name)), None)
        leads_out = path is not None and not path.resolve().is_relative_to(places.root.resolve())
        if path is not None and (leads_out or path.is_symlink() or not path.is_file()):
            raise TriggerRefused(
                "unsafe_file", f"{file.name}: this is a link or no plain file.", hint="Put the file itself there."
            )
        result.append((file, path))
    return Found(tuple(result))


def still_growing(places: Places, trigger: Trigger, found: Found, seconds: float) -> tuple[str, ...]:
    """Names of files whose size or time changes while looked at for `seconds`; files handed in by `submit` are whole already."""
    handed_in = places.landing / trigger.trigger_id
    loose = [path for _, path in found.files if path is not None and path.parent != handed_in and places.work not in path.parents]
    recent = [path for path in loose if time.time() - path.stat().st_mtime < seconds]
    if not recent:
        return ()
    before = {path: _state(path) for path in recent}
    time.sleep(seconds)
    return tuple(path.name for path in recent if _state(path) != before[path])


def claim(places: Places, trigger_path: Path, trigger: Trigger, found: Found, folder: Path) -> None:
    """Move a trigger's files, then the trigger, into a folder of its own. Interrupted anywhere, it can be called again."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, path in found.files:
        if path is not None and path.parent != folder:
            path.replace(folder / file.name)
    trigger_path.replace(folder / TRIGGER_NAME)
    _remove_empty(places.landing / trigger.trigger_id, places.landing)


def discard(places: Places, trigger: Trigger, files: Iterable[Path]) -> None:
    """Remove a delivery that is, byte for byte, one that was processed: the archive has it."""
    for file in files:
        file.unlink()
    _remove_empty(places.landing / trigger.trigger_id, places.landing)


def give_back(places: Places, trigger: Trigger, folder: Path) -> None:
    """Move a claim's files and trigger back to landing, where they can be put right."""
    handed_in = places.landing / trigger.trigger_id
    handed_in.mkdir(parents=True, exist_ok=True)
    # The trigger first: interrupted, the files that are still claimed are found there.
    (folder / TRIGGER_NAME).replace(places.triggers / f"{trigger.trigger_id}.json")
    for file in trigger.files:
        (folder / file.name).replace(handed_in / file.name)
    _remove_empty(folder, places.work)


def submit(places: Places, trigger_path: Path, trigger: Trigger, *, supersede: bool = False) -> Path:
    """Copy a trigger and the files beside it into the landing folders: files first, each whole, the trigger last.

    Args:
        supersede: Let the trigger say that it takes the place of the published batch of its id.

    Returns:
        The trigger's place in landing/triggers.

    Raises:
        InputError: A file the trigger names is not beside it, or the batch's folder is a link.
    """
    missing = [file.name for file in trigger.files if not (trigger_path.parent / file.name).is_file()]
    if missing:
        raise InputError(
            "missing_file",
            f"{trigger_path.name} names {', '.join(missing[:5])}: not in {trigger_path.parent}.",
            hint="Put the files beside the trigger. Nothing was submitted.",
        )
    folder = places.landing / trigger.trigger_id
    if folder.is_symlink():
        hint = "Take the link away. Nothing was submitted."
        raise InputError("unsafe_file", f"{trigger.trigger_id}: its folder in landing is a link.", hint=hint)
    folder.mkdir(parents=True, exist_ok=True)
    places.triggers.mkdir(parents=True, exist_ok=True)
    for file in trigger.files:
        _copy_whole(trigger_path.parent / file.name, folder / file.name)
    target = places.triggers / f"{trigger.trigger_id}.json"
    if supersede and not trigger.supersede:
        value = json.loads(trigger_path.read_text(encoding="utf-8-sig"))
        _write_whole(json.dumps({**value, "supersede": True}, indent=2), target)
    else:
        _copy_whole(trigger_path, target)
    return target


def refuse(
    places: Places, name: str, files: Iterable[Path], error: CartbrookError, details: dict[str, object] | None = None
) -> Path:
    """Set files aside under rejected/<name>/ with reason.json. A folder of that name gets a number."""
    folder = _free(places.rejected / name)
    folder.mkdir(parents=True)
    for file in files:
        if file.exists() or file.is_symlink():
            shutil.move(str(file), folder / file.name)
    reason = {
        "code": getattr(error, "code", type(error).__name__),
        "message": error.message,
        "hint": error.hint,
        "at": utc_now(),
        **(details or {}),
    }
    (folder / "reason.json").write_text(json.dumps(reason, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def archive(places: Places, batch_id: str, revision: int) -> Path:
    """Move a batch's claimed files to the archive; goes on where an interrupted call stopped, and does nothing if it is done."""
    source, target = places.work_of(batch_id, revision), places.archive_of(batch_id, revision)
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        # The trigger last: while it is there the batch can be recognised.
        for path in sorted(source.iterdir(), key=lambda path: path.name == TRIGGER_NAME):
            shutil.move(str(path), target / path.name)
        _remove_empty(source, places.work)
    return target


def kept(places: Places, batch_id: str, revision: int) -> Path | None:
    """The folder that holds trigger and files of a revision that is done: the archive, or where they were set aside."""
    for folder in (places.archive_of(batch_id, revision), *_set_aside(places, batch_id, revision)):
        if (folder / TRIGGER_NAME).is_file() and any(path.suffix.lower() == ".csv" for path in folder.iterdir()):
            return folder
    return None


def _set_aside(places: Places, batch_id: str, revision: int) -> Iterator[Path]:
    for path in sorted(places.rejected.glob("*/reason.json")):
        name = path.parent.name.lower()
        if name.startswith(batch_id.lower()) and f'"revision": {revision}' in path.read_text("utf-8"):
            yield path.parent


def claim_copies(source: Path, folder: Path) -> None:
    """Copy trigger and files of a revision into a claim of another, the trigger last and whole: only then is it a claim."""
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted call
    folder.mkdir(parents=True)
    for path in sorted(source.iterdir(), key=lambda path: path.name == TRIGGER_NAME):
        if path.name != "reason.json":
            _copy_whole(path, folder / path.name)


def unclaim(places: Places, batch_id: str, revision: int) -> None:
    """Remove a claim of copies."""
    folder = places.work_of(batch_id, revision)
    (folder / TRIGGER_NAME).unlink(missing_ok=True)  # first: without it the rest is no claim
    shutil.rmtree(folder, ignore_errors=True)
    _remove_empty(folder.parent, places.work)


def claimed_folders(places: Places) -> Sequence[tuple[str, int, Path]]:
    """Batch id, revision and folder of every claim that was begun and is not archived."""
    if not places.work.is_dir():
        return []
    folders = [path for path in sorted(places.work.glob("*/*")) if path.is_dir() and path.name.isdigit()]
    return [(path.parent.name, int(path.name), path) for path in folders]


def _remove_empty(folder: Path, stop: Path) -> None:
    while folder != stop and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _copy_whole(source: Path, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)


def _write_whole(text: str, target: Path) -> None:
    part = target.with_name(f".{target.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(target)


def _free(folder: Path) -> Path:
    candidate, number = folder, 1
    while candidate.exists():
        number += 1
        candidate = folder.with_name(f"{folder.name}.{number}")
    return candidate


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns
