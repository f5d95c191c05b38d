"""What is looked for before Apache Spark starts; none of it needs Spark."""

from __future__ import annotations

import socket
from importlib import metadata
from pathlib import Path

import pytest

from cartbrook.config import command_line, load_settings
from cartbrook.errors import EngineError
from cartbrook.lake import spark
from cartbrook.lake.session import open_engine


@pytest.fixture
def java(tmp_path, monkeypatch):
    """Makes the folder of a Java that tells a version; no other is found."""

    def make(version):
        home = tmp_path / f"java-{version}"
        (home / "bin").mkdir(parents=True)
        program = home / "bin" / "java"
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
        program.chmod(0o755)
        found.append(home)
        return home

    found: list[Path] = []
    monkeypatch.setattr(spark, "_candidates", lambda: iter(found))
    return make


def test_the_first_java_that_fits_is_taken(java):
    """Versions are told in the old and the new manner; those that Spark does not run on are passed over."""
    java("1.8.0_402")
    java("23.0.1")
    fits = java("21.0.2")
    assert spark.find_java() == spark.Java(fits, 21)


def test_no_java_that_fits(java):
    """The error names what was found and what to install."""
    with pytest.raises(EngineError, match="none was found"):
        spark.find_java()
    java("11.0.1")
    with pytest.raises(EngineError, match=r"needs Java 17 or 21; found: 11 ") as caught:
        spark.find_java()
    assert "openjdk-17" in str(caught.value.hint)


@pytest.mark.parametrize(("version", "jar"), [("4.2.0", "io.delta:delta-spark_4.2_2.13:4.4.0"), ("4.3.0", None)])
def test_the_jar_is_that_of_the_installed_spark(monkeypatch, version, jar):
    """Delta's artifact is built for a minor version of Spark; where none is known, the error says so."""
    monkeypatch.setattr(metadata, "version", lambda _: version)
    if jar:
        assert spark.delta_jar() == jar
    else:
        with pytest.raises(EngineError, match=r"PySpark 4\.3\.0 is installed, and no jar"):
            spark.delta_jar()


def test_settings_of_the_user_go_first(monkeypatch):
    """What a shop sets for Spark stands; on a cluster shuffles keep Spark's own number of partitions."""
    monkeypatch.setattr(metadata, "version", lambda _: "4.2.0")
    local = spark.settings("local[4]", 1, {"spark.ui.enabled": "true", "spark.driver.memory": "8g"})
    assert local["spark.driver.memory"] == "8g"
    assert (local["spark.ui.enabled"], local["spark.sql.shuffle.partitions"]) == ("true", "2")
    assert not {"spark.sql.shuffle.partitions", "spark.driver.memory"} & spark.settings("spark://10.0.0.5:7077", 1, {}).keys()
    assert [spark.is_local(master) for master in ("local[*]", "spark://127.0.0.1:1", "spark://10.0.0.5:1")] == [True, True, False]


def test_no_server_answers():
    """At an address without a Spark Connect server the error comes at once, and leaves out a token."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(EngineError, match=rf"^No Spark Connect server answers at sc://127\.0\.0\.1:{port}\.") as caught:
            open_engine("spark", f"sc://127.0.0.1:{port}/;token=secret")
    assert "secret" not in str(caught.value)


def test_the_command_line_goes_before_the_file(tmp_path):
    """`--engine` and `--master` stand for all that a command loads; Spark's settings come from the file as text."""
    (tmp_path / "cartbrook.yaml").write_text(
        "engine: sail\nspark_conf: {spark.ui.enabled: true, spark.sql.shuffle.partitions: 64}\n"
    )
    command_line(engine="spark", master="sc://host:1")
    try:
        settings = load_settings(tmp_path)
    finally:
        command_line()
    assert (settings.engine, settings.master) == ("spark", "sc://host:1")
    assert settings.spark_conf == {"spark.ui.enabled": "true", "spark.sql.shuffle.partitions": "64"}
