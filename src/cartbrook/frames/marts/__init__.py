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

SALES_TOTALS = sales_totals.MART
"""An internal table in gold, that the next batch goes on from."""

INTERMEDIATE: tuple[Mart, ...] = (SALES_TOTALS, customer_totals.MART)
"""What several marts are made of, made once for all of them."""

TABLES: tuple[Mart, ...] = (SALES_TOTALS, *MARTS)
"""Those that are tables."""


def sources(mart: Mart) -> set[str]:
    """The dimensions and facts that a mart is made of, by full name."""
    inner = {one.name: one.reads for one in INTERMEDIATE}
    return {f"gold.{source}" for name in mart.reads for source in inner.get(name, (name,))}


__all__ = ["INTERMEDIATE", "MARTS", "SALES_TOTALS", "TABLES", "Mart", "MartContext", "reporting_currency", "sources"]
