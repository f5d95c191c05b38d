# Databricks notebook source
# MAGIC %md
# MAGIC # receive
# MAGIC Claims the next delivery, checks it, takes its files into the batch's own folder. What waits or is held stays where it is.

# COMMAND ----------

dbutils.widgets.text("workspace", "")
dbutils.widgets.text("catalog", "")
dbutils.widgets.text("confirm", "")  # ids of held batches that are meant as they are, with commas between

# COMMAND ----------

from cartbrook import job

with job.open_lake(spark, dbutils.widgets.get("workspace"), dbutils.widgets.get("catalog")) as lake:
    confirmed = [word.strip() for word in dbutils.widgets.get("confirm").split(",") if word.strip()]
    received = job.receive_next(lake, confirmed, tell=lambda outcome: print(outcome.message))

# COMMAND ----------

dbutils.jobs.taskValues.set("found", "true" if received.batch_id else "false")
dbutils.jobs.taskValues.set("batch_id", received.batch_id or "")
dbutils.jobs.taskValues.set("left", list(received.left))
