"""`cartbrook doctor`: what works on this machine and in this workspace, and what to do about what does not."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cartbrook.cli.options import HERE, Json, Workspace
from cartbrook.cli.output import say, say_json
from cartbrook.errors import CartbrookError

if TYPE_CHECKING:
    from cartbrook.config import Settings
    from cartbrook.lake.places import Places
    from cartbrook.lake.session import Session

_LEAST_FREE = 2**30
_PACKAGES = {
    "sail": ("pysail", "pyspark-client", "pyarrow", "pandas", "deltalake"),
    "spark": ("pyspark", "delta-spark", "deltalake"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        status: ok, warning or problem.
        advice: What to do; None where all is well.
    """

    name: str
    status: str
    found: str
    advice: str | None = None


def doctor(workspace: Workspace = HERE, as_json: Json = False) -> None:
    """Look at Python, the engine, this machine and the workspace, and tell what to do about each problem."""
    checks: list[Check] = []
    settings, check = _settings(workspace)
    checks += [_python(), check, *_versions(settings.engine), *_spark_needs(settings), *_engine(settings, workspace)]
    engine_works = all(check.status == "ok" for check in checks if check.name.startswith("Engine"))
    checks += [_disk(workspace), *_workspace(workspace, readable=engine_works)]
    if as_json:
        say_json([asdict(check) for check in checks])
    else:
        for check in checks:
            say(f"{check.status:8} {check.name}: {check.found}")
            if check.advice:
                say(f"         -> {check.advice}")
    raise typer.Exit(1 if any(check.status == "problem" for check in checks) else 0)


def _python() -> Check:
    return Check("Python", "ok", f"{sys.version.split()[0]} ({sys.executable})")


def _settings(workspace: Path) -> tuple[Settings, Check]:
    from cartbrook.config import Settings, load_settings

    try:
        settings = load_settings(workspace)
    except CartbrookError as error:
        return Settings(), Check("Settings", "problem", error.message, error.hint or "Correct cartbrook.yaml.")
    return settings, Check("Settings", "ok", f"engine {settings.engine}, timezone {settings.timezone}")


def _versions(engine: str) -> Iterator[Check]:
    """Installed versions beside those that this release of cartbrook was tested with: the ones its extra asks for."""
    asked: dict[str, str] = {}
    for requirement in metadata.requires("cartbrook") or ():
        if re.search(rf"extra == ['\"]{engine}['\"]", requirement):
            name, version = re.match(r"([A-Za-z0-9-]+)(?:\[[^]]*\])?\s*([^;]*)", requirement).groups()  # type: ignore[union-attr]
            asked[name.lower()] = version.strip()
    for name in _PACKAGES[engine]:
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Check(name, "problem", "not installed", f"pip install 'cartbrook[{engine}]'")
            continue
        wanted = asked.get(name, "")
        if wanted.startswith("==") and installed != wanted[2:]:
            yield Check(name, "warning", installed, f"Tested with {wanted[2:]}: pip install '{name}{wanted}'")
        else:
            yield Check(name, "ok", f"{installed}{f' (asked for: {wanted})' if wanted else ''}")


def _spark_needs(settings: Settings) -> Iterator[Check]:
    """What is on this machine for engine spark; a Spark Connect server brings its own Java and jars."""
    from cartbrook.lake import spark

    if settings.engine != "spark" or spark.is_remote(settings.master):
        return

    def java() -> Check:
        found = spark.find_java()
        return Check("Java", "ok", f"{found.version} ({found.home})")

    yield _guarded("Java", java, "Install a Java 17 or 21 runtime.")
    yield _guarded("Delta jar", lambda: Check("Delta jar", "ok", spark.delta_jar()), "pip install 'cartbrook[spark]'")


def _engine(settings: Settings, workspace: Path) -> Iterator[Check]:
    """Start the engine, let a small table make the round, and ask workers elsewhere what they have."""
    name = f"Engine {settings.engine}"
    found: list[Check] = []

    def round_trip() -> Check:
        from pyspark.sql import types as T

        from cartbrook.lake.places import PlainPath
        from cartbrook.lake.session import open_engine
        from cartbrook.lake.tables import Tables

        schema = T.StructType([T.StructField("x", T.LongType()), T.StructField("s", T.StringType())])
        with (
            tempfile.TemporaryDirectory(dir=_shared(settings, workspace)) as folder,
            open_engine(settings.engine, settings.master, settings.spark_conf) as engine,
        ):
            path = PlainPath(Path(folder).resolve())
            tables = Tables(engine.session, path.path, {"ops.doctor": schema})
            tables.create("ops.doctor")
            tables.append("ops.doctor", tables.rows({"x": [1, 2], "s": ["a", "Ä'"]}, schema))
            read = tables.read("ops.doctor").orderBy("x").toArrow().to_pylist()
            path.close()
            if settings.engine == "spark":
                found.append(_guarded("Workers", lambda: _workers(engine.session, workspace), "Look at the executors' logs."))
        if read != [{"x": 1, "s": "a"}, {"x": 2, "s": "Ä'"}]:
            return Check(name, "problem", "a Delta table was read otherwise than written", "Install the tested versions.")
        return Check(name, "ok", "starts, writes and reads a Delta table")

    yield _guarded(name, round_trip, f"pip install 'cartbrook[{settings.engine}]'; with --debug: the traceback")
    yield from found


def _shared(settings: Settings, workspace: Path) -> Path | None:
    """A folder that workers elsewhere see, too, if there is one: the workspace."""
    return workspace if settings.engine == "spark" and not settings.master.startswith("local") and workspace.is_dir() else None


def _workers(session: Session, workspace: Path) -> Check:
    """What Python workers of Spark see: they read the delivered files, with our package, at the paths that we use."""
    from cartbrook import __version__
    from cartbrook.lake.spark import ask_workers

    folder = workspace.resolve() / "landing"
    told = ask_workers(session, folder if folder.is_dir() else workspace.resolve())
    hosts = ", ".join(sorted({worker.host for worker in told}))
    other = sorted({worker.version or "none" for worker in told} - {__version__})
    if other:
        advice = f"Install cartbrook {__version__} with extra spark for the Python of every worker (spark.pyspark.python)."
        return Check("Workers", "problem", f"cartbrook is {', '.join(other)} there, not {__version__} ({hosts})", advice)
    if not all(worker.sees for worker in told):
        advice = "Mount the workspace at the same path on every worker."
        return Check("Workers", "problem", f"some do not see {folder} ({hosts})", advice)
    return Check("Workers", "ok", f"have cartbrook {__version__} and see the landing folder ({hosts})")


def _disk(workspace: Path) -> Check:
    place = next(folder for folder in (workspace.resolve(), *workspace.resolve().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    found = f"{free / 2**30:.1f} GiB free at {place}"
    if free < _LEAST_FREE:
        return Check("Disk", "warning", found, "Make room: a full disk fails batches (published tables stay readable).")
    return Check("Disk", "ok", found)


def _workspace(workspace: Path, *, readable: bool) -> Iterator[Check]:
    from cartbrook.lake.places import Places

    places = Places(workspace.resolve())
    try:
        places.require()
    except CartbrookError as error:
        yield Check("Workspace", "warning", error.message, error.hint)
        return
    yield Check("Workspace", "ok", str(places.root))
    yield _guarded("Path", lambda: _path(places), "Set TMPDIR to a folder of plain ASCII letters.")
    yield _guarded("Lock", lambda: _lock(places), "Look at the permissions of the workspace.")
    if readable:
        yield _guarded("Tables", lambda: _tables(workspace), "`cartbrook run`; if that fails too, keep the folder and report it.")


def _path(places: Places) -> Check:
    from cartbrook.lake.places import PlainPath

    path = PlainPath(places.lake)
    plain = path.path == places.lake
    path.close()
    return Check("Path", "ok", "plain" if plain else "holds blanks or other letters; reached by a link in the temporary folder")


def _lock(places: Places) -> Check:
    from filelock import FileLock, Timeout

    try:
        with FileLock(places.lock, timeout=0):
            return Check("Lock", "ok", "free")
    except Timeout:
        return Check("Lock", "warning", "another cartbrook process works here", "Wait until it has ended.")


def _tables(workspace: Path) -> Check:
    from cartbrook import pipeline

    with pipeline.open_lake(workspace) as lake:
        newest = lake.ledger.newest()
        bad: list[str] = []

        def look(name: str) -> None:
            try:
                lake.tables.is_empty(lake.published(name, newest))
            except Exception:  # noqa: BLE001 - whatever hinders reading, the table is named
                bad.append(name)

        lake.tables.each(look, lake.pinned)
    if bad:
        found = f"not readable as published: {', '.join(sorted(bad)[:5])}"
        return Check("Tables", "problem", found, "Restore the files of lake/ from a backup.")
    found = f"{len(newest.table_versions)} tables open at the versions of publication {newest.publish_seq}"
    return Check("Tables", "ok", found)


def _guarded(name: str, look: Callable[[], Check], advice: str) -> Check:
    try:
        return look()
    except CartbrookError as error:
        return Check(name, "problem", error.message, error.hint or advice)
    except Exception as error:  # noqa: BLE001 - a doctor reports, whatever it is
        first = str(error).strip().splitlines()[:1]
        return Check(name, "problem", f"{type(error).__name__}{f': {first[0][:200]}' if first else ''}", advice)
