# make demo   evolve circle packing, offline, in about four minutes     make check   linters, types, layers
# make test   the fast tests      make test-domains   models in the sandbox
# make test-server   campaigns on a real Prefect server      make test-full   all tests
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# Spinning threads cost more than they bring beside two workers.
export OMP_NUM_THREADS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1

.PHONY: demo test test-domains test-server test-full check install format clean

demo: $(BIN)/.installed
	$(BIN)/nightshift run campaigns/circle-packing-laptop.toml
	$(BIN)/nightshift best circle-packing-laptop --out demo/best
	@echo "program and figure are in demo/best; the Prefect server goes on until: $(BIN)/nightshift down"

test: $(BIN)/.installed-dev
	$(BIN)/pytest -n 2 --dist worksteal

test-domains: $(BIN)/.installed-dev
	$(BIN)/pytest -n 2 --dist worksteal -m "domains and not (server or slow or gpu or live or postgres or browser or recovery)"

test-server: $(BIN)/.installed-dev
	$(BIN)/pytest -n 2 --dist worksteal -m "server and not (slow or gpu or live or postgres or browser or recovery)"

test-full: $(BIN)/.installed-dev
	$(BIN)/pytest -m "not gpu and not live"

check: $(BIN)/.installed-dev
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --no-cache --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(BIN)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(BIN)/.installed

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The base: enough for the demo and for campaigns with a model.
$(BIN)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	touch $@

$(BIN)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	touch $(BIN)/.installed $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
