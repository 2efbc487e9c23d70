# Everything a person does with this checkout; `make` alone lists the targets.
# Nothing but git, make and Python >= 3.10 has to be there: `make venv` makes .venv from the locks in requirements/,
# `make vitess` provides a real Vitess in a cache outside the checkout (SOURCE_VITESS_CACHE, see vitess-local/README.md).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTO_VENV := .venv-proto
LOCK_VENV := .venv-lock
CLIENTS_VENV := .venv-clients
SPARK_VENV := .venv-spark
AUDIT_VENV := .venv-audit
SHIPPED_VENV := .venv-shipped
BASE ?= python:3.11-slim-bookworm
BUILD_BASE ?= python:3.11-bookworm
TEST_BASE := localhost/source-vitess-base
IMAGE ?= source-vitess:dev
LOCK = $(LOCK_VENV)/bin/uv pip compile --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
  --no-emit-find-links --custom-compile-command "make lock" --quiet $(LOCK_OPTIONS)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- what the other targets need -------------------------------------------------------------------------------------

.PHONY: venv
venv: $(VENV)/.editable ## make .venv from the locked requirements

# The environment is made anew when the lock changes, so that it never holds more than the lock says.
$(VENV)/.locked: requirements/dev.txt tools/make_venv.sh
	@PYTHON="$(PYTHON)" bash tools/make_venv.sh $(VENV) requirements/dev.txt
	@touch $@

# The connectors and vitess-local themselves, in place; nothing is downloaded for it. Where no C compiler is, no old
# compiled decoder may be left. Without editable_mode, setuptools makes the package visible to a running Python only, and
# not to mypy.
$(VENV)/.editable: $(VENV)/.locked pyproject.toml setup.py $(wildcard source_vitess/rows/_*.[ch]) \
    vitess-local/pyproject.toml destination_readyset/pyproject.toml vitess_spark/pyproject.toml
	@rm -rf source_vitess/rows/_decoder.*.so build/temp.* build/lib.*
	@$(BIN)/pip install --quiet --no-index --no-deps --no-build-isolation --config-settings editable_mode=compat \
	  -e . -e vitess-local -e destination_readyset -e vitess_spark
	@touch $@

$(PROTO_VENV)/.locked: requirements/proto.txt tools/make_venv.sh
	@PYTHON="$(PYTHON)" bash tools/make_venv.sh $(PROTO_VENV) requirements/proto.txt
	@touch $@

$(LOCK_VENV)/.locked: requirements/lock.txt tools/make_venv.sh
	@PYTHON="$(PYTHON)" bash tools/make_venv.sh $(LOCK_VENV) requirements/lock.txt
	@touch $@

# Made by uv, because there are many of them: seconds instead of minutes.
$(CLIENTS_VENV)/.locked: requirements/clients.txt $(LOCK_VENV)/.locked
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || \
	  { echo "PyAirbyte needs a Python older than 3.13; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "making $(CLIENTS_VENV) from requirements/clients.txt" >&2
	@$(LOCK_VENV)/bin/uv venv --quiet --clear --python "$(PYTHON)" $(CLIENTS_VENV)
	@VIRTUAL_ENV=$(CLIENTS_VENV) $(LOCK_VENV)/bin/uv pip sync --quiet --require-hashes --only-binary :all: \
	  requirements/clients.txt
	@touch $@

# PySpark comes as a source distribution, of which nothing is compiled; the rest is what the connector requires without an
# extra, so without Airbyte's CDK. The packages of this checkout are there in place.
$(SPARK_VENV)/.locked: requirements/spark.txt pyproject.toml vitess_spark/pyproject.toml $(LOCK_VENV)/.locked
	@test -z "$$CI" || { echo "Spark is half a gigabyte, and is not tried on CI" >&2; exit 1; }
	@java -version >/dev/null 2>&1 || { echo "Spark needs Java 17 or later, and there is no java" >&2; exit 1; }
	@echo "making $(SPARK_VENV) from requirements/spark.txt" >&2
	@$(LOCK_VENV)/bin/uv venv --quiet --clear --python "$(PYTHON)" $(SPARK_VENV)
	@VIRTUAL_ENV=$(SPARK_VENV) $(LOCK_VENV)/bin/uv pip sync --quiet --require-hashes --only-binary :all: \
	  --no-binary pyspark requirements/spark.txt
	@echo "$(CURDIR)" >"$$($(SPARK_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
	@echo "$(CURDIR)/vitess_spark" >>"$$($(SPARK_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/checkout.pth"
	@touch $@

.PHONY: vitess
vitess: venv ## provide Vitess, MySQL and etcd (minutes the first time, then nothing)
	@$(BIN)/vitess-local install >/dev/null

# --- seeing it work --------------------------------------------------------------------------------------------------

.PHONY: demo
demo: venv ## start a real Vitess, copy a small shop and follow its changes
	@$(BIN)/python -m demo

.PHONY: demo-readyset
demo-readyset: venv ## serve that shop from a MySQL that ReadySet replicates, as it changes; READYSET names a binary
	@$(BIN)/python -m demo.readyset

.PHONY: demo-spark
demo-spark: venv spark-venv ## follow a table of a Vitess of four shards in Parquet, by a Spark cluster of two workers, through a reshard
	@$(BIN)/python -m demo.spark

.PHONY: demo-down
demo-down: venv ## stop the demo's Vitess and delete its data
	@$(BIN)/vitess-local down --name demo

# --- checking it -----------------------------------------------------------------------------------------------------

.PHONY: test
test: venv ## all checks and all tests, on a real Vitess
	@$(BIN)/python -m tools.tiers all

.PHONY: lint
lint: venv $(PROTO_VENV)/.locked ## style, formatting, types, layers, generated code
	@failed=0; check() { "$$@" || failed=1; }; \
	check $(BIN)/ruff check .; \
	check $(BIN)/ruff format --check .; \
	check $(BIN)/mypy; \
	cd vitess-local && check ../$(BIN)/mypy vitess_local tests && check ../$(BIN)/lint-imports; cd ..; \
	cd destination_readyset && check ../$(BIN)/mypy destination_readyset tests && check ../$(BIN)/lint-imports; cd ..; \
	cd vitess_spark && check ../$(BIN)/mypy vitess_spark tests && check ../$(BIN)/lint-imports; cd ..; \
	check $(BIN)/lint-imports; \
	PYTHON=$(PROTO_VENV)/bin/python check bash tools/compile_protos.sh --check; \
	exit $$failed

.PHONY: format
format: venv ## put the code in its form
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: unit
unit: venv ## tests without a network
	@$(BIN)/python -m tools.tiers unit unit-python

.PHONY: integration
integration: venv ## tests on a real Vitess that they start, of the connector and of vitess-local
	@$(BIN)/python -m tools.tiers vitess-local integration

.PHONY: chaos
chaos: venv ## writers, faults and killed syncs at random on a real Vitess; MINUTES and SEED are settings
	@SOURCE_VITESS_CHAOS_MINUTES="$(MINUTES)" SOURCE_VITESS_SEED="$(SEED)" $(BIN)/python -m tools.tiers chaos

.PHONY: matrix
matrix: venv ## run tests on pairs of Vitess and MySQL, and write docs/versions.md; PAIRS=24.4,22.4:8.0 and STEPS choose, AGAIN=1 takes what failed
	@$(BIN)/python -m tools.matrix $(if $(PAIRS),--pairs $(PAIRS)) $(if $(STEPS),--steps $(STEPS)) $(if $(AGAIN),--again)

.PHONY: model
model: venv ## schedules at random on a model of an uneven Vitess, searched for losses; MINUTES or SCHEDULES, and SEED
	@$(BIN)/python -m instruments.model_search $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(SCHEDULES),--schedules $(SCHEDULES)) $(if $(SEED),--seed $(SEED))

.PHONY: mutants
mutants: venv ## takes rules of the connector back one by one; the search has to find each (MINUTES for each; NAMES)
	@$(BIN)/python -m instruments.model_search.taken_back $(if $(MINUTES),--minutes $(MINUTES)) $(NAMES)

.PHONY: readyset
readyset: venv ## tests of destination-readyset, on a real MySQL and a real Vitess that they start; READYSET names a ReadySet for more
	@$(BIN)/python -m tools.tiers readyset

.PHONY: large
large: venv ## tests of large tables, transactions and rows at their full size (ten minutes)
	@SOURCE_VITESS_SCALE=1 $(BIN)/python -m pytest integration_tests/test_large.py -v -s

.PHONY: standard
standard: venv ## the CDK's standard tests for connectors, on a real Vitess
	@$(BIN)/python -m tools.tiers standard

.PHONY: clients-venv
clients-venv: $(CLIENTS_VENV)/.locked ## make .venv-clients: PyAirbyte and airbyte-serverless, to try the connector with

.PHONY: clients
clients: venv ## others' programs run the connector, on a real Vitess
	@$(BIN)/python -m tools.tiers clients

.PHONY: spark-venv
spark-venv: $(SPARK_VENV)/.locked ## make .venv-spark: PySpark, to try vitess_spark/ with (half a gigabyte; needs Java 17)

.PHONY: spark
spark: venv ## tests of vitess-spark, on a real Spark and a real Vitess that they start
	@$(BIN)/python -m tools.tiers spark spark-real

.PHONY: container-image
container-image: ## build the images with Debian's buildah, on a base by debootstrap (needs root)
	@BASE=$(TEST_BASE) BUILD_BASE=$(TEST_BASE)-build IMAGE=localhost/source-vitess:test DESTINATION=localhost/destination-readyset:test \
	  bash tools/prepare_container.sh

.PHONY: decoder
decoder: venv ## the compiled decoder's wheel on every Python from 3.10 to 3.14 that can be had, and its tests under sanitizers
	@$(BIN)/python -m tools.tiers decoder

.PHONY: container
container: venv ## run the image against a real Vitess, without a Docker engine
	@$(BIN)/python -m tools.tiers container

# --- what is shipped ---------------------------------------------------------------------------------------------------

$(AUDIT_VENV)/.locked: requirements/audit.txt tools/make_venv.sh
	@PYTHON="$(PYTHON)" bash tools/make_venv.sh $(AUDIT_VENV) requirements/audit.txt
	@touch $@

# What the image holds: the lock without what the Dockerfile takes out again.
$(SHIPPED_VENV)/.locked: requirements/runtime.txt Dockerfile tools/make_venv.sh
	@PYTHON="$(PYTHON)" bash tools/make_venv.sh $(SHIPPED_VENV) requirements/runtime.txt
	@$(SHIPPED_VENV)/bin/pip uninstall --yes --quiet $$(sed -n 's/.*pip uninstall --yes --quiet//p' Dockerfile)
	@touch $@

.PHONY: sbom
sbom: $(AUDIT_VENV)/.locked $(SHIPPED_VENV)/.locked ## write what is shipped to build/: sbom.cdx.json (CycloneDX) and licences.json
	@mkdir -p build
	@$(AUDIT_VENV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON \
	  -o build/sbom.cdx.json $(SHIPPED_VENV)/bin/python
	@$(AUDIT_VENV)/bin/pip-licenses --python $(SHIPPED_VENV)/bin/python --from=mixed --format=json \
	  --output-file build/licences.json
	@echo "build/sbom.cdx.json build/licences.json"

.PHONY: audit
audit: $(AUDIT_VENV)/.locked $(SHIPPED_VENV)/.locked ## look up known weaknesses of what is shipped (asks a public service)
	@$(AUDIT_VENV)/bin/pip-audit --path "$$($(SHIPPED_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

# --- making things ---------------------------------------------------------------------------------------------------

.PHONY: proto
proto: $(PROTO_VENV)/.locked ## compile protos/ to source_vitess/proto/
	@PYTHON=$(PROTO_VENV)/bin/python bash tools/compile_protos.sh

# runtime.txt is what the images hold: with the extra.
.PHONY: lock
lock: $(LOCK_VENV)/.locked ## resolve requirements/ again; LOCK_OPTIONS=--upgrade takes the newest versions
	$(LOCK) pyproject.toml --extra cdk -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra cdk --group dev --constraint requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) --group proto -o requirements/proto.txt
	$(LOCK) --group build -o requirements/build.txt
	$(LOCK) --group audit -o requirements/audit.txt
	$(LOCK) --group clients -o requirements/clients.txt
	$(LOCK) pyproject.toml --group spark --constraint requirements/runtime.txt -o requirements/spark.txt
	$(LOCK) --group lock -o requirements/lock.txt

.PHONY: debezium
debezium: venv ## compile Debezium's reader to compare with (needs Java 17 and Maven; see benchmarks/debezium)
	@$(BIN)/python -c "from tools import debezium; debezium.build()"

.PHONY: crosscheck
crosscheck: venv ## compare all types' values with Debezium's Vitess connector on a real Vitess (needs Java 17 and Maven)
	@$(BIN)/python -m tools.crosscheck

.PHONY: bench
bench: venv ## measure speed and memory on a real Vitess; ROWS, RUNS, ONLY, LARGEST and SEED are settings
	@$(BIN)/python -m benchmarks $(foreach each,ROWS RUNS ONLY LARGEST SEED,$(if $($(each)),--$(shell echo $(each) | tr A-Z a-z) $($(each))))

.PHONY: wheels
wheels: venv ## build the source distribution and wheels into dist/: for this platform, and for aarch64 by a cross compiler
	@$(BIN)/python -m tools.build_wheels

.PHONY: image
image: ## build the container image with docker, podman or buildah; BASE, BUILD_BASE and IMAGE are settings
	@BASE="$(BASE)" BUILD_BASE="$(BUILD_BASE)" IMAGE="$(IMAGE)" bash tools/build_image.sh

.PHONY: form-picture
form-picture: ## render spec.json as a form in Chromium, to docs/connection-form.png; needs npm and Chromium
	@bash tools/form/picture.sh

.PHONY: clean
clean: ## delete what was made in this checkout (not the Vitess cache)
	rm -rf $(VENV) $(PROTO_VENV) $(LOCK_VENV) $(CLIENTS_VENV) $(SPARK_VENV) $(AUDIT_VENV) $(SHIPPED_VENV) build dist demo-output benchmarks/debezium/target .tmp .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache vitess-local/.mypy_cache vitess-local/.pytest_cache vitess-local/.import_linter_cache \
	  destination_readyset/.mypy_cache destination_readyset/.pytest_cache destination_readyset/.import_linter_cache \
	  vitess_spark/.mypy_cache vitess_spark/.pytest_cache vitess_spark/.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
