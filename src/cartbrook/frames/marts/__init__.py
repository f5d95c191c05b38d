"""Marts: tables of figures, each a function of facts, dimensions and the business date. One file per mart, listed in MARTS.

Money of different currencies is never added: currency is in the key of every mart with money, and counts are not additive across
currencies. Without a business date (no live batch) every mart is empty, kpi_summary too.
"""

from __future__ import annotations

from cartbrook.frames.marts import (
    category_summary,
    customer_analytics,
    inventory_health,
    kpi_daily,
    kpi_summary,
    product_performance,
    sales_trends,
    seasonal_analysis,
    segment_summary,
    shipping_performance,
)
from cartbrook.frames.marts.mart import Mart, MartContext
from cartbrook.frames.marts.measures import reporting_currency

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
"""All marts; none reads another, so they may be written in any order or at once."""

__all__ = ["MARTS", "Mart", "MartContext", "reporting_currency"]
