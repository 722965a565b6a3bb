# `make` or `make help` says what there is. Every target installs what it needs into .venv by itself.
PYTHON ?= python3
VENV ?= .venv
# More options for pip, for example: make test PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_FLAGS ?=

BIN := $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt $(PIP_FLAGS)
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint format clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  PYTHON=python3.12 chooses the Python (3.11 or newer) that .venv is made from."

demo: $(INSTALLED) ## segment a made-up patient: a mask, a picture and a table
	$(BIN)/vlp3d demo

test: lint ## lint, types and all tests; they need no network
	$(BIN)/python -m pytest

bench: $(INSTALLED_DEV) ## speed and memory against their limits; writes docs/benchmarks.md
	$(BIN)/python -m Testing.benchmarks

lint: $(INSTALLED_DEV) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED_DEV) ## let ruff put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove build results and caches (.venv stays)
	rm -rf build dist *.egg-info vlp3d-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print | xargs rm -rf

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make pip run again only when a requirement changed. Order-only: the interpreter's date says nothing.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; torch is large, this takes some minutes) ..."
	$(PIP_INSTALL) -e .
	@touch $@

$(INSTALLED_DEV): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV) (once; torch is large, this takes some minutes) ..."
	$(PIP_INSTALL) -e ".[train,dicom,export,dev]"
	@touch $(INSTALLED) $@
