# On a fresh machine: `make run` sets up and serves, `make demo` plays a match, `make test` sets up and tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run demo iot test tools real-game big-games slow conformance lint format bench clean help

help: ## show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

run: $(VENV)/installed ## set up, then serve a whole stack until Ctrl-C
	@exec $(BIN)/python -m examples.stack run $(if $(ADDRESS),--address $(ADDRESS))

demo: $(VENV)/installed ## set up, then let two scripted players play a match on free ports
	@exec $(BIN)/python -m examples.stack demo

iot: $(VENV)/installed-iot ## set up, then serve a page of simulated devices until Ctrl-C
	@exec $(BIN)/python -m examples.iot_web

test: lint tools ## set up, then lint and run every test
	timeout -s KILL 3000 $(BIN)/python -m pytest -m "not slow and not big_game"

tools:
	@tests/tools.sh

conformance: $(VENV)/installed-dev ## the Autobahn test suite against our WebSocket server and client
	$(BIN)/python -m tests.conformance.autobahn

real-game: $(VENV)/installed-dev tools ## a real Teeworlds server under the launcher
	timeout -s KILL 300 $(BIN)/python -m pytest -m real_game

big-games: $(VENV)/installed-dev ## real servers of OpenArena, Minetest and Freeciv under the launcher; installs 500 MB
	@tests/tools.sh big-games
	timeout -s KILL 600 $(BIN)/python -m pytest -m big_game

slow: $(VENV)/installed-dev tools ## the slow batteries
	timeout -s KILL 3600 $(BIN)/python -m pytest -m slow

lint: $(VENV)/installed-dev ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev ## put every file into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed-dev ## CPU time per message, beside what a user would pick instead
	$(BIN)/python -m benchmarks.echo
	$(BIN)/python -m benchmarks.websocket
	$(BIN)/python -m benchmarks.http
	$(BIN)/python -m benchmarks.connman

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-autobahn run build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed, and '$(PYTHON)' is not: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "No virtual environment could be made; on Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/installed: $(VENV)/bin/python setup.cfg pyproject.toml
	@echo "Installing what it needs into $(VENV) (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[login-server,launcher,game-server,turn-server]'
	@touch $@

$(VENV)/installed-iot: $(VENV)/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[iot-web]'
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all,test,lint]'
	@touch $@
