"""Ctrl-C in the middle of a run: the command ends at once, and the next one goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.engine("sail"), pytest.mark.slow]


def test_interrupted_run(cartbrook, tmp_path):
    """The engine dies with the interrupt; the command still ends in seconds, says so, and nothing is half done afterwards."""
    shop = tmp_path / "shop"
    assert cartbrook("generate", tmp_path / "deliveries", "--days", "3", "--orders", "10").code == 0
    assert cartbrook("init", shop).code == 0
    assert cartbrook("submit", *sorted((tmp_path / "deliveries").glob("trigger_*.json")), "-w", shop).code == 0
    # A shell's background jobs ignore the signal, and what they start does, too; a command at a terminal does not.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from cartbrook.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, "run", "-w", str(shop)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.3)  # into the second batch
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
    assert "published" in first
    assert process.returncode == 130, out + err
    assert time.monotonic() - began < 15
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert cartbrook("run", "-w", shop).code == 0
    statuses = [row["status"] for row in cartbrook("batches", "-w", shop, "--json").json]
    assert statuses == ["published"] * 3
