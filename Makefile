# `make demo` and `make test` need python3 >= 3.11 and nothing else: the first call
# installs everything into .venv, later calls find the stamp and skip that.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DOCS_STAMP := .venv/.installed-docs
PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

# The tests run in two processes, and the estimators have threads of their own.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test lint docs bench clean

demo: $(STAMP)
	cd examples && MPLBACKEND=Agg ../$(BIN)/python plot_quickstart.py

test: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --durations=60

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS_STAMP)
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# The benchmarks that need no folder of data; README.md names the others.
bench: $(STAMP)
	$(BIN)/python benchmarks/import_time.py
	$(BIN)/python benchmarks/gaussian_mixture.py
	$(BIN)/python benchmarks/dirichlet_process.py
	$(BIN)/python benchmarks/hmm.py
	$(BIN)/python benchmarks/two_sample.py

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache dist
	rm -rf docs/_build docs/api docs/auto_examples
	find sklgen tests examples benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

# The build backend comes from constraints.txt too, hence no isolated build.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sklgen needs Python 3.11 or later; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) hatchling editables
	$(PIP_INSTALL) --no-build-isolation --editable ".[plot,test,lint]"
	touch $@

$(DOCS_STAMP): $(STAMP)
	$(PIP_INSTALL) --no-build-isolation --editable ".[docs]"
	touch $@
