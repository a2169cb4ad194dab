# Each target does all of its own set-up; the second run finds everything ready. `make clean` takes it all away.
.PHONY: help check types units test demo bench clean venv rig format docs

VENV := .venv/bin
# Where it is set, each of hundreds of starts of Python would compile the program, or its tests, anew.
unexport PYTHONDONTWRITEBYTECODE
PYTEST_ARGS ?=

help:
	@echo "make check   format, lint, types, import floors, unit tests: no engine needed, under a minute"
	@echo "make test    check, then everything on a real Docker engine"
	@echo "make demo    the main job: a commit, and the running stack follows"
	@echo "make bench   ratios against git pull and docker compose up"
	@echo "make format  let ruff mend what it can"
	@echo "make docs    write docs/manual/ anew, from the schemas and from what the commands say of themselves"
	@echo "make clean   take away all that the targets above made"

check: venv
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(MAKE) --no-print-directory --jobs types units

# Neither needs the other, and mypy knows no second processor.
types:
	$(VENV)/mypy
	$(VENV)/lint-imports

units:
	$(VENV)/pytest -q -n 2 tests/unit $(PYTEST_ARGS)

test: check rig
	$(VENV)/pytest -q -n 4 --maxschedchunk 1 tests/e2e tests/contract tests/integration $(PYTEST_ARGS) || { \
	  echo "What failed with another scenario beside it is tried once more, alone; what fails alone fails."; \
	  $(VENV)/pytest -q --last-failed --last-failed-no-failures none tests/e2e tests/contract tests/integration $(PYTEST_ARGS); }

demo: rig
	@tests/rig/demo

bench: rig
	$(VENV)/python -m tests.bench

format: venv
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

docs: venv
	$(VENV)/python -m tests.docs.manual

venv:
	@tests/rig/venv ensure

rig: venv
	@tests/rig/ensure

clean:
	@tests/rig/clean
