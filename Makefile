# make demo and make test need Python 3.11 or newer and make; they install the rest in .venv.

# A launcher can be on the PATH and still not run (pyenv's do that), so each is tried.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$p"; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO := build/demo
PEOPLE ?= 5000
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test test-slow test-all spark-test check format wheel dist docs man sbom licences audit bench changelog clean system

help:
	@echo "make demo    every role end to end on synthetic people, in $(DEMO)"
	@echo "make test    the tests (test-slow: the long ones; test-all: both)"
	@echo "make spark-test  the tests on a Spark cluster of this machine, in an environment of their own"
	@echo "make check   format, lint, types, import contracts, repository rules"
	@echo "make wheel   build the wheel and try it in a bare environment"
	@echo "make dist    wheel and source, built twice and compared"
	@echo "make docs    the documentation, in build/docs (make man: manual pages)"
	@echo "make sbom    the bill of materials; make licences, make audit: what is known of it"
	@echo "make bench   the benchmarks that need no other data"
	@echo "make format  put the code in the one format"
	@echo "make clean   remove what the other targets made"

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -f $(VENV)/pyvenv.cfg || "$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . --group dev
	$(BIN)/python -m pip install --quiet --no-deps clkhash==0.18.3 # its pins forbid our cryptography
	-$(BIN)/python -m pip install --quiet --no-deps "axe-playwright-python>=0.1.8" # for its axe.min.js alone
	@touch $@

# System packages that tests use: installed where that can be done, else those tests skip and say so.
system:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 \
	|| command -v google-chrome >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] \
	&& apt-get -o DPkg::Lock::Timeout=300 -qq update \
	&& DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends chromium; } \
	|| echo "chromium is not installed: the tests that look at the report will skip" >&2
	@{ command -v softhsm2-util && command -v strace && command -v openssl; } >/dev/null 2>&1 \
	|| { command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] \
	&& apt-get -o DPkg::Lock::Timeout=300 -qq update \
	&& DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends softhsm2 strace openssl; } \
	|| echo "softhsm2, strace or openssl is not installed: the tests that use them will skip" >&2

demo: $(READY)
	rm -rf $(DEMO)
	$(BIN)/pseudolink demo --people $(PEOPLE) --out $(DEMO)

test: $(READY) system
	$(PYTEST) -m "not slow" -n $(WORKERS)

test-slow: $(READY) system
	$(BIN)/python -m pip install --quiet --editable ".[docs]" # one of them builds the documentation
	$(PYTEST) -m slow || test $$? = 5 # 5: there is none at present

test-all: test test-slow

# PySpark has requirements of its own: it stays out of the environment that the other tests prove.
SPARK_VENV := build/spark
$(SPARK_VENV)/ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	@test -f $(SPARK_VENV)/pyvenv.cfg || "$(PYTHON)" -m venv $(SPARK_VENV)
	$(SPARK_VENV)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(SPARK_VENV)/bin/python -m pip install --quiet --editable ".[spark]" "pyspark[connect]>=4.1,<5" pytest hypothesis
	@touch $@

spark-test: $(SPARK_VENV)/ready
	$(SPARK_VENV)/bin/python -m pytest tests/engines/test_spark.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q tests/test_repository.py
	$(BIN)/python .ci/dependencies.py licences
	$(BIN)/python .ci/dependencies.py audit

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A flat layout hides missing files from tests that run beside the source: try what users install,
# in every Python of PYTHONS that is there.
PYTHONS ?= 3.11 3.12 3.13 3.14
wheel: $(READY)
	rm -rf build/wheel
	$(BIN)/python -m build --quiet --wheel --outdir build/wheel
	$(BIN)/python .ci/bare.py build/wheel $(PYTHONS)

# Twice, from one commit's time: anybody who builds the commit gets these bytes.
dist: $(READY)
	$(BIN)/python .ci/twice.py build/dist

docs: $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[docs]"
	$(BIN)/python docs/generate.py source build/docs-source
	$(BIN)/python -m sphinx -q -W --keep-going -b html build/docs-source build/docs
	@echo "open build/docs/index.html"

man: $(READY)
	$(BIN)/python docs/generate.py man build/man

sbom: $(READY)
	$(BIN)/python .ci/dependencies.py sbom build/sbom.cdx.json

licences audit: $(READY)
	$(BIN)/python .ci/dependencies.py $@

bench: $(READY)
	for b in benchmarks/*.py; do $(BIN)/python "$$b" || exit 1; done

changelog: $(READY)
	$(BIN)/towncrier build --draft --version next

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
