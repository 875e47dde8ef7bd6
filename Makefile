# Marcador: `make run` shows it working, `make test` proves it. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PYTHONHASHSEED ?= 0

.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 24

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Marcador needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "This Python has no venv module; installing Debian's python3-venv"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv; \
	  else sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv; fi && $(PYTHON) -m venv $(VENV); } \
	  || { echo "Install it by hand: apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.run  ## make the environment from the lock file

dev: $(VENV)/.dev  ## the same, with the tools that tests and benchmarks need

run: $(VENV)/.run  ## import a generated portfolio and run a campaign with simulated agents
	$(BIN)/marcador run --sample

telephony: $(VENV)/.run  ## a real Asterisk with SIPp people and phones on loopback, until Ctrl-C
	$(BIN)/python -m telephony_adapters.lab $(if $(FAMILY),--family $(FAMILY)) $(if $(NODES),--nodes $(NODES))

telephony-run: $(VENV)/.run  ## the same campaign as `run`, over real SIP calls through that Asterisk
	$(BIN)/python -m telephony_adapters.lab $(BIN)/marcador run --adapter asterisk --sample \
	  --accounts 2000 --agents 8 --minutes 3

lint: $(VENV)/.dev  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(VENV)/.dev lint  ## everything that must hold, on real servers
	$(BIN)/pytest -n 2 --dist loadgroup

soak: $(VENV)/.dev  ## the fault tests at full size (long)
	$(BIN)/pytest -m soak -n 2 --timeout 7200

bench: $(VENV)/.dev  ## throughput and latency of the engine beside their limits
	$(BIN)/python -m load_tests.bench_engine

bench-import: $(VENV)/.dev  ## import of a million generated rows (about ten minutes)
	$(BIN)/python -m load_tests.bench_import

bench-api: $(VENV)/.dev  ## load on the HTTP API and the agents' WebSocket
	$(BIN)/python -m load_tests.bench_api

bench-pacing: $(VENV)/.dev  ## the pacer beside its goals, other dialers' laws and a solved optimum
	$(BIN)/python -m load_tests.bench_pacing

bench-twilio: $(VENV)/.dev  ## answer to agent through Twilio's API, against its fake
	$(BIN)/python -m load_tests.bench_twilio

bench-telephony: $(VENV)/.dev  ## calls a second through a real Asterisk, beside raw ARI and raw SIPp
	$(BIN)/python -m load_tests.bench_telephony

lock:  ## renew the lock files (needs uv)
	uv pip compile pyproject.toml -o requirements.lock --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -q
	uv pip compile pyproject.toml --extra dev --extra load -o requirements-dev.lock --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -q

.PHONY: help setup dev run telephony telephony-run lint test soak bench bench-import bench-api bench-pacing bench-twilio bench-telephony lock
