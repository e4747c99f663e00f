# Everything a person or a machine runs here. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
UV ?= $(CURDIR)/.uv/bin/uv
TRAINERS := toy torchvision timm transformers mmdet ultralytics diffusion
APART := packages/torch $(TRAINERS:%=packages/trainers/%)  # each with a lock and an environment of its own
unexport UV_PROJECT_ENVIRONMENT VIRTUAL_ENV

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: .venv/.synced  ## train a classifier on real digits and show the result (DEMO_ARGS="--json" …)
	@.venv/bin/eyebright demo $(DEMO_ARGS)

.PHONY: test
test: .venv/.synced trainers  ## all tests: workspace, then what the trainers share, then each trainer in its own environment
	.venv/bin/python -m tools.test

# In parts: in one piece the tracer would keep a trace of each thread there was, several gigabytes of them.
COVERED := packages/wire/tests packages/kit/tests packages/server/tests/test_*.py \
	$(sort $(dir $(wildcard packages/server/tests/*/test_*.py)))

.PHONY: coverage
coverage: .venv/.synced trainers  ## how much of wire, kit and server their own tests run through, branches too; most of an hour
	@rm -rf .coverage && mkdir .coverage
	@for part in $(COVERED); do \
		echo "── $$part"; \
		.venv/bin/python -m pytest -n 2 -q --cov --cov-append --cov-report= --cov-fail-under=0 $$part || failed=1; \
	done; .venv/bin/coverage report && test -z "$$failed"

.PHONY: check
check: .venv/.synced  ## style, types and arrows, under a minute
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	.venv/bin/pyright

.PHONY: format
format: .venv/.synced  ## put the style right
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

.PHONY: fuzz
fuzz: .venv/.synced  ## search for what breaks a parser of strangers' files (TARGET=coco SECONDS=600)
	$(UV) run --frozen --with atheris python packages/kit/tests/fuzz/guided.py $(or $(TARGET),coco) $(or $(SECONDS),60)

.PHONY: bench
bench: .venv/.synced trainers  ## the figures of docs/benchmarks.md, one JSON line each (ONLY=name for one)
	@.venv/bin/python -m benchmarks $(if $(ONLY),--only $(ONLY))

.PHONY: load
load: .venv/.synced  ## ten callers of the Vision AI Training Platform at once, by Locust (CALLERS=10 TRAININGS=3)
	@$(UV) sync --frozen --quiet --project packages/trainers/toy
	@$(UV) run --frozen --quiet --with 'locust>=2.43,<3' python -m tests.load

.PHONY: trainers
trainers: .venv/.synced  ## install every trainer's environment, with its development tools
	@for project in $(APART); do $(UV) sync --frozen --quiet --project $$project || exit 1; done

.PHONY: reference
reference: .venv/.synced  ## write the generated pages of docs/reference and the golden schemas anew
	.venv/bin/python -m tools.reference
	.venv/bin/python packages/wire/tests/test_schema.py

.PHONY: azurite
azurite: .azurite/.installed  ## install the emulator of Azure Storage that the tests of az:// run against

.PHONY: wheel
wheel: .venv/.synced  ## build the distributions into dist/
	$(UV) build --all-packages --quiet && ls dist

.venv/.synced: pyproject.toml uv.lock packages/wire/pyproject.toml packages/kit/pyproject.toml packages/server/pyproject.toml | $(UV)
	@$(UV) sync --frozen --quiet && touch $@

.azurite/.installed: tools/azurite/package-lock.json | .venv/.synced
	@.venv/bin/python -m tools.azurite && touch $@

$(CURDIR)/.uv/bin/uv:
	@python3 tools/bootstrap_uv.py .uv
