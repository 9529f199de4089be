# `make audit` runs the main job, `make test` the tests; each sets up all that it needs.
VENV ?= .venv
BIN := $(VENV)/bin
# The first Python that is new enough and starts (a pyenv shim may only be a name).
ifndef PYTHON
PYTHON := $(shell for p in python3.11 python3.12 python3.13 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
else ifeq (,$(filter clean,$(MAKECMDGOALS)))
RELEASE := -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
HAVE := $(shell test ! -x $(BIN)/python || $(BIN)/python $(RELEASE))
WANT := $(shell $(PYTHON) $(RELEASE))
ifneq ($(or $(HAVE),$(WANT)),$(or $(WANT),$(HAVE)))
$(error $(VENV) has Python $(HAVE), $(PYTHON) is Python $(WANT): add VENV=.venv-$(WANT), or run `make clean` first)
endif
endif
PYTEST_ARGS ?= -n auto --dist loadfile
AUDIT_ARGS ?=
BENCH_ARGS ?=
VERSIONS ?= 3.11 3.12 3.13
# Releases of pytest whose internals lanes are tested with, besides the newest.
PYTESTS ?= 9.0 9.1
STAMP := $(VENV)/.installed
DEV := $(VENV)/.developing
DEBIAN := openssh-server openssh-client nginx-light iproute2 tcpdump libpcap0.8 systemd-container \
  mmdebstrap debian-archive-keyring nftables sudo chromium busybox fish mksh openssl tcsh zsh \
  nodejs openscap-scanner

.PHONY: audit test lint typing docs bench packages clean versions pytests

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer: apt-get install python3 python3-venv, or make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c '' 2>/dev/null || { echo "$(PYTHON) does not start: install it, or make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "$(PYTHON) has no venv module: installing $(PYTHON)-venv"; apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(PYTHON)-venv && $(PYTHON) -m venv $(VENV); \
	  else echo "$(PYTHON) has no venv module: apt-get install $(PYTHON)-venv"; exit 1; fi; }
	$(BIN)/pip install --quiet --upgrade pip

$(STAMP): pyproject.toml | $(BIN)/python
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --editable '.[embedded]'
	@touch $@

$(DEV): $(STAMP)
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --group dev
	@touch $@

# Findings are what an audit is for, so they do not fail `make`; GATE=1 hands on pytest's exit code.
audit: $(STAMP)
	@$(BIN)/python -m pytest checks --audit-report=junit=audit-report/junit.xml \
	  --audit-report=json=audit-report/results.json --audit-report=html=audit-report/report.html \
	  $(AUDIT_ARGS); code=$$?; \
	case $$code in \
	  0) echo "audit: the gate holds (pytest's exit code 0)";; \
	  1) echo "audit: the gate is broken by findings (pytest's exit code 1)";; \
	  10) echo "audit: nothing failed, but something could not be assessed (pytest's exit code 10)";; \
	  *) exit $$code;; \
	esac; test -z "$(GATE)" || exit $$code

packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  dpkg -s $(DEBIAN) >/dev/null 2>&1 || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(DEBIAN); }; \
	else echo "not root: tests that need Debian packages or privileges will say so and skip"; fi

test: packages $(DEV)
	$(BIN)/python -m pytest -ra $(PYTEST_ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DEV)
	$(BIN)/mkdocs build --strict

# Side by side with testinfra, oscap and Lynis, on real sshds; reports and replays: about 45 minutes, and it needs root.
bench: packages $(DEV)
	@test "$$(id -u)" != 0 || command -v cc >/dev/null || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev; }
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/per_result.py
	$(BIN)/python benchmarks/dead_hosts.py
	$(BIN)/python benchmarks/many_dead_hosts.py
	$(BIN)/python benchmarks/facts.py
	$(BIN)/python benchmarks/library.py
	$(BIN)/python benchmarks/reports.py
	$(BIN)/python benchmarks/replay.py
	$(BIN)/python benchmarks/many_hosts.py $(BENCH_ARGS)

# The unit and plugin tests on every supported Python that is installed; all of them with ALL=1.
versions:
	@for v in $(VERSIONS); do \
	  for p in python$$v $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$$v*/bin/python$$v ""; do \
	    test -n "$$p" && $$p -c '' 2>/dev/null && break; done; \
	  test -n "$$p" || { echo "python$$v: not installed, not tested"; continue; }; \
	  $(MAKE) --no-print-directory test PYTHON=$$p VENV=.venv-$$v PYTEST_ARGS="$(if $(ALL),,tests/unit tests/plugin -n auto --dist loadfile) -q" || exit 1; \
	done

# Lanes touch internals of pytest: their tests on each older release of it; `make test` has the newest.
pytests: $(DEV)
	@for v in $(PYTESTS); do \
	  dir=.venv-pytest-$$v; \
	  test -x $$dir/bin/python || $(PYTHON) -m venv $$dir || exit 1; \
	  PYTHONWARNINGS=ignore $$dir/bin/pip install --quiet "pytest==$$v.*" pytest-xdist pytest-timeout \
	    --editable . || exit 1; \
	  $$dir/bin/python -m pytest -q -n auto --dist loadfile tests/unit/test_lanes_parts.py \
	    tests/plugin/test_lanes.py tests/plugin/test_lanes_same_results.py \
	    tests/plugin/test_shortcuts.py || exit 1; \
	done

clean:
	rm -rf $(VENV) .venv-3.* .venv-pytest-* build dist site audit-report *.egg-info .pytest_cache .mypy_cache .ruff_cache
