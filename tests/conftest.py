"""What every test gets: one engine per process, a folder for a lake, a pinned environment.

`pytest --engine=spark` runs the same tests on Apache Spark (in `.venv-spark`). A gap of one engine is a strict xfail with its
reason, never a skipped folder.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from cartbrook.lake.session import Engine, Session

# The machine's zone must not matter: sessions run in UTC, and code that lets a datetime pass through Python is off by 5:30 here.
os.environ["TZ"] = "Asia/Kolkata"
time.tzset()

# Settings of the person who runs the suite would change what it tests.
for name in list(os.environ):
    if name.startswith(("CARTBROOK_", "SPARK_", "PYSPARK_")):
        del os.environ[name]

# A worker of pytest-xdist has a main module without a file, which PySpark 4.2 takes for its own doctests, and ends the process.
main = sys.modules["__main__"]
if main.__spec__ is None and not hasattr(main, "__file__"):
    main.__spec__ = find_spec("xdist.remote")

# One process on two cores: collectors that run beside it cost more than they gain, and plans are deep.
SPARK_JVM = {"spark.driver.extraJavaOptions": "-XX:+UseSerialGC -Xss4m", "spark.driver.memory": "2g"}

CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# An example opens Delta tables: how long it takes says nothing, and a failure must be repeatable from the log alone.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("ci" if CI else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose the engine."""
    parser.addoption("--engine", choices=("sail", "spark"), default="sail", help="engine that the tests run on (default: sail)")
    parser.addoption("--master", default="local[2]", help="of engine spark, e.g. sc://localhost:15002 of a server that is warm")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of other engines; expect the known gaps of this one to fail."""
    engine = config.getoption("engine")
    others = [item for item in items if any(mark.args[0] != engine for mark in item.iter_markers("engine"))]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
    for item in items:
        for mark in item.iter_markers("gap"):
            if mark.args[0] == engine:
                item.add_marker(pytest.mark.xfail(strict=True, **mark.kwargs))


def pytest_report_header(config: pytest.Config) -> str:
    """Say which engine a report is about."""
    return f"engine: {config.getoption('engine')}, ci: {CI}"


@pytest.fixture(scope="session")
def need() -> Callable[[object, str], None]:
    """`need(thing, "what to install")`: without the thing the test fails in CI and is skipped on a user's machine."""

    def check(thing: object, install: str) -> None:
        if not thing:
            message = f"this test needs something that is not here; to run it: {install}"
            if CI:
                pytest.fail(message, pytrace=False)
            pytest.skip(message)

    return check


@pytest.fixture(scope="session")
def engine_name(request: pytest.FixtureRequest) -> str:
    """The engine under test: sail or spark."""
    return str(request.config.getoption("engine"))


@pytest.fixture(scope="session")
def engine(engine_name: str, request: pytest.FixtureRequest, need: Callable[[object, str], None]) -> Iterator[Engine]:
    """The open engine; one per test process."""
    if engine_name == "spark":
        need(find_spec("delta"), "make setup-spark, then .venv-spark/bin/pytest --engine=spark")
        need(_java_fits(), "a Java 17 or 21 runtime, e.g. apt-get install openjdk-17-jre-headless")
    else:
        need(find_spec("pysail"), "make setup, then .venv/bin/pytest")
    from cartbrook.lake.session import open_engine

    master = str(request.config.getoption("master"))
    conf = {} if master.startswith("sc://") else SPARK_JVM
    opened = open_engine("spark", master, conf) if engine_name == "spark" else open_engine("sail")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def session(engine: Engine) -> Session:
    """The Spark Connect session of the engine under test."""
    return engine.session


@pytest.fixture
def lake_dir(tmp_path: Path) -> Path:
    """An empty folder for the tables of one test."""
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


def _java_fits() -> bool:
    from cartbrook.errors import EngineError
    from cartbrook.lake.spark import find_java

    try:
        find_java()
    except EngineError:
        return False
    return True
