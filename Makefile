# Every task is one verb; `make` alone lists them. Nothing here needs root, except that `make test` and `make bench` install
# missing Debian packages where they may.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
export PYTHON
VENV := .venv
THINGSBOARD := .venv-thingsboard
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
GATEWAY := $(VENV)/bin/gateway
KERNELS := $(wildcard cython_ext/*.pyx cython_ext/*.pxd cython_ext/*.h cython_ext/src/*)
# the extras of pyproject.toml as plain requirements: installing them must not build the kernels again
EXTRA = $(PY) -c 'import sys, tomllib; \
  print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")'

.PHONY: help setup demo test test-aarch64 check bench bench-thingsboard campaign clean distclean
.DELETE_ON_ERROR:

help: ## list the verbs
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r verb what; do printf '%-24s %s\n' "$$verb" "$$what"; done

setup: $(VENV)/.setup ## make .venv/bin/gateway (with the demo's broker) from this folder

demo: setup ## run a simulated shop and watch what reaches the broker; Ctrl-C ends it
	@$(GATEWAY) demo

test: $(VENV)/.setup $(VENV)/.test ## run every test but the campaigns
	@sh .ci/packages mosquitto=mosquitto /usr/include/modbus/modbus.h=libmodbus-dev socat=socat gcc=gcc pkg-config=pkg-config \
	  openssl=openssl systemd-analyze=systemd node=nodejs npm=npm mbpoll=mbpoll tinyproxy=tinyproxy-bin microsocks=microsocks \
	  arecord=alsa-utils
	@for peer in tests/peers/*/package.json; do \
	  [ ! -e "$$peer" ] || sh .ci/node-modules "$$(dirname "$$peer")" >/dev/null || true; done
	$(PY) -m pytest

test-aarch64: | $(PY) ## run the tests of the kernels as a build for aarch64, under qemu-user
	@PYTHON=$(PY) sh .ci/aarch64

check: $(VENV)/.setup $(VENV)/.check $(VENV)/.test ## lint, types, docstrings, import rule, example configurations
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PY) -m pytest -q tests/test_structure.py
	$(GATEWAY) check configs/site.example.yaml
	$(GATEWAY) check configs/demo/site.yaml

bench: $(VENV)/.setup $(VENV)/.test $(VENV)/.bench ## measure, beside the known libraries, and write docs/benchmarks.md
	@sh .ci/packages gcc=gcc /usr/include/fftw3.h=libfftw3-dev valgrind=valgrind /usr/include/modbus/modbus.h=libmodbus-dev mosquitto=mosquitto
	$(PY) -m tests.bench.run --write docs/benchmarks.md

bench-thingsboard: $(VENV)/.setup $(VENV)/.test $(THINGSBOARD)/.ready ## measure beside the ThingsBoard gateway, in an environment of its own
	@sh .ci/packages gcc=gcc /usr/include/modbus/modbus.h=libmodbus-dev mosquitto=mosquitto
	$(PY) -m tests.bench.run --write docs/benchmarks.md thingsboard

campaign: $(VENV)/.setup $(VENV)/.test $(VENV)/.campaign ## the long runs against each promise, written to docs/campaigns.md
	$(PY) -m tests.campaign.run --write docs/campaigns.md
	$(PY) -m pytest -m campaign --timeout=7200

clean: ## remove what was built; the virtual environment stays
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis cython_ext/*.so cython_ext/*.c $(VENV)/.setup
	find gateway drivers cython_ext tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment, too
	rm -rf $(VENV) $(THINGSBOARD)

$(PY):
	@python=$$(sh .ci/find-python) || exit 1; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV)

$(VENV)/.setup: pyproject.toml $(KERNELS) | $(PY)
	@sh .ci/find-python >/dev/null
	@echo "installing the gateway and compiling its kernels; the first time takes a minute"
	@$(PIP) install --editable '.[demo]'
	@touch $@

$(THINGSBOARD)/.ready: tests/peers/thingsboard.txt | $(PY)
	@echo "making $(THINGSBOARD) with the ThingsBoard gateway"
	@$(PY) -m venv $(THINGSBOARD)
	@$(THINGSBOARD)/bin/python -m pip --disable-pip-version-check --quiet install --requirement tests/peers/thingsboard.txt
	@touch $@

$(VENV)/.campaign: pyproject.toml | $(PY)
	@$(EXTRA) campaign >$@.txt
	@$(PIP) install --only-binary :all: --requirement $@.txt || echo "goes on without atheris: it has no wheel for this platform"
	@touch $@

$(VENV)/.test $(VENV)/.check $(VENV)/.bench: $(VENV)/.%: pyproject.toml | $(PY)
	@echo "installing what 'make $*' needs"
	@$(EXTRA) $* >$@.txt && $(PIP) install --requirement $@.txt
	@touch $@
