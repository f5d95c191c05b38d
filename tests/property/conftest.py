"""Workspaces for the property tests, and the check that all of them end with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.property.oracle import Expected, Version

from cartbrook import pipeline
from cartbrook.config import Settings
from cartbrook.testing import Content, content, differences, submit

if TYPE_CHECKING:
    from tests.property.shops import Shop

    from cartbrook.contracts.model import Contract
    from cartbrook.lake.lake import Lake

SETTINGS = Settings(stable_seconds=Decimal(0))


class Workshop:
    """Makes workspaces by copying prepared ones, and runs shops in them."""

    def __init__(self, engine: Any, folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._made = 0

    def prepared(self, name: str, contracts: dict[str, str]) -> Path:
        """An empty workspace with the shop's own contracts, by domain."""
        root = self._folder / name
        if not root.exists():
            (root / "contracts").mkdir(parents=True)
            for domain, text in contracts.items():
                (root / "contracts" / f"{domain}.odcs.yaml").write_text(text)
            with pipeline.open_lake(root, SETTINGS, engine=self._engine, create=True) as lake:
                pipeline.init(lake)
        return root

    @contextmanager
    def copy(self, prepared: Path) -> Iterator[Lake]:
        """An open lake in a copy, which is removed in the end."""
        self._made += 1
        root = shutil.copytree(prepared, self._folder / f"copy-{self._made}")
        try:
            with pipeline.open_lake(root, SETTINGS, engine=self._engine) as lake:
                yield lake
        finally:
            shutil.rmtree(root)

    def holds(self, shop: Shop, name: str = "built-in", contracts: dict[str, str] | None = None) -> None:
        """Assert everything that must hold of a shop, whatever happened in it."""
        prepared = self.prepared(name, contracts or {})
        with self.copy(prepared) as lake, self.copy(prepared) as straight:
            play(lake, shop)
            found = content(lake)
            require_expected(lake, shop)

            for delivery in shop.live.values():
                submit(straight.places.root, delivery, straight.contracts)
            outcomes = pipeline.run(straight)
            assert all(outcome.status == "published" for outcome in outcomes), outcomes
            assert differences(content(straight), found) == [], "another path leads elsewhere"

            pipeline.rebuild(lake, from_bronze=True)
            assert differences(found, content(lake)) == [], "rebuild --from-bronze changes tables"
            pipeline.rebuild(straight)
            assert differences(found, content(straight)) == [], "rebuild changes tables"
            require_proved(lake)

    def dimensions(self, shop: Shop, name: str, contracts: dict[str, str]) -> Content:
        """Both dimensions after a shop, which must be what the specification says."""
        with self.copy(self.prepared(name, contracts)) as lake:
            play(lake, shop)
            require_expected(lake, shop)
            return content(lake, ["gold.dim_customer", "gold.dim_product"])


def play(lake: Lake, shop: Shop) -> None:
    """Let happen what a shop says, one operation at a time."""
    live: dict[str, Any] = {}
    for action, delivery in shop.script:
        if action == "undo":
            if delivery.batch_id in live:
                del live[delivery.batch_id]
                assert pipeline.undo(lake, delivery.batch_id).status == "undone"
            continue
        submit(lake.places.root, delivery, lake.contracts)
        before = lake.ledger.newest().publish_seq
        outcomes = pipeline.run(lake)
        known = delivery.batch_id in live and _same(live[delivery.batch_id], delivery, lake)
        assert [outcome.status for outcome in outcomes] == ["unchanged" if known else "published"], outcomes
        assert lake.ledger.newest().publish_seq == before + (not known)
        live[delivery.batch_id] = delivery


def _same(one: Any, other: Any, lake: Lake) -> bool:
    return bool(one.batch_date == other.batch_date and one.texts(lake.contracts) == other.texts(lake.contracts))


def require_proved(lake: Lake) -> None:
    """Assert that `audit` finds nothing."""
    assert [finding for finding in pipeline.prove(lake) if finding.problem] == []


def require_expected(lake: Lake, shop: Shop) -> None:
    """Assert that the published tables are what the plain reading of the specification says."""
    expected = Expected(shop.live.values(), lake.contracts)
    newest = lake.ledger.newest()

    def rows(name: str) -> list[dict[str, Any]]:
        return list(lake.published(name, newest).toArrow().to_pylist())

    for domain in lake.contracts:
        held = {row["_record_id"] for row in rows(f"silver.{domain}")}
        assert held == expected.silver[domain], f"silver.{domain}"
    aside = rows("ops.quarantine")
    assert {row["quarantine_id"] for row in aside if row["status"] == "open"} == expected.open
    parked = {row["quarantine_id"]: tuple(row["rules"]) for row in aside if row["status"] == "parked"}
    assert parked == expected.parked
    assert len(aside) == len({row["quarantine_id"] for row in aside})
    for domain, name in (("customers", "customer"), ("products", "product")):
        contract = lake.contracts[domain]
        held_versions = [_held(row, contract, f"{name}_sk") for row in rows(f"gold.dim_{name}")]
        wanted = [_wanted(version, contract) for version in expected.dimensions[domain]]
        assert sorted(held_versions, key=repr) == sorted(wanted, key=repr), f"dim_{name}"
    orders = {row["order_id"]: (row["record_id"], row["customer_sk"], row["product_sk"]) for row in rows("gold.fact_orders")}
    assert orders == expected.orders
    shipping = {(row["order_id"], row["shipping_id"]): row["record_id"] for row in rows("gold.fact_shipping")}
    assert shipping == expected.shipping
    stock = {
        (row["product_id"], row["warehouse_id"], row["batch_date"]): (row["record_id"], row["product_sk"])
        for row in rows("gold.fact_inventory")
    }
    assert stock == expected.inventory


def _held(row: dict[str, Any], contract: Contract, surrogate: str) -> tuple[Any, ...]:
    names = [name for name in contract.names if contract.delete is None or name != contract.delete.column]
    validity = (_naive(row["effective_date"]), _naive(row["expiry_date"]), row["is_current"], row["version"], row[surrogate])
    return (*validity, *(_naive(row[name]) for name in names))


def _wanted(version: Version, contract: Contract) -> tuple[Any, ...]:
    names = [name for name in contract.names if contract.delete is None or name != contract.delete.column]
    validity = (version.start, version.end, version.end is None, version.number, version.surrogate)
    return (*validity, *(version.values[name] for name in names))


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value


@pytest.fixture(scope="session")
def workshop(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Makes workspaces on the engine under test."""
    return Workshop(engine, tmp_path_factory.mktemp("property"))


@pytest.fixture
def built_in() -> Callable[[str], str]:
    """The text of a built-in contract, for a test to change."""
    from cartbrook.contracts import load

    return lambda domain: (load._BUILT_IN / f"{domain}.odcs.yaml").read_text(encoding="utf-8")
