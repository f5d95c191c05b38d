"""Opens engines. The only module that makes a Spark session; others take the type `Session` from here."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import socket
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from cartbrook.config import environment
from cartbrook.errors import EngineError
from cartbrook.lake import spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession as Session
else:
    Session = Any

__all__ = ["Engine", "Session", "adopt", "open_engine"]

# Else PySpark walks the stack and looks for IPython at every column made: a quarter of a small batch. Static on Spark.
_DEBUGGING = "spark.python.sql.dataFrameDebugging.enabled"


@dataclass(frozen=True, slots=True)
class Modes:
    """Settings of a session for work on few rows and on many."""

    few: Mapping[str, str]
    many: Mapping[str, str]


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
    _modes: Modes | None = None
    _many: bool = False
    _closed: bool = False

    def expect(self, rows: Callable[[], int]) -> bool | None:
        """Make ready for work on so many rows, where that makes a difference: Spark compiles plans for many, and not for few.

        Args:
            rows: Is asked on such an engine alone.

        Returns:
            True for many; None where it makes no difference.
        """
        if self._modes is None:
            return None
        many = rows() >= spark.MANY
        if many != self._many:
            for name, value in (self._modes.many if many else self._modes.few).items():
                self.session.conf.set(name, value)
            self._many = many
        return many

    def close(self) -> None:
        """Stop the session, then what serves it; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_engine(name: str = "sail", master: str = "local[*]", conf: Mapping[str, str] | None = None) -> Engine:
    """Open an engine by name.

    Args:
        name: ``sail`` or ``spark``.
        master: For ``spark``: ``local[N]``, a standalone cluster ``spark://host:port``, or the address ``sc://host:port`` of a
            Spark Connect server that runs already.
        conf: Settings for ``spark`` that go before ours, by their names in Spark.

    Raises:
        EngineError: It is not installed, there is no Java that fits, or no server answers.
    """
    engine = _open_spark(master, conf or {}) if name == "spark" else _open_sail()
    engine.session.conf.set("spark.sql.session.timeZone", "UTC")
    return engine


def adopt(session: Session) -> Engine:
    """An engine of a session that someone else opened and closes: the `spark` of a Databricks notebook."""
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return Engine("databricks", session, lambda: None)


def _open_sail() -> Engine:
    _require("pysail", "sail")
    # Hashes make most of a file, and no level makes these smaller: zstd(3), the default, takes a quarter longer to write.
    environment(RUST_LOG="error", SAIL_PARQUET__COMPRESSION="zstd(1)")
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


def _open_spark(master: str, conf: Mapping[str, str]) -> Engine:
    _require("pyspark", "spark")
    return _reach(master, conf) if spark.is_remote(master) else _start(master, conf)


def _reach(address: str, conf: Mapping[str, str]) -> Engine:
    """A session of a Spark Connect server that runs already, with Delta's jars and settings of its own."""
    environment(SPARK_CONNECT_MODE_ENABLED="1")
    _name_main_module()
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession

    where = urlsplit(address.partition("/;")[0])
    try:
        # The client would call a server that is not there again and again for minutes.
        socket.create_connection((where.hostname or "", where.port or 15002), timeout=10).close()
        session = cast("Session", SparkSession.builder.remote(address).create())
        for key, value in conf.items():
            session.conf.set(key, value)
        session.sql("SELECT 1").toArrow()
        return _for_few(session, conf)
    except (OSError, ValueError, PySparkException) as error:
        raise EngineError(
            f"No Spark Connect server answers at {where.scheme}://{where.netloc}.",
            hint="Start one with Delta's jars: docs/spark.md says how.",
        ) from error


def _start(master: str, conf: Mapping[str, str]) -> Engine:
    """A session of a server that is started here, and whose work the master's workers do."""
    _require("py4j", "spark")
    java = spark.find_java()
    environment(PYSPARK_PYTHON=sys.executable, JAVA_HOME=str(java.home), SPARK_LOCAL_REMOTE="1", SPARK_CONNECT_MODE_ENABLED="1")
    _name_main_module()
    if spark.is_local(master):
        environment(SPARK_LOCAL_IP="127.0.0.1")
    from py4j.protocol import Py4JError  # type: ignore[import-not-found] # comes with pyspark alone
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.session import SparkSession

    port = _free_port()
    settings = {**spark.settings(master, port, conf), _DEBUGGING: "false"}
    try:
        # What `builder.master(...).getOrCreate()` does, but for the port: that one knows 15002 only, so that a machine has room
        # for one.
        SparkSession._start_connect_server(master, settings)  # noqa: SLF001
        session = cast("Session", SparkSession.builder.remote(f"sc://localhost:{port}").create())
    except (PySparkException, Py4JError) as error:
        raise EngineError(
            f"Spark did not start with master {master}.",
            hint="Its own words are above. The first start fetches Delta's jars from Maven Central (or spark.jars.ivySettings).",
        ) from error
    return _for_few(session, conf)


def _for_few(session: Session, conf: Mapping[str, str]) -> Engine:
    """An engine of a session, ready for few rows and able to go over to many; what the user has set stays as it is in both."""
    few, many = ({name: value for name, value in mode.items() if name not in conf} for mode in (spark.FOR_FEW, spark.FOR_MANY))
    for name, value in few.items():
        session.conf.set(name, value)
    return Engine("spark", session, session.stop, Modes(few, many))


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
