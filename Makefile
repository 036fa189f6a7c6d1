# make demo: analyse the bundled meeting.  make test: every check.  make bench: the figures.
# make install-service: the recorder's systemd units; DRY_RUN=1 shows what it would do, SCOPE=user takes a desktop's.
# PREFIX: where the program is, or goes; this checkout's environment unless you say so. make uninstall-service: away.
# make test EXTRAS=pyannote: with torch and pyannote.audio, 6 GB; the same for bench. Without it neither is fetched.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PEERS := .bench/peer-venv
TALK_PEERS := .bench/talk-peer-venv
OUT ?= report.html
EXTRAS ?=
PREFIX ?= $(CURDIR)/$(VENV)
SERVICE = PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' SCOPE='$(SCOPE)' DRY_RUN='$(DRY_RUN)' PYTHON='$(PYTHON)' \
  systemd/install.sh

.PHONY: demo test bench bench-peers soak lint docs clean install-service uninstall-service
.DELETE_ON_ERROR:

# Debian keeps ensurepip in a package of its own; without it the system's pip puts one into the environment.
define make-venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "make: needs Python 3.11 or newer; name one with PYTHON=..." >&2; exit 1; }
$(PYTHON) -m venv --clear $(1) || { \
  $(PYTHON) -m venv --clear --without-pip $(1) && $(PYTHON) -m pip --python $(1)/bin/python install --quiet pip; }
endef

$(VENV)/bin/python:
	$(call make-venv,$(VENV))

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.eval: $(VENV)/.dev
	$(PIP) --editable '.[dev,eval]'
	@touch $@

$(VENV)/.extra-%: $(VENV)/.dev
	$(PIP) --editable '.[dev,$*]'
	@touch $@

$(PEERS)/.done: tests/bench/peers.txt
	$(call make-venv,$(PEERS))
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(TALK_PEERS)/.done: tests/bench/talk-peers.txt
	$(call make-venv,$(TALK_PEERS))
	$(TALK_PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	@touch $@

demo: $(VENV)/.base
	$(BIN)/meetsense demo --no-open --html $(OUT)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.base
	$(BIN)/python -m meetsense.interaction.measures.reference > docs/metrics.md

test: lint $(EXTRAS:%=$(VENV)/.extra-%)
	$(BIN)/pytest -ra

bench-peers: $(PEERS)/.done $(TALK_PEERS)/.done

# A peer that can't be installed is a row that says so, not a failure.
bench: $(VENV)/.eval $(EXTRAS:%=$(VENV)/.extra-%)
	-@$(MAKE) --no-print-directory --keep-going bench-peers
	$(BIN)/python -m tests.bench

soak: $(VENV)/.dev
	$(BIN)/pytest -ra tests/soak

install-service: $(if $(DRY_RUN)$(filter-out $(CURDIR)/$(VENV),$(PREFIX)),,$(VENV)/.base)
	@$(SERVICE) install

uninstall-service:
	@$(SERVICE) uninstall

clean:
	rm -rf $(VENV) .bench build dist .mypy_cache .ruff_cache .hypothesis
