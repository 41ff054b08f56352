# Two commands do everything on a machine with Python 3.11+ and make: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: run test unit lint end-to-end metrics-at-scale soak-metrics backends bench oracle docs clean

run: $(VENV)/installed  ## start the daemon on the built-in configuration
	$(BIN)/telescrub run

test: lint unit  ## what has to pass before every commit

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/installed-for-tests  ## the unit suite; the kernels of wire/ compiled, then uncompiled
	$(PYTEST) -m "not end_to_end"
	TELESCRUB_UNCOMPILED=1 $(PYTEST) -m "not end_to_end" tests/wire tests/processors

backends: $(VENV)/installed-for-tests  ## build the real Prometheus, Jaeger, Loki … into ~/.cache/telescrub (first time: tens of minutes)
	$(BIN)/python -m tests.backends.install

end-to-end: $(VENV)/installed-for-tests  ## against the real programs; those that are missing are skipped, saying how to get them
	$(PYTEST) -m end_to_end

metrics-at-scale: $(VENV)/installed-for-tests  ## a label of 10,000 values dropped, before both Prometheus versions with both protocols; a minute each
	TELESCRUB_AT_SCALE=1 $(PYTEST) -m end_to_end tests/end_to_end/test_metrics.py -k ten_thousand

soak-metrics: $(VENV)/installed  ## a million active series over three simulated hours; some 10 minutes of CPU and 2 GB
	$(BIN)/python -m bench.soak kept
	$(BIN)/python -m bench.soak dropped

ORACLE ?= --placements 1000000 --seed 1
oracle: $(VENV)/installed-for-tests  ## a million identifiers through the daemon, none may come out; some 30 minutes of CPU
	$(BIN)/python -m tests.oracle $(ORACLE)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

KERNELS := $(wildcard wire/*.py)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml setup.py $(KERNELS)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-for-tests: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

bench: $(VENV)/installed  ## what redaction, cardinality limits and remote-write cost; figures are CPU time, and only ratios within one run mean anything
	$(BIN)/python -m bench.redaction
	$(BIN)/python -m bench.egress
	$(BIN)/python -m bench.metrics
	$(BIN)/python -m bench.cardinality
	$(BIN)/python -m bench.remote_write
	$(BIN)/python -m bench.metrics_pipeline

docs: $(VENV)/installed  ## the pages that are made from the code
	$(BIN)/telescrub components --markdown > docs/reference.md
	$(BIN)/python -m processors.redaction.place_table > docs/redaction_places.md

clean:
	rm -rf $(VENV) build *.egg-info wire/*.so wire/*.c
