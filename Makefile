# Short names for the commands of the README and CONTRIBUTING.md, which stay the ones to rely on.
PYTHON := .venv/bin/python

.PHONY: install test test-all lint serve openapi bench

install:  ## Make a virtual environment with everything that development needs.
	python3 -m venv .venv
	.venv/bin/pip install --quiet --require-hashes -r requirements-dev.txt

test:  ## Run the unit and API tests.
	$(PYTHON) -m pytest

test-all: test  ## Run all tests.
	$(PYTHON) -m pytest -m "process or needs" -n 4

lint:  ## Check style, types and import rules.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

serve:  ## Serve the API on http://127.0.0.1:8000.
	$(PYTHON) main.py

openapi:  ## Write openapi.json from the code.
	$(PYTHON) -m core openapi

bench:  ## Measure what requests cost (about seven minutes).
	$(PYTHON) -m benchmarks.run
