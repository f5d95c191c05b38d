"""Marts: tables of figures, each a function of facts, dimensions and the business date. One file per mart, listed in MARTS.

Money of different currencies is never added: currency is in the key of every mart with money, and counts are not additive across
currencies. Without a business date (no live batch) every mart is empty, kpi_summary too.
"""

from __future__ import annotations

from cartbrook.frames.marts import (
    category_summary,
    customer_analytics,
    customer_totals,
    inventory_health,
    kpi_daily,
    kpi_summary,
    product_performance,
    sales_totals,
    sales_trends,
    seasonal_analysis,
    segment_summary,
    shipping_performance,
)
from cartbrook.frames.marts.mart import Mart, MartContext
from cartbrook.frames.marts.sales_totals import reporting_currency

MARTS: tuple[Mart, ...] = (
    kpi_summary.MART,
    kpi_daily.MART,
    customer_analytics.MART,
    segment_summary.MART,
    product_performance.MART,
    category_summary.MART,
    seasonal_analysis.MART,
    sales_trends.MART,
    inventory_health.MART,
    shipping_performance.MART,
)
"""All marts. They read gold, and INTERMEDIATE ones; none reads another, so they may be written in any order or at once."""

SALES_TOTALS, CUSTOMER_TOTALS = sales_totals.MART, customer_totals.MART
INTERMEDIATE: dict[str, Mart] = {mart.name: mart for mart in (SALES_TOTALS, CUSTOMER_TOTALS)}
"""What marts are made of, by name: made of gold once for all that read it. SALES_TOTALS is a table in gold of its own."""


def sources(mart: Mart) -> set[str]:
    """The dimensions and facts that a mart is made of."""
    names = (INTERMEDIATE[name].reads if name in INTERMEDIATE else (name,) for name in mart.reads)
    return {name for part in names for name in part}


__all__ = [
    "CUSTOMER_TOTALS",
    "INTERMEDIATE",
    "MARTS",
    "SALES_TOTALS",
    "Mart",
    "MartContext",
    "reporting_currency",
    "sources",
]
