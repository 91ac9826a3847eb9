#!/usr/bin/env bash
# Qwen3-ASR with the package qwen-asr on a tiny model with random weights. It pins another transformers than FunASR's suite,
# so in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

python3 -m venv .venv-qwen
.venv-qwen/bin/pip install -q 'torch==2.13.0'
.venv-qwen/bin/pip install -q '.[builtin]' 'qwen-asr==0.0.6' 'pytest>=8.3' 'pytest-timeout>=2.3' 'onnx>=1.17'
.venv-qwen/bin/python -m pytest -q tests/backends/qwen
