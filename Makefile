# Needs make and Python 3.11 or newer, nothing else: uv is taken from PATH or fetched into .tools/, environments are built as needed.
#   .venv         what users get (extra sail) and the development tools
#   .venv-spark   Apache Spark and Sail side by side, for the tests that run on both; needs Java 17 or 21

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

UV_PINNED := 0.13.9
ACTIONLINT := .tools/actionlint-1.7.12/actionlint
UV_OLDEST := 8# minor version of 0.x that knows all that pyproject.toml uses
WORKERS ?= 2# test processes; each has an engine of its own, which uses every core

ifndef PYTHON
PYTHON := $(shell for p in python3 python python3.13 python3.12 python3.11; do \
	  if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    $$p -c 'import sys; print(sys._base_executable)'; break; fi; done)
endif

UV := $(shell uv --version 2>/dev/null | awk -F'[ .]' '$$2 > 0 || $$3 >= $(UV_OLDEST) {print "uv"}')
ifeq ($(UV),)
UV := .tools/uv-$(UV_PINNED)/bin/uv
UV_FILE := $(UV)
endif

export UV_HTTP_TIMEOUT ?= 180
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
SYNC = $(UV) sync --quiet --locked --python "$(PYTHON)"
LOCKED := pyproject.toml uv.lock

.PHONY: help
help: ## Print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## Environments

.PHONY: setup setup-spark
setup: .venv/.ready-dev ## Build .venv: Sail and the development tools
setup-spark: .venv-spark/.ready ## Build .venv-spark: Apache Spark (a 450 MB archive) and Sail

.venv/.ready-dev: $(LOCKED) | $(UV_FILE) python
	@echo "setup: .venv (Sail, development tools)"
	@UV_PROJECT_ENVIRONMENT=.venv $(SYNC) --extra sail
	@touch .venv/.ready-demo $@

# Enough to run; what `make setup` has put there stays.
.venv/.ready-demo: $(LOCKED) | $(UV_FILE) python
	@echo "setup: .venv (Sail)"
	@UV_PROJECT_ENVIRONMENT=.venv $(SYNC) --extra sail --no-default-groups --inexact
	@touch $@

.venv-spark/.ready: $(LOCKED) | $(UV_FILE) python
	@echo "setup: .venv-spark (Apache Spark from a 450 MB source archive: this takes a while)"
	@UV_PROJECT_ENVIRONMENT=.venv-spark $(SYNC) --extra spark --no-default-groups --group parity
	@touch $@

.tools/uv-$(UV_PINNED)/bin/uv: | python
	@echo "setup: uv $(UV_PINNED) into .tools/"
	@"$(PYTHON)" -m venv --clear .tools/uv-$(UV_PINNED) || \
	  { echo "Python's venv module does not work here. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@.tools/uv-$(UV_PINNED)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_PINNED)

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found. Name one: make PYTHON=/path/to/python3 ..." >&2; exit 1; }

## Running

.PHONY: demo bench
demo: .venv/.ready-demo ## Run the main job on a made-up shop with the default engine
	@.venv/bin/cartbrook demo

# `make bench BENCH="small --rounds 5"` runs one part; all of them take an hour and 10 GB of disk.
BENCH ?= all
bench: .venv/.ready-dev ## Measure against the floor, a rival and growth, see benchmarks/README.md (BENCH="small" for one part)
	@.venv/bin/python -m benchmarks $(BENCH)

## Checking

# A batch takes Spark long, and a story has many.
PATIENT := --timeout=1800 -o faulthandler_timeout=1830

.PHONY: test test-spark test-fast lint types imports build check
test: .venv/.ready-dev .venv-spark/.ready ## The whole suite on Sail, then most of the parity tests on Apache Spark
	.venv/bin/pytest -n $(WORKERS) --dist worksteal
	.venv-spark/bin/pytest --engine=spark $(PATIENT) -m "not long" tests/parity

test-spark: .venv-spark/.ready ## All parity tests on Apache Spark, also the long ones: a catalog, the native OPTIMIZE and VACUUM
	.venv-spark/bin/pytest --engine=spark $(PATIENT) tests/parity

test-fast: .venv/.ready-dev ## The suite on Sail without the slow tests
	.venv/bin/pytest -n $(WORKERS) --dist worksteal -m "not slow"

lint: .venv/.ready-dev ## Style and formatting (ruff), workflows (actionlint, where Go is there to build it)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	@if command -v go >/dev/null; then $(MAKE) --no-print-directory workflows; \
	  elif [[ -n "$${CI:-}" ]]; then echo "lint: Go is needed to build actionlint" >&2; exit 1; \
	  else echo "lint: workflows not checked, since Go is not there to build actionlint"; fi

.PHONY: workflows
workflows: $(ACTIONLINT)
	$(ACTIONLINT)

# From source: its package on PyPI fetches a binary from elsewhere while it is installed.
$(ACTIONLINT):
	@GOBIN="$(CURDIR)/$(@D)" go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

types: .venv/.ready-dev ## Types, strict (mypy)
	.venv/bin/mypy

imports: .venv/.ready-dev ## Layers and bans between packages (import-linter)
	.venv/bin/lint-imports

# A wheel that depends on an engine would break the one that Databricks brings; one without its contracts would not start.
define CHECK_WHEEL
import sys, zipfile
from email.parser import Parser
from pathlib import Path

[path] = sys.argv[1:]
files = zipfile.ZipFile(path)
names = set(files.namelist())
metadata = Parser().parsestr(files.read(next(n for n in names if n.endswith(".dist-info/METADATA"))).decode())
required = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
engines = [r for r in required if r.lower().startswith(("pyspark", "pysail", "delta", "databricks", "pyarrow", "pandas"))]
source = {p.relative_to("src").as_posix() for p in Path("src/cartbrook").rglob("*") if p.is_file() and "__pycache__" not in p.parts}
problems = [f"depends on an engine: {r}" for r in engines]
problems += [f"lacks {n}" for n in sorted(source - names)]
problems += [f"has {n}, which is not in src" for n in sorted(names - source) if ".dist-info/" not in n]
problems += [] if any(n.endswith(".odcs.yaml") for n in names) else ["has no data contracts (*.odcs.yaml)"]
problems += [] if any(n.endswith("/licenses/LICENSE") for n in names) else ["has no LICENSE"]
sys.exit("\n".join([f"{path}:"] + problems) if problems else None)
endef
export CHECK_WHEEL

build: .venv/.ready-dev ## Build the wheel, look into it, and import it where no engine is installed
	@rm -rf dist build
	$(UV) build --quiet --python "$(PYTHON)" --wheel
	.venv/bin/python -c "$$CHECK_WHEEL" dist/*.whl
	@$(UV) venv --quiet --python "$(PYTHON)" build/bare
	@$(UV) pip install --quiet --python build/bare/bin/python dist/*.whl
	cd build && bare/bin/python -c "import cartbrook.config, cartbrook.contracts.load, cartbrook.errors, cartbrook.types"
	build/bare/bin/cartbrook --help > build/help.txt

# pyspark comes from uv's cache once .venv-spark was built; the demo takes a minute or two on Spark.
.PHONY: wheel-spark
wheel-spark: build ## Install the wheel with extra spark where nothing else is, and run the demo on Apache Spark
	@$(UV) venv --quiet --python "$(PYTHON)" build/spark
	$(UV) pip install --quiet --python build/spark/bin/python "$$(echo dist/*.whl)[spark]"
	build/spark/bin/cartbrook --engine spark demo build/demo-spark --days 2 --orders 10

check: lint types imports build test ## Everything that CI checks

.PHONY: clean
clean: ## Remove what make has built, environments included
	rm -rf .venv .venv-spark .tools build dist .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +
