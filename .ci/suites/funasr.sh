#!/usr/bin/env bash
# FunASR's own toolkit on models that recognise tones. torch and what the toolkit needs are large, so apart from the test
# extra and in an environment of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-funasr
.venv-funasr/bin/pip install -q 'torch==2.13.0'
.venv-funasr/bin/pip install -q '.[builtin,funasr]' 'pytest>=8.3' 'pytest-timeout>=2.3' 'hypothesis>=6.120' 'onnx>=1.17'
.venv-funasr/bin/python -m pytest -q tests/backends/funasr tests/backends/devices/test_out_of_memory.py
