# Everything a person or CI runs. Each target makes its own environment first; nothing but Python 3.11 and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests start hundreds of processes. Where this is set, each compiles all of threadkeep again.
unexport PYTHONDONTWRITEBYTECODE

# What is installed is compiled when it is first imported: most of it never is.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable

.PHONY: serve wheel test test-all test-distributed test-browser test-clients test-examples test-integrations screenshots prove proofs planted-bugs try-operations newest check docs bench bench-alternatives clean generated dev test-fast fix

PORT ?= 8000
serve: $(VENV)/.service
	$(BIN)/threadkeep serve --port $(PORT)

# The same for whoever changes it: each saved file starts it anew.
dev: $(VENV)/.test
	$(BIN)/watchfiles --sigint-timeout 10 "$(BIN)/threadkeep serve --port $(PORT)" src

# What docs/deployment.md installs.
wheel: $(BIN)/python
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

# Tests often wait: four files at a time on two cores, six gained nothing. A file's tests stay together, and share its servers.
test: $(VENV)/.test
	$(BIN)/pytest -n 4 -m "not prove"

# The same on SQLite alone, without what starts processes or terminals for itself: what to run after each change.
test-fast: $(VENV)/.test
	$(BIN)/pytest -n 4 -m "not prove" --fast

# Those of `make test`, and those that kill, stop and starve servers: what waits leaves the machine to others.
test-all: $(VENV)/.test
	$(BIN)/pytest -n 4

# What needs PostgreSQL, on a cluster of Citus that runs: CLUSTER names its nodes, the coordinator first, as
# postgresql://postgres@host:port/postgres,… The user must be allowed to make databases and the extension.
test-distributed: $(VENV)/.test
	$(BIN)/pytest -n 3 -m "not prove" --cluster "$(CLUSTER)" tests tests/distributed

# The page in a real browser. Chromium is a program of the system: it is used, or installed where that is possible.
test-browser: $(VENV)/.browser
	@chromium=$$(sh tests/browser/chromium.sh) && THREADKEEP_CHROMIUM="$$chromium" $(BIN)/pytest -n 4 tests/browser

# Other services' JavaScript clients. They need node and npm, which are programs of the system.
CLIENTS := tests/clients/node
test-clients: $(VENV)/.test $(CLIENTS)/node_modules/.installed
	$(BIN)/pytest tests/clients

$(CLIENTS)/node_modules/.installed: $(CLIENTS)/package-lock.json
	@command -v npm > /dev/null || { echo "make test-clients needs node 20 or newer, with npm: install it first."; exit 1; }
	cd $(CLIENTS) && npm ci --no-audit --no-fund --loglevel=error
	touch $@

# Front ends that work as they stand in examples/, built with npm, in a real browser.
EXAMPLES := examples/ai-sdk/dist/index.html examples/assistant-ui/dist/index.html
test-examples: $(VENV)/.browser $(EXAMPLES)
	@chromium=$$(sh tests/browser/chromium.sh) && THREADKEEP_CHROMIUM="$$chromium" $(BIN)/pytest tests/examples

$(EXAMPLES): %/dist/index.html: %/package.json %/index.html %/main.jsx
	@command -v npm > /dev/null || { echo "make test-examples needs node 20 or newer, with npm: install it first."; exit 1; }
	cd $* && npm install --no-package-lock --no-audit --no-fund --loglevel=error && npm run build -- --logLevel=error

# Other frameworks over threadkeep.integrations, each in an environment of its own on top of ours, in exact versions.
# ONLY names those to run. CI runs the smallest: the others are large. SUITES is the folder of a source, where no package
# registry has it, whose own tests one of them runs too.
INTEGRATIONS := langchain agents agent-framework pydantic-ai chatkit google-adk llama-index claude-agent-sdk
ONLY ?= $(INTEGRATIONS)
test-integrations: $(foreach each,$(ONLY),.integrations/$(each)/.installed)
	@for each in $(ONLY); do \
		echo "tests/integrations/$$each" && $(if $(SUITES),env "THREADKEEP_SUITE_$$(echo $$each | tr a-z- A-Z_)=$(SUITES)") \
		.integrations/$$each/bin/python -m pytest tests/integrations/$$each || exit 1; \
	done

# A source that a package registry has, and that brings tests, is fetched as well.
.integrations/%/.installed: pyproject.toml tests/integrations/%/constraints.txt $(VENV)/.test
	$(PYTHON) -m venv --clear .integrations/$*
	echo "import site; site.addsitedir('$(CURDIR)/$$(echo $(VENV)/lib/python3.*/site-packages)')" \
		> $$(echo .integrations/$*/lib/python3.*/site-packages)/ours.pth
	.integrations/$*/bin/pip install --quiet --disable-pip-version-check --no-compile \
		--constraint tests/integrations/$*/constraints.txt $$($(PYTHON) tests/integrations/extra.py $*)
	@if [ -f tests/integrations/$*/source.txt ]; then cd .integrations/$* && bin/pip download --quiet --no-deps \
		--disable-pip-version-check --constraint ../../constraints.txt --dest . \
		--requirement ../../tests/integrations/$*/source.txt && tar --extract --file *.tar.gz; fi
	touch $@

# Takes the pictures of the page and of the examples anew.
screenshots: $(VENV)/.browser $(EXAMPLES)
	@chromium=$$(sh tests/browser/chromium.sh) && export THREADKEEP_CHROMIUM="$$chromium" && \
		$(BIN)/pytest tests/browser/screenshots.py && $(BIN)/pytest tests/examples/screenshots.py

# The tests that kill, stop and starve servers; then every promise, attacked on both databases: docs/proof.md.
prove: $(VENV)/.browser
	$(BIN)/pytest -n 4 -m prove
	@$(MAKE) proofs

# SCALE cuts sizes, never faults.
SCALE ?= 1
proofs: $(VENV)/.browser
	@chromium=$$(sh tests/browser/chromium.sh) && strace=$$(sh tests/proof/strace.sh) && \
	THREADKEEP_CHROMIUM="$$chromium" THREADKEEP_STRACE="$$strace" PYTHONPATH=tests $(BIN)/python -m proof --scale $(SCALE)

# Lets every checker fail once, on a bug planted for it, and writes what came of it into docs/proof.md.
planted-bugs: $(VENV)/.browser
	@chromium=$$(sh tests/browser/chromium.sh) && strace=$$(sh tests/proof/strace.sh) && \
	THREADKEEP_CHROMIUM="$$chromium" THREADKEEP_STRACE="$$strace" PYTHONPATH=tests $(BIN)/python -m proof.planted --write

# Whether what server/transport leans on is still there in the newest uvicorn, h11, httptools and uvloop, and whether
# the newest of other services' clients still work, in an environment that is thrown away. What it found: docs/decisions/0010-uvicorns-protocol-is-extended.md.
NEWEST := .venv-newest
TRANSPORT_TESTS := $(addprefix tests/test_,layering.py batch.py http_limits.py raw_http.py early_answers.py \
	whole_answers.py connection_limits.py headers.py health.py faults_stopping.py starting.py)
newest:
	$(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,docs]'
	$(NEWEST)/bin/pip install --quiet --disable-pip-version-check --upgrade uvicorn h11 httptools uvloop
	$(NEWEST)/bin/pip install --quiet --disable-pip-version-check --upgrade openai openai-agents
	$(NEWEST)/bin/pip list --disable-pip-version-check | grep -E '^(uvicorn|h11|httptools|uvloop|openai|openai-agents) '
	$(NEWEST)/bin/pytest -n 3 --dist loadfile $(TRANSPORT_TESTS) tests/test_openai_*.py; status=$$?; rm -rf $(NEWEST); exit $$status

# What an operator does, tried: failover, backups, a balancer (needs nginx and haproxy), sizes, partitions.
try-operations: $(VENV)/.test
	$(BIN)/pytest -s tests/operations

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# What is made from the contract and the asynchronous client, and kept: docs/adding-a-field.md.
generated: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m support.client_fields --write
	PYTHONPATH=tests $(BIN)/python -m support.sync_client --write
	$(BIN)/python docs/make_reference.py

# Mends what a program can mend.
fix: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A warning, such as a broken link, is an error. Everything is read anew: pages that did not change warn again.
docs: $(VENV)/.docs
	$(BIN)/python docs/make_reference.py
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going docs dist/docs
	@echo "The documentation is in dist/docs/index.html"

# Everything that docs/benchmarks.md shows, in most of an hour; `python -m benchmarks --only …` measures parts of it.
bench: $(VENV)/.bench bench-alternatives
	$(BIN)/python -m benchmarks --into docs

# The servers that threadkeep is measured beside, each in an environment of its own. What cannot be had is left out.
ALTERNATIVES := .venv-alternatives
bench-alternatives: $(patsubst benchmarks/alternatives/%.txt,$(ALTERNATIVES)/%/.installed,$(wildcard benchmarks/alternatives/*.txt))

$(ALTERNATIVES)/%/.installed: benchmarks/alternatives/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $< && touch $@ \
		|| echo "$* cannot be installed here: it is left out"

clean:
	rm -rf $(VENV) $(NEWEST) $(ALTERNATIVES)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "threadkeep needs Python 3.11 or newer: set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.service: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) .
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[test,docs]'
	touch $@ $(VENV)/.service

$(VENV)/.docs: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[docs]'
	touch $@

$(VENV)/.browser: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[test,docs,browser]'
	touch $@ $(VENV)/.test $(VENV)/.service

$(VENV)/.bench: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[test,docs,bench]'
	touch $@ $(VENV)/.test $(VENV)/.service
