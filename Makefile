# Everything a fresh machine needs: python3 >= 3.11 with venv, and make.
PYTHON ?= python3
BIN = .venv/bin

.PHONY: quickstart test test-slow test-long test-all device-less device-less-python lint clean

quickstart: .venv/installed
	$(BIN)/algoperf-lite quickstart

# The fast tier: five minutes on two cores.
test: .venv/installed-test
	$(BIN)/python -m pytest -m "not slow"

# Hosts, Ray, faults, cheats, the browser, all workloads, commands that documents quote.
test-slow: .venv/installed-test
	$(BIN)/python -m pytest -m "slow and not long"

# Every variant of every workload: for changes of those.
test-long: .venv/installed-test
	$(BIN)/python -m pytest -m long

# One run of both, which compiles a program once for both.
test-all: device-less-python
	$(BIN)/python -m pytest -m "not long"

# All programs compiled for an H100 without one, and compared with a table. It takes long.
device-less: device-less-python
	$(BIN)/python -m tests.device_less check

# CUDA's plugin wants a newer Python than the tests do; where there is none, they skip.
device-less-python: .venv/installed-test
	$(BIN)/python -m tests.device_less.environment

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
