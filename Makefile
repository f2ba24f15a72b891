# make demo and make test do all set-up themselves; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup demo check test test-full lock clean
PYTHON ?= python3
BIN := .venv/bin
export PYTHON
export DEBIAN_FRONTEND := noninteractive

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make .venv and, as root on Debian, install what local VPSes need
	@scripts/setup

demo: setup ## a local VPS with the example blog: deployed, load-tested, left running
	@$(BIN)/invoke demo </dev/null

check: setup ## style, types and layers; no test
	@$(MAKE) --no-print-directory static

test: setup ## style, types, layers and all tests, those on a real local VPS included
	@$(MAKE) --no-print-directory static
	@$(BIN)/pytest -m "not slow and not alone" --numprocesses 3 --dist loadfile </dev/null
	@$(BIN)/pytest -m "not slow and alone" </dev/null

test-full: setup ## like test, with the slow tests and the whole fault sweep: hours
	@$(MAKE) --no-print-directory static
	@# a failure ends only its own part: what takes hours is told whole
	@failed=0; \
	$(BIN)/pytest -m "not alone and not fault" --numprocesses 3 --dist loadfile </dev/null || failed=1; \
	$(BIN)/pytest -m fault --numprocesses 3 --dist load </dev/null || failed=1; \
	$(BIN)/pytest -m alone </dev/null || failed=1; \
	exit $$failed

.PHONY: static
static:
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --strict --no-error-summary
	@out=$$($(BIN)/lint-imports --no-cache 2>&1) || { printf '%s\n' "$$out"; exit 1; }
	@echo "check: style, types and layers are as they should be"

lock: setup ## write requirements-dev.lock from pyproject.toml and requirements-dev.in
	@$(BIN)/pip-compile --quiet --upgrade --extra dev --extra locust --strip-extras --allow-unsafe --generate-hashes \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--output-file requirements-dev.lock pyproject.toml requirements-dev.in </dev/null

clean: ## remove .venv, caches and reports; local VPSes stay (invoke sandbox.down)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist reports
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
