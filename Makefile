# Everything a checkout needs: `make` lists it. Works with GNU make 3.81 (macOS) and newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo $(BIN)/uv)
OUR_UV := $(filter $(BIN)/uv,$(UV))

# A package index that was named to pip only.
ifdef PIP_INDEX_URL
UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
export UV_DEFAULT_INDEX
endif

# Stamps: what is installed, and from which lock.
FOR_RUNNING := $(VENV)/.installed
FOR_DEVELOPMENT := $(VENV)/.installed-dev
FOR_DIFFUSION := $(VENV)/.installed-diffusers

.DEFAULT_GOAL := help
.PHONY: help up test lint audit format lock clients bench load chaos diffusers clean

help: ## List what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

up: $(FOR_RUNNING) ## Start a whole Darkroom here; Ctrl-C stops it (ARGS=--insecure, …)
	@exec $(BIN)/darkroom up $(ARGS)

# All processes must collect the same tests in the same order, which a fixed hash seed gives.
test: ARGS ?= --numprocesses auto --maxprocesses 4 --dist loadfile
test: $(FOR_DEVELOPMENT) ## Run the tests (ARGS="-k name tests/cli" narrows them)
	@PYTHONHASHSEED=0 $(BIN)/python -m pytest $(ARGS)

lint: $(FOR_DEVELOPMENT) ## Check style, types, the direction of imports, and that no secret is in a file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --disable-plugin KeywordDetector \
		--exclude-files '\.lock$$|package-lock\.json$$|^tests/replay/'

audit: $(FOR_RUNNING) ## Look what is locked up among the known vulnerabilities; needs api.osv.dev
	$(UV) tool run pip-audit --vulnerability-service osv --disable-pip --require-hashes \
		--requirement requirements.lock
	cd clients/typescript && npm audit

format: $(FOR_DEVELOPMENT) ## Format the code and repair what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(FOR_DEVELOPMENT) ## Measure what the tests do not time
	@$(BIN)/python -m bench $(ARGS)

load: $(FOR_DEVELOPMENT) ## Half an hour of steady traffic: what grows (ARGS="--minutes 5 --quick")
	@$(BIN)/python -m bench.load $(ARGS)

chaos: $(FOR_DEVELOPMENT) ## Work through every kind of fault (ARGS="--minutes 10 --seed 1")
	@$(BIN)/python -m bench.chaos $(ARGS)

# No part of the locks, where it would weigh on everybody. pip prefers a wheel of torch for CPUs
# that lies in PIP_FIND_LINKS, or on PIP_EXTRA_INDEX_URL, to the registry's own with CUDA.
TORCH := torch==2.13.0

diffusers: $(FOR_DIFFUSION) ## Add what local diffusion needs, torch above all

COMPILE = $(UV) pip compile --python $(BIN)/python --universal --generate-hashes \
	--python-version 3.11 --no-header --no-emit-index-url pyproject.toml

lock: $(VENV)/.python $(OUR_UV) ## Resolve pyproject.toml anew into the two lock files (ARGS=--upgrade)
	$(COMPILE) $(ARGS) --extra hosted --group build -o requirements.lock
	$(COMPILE) $(ARGS) --extra hosted --group dev -c requirements.lock -o requirements-dev.lock

clean: ## Remove the environment and the caches, never the data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache htmlcov .coverage

clients: $(FOR_DEVELOPMENT) ## Make the clients' types from the API anew; needs Node
	@cd clients/typescript && npm ci --prefer-offline --silent
	$(BIN)/python clients/generate.py

# An environment that is there already is kept, whatever made it.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Darkroom needs Python 3.11 or newer as $(PYTHON); name another one with PYTHON=…" >&2; \
		exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(BIN)/uv: | $(VENV)/.python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

INSTALL = $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python

$(FOR_RUNNING): requirements.lock pyproject.toml $(VENV)/.python | $(OUR_UV)
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(FOR_DEVELOPMENT): requirements-dev.lock pyproject.toml $(VENV)/.python | $(OUR_UV)
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# Nothing that is locked moves: the constraints are the lock without its hashes.
$(FOR_DIFFUSION): requirements-dev.lock pyproject.toml $(FOR_RUNNING)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	@sed -n 's/ *\\$$//; /^[a-z0-9]/p' requirements-dev.lock > $(VENV)/constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		--constraint $(VENV)/constraints.txt '$(TORCH)' -e '.[diffusers]'
	@touch $@
