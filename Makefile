# Everything a newcomer or CI asks for; what is missing is installed first. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV   ?= .venv
export PYTHON VENV

bin   := $(VENV)/bin
# An installation is named after the pyproject.toml that it was made from.
stamp := $(VENV)/.installed-$(shell cksum pyproject.toml | cut -d' ' -f1)
run   := $(stamp)-run
dev   := $(stamp)-dev
# The workers fill the cores; a BLAS that starts threads of its own would only be in their way.
single := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

# What CI tests the bridge against; pip prefers the build for the CPU where an index has one.
TORCH := torch==2.13.0 captum==0.9.0

.PHONY: help demo test lint types install cholmod torch benchmark figures study schema clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(run) ## run one problem and say where its results are
	$(bin)/topopt run problems/bridge.yaml
	@echo "The results are in results/$$(ls -t results | grep -v README | head -n 1)/"

test: lint types ## all that CI runs: lint, types, tests and doctests
	$(single) $(bin)/pytest -n 2

lint: $(dev) ## ruff: rules and format
	$(bin)/ruff check .
	$(bin)/ruff format --check .

types: $(dev) ## mypy --strict
	$(bin)/mypy

install: $(dev) ## install topopt and its tools into .venv

cholmod: $(run) ## try again to install the fast solver
	.ci/install run

torch: $(run) ## install torch for the nets that need it
	$(bin)/python -m pip install --quiet --disable-pip-version-check $(TORCH)

benchmark: $(dev) ## time solvers and loops, beside the anchors of the field (results/benchmarks/)
	@for script in tests/benchmarks/bench_*.py; do echo "$$script"; $(bin)/python "$$script" || exit 1; done

figures: $(run) ## draw the committed figures again
	$(bin)/python docs/make_figures.py

study: $(run) ## carry the studies out (an hour) and write their tables into docs/study.md
	$(bin)/python docs/make_study.py

schema: $(run) ## write the JSON Schemas of the problem file and the study file
	$(bin)/python -m topopt.files.json_schema
	$(bin)/python -m topopt.files.study_schema

clean: ## remove caches and build products; results and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find topopt tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The second waits for the first, so that `make -j` does not run two installers in one .venv.
$(run): pyproject.toml
	.ci/install run
	@rm -f $(VENV)/.installed-*
	@touch $@

$(dev): $(run)
	.ci/install dev
	@touch $@
