from __future__ import annotations

import pytest

pytestmark = pytest.mark.engine("sail")


def test_formats(cartbrook, shop):
    """The same answer as a table, JSON and CSV; decimals are exact in each."""
    statement = "SELECT day, currency, revenue, orders FROM gold.kpi_daily ORDER BY day"
    table = cartbrook("query", statement, "-w", shop).out
    assert table.splitlines()[2:] == [
        "2025-06-02  EUR         84.40       4",
        "2025-06-03  EUR         77.00       2",
        "(2 rows)",
    ]
    rows = cartbrook("query", statement, "--format", "json", "-w", shop).json
    assert rows[0] == {"day": "2025-06-02", "currency": "EUR", "revenue": "84.40", "orders": 4}
    text = cartbrook("query", statement, "--format", "csv", "-w", shop).out
    assert text == "day,currency,revenue,orders\n2025-06-02,EUR,84.40,4\n2025-06-03,EUR,77.00,2\n"


def test_times_are_utc_wherever_the_machine_is(cartbrook, shop):
    """Times are not shifted by the machine's zone (the suite runs in Asia/Kolkata)."""
    statement = "SELECT city, effective_date, expiry_date FROM gold.dim_customer WHERE customer_id = 'K-001' ORDER BY version"
    assert cartbrook("query", statement, "-w", shop, "--json").json == [
        {"city": "Graz", "effective_date": "2025-06-02T00:00:00Z", "expiry_date": "2025-06-03T00:00:00Z"},
        {"city": "Linz", "effective_date": "2025-06-03T00:00:00Z", "expiry_date": None},
    ]


def test_formulas_are_neutralised_in_csv(cartbrook, shop):
    """Text that a spreadsheet would run gets a ' in front; numbers stay, and other formats are verbatim."""
    statement = "SELECT '=1+1' AS a, '@x' AS b, '-x' AS c, '+x' AS d, -5 AS e, CAST(-1.50 AS decimal(5,2)) AS f, 'a=b' AS g"
    assert cartbrook("query", statement, "--format", "csv", "-w", shop).out.splitlines()[1] == "'=1+1,'@x,'-x,'+x,-5,-1.50,a=b"
    assert cartbrook("query", statement, "--json", "-w", shop).json[0]["a"] == "=1+1"


@pytest.mark.parametrize(
    ("statement", "answer"),
    [
        ("select kpi_daily.orders from gold.kpi_daily where gold.kpi_daily.orders = 4", [{"orders": 4}]),
        ("SELECT d.orders FROM `gold`.`kpi_daily` AS d JOIN gold.kpi_daily USING (day) WHERE d.orders = 4;", [{"orders": 4}]),
        ("WITH kpi_daily AS (SELECT * FROM GOLD.KPI_DAILY) SELECT count(*) AS n FROM kpi_daily", [{"n": 2}]),
        ("SELECT 'FROM gold.nothing; ' AS t -- gold.nothing; x", [{"t": "FROM gold.nothing; "}]),
        ("/* ; */ (SELECT count(*) AS n FROM bronze.orders b, silver.orders s WHERE b._record_id = s._record_id)", [{"n": 7}]),
    ],
)
def test_names(cartbrook, shop, statement, answer):
    """Tables go by layer and name, with and without an alias, quoted or not; text and comments are left alone."""
    assert cartbrook("query", statement, "--json", "-w", shop).json == answer


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT * FROM gold.kpi_dialy", "Did you mean gold.kpi_daily"),
        ("SELECT * FROM kpi_daily", "Did you mean gold.kpi_daily"),
        ("SELECT nope FROM gold.kpi_daily", "There is no column nope."),
        ("SELECT 1; SELECT 2", "One statement at a time."),
        ("DELETE FROM gold.kpi_daily", "Only SELECT"),
        ("WITH a AS (SELECT 1) INSERT INTO gold.kpi_daily SELECT * FROM a", "Only SELECT"),
        ("SELECT * FROM text.`/etc/passwd`", "Tables are read by name"),
        ("SELECT * FROM", "The engine refuses the statement"),
        ("", "Only SELECT"),
    ],
)
def test_refused(cartbrook, shop, statement, message):
    """What is no SELECT from our tables is refused with exit code 2, a hint, and no traceback."""
    ended = cartbrook("query", statement, "-w", shop)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_json_needs_distinct_names(cartbrook, shop):
    """JSON cannot hold two columns of one name; a table can."""
    assert cartbrook("query", "SELECT 1 AS a, 2 AS a", "--json", "-w", shop).code == 2
    assert cartbrook("query", "SELECT 1 AS a, 2 AS a", "-w", shop).code == 0


def test_unpublished_heads_are_not_seen(cartbrook, shop):
    """Gold is read as published, whatever is at its head."""
    from deltalake import DeltaTable

    statement = ("query", "SELECT count(*) AS n FROM gold.fact_orders", "--json", "-w", shop)
    before = cartbrook(*statement).json
    DeltaTable(str(shop / "lake" / "gold" / "fact_orders")).delete()
    assert cartbrook(*statement).json == before
    assert before[0]["n"] > 0
