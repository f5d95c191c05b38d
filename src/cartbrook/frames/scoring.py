"""Counting broken rules and scoring a batch: severity scores, action decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cartbrook.contracts.model import Contract, Rule, Scope, Severity
from cartbrook.frames.quarantine import OPEN
from cartbrook.frames.rules import switched_off
from cartbrook.frames.schema import surrogate_key

TOTAL = "*"
"""The pseudo rule under which the number of records of a domain is counted."""

_COUNTS = ("rule", "checked", "failed", "amount")
_MONEY = "decimal(28,2)"


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a rule was applied and broken, and the money in the records that broke it."""

    checked: int
    failed: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One row of ops.quality_results, beside batch and revision."""

    domain: str
    rule: str
    severity: str
    dimension: str
    rows_checked: int
    rows_failed: int
    amount_at_risk: Decimal
    status: str


def batch_counts(silver: DataFrame, quarantine: DataFrame, contract: Contract) -> DataFrame:
    """Broken rules that look no further than the batch and its references, from what validation wrote.

    Args:
        silver: The batch's slice of silver.<domain>.
        quarantine: The batch's open and parked rows of ops.quarantine, of this domain.

    Returns:
        rule, checked (only for the pseudo rule TOTAL: records, without exact duplicates), failed, amount.
    """
    amount = _amount(contract)
    total = F.array(F.lit(TOTAL))
    flags = silver.select(F.explode(F.concat("_flags", total)).alias("_flag"), amount.alias("amount")).select(
        F.substring_index("_flag", ":", 1).alias("rule"), "amount"
    )
    # A parked record is in silver, and counted there.
    names = F.when(F.col("status") == OPEN, F.concat("rules", total)).otherwise(F.col("rules"))
    rules = quarantine.select(F.explode(names).alias("rule"), F.col("amount").cast(_MONEY).alias("amount"))
    counted = flags.unionByName(rules).groupBy("rule").agg(F.count(F.lit(1)).alias("_n"), F.sum("amount").alias("_sum"))
    is_total, none = F.col("rule") == TOTAL, F.lit(0)
    return counted.select(
        "rule",
        F.when(is_total, F.col("_n")).otherwise(none.cast("bigint")).alias("checked"),
        F.when(is_total, none.cast("bigint")).otherwise(F.col("_n")).alias("failed"),
        F.when(is_total, none.cast(_MONEY)).otherwise(F.col("_sum").cast(_MONEY)).alias("amount"),
    )


def lake_counts(context: DataFrame, rules: Sequence[Rule], contract: Contract) -> DataFrame:
    """Broken rules of scope LAKE.

    Args:
        context: One row per delivered key that is in gold, with the columns its rules name (see `order_context` and the others).

    Returns:
        rule, checked, failed, amount; a row for each rule.
    """
    amount = F.coalesce(_amount(contract), F.lit(0).cast(_MONEY))
    parts: list[Column] = []
    for rule in rules:
        assert rule.expect is not None
        broken = ~F.coalesce(F.expr(rule.expect), F.lit(True))
        parts.append(
            F.struct(
                F.lit(rule.name).alias("rule"),
                F.count(F.lit(1)).alias("checked"),
                F.coalesce(F.sum(broken.cast("bigint")), F.lit(0).cast("bigint")).alias("failed"),
                F.coalesce(F.sum(F.when(broken, amount)), F.lit(0)).cast(_MONEY).alias("amount"),
            )
        )
    return (
        context.agg(F.array(*parts).alias("_parts")).select(F.explode("_parts").alias("_part")).select("_part.*").select(*_COUNTS)
    )


def order_context(orders: DataFrame, dim_customer: DataFrame, dim_product: DataFrame, shipping: DataFrame) -> DataFrame:
    """Facts of delivered orders with `customer` and `product` (the bound versions) and `shipments` (live ones)."""
    shipments = (
        shipping.join(orders.select("order_id"), "order_id", "left_semi").groupBy("order_id").agg(F.count(F.lit(1)).alias("_n"))
    )
    return (
        orders.join(_version(dim_customer, "customers"), "customer_sk", "left")
        .join(_version(dim_product, "products"), "product_sk", "left")
        .join(shipments, "order_id", "left")
        .withColumn("shipments", F.coalesce("_n", F.lit(0)))
    )


def product_context(products: DataFrame, inventory: DataFrame) -> DataFrame:
    """Current versions of delivered products with `inventory`: warehouses and stock_quantity of their newest snapshots."""
    newest = inventory.join(products.select("product_id"), "product_id", "left_semi")
    newest = newest.groupBy("product_id", "warehouse_id").agg(F.max_by("stock_quantity", "batch_date").alias("stock"))
    stock = newest.groupBy("product_id").agg(F.count(F.lit(1)).alias("_n"), F.sum("stock").alias("_stock"))
    held = F.struct(F.coalesce("_n", F.lit(0)).alias("warehouses"), F.col("_stock").alias("stock_quantity"))
    return products.join(stock, "product_id", "left").withColumn("inventory", held)


def customer_context(customers: DataFrame, orders: DataFrame) -> DataFrame:
    """Current versions of delivered customers with `orders`: the number of their live orders."""
    counts = (
        orders.join(customers.select("customer_id"), "customer_id", "left_semi")
        .groupBy("customer_id")
        .agg(F.count(F.lit(1)).alias("_n"))
    )
    return customers.join(counts, "customer_id", "left").withColumn("orders", F.coalesce("_n", F.lit(0)))


def tallies(counted: Iterable[Mapping[str, Any]]) -> dict[str, Tally]:
    """Collected rows of `batch_counts` and `lake_counts` by rule."""
    return {row["rule"]: Tally(row["checked"], row["failed"], row["amount"] or Decimal(0)) for row in counted}


def results(
    contract: Contract, tallies: Mapping[str, Tally], switches: Mapping[str, bool], evaluable: Iterable[str]
) -> list[RuleResult]:
    """One result per rule of a contract, zeros included.

    Args:
        tallies: Counts by rule name, TOTAL among them.
        evaluable: Domains of which the lake holds records; a rule that needs another one is not evaluated.
    """
    present = set(evaluable)
    return [_result(contract, rule, tallies, switches, present) for rule in contract.rules]


def score(rules: Iterable[RuleResult]) -> Decimal | None:
    """Score of a batch, 0 to 100: 100 x (1 - sum(w x failed / checked) / sum(w)) over the evaluated rules; None without any.

    w is 10, 5, 2, 1 from CRITICAL to LOW. Rounded half-up to two digits.
    """
    weights = Decimal(0)
    lost = Decimal(0)
    for rule in rules:
        if rule.status in ("skipped", "not_evaluated"):
            continue
        weight = Severity(rule.severity).weight
        weights += weight
        lost += weight * Decimal(rule.rows_failed) / Decimal(rule.rows_checked)
    if not weights:
        return None
    return (100 * (1 - lost / weights)).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")


def _result(
    contract: Contract, rule: Rule, tallies: Mapping[str, Tally], switches: Mapping[str, bool], present: set[str]
) -> RuleResult:
    nothing = Tally(0, 0, Decimal(0))
    tally = tallies.get(rule.name, nothing)
    checked = tally.checked if rule.scope is Scope.LAKE else tallies.get(TOTAL, nothing).checked
    if switched_off(rule, switches):
        status = "skipped"
    elif checked == 0 or not present.issuperset(rule.needs):
        status = "not_evaluated"
    elif tally.failed == 0:
        status = "pass"
    else:
        status = "warn" if rule.action.value == "keep" else "fail"
    counted = status not in ("skipped", "not_evaluated")
    return RuleResult(
        domain=contract.domain,
        rule=rule.name,
        severity=rule.severity.value,
        dimension=rule.dimension,
        rows_checked=checked if counted else 0,
        rows_failed=tally.failed if counted else 0,
        amount_at_risk=tally.amount if counted else Decimal(0),
        status=status,
    )


def _amount(contract: Contract) -> Column:
    return F.col(contract.amount).cast(_MONEY) if contract.amount else F.lit(None).cast(_MONEY)


def _version(dimension: DataFrame, domain: str) -> DataFrame:
    key = surrogate_key(domain)
    return dimension.select(key, F.struct(*dimension.columns).alias(key.removesuffix("_sk")))
