"""Workspaces for the property tests, and the check that all of them end with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.property.oracle import Expected, Version

from cartbrook import decisions, pipeline, runner
from cartbrook.config import Settings
from cartbrook.steps import marts, publish
from cartbrook.testing import Content, Delivery, content, differences, submit
from cartbrook.types import Decision

if TYPE_CHECKING:
    from tests.property.shops import Choice, Shop

    from cartbrook.contracts.model import Contract
    from cartbrook.lake.lake import Lake

SETTINGS = Settings(stable_seconds=Decimal(0), prune_from=0)  # keys are looked up as in a large lake


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

    def holds(
        self, shop: Shop, name: str = "built-in", contracts: dict[str, str] | None = None, *, thought_out: bool = False
    ) -> None:
        """Assert everything that must hold of a shop, whatever happened in it.

        Args:
            thought_out: Each operation is a case, whose outcome is compared with the specification; else the end is, and
                also with a lake that got what is live in the end, and nothing else.
        """
        prepared = self.prepared(name, contracts or {})
        with self.copy(prepared) as lake:
            with the_short_way():  # all else here goes the long way
                past = play(lake, shop, require_expected if thought_out else None)
            found = content(lake)
            if not thought_out:
                require_expected(lake, past)
                self._straight(prepared, past, found)
            require_rebuilt(lake, found)
            require_proved(lake)

    def _straight(self, prepared: Path, past: Past, found: Content) -> None:
        with self.copy(prepared) as lake:
            decide_before(lake, past)
            for delivery in past.live.values():
                submit(lake.places.root, delivery, lake.contracts)
            outcomes = pipeline.run(lake, list(past.live))
            assert all(outcome.status == "published" for outcome in outcomes), outcomes
            assert differences(content(lake), found) == [], "another path leads elsewhere"
            pipeline.rebuild(lake)
            assert differences(found, content(lake)) == [], "rebuild changes tables"

    def dimensions(self, shop: Shop, name: str, contracts: dict[str, str]) -> Content:
        """Both dimensions after a shop, which must be what the specification says."""
        with self.copy(self.prepared(name, contracts)) as lake:
            require_expected(lake, play(lake, shop))
            return content(lake, ["gold.dim_customer", "gold.dim_product"])


@contextmanager
def the_short_way() -> Iterator[None]:
    """Marts are brought up to date as in a lake of millions, however small the lake; some by conditions and some by joins."""
    limits = {"FEW_ORDERS": 0, "MANY_ROWS": 0, "SMALL_PART": 0, "FEW_KEYS": 2}
    before = {name: getattr(marts, name) for name in limits}
    try:
        for name, value in limits.items():
            setattr(marts, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(marts, name, value)


@dataclass
class Past:
    """What a shop has come to.

    Attributes:
        live: The deliveries that are live, by batch.
        last: The last content of each batch that was live.
        decisions: The decision in force on each record: kind and, for a fix, its text; with batch and domain of the record.
    """

    live: dict[str, Delivery] = field(default_factory=dict)
    last: dict[str, Delivery] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    places: dict[str, dict[str, Any]] = field(default_factory=dict)


def play(lake: Lake, shop: Shop, after_each: Callable[[Lake, Past], None] | None = None) -> Past:
    """Let happen what a shop says, one operation at a time."""
    past = Past()
    for action, subject in shop.script:
        if action == "rebuild":
            require_rebuilt(lake, content(lake))
        elif action == "decide":
            choose(lake, subject, past)
        elif action == "undo":
            if past.live.pop(subject.batch_id, None) is not None:
                assert pipeline.undo(lake, subject.batch_id).status == "undone"
        elif action == "reprocess":
            if (last := past.last.get(subject.batch_id)) is not None:
                assert pipeline.reprocess(lake, subject.batch_id, confirmed=True).status == "published"
                past.live[subject.batch_id] = last
        else:
            submit(lake.places.root, subject, lake.contracts)
            before = publications(lake)
            outcomes = pipeline.run(lake, [subject.batch_id])
            known = subject.batch_id in past.live and _same(past.live[subject.batch_id], subject, lake)
            assert [outcome.status for outcome in outcomes] == ["unchanged" if known else "published"], outcomes
            assert publications(lake) == before + (not known)
            past.live[subject.batch_id] = past.last[subject.batch_id] = subject
        if after_each is not None:
            after_each(lake, past)
    return past


def publications(lake: Lake) -> int:
    """The number of publications; those of maintenance come by themselves."""
    return sum(publication.cause != "maintenance" for publication in lake.ledger.publications())


def choose(lake: Lake, choice: Choice, past: Past) -> None:
    """Take a decision on one of the records that it may be taken on now, if there is one."""
    rows = lake.tables.arrow("ops.quarantine", lake.ledger.newest().table_versions["ops.quarantine"]).to_pylist()
    statuses = {"release": ("open",), "discard": ("open", "parked", "corrected")}
    statuses = {"fix": ("open", "parked", "corrected", "discarded"), **statuses}
    if choice.kind == "revoke":
        allowed = [row for row in rows if row["decision"]]
    else:
        allowed = [row for row in rows if row["status"] in statuses[choice.kind]]
    if not allowed:
        return
    row = sorted(allowed, key=lambda row: str(row["quarantine_id"]))[choice.number % len(allowed)]
    id_, domain = row["quarantine_id"], row["domain"]
    text = None
    if choice.kind == "fix":
        held = json.loads(row["edited"] or row["record"])
        text = {name: held.get(name, "") for name in lake.contracts[domain].names} | dict(choice.rows[domain])
    decision = Decision(id_, choice.kind, text)
    [decided] = pipeline.decide(lake, [decision], confirmed=True)
    if choice.kind == "release" and row["edited"]:  # it tries the record as it reads now
        decision = replace(decision, edited=json.loads(row["edited"]))
    past.places[id_] = {"batch_id": decided.batch_id, "domain": decided.domain, "edited": row["edited"]}
    if choice.kind == "revoke":
        del past.decisions[id_]
    else:
        past.decisions[id_] = decision


def decide_before(lake: Lake, past: Past) -> None:
    """Record the decisions in a lake that has no batch yet, as if all batches had been there, and were undone."""
    if past.decisions:
        record = partial(decisions._record, list(past.decisions.values()), past.places)
        with lake.exclusive():
            operation = runner.operation(lake, "decision", lake.ledger.newest())
            runner.carry(lake, operation, {"decide": record, "publish": publish.run})


def _same(one: Any, other: Any, lake: Lake) -> bool:
    return bool(one.batch_date == other.batch_date and one.texts(lake.contracts) == other.texts(lake.contracts))


def require_rebuilt(lake: Lake, found: Content) -> None:
    """Assert that computing everything anew from raw records ends in the same tables."""
    pipeline.rebuild(lake, from_bronze=True)
    assert differences(found, content(lake)) == [], "rebuild --from-bronze changes tables"


def require_proved(lake: Lake) -> None:
    """Assert that `audit` finds nothing."""
    assert [finding for finding in pipeline.prove(lake) if finding.problem] == []


def require_expected(lake: Lake, past: Past) -> None:
    """Assert that the published tables are what the plain reading of the specification says."""
    expected = Expected(past.live.values(), lake.contracts, past.decisions)
    newest = lake.ledger.newest()

    def rows(name: str) -> list[dict[str, Any]]:
        return list(lake.tables.arrow(name, newest.table_versions[name]).to_pylist())

    for domain in lake.contracts:
        held = {row["_record_id"] for row in rows(f"silver.{domain}") if row["_kind"] in ("upsert", "delete")}
        assert held == expected.silver[domain], f"silver.{domain}"
    aside = rows("ops.quarantine")
    assert {row["quarantine_id"] for row in aside if row["status"] == "open"} == expected.open
    assert {row["quarantine_id"] for row in aside if row["status"] == "discarded"} == expected.discarded
    assert {row["quarantine_id"] for row in aside if row["status"] == "corrected"} == expected.corrected
    references = {reference.rule for contract in lake.contracts.values() for reference in contract.references}
    parked = {
        row["quarantine_id"]: tuple(rule for rule in row["rules"] if rule in references)
        for row in aside
        if row["status"] == "parked"
    }
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
    from cartbrook.contracts import conditions

    return lambda domain: (conditions.BUILT_IN / f"{domain}.odcs.yaml").read_text(encoding="utf-8")
