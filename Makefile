# chainnode: every target sets itself up. `make help` lists them.

# Empty: bootstrap.sh chooses, the machine's own first. PYTHON=python3.12 says which.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
PLOTS := $(VENV)/plots/.ready
MINUTES ?= 10
TRIALS ?= 30

.DEFAULT_GOAL := help
.PHONY: help demo test check coverage mutate fuzz sim soak twins model killsoak failover joining bench bench-peers plots figures localnet proto docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

$(STAMP): requirements.lock pyproject.toml bootstrap.sh
	@PYTHON="$(PYTHON)" sh ./bootstrap.sh $(VENV)
	@touch $@

demo: $(STAMP) ## the main job with four hospitals (DATA=folder for your own FHIR R4 bundles, at least 8)
	@$(BIN)/python -m tests.demo $(if $(DATA),--data "$(DATA)")

test: $(STAMP) ## the tests, two files at a time
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP) ## ruff, mypy --strict and the architecture test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest tests/test_architecture.py

coverage: $(STAMP) ## branch coverage of consensus/ by tests/consensus alone; anything below 100 % fails
	@$(BIN)/python -m coverage run --branch --source=consensus -m pytest tests/consensus
	@$(BIN)/python -m coverage report --show-missing --skip-covered --fail-under=100

mutate: $(STAMP) ## plant faults in the core and list those that no test notices: MODULE=consensus/normal.py
	@$(BIN)/python -m tests.mutation $(MODULE)

fuzz: $(STAMP) ## damage every format that comes from outside, for MINUTES=10
	@$(BIN)/python -m tests.fuzz --minutes $(MINUTES)

sim: $(STAMP) ## the deterministic simulator: SEEDS=200, SEED=n for one, BREAK=name|all plants bugs, TABLE=1 costs
	@$(BIN)/python -m tests.sim $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(BREAK),--break $(BREAK)) $(if $(TABLE),--table)

soak: $(STAMP) ## the simulator for HOURS=1, seed after seed from FIRST=10000 on, until one fails
	@$(BIN)/python -m tests.sim --soak $(or $(HOURS),1) $(if $(FIRST),--first $(FIRST))

twins: $(STAMP) ## members with two processes under one key: SCENARIOS=2000, MEMBERS=4, SCENARIO=n for one
	@$(BIN)/python -m tests.twins $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(MEMBERS),--members $(MEMBERS)) \
	  $(if $(VIEWS),--views $(VIEWS)) $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(BREAK),--break $(BREAK))

model: $(STAMP) ## check docs/model: TLC=path/to/tla2tools.jar, CONFIG=small, SIMULATE=n behaviours, BREAK=name plants a bug
	@$(BIN)/python -m tests.model $(if $(TLC),--tlc "$(TLC)") $(if $(CONFIG),--config $(CONFIG)) \
	  $(if $(SIMULATE),--simulate $(SIMULATE)) $(if $(BREAK),--break $(BREAK))

killsoak: $(STAMP) ## real nodes under load, killed with -9 in turn: MINUTES=10
	@$(BIN)/python -m tests.realnet.soak --minutes $(MINUTES)

failover: $(STAMP) ## how long a killed primary is missed: TRIALS=30
	@$(BIN)/python -m tests.realnet.failover --trials $(TRIALS)

joining: $(STAMP) ## how long a node with an empty folder takes to join: BLOCKS=10000
	@$(BIN)/python -m tests.realnet.join_figures $(if $(BLOCKS),--blocks $(BLOCKS))

bench: $(STAMP) plots ## signing, block validation, four nodes on the loopback (the whole tables from 150 columns on)
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench network

bench-peers: $(STAMP) plots ## CometBFT and etcd beside the same nodes in one run: ROUNDS=4, SECONDS=3 at each rate
	@$(BIN)/python -m bench peers $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SECONDS),--seconds $(SECONDS))

plots: $(PLOTS) ## matplotlib, in an environment of its own below the nodes'

$(PLOTS): bench/plots.txt $(STAMP)
	@$(BIN)/python -m venv $(VENV)/plots && $(VENV)/plots/bin/python -m pip install -q -r bench/plots.txt \
	  && touch $@ || echo "matplotlib is not to be had: the figures are measured, nothing is drawn"

figures: $(STAMP) ## latency, memory, disk and start of a localnet
	@$(BIN)/python -m tests.figures

localnet: $(STAMP) ## four nodes that keep running until Ctrl-C, and sample bundles for the tour in README.md
	@$(BIN)/python -m tests.localnet

proto: $(STAMP) ## generate the gateway's code from gateway.proto
	@$(BIN)/python -m chainnode.gateway.generate

docs: $(STAMP) ## generate docs/reference.md
	@$(BIN)/python -m chainnode.cli.reference

clean: ## remove the environment and everything that was made
	@rm -rf $(VENV) .demo .localnet .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/results *.egg-info build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
