#!/usr/bin/env bash
# Makes this checkout ready: system packages, a virtual environment in .venv, the locked Python packages, the program itself.
#
#   packaging/setup/setup.sh run|test|bench
#
# Quick the second time: what dpkg has is not asked of apt, and what a lock file holds is installed once (stamps in .venv).
# PYTHON=python3.12 chooses the interpreter; SOFTPHONE_SYSTEM_PACKAGES=no leaves the system's packages alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=packaging/setup/system-packages.sh
. packaging/setup/system-packages.sh

purpose=${1:?run, test or bench}
case $purpose in
    run) package_lists=(run) lock=requirements/run.lock ;;
    test) package_lists=(run test) lock=requirements/dev.lock ;;
    bench) package_lists=(run test bench) lock=requirements/bench.lock ;;
    *) echo "setup.sh: run, test or bench, not '$purpose'" >&2; exit 2 ;;
esac

# Two set-ups at once would install over each other.
mkdir -p .cache
exec 9>.cache/setup.lock
flock 9

supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'
venv_python=.venv/bin/python

choose_python() { # the newest suitable one that can make virtual environments, else the newest suitable one
    local candidate without_venv=
    for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
        "$candidate" -c "$supported" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
        without_venv=${without_venv:-$candidate}
    done
    echo "$without_venv"
}

make_venv() {
    local python version
    python=$(choose_python)
    if [ -z "$python" ]; then
        echo "No suitable Python found${PYTHON:+ (PYTHON=$PYTHON)}: 3.11 to 3.14 is needed." >&2
        exit 1
    fi
    if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_packages <<<"python$version-venv | python3-venv"
        if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
            echo "$python cannot make a virtual environment: install the package python$version-venv (or python3-venv)." >&2
            exit 1
        fi
    fi
    echo "Making .venv with $("$python" -V)"
    "$python" -m venv --clear .venv
}

key_of() { # a stamp's content: the interpreter and the files that decided what was installed
    { "$venv_python" -V; sha256sum "$@"; } | sha256sum | cut -d' ' -f1
}

stamped() { [ "$(cat ".venv/.installed-$1" 2>/dev/null)" = "$(key_of "${@:2}")" ]; }

stamp() { key_of "${@:2}" >".venv/.installed-$1"; }

pip_install() {
    "$venv_python" -m pip install --disable-pip-version-check --no-input "$@"
}

if [ "${SOFTPHONE_SYSTEM_PACKAGES:-yes}" != no ]; then
    for list in "${package_lists[@]}"; do
        cat "packaging/setup/packages-$list.txt"
    done | install_packages
fi

if [ -n "${PYTHON:-}" ] && [ -x "$venv_python" ] && [ "$("$PYTHON" -V 2>&1)" != "$("$venv_python" -V 2>&1)" ]; then
    make_venv
elif ! "$venv_python" -c "$supported" >/dev/null 2>&1 || ! "$venv_python" -m pip --version >/dev/null 2>&1; then
    make_venv
fi

# The test lock holds everything that the run lock does, in the same versions (a test says so).
if [ "$purpose" = bench ]; then
    stamped test requirements/dev.lock || pip_install --require-hashes --only-binary :all: -r requirements/dev.lock
    stamp test requirements/dev.lock
    # pesq comes as source alone and is compiled here.
    stamped bench "$lock" || pip_install --require-hashes -r "$lock"
    stamp bench "$lock"
elif ! stamped "$purpose" "$lock" && ! { [ "$purpose" = run ] && stamped test requirements/dev.lock; }; then
    pip_install --require-hashes --only-binary :all: -r "$lock"
    stamp "$purpose" "$lock"
fi

if ! stamped program pyproject.toml softphone/__init__.py; then
    pip_install --no-deps --no-build-isolation --editable .
    stamp program pyproject.toml softphone/__init__.py
fi
