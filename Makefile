# make demo   the main job on data that travels with the package
# make test   everything CI runs: lint, types, tests, the docs' code blocks
# make lint   the quick half of it       make bench   side by side with plain loops and other toolkits
# make pins   upgrade constraints.txt    make clean   remove what these set up
#
# The first run makes .venv; later runs find the stamps in it and set nothing up again.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint bench pins clean

demo: $(VENV)/core.stamp
	@$(VENV)/bin/danlu demo

test: $(VENV)/test.stamp
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" bash scripts/check

lint: $(VENV)/test.stamp
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" bash scripts/check lint

bench: $(VENV)/test.stamp
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" bash bench/run

$(VENV)/made.stamp:
	@PYTHON="$(PYTHON)" bash scripts/make_venv $(VENV)
	@touch $@

$(VENV)/core.stamp: $(VENV)/made.stamp pyproject.toml constraints.txt
	@echo "make: installing danlu into $(VENV) (torch is large: minutes the first time)"
	@$(PIP) setuptools wheel
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: $(VENV)/core.stamp
	@echo "make: adding every extra and the test tools to $(VENV)"
	@$(PIP) --no-build-isolation --editable '.[test]'
	@touch $@

pins:
	@bash scripts/pins

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
