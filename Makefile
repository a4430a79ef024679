# Five verbs: demo, test, check, speed, board.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.PHONY: demo test check speed board

# The two set-ups differ only in the packages that tests and checks need.
$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## set up, and run the main job on the embedded edition
	$(BIN)/clbench run --model pkd-skip-6l --stream nli-shift --edition embedded

test: check  ## set up, and pass ruff, mypy and every test with its coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

check: $(VENV)/.test  ## ruff (lint, format) and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

speed: $(VENV)/.test  ## ratios of training speed, printed; nothing is asserted (DATA=FOLDER: on real pairs)
	$(BIN)/python tests/speed/training.py $(if $(DATA),--data-dir $(DATA))

board: $(VENV)/.demo  ## figures of the generated domains beside the real ones
	$(BIN)/python tests/speed/generators.py
