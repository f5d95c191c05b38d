"""What facts and marts depend on beside the tables: settings, the business date and the reporting currency."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from cartbrook.config import Settings
from cartbrook.contracts.model import Contracts
from cartbrook.frames.facts import FactSettings
from cartbrook.frames.marts import MartContext, reporting_currency


def fact_settings(settings: Settings) -> FactSettings:
    """The settings that facts depend on."""
    return FactSettings(settings.hemisphere, settings.default_margin_rate, settings.category_margin_rates)


def mart_context(
    settings: Settings,
    contracts: Contracts,
    as_of: dt.date | None,
    totals: Iterable[Mapping[str, Any]] = (),
    as_of_before: dt.date | None = None,
) -> MartContext:
    """What marts depend on.

    Args:
        as_of: The business date; None with no live batch.
        totals: Rows of gold.sales_totals, of grain `all`; what is intermediate can be made without.
        as_of_before: The business date of the published marts, where these are brought up to date.
    """
    return MartContext(
        as_of=as_of,
        currency=settings.reporting_currency or reporting_currency(totals),
        customer_segments=settings.customer_segments,
        performance_categories=settings.performance_categories,
        several_lines=contracts["orders"].key != ("order_id",),
        as_of_before=as_of_before,
    )
