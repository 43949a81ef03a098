# Every target is one command of the tools that `setup` puts into this checkout. `make help` lists them.
# Nothing is written outside the checkout but package caches. Index, proxy and certificates come from pip's and uv's own settings.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
JOBS ?= 3# one more than the cores that CI has: many tests wait for a process or a limit
ARGS ?=
UV := .tools/bin/uv
BIN := .venv/bin
LOCK := requirements
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export STELLA_UV := $(CURDIR)/$(UV)
ifeq ($(shell [ -w "$$HOME" ] && echo yes),)
export UV_CACHE_DIR ?= $(CURDIR)/.tools/cache# an account without a home folder
endif
# uv does not read pip's configuration, so the index that pip uses is handed on.
index = export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-$$(cat .tools/index)}}"; \
	[ -n "$$UV_DEFAULT_INDEX" ] || unset UV_DEFAULT_INDEX;

.PHONY: help setup demo test check bench figures reference lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: .venv/.run ## install uv and the locked run-time packages into this checkout

demo: .venv/.run ## the main job, start to end: a release crosses a gap
	@$(index) $(BIN)/stella demo

test: .venv/.dev ## all tests but the nightly ones; ARGS="-m nightly" runs those
	@$(BIN)/python -m pytest -q -n $(JOBS) $(ARGS)

check: .venv/.dev ## ruff, mypy, import-linter, tenancy lint, size gate, docs gate
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary src gates
	@layers=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$layers"; exit 1; }
	@$(BIN)/stella lint tenancy src
	@$(BIN)/python gates/size.py
	@$(BIN)/python gates/docs.py
	@echo "check: ok"

bench: .venv/.dev ## ratios against named peers, into bench/results.json; ARGS="stack thin" runs those parts
	@$(BIN)/python bench/run.py $(ARGS)

figures: .venv/.run ## what the last bench found, as a table
	@$(BIN)/python bench/figures.py

reference: .venv/.dev ## write docs/reference again from the operation table
	@$(BIN)/python -m stella.cli.reference

lock: $(UV) ## compile requirements/*.lock again; existing pins are kept unless an .in file asks for more
	@$(index) for name in tools build run demo-1 demo-2; do $(COMPILE) $(LOCK)/$$name.in -o $(LOCK)/$$name.lock; done
	@$(index) $(COMPILE) $(LOCK)/dev.in -c $(LOCK)/run.lock -c $(LOCK)/build.lock -o $(LOCK)/dev.lock

clean: ## remove what make made: environment, tools, output, caches
	@rm -rf .venv .tools out bench/work .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests gates bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- set-up: each stamp is made once and again only when its lock changes ---------------------------------------------

$(UV): $(LOCK)/tools.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("setup: python3 is %d.%d, 3.11 or later is needed; name one: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "setup: uv" >&2
	@$(PYTHON) -m pip install -qq --root-user-action=ignore --upgrade --target .tools --require-hashes -r $< \
		|| { echo "setup: pip could not install uv; where the package index is elsewhere, set PIP_INDEX_URL" >&2; exit 1; }
	@umask 077; $(PYTHON) -m pip config get global.index-url > .tools/index 2>/dev/null || echo "$${PIP_INDEX_URL:-}" > .tools/index
	@touch $@

# One environment serves both locks: dev is run and more, at the same versions. Once dev is there, run never takes it away.
.venv/.run: $(LOCK)/run.lock $(LOCK)/build.lock pyproject.toml $(UV)
	@$(call sync,$(if $(wildcard .venv/.dev),dev,run))
	@touch $@

.venv/.dev: $(LOCK)/dev.lock $(LOCK)/build.lock pyproject.toml $(UV)
	@$(call sync,dev)
	@touch .venv/.run $@

define sync
echo "setup: packages of $(LOCK)/$(1).lock" >&2; $(index) \
$(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv; \
$(UV) pip sync --quiet --require-hashes $(LOCK)/$(1).lock $(LOCK)/build.lock; \
$(UV) pip install --quiet --no-deps --no-build-isolation --offline --editable .
endef
