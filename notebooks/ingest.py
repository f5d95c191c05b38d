# Databricks notebook source
# MAGIC %md
# MAGIC # ingest
# MAGIC The batch's files as text into bronze, with file and line; nothing is typed, nothing dropped.

# COMMAND ----------

dbutils.widgets.text("workspace", "")
dbutils.widgets.text("catalog", "")
dbutils.widgets.text("batch_id", "")

# COMMAND ----------

from cartbrook import job

with job.open_lake(spark, dbutils.widgets.get("workspace"), dbutils.widgets.get("catalog")) as lake:
    result = job.carry_on(lake, dbutils.widgets.get("batch_id"), "ingest")

# COMMAND ----------

dbutils.jobs.taskValues.set("rows_in", result.rows_in or 0)
dbutils.jobs.taskValues.set("rows_out", result.rows_out or 0)
