# Nine verbs: setup, demo, test, check, docs, coverage, speed, gpu, board.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One more than two cores: a test that starts processes waits for them.
WORKERS ?= 3
# Processes that share one GPU in its tests.
GPU_WORKERS ?= 6

.PHONY: setup demo test check docs coverage speed gpu board generators

# The two set-ups differ only in the packages that tests and checks need.
$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.demo

# The board's page is tested in a real browser: Debian's own, where none is there and we may install it.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { SUDO=$$(test "$$(id -u)" = 0 || echo sudo); $$SUDO apt-get update -qq && \
	    $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

setup: $(VENV)/.test  ## set up, and nothing else

demo: $(VENV)/.demo  ## set up, and run the main job on the embedded edition
	$(BIN)/clbench run --model pkd-skip-6l --stream nli-shift --edition embedded

test: check chromium  ## set up, and pass ruff, mypy and every test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

docs: $(VENV)/.test  ## the documentation site, into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

coverage: $(VENV)/.test chromium  ## every test, and which lines none of them reaches: about twice the time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

check: $(VENV)/.test  ## ruff (lint, format), types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

speed: $(VENV)/.test  ## ratios of training speed, printed; nothing is asserted (DATA=FOLDER: on real examples)
	$(BIN)/python tests/speed/training.py $(if $(DATA),--data-dir $(DATA))

# With the Python that has a torch with CUDA: the one of $(VENV) has what pip gives.
gpu:  ## everything that needs a GPU, then the speed tables (PYTHON=.., DATA=FOLDER, TEXT=FILE with a sentence a line)
	$(PYTHON) -m pytest tests/gpu -n $(GPU_WORKERS)
	@if $(PYTHON) -c "import torch; raise SystemExit(not torch.cuda.is_available())"; then set -e -x; \
	  $(PYTHON) tests/speed/training.py --device cuda --width 768 --pairs 3072 --rounds 2 \
	    --strategies naive,replay,ewc,lwf,si,agem $(if $(DATA),--data-dir $(DATA)); \
	  $(PYTHON) tests/speed/pretraining.py $(if $(TEXT),--masked $(TEXT)); \
	else echo "no GPU here: the speed tables are left out"; fi

board: $(VENV)/.demo  ## check every submission, and render leaderboard/ from them
	$(BIN)/clbench verify leaderboard/submissions
	$(BIN)/clbench leaderboard build

generators: $(VENV)/.demo  ## figures of the generated domains beside the real ones
	$(BIN)/python tests/speed/generators.py
