"""What facts and marts depend on beside the tables: settings, the business date and the reporting currency."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import DataFrame

from cartbrook.config import Settings
from cartbrook.frames.facts import FactSettings
from cartbrook.frames.marts import MartContext, reporting_currency
from cartbrook.lake.values import fetch


def fact_settings(settings: Settings) -> FactSettings:
    """The settings that facts depend on."""
    return FactSettings(settings.hemisphere, settings.default_margin_rate, settings.category_margin_rates)


def mart_context(settings: Settings, as_of: dt.date | None, orders: DataFrame) -> MartContext:
    """What marts depend on.

    Args:
        as_of: The business date; None with no live batch.
        orders: gold.fact_orders.
    """
    return MartContext(
        as_of=as_of,
        currency=settings.reporting_currency or _most_used(orders),
        customer_segments=settings.customer_segments,
        performance_categories=settings.performance_categories,
    )


def _most_used(orders: DataFrame) -> str:
    """The currency with most orders, USD before any order."""
    rows = fetch(reporting_currency(orders.where("currency IS NOT NULL")))
    return str(rows[0]["currency"]) if rows else "USD"
