# Targets for people; every one works on a fresh checkout. Python 3.11 or newer and make are all they need.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# A dozen processes load the same few hundred files; images that forbid to keep them compiled would slow each start.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test test-browser bench lint

help:  ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# A stamp each, so that pip runs only when its list has changed.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "siteadmin: Python 3.11 or newer is needed (make PYTHON=...)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.installed

run: $(VENV)/.installed  ## set up what is missing and run the whole site until Ctrl-C
	@$(BIN)/python -m siteadmin.supervise

# Two workers more than the two cores of a small machine: the drills of the whole product wait most of their time.
test: $(VENV)/.installed-dev  ## run the tests on servers of their own (ARGS= goes to pytest)
	@$(BIN)/python -m siteadmin.embedded throwaway -- $(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder $(ARGS)

test-browser: $(VENV)/.installed-dev  ## run the browser tests (root installs Debian's Chromium if it is missing)
	@command -v chromium >/dev/null 2>&1 || $(MAKE) --no-print-directory chromium
	@$(BIN)/python -m siteadmin.embedded throwaway -- $(BIN)/python -m pytest tests/browser $(ARGS)

.PHONY: chromium
chromium:
	@test "$$(id -u)" = 0 || { echo "siteadmin: the browser tests need Chromium: apt-get install chromium" >&2; exit 1; }
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null

bench: $(VENV)/.installed-dev  ## measure on servers of their own; a table, and var/bench.json
	@$(BIN)/python -m siteadmin.embedded throwaway -- $(BIN)/python -m tests.bench $(ARGS)

APPS := siteadmin cameras events alerts
DEPLOY := SITE_URL=https://siteadmin.example DJANGO_SETTINGS_MODULE=siteadmin.settings.production DEBUG=0
lint: $(VENV)/.installed-dev  ## ruff, mypy, import-linter, missing migrations, Django's deployment checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/python -m siteadmin.embedded throwaway -- $(MAKE) --no-print-directory lint-django

.PHONY: lint-django
lint-django:
	$(BIN)/mypy $(APPS)
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(DEPLOY) $(BIN)/python manage.py check --deploy --fail-level WARNING
