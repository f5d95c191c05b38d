from __future__ import annotations

import datetime as dt
from decimal import Decimal

import yaml

from cartbrook.cli.output import plain, text
from cartbrook.cli.settings_file import descriptions, settings_text
from cartbrook.config import Settings, load_settings


def test_settings_file_states_the_defaults(tmp_path):
    """Every line that is commented out in a new settings file is the default: taking all # away changes nothing."""
    lines = settings_text().splitlines()
    names = tuple(f"# {name}: " for name in descriptions())
    entries = [line.removeprefix("# ") for line in lines if line.startswith(names)]
    assert len(entries) == len(names)
    assert yaml.safe_load(settings_text()) is None
    (tmp_path / "cartbrook.yaml").write_text("\n".join(entries), "utf-8")
    assert load_settings(tmp_path) == Settings()


def test_plain_values():
    """Times come out in UTC whatever their zone, decimals as exact text, and what JSON cannot hold as text."""
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    assert plain(dt.datetime(2025, 1, 1, 5, 30, tzinfo=zone)) == "2025-01-01T00:00:00Z"
    assert plain(dt.date(2025, 1, 1)) == "2025-01-01"
    assert plain({"a": [Decimal("1.50"), float("nan"), b"\x01", None, True]}) == {"a": ["1.50", "nan", "01", None, True]}


def test_cells_hold_no_control_characters():
    """A value cannot break a table or drive a terminal."""
    assert text("a\nb\x1b[31m") == "a b [31m"
    assert (text(None), text([]), text(True)) == ("", "", "true")
