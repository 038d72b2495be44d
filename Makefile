# Every target creates the environments that it needs; `make demo` and `make test` are the ones to start with.
#
#   PYTHON=python3.12 make test              another Python
#   make test ARGS='-k browser -x'           more for pytest
#   LOGIN_HOST_NEWEST=/path/to/az make demo  an azure-cli that is already installed
#   LOGIN_REAL_PROCESSES=1 make test         start the executable for every command, and never fork a stand-in
#   make parity HOST=/path/to/az             the parity cases on any azure-cli, and what it has that ours does not
#   make parity ARGS=--fresh                 the same for the parity cases

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
# One more than there are processors: some tests wait for a clock.
JOBS ?= $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))
ARGS ?=
HOST ?= newest

SET_UP := $(PYTHON) tests/harness/environments.py
IN_VENV := .venv/bin/python
PYTEST := $(IN_VENV) -m pytest

.PHONY: help demo demo-shell smoke check pictures test parity parity-oldest nightly bench fuzz lint types format wheel release requirements azdev-lint clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo:  ## Sign in to a local cloud through a real browser, unattended, and show the output of az
	@$(SET_UP) tools newest chromium
	@$(IN_VENV) -m tests.demo

demo-shell:  ## A shell with the local cloud running and the extension installed
	@$(SET_UP) tools newest
	@$(IN_VENV) -m tests.demo --shell

smoke:  ## Sign in, list, get a token and sign out with the wheel in the newest azure-cli, or in HOST=oldest
	@$(SET_UP) tools $(HOST)
	@$(IN_VENV) -m tests.harness.wheel dist
	@$(IN_VENV) -m tests.smoke --host .hosts/$(HOST)

pictures:  ## Draw docs/pictures from what az shows on a terminal
	@$(SET_UP) tools newest
	@$(IN_VENV) -m tests.pictures $(ARGS)

check: lint types  ## Check style and types, and run the unit tests: for every change
	@$(PYTEST) -n $(JOBS) --dist worksteal tests/unit $(ARGS)

test:  ## Run all tests (ARGS= for pytest)
	@$(SET_UP) tools newest oldest chromium shells kubectl keyring actionlint identity-client
	@$(PYTEST) -n $(JOBS) --dist worksteal $(ARGS)

parity:  ## Compare every command line with the built-in commands of the newest azure-cli, or of HOST=/path/to/az
	@$(SET_UP) tools newest
	@$(IN_VENV) -m tests.parity --host "$(HOST)" $(ARGS)

parity-oldest:  ## The same on the oldest azure-cli that the extension supports
	@$(SET_UP) tools oldest
	@$(IN_VENV) -m tests.parity --host oldest $(ARGS)

nightly:  ## The same on the newest azure-cli that has been released, and report what has changed in it
	@$(SET_UP) tools newest latest
	@$(IN_VENV) -m tests.parity --host .hosts/latest/bin/az $(ARGS)

bench:  ## Measure how long the commands take
	@$(SET_UP) tools newest $(if $(findstring encrypted,$(ARGS)),keyring)
	@$(IN_VENV) -m tests.bench $(ARGS)

fuzz:  ## Read 100,000 damaged answers, files and texts from outside (ARGS= --seed, --count, --target)
	@$(SET_UP) tools
	@$(IN_VENV) -m tests.fuzz $(ARGS)

lint:  ## Check style (ruff) and the direction of imports (import-linter)
	@$(SET_UP) tools
	@$(IN_VENV) -m ruff check .
	@$(IN_VENV) -m ruff format --check --quiet .
	@.venv/bin/lint-imports --no-cache --no-logo

types:  ## Check types (mypy) as they are on Linux, macOS and Windows
	@$(SET_UP) tools
	@for platform in linux darwin win32; do \
	    $(IN_VENV) -m mypy --platform $$platform --cache-dir .mypy_cache/$$platform || exit; \
	done

format:  ## Reformat and sort imports
	@$(SET_UP) tools
	@$(IN_VENV) -m ruff check --fix --quiet . ; $(IN_VENV) -m ruff format .

wheel:  ## Build dist/login-*.whl
	@$(SET_UP) tools
	@$(IN_VENV) -m tests.harness.wheel dist

release:  ## Build what users download into dist/: make release URL=https://HOST/PATH [INDEX=FILE] [TAG=vX]
	@$(if $(URL),,$(error Name the folder from which users will download: make release URL=https://HOST/PATH))
	@$(SET_UP) tools
	@$(IN_VENV) -m tests.release --url "$(URL)" --index "$(INDEX)" --tag "$(TAG)"

requirements:  ## Pin the "dev" group of pyproject.toml into requirements-dev.txt
	@$(SET_UP) uv
	@.hosts/uv/bin/uv pip compile --quiet --universal --python-version 3.10 --group dev \
	    --custom-compile-command 'make requirements' --output-file requirements-dev.txt

azdev-lint:  ## Run azdev's extension linter (in an environment of its own)
	@$(SET_UP) tools azdev
	@$(IN_VENV) -m tests.harness.azdev

clean:  ## Remove builds and caches (environments too: make clean ARGS=all)
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -path ./.venv -prune -o -path ./.hosts -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
	@if [ "$(ARGS)" = all ]; then rm -rf .venv .hosts; fi
