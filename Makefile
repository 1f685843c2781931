# The commands of the project. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for name in python3.12 python3.13 python3.11 python3; do \
	"$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	2>/dev/null && echo "$$name" && break; done)
BIN := .venv/bin
JOBS ?= $(shell expr $$(nproc 2>/dev/null || sysctl -n hw.ncpu) + 1)
PORT ?= 8000
GROWTH ?= 10 100
FUZZ_SECONDS ?= 120
FUZZ_EXAMPLES ?= 2000

EDITION ?= public
SOURCES_public := . --toc book/_toc.yml
SOURCES_instructor := _build/instructor/source --path-output _build/instructor
SITE_public := _build/html
SITE_instructor := _build/instructor/_build/html

.PHONY: help setup system demo test lint book publish bench soak serve clean lock

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

setup: system .venv/.installed  ## make .venv and install what requirements.lock names (once)

system:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11, 3.12 or 3.13 is needed: install one, or run make PYTHON=/path/to/python3" >&2; exit 1; }
	@.ci/system_packages "$(PYTHON)"

.venv/.installed: requirements.lock pyproject.toml
	[ -x $(BIN)/python ] || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: book  ## a small class from start to marks on bundled data, and the site
	$(BIN)/autograder demo

lint: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tests share the cores, and one more runs while others wait; threads would fight over them, and a
# class of a few submissions needs no grader a core.
test: export OMP_NUM_THREADS = 1
test: export LOKY_MAX_CPU_COUNT = 1
test: lint  ## all tests
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal --durations 40

book: setup  ## build the site in _build/html, warnings are errors (EDITION=instructor: with solutions)
	@[ -n "$(SITE_$(EDITION))" ] || { echo "EDITION=$(EDITION): it is public or instructor" >&2; exit 2; }
	$(BIN)/autograder build --course _build/site-course
	[ "$(EDITION)" = public ] || $(BIN)/python -m autograder.edition
	$(BIN)/jupyter-book build $(SOURCES_$(EDITION)) -W -n --keep-going
	@echo "open $(SITE_$(EDITION))/index.html, or run: make serve$(if $(filter instructor,$(EDITION)), EDITION=instructor)"

publish: setup  ## lay out what is public in _build/public: the site and the student notebooks
	rm -rf _build/html  # pages of earlier builds stay in it
	$(MAKE) book EDITION=public
	$(BIN)/python -m autograder.publish

bench: setup  ## our grader beside nbgrader's on the same submissions (GROWTH="10 100")
	$(BIN)/python -m benchmarks.grading --growth $(GROWTH)

soak: setup  ## fuzz each target for FUZZ_SECONDS (120), then grade 200 submissions killed five times
	@$(BIN)/python -c "import atheris" 2>/dev/null || \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: "atheris>=3,<4" \
	|| echo "atheris cannot be installed here"
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest tests/test_fuzz.py
	$(BIN)/python -m benchmarks.soak_fuzz --seconds $(FUZZ_SECONDS)
	$(BIN)/python -m benchmarks.soak --submissions 200 --kills 5 --seed 0

serve:  ## look at the built site on this machine (PORT=8000)
	@[ -f $(SITE_$(EDITION))/index.html ] || { echo "$(SITE_$(EDITION)): no site yet; run: make book" >&2; exit 1; }
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(SITE_$(EDITION)) $(PORT)

lock: setup  ## resolve the versions in requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-emit-index-url --no-header --output-file requirements.lock

clean:  ## remove what was built; .venv and course folders stay
	rm -rf _build .mypy_cache .pytest_cache .ruff_cache .hypothesis
