# `make` lists the commands. Each makes what it needs by itself; a second call is fast.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# As many processes as there are processors. Tests of one group run one after the other.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadgroup
PROTOS := $(wildcard src/graftage/protocol/pb/*.proto)

.PHONY: help demo test check fix bench golden proto clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "graftage needs Python 3.11 or later; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[server,dev]'
	@touch $@

demo: $(READY) ## run a plugin in the host and ask it; ONCE=1 stops after printing
	@$(BIN)/python -m examples.demo $(if $(ONCE),--once)

test: $(READY) ## run the tests
	$(PYTEST)

check: $(READY) ## format, lint, types, import contracts, generated files, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

fix: $(READY) ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## measure the path of one query; writes build/bench.json
	$(BIN)/python -m bench

golden: $(READY) ## replay the recorded exchanges of real Grafana servers
	@cd tests && ../$(BIN)/python -m support.golden

proto: $(READY) ## generate the protobuf modules
	$(BIN)/python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src $(PROTOS)

clean: ## remove what the other commands made
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
