"""Facts about writing Delta tables that lake/tables.py guards against or builds on."""

from __future__ import annotations

from typing import Any

import pytest
from deltalake import DeltaTable

pytestmark = pytest.mark.engine("sail")


@pytest.fixture
def table(session, lake_dir):
    """A table of rows given as SQL; `table.write` appends or overwrites, `table.rows` reads, `table.version` is its head."""

    class Table:
        path = lake_dir / "t"
        at = f"file://{path}"

        def write(self, select: str, mode: str = "append", partition: tuple[str, ...] = (), **options: str) -> None:
            writer = session.sql(select).write.format("delta").mode(mode).options(**options)
            (writer.partitionBy(*partition) if partition else writer).save(self.at)

        def rows(self) -> list[tuple[Any, ...]]:
            found = session.read.format("delta").load(self.at).toArrow().to_pylist()
            return sorted((tuple(row.values()) for row in found), key=repr)

        def version(self) -> int:
            return DeltaTable(str(self.path)).version()

        def merge(self, source: str, on: str = "t.k = s.k") -> None:
            session.sql(
                f"MERGE INTO delta.`{self.at}` t USING ({source}) s ON {on} "
                "WHEN MATCHED AND s.v = 'delete' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v "
                "WHEN NOT MATCHED AND s.v <> 'delete' THEN INSERT (k, v) VALUES (s.k, s.v)"
            ).collect()

    return Table()


def test_a_checkpoint_hint_hides_older_versions(table, session):
    """Every tenth commit makes a checkpoint, and versions before it cannot be read while `_last_checkpoint` names it."""

    def rows(version):
        return session.read.format("delta").option("versionAsOf", version).load(table.at).count()

    for number in range(12):
        table.write(f"SELECT {number} AS n")
    with pytest.raises(Exception, match="Missing commit file"):
        rows(8)
    (table.path / "_delta_log" / "_last_checkpoint").unlink()
    assert [rows(version) for version in range(12)] == list(range(1, 13))


def test_tables_can_be_kept_from_checkpoints(table):
    """With a property given at creation no write makes a checkpoint; so no published version is ever hidden."""
    table.write("SELECT 0 AS k, 'a' AS v", **{"delta.checkpointInterval": "1000000000"})
    for number in range(1, 5):
        table.write(f"SELECT {number} AS k, 'a' AS v")
        table.merge(f"SELECT {number} AS k, 'b' AS v")
        table.write(f"SELECT {number} AS k, 'c' AS v", "overwrite")
    DeltaTable(str(table.path)).restore(8)
    assert DeltaTable(str(table.path)).metadata().configuration == {"delta.checkpointInterval": "1000000000"}
    assert table.version() == 13
    assert list((table.path / "_delta_log").glob("*checkpoint*")) == []


def test_append_turns_text_into_null(table):
    """An append casts without a word; so every write of `Tables` compares schemas first."""
    table.write("SELECT n FROM VALUES (1), (NULL) AS v(n)", "overwrite")  # the column may be NULL, as all of ours may
    table.write("SELECT 'zz' AS n")
    assert table.rows() == [(1,), (None,), (None,)]


def test_append_fills_a_missing_column_with_null(table):
    """A forgotten column becomes NULL; so every write of `Tables` compares schemas first."""
    table.write("SELECT n, t FROM VALUES (1, 'a'), (NULL, NULL) AS v(n, t)")
    table.write("SELECT 2 AS n")
    assert table.rows() == [(1, "a"), (2, None), (None, None)]


def test_replace_where_writes_rows_outside_its_predicate(table):
    """Rows of another slice slip in; so `Tables.replace` sets the slice columns itself."""
    table.write("SELECT 1 AS k, 'a' AS v")
    table.write("SELECT 2 AS k, 'b' AS v", "overwrite", replaceWhere="k = 1")
    assert table.rows() == [(2, "b")]


def test_a_quote_in_a_literal_of_replace_where_matches_nothing(table):
    """The slice is not replaced but doubled; so `literal` takes ids, dates and integers only."""
    table.write("""SELECT "o'b" AS k, 'a' AS v""")
    table.write("""SELECT "o'b" AS k, 'b' AS v""", "overwrite", replaceWhere="k = 'o''b'")
    assert table.rows() == [("o'b", "a"), ("o'b", "b")]


def test_replace_where_fails_on_a_table_with_an_array(session, table):
    """Silver and the quarantine have arrays of texts that may be NULL; so `Tables.replace` deletes and appends in two commits."""
    session.createDataFrame([], "k int, v array<string>").write.format("delta").save(table.at)
    table.write("SELECT 1 AS k, array('a') AS v")
    with pytest.raises(Exception, match="same data type"):
        table.write("SELECT 1 AS k, array('b') AS v", "overwrite", replaceWhere="k = 1")
    assert table.rows() == [(1, ["a"])]


def test_delete_of_a_slice_and_append_on_a_table_with_an_array(session, table):
    """What `Tables.replace` does instead works; a DELETE that finds nothing makes no commit."""
    table.write("SELECT 1 AS k, array('a') AS v UNION ALL SELECT 2, array('b')")
    session.sql(f"DELETE FROM delta.`{table.at}` WHERE `k` = 1").collect()
    table.write("SELECT 1 AS k, array('c') AS v")
    assert table.rows() == [(1, ["c"]), (2, ["b"])]
    version = table.version()
    session.sql(f"DELETE FROM delta.`{table.at}` WHERE `k` = 99").collect()
    assert table.version() == version


def test_merge_updates_deletes_and_inserts_in_one_commit(table):
    """A history is brought up to date by one MERGE, never by close and insert as two commits."""
    table.write("SELECT 1 AS k, 'a' AS v UNION ALL SELECT 2, 'b' UNION ALL SELECT 3, 'c'")
    table.merge("SELECT 1 AS k, 'A' AS v UNION ALL SELECT 2, 'delete' UNION ALL SELECT 4, 'd' UNION ALL SELECT 5, 'delete'")
    assert table.rows() == [(1, "A"), (3, "c"), (4, "d")]
    assert table.version() == 1


def test_a_merge_without_changes_makes_no_commit(table):
    """Nothing to do leaves the version, so an unchanged table stays as it is published."""
    table.write("SELECT 1 AS k, 'a' AS v")
    table.merge("SELECT 5 AS k, 'delete' AS v")
    table.merge("SELECT 5 AS k, 'x' AS v WHERE false")
    assert table.version() == 0


def test_several_source_rows_for_one_target_row_raise(table):
    """A change that is not unique by key fails instead of choosing; nothing is written."""
    table.write("SELECT 1 AS k, 'a' AS v")
    with pytest.raises(Exception, match=r"(?i)multiple|more than one|cardinality"):
        table.merge("SELECT 1 AS k, 'b' AS v UNION ALL SELECT 1, 'c'")
    assert table.rows() == [(1, "a")]


def test_null_keys_never_match(table):
    """A NULL key counts as not matched and would be inserted again and again; so keys of a merge are without NULL."""
    table.write("SELECT CAST(NULL AS int) AS k, 'a' AS v")
    table.merge("SELECT CAST(NULL AS int) AS k, 'b' AS v")
    assert table.rows() == [(None, "a"), (None, "b")]


def test_merge_with_a_literal_list_inserts_matches_outside_it_twice(session, table):
    """A pruning predicate hides a match, which is then inserted; so a list would have to name where the keys already lie."""
    table.write("SELECT 1 AS k, 'a' AS v, '2025-01' AS month", partition=("month",))
    session.sql(
        f"MERGE INTO delta.`{table.at}` t USING (SELECT 1 AS k, 'b' AS v, '2025-02' AS month) s "
        "ON t.k = s.k AND t.month IN ('2025-02') WHEN MATCHED THEN UPDATE SET v = s.v "
        "WHEN NOT MATCHED THEN INSERT (k, v, month) VALUES (s.k, s.v, s.month)"
    ).collect()
    assert len(table.rows()) == 2


def test_merge_and_delete_refuse_arguments(session, table):
    """`args=` does not reach MERGE or DELETE; so their values go through `literal`."""
    table.write("SELECT 1 AS k, 'a' AS v")
    with pytest.raises(Exception, match=r"(?i)param|placeholder"):
        session.sql(f"DELETE FROM delta.`{table.at}` WHERE k = :k", args={"k": 1}).collect()
    assert table.rows() == [(1, "a")]


def test_restore_by_deltalake_is_read_and_written_on(table):
    """delta-rs restores what Sail wrote, and Sail reads, merges and appends after it: the way back to what was published."""
    table.write("SELECT 1 AS k, 'a' AS v")
    table.write("SELECT 2 AS k, 'b' AS v")
    table.merge("SELECT 1 AS k, 'x' AS v")
    DeltaTable(str(table.path)).restore(0)
    assert table.rows() == [(1, "a")]
    table.merge("SELECT 1 AS k, 'y' AS v UNION ALL SELECT 3, 'c'")
    assert table.rows() == [(1, "y"), (3, "c")]
    assert table.version() == 4


def test_restoring_the_present_version_raises(table):
    """A restore to where the table is fails; so `Tables.restore` looks first."""
    table.write("SELECT 1 AS k, 'a' AS v")
    with pytest.raises(Exception, match=r"(?i)version|restore"):
        DeltaTable(str(table.path)).restore(0)


def test_an_older_version_is_read_as_it_was(session, table):
    """`versionAsOf` pins what a frame reads, whatever is written after: readers of a publication depend on it."""
    table.write("SELECT 1 AS k, 'a' AS v")
    pinned = session.read.format("delta").option("versionAsOf", 0).load(table.at)
    loose = session.read.format("delta").load(table.at)
    table.write("SELECT 2 AS k, 'b' AS v")
    assert (len(pinned.toArrow()), len(loose.toArrow())) == (1, 2)


@pytest.mark.parametrize("name", ["My Shop", "Müller"])
def test_an_unusual_path_splits_a_table(session, tmp_path, name):
    """Log and data go to two folders of escaped names; so the lake of such a workspace is reached by a plain link."""
    folder = tmp_path / name
    folder.mkdir()
    session.sql("SELECT 1 AS n").write.format("delta").mode("append").save(f"file://{folder}/t")
    assert not (folder / "t" / "_delta_log").is_dir() or not list((folder / "t").glob("*.parquet"))
    link = tmp_path / "plain"
    link.symlink_to(folder, target_is_directory=True)
    session.sql("SELECT 2 AS n").write.format("delta").mode("append").save(f"file://{link}/u")
    assert list((folder / "u").glob("*.parquet"))
    assert DeltaTable(str(folder / "u")).to_pyarrow_table().to_pylist() == [{"n": 2}]


def test_an_empty_partition_value_reads_back_as_null(table):
    """'' in a partition column is lost; so no table is partitioned by text."""
    table.write("SELECT k, v FROM VALUES (1, ''), (2, NULL), (3, 'x') AS t(k, v)", partition=("v",))
    assert table.rows() == [(1, None), (2, None), (3, "x")]


def test_a_written_empty_parquet_leaves_no_file(session, tmp_path):
    """No rows, no file, no schema; so `Tables.stage` gives an empty frame of the schema instead of reading it back."""
    session.sql("SELECT 1 AS n WHERE false").write.parquet(f"file://{tmp_path}/staged")
    assert list((tmp_path / "staged").glob("*.parquet")) == []
