# A thin index of commands: `make` shows them. Nothing here needs root or Docker, `make up` excepted.

PORT ?= 8080
SCHEDULE ?= off
BASE ?= main
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
RUN := PYTHONPATH=include $(PY)
STAMP := $(VENV)/.setup
# Airflow without byte code takes three times as long to start.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help setup demo down test test-full test-pythons test-spark test-crm lint bench policy-diff docs docs-check up lock clean

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) ## virtual environment with everything locked; instant the second time (PYTHON=... chooses)

$(STAMP): requirements-dev.txt
	@.ci/pythons $(PY) >/dev/null 2>&1 || { \
		python=$$(.ci/pythons $(PYTHON) | sed -n '1s/^[^ ]* //p'); \
		test -n "$$python" && "$$python" -m venv --clear $(VENV); }
	@echo "Installing what requirements-dev.txt locks (about 200 packages)"
	@test -x $(UV) || $(PY) -m pip install -q "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' $<)"
	@$(UV) pip install -q --python $(PY) --compile-bytecode --require-hashes -r $<
	@touch $@

demo: setup ## PostgreSQL, Airflow, a week of leads and a report (PORT=8080, SCHEDULE=off)
	@$(RUN) -m clearlane_airflow.demo up --port $(PORT) $(if $(filter on,$(SCHEDULE)),--schedule)

down: ## stop all that `make demo` started
	@test ! -x $(PY) || $(RUN) -m clearlane_airflow.demo down

test: setup ## every test but the long ones, on up to four cores
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-full: setup ## every test, with many more examples, on up to four cores
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -q -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
		-m "not crm" --hypothesis-profile=full

test-pythons: setup ## the library's tests on every Python 3.11 to 3.13 of this machine
	@.ci/pythons | while read version python; do \
		echo "Python $$version ($$python)" && \
		$(UV) venv -q --allow-existing --python "$$python" .venv-$$version && \
		$(UV) pip install -q --python .venv-$$version/bin/python --require-hashes -r requirements-dev.txt && \
		PYTHONPATH=include .venv-$$version/bin/python -m pytest -q -m "not full and not airflow and not crm" \
			--ignore tests/dags --ignore tests/e2e </dev/null || exit 1; \
	done

test-spark: setup ## conditions and signals on Spark, in an environment of its own (needs Java 17 or newer)
	@$(UV) venv -q --allow-existing --python $(PY) .venv-spark
	@$(UV) pip install -q --python .venv-spark/bin/python --require-hashes -r requirements-dev.txt
	@$(UV) pip install -q --python .venv-spark/bin/python "pyspark>=4,<5"
	@PYTHONPATH=include .venv-spark/bin/python -m pytest -q tests/rules/test_spark.py tests/score/test_warehouse.py

test-crm: setup ## connectors on a real BottleCRM, in an environment of its own (needs Python 3.12 or newer)
	@test -x .venv-crm/bin/uvicorn || { \
		python=$$(.ci/pythons 2>/dev/null | sed -n '/^3\.1[23] /{s/^[^ ]* //p;q;}'); \
		if test -z "$$python"; then echo "BottleCRM could not run: it needs Python 3.12 or newer"; exit 0; fi; \
		$(UV) venv -q --allow-existing --python "$$python" .venv-crm && \
		$(UV) pip install -q --python .venv-crm/bin/python "django-crm==1.35"; }
	@$(RUN) -m pytest -q -m crm tests/crm

lint: setup ## ruff and mypy --strict
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

bench: setup ## what benchmarks/ measures
	@$(RUN) -m benchmarks

policy-diff: setup ## what this branch's policy does otherwise than main's, for a pull request (BASE=main)
	@BASE=$(BASE) .ci/policy-diff

docs: setup ## write the generated pages of docs/
	@$(RUN) -m clearlane docs

docs-check: setup ## fail where a generated page is stale
	@$(RUN) -m clearlane docs --check

up: ## the same on Docker: docker-compose.yaml with the secrets of .env
	@test -f .env || { echo "There is no .env yet: cp .env.example .env, then fill in its secrets"; exit 1; }
	docker compose up --build --wait

lock: setup ## lock again what requirements.in and requirements-dev.in ask for
	@for name in requirements requirements-dev; do \
		$(UV) pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-emit-find-links --custom-compile-command "make lock" $$name.in -o $$name.txt || exit 1; \
	done

clean: down ## delete what demo and tests left; the virtual environment stays
	@test ! -x $(PY) || $(RUN) -m clearlane_airflow.demo erase
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
