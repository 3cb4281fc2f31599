# Bare `make` lists the targets. `make repro` and `make test` set up everything they need.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
SOURCES := pipeline stages evoke tests benchmarks experiments

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export OMP_WAIT_POLICY := PASSIVE
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help repro test slow endurance check format lint types setup lock clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

repro: setup  ## Set up, check params.yaml, run the pipeline (what is up to date is not run again)
	@$(RUN) -m evoke params
	@$(RUN) -m evoke repro

test: setup  ## Set up, run the tests
	@echo "make: running the tests"
	@$(RUN) -m pytest -n 2 --dist loadfile

slow: setup  ## Run the tests that are left out of `make test`: the papers' size, minutes
	@$(RUN) -m pytest -m slow

endurance: setup  ## Kill every resumable stage a hundred times at random instants: hours
	@$(RUN) -m benchmarks.endurance --kills 100

check: setup  ## Format, lint, types and tests, as CI runs them; changes nothing
	@echo "make: checking the format"
	@$(VENV)/bin/ruff format --check $(SOURCES)
	@$(MAKE) --no-print-directory lint types test

format: setup  ## Format the code and mend what ruff can mend
	@$(VENV)/bin/ruff check --fix-only --quiet $(SOURCES)
	@$(VENV)/bin/ruff format $(SOURCES)

lint: setup  ## Lint, and hold the imports to their contracts (pyproject.toml)
	@echo "make: linting"
	@$(VENV)/bin/ruff check $(SOURCES)
	@$(VENV)/bin/lint-imports --no-cache --no-logo

types: setup  ## Check the types
	@echo "make: checking the types"
	@$(VENV)/bin/mypy

setup: $(READY)  ## Make .venv from requirements.lock: by uv, found or fetched, else by pip

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: Python 3.11 or newer is needed; give one by PYTHON=...")'
	@test -x $(RUN) || { echo "make: making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@UV=$$(command -v uv || true); \
	if [ -z "$$UV" ] && $(RUN) -m pip install --quiet uv 2>/dev/null; then UV=$(VENV)/bin/uv; fi; \
	if [ -n "$$UV" ]; then \
		echo "make: installing requirements.lock into $(VENV) by uv (about 6 GB)"; \
		"$$UV" pip install --quiet --python $(RUN) --require-hashes --no-deps --compile-bytecode -r requirements.lock; \
		"$$UV" pip install --quiet --python $(RUN) --no-deps --no-build-isolation -e .; \
	else \
		echo "make: installing requirements.lock into $(VENV) by pip (about 6 GB, slower than uv)"; \
		$(RUN) -m pip install --quiet --require-hashes --no-deps -r requirements.lock; \
		$(RUN) -m pip install --quiet --no-deps --no-build-isolation -e .; \
	fi
	@$(RUN) -m compileall -q pipeline stages evoke
	@touch $@
	@echo "make: $(VENV) is ready"

lock:  ## Write requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --extra dev pyproject.toml -o requirements.lock

clean:  ## Remove what runs leave behind: work folders, timings, caches (not data, models, experiments' cells or .venv)
	@test ! -d .work || find .work -mindepth 1 -maxdepth 1 ! -name experiments -exec rm -rf {} +
	@rm -rf runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find pipeline stages evoke tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "make: clean"
