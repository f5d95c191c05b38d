"""The benchmark harness: what it generates goes through the pipeline, and what comes out is compared with SQL over the files."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from benchmarks.peers.duckdb_deltars import Load
from benchmarks.report import Figure
from benchmarks.small_batch import submit
from deltalake import DeltaTable, write_deltalake

from benchmarks import data, processes, verify
from cartbrook import pipeline
from cartbrook.config import Settings

SIZE = data.Size(orders=2_000, defects=0.03)


@pytest.fixture(scope="module")
def triggers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A bulk of 2,000 orders, some of them wrong, and a small batch after it."""
    return data.deliver(SIZE, tmp_path_factory.mktemp("deliveries"), batches=1)


@pytest.fixture(scope="module")
def lakes(engine: Any, triggers: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Our lake after the bulk, and after the small batch, too."""
    workspace = tmp_path_factory.mktemp("workspace")
    with pipeline.open_lake(workspace, Settings(stable_seconds=Decimal(0)), engine=engine, create=True) as lake:
        pipeline.init(lake)
        for trigger in triggers:
            submit(workspace, trigger)
            assert [outcome.status for outcome in pipeline.run(lake)] == ["published"]
            shutil.copytree(workspace / "lake", workspace / trigger.parent.name / "lake")
        assert [found for found in pipeline.prove(lake) if found.problem] == []
    return workspace / "bulk" / "lake", workspace / "small-0001" / "lake"


@pytest.mark.slow
def test_our_tables_are_what_the_files_say(lakes: tuple[Path, Path], triggers: list[Path]) -> None:
    """Dimensions, facts, marts and the counts of rules equal the SQL over the CSV files, after the bulk and one batch later."""
    bulk, later = lakes
    assert [str(found) for found in verify.differences(bulk, triggers[:1])] == []
    assert [str(found) for found in verify.differences(later, triggers)] == []


@pytest.mark.slow
def test_the_deliveries_hold_what_a_check_must_see(lakes: tuple[Path, Path]) -> None:
    """Some records were set aside, some facts are no revenue, a customer has two versions: no empty cases are compared."""
    later = lakes[1]
    tables = verify.published_versions(later)

    def column(table: str, name: str) -> list[Any]:
        dataset = DeltaTable(later / table.replace(".", "/"), version=tables[table]).to_pyarrow_dataset()
        values: list[Any] = dataset.to_table(columns=[name])[name].to_pylist()
        return values

    assert {"open", "parked"} <= set(column("ops.quarantine", "status"))
    assert set(column("gold.fact_orders", "is_revenue")) == {True, False}
    assert set(column("gold.kpi_summary", "currency")) == {"EUR", "USD"}
    assert max(column("gold.dim_customer", "version")) == 2
    assert len(set(column("gold.customer_analytics", "customer_segment"))) > 2


@pytest.mark.slow
def test_one_cent_is_seen(lakes: tuple[Path, Path], triggers: list[Path], tmp_path: Path) -> None:
    """A mart that is a cent off is told; so is a lake that lacks a batch."""
    copy = shutil.copytree(lakes[0], tmp_path / "lake")
    table = DeltaTable(copy / "gold" / "sales_trends")
    rows = table.to_pyarrow_table()
    cent = [value + (Decimal("0.01") if nth == 3 else 0) for nth, value in enumerate(rows["revenue"].to_pylist())]
    place = rows.schema.get_field_index("revenue")
    write_deltalake(table, rows.set_column(place, "revenue", [cent]).cast(rows.schema), mode="overwrite")
    _trust(copy, "gold.sales_trends", table.version())
    [found] = verify.differences(copy, triggers[:1])
    assert (found.table, found.missing, found.unexpected) == ("gold.sales_trends", 1, 1)

    wanting = {found.table for found in verify.differences(lakes[0], triggers)}
    assert {"gold.fact_orders", "gold.dim_customer", "gold.kpi_daily", "gold.shipping_performance"} <= wanting


def _trust(lake: Path, name: str, version: int) -> None:
    """Let the newest publication name another version of a table."""
    table = DeltaTable(lake / "ops" / "publications")
    rows = table.to_pyarrow_table()
    values = rows.to_pylist()
    newest = max(values, key=lambda row: row["publish_seq"])
    newest["table_versions"] = [*{**dict(newest["table_versions"]), name: version}.items()]
    write_deltalake(table, type(rows).from_pylist(values, rows.schema), mode="overwrite")


@pytest.mark.slow
def test_the_rival_makes_the_same_marts(lakes: tuple[Path, Path], triggers: list[Path], tmp_path: Path) -> None:
    """Its tables have our columns and as many rows, so that both do the same work."""
    Load(triggers[0], tmp_path).run()
    internal = {"sales_totals"}  # what our marts are added up from
    for place in sorted(place for place in (lakes[0] / "gold").iterdir() if place.name not in internal):
        ours, theirs = DeltaTable(place), DeltaTable(tmp_path / "gold" / place.name)
        names = [field.name for field in ours.schema().fields if field.name not in verify.OURS_ALONE]
        assert sorted(names) == sorted(field.name for field in theirs.schema().fields), place.name
        assert theirs.to_pyarrow_dataset().count_rows() == ours.to_pyarrow_dataset().count_rows(), place.name
    assert DeltaTable(tmp_path / "bronze" / "orders").to_pyarrow_dataset().count_rows() == SIZE.orders


def test_a_seed_gives_the_same_files(triggers: list[Path], tmp_path: Path) -> None:
    """Another run writes the same bytes; another seed, or no defects, others."""
    again = data.deliver(SIZE, tmp_path / "again", batches=1)
    for one, two in zip(triggers, again, strict=True):
        for file in one.parent.iterdir():
            assert file.read_bytes() == (two.parent / file.name).read_bytes(), file.name
    others = [dataclasses.replace(SIZE, seed=8), dataclasses.replace(SIZE, defects=0.0)]
    for number, size in enumerate(others):
        [other] = data.deliver(size, tmp_path / str(number))
        name = f"orders_{size.last_day:%Y_%m_%d}.csv"
        assert (other.parent / name).read_bytes() != (triggers[0].parent / name).read_bytes()


def test_memory_of_children_counts() -> None:
    """The peak of a process holds what its child had at the same time."""
    child = "import time; held = b'x' * 200_000_000; time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True); print('{{}}')"
    ran = processes.run([sys.executable, "-c", parent])
    if ran.peak_bytes is None:
        pytest.skip("this system has no /proc")
    assert 200e6 < ran.peak_bytes < 400e6
    assert 0.5 < ran.seconds < 30


def test_a_verdict_is_measured() -> None:
    """A figure above its limit is missed, one at it is met, one without a limit is not judged."""
    assert [Figure("f", value, limit).verdict for value, limit in ((1.5, 1.5), (1.51, 1.5), (9.0, None), (None, 1.0))] == [
        "met",
        "MISSED",
        "",
        "not measured",
    ]
    assert json.loads(json.dumps(dataclasses.asdict(Figure("f", 1.0)))) == {"name": "f", "value": 1.0, "limit": None, "unit": "x"}
