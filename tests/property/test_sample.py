"""The sampler for users' tests gives rows that the pipeline takes."""

from __future__ import annotations

import datetime as dt

import pytest

from cartbrook import pipeline
from cartbrook.testing import Delivery, sample_rows, submit


@pytest.mark.slow
def test_sampled_rows_are_accepted(workshop):
    """Every sampled row of every domain is accepted, and the same seed gives the same rows."""
    seed = 1
    with workshop.copy(workshop.prepared("built-in", {})) as lake:
        rows = {"customers": sample_rows(lake.contracts["customers"], 50, seed)}
        rows["products"] = sample_rows(lake.contracts["products"], 40, seed)
        customers = {"customer_id": [row["customer_id"] for row in rows["customers"]]}
        products = {"product_id": [row["product_id"] for row in rows["products"]]}
        rows["orders"] = sample_rows(lake.contracts["orders"], 60, seed, {**customers, **products})
        orders = {"order_id": [row["order_id"] for row in rows["orders"]]}
        rows["shipping"] = sample_rows(lake.contracts["shipping"], 40, seed, orders)
        rows["inventory"] = sample_rows(lake.contracts["inventory"], 40, seed, products)
        assert rows["customers"] == sample_rows(lake.contracts["customers"], 50, seed)
        submit(lake.places.root, Delivery("b1", dt.date(2025, 2, 1), rows), lake.contracts)
        (outcome,) = pipeline.run(lake)
        assert outcome.status == "published"
        assert {state: rows for state, rows in outcome.rows.items() if rows} == {"accepted": 230}
