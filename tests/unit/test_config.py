"""Settings: where a value comes from, what it may be, and how a mistake is told."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from cartbrook.config import Settings, environment, load_settings, user_name
from cartbrook.errors import ConfigError


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Settings of a cartbrook.yaml, an environment and a command line."""

    def run(text: str | None = None, env: dict[str, str] | None = None, **options: object) -> Settings:
        if text is not None:
            (tmp_path / "cartbrook.yaml").write_text(text, encoding="utf-8")
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        return load_settings(tmp_path, options)

    return run


def test_defaults(load):
    """Nothing said is the defaults, from no file, an empty one and one of comments."""
    assert load() == load("") == load("# nothing\n") == Settings()


def test_precedence(load):
    """Defaults < file < environment < command line, each value on its own."""
    text = "engine: spark\nparallel: 2\nhemisphere: south\n"
    settings = load(text, {"CARTBROOK_PARALLEL": "3", "CARTBROOK_HEMISPHERE": "north"}, hemisphere="south", engine=None)
    assert (settings.engine, settings.parallel, settings.hemisphere, settings.timezone) == ("spark", 3, "south", "UTC")


def test_other_variables_are_left_alone(load):
    """A variable of ours that is no setting is not an error: other tools share the prefix."""
    assert load(env={"CARTBROOK_HOME": "/x", "PARALLEL": "9"}) == Settings()


CONVERTED: dict[str, list[tuple[str, Any]]] = {
    "parallel": [("8", 8), ("2.0", 2)],
    "default_margin_rate": [("0.25", Decimal("0.25")), ("1", Decimal(1)), ("'0.1'", Decimal("0.1"))],
    "score_gate": [("null", None), ("80", Decimal(80)), ("79.5", Decimal("79.5"))],
    "reporting_currency": [("EUR", "EUR"), ("~", None)],
    "timezone": [("Europe/Berlin", "Europe/Berlin")],
    "category_margin_rates": [("{Toys: 0.4, Games: '0.1'}", {"Toys": Decimal("0.4"), "Games": Decimal("0.1")})],
    "customer_segments": [("{VIP: [5000, 9], Loyal: [10, 1]}", {"VIP": (5000, 9), "Loyal": (10, 1)})],
}


@pytest.mark.parametrize(("name", "text", "value"), [(name, *pair) for name, pairs in CONVERTED.items() for pair in pairs])
def test_conversions(load, name, text, value):
    """A value of the file or the environment becomes what the setting is."""
    assert getattr(load(f"{name}: {text}\n"), name) == value
    assert getattr(load("", {f"CARTBROOK_{name.upper()}": text}), name) == value


UNFIT = {
    "parallel": ["many", "1.5", "true", "null", "0", "-1", "[1]", ".inf", ".nan"],
    "max_columns": ["0", "-5"],
    "max_field_bytes": ["0"],
    "max_file_bytes": ["0"],
    "default_margin_rate": ["much", "null", ".nan", "[]", "{}"],
    "score_gate": ["high", "true and false"],
    "engine": ["duck", "5", "null"],
    "hemisphere": ["west"],
    "timezone": ["Mars/Olympus", "5", "../../etc/passwd"],
    "category_margin_rates": ["[1]", "{Toys: much}", "5"],
    "customer_segments": ["{VIP: 5}", "{VIP: [1, 2, 3]}", "[VIP]", "{VIP: [a, b]}"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in UNFIT.items() for text in texts])
def test_values_of_no_use(load, name, text):
    """A value that cannot be used is told with its setting and where it came from."""
    with pytest.raises(ConfigError) as caught:
        load(f"{name}: {text}\n")
    assert caught.value.message.startswith("cartbrook.yaml: ")
    assert name.replace("timezone", "time zone") in caught.value.message or repr(name) in caught.value.message
    assert caught.value.exit_code == 2


def test_unknown_settings_get_a_hint(load):
    """A name that is nearly one of ours is told; one that is like none is not guessed."""
    with pytest.raises(ConfigError, match=r"unknown setting 'hemispere'[\s\S]*Did you mean 'hemisphere'") as caught:
        load("hemispere: south\n")
    assert caught.value.message.startswith("cartbrook.yaml")
    with pytest.raises(ConfigError) as caught:
        load("", qqq=1)
    assert (caught.value.message, caught.value.hint) == ("command line: unknown setting 'qqq'.", None)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "5\n"])
def test_a_file_that_is_no_list_of_settings(load, text):
    """The file holds `name: value` lines."""
    with pytest.raises(ConfigError, match="name: value"):
        load(text)


def test_a_file_that_is_no_yaml(load, tmp_path):
    """Broken YAML is told with its line; bytes that are no UTF-8 as well as they can be."""
    with pytest.raises(ConfigError, match=r"cartbrook\.yaml:2: this is not YAML"):
        load("engine: sail\na: b: c\n")
    (tmp_path / "cartbrook.yaml").write_bytes(b"engine: \xff\xfe\n")
    with pytest.raises(ConfigError, match="not YAML"):
        load()


def test_settings_are_frozen():
    """One value for a run: nobody changes it on the way."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().engine = "spark"  # type: ignore[misc]


def test_the_gold_hash_follows_what_changes_figures():
    """Settings that change gold change the hash; those that do not, and equal ones, keep it."""
    base = Settings().gold_hash()
    assert dataclasses.replace(Settings(), parallel=1, engine="spark", score_gate=Decimal(5)).gold_hash() == base
    changes: list[dict[str, Any]] = [
        {"timezone": "Asia/Tokyo"},
        {"hemisphere": "south"},
        {"reporting_currency": "EUR"},
        {"default_margin_rate": Decimal("0.31")},
        {"category_margin_rates": {"Toys": Decimal("0.1")}},
        {"customer_segments": {"VIP": (1, 1)}},
        {"performance_categories": {"Star": (1, 1)}},
    ]
    hashes = {dataclasses.replace(Settings(), **change).gold_hash() for change in changes}
    assert len(hashes | {base}) == len(changes) + 1


def test_environment_keeps_what_is_set(monkeypatch):
    """Variables for libraries are defaults: what the user has set stays."""
    monkeypatch.setenv("CARTBROOK_TEST_A", "mine")
    monkeypatch.delenv("CARTBROOK_TEST_B", raising=False)
    environment(CARTBROOK_TEST_A="ours", CARTBROOK_TEST_B="ours")
    import os

    assert (os.environ["CARTBROOK_TEST_A"], os.environ.pop("CARTBROOK_TEST_B")) == ("mine", "ours")


def test_user_name(monkeypatch):
    """Whoever works here, or `unknown`."""
    monkeypatch.setenv("USER", "ann")
    assert user_name() == "ann"
    for name in ("USER", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert user_name() == "unknown"
