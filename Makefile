# The two commands: `make demo` and `make test`. Only Python >= 3.11, a C++ compiler and make are assumed.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TEST_JOBS ?= auto

.PHONY: demo test lint clean

demo: $(VENV)/installed
	$(VENV)/bin/hwqnn build --board zynq7020

test: $(VENV)/installed-test lint
	$(VENV)/bin/python -m pytest -n $(TEST_JOBS)

lint: $(VENV)/installed-test
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build
