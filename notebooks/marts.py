# Databricks notebook source
# MAGIC %md
# MAGIC # marts
# MAGIC Rules counted and the batch scored; KPIs, segments, performance, season, trend, stock health.

# COMMAND ----------

dbutils.widgets.text("workspace", "")
dbutils.widgets.text("catalog", "")
dbutils.widgets.text("batch_id", "")

# COMMAND ----------

from cartbrook import job

with job.open_lake(spark, dbutils.widgets.get("workspace"), dbutils.widgets.get("catalog")) as lake:
    result = job.carry_on(lake, dbutils.widgets.get("batch_id"), "marts")

# COMMAND ----------

dbutils.jobs.taskValues.set("rows_in", result.rows_in or 0)
dbutils.jobs.taskValues.set("rows_out", result.rows_out or 0)
