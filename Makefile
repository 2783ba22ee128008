# One-line help per target: make help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench chaos format clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

install: $(VENV)/.installed  ## install the program into .venv

demo: $(VENV)/.installed  ## run the main job on a sample feed (ARGS=--exit-when-done for scripts)
	$(BIN)/monitor demo $(ARGS)

test: $(VENV)/.installed-dev  ## run the tests (ARGS="-k name" for some)
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.installed-dev  ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-dev  ## measure; prints tables (ARGS=--help says what; ARGS="NAME --json FILE" for some)
	$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: $(VENV)/.installed-dev  ## kill workers, brokers and Redis at random, and count again (ARGS="--events 200 --json FILE")
	$(BIN)/python -m tests.chaos $(ARGS)

format: $(VENV)/.installed-dev  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and what the tools leave behind
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) and fetching uv into it"
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "Python's venv module is incomplete (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: $(UV) pyproject.toml constraints.txt
	@echo "Installing the program and its libraries into $(VENV) (once; about 2.8 GB are downloaded, most of it torch)"
	$(UV) pip install --python $(BIN)/python --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools that tests and checks need"
	$(UV) pip install --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	@touch $@
