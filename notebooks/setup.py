# Databricks notebook source
# MAGIC %md
# MAGIC # setup
# MAGIC Folders in the volume, tables, publication 0, views. Run it once after the first deployment, and again after an update; it changes
# MAGIC nothing that is there. The schemas and the volume come from the bundle.

# COMMAND ----------

dbutils.widgets.text("workspace", "")
dbutils.widgets.text("catalog", "")
dbutils.widgets.text("predictive_optimization", "off")

# COMMAND ----------

# Compaction or vacuuming by Databricks itself would be taken for someone else's writes, and take away published versions.
if dbutils.widgets.get("predictive_optimization") == "off":
    for schema in ("bronze", "silver", "gold", "ops"):
        spark.sql(f"ALTER SCHEMA `{dbutils.widgets.get('catalog')}`.{schema} DISABLE PREDICTIVE OPTIMIZATION")

# COMMAND ----------

from cartbrook import job

with job.open_lake(spark, dbutils.widgets.get("workspace"), dbutils.widgets.get("catalog"), create=True) as lake:
    job.set_up(lake)
