# Any Python from 3.11 on; the first that works is taken, or name one: make PYTHON=python3.12 run
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; exit; fi; \
	done; echo python3)
VENV_PYTHON = .venv/bin/python
# Which versions to take is decided here; installing needs only pip and the locks.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --no-header

help:  ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile

setup:  ## the virtual environment, locked packages, static files
	@$(PYTHON) -m pilot.building all

run:  ## the pilot with invented people, on this machine (HOST, PORT)
	@$(PYTHON) -m pilot.building run
	@exec $(VENV_PYTHON) -m pilot.running

test: setup  ## every test, browser tests included (ARGS="-k name")
	@$(VENV_PYTHON) -m pytest $(ARGS)

mutants: setup  ## break the access rules one at a time, to see that a test notices (an hour or two; ARGS="pilot.access.roles.*")
	@rm -rf mutants
	@PATH="$(CURDIR)/.venv/bin:$$PATH" PILOT_MODE=test mutmut run $(ARGS)
	@.venv/bin/mutmut results

check: setup  ## lint, types, layers, migrations, templates, documents in step
	@$(VENV_PYTHON) -m pilot.checking

bench: setup  ## the performance table
	@$(VENV_PYTHON) -m bench

tamper-demo: setup  ## a superuser edits the log, and verifying it names the event
	@$(VENV_PYTHON) -m tests.tamper_demo

lighthouse: setup  ## what Lighthouse says of a patient's pages on the running demo (ARGS=address; fetches it by npx)
	@$(VENV_PYTHON) -m tests.lighthouse $(ARGS)

reset:  ## forget the data of this clone
	@$(PYTHON) -m pilot.building forget

lock:  ## lock what pyproject.toml asks for (needs uv; newer versions by ARGS=--upgrade)
	@$(COMPILE) pyproject.toml $(ARGS) --all-extras --output-file requirements/development.txt
	@$(COMPILE) pyproject.toml --constraint requirements/development.txt --extra embedded --output-file requirements/demo.txt
	@$(COMPILE) pyproject.toml --constraint requirements/development.txt --output-file requirements/production.txt
	@$(COMPILE) $(ARGS) --group node --output-file requirements/node.txt

.PHONY: help setup run test mutants check bench tamper-demo lighthouse reset lock
