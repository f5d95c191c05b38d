# Databricks notebook source
# MAGIC %md
# MAGIC # again
# MAGIC Starts the job once more while triggers wait, since two that come within one interval start one run. Runs whatever became of the
# MAGIC batch, and fails where the batch failed, so that the run does and the people are told.

# COMMAND ----------

dbutils.widgets.text("workspace", "")
dbutils.widgets.text("catalog", "")
dbutils.widgets.text("job_id", "")
dbutils.widgets.text("batch_id", "")
dbutils.widgets.text("outcome", "")

# COMMAND ----------

from cartbrook import job

left = dbutils.jobs.taskValues.get(taskKey="receive", key="left", default=None, debugValue=None)
with job.open_lake(spark, dbutils.widgets.get("workspace"), dbutils.widgets.get("catalog")) as lake:
    job.show(lake)  # a rejection is a publication, too
    # Without `left` receive itself failed: another run would most likely fail likewise, and the schedule tries again.
    start = left is not None and job.again(lake, left, dbutils.widgets.get("batch_id"))

# COMMAND ----------

if start:
    from databricks.sdk import WorkspaceClient

    WorkspaceClient().jobs.run_now(int(dbutils.widgets.get("job_id")))  # queued: one run at a time
dbutils.jobs.taskValues.set("started", start)

# COMMAND ----------

if dbutils.widgets.get("outcome") not in ("success", "excluded"):
    raise RuntimeError(
        f"{dbutils.widgets.get('batch_id')} was not published: see the failed task. Repair the run to go on there."
    )
