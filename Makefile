# Everything here needs git and Python 3.11 or newer, nothing else: uv and the pinned packages go into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-training test-bench test-web lint lock clean

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# The first interpreter that is new enough; `make PYTHON=/path/to/python3.12 test` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
# PyTorch, some gigabytes of it, keeps to an environment of its own; so do the peers that the bench measures.
TRAIN := .venv-train
BENCH := .venv-bench
# The server's tests bring a browser driver and a request generator that nobody else needs.
WEB := .venv-web
LOCK := $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock"

help:
	@echo "make demo   index demo/library, identify demo/photos, write the pictures to demo/out (no PyTorch)"
	@echo "make test   ruff, mypy --strict and pytest, as CI runs them"
	@echo "make test-training   the tests of src/whichpage/training, with PyTorch in $(TRAIN); CI runs them too"
	@echo "make test-bench   the tests of src/whichpage/benchmark, with its extra in $(BENCH); CI runs them too"
	@echo "make test-web   the tests of src/whichpage/web, in $(WEB) and with chromium; CI runs them too"
	@echo "make lint   ruff and mypy alone"
	@echo "make lock   pin requirements/*.txt anew"
	@echo "make clean  remove .venv, $(TRAIN), $(BENCH), $(WEB) and what the demo wrote"

demo: $(VENV)/.runtime
	$(BIN)/python demo/run.py

test: lint
	$(BIN)/pytest -q

test-training: $(TRAIN)/.ready
	@command -v pdftoppm >/dev/null || { echo "the tests of the article's recipe need pdftoppm (Debian: apt-get install poppler-utils)" >&2; exit 1; }
	$(TRAIN)/bin/pytest -q tests/training

test-bench: $(BENCH)/.ready
	$(BENCH)/bin/pytest -q tests/bench

# Types once more, now that those of FastAPI and of the browser driver are there to be checked.
test-web: $(WEB)/.ready
	$(WEB)/bin/mypy src/whichpage $(wildcard tests/web/*.py)
	$(WEB)/bin/pytest -q tests/web

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(UV)
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra dev --constraint requirements/runtime.txt -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra train --extra article --constraint requirements/dev.txt -o requirements/train.txt
	$(LOCK) pyproject.toml --extra bench --constraint requirements/dev.txt -o requirements/bench.txt
	$(LOCK) pyproject.toml --extra web --constraint requirements/dev.txt -o requirements/web.txt
	$(LOCK) pyproject.toml --extra web --extra web-test --constraint requirements/dev.txt \
		--constraint requirements/web.txt -o requirements/web-test.txt
	echo hatchling editables | tr ' ' '\n' | $(LOCK) - -o requirements/build.txt
	echo uv | $(LOCK) - -o requirements/uv.txt

clean:
	rm -rf $(VENV) $(TRAIN) $(BENCH) $(WEB) demo/out

$(UV): requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "whichpage needs Python 3.11 or newer: none of python3, python3.14 ... python3.11 is" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) >$(VENV).log 2>&1 || { \
		tail -n 1 $(VENV).log >&2; rm -rf $(VENV) $(VENV).log; \
		echo "cannot make $(VENV) with $(PYTHON): its venv module is missing or incomplete (Debian: apt-get install python3-venv)" >&2; \
		exit 1; }
	@rm -f $(VENV).log
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $(UV)

# The package itself is installed without its dependencies: those come from the pinned file alone.
$(VENV)/.runtime: $(UV) requirements/runtime.txt requirements/build.txt pyproject.toml
	$(INSTALL) --require-hashes -r requirements/runtime.txt
	$(INSTALL) --no-deps --require-build-hashes --build-constraint requirements/build.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# An environment of its own in the target's folder, from the packages that $(1) pins.
define ENVIRONMENT
$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r requirements/dev.txt -r $(1)
$(UV) pip install --quiet --python $(@D)/bin/python \
	--no-deps --require-build-hashes --build-constraint requirements/build.txt --editable .
@touch $@
endef

$(TRAIN)/.ready: $(UV) requirements/train.txt requirements/dev.txt requirements/build.txt pyproject.toml
	$(call ENVIRONMENT,requirements/train.txt)

$(BENCH)/.ready: $(UV) requirements/bench.txt requirements/dev.txt requirements/build.txt pyproject.toml
	$(call ENVIRONMENT,requirements/bench.txt)

$(WEB)/.ready: $(UV) requirements/web.txt requirements/web-test.txt requirements/dev.txt requirements/build.txt pyproject.toml
	$(call ENVIRONMENT,requirements/web-test.txt)
