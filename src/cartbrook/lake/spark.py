"""What Apache Spark needs: a Java that fits, Delta's jars, settings, and workers that have our package and see the files."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cartbrook.config import java_homes
from cartbrook.errors import EngineError

if TYPE_CHECKING:
    from cartbrook.lake.session import Session

JAVA_FITS = (17, 21)
_DELTA = {"4.2": "4.4.0"}
"""Minor version of Spark -> release of Delta whose jar is built for it. Delta's Python package may be newer than any jar."""
MANY = 200_000
"""From so many rows on plans are worth their compilation."""
FOR_FEW = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.constraintPropagation.enabled": "false",
}
"""A batch has dozens of large plans, no two alike: to optimize and compile one takes longer than to run few rows through it."""
FOR_MANY = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.constraintPropagation.enabled": "true",
}
"""What Spark has by default."""
_JAVA_ADVICE = "Install a Java 17 or 21 runtime, e.g. apt-get install openjdk-17-jre-headless, or let JAVA_HOME name one."


@dataclass(frozen=True, slots=True)
class Java:
    """A Java runtime.

    Attributes:
        home: What JAVA_HOME would be.
        version: Its major version.
    """

    home: Path
    version: int


def find_java() -> Java:
    """The Java that Spark will start: the user's own if it fits, else the first that does.

    Raises:
        EngineError: There is none of version 17 or 21.
    """
    found: list[Java] = []
    for home in _candidates():
        version = _major(home / "bin" / "java")
        if version in JAVA_FITS:
            return Java(home, version)
        if version:
            found.append(Java(home, version))
    if not found:
        raise EngineError("Engine spark needs Java and none was found.", hint=_JAVA_ADVICE)
    seen = ", ".join(f"{java.version} ({java.home})" for java in found[:3])
    raise EngineError(f"Engine spark needs Java 17 or 21; found: {seen}.", hint=_JAVA_ADVICE)


def delta_jar() -> str:
    """The Maven coordinates of Delta's jar for the PySpark that is installed.

    Raises:
        EngineError: PySpark is not installed, or no jar is known for it.
    """
    try:
        version = metadata.version("pyspark")
    except metadata.PackageNotFoundError:
        raise EngineError("Engine spark is not installed.", hint="pip install 'cartbrook[spark]'") from None
    minor = ".".join(version.split(".")[:2])
    if minor not in _DELTA:
        raise EngineError(
            f"PySpark {version} is installed, and no jar of Delta Lake is known for it.", hint="pip install 'cartbrook[spark]'"
        )
    return f"io.delta:delta-spark_{minor}_2.13:{_DELTA[minor]}"


def is_remote(master: str) -> bool:
    """True for the address of a Spark Connect server, ``sc://host:port``: nothing is started for it."""
    return master.startswith("sc://")


def is_local(master: str) -> bool:
    """True if driver and workers are all on this machine's loopback."""
    return master.startswith("local") or re.match(r"spark://(127\.|localhost\b)", master) is not None


def settings(master: str, port: int, more: Mapping[str, str]) -> dict[str, str]:
    """How a server is started for small batches on Delta tables.

    Args:
        port: Where it listens for this process.
        more: The user's own; they go before ours.
    """
    own = {
        "spark.app.name": "cartbrook",
        "spark.jars.packages": delta_jar(),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Small batches: 50 partitions for the state of a table cost seconds each time.
        "spark.databricks.delta.snapshotPartitions": "1",
        # What is merged has been staged (Tables.merge): that Delta writes it down a second time gains nothing.
        "spark.databricks.delta.merge.materializeSource": "none",
    }
    if master.startswith("local"):
        own["spark.sql.shuffle.partitions"] = "2"  # instead of 200; on a cluster adaptive execution joins small ones
        own["spark.driver.memory"] = "2g"  # which does all the work there; in 1g, Spark's default, batches never get faster
    return {**own, **more}


@dataclass(frozen=True, slots=True)
class Worker:
    """What a Python worker of Spark told of itself.

    Attributes:
        version: Of cartbrook there; None if it is not installed.
        sees: True if it read what this process has just written.
    """

    host: str
    version: str | None
    sees: bool


def ask_workers(session: Session, folder: Path, tasks: int = 8) -> list[Worker]:
    """Let some tasks look for our package, and for a file that is put into a folder for them.

    Only the workers that get a task answer: on an idle cluster most do.
    """
    mark = folder / f".cartbrook-{uuid.uuid4().hex}"
    path = str(mark)

    # Nested, so that its code travels with it: a worker may not have the package that it asks for.
    def look(batches: Iterator[Any]) -> Iterator[Any]:
        import socket
        from importlib import metadata
        from pathlib import Path

        import pyarrow as pa

        for _ in batches:
            try:
                version: str | None = metadata.version("cartbrook")
            except metadata.PackageNotFoundError:
                version = None
            told = {"host": [socket.gethostname()], "version": [version], "sees": [Path(path).exists()]}
            yield pa.RecordBatch.from_pydict(told)

    mark.touch()
    try:
        asked = session.range(0, tasks, 1, tasks).mapInArrow(look, "host string, version string, sees boolean")
        return [Worker(**row) for row in asked.toArrow().to_pylist()]
    finally:
        mark.unlink(missing_ok=True)


def _candidates() -> Iterator[Path]:
    yield from java_homes()
    java = shutil.which("java")
    if java:
        yield Path(java).resolve().parents[1]
    for folder in (Path("/usr/lib/jvm"), Path("/Library/Java/JavaVirtualMachines")):
        if folder.is_dir():
            for home in sorted(folder.iterdir()):
                yield home / "Contents" / "Home" if (home / "Contents").is_dir() else home


def _major(java: Path) -> int | None:
    """The major version of a Java; None if there is none that starts."""
    try:
        told = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(match[1]) if match and told.returncode == 0 else None
