# Two commands set up everything on a fresh Debian or Ubuntu with git, make and Python 3.11 or newer:
#
#   make run     the phone: a window with the built-in lab's account ready to call; without a screen, a call shown as text
#   make test    the whole test suite         (TESTS=tests/sip for a part, ARGS=-x for pytest's options)
#
# PYTHON=python3.12 chooses the interpreter.

TESTS ?= tests
ARGS ?=
# The whole suite is shared by two processes (tests/two_workers.py).
WORKERS := $(if $(filter tests,$(TESTS)),-n2)
VENV := .venv/bin
UV := $(firstword $(wildcard $(VENV)/uv) uv)

.PHONY: help run test lint bench scale package lock clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile
	@echo "Also: make lint, make bench, make scale, make package, make lock, make clean"

run:
	@packaging/setup/setup.sh run
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then exec $(VENV)/softphone --lab; else exec $(VENV)/softphone demo; fi

# Benchmarks are not tests: they measure, and want the machine to themselves.
test:
	@packaging/setup/setup.sh test
	@$(VENV)/python -m pytest --ignore=tests/bench $(WORKERS) $(ARGS) $(TESTS)

lint:
	@packaging/setup/setup.sh test
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy

# An hour, most of it speech and silence in real time: speech under loss 11 minutes, the long call 10, mouth to ear 9.
# Each part alone: ARGS="-k speech_under_loss".
bench:
	@packaging/setup/setup.sh bench
	@$(VENV)/python -m pytest -s --timeout=1800 $(ARGS) tests/bench

# 20 accounts and 30 calls in one engine: CPU, memory, late ticks, lost packets.
scale:
	@packaging/setup/setup.sh test
	@$(VENV)/python -m pytest -s --timeout=1800 $(ARGS) tests/bench/test_many_calls.py

# A folder with the frozen program, dist/softphone, which then tests itself.
package:
	@packaging/setup/setup.sh test
	$(VENV)/python packaging/freeze.py
	dist/softphone/softphone selftest

# Writes the lock files anew, keeping versions that still fit (UPGRADE=--upgrade for the newest). Needs uv (pipx install uv).
# dev.lock leads; the others take its versions. No index addresses are written: any mirror will do, the hashes decide.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 $(UPGRADE)
lock:
	$(LOCK) --group dev --group peers --group package pyproject.toml -o requirements/dev.lock
	$(LOCK) --group build -c requirements/dev.lock pyproject.toml -o requirements/run.lock
	$(LOCK) --group bench -c requirements/dev.lock pyproject.toml -o requirements/bench.lock

clean:
	rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
