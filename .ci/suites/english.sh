#!/usr/bin/env bash
# The extra english, in an environment of its own: where it is installed, Moonshine base-en is the default model.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-english
.venv-english/bin/pip install -q '.[english,test]'
.venv-english/bin/python -c 'import importlib.util as u; assert u.find_spec("moonshine_cpp")' # else the tests skip
.venv-english/bin/python -m pytest -q tests/backends/moonshine tests/models/test_builtin.py
