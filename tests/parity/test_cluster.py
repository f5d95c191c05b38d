"""A batch through a standalone cluster on loopback: one master and two workers, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.parity import story

from cartbrook import __version__
from cartbrook.lake.spark import find_java

pytestmark = [pytest.mark.engine("spark"), pytest.mark.slow]

PROGRAM = """
import json, sys
from pathlib import Path
from cartbrook.lake.session import open_engine
from cartbrook.lake.spark import ask_workers
from tests.conftest import SPARK_JVM
from tests.parity import story

JVMS = ("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions")
workspace, master = Path(sys.argv[1]), sys.argv[2]
one_each = {"spark.executor.memory": "600m", "spark.executor.cores": "1", "spark.sql.shuffle.partitions": "2"}
quick = {name: f"{SPARK_JVM['spark.driver.extraJavaOptions']} -XX:TieredStopAtLevel=1" for name in JVMS}  # for one batch
with open_engine("spark", master, SPARK_JVM | one_each | quick) as engine:
    story.on_engine(engine, workspace, "small")
    told = [(worker.version, worker.sees) for worker in ask_workers(engine.session, workspace)]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def cluster(need, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Gives the master's address and the folder of what executors log."""
    folder = tmp_path_factory.mktemp("cluster")
    pyspark = pytest.importorskip("pyspark")
    start = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "JAVA_HOME": str(find_java().home), "SPARK_DAEMON_MEMORY": "256m"}
    environment["SPARK_DAEMON_JAVA_OPTS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    port, web = free_port(), free_port()
    master = f"spark://127.0.0.1:{port}"
    place = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", str(web)]
    commands = [[start, "org.apache.spark.deploy.master.Master", *place]]
    for number in (1, 2):
        worker = [
            "--cores",
            "1",
            "--memory",
            "700m",
            "--host",
            "127.0.0.1",
            "--webui-port",
            "0",
            "-d",
            str(folder / f"w{number}"),
        ]
        commands.append([start, "org.apache.spark.deploy.worker.Worker", *worker, master])
    with contextlib.ExitStack() as stack:
        processes = []
        for number, command in enumerate(commands):
            log = stack.enter_context((folder / f"{number}.log").open("w"))
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
            stack.callback(processes[-1].wait)
            stack.callback(processes[-1].terminate)
        while alive(f"http://127.0.0.1:{web}/json/") != 2:
            assert all(process.poll() is None for process in processes), [path.read_text() for path in folder.glob("*.log")]
            time.sleep(0.5)
        yield master, folder


def alive(page: str) -> int:
    """How many workers have told the master that they are there."""
    with contextlib.suppress(OSError), urllib.request.urlopen(page, timeout=5) as answer:
        return sum(worker["state"] == "ALIVE" for worker in json.load(answer)["workers"])
    return 0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(workspace: Path, master: str) -> set[tuple[str | None, bool]]:
    """The batch in a process of its own; returns what Python workers told: our version there, and whether they see the files."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(workspace), master]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return {tuple(worker) for worker in json.loads(done.stdout.splitlines()[-1])}


def test_a_batch_through_a_cluster(cluster, tmp_path):
    """Both executors run tasks, their Python has our package and sees the files, and the tables are those of Sail."""
    master, folder = cluster
    workers = run(tmp_path / "cluster", master)
    assert workers == {(__version__, True)}
    logs = sorted(folder.glob("w*/app-*/*/stderr"))
    tasks = {log: log.read_text("utf-8", "replace").count("Finished task") for log in logs}
    assert len(tasks) == 2
    assert all(tasks.values()), tasks
    story.on_sail(tmp_path / "sail", "small")
    ours, theirs = (story.published(tmp_path / name / "lake") for name in ("cluster", "sail"))
    assert story.differences(ours, theirs) == []
