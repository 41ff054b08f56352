# Two commands do everything on a machine with Python 3.11+ and make: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: run test unit lint end-to-end metrics-at-scale soak-metrics queues reloads kill-nine outages soak backends bench oracle fuzz fuzz-guided lock docs clean

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

POWER_CUTS ?= 20000
queues: $(VENV)/installed-for-tests  ## durable queues: power cuts, kill -9 and damaged files by the thousand; some 20 minutes
	TELESCRUB_POWER_CUTS=$(POWER_CUTS) TELESCRUB_KILLS=200 TELESCRUB_FLIPS=4000 $(PYTEST) \
		tests/pipeline/queues/test_power_cut.py tests/pipeline/queues/test_kill.py tests/pipeline/queues/test_damage.py

RELOADS ?= --reloads 1000 --seed 1
reloads: $(VENV)/installed-for-tests  ## a thousand reloads of the real daemon under load, a third of them broken; some 10 minutes
	$(BIN)/python -m tests.chaos.reloads $(RELOADS)

KILL_NINE ?= --kills 200 --seed 1
kill-nine: $(VENV)/installed-for-tests  ## the daemon killed 200 times under load of real SDKs, before the real destinations; some 20 minutes
	$(BIN)/python -m tests.chaos.kill_nine $(KILL_NINE)

OUTAGES ?= --entries 3600 --tries 125
outages: $(VENV)/installed-for-tests  ## each destination failing in every way, for what is an hour of entries and retries; about an hour
	$(BIN)/python -m tests.chaos.outages $(OUTAGES)

SOAK ?= 60
soak: $(VENV)/installed-for-tests  ## minutes of mixed load, calm and with failing destinations: memory, files, threads and queues stay level
	$(BIN)/python -m tests.chaos.soak --minutes $(SOAK)

ORACLE ?= --placements 1000000 --seed 1
oracle: $(VENV)/installed-for-tests  ## a million identifiers through the daemon, none may come out; some 30 minutes of CPU
	$(BIN)/python -m tests.oracle $(ORACLE)

FUZZ ?= --seed 1 --inputs 1000000
fuzz: $(VENV)/installed-for-tests  ## a million made-up and damaged inputs for all that reads bytes; half an hour of CPU
	$(BIN)/python -m tests.fuzz $(FUZZ)

GUIDED ?= --seconds 60
fuzz-guided: $(VENV)/installed-for-tests  ## the same targets, led by the lines that inputs reach; the kernels uncompiled
	$(BIN)/python -m pip install --quiet atheris==3.0.0
	TELESCRUB_UNCOMPILED=1 $(BIN)/python -m tests.fuzz.guided $(GUIDED)

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate --no-emit-index-url
lock: $(VENV)/installed  ## pin what the image installs, with hashes, for the Dockerfile's Python; after every change of dependencies
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(LOCK) --output-file requirements.lock pyproject.toml
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" \
		| $(LOCK) --output-file requirements-build.lock -

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
	$(BIN)/python -m bench.queue

docs: $(VENV)/installed  ## the pages that are made from the code
	$(BIN)/telescrub components --markdown > docs/reference.md
	$(BIN)/python -m processors.redaction.place_table > docs/redaction_places.md

clean:
	rm -rf $(VENV) build *.egg-info wire/*.so wire/*.c
