"""Opens engines. The only module that makes a Spark session; others take the type `Session` from here."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import shutil
import socket
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from cartbrook.config import environment
from cartbrook.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession as Session
else:
    Session = Any

__all__ = ["Engine", "Session", "adopt", "open_engine"]

DELTA_JAR = "io.delta:delta-spark_4.2_2.13:4.4.0"
# Else PySpark walks the stack and looks for IPython at every column made: a quarter of a small batch. Static on Spark.
_DEBUGGING = "spark.python.sql.dataFrameDebugging.enabled"


@dataclass(slots=True)
class Engine:
    """An open engine. Close it, or use it as a context manager.

    Attributes:
        name: sail or spark.
        session: A Spark Connect session in UTC.
    """

    name: str
    session: Session
    _close: Callable[[], None] = field(repr=False)
    _closed: bool = False

    def close(self) -> None:
        """Stop the session, then what serves it; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_engine(name: str = "sail", master: str = "local[*]") -> Engine:
    """Open an engine by name.

    Args:
        name: ``sail`` or ``spark``.
        master: For ``spark``: ``local[N]`` or ``spark://host:port``.

    Raises:
        EngineError: It is not installed, or Java is missing.
    """
    engine = _open_spark(master) if name == "spark" else _open_sail()
    engine.session.conf.set("spark.sql.session.timeZone", "UTC")
    return engine


def adopt(session: Session) -> Engine:
    """An engine of a session that someone else opened and closes: the `spark` of a Databricks notebook."""
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return Engine("databricks", session, lambda: None)


def _open_sail() -> Engine:
    _require("pysail", "sail")
    environment(RUST_LOG="error")
    _name_main_module()
    from pysail.spark import SparkConnectServer  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import DefaultPolicy

    # Engine._close holds the server: it stops when it is collected, and the client would then retry for minutes.
    server = SparkConnectServer(port=0)
    server.start(background=True)
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").create()
    session.conf.set(_DEBUGGING, "false")
    # Nothing is lost on the way to a server in our own process. It stops by itself at Ctrl-C, and PySpark would then call a dead
    # one again and again for minutes, from every thread, before the process can end.
    session.client.set_retry_policies([DefaultPolicy(max_retries=2, initial_backoff=20, max_backoff=20)])  # milliseconds

    def close() -> None:
        with contextlib.suppress(PySparkException), warnings.catch_warnings(action="ignore"):
            session.stop()  # before the server: PySpark's exit handler hangs on a dead one
        server.stop()

    return Engine("sail", session, close)


def _open_spark(master: str) -> Engine:
    _require("delta", "spark")
    if shutil.which("java") is None:
        raise EngineError("Engine spark needs Java and none was found.", hint="Install a Java 17 or 21 runtime.")
    environment(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_REMOTE="1", SPARK_CONNECT_MODE_ENABLED="1")
    from pyspark.sql.connect.session import SparkSession

    port = _free_port()
    settings = {
        "spark.app.name": "cartbrook",
        "spark.jars.packages": DELTA_JAR,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Small batches: 200 shuffle partitions and 50 snapshot partitions cost seconds each.
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.ui.enabled": "false",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        _DEBUGGING: "false",
    }
    # What `builder.master(...).getOrCreate()` does, but for the port: that one knows 15002 only, so a machine has room for one.
    SparkSession._start_connect_server(master, settings)  # noqa: SLF001
    session = cast("Session", SparkSession.builder.remote(f"sc://localhost:{port}").create())
    return Engine("spark", session, session.stop)


def _name_main_module() -> None:
    """Keep PySpark from taking us for its own doctests.

    `pyspark.sql.connect` calls sys.exit where the main module has neither file nor spec (``python -c``, test workers).
    """
    main = sys.modules["__main__"]
    if main.__spec__ is None and not hasattr(main, "__file__"):
        main.__spec__ = importlib.machinery.ModuleSpec("__main__", None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _require(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise EngineError(f"Engine {extra} is not installed.", hint=f"pip install 'cartbrook[{extra}]'")
