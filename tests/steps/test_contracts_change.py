"""A shop changes its contracts after `init`: what tables take on, and what is refused."""

from __future__ import annotations

import dataclasses
from collections import Counter
from decimal import Decimal

import pytest
from deltalake import DeltaTable
from tests.property.shops import batch, customer, order, product, shipment

from cartbrook.config import Settings
from cartbrook.contracts.load import load_contracts, parse_contract
from cartbrook.errors import ContractError, LogicChanged
from cartbrook.testing import content, differences, submit

QUICK = Settings(stable_seconds=Decimal(0), parallel=2)
BUILT_IN = load_contracts()
COST = "      - name: cost\n        physicalType: decimal(12,2)\n"
BRAND = "      - name: brand\n"


def text_of(domain: str) -> str:
    """The built-in contract as it is written."""
    import cartbrook.contracts.load as module

    return (module.BUILT_IN / f"{domain}.odcs.yaml").read_text(encoding="utf-8")


FIRST = batch(
    1, 10, customers=[customer()], products=[product(), product("p2", material="oak")], orders=[order(day="2025-01-10")]
)
SECOND = batch(2, 11, products=[product(price="11.00")])


class Shop:
    """A workspace whose contracts change."""

    def __init__(self, shelf, engine, root) -> None:
        self._shelf = shelf
        self._engine = engine
        self._root = root

    def begins(self, *batches) -> None:
        """Let some batches be published under the built-in contracts."""
        self._shelf(self._root, *batches)

    def __call__(self, *edits: tuple[str, str], domain: str = "products"):
        """Its lake, opened under a changed contract of a domain."""
        from cartbrook import pipeline

        if not self._root.exists():
            self.begins()
        text = text_of(domain)
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new, 1)
        (self._root / "contracts" / f"{domain}.odcs.yaml").write_text(text, encoding="utf-8")
        return pipeline.open_lake(self._root, QUICK, engine=self._engine)


@pytest.fixture
def shop(shelf, engine, tmp_path):
    """A workspace after `init`, or with what it `begins` with."""
    return Shop(shelf, engine, tmp_path / "shop")


def evolving(lake, operation):
    """`evolve` as a step of an operation."""
    from cartbrook.types import StepResult

    del operation
    lake.evolve()
    return StepResult()


def columns(lake, name: str) -> list[str]:
    """The columns of a table's head."""
    return [field.name for field in DeltaTable(str(lake.places.lake / name.replace(".", "/"))).schema().fields]


def test_nothing_changes_where_nothing_changed(shop):
    """Tables of every kind, the ledger's included, are stored as they are declared."""
    with shop() as lake:
        assert lake.evolve() == ()


def test_a_new_column_reaches_every_table_of_its_domain(shop):
    """The tables that hold it are altered once, and named."""
    with shop((BRAND, COST + BRAND)) as lake:
        assert sorted(lake.evolve()) == ["bronze.products", "gold.dim_product", "silver.products"]
        assert all("cost" in columns(lake, name) for name in ("bronze.products", "gold.dim_product", "silver.products"))
        assert lake.evolve() == ()


def test_settling_before_it_is_published_takes_it_away(shop):
    """So it belongs into an operation, after `settle` and before `publish`; bronze is never settled."""
    with shop((BRAND, COST + BRAND)) as lake:
        lake.evolve()
        assert sorted(lake.settle(lake.ledger.newest().table_versions)) == ["gold.dim_product", "silver.products"]
        assert sorted(lake.evolve()) == ["gold.dim_product", "silver.products"]


def test_a_batch_before_and_a_batch_after(shop):
    """A figure's column asks for a rebuild, which publishes it with the rest; the next batch brings values."""
    from cartbrook import pipeline

    shop.begins(FIRST)
    with shop((BRAND, COST + BRAND)) as lake:
        before = lake.ledger.newest()
        with pytest.raises(LogicChanged):
            ran(lake)
        assert pipeline.rebuild(lake).status == "rebuilt"
        assert rows_of(lake, "gold.dim_product", "product_id", "cost") == [("p1", None), ("p2", None)]
        assert "cost" not in lake.published("gold.dim_product", before).columns
        hand_in(lake, 2, 16, products=[product(cost="4.00")])
        assert ran(lake) == ["published"]
        versions = rows_of(lake, "gold.dim_product", "product_id", "version", "cost")
        assert versions == [("p1", 1, None), ("p1", 2, Decimal("4.00")), ("p2", 1, None)]
        assert [finding for finding in pipeline.prove(lake) if finding.problem] == []


def test_an_empty_lake_needs_no_rebuild(shop):
    """Where nothing is live, evolve and publish are all there is to do."""
    from cartbrook import pipeline, runner
    from cartbrook.steps import publish

    with shop((BRAND, COST + BRAND)) as lake:
        assert [finding.problem for finding in pipeline.prove(lake)] == [None]
        with lake.exclusive():
            operation = runner.operation(lake, "rebuild", lake.ledger.newest())
            runner.carry(lake, operation, {"evolve": evolving, "publish": publish.run})
        assert lake.ledger.newest().logic_hash == lake.logic_hash
        hand_in(lake, 2, 16, products=[product(cost="4.00")])
        assert ran(lake) == ["published"]


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (
            ("physicalType: decimal(18,3)", "physicalType: decimal(18,2)"),
            "silver.products: column weight_kg is stored as decimal(18,3), but the contract says decimal(18,2)",
        ),
        (
            ("- name: material", "- name: stuff"),
            "silver.products: column material is stored and has values, but the contract has none",
        ),
        (
            ("- name: color", "- name: Color"),
            "bronze.products: column color is stored, in another case of letters than in the contract",
        ),
    ],
)
def test_other_changes_are_refused(shop, edit, problem):
    """Table and column are named, and no table is touched, not even by a column that could be added."""
    shop.begins(FIRST)
    with shop((BRAND, COST + BRAND), edit) as lake:
        before = lake.tables.heads(lake.tables_all())
        with pytest.raises(ContractError) as caught:
            lake.evolve()
        assert problem in caught.value.problems
        assert caught.value.hint
        assert lake.tables.heads(lake.tables_all()) == before


def test_a_new_column_cannot_join_the_key_of_records(shop):
    """Records that are there would have no key; an empty lake takes it on."""
    from cartbrook import pipeline

    key = "        required: true\n        primaryKey: true\n        primaryKeyPosition: 2\n"
    edits = ((BRAND, "      - name: variant\n        physicalType: string\n" + key + BRAND),
             ("{properties: [product_id]}", "{properties: [product_id, variant]}"))  # fmt: skip
    text = text_of("products")
    for old, new in edits:
        text = text.replace(old, new, 1)
    shop.begins(FIRST)
    with shop() as lake:
        contracts = {**BUILT_IN, "products": parse_contract(text, "products.odcs.yaml")}
        changed = dataclasses.replace(lake, contracts=contracts)
        changed.tables._schemas = {**lake.tables._schemas, **pipeline.schemas(contracts)}
        with pytest.raises(ContractError, match="variant is new and of the key"):
            changed.evolve()


ORIGIN = "      - name: origin\n        physicalType: string\n"
SHAPE = "      - name: shape\n        physicalType: string\n"
GIFT = "      - name: gift\n        physicalType: boolean\n"
BY = "      - name: shipping_address\n"


SHIPPING_ID_ALONE = (
    ("        primaryKey: true\n        primaryKeyPosition: 2\n", "        primaryKey: true\n        primaryKeyPosition: 1\n"),
    ("        primaryKey: true\n        primaryKeyPosition: 1\n        relationships:", "        relationships:"),
    ("{properties: [order_id, shipping_id]}", "{properties: [shipping_id]}"),
)


@pytest.mark.parametrize("shared", [True, False])
def test_records_of_a_batch_may_share_a_new_key(shop, shared):
    """They were validated under another key, and nothing says which wins: raw records do, and the others are quarantined."""
    from cartbrook import pipeline

    shipments = [shipment("s1", "o1"), shipment("s1" if shared else "s3", "o2"), shipment("s2", "o2")]
    shop.begins(batch(1, 10, customers=[customer()], products=[product()], orders=[order("o1"), order("o2")], shipping=shipments))
    with shop(*SHIPPING_ID_ALONE, domain="shipping") as lake:
        with pytest.raises(LogicChanged):
            ran(lake)
        if shared:
            with pytest.raises(LogicChanged, match="Records of shipping share their key") as caught:
                pipeline.rebuild(lake)
            assert "--from-bronze" in (caught.value.hint or "")
        assert pipeline.rebuild(lake, from_bronze=shared).status == "rebuilt"
        assert [key for (key,) in rows_of(lake, "gold.fact_shipping", "shipping_id")] == ["s1", "s2", *([] if shared else ["s3"])]
        aside = rows_of(lake, "ops.quarantine", "domain", "status", "rules")
        assert aside == ([("shipping", "open", ["duplicate_key"])] if shared else [])
        assert [finding for finding in pipeline.prove(lake) if finding.problem] == []
        assert pipeline.rebuild(lake).status == "rebuilt"


def hand_in(lake, number: int, day: int, **rows) -> None:
    """Put batch ``b<number>`` of a day in January into landing."""
    submit(lake.places.root, batch(number, day, **rows), lake.contracts)


def ran(lake) -> list[str]:
    """Run what waits; the status of each batch."""
    from cartbrook import pipeline

    return [outcome.status for outcome in pipeline.run(lake)]


def causes(lake) -> list[str]:
    """Why each publication was made, in order."""
    return [publication.cause for publication in reversed(lake.ledger.publications())]


def rows_of(lake, table: str, *names: str) -> list[tuple[object, ...]]:
    """Columns of a published table, sorted."""
    rows = lake.published(table, lake.ledger.newest()).select(*names).toArrow().to_pylist()
    return sorted((tuple(row.values()) for row in rows), key=repr)


def values_alone(found):
    """Contents without the hashes of records, which are made of other columns after a contract changed."""
    return {
        table: Counter(tuple(pair for pair in row if pair[0] != "_record_hash") for row in rows.elements())
        for table, rows in found.items()
    }


def require_sound(lake) -> None:
    """Assert that gold computed anew from raw records is the same, and that proofs hold."""
    from cartbrook import pipeline

    found = content(lake)
    pipeline.rebuild(lake, from_bronze=True)
    assert differences(values_alone(found), values_alone(content(lake))) == []
    assert [finding for finding in pipeline.prove(lake) if finding.problem] == []


@pytest.mark.parametrize("tracked", [True, False])
def test_a_plain_column_just_comes(shop, tracked):
    """The next run adds it and goes on; it opens a version where a record brings a value, if it is tracked."""
    from cartbrook import pipeline

    shop.begins(FIRST)
    untracked = "        customProperties: [{property: tracked, value: false}]\n"
    with shop((BRAND, ORIGIN + ("" if tracked else untracked) + BRAND)) as lake:
        before = lake.ledger.newest()
        assert "origin" not in lake.published("gold.dim_product", before).columns
        hand_in(
            lake, 2, 12, products=[product(origin="Peru")], orders=[order("o2", day="2025-01-12"), order("o3", day="2025-01-11")]
        )
        assert ran(lake) == ["published"]
        assert causes(lake) == ["init", "batch", "evolve", "batch"]
        assert "origin" not in lake.published("gold.dim_product", before).columns
        versions = [("p1", 1, None), ("p1", 2, "Peru")] if tracked else [("p1", 1, "Peru")]
        assert rows_of(lake, "gold.dim_product", "product_id", "version", "origin") == [*versions, ("p2", 1, None)]
        bound = len({key for _, key in rows_of(lake, "gold.fact_orders", "order_id", "product_sk")})
        assert bound == (2 if tracked else 1)
        found = content(lake)
        pipeline.rebuild(lake)
        assert differences(found, content(lake)) == []
        require_sound(lake)


def test_a_plain_column_of_orders_just_comes(shop):
    """Facts have it as well, and an order that comes again brings its value."""
    shop.begins(batch(1, 10, customers=[customer()], products=[product()], orders=[order(), order("o2"), order("o9", "c9")]))
    with shop((BY, GIFT + BY), domain="orders") as lake:
        hand_in(lake, 2, 12, customers=[customer("c9")], orders=[order(gift="true"), order("o3", gift="maybe")])
        assert ran(lake) == ["published"]
        assert rows_of(lake, "gold.fact_orders", "order_id", "gift") == [("o1", True), ("o2", None), ("o9", None)]
        assert rows_of(lake, "ops.quarantine", "rules", "status") == [(["gift_type"], "open"), (["unknown_customer"], "released")]
        require_sound(lake)


def test_every_writing_operation_brings_it(shop):
    """An undo adds it first, and so does a run without anything to do; reading does not."""
    from cartbrook import pipeline
    from cartbrook.cli import reports

    shop.begins(FIRST, SECOND)
    with shop((BRAND, ORIGIN + BRAND)) as lake:
        seq = lake.ledger.newest().publish_seq
        assert [finding for finding in pipeline.prove(lake) if finding.problem] == []
        assert not reports.status(lake, lake.places.root)["needs_rebuild"]
        assert lake.ledger.newest().publish_seq == seq
        assert pipeline.undo(lake, "b2").status == "undone"
        assert causes(lake)[-2:] == ["evolve", "undo"]
        assert rows_of(lake, "gold.dim_product", "price", "origin") == [(Decimal("10.00"), None)] * 2
        require_sound(lake)
    with shop((BRAND, ORIGIN + SHAPE + BRAND)) as lake:
        assert ran(lake) == []
        assert causes(lake)[-1] == "evolve"
        assert ran(lake) == []
        assert causes(lake)[-2:] == ["rebuild", "evolve"]


@pytest.mark.parametrize(
    ("domain", "edits"),
    [
        ("orders", [(BY, "      - name: quantity\n        physicalType: integer\n" + BY)]),
        ("orders", [(BY, "      - name: paid\n        physicalType: date\n" + BY), ("value: order_date", "value: paid")]),
        ("products", [(BRAND, ORIGIN + BRAND), ("{property: tracked, value: false}", "{property: tracked, value: true}")]),
        ("products", [(BRAND, ORIGIN + BRAND), ("- name: color", "- name: colour")]),
        ("products", [("physicalType: decimal(12,2)", "physicalType: decimal(13,2)")]),
    ],
)
def test_all_else_asks_for_a_rebuild(shop, domain, edits):
    """A column that figures use, one that a setting names, one that comes beside another change: nothing is written before."""
    from cartbrook import pipeline
    from cartbrook.cli import reports

    shop.begins(FIRST)
    with shop(*edits, domain=domain) as lake:
        before = lake.tables.heads(lake.tables_all())
        for operation in (ran, pipeline.prove, lambda lake: pipeline.undo(lake, "b1")):
            with pytest.raises(LogicChanged):
                operation(lake)
        assert reports.status(lake, lake.places.root)["needs_rebuild"]
        assert lake.tables.heads(lake.tables_all()) == before
        assert pipeline.rebuild(lake).status == "rebuilt"
        if domain == "orders":  # bindings and books follow its settings
            assert [finding for finding in pipeline.prove(lake) if finding.problem] == []
        assert ran(lake) == []


def test_interrupted_before_it_is_published(shop, monkeypatch):
    """What was added and not published is taken away and added anew, whether or not the contract is still the same."""
    shop.begins(FIRST)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with shop((BRAND, ORIGIN + BRAND)) as lake:
        monkeypatch.setattr("cartbrook.lake.ledger.Ledger.publish", dies)
        with pytest.raises(KeyboardInterrupt):
            ran(lake)
        monkeypatch.undo()
        assert "origin" in columns(lake, "silver.products")
        assert ran(lake) == []
        assert causes(lake) == ["init", "batch", "evolve"]
    with shop((BRAND, ORIGIN + SHAPE + BRAND)) as lake:
        monkeypatch.setattr("cartbrook.lake.ledger.Ledger.publish", dies)
        with pytest.raises(KeyboardInterrupt):
            ran(lake)
        monkeypatch.undo()
    with shop((BRAND, ORIGIN + SHAPE.replace("string", "integer") + BRAND)) as lake:
        hand_in(lake, 2, 11, products=[product(shape="4")])
        assert ran(lake) == ["published"]
        assert rows_of(lake, "gold.dim_product", "product_id", "version", "shape") == [
            ("p1", 1, None),
            ("p1", 2, 4),
            ("p2", 1, None),
        ]
        require_sound(lake)


def test_taken_away_before_it_was_published(shop):
    """Bronze keeps the column, which is nobody's harm: it is NULL from then on."""
    shop.begins(FIRST)
    with shop((BRAND, ORIGIN + BRAND)) as lake:
        lake.evolve()  # and the process ends
    with shop() as lake:
        hand_in(lake, 2, 11, products=[product(price="11.00")])
        assert ran(lake) == ["published"]
        assert causes(lake) == ["init", "batch", "batch"]
        assert "origin" in columns(lake, "bronze.products")
        assert "origin" not in columns(lake, "silver.products")
        require_sound(lake)


@pytest.mark.parametrize("instead", ["", ORIGIN])
def test_a_column_that_nobody_filled_may_go_again(shop, instead):
    """A slip in the contract can be corrected after it was published: the tables keep the column, and it is NULL."""
    from cartbrook import pipeline

    shop.begins(FIRST)
    with shop((BRAND, ORIGIN.replace("origin", "orgin") + BRAND)) as lake:
        assert ran(lake) == []
        hand_in(lake, 2, 11, products=[product(price="10.50")])
        assert ran(lake) == ["published"]
    with shop((BRAND, instead + BRAND)) as lake:
        assert [finding for finding in pipeline.prove(lake) if finding.problem] == []
        more = {"origin": "Peru"} if instead else {}
        hand_in(lake, 3, 12, products=[product(price="11.00", **more)])
        assert ran(lake) == ["published"]
        assert causes(lake) == ["init", "batch", "evolve", "batch", "evolve", "batch"]
        assert "orgin" in columns(lake, "gold.dim_product")
        assert rows_of(lake, "gold.dim_product", "orgin") == [(None,)] * 4
        require_sound(lake)


def test_a_column_with_values_does_not_go(shop):
    """It is told at once, and not only by the rebuild that could not do it."""
    from cartbrook import pipeline

    shop.begins(FIRST)
    with shop((BRAND, ORIGIN + BRAND)) as lake:
        hand_in(lake, 2, 11, products=[product(origin="Peru")])
        assert ran(lake) == ["published"]
    with shop() as lake:
        for operation in (ran, pipeline.prove, pipeline.rebuild):
            with pytest.raises(ContractError, match=r"silver\.products: column origin is stored and has values"):
                operation(lake)
    with shop((BRAND, ORIGIN + BRAND)) as lake:
        assert ran(lake) == []


def test_a_change_that_was_rebuilt_is_not_undone_by_history(shop):
    """Only columns that came by themselves go by themselves: after a rebuild the old contracts are another logic again."""
    from cartbrook import pipeline

    every = ("{property: tracked, value: false}", "{property: tracked, value: true}")
    shop.begins(*(batch(n, 9 + n, products=[product(stock_quantity=str(n))]) for n in (1, 2)))
    with shop((BRAND, ORIGIN + BRAND), every) as lake:
        assert pipeline.rebuild(lake).status == "rebuilt"
        assert len(rows_of(lake, "gold.dim_product", "version")) == 2
    with shop() as lake:
        with pytest.raises(LogicChanged):
            ran(lake)
        assert pipeline.rebuild(lake).status == "rebuilt"
        assert len(rows_of(lake, "gold.dim_product", "version")) == 1
        require_sound(lake)


def test_older_publications_are_proved_as_they_were(shop):
    """Under the contracts of their time, which are those in force without what came since."""
    from cartbrook import pipeline

    shop.begins(FIRST)
    with shop((BRAND, ORIGIN + BRAND)) as lake:
        hand_in(lake, 2, 11, products=[product(origin="Peru")])
        assert ran(lake) == ["published"]
        assert causes(lake) == ["init", "batch", "evolve", "batch"]
        for seq in (0, 1):
            assert [finding for finding in pipeline.prove(lake, publish_seq=seq) if finding.problem] == []
    with shop((BRAND, ORIGIN + SHAPE + BRAND)) as lake:
        assert ran(lake) == []
    with shop((BRAND, ORIGIN + BRAND)) as lake:  # it had no values: nothing else changed for the publications before it
        assert ran(lake) == []
        for seq in (1, 3):
            assert [finding for finding in pipeline.prove(lake, publish_seq=seq) if finding.problem] == []


def test_old_batches_are_made_anew_with_a_new_column(shop):
    """A decision on an old record and a batch taken in again from bronze follow the new contract; a lost column does no harm."""
    from cartbrook import pipeline
    from cartbrook.types import Decision

    shop.begins(batch(1, 10, products=[product(), product("p2", price="none")]))
    with shop((BRAND, SHAPE + BRAND)) as lake:
        assert ran(lake) == []
    with shop((BRAND, ORIGIN + BRAND)) as lake:
        [(bad,)] = rows_of(lake, "ops.quarantine", "quarantine_id")
        edited = {**product("p2"), "origin": "Peru"}
        assert [decided.after for decided in pipeline.decide(lake, [Decision(str(bad), "fix", edited)])] == ["corrected"]
        assert rows_of(lake, "gold.dim_product", "product_id", "origin", "shape") == [("p1", None, None), ("p2", "Peru", None)]
        assert pipeline.reprocess(lake, "b1", from_bronze=True).status == "published"
        assert rows_of(lake, "gold.dim_product", "product_id", "origin", "shape") == [("p1", None, None), ("p2", "Peru", None)]
        require_sound(lake)


def test_a_preview_sees_a_new_column_come(shop):
    """It tells what the batch would do, not that every row gains a column; the workspace itself stays as it is."""
    from cartbrook.preview import preview

    shop.begins(FIRST)
    with shop((BRAND, ORIGIN + BRAND)) as lake:
        hand_in(lake, 2, 11, products=[product(origin="Peru")])
        landing = lake.places.landing / "b2"
        trigger = lake.places.triggers / "b2.json"
        outbox = lake.places.root / "outbox"
        landing.rename(outbox)
        found = preview(lake, trigger.rename(outbox / "trigger.json"))
        assert found.outcome.status == "published"
        assert found.versions["dim_product"] == {"opened": 1, "closed": 1, "changed": 0, "removed": 0}
        assert causes(lake) == ["init", "batch"]
        assert "origin" not in columns(lake, "silver.products")


def test_the_reporting_currency_is_never_none():
    """Orders without a currency, as an amount-less contract allows them, do not decide."""
    from cartbrook.frames.marts import reporting_currency

    assert reporting_currency([{"orders": 2, "currency": None}, {"orders": 1, "currency": "EUR"}]) == "EUR"
    assert reporting_currency([{"orders": 2, "currency": None}]) == reporting_currency([]) == "USD"
