# Everything a person or CI runs. Each target makes its own environment first; nothing but Python 3.11 and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: serve test test-browser screenshots prove planted-bugs check docs bench clean

serve: $(VENV)/.service
	$(BIN)/threadkeep serve

# Tests mostly wait: three files at a time on two cores. A file's tests stay together, and share its servers.
test: $(VENV)/.test
	$(BIN)/pytest -n 3 --dist loadfile

# The page in a real browser. Chromium is a program of the system: it is used, or installed where that is possible.
test-browser: $(VENV)/.browser
	@chromium=$$(sh tests/browser/chromium.sh) && THREADKEEP_CHROMIUM="$$chromium" $(BIN)/pytest -n 2 tests/browser

# Takes the pictures of docs/page.md anew.
screenshots: $(VENV)/.browser
	@chromium=$$(sh tests/browser/chromium.sh) && THREADKEEP_CHROMIUM="$$chromium" $(BIN)/pytest tests/browser/screenshots.py

# Attacks every promise on both databases: docs/proof.md. SCALE cuts sizes, never faults.
SCALE ?= 1
prove: $(VENV)/.browser
	@chromium=$$(sh tests/browser/chromium.sh) && \
	THREADKEEP_CHROMIUM="$$chromium" PYTHONPATH=tests $(BIN)/python -m proof --scale $(SCALE)

# Lets every checker fail once, on a bug planted for it, and writes what came of it into docs/proof.md.
planted-bugs: $(VENV)/.browser
	@chromium=$$(sh tests/browser/chromium.sh) && \
	THREADKEEP_CHROMIUM="$$chromium" PYTHONPATH=tests $(BIN)/python -m proof.planted --write

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# A warning, such as a broken link, is an error. Everything is read anew: pages that did not change warn again.
docs: $(VENV)/.docs
	$(BIN)/python docs/make_reference.py
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going docs dist/docs
	@echo "The documentation is in dist/docs/index.html"

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "threadkeep needs Python 3.11 or newer: set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.service: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,docs]'
	touch $@ $(VENV)/.service

$(VENV)/.docs: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

$(VENV)/.browser: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,docs,browser]'
	touch $@ $(VENV)/.test $(VENV)/.service
