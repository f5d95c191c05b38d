"""SQL of rules gives the same number on every engine: each construct that is let through, with its answer by hand."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from cartbrook.contracts import queries
from cartbrook.contracts.expressions import read
from cartbrook.contracts.tables import table_mark

COLUMNS = {
    "id": "string",
    "text": "string",
    "n": "integer",
    "m": "decimal(18,2)",
    "d": "date",
    "t": "timestamp",
    "b": "boolean",
    "batch_date": "date",
}
ROWS = [
    ("1", "a", "1", "1.50", "2025-01-01", "2025-01-01 00:00:00", "true"),
    ("2", "b", "2", "2.25", "2025-01-15", "2025-01-15 09:30:15.123456", "false"),
    ("3", None, None, None, None, None, None),
    ("4", "Abc", "-7", "-3.10", "2024-02-29", "2024-02-29 23:59:59", "true"),
    ("5", " x ", "5", "10000.00", "2025-12-31", "2025-12-31 12:00:00", "false"),
    ("6", "O'Brien", "0", "0.00", "1999-01-01", "1999-01-01 01:02:03", "false"),
    ("7", "ä", "3", "7.77", "2025-01-15", "2025-01-15 00:00:00", "true"),
    ("8", "b", "2", "2.25", "2025-01-02", "2025-01-02 00:00:00", "true"),
]
OTHER = {"key": "string", "v": "integer"}
OTHER_ROWS = [("a", "10"), ("b", "20"), ("zz", "30"), ("b", "40"), (None, "50")]
KINDS = {"integer": "bigint"}


def row_of(frame):
    """The values of a frame's one row, whose columns may share a name."""
    table = frame.toArrow()
    return [column.to_pylist()[0] for column in table.columns]


def together(ask, texts):
    """Ask for all answers at once and give each by its text; if that fails ask for each alone, so that its own test fails."""
    try:
        answers = dict(zip(texts, ask(list(texts)), strict=True))
    except Exception:  # noqa: BLE001 - whatever one of them does to the engine
        return lambda text: ask([text])[0]
    return answers.__getitem__


@pytest.fixture(scope="module")
def tables(session):
    """The batch's records, and a dimension."""

    def frame(columns, rows):
        arrays = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(rows[0]))]
        names = list(columns)[: len(arrays)]
        typed = [f"CAST(`{name}` AS {KINDS.get(columns[name], columns[name])}) AS `{name}`" for name in names]
        return session.createDataFrame(pa.table(arrays, names)).selectExpr(*typed)

    return {
        "object": frame(COLUMNS, ROWS).selectExpr("*", "DATE '2025-01-20' AS batch_date"),
        "gold.dim_product": frame(OTHER, OTHER_ROWS),
    }


AGGREGATES: dict[str, int | str | None] = {
    "count(*)": 8,
    "count(text)": 7,
    "count(DISTINCT text)": 6,
    "count(DISTINCT m)": 6,
    "sum(n)": 6,
    "sum(m)": "10010.67",
    "avg(n)": "0.857143",
    "avg(m)": "1430.095714",
    "min(n)": -7,
    "max(m) - min(m)": "10003.10",
    "count_if(n > 0)": 5,
    "count_if(b)": 4,
    "count_if(NOT b OR b IS NULL)": 4,
    "count_if(b IS TRUE)": 4,
    "sum(n) FILTER (WHERE b)": -1,
    "count_if(n > 0) FILTER (WHERE b)": 3,
    "count(DISTINCT text) FILTER (WHERE n >= 2)": 3,
    "sum(m) / count(*)": "1251.33375",
    "sum(m) / sum(n)": "1668.445",
    "sum(n) / sum(m)": "0.000599",
    "1 / 3 + count(*)": "8.333333",
    "sum(n) / 0": None,
    "sum(n / (n - 1))": "7.625",
    "sum(m / n)": "2006.782857",
    "avg(n) / avg(m)": "0.000599",
    "sum(n) % 4": 2,
    "sum(n % 2)": 2,
    "sum(m % 1)": "1.67",
    "sum(n) % 0": None,
    "sum(n * m)": "50055.51",
    "sum(m * m)": "100000082.3579",
    "100 * count_if(text = 'b') / count(*)": 25,
    "- sum(n) + 1.5": "-4.5",
    "sum(CASE WHEN text = 'a' THEN n ELSE m END)": "10010.17",
    "sum(CASE WHEN text = 'a' THEN m ELSE 1.555 END)": "12.385",
    "sum(CASE text WHEN 'a' THEN 1 WHEN 'b' THEN 2 ELSE 0 END)": 5,
    "sum(if(b, n, 1.5))": 5,
    "sum(CASE WHEN b THEN n END)": -1,
    "sum(coalesce(n, m, 0.5))": "6.5",
    "sum(nvl(n, 10)) + sum(ifnull(m, 1))": "10027.67",
    "count(nullif(text, 'b'))": 5,
    "sum(greatest(n, 1.5)) + max(least(m, n))": 23,
    "sum(abs(n)) + sum(sign(m)) + sum(floor(m)) + sum(ceil(m))": 20045,
    "sum(round(m, 1)) + sum(round(m)) + sum(round(m / 3, 2))": "23358.69",
    "sum(length(trim(text))) + sum(char_length(text))": 32,
    "count_if(upper(text) = 'ABC' OR lower(text) = 'abc')": 1,
    'count_if(text = "O\'Brien")': 1,
    "count_if(text || '!' = 'b!' OR concat(text, '!', text) = 'a!a')": 3,
    "count_if(left(text, 1) = 'A' AND right(text, 2) = 'bc' AND substring(text, 2, 1) = 'b')": 1,
    "count_if(replace(text, 'b', 'x') = 'Axc' OR startswith(text, 'O') OR endswith(text, 'ä') OR contains(text, 'x'))": 4,
    "count_if(text LIKE '%b_')": 1,
    "count_if(text < 'b')": 4,
    "count_if(text IN ('a', 'b'))": 3,
    "count_if(text NOT IN ('a', 'b'))": 4,
    "count_if(n BETWEEN 1 AND 2.5)": 3,
    "count_if(n IN (1, 2.25, 3))": 2,
    "count_if(n <=> NULL)": 1,
    "count_if(d > '2025-01-02')": 3,
    "count_if(d = DATE '2025-01-15' AND t >= '2025-01-15 09:30:15')": 1,
    "count_if(t > d)": 4,
    "count_if(d BETWEEN '2025-01-01' AND batch_date)": 4,
    "sum(year(d)) + sum(quarter(d)) + sum(month(d)) + sum(day(d)) + sum(dayofmonth(d)) + sum(dayofweek(d))": 14397,
    "sum(hour(t)) + sum(minute(t)) + sum(second(t))": 213,
    "sum(datediff(batch_date, d))": 9544,
    "datediff(max(t), min(d))": 9861,
    "count_if(date_add(d, n) = DATE '2025-01-02' OR date_sub(d, 1) = DATE '2025-12-30')": 2,
    "count_if(add_months(d, 12) = DATE '2025-02-28')": 1,
    "count_if(last_day(d) = d)": 2,
    "count_if(cast(t AS date) = d AND cast(d AS timestamp) <= t)": 7,
    "sum(cast(id AS int)) + sum(try_cast(text AS decimal(9,2)))": None,
    "sum(cast(id AS int))": 36,
    "sum(cast(m AS int))": 10009,
    "sum(cast(m AS decimal(10,1)))": "10010.8",
    "count(cast(text AS date))": 0,
    "count_if(cast(n AS string) = '2')": 2,
    "sum(cast(b AS int))": 4,
    "count_if(d IS NULL AND n IS NULL)": 1,
}


@pytest.fixture(scope="module")
def aggregates(tables):
    """The answers of all aggregates; one query, since on Spark each costs a second."""
    found = {text: queries.compiled(queries.parse_aggregate(text, "orders", None), {"object": COLUMNS}) for text in AGGREGATES}
    return together(lambda texts: row_of(tables["object"].selectExpr(*(f"{found[text]} AS x" for text in texts))), AGGREGATES)


@pytest.mark.parametrize("text", AGGREGATES)
def test_an_aggregate(aggregates, text):
    """Over the records of the batch, with NULLs among them."""
    expected = AGGREGATES[text]
    assert aggregates(text) == (None if expected is None else Decimal(expected))


QUERIES: dict[str, int | str | None] = {
    "SELECT count(*) FROM ${object} o JOIN gold.dim_product p ON o.text = p.key": 5,
    "SELECT count(*) FROM ${object} o LEFT JOIN gold.dim_product p ON o.text = p.key AND p.v > 10 WHERE p.key IS NULL": 6,
    "SELECT sum(v) FROM ${object} o RIGHT JOIN gold.dim_product p ON o.text = p.key": 210,
    "SELECT count(*) FROM ${object} o FULL JOIN gold.dim_product p ON o.text = p.key": 12,
    "SELECT count(*) FROM ${object} WHERE text IN (SELECT key FROM gold.dim_product)": 3,
    "SELECT count(*) FROM ${object} WHERE text NOT IN (SELECT key FROM gold.dim_product)": 0,
    "SELECT count(*) FROM ${object} WHERE text NOT IN (SELECT key FROM gold.dim_product WHERE key IS NOT NULL)": 4,
    "SELECT count(*) FROM ${object} o WHERE EXISTS (SELECT 1 FROM gold.dim_product p WHERE p.key = o.text AND p.v > o.n)": 3,
    "SELECT count(*) FROM ${object} o WHERE NOT EXISTS (SELECT 1 FROM gold.dim_product p WHERE p.key = o.text)": 5,
    "SELECT count(*) FROM ${object} o WHERE n < (SELECT max(p.v) FROM gold.dim_product p WHERE p.key = o.text)": 3,
    "SELECT count(*) - (SELECT count(*) FROM gold.dim_product WHERE v > 10) FROM ${object}": 4,
    "SELECT max(c) FROM (SELECT text, count(*) AS c FROM ${object} GROUP BY text HAVING count(*) > 1)": 2,
    "WITH x AS (SELECT text, count(*) AS c FROM ${object} GROUP BY text), y AS (SELECT sum(c) AS s FROM x) "
    "SELECT max(s) FROM y": 8,
    "SELECT count(*) FROM (SELECT DISTINCT text FROM ${object}) x": 7,
    "SELECT sum(CASE WHEN p.key IS NULL THEN o.m ELSE 0 END) / sum(o.m) "
    "FROM ${object} o LEFT JOIN gold.dim_product p ON o.text = p.key": "0.998952",
    "SELECT count(*) FROM ${object} o JOIN (SELECT key, max(v) AS top FROM gold.dim_product GROUP BY key) p ON p.key = o.text "
    "WHERE o.n * 10 <> p.top": 2,
    "SELECT sum(n) FROM ${object} WHERE false": None,
    "SELECT count(*) FROM ${object} WHERE d > (SELECT date_sub(max(d), 365) FROM ${object})": 5,
    "SELECT sum(m) * 99999999999999999 FROM ${object}": "1001066999999999989989.33",
    "SELECT sum(m) * 999999999999999999 * 999999 FROM ${object}": None,
}


@pytest.fixture(scope="module")
def cells(session, tables):
    """The answers of all queries; those of one statement, see `aggregates`."""
    from cartbrook.lake.values import named

    columns = {"object": COLUMNS, "gold.dim_product": OTHER}
    compiled = {text: queries.compiled(queries.parse(text, "orders", None), columns) for text in QUERIES}

    def ask(texts):
        with named(tables) as names:
            parts = [f"SELECT {nth} AS nth, measured FROM ({compiled[text]})" for nth, text in enumerate(texts)]
            sql = " UNION ALL ".join(parts)
            for table, name in names.items():
                sql = sql.replace(table_mark(table), f"`{name}`")
            found = {row["nth"]: row["measured"] for row in session.sql(sql).toArrow().to_pylist()}
        assert len(found) == len(texts)
        return [found[nth] for nth in range(len(texts))]

    return together(ask, QUERIES)


@pytest.mark.parametrize("text", QUERIES)
def test_a_query(cells, text):
    """One cell, also of joins and subqueries; what does not fit is NULL."""
    expected = QUERIES[text]
    assert cells(text) == (None if expected is None else Decimal(expected))


CONDITIONS = {
    "text = 'O''Brien'": 1,
    "cast(text AS int) > 1": 0,
    "n / 2 > 1 OR n % 2 = 1": 3,
    "m / nullif(n, 0) > 1": 5,
    "date_add(d, cast(n AS int)) > DATE '2025-01-16'": 3,
    "left(text, 1) = 'A' OR text LIKE '%x%'": 2,
    "round(m, 1) = 2.3 AND d <= batch_date": 2,
    "hour(t) BETWEEN 8 AND 12": 2,
}


@pytest.fixture(scope="module")
def conditions(tables):
    """How many records meet each condition; one query, see `aggregates`."""

    def ask(texts):
        met = [f"count(CASE WHEN {read(text).sql} THEN 1 END) AS x" for text in texts]
        return row_of(tables["object"].selectExpr(*met))

    return together(ask, CONDITIONS)


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition(conditions, text):
    """Conditions of records as they are run: a quote in a text, a cast that fails, a divisor of 0."""
    assert read(text).problems == ()
    assert conditions(text) == CONDITIONS[text]


COMPILED = {
    **CONDITIONS,
    "date_add(d, cast(n * 1000000000 AS int)) > d": 0,
    "add_months(d, cast(n * 100 AS int)) > d": 5,
    "n * 999999999999999999 >= n": 6,
    "text NOT LIKE '%x%'": 6,
    "text IS DISTINCT FROM 'b'": 6,
    "date_trunc('month', d) = d": 2,
    "coalesce(d, '2025-01-01') = '2025-01-01'": 2,
    "CASE WHEN n > 1 THEN n ELSE m END > 1": 5,
    "other.price < m": 4,
    "(n > 1) IS NOT TRUE AND b": 2,
}


def test_conditions_as_they_are_compiled(tables):
    """Those of a shop's own contracts: no odd record stops them, whole numbers do not wrap, and a context is a struct."""
    from pyspark.sql import functions as F

    rows = tables["object"].withColumn("other", F.struct(F.expr("CAST(2 AS DECIMAL(18, 2))").alias("price")))
    kinds = {"object": COLUMNS, "other": {"price": "decimal(18,2)"}}
    found = [
        F.count(F.when(F.expr(queries.compiled_condition(read(text).sql, kinds, "object")), 1)).alias(f"_{nth}")
        for nth, text in enumerate(COMPILED)
    ]
    counts = rows.agg(*found).toArrow().to_pylist()[0].values()
    assert dict(zip(COMPILED, counts, strict=True)) == COMPILED
