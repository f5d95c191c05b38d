"""The ten marts in DuckDB SQL, over tables named as in gold: what spec and docs/tables.md say, written a second time by hand.

The rival writes them, and `verify` compares ours with them: they share no code with the pipeline. Quotients are made from whole
numbers, since DuckDB divides decimals as floats. The variables `as_of` and `home` (the reporting currency) must be set.
"""

from __future__ import annotations

import duckdb

MACROS = """
CREATE OR REPLACE MACRO half_up(a, b) AS (2 * a + b) // (2 * b);
CREATE OR REPLACE MACRO mean(total, n) AS CASE WHEN n > 0 THEN
  (half_up((total * 100)::HUGEINT, n::HUGEINT)::DECIMAL(20, 0) * 0.01)::DECIMAL(18, 2) END;
CREATE OR REPLACE MACRO share(a, b) AS CASE WHEN b > 0 THEN
  (half_up((a * 1000000)::HUGEINT, (b * 100)::HUGEINT)::DECIMAL(14, 0) * 0.0001)::DECIMAL(9, 4) END;
CREATE OR REPLACE MACRO age_in_days(day) AS greatest(0, getvariable('as_of') - day)::INT;
CREATE OR REPLACE MACRO money(total) AS total::DECIMAL(18, 2);
"""

CUSTOMER_TOTALS = """
CREATE OR REPLACE TABLE customer_totals AS
WITH bought AS (
  SELECT customer_id, currency, count(*) AS orders, count(*) FILTER (is_revenue) AS revenue_orders,
    coalesce(sum(order_amount) FILTER (is_revenue), 0) AS revenue,
    min(order_date) FILTER (is_revenue) AS first_order_date, max(order_date) FILTER (is_revenue) AS last_order_date,
    count(DISTINCT product_id) FILTER (is_revenue) AS products,
    count(DISTINCT coalesce(category, 'unknown')) FILTER (is_revenue) AS categories
  FROM fact_orders GROUP BY ALL
), members AS (SELECT DISTINCT ON (customer_id) * FROM dim_customer ORDER BY customer_id, version DESC)
SELECT customer_id, coalesce(b.currency, getvariable('home')) AS currency, m.is_current, m.customer_tier, m.date_of_birth,
  coalesce(orders, 0) AS orders, coalesce(revenue_orders, 0) AS revenue_orders, money(coalesce(revenue, 0)) AS revenue,
  first_order_date, last_order_date, coalesce(products, 0) AS products, coalesce(categories, 0) AS categories,
  CASE WHEN b.revenue >= 1000 AND b.revenue_orders >= 5 THEN 'VIP'
    WHEN b.revenue >= 500 AND b.revenue_orders >= 3 THEN 'High Value'
    WHEN b.revenue >= 200 AND b.revenue_orders >= 2 THEN 'Medium Value' ELSE 'Low Value' END AS customer_segment
FROM members m LEFT JOIN bought b USING (customer_id)
"""
"""What two marts are made of."""

_KPI_SUMMARY = """
WITH buyers AS (
  SELECT currency, customer_id, min(order_date) AS first_day, max(order_date) AS last_day FROM fact_orders WHERE is_revenue
  GROUP BY ALL
), first_ever AS (SELECT customer_id, min(first_day) AS ever FROM buyers GROUP BY ALL),
of_buyers AS (
  SELECT currency, count(*) AS buying_customers,
    count(*) FILTER (last_day > getvariable('as_of') - 30 AND ever > getvariable('as_of') - 30) AS new_customers,
    count(*) FILTER (last_day > getvariable('as_of') - 30 AND ever <= getvariable('as_of') - 30) AS returning_customers
  FROM buyers JOIN first_ever USING (customer_id) GROUP BY ALL
), totals AS (
  SELECT currency, count(*) AS orders, count(*) FILTER (is_revenue) AS revenue_orders,
    coalesce(sum(order_amount) FILTER (is_revenue), 0) AS revenue,
    count(*) FILTER (order_status = 'cancelled') AS cancelled_orders,
    count(*) FILTER (order_status IN ('returned', 'refunded')) AS returned_orders,
    count(DISTINCT product_id) FILTER (is_revenue) AS products_sold, sum(margin) AS margin,
    CASE WHEN min(margin_source) <> max(margin_source) THEN 'mixed' ELSE min(margin_source) END AS margin_source
  FROM fact_orders GROUP BY ALL
)
SELECT coalesce(currency, getvariable('home')) AS currency, getvariable('as_of') AS as_of, coalesce(orders, 0) AS orders,
  coalesce(revenue_orders, 0) AS revenue_orders, money(coalesce(revenue, 0)) AS revenue,
  mean(revenue, revenue_orders) AS average_order_value, coalesce(cancelled_orders, 0) AS cancelled_orders,
  coalesce(returned_orders, 0) AS returned_orders, (SELECT count(*) FROM dim_customer WHERE is_current) AS customers,
  (SELECT count(*) FROM dim_product WHERE is_current) AS products, coalesce(buying_customers, 0) AS buying_customers,
  coalesce(products_sold, 0) AS products_sold, coalesce(new_customers, 0) AS new_customers,
  coalesce(returning_customers, 0) AS returning_customers, money(margin) AS margin, margin_source
FROM (SELECT 1) LEFT JOIN totals ON true LEFT JOIN of_buyers USING (currency)
"""
_KPI_DAILY = """
WITH spans AS (
  SELECT currency, min(order_date) AS first_day, greatest(max(order_date), getvariable('as_of')) AS last_day
  FROM fact_orders GROUP BY ALL
), calendar AS (SELECT currency, unnest(generate_series(first_day, last_day, INTERVAL 1 DAY))::DATE AS day FROM spans),
totals AS (
  SELECT order_date AS day, currency, count(*) AS orders, count(*) FILTER (is_revenue) AS revenue_orders,
    sum(order_amount) FILTER (is_revenue) AS revenue FROM fact_orders GROUP BY ALL
), first_ever AS (SELECT customer_id, min(order_date) AS ever FROM fact_orders WHERE is_revenue GROUP BY ALL),
visits AS (SELECT DISTINCT order_date AS day, currency, customer_id FROM fact_orders WHERE is_revenue),
buyers AS (
  SELECT day, currency, count(*) AS buying_customers, count(*) FILTER (day = ever) AS new_customers
  FROM visits JOIN first_ever USING (customer_id) GROUP BY ALL
)
SELECT day, currency, coalesce(orders, 0) AS orders, coalesce(revenue_orders, 0) AS revenue_orders,
  money(coalesce(revenue, 0)) AS revenue, mean(revenue, revenue_orders) AS average_order_value,
  coalesce(buying_customers, 0) AS buying_customers, coalesce(new_customers, 0) AS new_customers,
  money(sum(coalesce(revenue, 0)) OVER (PARTITION BY currency ORDER BY day)) AS cumulative_revenue
FROM calendar LEFT JOIN totals USING (day, currency) LEFT JOIN buyers USING (day, currency)
"""
_CUSTOMER_ANALYTICS = """
WITH ranked AS (
  SELECT *, rank() OVER (peers ORDER BY last_order_date) AS r, rank() OVER (peers ORDER BY revenue_orders) AS f,
    rank() OVER (peers ORDER BY revenue) AS m, count(*) OVER peers AS n,
    sum(revenue_orders) OVER everywhere AS all_orders, min(first_order_date) OVER everywhere AS first_ever,
    max(last_order_date) OVER everywhere AS last_ever
  FROM customer_totals
  WINDOW peers AS (PARTITION BY currency, revenue_orders > 0), everywhere AS (PARTITION BY customer_id)
), scored AS (
  SELECT *, CASE WHEN revenue_orders > 0 THEN (1 + 5 * (r - 1) // n)::INT END AS r_score,
    CASE WHEN revenue_orders > 0 THEN (1 + 5 * (f - 1) // n)::INT END AS f_score,
    CASE WHEN revenue_orders > 0 THEN (1 + 5 * (m - 1) // n)::INT END AS m_score,
    greatest(0, datesub('year', date_of_birth, getvariable('as_of')))::INT AS age
  FROM ranked
)
SELECT customer_id, currency, is_current, customer_tier, orders, revenue_orders, revenue,
  mean(revenue, revenue_orders) AS average_order_value, first_order_date, last_order_date,
  CASE WHEN last_order_date IS NOT NULL THEN age_in_days(last_order_date) END AS recency_days, products, categories,
  r_score, f_score, m_score, customer_segment,
  CASE WHEN all_orders = 0 THEN 'Prospect' WHEN first_ever > getvariable('as_of') - 30 THEN 'New'
    WHEN age_in_days(last_ever) <= 30 THEN 'Active' WHEN age_in_days(last_ever) <= 90 THEN 'At Risk'
    WHEN age_in_days(last_ever) <= 180 THEN 'Inactive' ELSE 'Lost' END AS lifecycle_stage,
  CASE WHEN date_of_birth IS NOT NULL THEN age END AS age,
  CASE WHEN date_of_birth IS NULL THEN NULL WHEN age < 25 THEN 'Gen Z' WHEN age < 40 THEN 'Millennial' WHEN age < 55 THEN 'Gen X'
    ELSE 'Boomer+' END AS age_segment
FROM scored
"""
_SEGMENT_SUMMARY = """
SELECT customer_segment, currency, count(*) AS customers, sum(revenue_orders)::BIGINT AS revenue_orders,
  money(sum(revenue)) AS revenue, mean(sum(revenue), count(*)) AS revenue_per_customer,
  share(sum(revenue), sum(sum(revenue)) OVER (PARTITION BY currency)) AS revenue_share
FROM customer_totals GROUP BY customer_segment, currency
"""
_PRODUCT_PERFORMANCE = """
WITH bought AS (
  SELECT product_id, currency, count(*) AS orders, count(*) FILTER (is_revenue) AS revenue_orders,
    coalesce(sum(order_amount) FILTER (is_revenue), 0) AS revenue, count(DISTINCT customer_id) FILTER (is_revenue) AS buyers,
    sum(margin) AS margin, min(order_date) FILTER (is_revenue) AS first_order_date,
    max(order_date) FILTER (is_revenue) AS last_order_date
  FROM fact_orders GROUP BY ALL
), members AS (SELECT DISTINCT ON (product_id) * FROM dim_product ORDER BY product_id, version DESC)
SELECT product_id, coalesce(b.currency, m.currency) AS currency, product_name,
  coalesce(category, 'unknown') AS category, is_current,
  coalesce(orders, 0) AS orders, coalesce(revenue_orders, 0) AS revenue_orders, money(coalesce(revenue, 0)) AS revenue,
  coalesce(buyers, 0) AS buyers, mean(revenue, buyers) AS revenue_per_buyer, money(margin) AS margin, first_order_date,
  last_order_date,
  CASE WHEN revenue >= 5000 AND revenue_orders >= 20 THEN 'Star'
    WHEN revenue >= 2000 AND revenue_orders >= 10 THEN 'High Performer'
    WHEN revenue >= 500 AND revenue_orders >= 5 THEN 'Medium Performer' ELSE 'Low Performer' END AS performance_category,
  CASE WHEN discontinued THEN 'Discontinued' WHEN coalesce(revenue_orders, 0) = 0 THEN 'Unsold'
    WHEN age_in_days(last_order_date) <= 30 THEN 'Active' WHEN age_in_days(last_order_date) <= 90 THEN 'Declining'
    ELSE 'Stagnant' END AS product_lifecycle,
  CASE WHEN price IS NULL THEN NULL WHEN price < 50 THEN 'Budget' WHEN price < 150 THEN 'Mid-range'
    WHEN price < 300 THEN 'Premium'
    ELSE 'Luxury' END AS price_segment
FROM members m LEFT JOIN bought b USING (product_id)
"""
_CATEGORY_SUMMARY = """
SELECT coalesce(category, 'unknown') AS category, currency, count(DISTINCT product_id) FILTER (is_revenue) AS products_sold,
  count(*) FILTER (is_revenue) AS revenue_orders, money(coalesce(sum(order_amount) FILTER (is_revenue), 0)) AS revenue,
  count(DISTINCT customer_id) FILTER (is_revenue) AS buyers, money(sum(margin)) AS margin,
  share(coalesce(sum(order_amount) FILTER (is_revenue), 0),
    sum(coalesce(sum(order_amount) FILTER (is_revenue), 0)) OVER (PARTITION BY currency)) AS revenue_share
FROM fact_orders GROUP BY coalesce(category, 'unknown'), currency
"""
_SALES = """
  count(*) FILTER (is_revenue) AS revenue_orders, money(coalesce(sum(order_amount) FILTER (is_revenue), 0)) AS revenue,
  mean(coalesce(sum(order_amount) FILTER (is_revenue), 0), count(*) FILTER (is_revenue)) AS average_order_value,
  count(DISTINCT customer_id) FILTER (is_revenue) AS buying_customers
FROM fact_orders GROUP BY ALL
"""
_INVENTORY_HEALTH = """
SELECT product_id, warehouse_id, batch_date, stock_quantity AS stock, reserved_quantity AS reserved,
  available_quantity AS available, reorder_level,
  CASE WHEN available_quantity <= 0 THEN 'Out of Stock' WHEN available_quantity <= reorder_level THEN 'Reorder Required'
    WHEN available_quantity <= 2 * reorder_level THEN 'Low Stock' WHEN available_quantity IS NOT NULL THEN 'In Stock' END
    AS stock_status
FROM fact_inventory QUALIFY row_number() OVER (PARTITION BY product_id, warehouse_id ORDER BY batch_date DESC) = 1
"""
_SHIPPING_PERFORMANCE = """
WITH told AS (
  SELECT *, coalesce(shipping_status, 'unknown') AS state FROM fact_shipping
), judged AS (
  SELECT *, coalesce(state = 'delivered' OR (state = 'unknown' AND actual_delivery <= getvariable('as_of')), false) AS arrived,
    CASE WHEN arrived AND actual_delivery IS NOT NULL AND estimated_delivery IS NOT NULL
      THEN greatest(0, actual_delivery - estimated_delivery) END AS delay
  FROM told
)
SELECT coalesce(carrier, 'unknown') AS carrier, coalesce(service_type, 'unknown') AS service_type,
  coalesce(origin_warehouse, 'unknown') AS origin_warehouse, currency, count(*) AS shipments,
  count(*) FILTER (arrived) AS delivered,
  count(delay) AS dated, count(*) FILTER (delay = 0) AS on_time, coalesce(sum(delay), 0)::BIGINT AS delay_days,
  share(count(*) FILTER (delay = 0), count(delay)) AS on_time_share,
  mean(sum(delay), count(delay))::DECIMAL(9, 2) AS average_delay_days, money(coalesce(sum(shipping_cost), 0)) AS shipping_cost
FROM judged GROUP BY ALL
"""

MARTS = {
    "kpi_summary": _KPI_SUMMARY,
    "kpi_daily": _KPI_DAILY,
    "customer_analytics": _CUSTOMER_ANALYTICS,
    "segment_summary": _SEGMENT_SUMMARY,
    "product_performance": _PRODUCT_PERFORMANCE,
    "category_summary": _CATEGORY_SUMMARY,
    "seasonal_analysis": f"SELECT season, year(order_date)::INT AS year, currency, {_SALES}",
    "sales_trends": f"SELECT date_trunc('month', order_date)::DATE AS month, currency, {_SALES}",
    "inventory_health": _INVENTORY_HEALTH,
    "shipping_performance": _SHIPPING_PERFORMANCE,
}
"""The query of each mart; `CUSTOMER_TOTALS` runs before."""


def set_variables(connection: duckdb.DuckDBPyConnection, as_of: str) -> None:
    """Set the business date and the reporting currency: that with most orders."""
    connection.execute(f"SET VARIABLE as_of = DATE '{as_of}'")
    home = "SELECT currency FROM fact_orders GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1"
    connection.execute(f"SET VARIABLE home = coalesce(({home}), 'USD')")
