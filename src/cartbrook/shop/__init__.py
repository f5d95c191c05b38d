"""A made-up shop: seeded, realistic deliveries with as many defects as asked for.

What `cartbrook generate`, `cartbrook demo`, the tests and the benchmarks feed the pipeline with. Plain Python; the same plan
gives the same bytes on every machine. People, addresses and e-mails are invented (example.com, 555-01xx).
"""

from __future__ import annotations

from cartbrook.shop.days import generate
from cartbrook.shop.model import COLUMNS, KINDS, OUTCOMES, Delivery, Planted, ShopPlan
from cartbrook.shop.writer import write_deliveries

__all__ = ["COLUMNS", "KINDS", "OUTCOMES", "Delivery", "Planted", "ShopPlan", "generate", "write_deliveries"]
